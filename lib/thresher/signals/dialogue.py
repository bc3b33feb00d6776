"""A row as a dialogue: what was asked, what was answered, and all answers that are to be learned.

The response is the assistant's last turn. A preference is the dialogue that ends with the chosen
answer, ranked answers the one that ends with the best, judged steps one answer of all steps; the
`answers` are those that the row holds: both, all, or every turn of the assistant that is learned.

Shapes: R rows, M messages, A answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import children, nulls, parts_of, truth
from thresher.formats.format import with_system
from thresher.formats.rows import Kind, Rows
from thresher.formats.turns import ASSISTANT, CALL, STRING, USER, Turns, join, turns_of

Column = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Dialogue:
    """Rows as dialogues.

    Args:
        turns: All messages, the response included.
        heads: (R,) messages before the response; all of them where there is none.
        last: (R,) the response's place among the messages; -1 where there is none.
        asked: (R,) the place of the last user's turn before it; -1 without one.
        response: (R,) its text; null where there is none, or a call in its place.
        prompt: (R,) the last user's turn before the response; null without one.
        answers: Turns of the assistant that are learned, by row: the role is always the same.
        asks_only: Rows are prompts that need no answer.
    """

    turns: Turns
    heads: Column
    last: Column
    asked: Column
    response: pa.Array
    prompt: pa.Array
    answers: Turns
    asks_only: bool = False

    def __len__(self) -> int:
        return len(self.turns)

    @property
    def answered(self) -> Column:
        """(R,) rows with a response."""
        answered: Column = self.last >= 0
        return answered


def dialogue(rows: Rows) -> Dialogue:
    """Read rows of any kind but plain text."""
    first = "messages" if "messages" in rows.turns else "prompt"
    rows = with_system(rows, first, {})
    turns = rows.turns[first]
    if rows.kind is Kind.PREFERENCE:
        sides = [learned(rows.turns[name]) for name in ("chosen", "rejected")]
        return _read(join([turns, rows.turns["chosen"]]), join(sides))
    if rows.kind is Kind.RANKED:
        answers = ranked_answers(rows)
        return _read(join([turns, best_answers(rows, answers)]), answers)
    if rows.kind is Kind.STEPS:
        offsets, values = parts_of(rows.column("steps"))
        lists = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)
        whole = turns_of(pc.binary_join(lists, pa.scalar("\n", STRING)), ASSISTANT)
        return _read(join([turns, whole]), whole)
    if rows.kind is Kind.PROMPT:
        return _read(turns, learned(turns.split(np.zeros(len(turns), np.int64))[0]), asks_only=True)
    return _read(turns, learned(turns))


def _read(turns: Turns, answers: Turns, *, asks_only: bool = False) -> Dialogue:
    ours = np.isin(turns.roles, (ASSISTANT, CALL))
    if asks_only:
        ours = np.zeros(len(ours), bool)
    last = _last(turns, ours)
    answered = last >= 0
    heads = np.where(answered, last - turns.offsets[:-1], turns.lengths)
    content = turns.field("content")
    silent = calling(turns)
    told = pc.if_else(pa.array(silent), content, pc.fill_null(content, ""))
    if (turns.roles == CALL).any():
        told = pc.if_else(pa.array(turns.roles == CALL), pa.scalar(None, STRING), told)
    response = told.take(pa.array(np.maximum(last, 0), mask=~answered)) if len(told) else None
    before = (turns.roles == USER) & (
        np.arange(len(turns.roles)) < np.repeat(turns.offsets[:-1] + heads, turns.lengths)
    )
    asked = _last(turns, before)
    asking = pc.fill_null(content, "")
    prompt = asking.take(pa.array(np.maximum(asked, 0), mask=asked < 0)) if len(told) else None
    nothing = pa.nulls(len(turns), STRING)
    return Dialogue(
        turns,
        heads,
        last,
        asked,
        nothing if response is None else response,
        nothing if prompt is None else prompt,
        answers,
        asks_only,
    )


def _last(turns: Turns, marked: Column) -> Column:
    """(R,) the last marked message of each row; -1 without one."""
    places = np.where(marked, np.arange(len(marked)), -1)
    found = np.full(len(turns), -1, np.int64)
    filled = turns.lengths > 0
    if filled.any():
        found[filled] = np.maximum.reduceat(places, turns.offsets[:-1][filled])
    return found


def calling(turns: Turns) -> Column:
    """(M,) messages that call tools."""
    calls = turns.roles == CALL
    if "tool_calls" in turns.fields:
        calls = calls | ~nulls(turns.fields["tool_calls"])
    found: Column = calls
    return found


def learned(turns: Turns) -> Turns:
    """Keep the assistant's turns that the loss falls on: those not masked by weight or `train`."""
    kept = turns.roles == ASSISTANT
    if "train" in turns.fields:
        kept &= ~truth(pc.invert(turns.fields["train"]))
    if "weight" in turns.fields:
        kept &= ~truth(pc.equal(turns.fields["weight"], 0.0))
    if kept.all():
        return turns
    offsets = np.concatenate([[0], np.cumsum(kept)])[turns.offsets].astype(np.int64)
    return turns.pick(np.flatnonzero(kept), offsets)


def ranked_answers(rows: Rows) -> Turns:
    """Return all ranked answers as turns."""
    offsets, flat = parts_of(rows.column("answers"))
    texts = children(flat).get("answer", pa.nulls(len(flat), STRING))
    return Turns(offsets, np.full(len(flat), ASSISTANT, np.int8), {"content": texts})


def best_answers(rows: Rows, answers: Turns) -> Turns:
    """Return the answer of the lowest rank, the first among equals; no turn without answers."""
    _, flat = parts_of(rows.column("answers"))
    ranks = children(flat).get("rank", pa.nulls(len(flat), pa.int64()))
    worst = np.iinfo(np.int64).max
    known = pc.fill_null(ranks, worst).to_numpy(zero_copy_only=False)
    order = np.lexsort((np.arange(len(known)), known, answers.row_of))
    filled = answers.lengths > 0
    best = order[answers.offsets[:-1][filled]]
    offsets = np.concatenate([[0], np.cumsum(filled)]).astype(np.int64)
    return answers.pick(best, offsets)


def every_text(answers: Turns) -> tuple[pa.Array, Column]:
    """Return the texts and the reasoning of all answers, and their offsets by row."""
    if "reasoning" not in answers.fields:
        return answers.field("content"), answers.offsets
    both = [
        Turns(answers.offsets, answers.roles, {"content": answers.field(name)})
        for name in ("content", "reasoning")
    ]
    mixed = join(both)
    return mixed.field("content"), mixed.offsets
