"""Formats whose columns hold lists of messages: ShareGPT, OpenAI's messages, TRL's conversational
forms, and preferences as two lists or two single messages.

Where a preference names no prompt, the two lists share it: the turns that are equal from the
beginning on, short of the last one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import column, json_text, nulls, truth
from thresher.formats.flat import lose_boundary
from thresher.formats.format import (
    Format,
    Shape,
    Writing,
    Written,
    lifted_system,
    read_label,
    texts_of,
    with_system,
)
from thresher.formats.messages import Dropped, one_text, read_messages, write_messages
from thresher.formats.rows import Faults, Kind, Read, Rows, prompt_lengths
from thresher.formats.turns import ASSISTANT, Turns, alternates, is_answered, join

Column = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ListSpec:
    """The column of each slot; None where the format has none.

    Args:
        kind: What a row holds.
        spelled: How messages are spelled: `from`, `role`, `text` or `value`.
        single: `chosen` and `rejected` hold one message each, not a list.
        implicit: `chosen` and `rejected` begin with the prompt.
        prompt_text: The prompt's text, which stands beside the lists once more.
        beside: A text column that may stand beside the lists and repeats their first turn.
    """

    kind: Kind
    spelled: str = "role"
    messages: str | None = None
    prompt: str | None = None
    completion: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    single: bool = False
    implicit: bool = False
    prompt_text: str | None = None
    beside: str | None = None
    label: str | None = None
    system: str | None = None
    tools: bool = True


def listed(name: str, about: str, spec: ListSpec) -> Format:
    """Make the format of a spec."""
    lists = Shape(f"messages:{spec.spelled}")
    answers = Shape(f"message:{spec.spelled}") if spec.single else lists
    shapes = {n: lists for n in (spec.messages, spec.prompt, spec.completion) if n}
    shapes |= {n: answers for n in (spec.chosen, spec.rejected) if n}
    if spec.prompt_text:
        shapes[spec.prompt_text] = Shape("text")
    if spec.label:
        shapes[spec.label] = Shape("label")
    optional = {n: Shape("text") for n in (spec.system, spec.beside) if n}
    if spec.tools:
        optional["tools"] = Shape("anything")
    reader, writer = partial(read_lists, spec), partial(write_lists, spec)
    return Format(name, spec.kind, about, shapes, optional, read=reader, write=writer)


def read_lists(spec: ListSpec, batch: pa.RecordBatch) -> Read:
    """Read a batch."""
    faults = Faults(len(batch))
    dropped: Dropped = {}
    columns: dict[str, pa.Array] = {}

    def lists(name: str) -> Turns:
        return read_messages(column(batch, name), name, faults, dropped)

    turns: dict[str, Turns] = {}
    if spec.chosen is not None and spec.rejected is not None:
        turns = {"chosen": lists(spec.chosen), "rejected": lists(spec.rejected)}
        if spec.implicit:
            turns = shared_prompt(turns["chosen"], turns["rejected"])
        else:
            shown = spec.messages or spec.prompt
            assert shown is not None
            turns["prompt"] = lists(shown)
    elif spec.completion is not None:
        assert spec.prompt is not None
        prompt = lists(spec.prompt)
        turns["messages"] = join([prompt, lists(spec.completion)])
        columns["num_prompt"] = pa.array(prompt.lengths, pa.int32())
    else:
        only = spec.messages or spec.prompt
        assert only is not None
        turns["messages"] = lists(only)
    if spec.prompt_text is not None:
        _check_prompt(texts_of(batch, spec.prompt_text, faults), turns["prompt"], faults)
    if spec.beside is not None:
        told = texts_of(batch, spec.beside)
        other = ~nulls(told) & ~truth(pc.equal(told, one_text(turns["prompt"])))
        if other.any():
            dropped[f"column '{spec.beside}', which is not the first turn"] = other
    if spec.label is not None:
        columns["label"], respelled = read_label(column(batch, spec.label), spec.label, faults)
        if respelled.any():
            dropped["spelling of labels"] = respelled
    if spec.system is not None:
        columns["system"] = texts_of(batch, spec.system)
    if spec.tools:
        columns["tools"] = json_text(column(batch, "tools"))
    held = {name: values for name, values in columns.items() if values.null_count < len(values)}
    return Read(Rows(spec.kind, len(batch), turns, held), faults, dropped)


def shared_prompt(chosen: Turns, rejected: Turns) -> dict[str, Turns]:
    """Split two whole conversations into the prompt that they share and the two answers."""
    heads = np.minimum(chosen.lengths, rejected.lengths)
    heads = np.maximum(heads - 1, 0)
    same = same_messages(chosen, rejected, heads)
    shared = np.zeros(len(chosen), np.int64)
    row = np.repeat(np.arange(len(chosen)), heads)
    place = np.arange(len(row)) - np.repeat(np.cumsum(heads) - heads, heads)
    stop = np.where(same, np.iinfo(np.int64).max, place)
    filled = heads > 0
    shared[filled] = np.minimum.reduceat(stop, (np.cumsum(heads) - heads)[filled])
    shared = np.minimum(shared, heads)
    prompt, best = chosen.split(shared)
    _, worst = rejected.split(shared)
    return {"prompt": prompt, "chosen": best, "rejected": worst}


def same_messages(left: Turns, right: Turns, heads: Column) -> Column:
    """Compare the first `heads` messages of each row, side by side: role, text, calls."""
    within = np.arange(int(heads.sum())) - np.repeat(np.cumsum(heads) - heads, heads)
    a = np.repeat(left.offsets[:-1], heads) + within
    b = np.repeat(right.offsets[:-1], heads) + within
    same = left.roles[a] == right.roles[b]
    for name in sorted({*left.fields, *right.fields} - {"weight", "train"}):
        mine, theirs = left.field(name).take(pa.array(a)), right.field(name).take(pa.array(b))
        if pa.types.is_nested(mine.type):
            mine, theirs = json_text(mine), json_text(theirs)
        both_null = nulls(mine) & nulls(theirs)
        same &= both_null | truth(pc.equal(mine, theirs))
    found: Column = same
    return found


def same_turns(left: Turns, right: Turns) -> Column:
    """(R,) whether two lists of turns are equal."""
    even = left.lengths == right.lengths
    heads = np.where(even, left.lengths, 0)
    same = same_messages(left, right, heads)
    row = np.repeat(np.arange(len(left)), heads)
    differing = np.bincount(row[~same], minlength=len(left)) > 0
    found: Column = even & ~differing
    return found


def _check_prompt(text: pa.Array, prompt: Turns, faults: Faults) -> None:
    first = one_text(prompt)
    alone = (prompt.lengths == 1) & truth(pc.equal(first, text))
    faults.add(~alone, "the prompt is not the one turn before the answers")


def write_lists(spec: ListSpec, rows: Rows, how: Writing) -> Written:
    """Write rows of the spec's kind."""
    faults = Faults(len(rows))
    lost: Dropped = {}
    first = "prompt" if spec.kind is Kind.PREFERENCE else "messages"
    if "system" in how.omitted:
        spec = replace(spec, system=None)
    shown = {"system"}
    if how.system_column and spec.system is not None:
        shown.add("system turn")
        system, rows = lifted_system(rows, first)
        rows = rows.replaced(columns={**rows.columns, "system": system})
    keeps_system = spec.system is not None and bool(shown & how.present)
    if not keeps_system:
        rows = with_system(rows, first, lost)
    lose_boundary(rows, lost)
    tools = rows.columns.get("tools")
    if not spec.tools and tools is not None and tools.null_count < len(tools):
        lost["tools"] = ~nulls(tools)
    pieces = _pieces(spec, rows, faults)
    if how.alternating:
        _check_alternation(spec, pieces, faults)
    fields = how.fields()
    lists: dict[str, pa.Array] = {}
    for name, turns in pieces.items():
        lists[name] = write_messages(turns, spec.spelled, fields, faults, lost)
    good = pa.array(np.flatnonzero(faults.good))
    columns: dict[str, pa.Array] = {}
    for name, values in lists.items():
        if spec.single and name in (spec.chosen, spec.rejected):
            columns[name] = values.take(good).flatten()
        else:
            columns[name] = values.take(good)
    if spec.prompt_text is not None:
        columns = {spec.prompt_text: one_text(rows.turns["prompt"]).take(good), **columns}
    if spec.label is not None:
        columns[spec.label] = rows.column("label").take(good)
    if keeps_system:
        assert spec.system is not None
        columns[spec.system] = rows.column("system").take(good)
    if spec.tools and "tools" in how.present:
        columns["tools"] = rows.column("tools").take(good)
    return Written(columns, faults, lost)


def _pieces(spec: ListSpec, rows: Rows, faults: Faults) -> dict[str, Turns]:
    """Return the turns of each column."""
    if spec.chosen is not None and spec.rejected is not None:
        prompt, best, worst = (rows.turns[n] for n in ("prompt", "chosen", "rejected"))
        if spec.prompt_text is not None:
            faults.add(prompt.lengths != 1, "the prompt is not one turn")
        if spec.implicit:
            return {spec.chosen: join([prompt, best]), spec.rejected: join([prompt, worst])}
        shown = spec.messages or spec.prompt
        assert shown is not None
        if spec.single:
            for answer in (best, worst):
                single = (answer.lengths == 1) & answer.first((ASSISTANT,))
                faults.add(~single, "the answer is not one turn of the assistant")
        return {shown: prompt, spec.chosen: best, spec.rejected: worst}
    whole = rows.turns["messages"]
    if spec.completion is not None:
        assert spec.prompt is not None
        heads = prompt_lengths(rows)
        faults.add(heads == 0, "there is no prompt")
        before, after = whole.split(heads)
        return {spec.prompt: before, spec.completion: after}
    only = spec.messages or spec.prompt
    assert only is not None
    return {only: whole}


def _check_alternation(spec: ListSpec, pieces: dict[str, Turns], faults: Faults) -> None:
    asked = spec.messages or spec.prompt
    for name, turns in pieces.items():
        if name == asked:
            answered = is_answered(turns)
            odd = answered if spec.kind is Kind.PREFERENCE else ~answered
            faults.add(odd, "the trainer would skip the row: its last turn is the wrong one")
        if name == asked or spec.implicit:
            faults.add(
                ~alternates(turns), "the turns do not alternate; the trainer would skip the row"
            )
