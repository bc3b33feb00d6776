"""Formats of one string a column: Alpaca and its cousins, prompt and completion, flat preferences.

A spec names the column of each slot. One pair of question and answer fits; earlier pairs need a
`history` column, a system prompt a `system` column. Alpaca's `input` follows the instruction on a
new line; both are kept apart too, so that Alpaca comes back as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import column, nulls, parts_of, strings, truth
from thresher.formats.format import (
    Format,
    Shape,
    Writing,
    Written,
    lifted_system,
    read_label,
    texts_of,
)
from thresher.formats.messages import LOST_FIELDS, Dropped, one_text
from thresher.formats.rows import Faults, Kind, Read, Rows
from thresher.formats.turns import (
    ASSISTANT,
    STRING,
    SYSTEM,
    USER,
    Turns,
    empty_turns,
    join,
    turns_of,
)

Column = np.ndarray[Any, Any]
BOUNDARY = "boundary of instruction and input"


@dataclass(frozen=True)
class FlatSpec:
    """The column of each slot; None where the format has none."""

    kind: Kind
    prompt: str
    answer: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    label: str | None = None
    input: str | None = None
    system: str | None = None
    history: str | None = None


def flat(name: str, about: str, spec: FlatSpec, *, input_required: bool = False) -> Format:
    """Make the format of a spec."""
    required = [spec.prompt, spec.answer, spec.chosen, spec.rejected]
    shapes = {n: Shape("text") for n in required if n}
    optional = {n: Shape("text") for n in (spec.system,) if n}
    if spec.input:
        (shapes if input_required else optional)[spec.input] = Shape("text")
    if spec.label:
        shapes[spec.label] = Shape("label")
    if spec.history:
        optional[spec.history] = Shape("pairs")
    reader, writer = partial(read_flat, spec), partial(write_flat, spec)
    return Format(name, spec.kind, about, shapes, optional, read=reader, write=writer)


def read_flat(spec: FlatSpec, batch: pa.RecordBatch) -> Read:
    """Read a batch."""
    faults = Faults(len(batch))
    dropped: Dropped = {}
    columns: dict[str, pa.Array] = {}
    asked = texts_of(batch, spec.prompt, faults)
    if spec.input is not None and batch.schema.get_field_index(spec.input) >= 0:
        more = texts_of(batch, spec.input)
        columns |= {"instruction": asked, "input": more}
        asked = _joined(asked, more)
    if spec.system is not None:
        system = texts_of(batch, spec.system)
        said = truth(pc.greater(pc.binary_length(system), 0))
        if system.null_count < len(system) and not said.all():
            columns["system"] = pc.if_else(pa.array(said), pa.scalar(None, STRING), system)
    prompt = turns_of(asked, USER)
    if spec.history is not None:
        prompt = join([_history(column(batch, spec.history), faults), prompt])
    if spec.system is not None and said.any():
        prompt = join([turns_of(system, SYSTEM, said), prompt])
    if spec.label is not None:
        label, respelled = read_label(column(batch, spec.label), spec.label, faults)
        columns["label"] = label
        if respelled.any():
            dropped["spelling of labels"] = respelled
    if spec.kind is Kind.PREFERENCE:
        turns = {"prompt": prompt}
        for slot, name in (("chosen", spec.chosen), ("rejected", spec.rejected)):
            assert name is not None
            turns[slot] = turns_of(texts_of(batch, name, faults), ASSISTANT)
    elif spec.answer is None:
        turns = {"messages": prompt}
    else:
        answer = turns_of(texts_of(batch, spec.answer, faults), ASSISTANT)
        turns = {"messages": join([prompt, answer])}
    return Read(Rows(spec.kind, len(batch), turns, columns), faults, dropped)


def _joined(asked: pa.Array, more: pa.Array) -> pa.Array:
    """Put the input on a new line after the instruction; an empty one adds nothing."""
    given = pc.fill_null(pc.greater(pc.binary_length(more), 0), False)
    if not truth(given).any():
        return asked
    both = pc.binary_join_element_wise(asked, more, pa.scalar("\n", STRING))
    alone = pc.equal(pc.binary_length(asked), 0)
    return pc.if_else(given, pc.if_else(alone, more, both), asked)


def _history(array: pa.Array, faults: Faults) -> Turns:
    """Read earlier pairs of question and answer."""
    if pa.types.is_null(array.type) or pa.types.is_null(array.type.value_type):
        return empty_turns(len(array))
    outer, pairs = parts_of(array)
    inner, texts = parts_of(pairs)
    row = np.repeat(np.arange(len(array)), np.diff(outer))
    wrong = np.diff(inner) != 2
    faults.add(np.unique(row[wrong]), "a pair of 'history' has not two texts")
    owner = np.repeat(row, np.diff(inner))
    faults.add(np.unique(owner[nulls(texts)]), "a text of 'history' is null")
    offsets = inner[outer]
    place = np.arange(len(texts)) - np.repeat(inner[:-1], np.diff(inner))
    roles = np.where(place % 2 == 0, USER, ASSISTANT).astype(np.int8)
    return Turns(offsets, roles, {"content": strings(texts)})


def write_flat(spec: FlatSpec, rows: Rows, how: Writing) -> Written:
    """Write rows of the spec's kind."""
    if how.omitted:
        spec = replace(
            spec,
            system=None if "system" in how.omitted else spec.system,
            history=None if "history" in how.omitted else spec.history,
        )
    lost: Dropped = {}
    faults = Faults(len(rows))
    name = "prompt" if spec.kind is Kind.PREFERENCE else "messages"
    system, rows = lifted_system(rows, name)
    answers: dict[str, Turns] = {}
    if spec.kind is Kind.PREFERENCE:
        prompt = rows.turns["prompt"]
        answers = {slot: rows.turns[slot] for slot in ("chosen", "rejected")}
    elif spec.answer is None:
        prompt = rows.turns["messages"]
    else:
        whole = rows.turns["messages"]
        prompt, answers["answer"] = whole.split(np.maximum(whole.lengths - 1, 0))
    _judge(spec, prompt, answers, faults)
    _lose_fields([prompt, *answers.values()], lost)
    tools = rows.columns.get("tools")
    if tools is not None and tools.null_count < len(tools):
        lost["tools"] = ~nulls(tools)
    if spec.input is None:
        lose_boundary(rows, lost)
    if spec.system is None and system.null_count < len(system):
        lost["system prompt"] = ~nulls(system)
    good = np.flatnonzero(faults.good)
    mine = rows.take(good)
    columns = _question(spec, mine, prompt.take(good))
    for slot, turns in answers.items():
        target = {"answer": spec.answer, "chosen": spec.chosen, "rejected": spec.rejected}[slot]
        assert target is not None
        columns[target] = one_text(turns.take(good))
    if spec.label is not None:
        columns[spec.label] = mine.column("label")
    if spec.system is not None and how.present & {"system", "system turn"}:
        columns[spec.system] = system.take(pa.array(good))
    if spec.history is not None and "history" in how.present:
        columns[spec.history] = _pairs(prompt.take(good))
    return Written(columns, faults, lost)


def _judge(spec: FlatSpec, prompt: Turns, answers: dict[str, Turns], faults: Faults) -> None:
    """Mark rows that strings in columns cannot hold."""
    for turns in (prompt, *answers.values()):
        plain = np.isin(turns.roles, (USER, ASSISTANT))
        faults.add(turns.any(~plain), "tools' turns do not fit a column of text")
        faults.add(turns.any(nulls(turns.field("content"))), "a turn without text does not fit")
    faults.add(prompt.lengths == 0, "there is no prompt")
    place = np.arange(len(prompt.roles)) - np.repeat(prompt.offsets[:-1], prompt.lengths)
    expected = np.where(place % 2 == 0, USER, ASSISTANT)
    wrong = prompt.any(prompt.roles != expected) | (prompt.lengths % 2 == 0)
    faults.add(wrong, "the prompt's turns do not alternate")
    if spec.history is None:
        faults.add(prompt.lengths > 1, "several turns do not fit: the format holds one question")
    for turns in answers.values():
        single = (turns.lengths == 1) & turns.first((ASSISTANT,))
        faults.add(~single, "the answer is not one turn of the assistant")


def _lose_fields(parts: list[Turns], lost: Dropped) -> None:
    names = {**LOST_FIELDS, "parts": "content parts that are not text"}
    for turns in parts:
        for field, what in names.items():
            values = turns.fields.get(field)
            if values is not None and values.null_count < len(values):
                mask = turns.any(~nulls(values))
                lost[what] = lost.get(what, np.zeros(len(turns), bool)) | mask


def _question(spec: FlatSpec, rows: Rows, prompt: Turns) -> dict[str, pa.Array]:
    """Return the instruction, and the input where the format has one."""
    last = prompt.offsets[1:] - 1
    asked = prompt.field("content").take(pa.array(last))
    apart = rows.columns.get("instruction")
    if spec.input is None:
        return {spec.prompt: asked}
    if apart is None:
        return {spec.prompt: asked, spec.input: pa.array([""] * len(rows), STRING)}
    known = apart.is_valid()
    empty = pa.scalar("", STRING)
    return {
        spec.prompt: pc.if_else(known, apart, asked),
        spec.input: pc.if_else(known, rows.column("input"), empty),
    }


def lose_boundary(rows: Rows, lost: Dropped) -> None:
    """Mark the rows whose input had a column of its own, and becomes a line of the question."""
    more = rows.columns.get("input")
    if more is not None:
        given = truth(pc.greater(pc.binary_length(more), 0))
        if given.any():
            lost[BOUNDARY] = given


def _pairs(prompt: Turns) -> pa.Array:
    earlier, _ = prompt.split(prompt.lengths - 1)
    inner = pa.LargeListArray.from_arrays(
        pa.array(np.arange(0, len(earlier.roles) + 1, 2)), earlier.field("content")
    )
    return pa.LargeListArray.from_arrays(pa.array(earlier.offsets // 2), inner)
