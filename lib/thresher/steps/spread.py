"""Columns to partitions and back: what an exchange carries.

Lines are plain numpy columns of equal length. A hash column decides the partition by its high bits,
so that partitions are even and the choice depends on the line alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.store import Published, Store

Column = np.ndarray[Any, Any]


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


def read_table(store: Store, name: str) -> pa.Table:
    """Map a table that `write_table` wrote."""
    with pa.memory_map(str(store.path(name))) as source:
        return pa.ipc.open_file(source).read_all()
