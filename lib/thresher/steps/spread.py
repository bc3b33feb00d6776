"""Columns to partitions and back: what an exchange carries.

Lines are plain numpy columns of equal length. A hash column decides the partition by its high bits,
so that partitions are even and the choice depends on the line alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.store import Published, Store

Column = np.ndarray[Any, Any]
MOST_MAPPED_BYTES = 512 << 20


def partition_of(hashes: Column, partitions: int) -> Column:
    """Return the partition of each uint64 hash: its high 32 bits, scaled."""
    return ((hashes >> np.uint64(32)) * np.uint64(partitions) >> np.uint64(32)).astype(np.int64)


def mixed(ids: Column) -> Column:
    """Return a hash of each uint64 id, for columns that are no hashes: MurmurHash3's fmix64."""
    hashes: Column = ids ^ (ids >> np.uint64(33))
    hashes *= np.uint64(0xFF51AFD7ED558CCD)
    hashes ^= hashes >> np.uint64(33)
    hashes *= np.uint64(0xC4CEB9FE1A85EC53)
    hashes ^= hashes >> np.uint64(33)
    return hashes


def spread(
    lines: dict[str, Column], hashes: Column, partitions: int
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Cut lines into one batch a partition, by a hash of each line; empty partitions are left
    out."""
    batch = pa.record_batch({name: pa.array(column) for name, column in lines.items()})
    yield from spread_batch(batch, partition_of(hashes, partitions))


def spread_batch(batch: pa.RecordBatch, target: Column) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Cut a batch of any columns into one batch for each value of `target`; rows keep their
    order."""
    if not len(target):
        return
    order = np.argsort(target, kind="stable")
    ordered = target[order]
    if ordered[0] != ordered[-1]:
        batch = batch.take(pa.array(order))
    cuts = (np.flatnonzero(np.diff(ordered)) + 1).tolist()
    for begin, end in zip([0, *cuts], [*cuts, len(ordered)], strict=True):
        yield int(ordered[begin]), batch.slice(begin, end - begin)


def fixed_lists(rows: Column) -> pa.Array:
    """Return a matrix as an Arrow column of fixed-size lists."""
    flat = pa.array(np.ascontiguousarray(rows).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])


def matrix(column: pa.Array) -> Column:
    """Return an Arrow column of fixed-size lists as a matrix, without a copy."""
    width = column.type.list_size
    rows: Column = column.flatten().to_numpy().reshape(-1, width)
    return rows


def concatenated(batches: Iterable[pa.RecordBatch]) -> dict[str, Column]:
    """Join batches into one set of columns; no batches give no columns."""
    parts = [{n: b.column(n).to_numpy() for n in b.schema.names} for b in batches]
    if not parts:
        return {}
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def write_table(store: Store, name: str, table: pa.Table) -> Published:
    """Write a small internal table as one Arrow file; believed only with a receipt."""
    with (
        store.writing(name, once=True) as path,
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table.combine_chunks(), max_chunksize=None)
    return Published(name, store.path(name).stat().st_size, "")


def read_table(store: Store, name: str, *, again: bool = True) -> pa.Table:
    """Map a table that `write_table` wrote.

    Args:
        store, name: Where.
        again: Whether the run will look at it again, so that it is to stay mapped.
    """
    path = store.path(name)
    if not again:
        return _mapped(path)
    known: MappedTables = store.memo.setdefault(MappedTables.__name__, MappedTables())
    stat = os.stat(path)
    state = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    table = known.get(name, state)
    if table is None:
        table = _mapped(path)
        known.keep(name, state, table, stat.st_size)
    return table


def _mapped(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


class MappedTables:
    """The tables of a run that were looked at last, up to a bound on the bytes of their files.

    To open a file takes 0.3 ms, and a night over known rows opened three thousand (2026-11-21).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, tuple[tuple[int, ...], pa.Table, int]] = {}
        self._bytes = 0

    def get(self, name: str, state: tuple[int, ...]) -> pa.Table | None:
        """Return a table, if its file is in the state in which it was mapped."""
        with self._lock:
            found = self._found.pop(name, None)
            if found is None:
                return None
            if found[0] != state:
                self._bytes -= found[2]
                return None
            self._found[name] = found
            return found[1]

    def keep(self, name: str, state: tuple[int, ...], table: pa.Table, size: int) -> None:
        """Keep a table, and let go of those that nobody asked for the longest time."""
        with self._lock:
            self._bytes += size - self._found.pop(name, (None, None, 0))[2]
            self._found[name] = (state, table, size)
            while self._bytes > MOST_MAPPED_BYTES:
                self._bytes -= self._found.pop(next(iter(self._found)))[2]
