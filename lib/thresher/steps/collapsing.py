"""Exact collapse as an exchange: rows with equal keys meet, the earliest stays.

The same reducer serves `collapse` (keys of the compared text) and `check-ids` (keys of the user's
ids).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Attributes, Status, TaskAttributes, attribute_name
from thresher.steps.spread import concatenated, read_table, spread, write_table
from thresher.store import Store
from thresher.text.sketch import sketch
from thresher.transforms.bloom import Filter
from thresher.transforms.collapse import collapse

Column = np.ndarray[Any, Any]

ORDER = ("arrived", "priority", "keep", "b0", "b1")  # most significant first
COPIES = pa.schema([("id", pa.uint64()), ("kept", pa.uint64()), ("same_bytes", pa.bool_())])


def part_name(folder: str, partition: int) -> str:
    """Return the name of a partition's output."""
    return f"{folder}/part-{partition:05d}.arrow"


def emit_text_keys(
    attributes: Attributes,
    partitions: int,
    use_priority: bool,
    marks: str | None,
    store: Store,
    folder: str,
    task: Task,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit one line a judged row: key, order and id.

    Args:
        attributes: Of all rows.
        partitions: Partitions of the exchange.
        use_priority: Whether the source's number comes first in the order.
        marks: Name of a filter; rows whose key it has seen at most once are not emitted.
    """
    found = attributes.load(store, task.index)
    rows = np.flatnonzero(found.status == Status.OK)
    if marks is not None:
        seen = Filter.load(store.path(marks))
        rows = rows[seen.maybe_repeated(found.word_hash[rows])]
    lines = text_lines(task, found, rows, use_priority)
    yield from spread(lines, lines["k0"], partitions)


def text_lines(
    task: Task, found: TaskAttributes, rows: Column, use_priority: bool
) -> dict[str, Column]:
    """Return key, order and id of some rows of a task."""
    priority = task.payload.source if use_priority else 0
    lines = {
        "k0": found.word_hash[rows, 0],
        "k1": found.word_hash[rows, 1],
        "priority": np.full(len(rows), priority, dtype=np.uint32),
        "keep": found.keep[rows],
        "b0": found.bytes_hash[rows, 0],
        "b1": found.bytes_hash[rows, 1],
        "id": docid.pack(task.index, rows),
    }
    if found.arrived is not None:
        lines["arrived"] = found.arrived[rows]
    return lines


def emit_row_ids(
    attributes: Attributes, partitions: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit the user's id of each readable row, hashed."""
    found = attributes.load(store, task.index)
    rows = np.flatnonzero(found.status != Status.UNREADABLE)
    assert found.ids is not None
    yield from _spread_ids(found.ids.take(pa.array(rows)), rows, task.index, partitions)


def emit_line_ids(
    lines: str, partitions: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit the user's id of each row, hashed, from a file of one line a row; unreadable rows have
    none."""
    ids = read_table(store, attribute_name(lines, task.index)).column("id").combine_chunks()
    rows = np.flatnonzero(np.asarray(ids.is_valid()))
    yield from _spread_ids(ids.take(pa.array(rows)), rows, task.index, partitions)


def _spread_ids(
    ids: pa.Array, rows: Column, task: int, partitions: int
) -> Iterator[tuple[int, pa.RecordBatch]]:
    keys = sketch(ids, n=1, permutations=None, with_words=False).bytes_hash
    nothing = np.zeros(len(rows), dtype=np.uint64)
    lines: dict[str, Column] = {
        "k0": keys[:, 0],
        "k1": keys[:, 1],
        "priority": nothing.astype(np.uint32),
        "keep": nothing,
        "b0": keys[:, 0],
        "b1": keys[:, 1],
        "id": docid.pack(task, rows),
    }
    yield from spread(lines, keys[:, 0], partitions)


def reduce_copies(
    store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Collapse one partition; write (id, kept id, same bytes), sorted by id."""
    lines = concatenated(batches)
    if not lines:
        return Receipt(task=partition)
    table = collapsed(lines)
    file = write_table(store, part_name(folder, partition), table)
    return Receipt(
        task=partition,
        rows_in=len(lines["id"]),
        rows_out=len(table),
        bytes_in=table.nbytes,
        files=(file,),
    )


def collapsed(lines: dict[str, Column]) -> pa.Table:
    """Return (id, kept id, same bytes) of the rows whose key an earlier one has, sorted by id."""
    found = collapse(
        (lines["k0"], lines["k1"]),
        tuple(lines[name] for name in ORDER if name in lines),
        lines["id"],
    )
    return pa.table([pa.array(c) for c in found], schema=COPIES)
