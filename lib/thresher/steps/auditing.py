"""The audit: sampled kept rows against other kept rows, compared exactly, to measure recall.

Samples are the kept rows with the smallest content hash in a few tasks spread over the input. They
are compared with every kept row of as many tasks as a stated number of bytes allows; where that is
not all, the report says what share. A sample with an earlier kept row at or above the threshold is
a miss.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Attributes, TaskAttributes
from thresher.steps.bucketing import compared_rows
from thresher.steps.collapsing import part_name
from thresher.steps.deciding import DecideParams, nights_of, shingles_of
from thresher.steps.owned import Owned
from thresher.steps.spread import read_table, write_table
from thresher.store import Store
from thresher.transforms.spotcheck import Samples, invert, meet

Column = np.ndarray[Any, Any]
SAMPLE = pa.schema(
    [
        ("night", pa.uint32()),
        ("priority", pa.uint32()),
        ("keep", pa.uint64()),
        ("b0", pa.uint64()),
        ("b1", pa.uint64()),
        ("id", pa.uint64()),
        ("shingles", pa.large_list(pa.uint64())),
    ]
)
ORDER_COLUMNS = SAMPLE.names[:6]


def draw(
    params: DecideParams,
    attributes: Attributes,
    removed: Owned,
    size: int,
    store: Store,
    folder: str,
    task: Task,
) -> Receipt:
    """Draw a task's samples and write their place in the order and their shingles."""
    found = attributes.load(store, task.index)
    rows = compared_rows(store, found, removed, params.ngram, task.index)
    chosen = np.sort(rows[np.argsort(found.bytes_hash[rows, 0], kind="stable")[:size]])
    runs = list(shingles_of(params, attributes, store, task, chosen))
    sizes = np.concatenate([np.zeros(1, np.int64), *(np.diff(run.offsets) for run in runs)])
    offsets = np.cumsum(sizes)
    values = np.concatenate([np.zeros(0, np.uint64), *(run.values for run in runs)])
    columns = _order(params, task, found, chosen)
    table = pa.table(
        [
            *(pa.array(columns[name]) for name in ORDER_COLUMNS),
            pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(values)),
        ],
        schema=SAMPLE,
    )
    file = write_table(store, part_name(folder, task.index), table)
    return Receipt(task=task.index, rows_in=len(rows), rows_out=len(chosen), files=(file,))


def _order(
    params: DecideParams, task: Task, found: TaskAttributes, rows: Column
) -> dict[str, Column]:
    priority = task.payload.source if params.use_priority else 0
    return {
        "night": nights_of(found, rows),
        "priority": np.full(len(rows), priority, dtype=np.uint32),
        "keep": found.keep[rows],
        "b0": found.bytes_hash[rows, 0],
        "b1": found.bytes_hash[rows, 1],
        "id": docid.pack(task.index, rows),
    }


def compare(
    params: DecideParams,
    attributes: Attributes,
    removed: Owned,
    samples: tuple[str, ...],
    store: Store,
    folder: str,
    task: Task,
) -> Receipt:
    """Compare a task's kept rows with all samples; facts list misses as [sample id, shared,
    union]."""
    found = attributes.load(store, task.index)
    kept = compared_rows(store, found, removed, params.ngram, task.index)
    drawn = pa.concat_tables([read_table(store, name) for name in samples]).combine_chunks()
    inverted = _invert(drawn)
    order = {name: drawn.column(name).to_numpy() for name in ORDER_COLUMNS}
    misses: list[list[int]] = []
    size = 0
    for here, offsets, values in shingles_of(params, attributes, store, task, kept):
        size += values.nbytes
        own = _order(params, task, found, kept[here])
        for row, sample, shared in meet(inverted, offsets, values, params.threshold).tolist():
            if _place(own, row) < _place(order, sample):
                union = int(offsets[row + 1] - offsets[row] + inverted.sizes[sample] - shared)
                misses.append([int(order["id"][sample]), shared, union])
    return Receipt(
        task=task.index, rows_in=len(kept), bytes_in=size, facts={"misses": sorted(misses)}
    )


def _invert(drawn: pa.Table) -> Samples:
    if not len(drawn):
        return invert(np.zeros(1, np.int64), np.zeros(0, np.uint64))
    column = drawn.column("shingles").combine_chunks()
    offsets = column.offsets.to_numpy()
    return invert(offsets - offsets[0], column.flatten().to_numpy())


def _place(order: dict[str, Column], row: int) -> tuple[int, ...]:
    return tuple(int(order[name][row]) for name in ORDER_COLUMNS)


def spread_evenly(tasks: tuple[Task, ...], weights: list[int], budget: int) -> tuple[Task, ...]:
    """Choose tasks spread over the input whose weights add up to about the budget; at least one."""
    total = sum(weights)
    if total <= budget or len(tasks) <= 1:
        return tasks
    num = max(1, len(tasks) * budget // total)
    return tuple(tasks[(2 * i + 1) * len(tasks) // (2 * num)] for i in range(num))
