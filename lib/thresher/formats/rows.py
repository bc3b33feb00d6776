"""The canonical form: what every format is read into and written from.

A row is of one kind: text, a conversation, a prompt, a preference between two answers, one judged
answer, a list of ranked answers, or an answer in judged steps. `to_batch` shows the rows as Arrow
with the columns of `CANONICAL`; roles are dictionary-encoded, tools and content parts JSON text,
arguments of tool calls the text that the model wrote.

Shapes: R rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.turns import MESSAGE, STRING, Turns, stack

Column = np.ndarray[Any, Any]
MESSAGES = pa.large_list(MESSAGE)
ANSWERS = pa.large_list(pa.struct([("answer", STRING), ("rank", pa.int64())]))


class Kind(StrEnum):
    """What a row holds."""

    TEXT = "text"
    CHAT = "conversation"
    PROMPT = "prompt"
    PREFERENCE = "preference"
    UNPAIRED = "judged answer"
    STEPS = "judged steps"
    RANKED = "ranked answers"


CANONICAL = pa.schema(
    [
        ("text", STRING),
        ("system", STRING),  # a system prompt that stands in its own column
        ("messages", MESSAGES),  # conversations, prompts, judged answers
        ("num_prompt", pa.int32()),  # how many of them are the prompt, where the format says so
        ("prompt", MESSAGES),  # preferences, ranked answers, judged steps
        ("chosen", MESSAGES),
        ("rejected", MESSAGES),
        ("label", pa.bool_()),
        ("answers", ANSWERS),
        ("steps", pa.large_list(STRING)),
        ("step_labels", pa.large_list(pa.bool_())),
        ("input", STRING),  # the end of the last user turn that had a column of its own
        ("tools", STRING),
    ]
)


@dataclass(frozen=True)
class Rows:
    """Rows of one kind.

    Args:
        kind: What they hold.
        count: R.
        turns: Message lists by canonical column.
        columns: Other canonical columns that hold something.
        extra: Columns that no format knows, as they came.
    """

    kind: Kind
    count: int
    turns: Mapping[str, Turns] = field(default_factory=dict)
    columns: Mapping[str, pa.Array] = field(default_factory=dict)
    extra: Mapping[str, pa.Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.count

    def column(self, name: str) -> pa.Array:
        """Return a canonical column, null where it is absent."""
        found = self.columns.get(name)
        return pa.nulls(self.count, CANONICAL.field(name).type) if found is None else found

    def take(self, rows: Column) -> Rows:
        """Return some rows, in the order named."""
        if len(rows) == self.count and (rows == np.arange(self.count)).all():
            return self
        index = pa.array(rows)
        return Rows(
            self.kind,
            len(rows),
            {name: turns.take(rows) for name, turns in self.turns.items()},
            {name: column.take(index) for name, column in self.columns.items()},
            {name: column.take(index) for name, column in self.extra.items()},
        )

    def replaced(
        self,
        *,
        kind: Kind | None = None,
        turns: Mapping[str, Turns] | None = None,
        columns: Mapping[str, pa.Array] | None = None,
    ) -> Rows:
        """Return the rows with another kind, other message lists or other columns."""
        return Rows(
            self.kind if kind is None else kind,
            self.count,
            self.turns if turns is None else turns,
            self.columns if columns is None else columns,
            self.extra,
        )


def prompt_lengths(rows: Rows) -> Column:
    """(R,) messages of each conversation that are the prompt: as the format said, or all but the
    last."""
    lengths = rows.turns["messages"].lengths
    heads: Column = np.maximum(lengths - 1, 0)
    stated = rows.columns.get("num_prompt")
    if stated is None:
        return heads
    known = pc.fill_null(stated, -1).to_numpy(zero_copy_only=False)
    found: Column = np.where(known >= 0, known, heads)
    return found


def stack_rows(parts: Sequence[Rows]) -> Rows:
    """Put rows of one kind after each other; extra columns are those of the first."""
    if len(parts) == 1:
        return parts[0]
    names = {name for part in parts for name in part.columns}
    return Rows(
        parts[0].kind,
        sum(len(part) for part in parts),
        {name: stack([part.turns[name] for part in parts]) for name in parts[0].turns},
        {name: pa.concat_arrays([part.column(name) for part in parts]) for name in sorted(names)},
        {name: pa.concat_arrays([part.extra[name] for part in parts]) for name in parts[0].extra},
    )


def to_batch(rows: Rows) -> pa.RecordBatch:
    """Return the rows as Arrow: the canonical columns that they use, then the extra ones."""
    fields, columns = [], []
    for canonical in CANONICAL:
        if canonical.name in rows.turns:
            columns.append(rows.turns[canonical.name].to_arrow())
        elif canonical.name in rows.columns:
            columns.append(rows.columns[canonical.name])
        else:
            continue
        fields.append(canonical)
    fields += [pa.field(name, column.type) for name, column in rows.extra.items()]
    return pa.RecordBatch.from_arrays([*columns, *rows.extra.values()], schema=pa.schema(fields))


class Faults:
    """What is wrong with which row; the first fault of a row stays.

    Args:
        count: R.
    """

    def __init__(self, count: int) -> None:
        self.codes: Column = np.zeros(count, np.int16)
        self._messages = [""]

    def add(self, rows: Column, message: str) -> None:
        """Mark the rows of a mask (or a list of row numbers)."""
        mask = rows
        if rows.dtype != bool:
            mask = np.zeros(len(self.codes), bool)
            mask[rows] = True
        fresh = mask & (self.codes == 0)
        if not fresh.any():
            return
        if message not in self._messages:
            self._messages.append(message)
        self.codes[fresh] = self._messages.index(message)

    @property
    def good(self) -> Column:
        """(R,) rows without a fault."""
        good: Column = self.codes == 0
        return good

    def message(self, row: int) -> str:
        """Return what is wrong with a row."""
        return self._messages[int(self.codes[row])]

    def counts(self) -> Counter[str]:
        """Return the rows of each fault."""
        totals = np.bincount(self.codes, minlength=len(self._messages))
        pairs = zip(self._messages, totals.tolist(), strict=True)
        return Counter({message: count for message, count in pairs if message and count})


@dataclass(frozen=True)
class Read:
    """What a reader made of a batch: as many rows as it had, and what is wrong with some.

    Args:
        rows: Faulty rows are there with whatever could be read of them.
        faults: By row.
        dropped: (R,) masks by what was left out of the canonical form.
    """

    rows: Rows
    faults: Faults
    dropped: Mapping[str, Column] = field(default_factory=dict)
