"""Cut conversations short before the turn in which an item was found.

What stays ends with an answer of the assistant to somebody: a question without its answer, a call
without its result or a system prompt alone teach nothing.

Shapes: R conversations, C matches.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.formats.arrays import nulls
from thresher.formats.catalogue import FORMATS
from thresher.formats.format import with_system
from thresher.formats.rows import Kind, Rows
from thresher.formats.toolcalls import as_turns
from thresher.formats.turns import ASSISTANT, USER, Turns

Column = np.ndarray[Any, Any]

NO_CONVERSATION = "no conversation to cut short"
OUTSIDE = "it is not in one turn alone"
NO_EXCHANGE = "no exchange before it"


def list_of_messages(name: str) -> str | None:
    """Return the column in which a format keeps whole conversations; None if there is none."""
    form = FORMATS[name]
    lists = [
        column for column, shape in form.required.items() if shape.name.startswith("messages:")
    ]
    return lists[0] if form.kind is Kind.CHAT and len(lists) == 1 else None


def turns_to_keep(rows: Rows, matched: Column, segments: Column) -> tuple[Column, Column]:
    """Return how many messages of each conversation stay.

    Args:
        rows: The conversations, each with a match.
        matched: (C,) the row of each match.
        segments: (C,) the number of the segment it is in, as `thresher.leaks.segments` counts.

    Returns:
        (R,) messages, 0 where nothing is worth keeping, and (R,) whether that is because an item
        stands outside the messages or across them.
    """
    listed = rows.turns["messages"]
    whole, _, _ = as_turns(with_system(rows, "messages", {}).turns["messages"])
    led = whole.lengths - listed.lengths  # a system prompt of a column of its own
    turn = _turns_of(whole, matched, segments) - led[matched]
    first = np.full(len(rows), np.iinfo(np.int64).max)
    np.minimum.at(first, matched, turn)
    row_of = whole.row_of
    place = np.arange(len(whole.roles)) - whole.offsets[row_of] - led[row_of]
    asked = np.concatenate([[0], np.cumsum(whole.roles == USER)])
    answered = (whole.roles == ASSISTANT) & (asked[:-1] > asked[whole.offsets[row_of]])
    ends = answered & (place >= 0) & (place < first[row_of])
    kept = np.zeros(len(rows), np.int64)
    np.maximum.at(kept, row_of[ends], place[ends] + 1)
    return kept, first < 0


def _turns_of(turns: Turns, rows: Column, segments: Column) -> Column:
    """(C,) the message of each segment, counted in its row; far below 0 where it is not one.

    A row's segments are what its messages say, in order, then what they reason.
    """
    numbers = np.full(len(segments), np.iinfo(np.int32).min, np.int64)
    offset = np.zeros(len(rows), np.int64)
    for field in ("content", "reasoning"):
        there = ~nulls(turns.field(field))
        before = np.concatenate([[0], np.cumsum(there)])
        base, stop = before[turns.offsets[rows]], before[turns.offsets[rows + 1]]
        mine = (segments >= offset) & (segments < offset + stop - base)
        messages = np.flatnonzero(there)
        at = messages[(base + segments - offset)[mine]]
        numbers[mine] = at - turns.offsets[rows[mine]]
        offset = offset + stop - base
    return numbers
