"""Segments: the texts of a row that are searched one by one, with the role of each.

A message is a segment, so is each side of a preference, an answer of a ranked list, the steps of a
solution together, and a row of plain text. What is matched never crosses a border, unless the
user's turns are joined on request: a question may be asked in two.

Shapes: R rows, S segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import children, nulls, parts_of
from thresher.formats.format import with_system
from thresher.formats.rows import Kind, Rows
from thresher.formats.toolcalls import as_turns
from thresher.formats.turns import ASSISTANT, CALL, DEVELOPER, STRING, SYSTEM, TOOL, USER, Turns
from thresher.leaks.matches import ROLES as ROLES

Column = np.ndarray[Any, Any]
TEXT, SYSTEM_ROLE, USER_ROLE, ASSISTANT_ROLE, TOOL_ROLE, CHOSEN, REJECTED = range(len(ROLES))
JOINED = -1  # number of the segment that joins the user's turns
_OF_TURN = np.full(len(ROLES) + 1, USER_ROLE, np.int8)
_OF_TURN[[SYSTEM, DEVELOPER]] = SYSTEM_ROLE
_OF_TURN[[ASSISTANT, CALL]] = ASSISTANT_ROLE
_OF_TURN[TOOL] = TOOL_ROLE


class Segments(NamedTuple):
    """Segments in the order of their rows.

    Attributes:
        texts: (S,) large strings, none null.
        rows: (S,) int64, ascending.
        numbers: (S,) int32, counted in the row; `JOINED` for its user's turns as one.
        roles: (S,) int8, places in `ROLES`.
    """

    texts: pa.Array
    rows: Column
    numbers: Column
    roles: Column


class _Piece(NamedTuple):
    """Texts of rows, with the place of the piece in the row."""

    texts: pa.Array
    rows: Column
    roles: Column


def segments(rows: Rows, *, join_user_turns: bool = False) -> Segments:
    """Return the segments of R rows of one kind.

    Args:
        rows: The rows.
        join_user_turns: Search all turns of the user as one text too.
    """
    if rows.kind is Kind.TEXT:
        return _laid_out([_Piece(rows.column("text"), np.arange(len(rows)), _same(rows, TEXT))], [])
    first = "messages" if "messages" in rows.turns else "prompt"
    rows = with_system(rows, first, {})
    pieces = _of_turns(rows.turns[first])
    for side, answers in (("chosen", CHOSEN), ("rejected", REJECTED)):
        if side in rows.turns:
            pieces += _of_turns(rows.turns[side], answers)
    if rows.kind is Kind.RANKED:
        offsets, answers = parts_of(rows.column("answers"))
        of_row = np.repeat(np.arange(len(rows)), np.diff(offsets))
        role = np.full(len(of_row), ASSISTANT_ROLE, np.int8)
        pieces.append(_Piece(children(answers)["answer"], of_row, role))
    if rows.kind is Kind.STEPS:
        steps = pc.binary_join(rows.column("steps"), pa.scalar("\n", STRING))
        pieces.append(_Piece(steps, np.arange(len(rows)), _same(rows, ASSISTANT_ROLE)))
    return _laid_out(pieces, _joined(rows.turns[first]) if join_user_turns else [])


def _same(rows: Rows, role: int) -> Column:
    return np.full(len(rows), role, np.int8)


def _of_turns(turns: Turns, answers: int = ASSISTANT_ROLE) -> list[_Piece]:
    """Return what messages say and what they reason; tool calls are their JSON."""
    turns, _, _ = as_turns(turns)
    roles = _OF_TURN[turns.roles]
    roles = np.where(roles == ASSISTANT_ROLE, np.int8(answers), roles)
    said = _Piece(turns.field("content"), turns.row_of, roles)
    thought = turns.field("reasoning")
    if thought.null_count == len(thought):
        return [said]
    return [said, _Piece(thought, turns.row_of, roles)]


def _joined(turns: Turns) -> list[_Piece]:
    """Return the user's turns as one text, of rows that have several."""
    asked = (turns.roles == USER) & ~nulls(turns.field("content"))
    offsets = np.concatenate([[0], np.cumsum(asked)])[turns.offsets]
    lists = pa.LargeListArray.from_arrays(
        pa.array(offsets.astype(np.int64)), turns.field("content").filter(pa.array(asked))
    )
    several = np.flatnonzero(np.diff(offsets) > 1)
    texts = pc.binary_join(lists.take(pa.array(several)), pa.scalar("\n", STRING))
    return [_Piece(texts, several, np.full(len(several), USER_ROLE, np.int8))]


def _laid_out(pieces: Sequence[_Piece], joined: Sequence[_Piece]) -> Segments:
    """Lay pieces out row by row, and number the segments of each row."""
    found = [_said(piece) for piece in (*pieces, *joined)]
    rows = np.concatenate([piece.rows for piece in found]).astype(np.int64)
    roles = np.concatenate([piece.roles for piece in found])
    is_joined = np.zeros(len(rows), bool)
    is_joined[len(rows) - sum(len(piece.rows) for piece in found[len(pieces) :]) :] = True
    texts = pa.concat_arrays([piece.texts.cast(STRING) for piece in found])
    order = np.argsort(rows, kind="stable")
    rows, is_joined = rows[order], is_joined[order]
    if (order != np.arange(len(order))).any():
        texts = texts.take(pa.array(order))
    starts = np.searchsorted(rows, rows)
    numbers = (np.arange(len(rows)) - starts).astype(np.int32)
    return Segments(texts, rows, np.where(is_joined, np.int32(JOINED), numbers), roles[order])


def _said(piece: _Piece) -> _Piece:
    """Leave out what is null."""
    there = ~nulls(piece.texts)
    if there.all():
        return piece
    return _Piece(piece.texts.filter(pa.array(there)), piece.rows[there], piece.roles[there])
