"""Bucket pieces are screened: the exchange that drops pairs which cannot be similar, from
attributes alone.

Buckets alone join rows far below the threshold, and such joins percolate into giant pieces.
Screening looks at every pair of a bucket through small pictures, loses none that is similar enough,
and leaves small pieces of rows that need their text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Attributes
from thresher.steps.bucketing import PIECES
from thresher.steps.collapsing import part_name
from thresher.steps.owned import Owned
from thresher.steps.spread import (
    fixed_lists,
    matrix,
    mixed,
    partition_of,
    spread_batch,
    write_table,
)
from thresher.store import Store
from thresher.transforms.screen import screen

Column = np.ndarray[Any, Any]


def emit_pictures(
    attributes: Attributes,
    pieces: Owned,
    ngram: int,
    partitions: int,
    store: Store,
    folder: str,
    task: Task,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit id, piece, band keys and picture of a task's rows that lie in a bucket piece."""
    table = pieces.of_task(store, task.index)
    if not len(table):
        return
    ids, piece = (table.column(name).to_numpy() for name in PIECES.names)
    rows = docid.row_of(ids)
    found = attributes.load(store, task.index)
    batch = pa.record_batch(
        {
            "id": pa.array(ids),
            "piece": pa.array(piece),
            "total": pa.array(found.num_words[rows].astype(np.int64) - (ngram - 1)),
            "bands": fixed_lists(found.bands_of(rows)),
            "picture": fixed_lists(found.pictures_of(rows)),
        }
    )
    yield from spread_batch(batch, partition_of(mixed(piece), partitions))


def reduce_pictures(
    numerator: int,
    denominator: int,
    store: Store,
    folder: str,
    partition: int,
    batches: Iterable[pa.RecordBatch],
) -> Receipt:
    """Screen the rows of a partition's pieces; write (id, piece) of those that still have
    company."""
    parts = list(batches)
    if not parts:
        return Receipt(task=partition, facts={"compared": 0})
    ids, pieces, totals = (
        np.concatenate([b.column(name).to_numpy() for b in parts])
        for name in ("id", "piece", "total")
    )
    order = np.lexsort((ids, pieces))
    bands = np.concatenate([matrix(b.column("bands")) for b in parts])[order]
    pictures = np.concatenate([matrix(b.column("picture")) for b in parts])[order]
    ids = ids[order]
    root, compared = screen(bands, pictures, totals[order], (numerator, denominator))
    company = np.flatnonzero(np.bincount(root, minlength=len(root))[root] > 1)
    by_id = company[np.argsort(ids[company])]
    table = pa.table([pa.array(ids[by_id]), pa.array(ids[root[by_id]])], schema=PIECES)
    file = write_table(store, part_name(folder, partition), table)
    return Receipt(
        task=partition,
        rows_in=len(ids),
        rows_out=len(table),
        bytes_in=sum(b.nbytes for b in parts),
        files=(file,),
        facts={"compared": compared},
    )
