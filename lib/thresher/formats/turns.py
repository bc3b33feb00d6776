"""Turns: the messages of many rows as flat arrays, one list a row.

A row's messages lie between two offsets; roles are codes into `ROLES`, everything else is an Arrow
array over all messages, present only where some message has a value. Rows are cut, joined and
reordered by offsets alone: no message becomes a Python object.

Shapes: R rows, M messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

Column = np.ndarray[Any, Any]

ROLES = ("system", "developer", "user", "assistant", "call", "tool")
SYSTEM, DEVELOPER, USER, ASSISTANT, CALL, TOOL = range(6)
STRING = pa.large_string()
TOOL_CALL = pa.struct([("id", STRING), ("type", STRING), ("name", STRING), ("arguments", STRING)])
MESSAGE_FIELDS: dict[str, pa.DataType] = {
    "content": STRING,
    "reasoning": STRING,
    "tool_calls": pa.large_list(TOOL_CALL),
    "tool_call_id": STRING,
    "name": STRING,
    "parts": STRING,
    "weight": pa.float64(),
    "train": pa.bool_(),
}
ROLE_TYPE = pa.dictionary(pa.int8(), pa.string())
MESSAGE = pa.struct([("role", ROLE_TYPE), *MESSAGE_FIELDS.items()])


@dataclass(frozen=True)
class Turns:
    """Messages by row.

    Args:
        offsets: (R + 1,) int64; row r holds messages offsets[r] to offsets[r + 1].
        roles: (M,) int8 codes into `ROLES`; -1 is unknown.
        fields: (M,) arrays of `MESSAGE_FIELDS`; a field that is absent is null everywhere.
    """

    offsets: Column
    roles: Column
    fields: Mapping[str, pa.Array]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Column:
        """(R,) messages of each row."""
        lengths: Column = np.diff(self.offsets)
        return lengths

    @property
    def row_of(self) -> Column:
        """(M,) the row of each message."""
        rows: Column = np.repeat(np.arange(len(self)), self.lengths)
        return rows

    def field(self, name: str) -> pa.Array:
        """Return a field of all messages, null where it is absent."""
        found = self.fields.get(name)
        return pa.nulls(len(self.roles), MESSAGE_FIELDS[name]) if found is None else found

    def with_fields(self, **fields: pa.Array) -> Turns:
        """Return the same messages with some fields replaced."""
        return Turns(self.offsets, self.roles, {**self.fields, **fields})

    def pick(self, messages: Column, offsets: Column) -> Turns:
        """Return the named messages, cut into rows by new offsets."""
        index = pa.array(messages)
        fields = {name: array.take(index) for name, array in self.fields.items()}
        return Turns(offsets, self.roles[messages], fields)

    def take(self, rows: Column) -> Turns:
        """Return some rows, in the order named."""
        if len(rows) == len(self) and (rows == np.arange(len(rows))).all():
            return self
        return self.pick(*_ranges(self.offsets[rows], self.lengths[rows]))

    def split(self, heads: Column) -> tuple[Turns, Turns]:
        """Cut each row after its first `heads` messages."""
        starts = self.offsets[:-1]
        tails = self.lengths - heads
        return self.pick(*_ranges(starts, heads)), self.pick(*_ranges(starts + heads, tails))

    def any(self, messages: Column) -> Column:
        """(R,) whether some message of the row is marked in the (M,) mask."""
        total = np.concatenate([[0], np.cumsum(messages)])
        found: Column = total[self.offsets[1:]] > total[self.offsets[:-1]]
        return found

    def first(self, codes: Sequence[int]) -> Column:
        """(R,) whether the row's first message has one of the roles."""
        found = np.zeros(len(self), bool)
        filled = self.lengths > 0
        found[filled] = np.isin(self.roles[self.offsets[:-1][filled]], codes)
        return found

    def last(self, codes: Sequence[int]) -> Column:
        """(R,) whether the row's last message has one of the roles."""
        found = np.zeros(len(self), bool)
        filled = self.lengths > 0
        found[filled] = np.isin(self.roles[self.offsets[1:][filled] - 1], codes)
        return found

    def to_arrow(self) -> pa.Array:
        """Return a list of `MESSAGE` for each row."""
        roles = pa.DictionaryArray.from_arrays(
            pa.array(self.roles, mask=self.roles < 0), pa.array(ROLES)
        )
        children = [roles, *(self.field(name) for name in MESSAGE_FIELDS)]
        flat = pa.StructArray.from_arrays(children, fields=list(MESSAGE))
        return pa.LargeListArray.from_arrays(pa.array(self.offsets), flat)


def _ranges(starts: Column, lengths: Column) -> tuple[Column, Column]:
    """Return the numbers of runs of messages laid end to end, and the offsets of the runs."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    messages = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    return messages, offsets


def stack(parts: Sequence[Turns]) -> Turns:
    """Put the rows of several after each other."""
    if len(parts) == 1:
        return parts[0]
    lengths = np.concatenate([part.lengths for part in parts])
    roles = np.concatenate([part.roles for part in parts])
    names = [name for name in MESSAGE_FIELDS if any(name in part.fields for part in parts)]
    fields = {name: pa.concat_arrays([part.field(name) for part in parts]) for name in names}
    return Turns(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), roles, fields)


def join(parts: Sequence[Turns]) -> Turns:
    """Put the messages of row r of several after each other, for every r."""
    kept = [part for part in parts if len(part.roles)] or list(parts[:1])
    if len(kept) == 1:
        return kept[0]
    rows, width = len(kept[0]), len(kept)
    order = (np.arange(width) * rows + np.arange(rows)[:, None]).reshape(-1)
    mixed = stack(kept).take(order)
    return Turns(mixed.offsets[::width], mixed.roles, mixed.fields)


def turns_of(contents: pa.Array, role: int, present: Column | None = None) -> Turns:
    """Make rows of one message each from a string column; rows not `present` are empty."""
    rows = len(contents)
    if present is None or present.all():
        return Turns(np.arange(rows + 1), np.full(rows, role, np.int8), {"content": contents})
    offsets = np.concatenate([[0], np.cumsum(present)]).astype(np.int64)
    held = contents.filter(pa.array(present))
    return Turns(offsets, np.full(len(held), role, np.int8), {"content": held})


def empty_turns(rows: int) -> Turns:
    """Make rows without messages."""
    nothing = {"content": pa.array([], STRING)}
    return Turns(np.zeros(rows + 1, np.int64), np.zeros(0, np.int8), nothing)


# Which role may follow which in a well-formed conversation; the last row is its beginning, the last
# column its end. A tool's answer may follow an assistant's turn that names no call: trainers
# accept it.
_FOLLOWS = np.zeros((7, 7), bool)
_FOLLOWS[6, [SYSTEM, DEVELOPER, USER]] = True
_FOLLOWS[[SYSTEM, DEVELOPER], USER] = True
_FOLLOWS[USER, [ASSISTANT, CALL]] = True
_FOLLOWS[ASSISTANT, [USER, TOOL, CALL]] = True
_FOLLOWS[CALL, [TOOL, CALL]] = True
_FOLLOWS[TOOL, [TOOL, ASSISTANT, CALL]] = True
_ANSWERED = (ASSISTANT, CALL)


def in_order(turns: Turns) -> Column:
    """(R,) whether roles follow each other: one system prompt at most, first; then user and
    assistant in turn, tools' answers after a call. The end is not judged; an empty row is in order.
    """
    if not len(turns.roles):
        return np.ones(len(turns), bool)
    before = np.empty(len(turns.roles), np.int8)
    before[1:] = turns.roles[:-1]
    before[turns.offsets[:-1][turns.lengths > 0]] = 6
    good: Column = ~turns.any(~_FOLLOWS[before, turns.roles])
    return good


def is_answered(turns: Turns) -> Column:
    """(R,) whether the last message is the assistant's."""
    return turns.last(_ANSWERED)


def alternates(turns: Turns) -> Column:
    """(R,) whether, after a system prompt, user or tool and assistant strictly take turns."""
    place = np.arange(len(turns.roles)) - np.repeat(turns.offsets[:-1], turns.lengths)
    led = turns.first((SYSTEM, DEVELOPER))
    place = place - np.repeat(led.astype(np.int64), turns.lengths)
    answers = np.isin(turns.roles, _ANSWERED)
    wrong = (place >= 0) & (answers != (place % 2 == 1))
    wrong |= (place >= 0) & np.isin(turns.roles, (SYSTEM, DEVELOPER))
    good: Column = ~turns.any(wrong)
    return good
