"""Pieces joined by stages are those that the driver's union-find gives, whatever the graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from thresher import docid
from thresher.engines.local import LocalEngine
from thresher.errors import InternalError
from thresher.run import Run
from thresher.stage import MapStage, Receipt, Task
from thresher.steps.bucketing import EDGES, PIECES, find_pieces
from thresher.steps.collapsing import part_name
from thresher.steps.owned import part_tasks
from thresher.steps.spread import read_table, write_table
from thresher.store import Store
from thresher.testing.chaos import Shuffled
from thresher_jobs.dedup_joins import audit_edges, join_by_stages

Column = np.ndarray[Any, Any]
Graph = tuple[Column, Column]
TASKS, ROWS = 7, 3000
SPAN = 2
GROUPS = -(-TASKS // SPAN)


def path(num: int, order: np.random.Generator) -> Graph:
    """A path that visits the rows in a random order."""
    nodes = order.permutation(num)
    return nodes[:-1], nodes[1:]


def sorted_path(num: int, order: np.random.Generator) -> Graph:
    """A path along ascending rows."""
    return np.arange(num - 1), np.arange(1, num)


def star(num: int, order: np.random.Generator) -> Graph:
    """All rows hang on one of the largest."""
    return np.full(num - 1, num - 1), np.arange(num - 1)


def giant(num: int, order: np.random.Generator) -> Graph:
    """One giant piece, many small ones, rows without company."""
    left = order.integers(0, num, num * 3 // 4)
    return left, order.integers(0, num, len(left))


def caterpillar(num: int, order: np.random.Generator) -> Graph:
    """A path whose rows each carry a leaf."""
    half = num // 2
    spine, leaves = np.arange(half), np.arange(half) + half
    return np.concatenate((spine[:-1], spine)), np.concatenate((spine[1:], leaves))


def pairs(num: int, order: np.random.Generator) -> Graph:
    """Half of the rows in pairs."""
    nodes = order.permutation(num)[: num // 2]
    return nodes[::2], nodes[1::2]


GRAPHS: list[Callable[[int, np.random.Generator], Graph]] = [
    path,
    sorted_path,
    star,
    giant,
    caterpillar,
    pairs,
]


def _ids(rows: Column) -> Column:
    return ((rows % TASKS).astype(np.uint64) << np.uint64(32)) | (rows // TASKS).astype(np.uint64)


def write_edges(table: pa.Table, parts: int, store: Store, folder: str, task: Task) -> Receipt:
    """A stage that writes one part of a table, as the bucket stage would."""
    lines = table.take(pa.array(np.arange(task.index, len(table), parts)))
    file = write_table(store, part_name(folder, task.index), lines)
    return Receipt(task=task.index, rows_out=len(lines), files=(file,))


def edge_parts(run: Run, graph: Graph, parts: int) -> tuple[MapStage, list[Receipt]]:
    ends = np.stack([_ids(side) for side in graph])
    ends = ends[:, ends[0] != ends[1]]
    table = pa.table([pa.array(ends.min(axis=0)), pa.array(ends.max(axis=0))], schema=EDGES)
    tasks = tuple(Task(n, None) for n in range(parts))
    stage = MapStage("buckets", "0", partial(write_edges, table, parts), tasks)
    return stage, run.execute(stage)


@pytest.mark.slow
@pytest.mark.parametrize("graph", GRAPHS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("partitions", [1, 5])
def test_stages_find_the_pieces_of_the_drivers_union_find(
    graph: Callable[[int, np.random.Generator], Graph], partitions: int, tmp_path: Path
) -> None:
    run = Run(Store(str(tmp_path)), Shuffled(LocalEngine(2), seed=partitions))
    made = graph(ROWS, np.random.default_rng(partitions))
    stage, receipts = edge_parts(run, made, parts=4)
    task_rows = [len(range(t, ROWS, TASKS)) for t in range(TASKS)]
    expected = find_pieces(run.store, stage.folder, receipts, task_rows)
    labels, rows, rounds = join_by_stages(run, "0", part_tasks(receipts), partitions, SPAN, GROUPS)
    found = pa.concat_tables([labels.of_task(run.store, t) for t in range(TASKS)])
    assert found.equals(expected)
    assert rows == len(expected)
    assert rounds <= 12


def test_an_edge_between_two_pieces_is_seen_by_the_audit(tmp_path: Path) -> None:
    run = Run(Store(str(tmp_path)), LocalEngine(1))
    _, receipts = edge_parts(run, pairs(ROWS, np.random.default_rng(1)), parts=3)
    edges = part_tasks(receipts)
    labels, _, _ = join_by_stages(run, "0", edges, 3, SPAN, GROUPS)
    audit_edges(run, "again", edges, labels, GROUPS)
    name = part_name(labels.folder, 0)
    table = read_table(run.store, name)
    wrong = table.column("piece").to_numpy().copy()
    wrong[3] = docid.pack(6, np.array([1 << 20]))[0]
    forged = pa.table(
        [pa.array(table.column("id").to_numpy().copy()), pa.array(wrong)], schema=PIECES
    )
    run.store.remove(name)
    write_table(run.store, name, forged)
    with pytest.raises(InternalError, match="crosses two pieces"):
        audit_edges(run, "wrong", edges, labels, GROUPS)
