"""Pieces are decided: the exchange that brings each piece's rows together with their shingles and
walks them in order.

Only rows of a piece are read again and shingled, or looked up where shingles were noted. The answer
of a piece depends on its rows alone, so pieces may be decided apart, in any grouping.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.params import Params
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Attributes, TaskAttributes
from thresher.steps.collapsing import part_name
from thresher.steps.compared import Compared
from thresher.steps.noted_shingles import ShingleRun, noted_shingles
from thresher.steps.owned import Owned
from thresher.steps.reading import ReadTask, TaskBlock, read_task
from thresher.steps.spread import (
    fixed_lists,
    matrix,
    mixed,
    partition_of,
    spread_batch,
    write_table,
)
from thresher.store import Store
from thresher.text.sketch import shingles
from thresher.transforms.arrivals import text_nights
from thresher.transforms.clusters import Threshold, link, walk

Column = np.ndarray[Any, Any]
DECIDED = pa.schema(
    [("id", pa.uint64()), ("kept", pa.uint64()), ("shared", pa.uint32()), ("union", pa.uint32())]
)
ORDER = ("id", "b1", "b0", "keep", "priority", "night", "piece")  # least significant first


class DecideParams(Params):
    """How pieces are decided."""

    compared: Compared
    ngram: int
    numerator: int
    denominator: int
    clusters: str
    use_priority: bool
    max_doc_bytes: int

    @property
    def threshold(self) -> Threshold:
        """The similarity as a fraction."""
        return Threshold(self.numerator, self.denominator)


def emit_rows(
    params: DecideParams,
    attributes: Attributes,
    pieces: Owned,
    partitions: int,
    store: Store,
    folder: str,
    task: Task,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit a task's rows that lie in a piece: id, order, band keys and shingles."""
    table = pieces.of_task(store, task.index)
    if not len(table):
        return
    ids, piece = (table.column(name).to_numpy() for name in ("id", "piece"))
    target = partition_of(mixed(piece), partitions)
    rows = docid.row_of(ids)
    found = attributes.load(store, task.index)
    for here, offsets, values in shingles_of(params, attributes, store, task, rows):
        batch = _batch(params, task.payload, found, ids[here], piece[here], offsets, values)
        yield from spread_batch(batch, target[here])


def shingles_of(
    params: DecideParams, attributes: Attributes, store: Store, task: Task, rows: Column
) -> Iterator[ShingleRun]:
    """Yield the shingles of a task's rows (ascending), as they were noted, or from the text."""
    if attributes.shingles:
        yield from noted_shingles(store, attributes.folder, task.index, rows)
        return
    read: ReadTask = task.payload
    wanted = params.compared.wanted(read)
    for block in read_task(read, wanted, None, params.max_doc_bytes):
        here = _rows_of_block(rows, block)
        if here.stop == here.start:
            continue
        places = np.searchsorted(block.rows, rows[here])
        file = read.splits[block.split].file
        text = params.compared.texts(block.batch, file, read.files[block.split].path)
        yield ShingleRun(here, *shingles(text, n=params.ngram, rows=places))


def _rows_of_block(rows: Column, block: TaskBlock) -> slice:
    if not len(block.rows):
        return slice(0, 0)
    low, high = np.searchsorted(rows, [block.rows[0], block.stop])
    return slice(int(low), int(high))


def _batch(
    params: DecideParams,
    read: ReadTask,
    found: TaskAttributes,
    ids: Column,
    piece: Column,
    offsets: Column,
    values: Column,
) -> pa.RecordBatch:
    rows = docid.row_of(ids)
    priority = read.source if params.use_priority else 0
    return pa.record_batch(
        {
            "id": pa.array(ids),
            "piece": pa.array(piece),
            "night": pa.array(nights_of(found, rows)),
            "priority": pa.array(np.full(len(ids), priority, dtype=np.uint32)),
            "keep": pa.array(found.keep[rows]),
            "b0": pa.array(found.bytes_hash[rows, 0]),
            "b1": pa.array(found.bytes_hash[rows, 1]),
            "bands": fixed_lists(found.bands_of(rows)),
            "shingles": pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(values)),
        }
    )


def nights_of(found: TaskAttributes, rows: Column) -> Column:
    """Return the nights in which texts were first seen; zero where the order does not ask."""
    if found.arrived is None:
        return np.zeros(len(rows), np.uint32)
    return text_nights(found.arrived[rows])


def reduce_pieces(
    params: DecideParams,
    store: Store,
    folder: str,
    partition: int,
    batches: Iterable[pa.RecordBatch],
) -> Receipt:
    """Walk the rows of a partition's pieces in order; write (id, kept id, shared, union) of removed
    rows."""
    parts = list(batches)
    if not parts:
        return Receipt(task=partition, facts={"compared": 0, "verified": 0, "largest": 0})
    columns = {name: np.concatenate([b.column(name).to_numpy() for b in parts]) for name in ORDER}
    values = np.concatenate([b.column("shingles").flatten().to_numpy() for b in parts])
    sizes = np.concatenate([pc.list_value_length(b.column("shingles")).to_numpy() for b in parts])
    bands = np.concatenate([matrix(b.column("bands")) for b in parts])
    del parts
    ends = np.cumsum(sizes).astype(np.int64)
    order = np.lexsort([columns[name] for name in ORDER])
    begins, ends, sizes = (ends - sizes)[order], ends[order], sizes[order]
    decide = link if params.clusters == "transitive" else walk
    decision = decide(bands[order], begins, ends, values, params.threshold)
    removed = np.flatnonzero(decision.partner >= 0)
    partner = decision.partner[removed]
    ids = columns["id"][order]
    shared = decision.shared[removed]
    union = sizes[removed] + sizes[partner] - shared
    by_id = np.argsort(ids[removed])
    table = pa.table(
        [
            pa.array(ids[removed][by_id]),
            pa.array(ids[partner][by_id]),
            pa.array(shared[by_id].astype(np.uint32)),
            pa.array(union[by_id].astype(np.uint32)),
        ],
        schema=DECIDED,
    )
    file = write_table(store, part_name(folder, partition), table)
    return Receipt(
        task=partition,
        rows_in=len(ids),
        rows_out=len(table),
        bytes_in=values.nbytes,
        files=(file,),
        facts={
            "compared": decision.compared,
            "verified": decision.verified,
            "largest": int(np.unique(columns["piece"], return_counts=True)[1].max()),
        },
    )
