"""Attribute files: what is known of every row of a task after the pass over the text.

Shapes: D rows of a task, B bands.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.steps.spread import matrix, read_table
from thresher.store import Store

Column = np.ndarray[Any, Any]


class TaskAttributes:
    """The attributes of all rows of a task, by row number. A column is looked at when it is asked
    for; where the file is one batch it stays on disk, mapped.

    Args:
        table: As it lies in the file.
        arrived: (D,) uint64, or None where the order does not go by arrival.
    """

    def __init__(self, table: pa.Table, arrived: Column | None) -> None:
        self._table = table
        self.arrived = arrived

    @cached_property
    def status(self) -> Column:
        """(D,) uint8."""
        return _flat(self._table, "status")

    @cached_property
    def bytes_hash(self) -> Column:
        """(D, 2) uint64 of the compared bytes."""
        return _matrix(self._table, "bytes_hash")

    @cached_property
    def word_hash(self) -> Column:
        """(D, 2) uint64 of the word sequence, or of the bytes in an exact job."""
        return _matrix(self._table, "word_hash")

    @cached_property
    def keep(self) -> Column:
        """(D,) uint64 keep key, smaller is kept."""
        return _flat(self._table, "keep")

    @cached_property
    def num_words(self) -> Column:
        """(D,) uint32."""
        return _flat(self._table, "num_words")

    @cached_property
    def bands(self) -> Column:
        """(D, B) uint64; B = 0 in an exact job."""
        return _matrix(self._table, "bands")

    @cached_property
    def pictures(self) -> Column:
        """(D, 8) uint64, one bit of 512 for each shingle; (D, 0) in an exact job."""
        return _matrix(self._table, "picture")

    @cached_property
    def signatures(self) -> Column:
        """(D, P) uint32, P = 0 where they are not kept."""
        return _matrix(self._table, "signature")

    @cached_property
    def ids(self) -> pa.Array | None:
        """The id column as strings, or None."""
        if "id" not in self._table.column_names:
            return None
        return self._table.column("id").combine_chunks()

    def bands_of(self, rows: Column) -> Column:
        """Return the band keys of ascending rows; pages of others are not touched."""
        return _some(self._table, "bands", rows)

    def pictures_of(self, rows: Column) -> Column:
        """Return the pictures of ascending rows; pages of others are not touched."""
        return _some(self._table, "picture", rows)

    def blocks(self) -> Iterator[TaskAttributes]:
        """Yield the rows as they lie in the file, batch by batch: nothing is copied."""
        for batch in self._table.to_batches():
            yield TaskAttributes(pa.Table.from_batches([batch]), None)


def attribute_name(folder: str, task: int) -> str:
    """Return the name of a task's attribute file."""
    return f"{folder}/part-{task:05d}.arrow"


def load_attributes(
    store: Store, folder: str, task: int, arrived: Column | None = None
) -> TaskAttributes:
    """Read a task's attribute file."""
    return TaskAttributes(read_table(store, attribute_name(folder, task)), arrived)


def _flat(table: pa.Table, name: str) -> Column:
    chunks = [c.to_numpy() for c in table.column(name).chunks]
    if len(chunks) == 1:
        only: Column = chunks[0]
        return only
    nothing: Column = np.zeros(0, table.schema.field(name).type.to_pandas_dtype())
    return np.concatenate(chunks) if chunks else nothing


def _matrix(table: pa.Table, name: str) -> Column:
    if name not in table.column_names:
        return np.zeros((table.num_rows, 0), np.uint64)
    chunks = [matrix(c) for c in table.column(name).chunks]
    if len(chunks) == 1:
        return chunks[0]
    kind = table.schema.field(name).type
    nothing = np.zeros((0, kind.list_size), kind.value_type.to_pandas_dtype())
    return np.concatenate(chunks) if chunks else nothing


def _some(table: pa.Table, name: str, rows: Column) -> Column:
    parts = []
    base = 0
    for chunk in table.column(name).chunks:
        low, high = np.searchsorted(rows, [base, base + len(chunk)]).tolist()
        if low < high:
            parts.append(matrix(chunk)[rows[low:high] - base])
        base += len(chunk)
    if not parts:
        return _matrix(table.slice(0, 0), name)
    return np.concatenate(parts) if len(parts) > 1 else parts[0]
