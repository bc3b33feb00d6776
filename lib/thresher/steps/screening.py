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
from thresher.steps.attributes import load
from thresher.steps.bucketing import Pieces, own_slice
from thresher.steps.collapsing import part_name
from thresher.steps.spread import fixed_lists, matrix, read_table, spread_batch, write_table
from thresher.store import Store
from thresher.transforms.screen import screen

Column = np.ndarray[Any, Any]
SCREENED = pa.schema([("id", pa.uint64()), ("piece", pa.uint64())])


def emit_pictures(
    attributes: str, pieces: str, ngram: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit id, piece, band keys and picture of a task's rows that lie in a bucket piece."""
    table = read_table(store, pieces)
    own = own_slice(table.column("id").to_numpy(), task.index)
    if own.start == own.stop:
        return
    ids = table.column("id").to_numpy()[own]
    rows = docid.row_of(ids)
    found = load(store, attributes, task.index)
    batch = pa.record_batch(
        {
            "id": pa.array(ids),
            "piece": pa.array(table.column("piece").to_numpy()[own]),
            "total": pa.array(found.num_words[rows].astype(np.int64) - (ngram - 1)),
            "bands": fixed_lists(found.bands[rows]),
            "picture": fixed_lists(found.pictures[rows]),
        }
    )
    yield from spread_batch(batch, table.column("partition").to_numpy()[own])


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
    table = pa.table([pa.array(ids[by_id]), pa.array(ids[root[by_id]])], schema=SCREENED)
    file = write_table(store, part_name(folder, partition), table)
    return Receipt(
        task=partition,
        rows_in=len(ids),
        rows_out=len(table),
        bytes_in=sum(b.nbytes for b in parts),
        files=(file,),
        facts={"compared": compared},
    )


def screened_pieces(table: pa.Table) -> Pieces:
    """Return the pieces of a gathered table of (id, piece), with small labels."""
    _, labels = np.unique(table.column("piece").to_numpy(), return_inverse=True)
    return Pieces(table.column("id").to_numpy(), labels.astype(np.uint32))
