"""Sorted runs of rows: cutting them by key, and reading several as one.

A run is a table sorted by its key columns, in which a key stands once. Of several runs the newest
row of a key counts. A deletion names values of the columns `by`; it takes the rows of older runs
that hold them, never those of its own run, so a night may delete and bring back.

Nothing here reads or writes: tables in, tables out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

Column = np.ndarray[Any, Any]
_MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
_SHIFT = np.uint64(33)


@dataclass(frozen=True)
class Layout:
    """What a table of runs looks like.

    Args:
        name: Of the table, and of its folder.
        schema: Of the rows.
        key: Columns of unsigned integers that name a row, in the order of sorting.
        by: Columns of unsigned integers that a deletion names.
        partitions: Into how many a run is cut, by a hash of the first key column.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    by: tuple[str, ...]
    partitions: int

    def __post_init__(self) -> None:
        for column in {*self.key, *self.by}:
            if not pa.types.is_unsigned_integer(self.schema.field(column).type):
                raise ValueError(f"column {column!r} of {self.name} is not of unsigned integers")
        if not self.key or not self.by or self.partitions < 1:
            raise ValueError(f"{self.name} needs a key, columns to delete by, and a partition")

    @property
    def deletion_schema(self) -> pa.Schema:
        """The schema of a list of deletions."""
        return pa.schema([self.schema.field(column) for column in self.by])

    def told(self) -> dict[str, Any]:
        """Return the layout as JSON."""
        return {
            "schema": [[field.name, str(field.type)] for field in self.schema],
            "key": list(self.key),
            "by": list(self.by),
            "partitions": self.partitions,
        }


class Run(NamedTuple):
    """Some rows, or deletions, and the number of the run they came with."""

    number: int
    rows: pa.Table


def partition_of(layout: Layout, values: Column) -> Column:
    """Return the partition of each value of the first key column."""
    mixed = values.astype(np.uint64)
    for factor in _MIX:
        mixed = (mixed ^ (mixed >> _SHIFT)) * factor
    mixed ^= mixed >> _SHIFT
    return (mixed % np.uint64(layout.partitions)).astype(np.int64)


def cut(layout: Layout, rows: pa.Table) -> Mapping[int, pa.Table]:
    """Cut rows into sorted pieces, by partition.

    Raises:
        ValueError: A key stands twice.
    """
    rows = rows.cast(layout.schema).combine_chunks()
    where = partition_of(layout, rows.column(layout.key[0]).to_numpy())
    order = np.argsort(where, kind="stable")
    ends = np.cumsum(np.bincount(where, minlength=layout.partitions))
    pieces = {}
    for partition, mine in enumerate(np.split(order, ends[:-1])):
        if len(mine):
            pieces[partition] = _sorted(layout, rows.take(pa.array(mine)))
    return pieces


def _sorted(layout: Layout, rows: pa.Table) -> pa.Table:
    columns = _columns(rows, layout.key)
    order = _order(columns)
    if not _differs([column[order] for column in columns]).all():
        raise ValueError(f"a key of {layout.name} stands twice in one run")
    return rows.take(pa.array(order))


def deletions(layout: Layout, rows: pa.Table) -> pa.Table:
    """Return deletions sorted, each once."""
    rows = rows.select(list(layout.by)).cast(layout.deletion_schema).combine_chunks()
    columns = _columns(rows, layout.by)
    order = _order(columns)
    if len(order) > 1:
        new = _differs([column[order] for column in columns])
        order = order[np.concatenate([[True], new])]
    return rows.take(pa.array(order))


def merge(layout: Layout, runs: Sequence[Run], deleted: Sequence[Run]) -> pa.Table:
    """Read several runs of one partition as one.

    Args:
        layout: Of the table.
        runs: In any order.
        deleted: Sorted deletions with the number of their run.
    """
    runs = sorted((run for run in runs if len(run.rows)), key=lambda run: run.number)
    if not runs:
        return layout.schema.empty_table()
    numbers = np.repeat([run.number for run in runs], [len(run.rows) for run in runs])
    rows = pa.concat_tables([run.rows for run in runs]).combine_chunks()
    standing = np.arange(len(rows))
    if len(runs) > 1:
        columns = _columns(rows, layout.key)
        order = _order([*columns, numbers])
        last = np.concatenate([_differs([column[order] for column in columns]), [True]])
        standing = order[last]
    alive = np.ones(len(standing), bool)
    for run in deleted:
        older = numbers[standing] < run.number
        if older.any() and len(run.rows):
            named = _codes(_columns(rows, layout.by))[standing]
            alive &= ~(older & _among(named, _codes(_columns(run.rows, layout.by))))
    if len(standing) == len(rows) and alive.all() and len(runs) == 1:
        return rows
    return rows.take(pa.array(standing[alive]))


def matching(layout: Layout, rows: pa.Table, values: Column) -> pa.Table:
    """Return the rows whose first key column is among sorted values."""
    column = rows.column(layout.key[0]).to_numpy()
    return rows.take(pa.array(np.flatnonzero(_among(column, values))))


def _columns(rows: pa.Table, names: Sequence[str]) -> list[Column]:
    return [rows.column(name).to_numpy() for name in names]


def _order(columns: Sequence[Column]) -> Column:
    """Return the order by all columns. Sorts the first one, which takes no time for runs that are
    sorted already, and then only what is equal there."""
    order = np.argsort(columns[0], kind="stable")
    equal = ~_differs([columns[0][order]])
    if len(columns) > 1 and equal.any():
        tied = np.flatnonzero(np.concatenate([equal, [False]]) | np.concatenate([[False], equal]))
        rows = order[tied]
        order[tied] = rows[np.lexsort([column[rows] for column in columns[::-1]])]
    return order


def _differs(columns: Sequence[Column]) -> Column:
    """Say for each row but the last whether the next one is another."""
    differs = np.zeros(max(len(columns[0]) - 1, 0), bool)
    for column in columns:
        differs |= column[1:] != column[:-1]
    return differs


def _codes(columns: Sequence[Column]) -> Column:
    """Put columns together as one that sorts alike: the number itself, or big-endian bytes."""
    if len(columns) == 1:
        return columns[0].astype(np.uint64)
    wide = np.column_stack([column.astype(np.uint64) for column in columns]).astype(">u8")
    return wide.view(f"S{8 * len(columns)}").ravel()


def _among(values: Column, wanted: Column) -> Column:
    """Say which values are among sorted wanted ones."""
    if not len(wanted):
        return np.zeros(len(values), bool)
    place = np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)
    found: Column = wanted[place] == values
    return found
