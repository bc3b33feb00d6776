"""The text of rows, for jobs that compare or judge text: the prompt, the response, or all of it.

Turns are joined by newlines, in order; a tool call is its JSON. The response of a preference is
both answers, so that pairs are compared as pairs.

Shapes: R rows.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import children, join_columns, nulls, parts_of
from thresher.formats.catalogue import FORMATS
from thresher.formats.format import with_system
from thresher.formats.rows import Faults, Kind, Rows, prompt_lengths
from thresher.formats.toolcalls import as_turns
from thresher.formats.turns import STRING, Turns

Column = np.ndarray[Any, Any]
Part = Literal["prompt", "response", "conversation", "all"]


class Texts(NamedTuple):
    """The texts of a batch.

    Args:
        text: (R,) large strings; null where the row has no such part.
        faults: Rows that their format cannot read; their text is null.
    """

    text: pa.Array
    faults: Faults


def batch_texts(batch: pa.RecordBatch, name: str, part: Part) -> Texts:
    """Return the text of each row of a batch of one format.

    Args:
        batch: The rows.
        name: Their format.
        part: Which part of them; `all` is the conversation and the tools it may use.
    """
    made = FORMATS[name].read(batch)
    text = row_texts(made.rows, part)
    if not made.faults.good.all():
        text = pc.if_else(pa.array(made.faults.good), text, pa.scalar(None, STRING))
    return Texts(text, made.faults)


def row_texts(rows: Rows, part: Part, *, whole: bool = False) -> pa.Array:
    """Return the text of each row, null where the row has no such part.

    Args:
        rows: The rows.
        part: Which part of them.
        whole: Take in what turns hold beside their text, in front of it: reasoning, and pictures
            and the like as JSON. Rows that differ in them are no exact copies.
    """
    if rows.kind is Kind.TEXT:
        if part in ("prompt", "response"):
            return pa.nulls(len(rows), STRING)
        return rows.column("text")
    first = "messages" if "messages" in rows.turns else "prompt"
    rows = with_system(rows, first, {})
    pieces = {
        "prompt": [_prompt(rows, whole)],
        "response": _responses(rows, whole),
        "conversation": [_prompt(rows, whole), *_responses(rows, whole)],
    }.get(part)
    if pieces is None:
        pieces = [rows.column("tools"), _prompt(rows, whole), *_responses(rows, whole)]
    return join_columns(pieces, "\n") if pieces else pa.nulls(len(rows), STRING)


def _prompt(rows: Rows, whole: bool) -> pa.Array:
    if "prompt" in rows.turns:
        return _joined(rows.turns["prompt"], whole)
    turns = rows.turns["messages"]
    if rows.kind is not Kind.PROMPT:
        turns = turns.split(prompt_lengths(rows))[0]
    return _joined(turns, whole)


def _responses(rows: Rows, whole: bool) -> list[pa.Array]:
    if rows.kind is Kind.PREFERENCE:
        return [_joined(rows.turns[side], whole) for side in ("chosen", "rejected")]
    if rows.kind is Kind.RANKED:
        offsets, answers = parts_of(rows.column("answers"))
        return [_lists(offsets, children(answers)["answer"])]
    if rows.kind is Kind.STEPS:
        return [_lists(*parts_of(rows.column("steps")))]
    if rows.kind is Kind.PROMPT:
        return []
    return [_joined(rows.turns["messages"].split(prompt_lengths(rows))[1], whole)]


def _joined(turns: Turns, whole: bool) -> pa.Array:
    """Join the contents of each row's turns; null for a row without any."""
    turns, _, _ = as_turns(turns)
    content = turns.field("content")
    if whole:
        content = join_columns([turns.field("reasoning"), turns.field("parts"), content], "\n")
    said = ~nulls(content)
    kept = np.concatenate([[0], np.cumsum(said)])[turns.offsets]
    return _lists(kept, content.filter(pa.array(said)))


def _lists(offsets: Column, values: pa.Array) -> pa.Array:
    lists = pa.ListArray.from_arrays(
        pa.array(offsets.astype(np.int32)), values, mask=pa.array(np.diff(offsets) == 0)
    )
    return pc.binary_join(lists, pa.scalar("\n", STRING))
