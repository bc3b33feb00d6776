"""The leak check: what lies across the borders of a finished split, measured.

`check-keys`   keys whose rows lie in several splits
`check-edges`  verified pairs whose rows do
`draw, check`  rows of the held-out splits against all rows of the others, compared exactly, so that
               pairs are seen that no band brought together

The sample is drawn by content hash, so it is the same however the input is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.splitting.assignment import Split
from thresher.splitting.groups import run_starts
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Attributes, Status
from thresher.steps.bucketing import compared_rows
from thresher.steps.collapsing import part_name
from thresher.steps.deciding import DecideParams
from thresher.steps.owned import Owned
from thresher.steps.reading import ReadTask, read_task
from thresher.steps.split_grouping import Placed
from thresher.steps.split_meeting import SIMILAR
from thresher.steps.split_noting import Noted
from thresher.steps.spread import concatenated, read_table, spread, write_table
from thresher.store import Store
from thresher.text.sketch import shingles
from thresher.transforms.spotcheck import invert, meet

Column = np.ndarray[Any, Any]
DRAWN = pa.schema(
    [
        ("id", pa.uint64()),
        ("split", pa.uint8()),
        ("shingles", pa.large_list(pa.uint64())),
    ]
)


def emit_key_splits(
    attributes: Attributes,
    noted: Noted,
    placed: Placed,
    partitions: int,
    store: Store,
    folder: str,
    task: Task,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit (key, kind, split) for every key of every judged row."""
    found = attributes.load(store, task.index)
    split, _ = placed.of_task(store, task.index, len(found.status))
    for kind, keys in enumerate(noted.load(store, task).keys):
        rows = np.flatnonzero((found.status == Status.OK) & keys.any(axis=1))
        lines = {
            "k0": keys[rows, 0].copy(),
            "k1": keys[rows, 1].copy(),
            "kind": np.full(len(rows), kind, np.uint8),
            "split": split[rows],
        }
        yield from spread(lines, lines["k0"], partitions)


def reduce_key_splits(
    kinds: int, store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Count, by kind, the keys whose rows lie in several splits."""
    lines = concatenated(batches)
    if not lines:
        return Receipt(task=partition, facts={"torn": [0] * kinds})
    order = np.lexsort((lines["k1"], lines["k0"], lines["kind"]))
    kind, split = lines["kind"][order], lines["split"][order]
    begins = run_starts(kind, lines["k0"][order], lines["k1"][order])
    torn = np.minimum.reduceat(split, begins) != np.maximum.reduceat(split, begins)
    counted = np.bincount(kind[begins][torn], minlength=kinds)
    return Receipt(task=partition, rows_in=len(order), facts={"torn": counted.tolist()})


def check_edges(placed: Placed, store: Store, folder: str, task: Task) -> Receipt:
    """Count the edges of a part whose ends lie in different splits."""
    table = read_table(store, task.payload)
    left, right = (placed.of_ids(store, table.column(at).to_numpy())[0] for at in range(2))
    torn = int((left != right).sum())
    return Receipt(task=task.index, rows_in=len(table), facts={"torn": torn})


@dataclass(frozen=True)
class Check:
    """What comparing held-out rows needs to know.

    Args:
        params: How texts are compared.
        attributes: Of all rows.
        copies: Rows whose words an earlier row has; that row stands for them.
        placed: Where every row goes.
        cut: Held-out rows whose content hash begins no higher are drawn.
    """

    params: DecideParams
    attributes: Attributes
    copies: Owned
    placed: Placed
    cut: int


def draw_held(how: Check, store: Store, folder: str, task: Task) -> Receipt:
    """Write the drawn held-out rows of a task with their shingles."""
    found, rows = _compared(how, store, task)
    split, _ = how.placed.of_task(store, task.index, len(found.status))
    drawn = found.bytes_hash[rows, 0] <= np.uint64(how.cut)
    held = split[rows] != Split.TRAIN
    rows_held = int(held.sum())
    rows = rows[drawn & held]
    offsets, values = _shingles(how, task, rows)
    table = pa.table(
        [
            pa.array(docid.pack(task.index, rows)),
            pa.array(split[rows]),
            pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(values)),
        ],
        schema=DRAWN,
    )
    file = write_table(store, part_name(folder, task.index), table)
    return Receipt(
        task=task.index,
        rows_in=rows_held,
        rows_out=len(rows),
        bytes_in=values.nbytes,
        files=(file,),
    )


def check_held(
    how: Check, drawn: tuple[str, ...], store: Store, folder: str, task: Task
) -> Receipt:
    """Compare a task's rows with all drawn rows of other splits; write the pairs at or above the
    threshold."""
    found, rows = _compared(how, store, task)
    own, _ = how.placed.of_task(store, task.index, len(found.status))
    table = pa.concat_tables([read_table(store, name) for name in drawn]).combine_chunks()
    samples = table.column("id").to_numpy()
    theirs = table.column("split").to_numpy()
    lists = table.column("shingles")
    if len(table):
        column = lists.chunk(0)
        offsets = column.offsets.to_numpy()
        inverted = invert(offsets - offsets[0], column.flatten().to_numpy())
    else:
        inverted = invert(np.zeros(1, np.int64), np.zeros(0, np.uint64))
    pairs: list[Column] = []
    for mine, offsets, values in _blocks(how, task, rows):
        met = meet(inverted, offsets, values, how.params.threshold)
        sizes = np.diff(offsets)
        across = met[own[mine[met[:, 0]]] != theirs[met[:, 1]]]
        union = sizes[across[:, 0]] + inverted.sizes[across[:, 1]] - across[:, 2]
        ids = docid.pack(task.index, mine[across[:, 0]])
        pairs.append(np.stack([ids, samples[across[:, 1]], across[:, 2].astype(np.uint64),
                               union.astype(np.uint64)], axis=1))  # fmt: skip
    every = np.concatenate([np.zeros((0, 4), np.uint64), *pairs])
    ends = np.sort(every[:, :2], axis=1)
    columns = (ends[:, 0], ends[:, 1], every[:, 2].astype(np.uint32), every[:, 3].astype(np.uint32))
    table = pa.table([pa.array(np.ascontiguousarray(column)) for column in columns], schema=SIMILAR)
    table = table.sort_by([("left", "ascending"), ("right", "ascending")])
    file = write_table(store, part_name(folder, task.index), table)
    return Receipt(task=task.index, rows_in=len(rows), rows_out=len(table), files=(file,))


def _compared(how: Check, store: Store, task: Task) -> tuple[Any, Column]:
    found = how.attributes.load(store, task.index)
    return found, compared_rows(store, found, how.copies, how.params.ngram, task.index)


def _shingles(how: Check, task: Task, rows: Column) -> tuple[Column, Column]:
    offsets, values, total = [np.zeros(1, np.int64)], [np.zeros(0, np.uint64)], 0
    for _, some, found in _blocks(how, task, rows):
        offsets.append(some[1:] + total)
        values.append(found)
        total += len(found)
    return np.concatenate(offsets), np.concatenate(values)


def _blocks(how: Check, task: Task, rows: Column) -> Iterator[tuple[Column, Column, Column]]:
    """Yield numbers, offsets and shingles of some rows of a task, block by block."""
    read: ReadTask = task.payload
    if not len(rows):
        return
    for block in read_task(read, how.params.compared.wanted(read), None, how.params.max_doc_bytes):
        places = np.flatnonzero(np.isin(block.rows, rows, assume_unique=True))
        if not len(places):
            continue
        at = block.split
        text = how.params.compared.texts(block.batch, read.splits[at].file, read.files[at].path)
        yield block.rows[places], *shingles(text, n=how.params.ngram, rows=places)
