"""Connected pieces by stages, for graphs beyond the driver's limit.

Every half round is an exchange of its own, so a run resumes inside a round. The answer is that of
`find_pieces`: each row with company gets the smallest id of its piece. At the end both ends of
every edge are looked up and must carry one label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.stage import Receipt, Task
from thresher.steps.bucketing import PIECES
from thresher.steps.collapsing import part_name
from thresher.steps.owned import Owned, spread_table
from thresher.steps.spread import concatenated, mixed, read_table, spread, write_table
from thresher.store import Store
from thresher.transforms.stars import Edges, forest, large_star, small_star

Column = np.ndarray[Any, Any]


def _edges(store: Store, name: str) -> Edges:
    """Read the edges of a part, contracted; bucket parts call the ends left and right."""
    table = read_table(store, name)
    first, second = (table.column(i).to_numpy() for i in range(2))
    return forest(Edges(np.maximum(first, second), np.minimum(first, second)))


def emit_large(
    partitions: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit every edge to both of its ends."""
    edges = _edges(store, task.payload)
    node = np.concatenate((edges.child, edges.parent))
    lines = {"node": node, "other": np.concatenate((edges.parent, edges.child))}
    yield from spread(lines, mixed(node), partitions)


def emit_small(
    partitions: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit every edge to its larger end."""
    edges = _edges(store, task.payload)
    yield from spread({"node": edges.child, "other": edges.parent}, mixed(edges.child), partitions)


def reduce_large(
    store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Hang the larger neighbours of each node under its smallest."""
    lines = concatenated(batches)
    if not lines:
        return Receipt(task=partition, facts={"moved": 0})
    return _write(store, folder, partition, len(lines["node"]), *large_star(**_named(lines)))


def reduce_small(
    store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Hang each node and its smaller neighbours under the smallest of them."""
    lines = concatenated(batches)
    if not lines:
        return Receipt(task=partition, facts={"moved": 0})
    return _write(
        store, folder, partition, len(lines["node"]), *small_star(lines["node"], lines["other"])
    )


def _named(lines: dict[str, Column]) -> dict[str, Column]:
    return {"node": lines["node"], "neighbour": lines["other"]}


def _write(
    store: Store, folder: str, partition: int, rows_in: int, edges: Edges, moved: int
) -> Receipt:
    table = pa.table({"child": pa.array(edges.child), "parent": pa.array(edges.parent)})
    return Receipt(
        task=partition,
        rows_in=rows_in,
        rows_out=len(table),
        bytes_in=table.nbytes,
        files=(write_table(store, part_name(folder, partition), table),),
        facts={"moved": moved},
    )


def emit_labels(
    span: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit the label of every row, those of the smallest rows themselves included, to its owner."""
    edges = _edges(store, task.payload)
    roots = np.unique(edges.parent)
    ids = np.concatenate((edges.child, roots))
    labels = np.concatenate((edges.parent, roots))
    table = pa.table([pa.array(ids), pa.array(labels)], schema=PIECES)
    yield from spread_table(table, docid.task_of(ids) // span)


def emit_edges(
    span: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit every edge of a bucket part, as it was found, to the owner of its left end."""
    table = read_table(store, task.payload)
    yield from spread_table(table, docid.task_of(table.column("left").to_numpy()) // span)


def reduce_edges(
    labels: Owned, store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Look the left ends up; write (right end, label that it must carry)."""
    lines = concatenated(batches)
    if not lines:
        return Receipt(task=partition)
    order = np.lexsort((lines["right"], lines["left"]))
    left, right = lines["left"][order], lines["right"][order]
    fresh = np.ones(len(left), dtype=bool)
    fresh[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    left, right = left[fresh], right[fresh]
    label = _label(store, labels, partition, left)
    table = pa.table([pa.array(right), pa.array(label)], schema=PIECES)
    file = write_table(store, part_name(folder, partition), table)
    return Receipt(task=partition, rows_in=len(table), rows_out=len(table), files=(file,))


def reduce_audit(
    labels: Owned, store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Look the right ends up and count the edges whose ends carry different labels."""
    lines = concatenated(batches)
    if not lines:
        return Receipt(task=partition, facts={"crossing": 0})
    label = _label(store, labels, partition, lines["id"])
    crossing = int((label != lines["piece"]).sum())
    return Receipt(task=partition, rows_in=len(label), facts={"crossing": crossing})


def _label(store: Store, labels: Owned, partition: int, ids: Column) -> Column:
    """Return the labels of ids that one part owns; an id without one gets its own complement."""
    table = read_table(store, part_name(labels.folder, partition))
    known, label = (table.column(i).to_numpy() for i in range(2))
    if not len(known):
        return ~ids
    at = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    found: Column = np.where(known[at] == ids, label[at], ~ids)
    return found
