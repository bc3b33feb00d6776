"""Band keys meet: the exchange that finds which rows share a bucket, and the pieces they form.

A bucket of m rows is written as m - 1 edges from its first row, so output is linear in rows; the
pairs inside a bucket are looked at only by the walk, which compares with kept rows alone. Rows
removed by the exact collapse, rows that cannot be judged and texts shorter than the n-gram (whose
only near copy is an equal word sequence) take no part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.errors import InternalError
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Status, TaskAttributes, load
from thresher.steps.collapsing import part_name
from thresher.steps.spread import concatenated, read_table, write_table
from thresher.store import Store
from thresher.transforms.components import audit, flatten, in_company, singletons, unite
from thresher.transforms.lines import scatter, select_repeated

Column = np.ndarray[Any, Any]
EDGES = pa.schema([("left", pa.uint64()), ("right", pa.uint64())])


def own_slice(ids: Column, task: int) -> slice:
    """Return where a task's ids lie in a sorted column of ids."""
    low, high = docid.task_range(task)
    begin, end = np.searchsorted(ids, np.array([low, high], dtype=np.uint64))
    return slice(int(begin), int(end))


def compared_rows(
    store: Store, found: TaskAttributes, copies: str, ngram: int, task: int
) -> Column:
    """Return the row numbers of a task that near-duplicate search looks at."""
    looked_at = (found.status == Status.OK) & (found.num_words >= ngram)
    removed = read_table(store, copies).column("id").to_numpy()
    looked_at[docid.row_of(removed[own_slice(removed, task)])] = False
    return np.flatnonzero(looked_at)


def emit_bands(
    attributes: str, copies: str, ngram: int, partitions: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit (band key, id) for every band of every compared row."""
    found = load(store, attributes, task.index)
    rows = compared_rows(store, found, copies, ngram, task.index)
    keys = found.bands if len(rows) == len(found.bands) else found.bands[rows]
    keys, owners, ends = scatter(keys, docid.pack(task.index, rows), partitions)
    begin = 0
    for partition, end in enumerate(ends.tolist()):
        if end > begin:
            lines = {"key": pa.array(keys[begin:end]), "id": pa.array(owners[begin:end])}
            yield partition, pa.record_batch(lines)
        begin = end


def reduce_buckets(
    store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Write the edges of every bucket of two rows or more."""
    lines = concatenated(batches)
    if not lines:
        return Receipt(task=partition)
    keys, ids = select_repeated(lines["key"], lines["id"])
    by_key = np.argsort(keys)
    keys, ids = keys[by_key], ids[by_key]
    same = keys[1:] == keys[:-1]
    member = np.zeros(len(keys), dtype=bool)
    member[1:] |= same
    member[:-1] |= same
    keys, ids = keys[member], ids[member]
    first = np.ones(len(keys), dtype=bool)
    first[1:] = keys[1:] != keys[:-1]
    begins = np.flatnonzero(first)
    sizes = np.diff(np.append(begins, len(keys)))
    leaders = np.minimum.reduceat(ids, begins) if len(begins) else ids
    left = np.repeat(leaders, sizes)
    edges = left != ids
    left, right = left[edges], ids[edges]
    table = pa.table([pa.array(left), pa.array(right)], schema=EDGES)
    file = write_table(store, part_name(folder, partition), table)
    largest = int(sizes.max()) if len(sizes) else 0
    return Receipt(
        task=partition,
        rows_in=len(lines["id"]),
        rows_out=len(table),
        bytes_in=lines["id"].nbytes * 2,
        files=(file,),
        facts={"buckets": len(begins), "largest": largest},
    )


class Pieces(NamedTuple):
    """Connected pieces of two rows or more.

    Args:
        ids: uint64, sorted.
        piece: uint32 label of each id's piece.
    """

    ids: Column
    piece: Column


def find_pieces(store: Store, folder: str, receipts: list[Receipt], task_rows: list[int]) -> Pieces:
    """Join all edges into pieces, on the driver; four bytes an input row.

    Args:
        store, folder, receipts: Where the edges are.
        task_rows: Rows of each task.

    Raises:
        InternalError: An edge's ends carry different labels.
    """
    bases = np.concatenate(([0], np.cumsum(task_rows))).astype(np.int64)
    parent = singletons(int(bases[-1]))
    for receipt in receipts:
        if receipt.files:
            unite(parent, *_dense(store, receipt, bases))
    flatten(parent)
    for receipt in receipts:
        if receipt.files and audit(parent, *_dense(store, receipt, bases)):
            raise InternalError("connected pieces: an edge crosses two pieces")
    rows = in_company(parent).astype(np.int64)
    tasks = np.searchsorted(bases, rows, side="right") - 1
    ids = (tasks.astype(np.uint64) << np.uint64(32)) | (rows - bases[tasks]).astype(np.uint64)
    return Pieces(ids, parent[rows])


def _dense(store: Store, receipt: Receipt, bases: Column) -> tuple[Column, Column]:
    table = read_table(store, receipt.files[0].name)
    both = []
    for side in ("left", "right"):
        ids = table.column(side).to_numpy()
        both.append((bases[docid.task_of(ids)] + docid.row_of(ids)).astype(np.uint32))
    return both[0], both[1]


def assign_pieces(pieces: Pieces, partition_rows: int) -> tuple[Column, int]:
    """Pack whole pieces into partitions of about `partition_rows` rows, in the order of their
    labels.

    Returns:
        (uint32 partition of each id, number of partitions).
    """
    if not len(pieces.ids):
        return np.zeros(0, np.uint32), 0
    _, inverse, sizes = np.unique(pieces.piece, return_inverse=True, return_counts=True)
    before = np.cumsum(sizes) - sizes
    of_label = (before // partition_rows).astype(np.uint32)
    _, dense = np.unique(of_label, return_inverse=True)
    return dense.astype(np.uint32)[inverse], int(dense[-1]) + 1


def write_pieces(store: Store, name: str, pieces: Pieces, partition: Column) -> None:
    """Write (id, piece, partition), sorted by id, for the tasks of the next exchange."""
    columns = {"id": pieces.ids, "piece": pieces.piece, "partition": partition}
    write_table(store, name, pa.table({k: pa.array(v) for k, v in columns.items()}))
