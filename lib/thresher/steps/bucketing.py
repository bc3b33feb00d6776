"""Band keys meet: the exchange that finds which rows share a bucket, and the pieces they form.

A bucket of m rows is written as m - 1 edges from its first row, so output is linear in rows; the
pairs inside a bucket are looked at only by the walk, which compares with kept rows alone. Rows
removed by the exact collapse, rows that cannot be judged and texts shorter than the n-gram (whose
only near copy is an equal word sequence) take no part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.errors import InternalError
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Attributes, TaskAttributes, comparable
from thresher.steps.collapsing import part_name
from thresher.steps.owned import Owned
from thresher.steps.spread import concatenated, read_table, write_table
from thresher.store import Store
from thresher.transforms.components import audit, flatten, in_company, singletons, unite
from thresher.transforms.lines import scatter, select_repeated

Column = np.ndarray[Any, Any]
EDGES = pa.schema([("left", pa.uint64()), ("right", pa.uint64())])
PIECES = pa.schema([("id", pa.uint64()), ("piece", pa.uint64())])


def compared_rows(
    store: Store, found: TaskAttributes, removed: Owned, ngram: int, task: int
) -> Column:
    """Return the row numbers of a task that near-duplicate search looks at, less removed ones."""
    looked_at = comparable(found.status, found.num_words, ngram)
    looked_at[docid.row_of(removed.of_task(store, task).column("id").to_numpy())] = False
    return np.flatnonzero(looked_at)


def emit_bands(
    attributes: Attributes,
    copies: Owned,
    ngram: int,
    partitions: int,
    store: Store,
    folder: str,
    task: Task,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit (band key, id) for every band of every compared row."""
    found = attributes.load(store, task.index)
    rows = compared_rows(store, found, copies, ngram, task.index)
    keys = found.bands if len(rows) == len(found.status) else found.bands_of(rows)
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


def find_pieces(
    store: Store, folder: str, receipts: list[Receipt], task_rows: list[int]
) -> pa.Table:
    """Join all edges into pieces, on the driver; four bytes an input row.

    Args:
        store, folder, receipts: Where the edges are.
        task_rows: Rows of each task.

    Returns:
        (id, smallest id of its piece) of every row with company, sorted by id.

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
            raise crossing_edge()
    rows = in_company(parent)
    columns = (_ids(rows.astype(np.int64), bases), _ids(parent[rows].astype(np.int64), bases))
    return pa.table([pa.array(c) for c in columns], schema=PIECES)


def crossing_edge() -> InternalError:
    """Return the error for an edge between two pieces, which joining must not leave."""
    return InternalError("connected pieces: an edge crosses two pieces")


def _ids(rows: Column, bases: Column) -> Column:
    """Return the document ids of rows numbered through all tasks."""
    tasks = np.searchsorted(bases, rows, side="right") - 1
    ids: Column = (tasks.astype(np.uint64) << np.uint64(32)) | (rows - bases[tasks]).astype(
        np.uint64
    )
    return ids


def _dense(store: Store, receipt: Receipt, bases: Column) -> tuple[Column, Column]:
    table = read_table(store, receipt.files[0].name)
    both = []
    for side in ("left", "right"):
        ids = table.column(side).to_numpy()
        both.append((bases[docid.task_of(ids)] + docid.row_of(ids)).astype(np.uint32))
    return both[0], both[1]
