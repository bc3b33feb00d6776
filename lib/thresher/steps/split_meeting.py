"""Ties between rows: equal keys, similar texts, copies. Every tie is an edge; all edges together
make the groups.

`shared`   rows with one key (a prompt, a value of a column) meet
`similar`  rows of one piece meet with their shingles, and all similar pairs are found
`edges`    the ties of all kinds as plain edges, each once
`ties`     every tie goes home to the later of its two rows, so that the result can say why
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.splitting.groups import run_starts
from thresher.splitting.pairs import similar_pairs
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Attributes, Status
from thresher.steps.bucketing import EDGES
from thresher.steps.collapsing import COPIES, part_name
from thresher.steps.deciding import DecideParams, emit_rows
from thresher.steps.owned import Owned, spread_table
from thresher.steps.split_noting import Noted
from thresher.steps.spread import (
    concatenated,
    matrix,
    mixed,
    read_table,
    spread,
    write_table,
)
from thresher.store import Store

Column = np.ndarray[Any, Any]
ALL_PAIRS_ROWS = 512  # 131,000 comparisons of some 20 ns
EXACT, SAME_WORDS, NEAR, FIRST_KEY = range(4)  # kinds of ties; keys follow in their order
SHARED = pa.schema([("left", pa.uint64()), ("right", pa.uint64()), ("kind", pa.uint8())])
SIMILAR = pa.schema(
    [
        ("left", pa.uint64()),
        ("right", pa.uint64()),
        ("shared", pa.uint32()),
        ("union", pa.uint32()),
    ]
)
COUNTED = pa.schema([("id", pa.uint64()), ("rows", pa.uint32())])
TIES = pa.schema(
    [
        ("id", pa.uint64()),
        ("other", pa.uint64()),
        ("kind", pa.uint8()),
        ("shared", pa.uint32()),
        ("union", pa.uint32()),
    ]
)
ORDER = ("id", "b1", "b0", "piece")  # least significant first


def emit_keys(
    attributes: Attributes,
    noted: Noted,
    partitions: int,
    store: Store,
    folder: str,
    task: Task,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit (key, kind, id) for every key of every judged row."""
    found = attributes.load(store, task.index)
    notes = noted.load(store, task)
    for kind, keys in enumerate(notes.keys):
        rows = np.flatnonzero((found.status == Status.OK) & keys.any(axis=1))
        lines = {
            "k0": keys[rows, 0].copy(),
            "k1": keys[rows, 1].copy(),
            "kind": np.full(len(rows), FIRST_KEY + kind, np.uint8),
            "id": docid.pack(task.index, rows),
        }
        yield from spread(lines, lines["k0"], partitions)


def reduce_keys(
    store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Tie the rows of each key to the first of them. Facts: by kind, how many keys have how many
    rows, keys of one row left out."""
    lines = concatenated(batches)
    if not lines:
        return Receipt(task=partition, facts={"classes": []})
    order = np.lexsort((lines["id"], lines["k1"], lines["k0"], lines["kind"]))
    ids, kind = lines["id"][order], lines["kind"][order]
    begins = run_starts(kind, lines["k0"][order], lines["k1"][order])
    sizes = np.diff(np.append(begins, len(ids)))
    left = np.repeat(ids[begins], sizes)
    others = left != ids
    table = pa.table(
        [pa.array(left[others]), pa.array(ids[others]), pa.array(kind[others])], schema=SHARED
    )
    file = write_table(store, part_name(folder, partition), table)
    many = sizes > 1
    counted, classes = np.unique(
        np.stack([kind[begins][many].astype(np.int64), sizes[many]]), axis=1, return_counts=True
    )
    return Receipt(
        task=partition,
        rows_in=len(ids),
        rows_out=len(table),
        bytes_in=table.nbytes,
        files=(file,),
        facts={"classes": [*zip(*counted.tolist(), classes.tolist(), strict=True)]},
    )


def reduce_kept(
    store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Count the copies of each row that has some: the lines of `collapse`, sent to the kept row."""
    table = pa.Table.from_batches(batches, COPIES)
    kept, copies = np.unique(table.column("kept").to_numpy(), return_counts=True)
    rows = pa.array((copies + 1).astype(np.uint32))
    counted = pa.table([pa.array(kept), rows], schema=COUNTED)
    file = write_table(store, part_name(folder, partition), counted)
    return Receipt(
        task=partition,
        rows_in=len(table),
        rows_out=len(counted),
        files=(file,),
        facts={"pairs": int((copies.astype(object) * (copies + 1) // 2).sum()) if len(kept) else 0},
    )


def emit_similar(
    params: DecideParams,
    attributes: Attributes,
    pieces: Owned,
    counted: Owned,
    partitions: int,
    store: Store,
    folder: str,
    task: Task,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit a task's rows that lie in a piece, with their shingles and how many rows have exactly
    their words."""
    known = counted.of_task(store, task.index)
    ids, rows = (known.column(name).to_numpy() for name in COUNTED.names)
    for target, batch in emit_rows(params, attributes, pieces, partitions, store, folder, task):
        mine = batch.column("id").to_numpy()
        count = np.ones(len(mine), np.uint32)
        if len(ids):
            at = np.minimum(np.searchsorted(ids, mine), len(ids) - 1)
            count = np.where(ids[at] == mine, rows[at], np.uint32(1)).astype(np.uint32)
        yield target, batch.append_column("rows", pa.array(count))


def reduce_similar(
    params: DecideParams,
    store: Store,
    folder: str,
    partition: int,
    batches: Iterable[pa.RecordBatch],
) -> Receipt:
    """Find the similar pairs of a partition's pieces.

    Facts: `pairs` of rows, copies included; `whole`, whether these are all.
    """
    parts = list(batches)
    if not parts:
        return Receipt(task=partition, facts={"compared": 0, "pairs": 0, "whole": True})
    columns = {
        name: np.concatenate([b.column(name).to_numpy() for b in parts])
        for name in ("id", "piece", "b0", "b1", "rows")
    }
    values = np.concatenate([b.column("shingles").flatten().to_numpy() for b in parts])
    sizes = np.concatenate([pc.list_value_length(b.column("shingles")).to_numpy() for b in parts])
    bands = np.concatenate([matrix(b.column("bands")) for b in parts])
    del parts
    ends = np.cumsum(sizes).astype(np.int64)
    order = np.lexsort([columns[name] for name in ORDER])
    begins, ends, sizes = (ends - sizes)[order], ends[order], sizes[order]
    ids, rows = columns["id"][order], columns["rows"][order].astype(np.int64)
    starts = np.append(run_starts(columns["piece"][order]), len(ids))
    found = similar_pairs(
        starts, bands[order], begins, ends, values, params.threshold, ALL_PAIRS_ROWS
    )
    union = sizes[found.left] + sizes[found.right] - found.shared
    one, two = ids[found.left], ids[found.right]
    table = pa.table(
        [
            pa.array(np.minimum(one, two)),
            pa.array(np.maximum(one, two)),
            pa.array(found.shared.astype(np.uint32)),
            pa.array(union.astype(np.uint32)),
        ],
        schema=SIMILAR,
    )
    table = table.sort_by([("left", "ascending"), ("right", "ascending")])
    file = write_table(store, part_name(folder, partition), table)
    return Receipt(
        task=partition,
        rows_in=len(ids),
        rows_out=len(table),
        bytes_in=values.nbytes,
        files=(file,),
        facts={
            "compared": found.compared,
            "pairs": sum((rows[found.left].astype(object) * rows[found.right]).tolist()),
            "whole": bool((np.diff(starts) <= ALL_PAIRS_ROWS).all()),
        },
    )


def emit_plain_edges(
    partitions: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit the ties of a part, of whatever kind, as plain edges: its first two columns."""
    table = read_table(store, task.payload)
    first, second = (table.column(at).to_numpy() for at in range(2))
    left, right = np.minimum(first, second), np.maximum(first, second)
    yield from spread({"left": left, "right": right}, mixed(left), partitions)


def reduce_plain_edges(
    store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Write the edges of a partition, each once."""
    lines = concatenated(batches)
    if not lines:
        return Receipt(task=partition)
    order = np.lexsort((lines["right"], lines["left"]))
    left, right = lines["left"][order], lines["right"][order]
    fresh = run_starts(left, right)
    table = pa.table([pa.array(left[fresh]), pa.array(right[fresh])], schema=EDGES)
    file = write_table(store, part_name(folder, partition), table)
    return Receipt(
        task=partition,
        rows_in=len(left),
        rows_out=len(table),
        bytes_in=table.nbytes,
        files=(file,),
    )


def emit_ties(
    span: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit the ties of a part to the owners of the rows that are tied."""
    table = _as_ties(read_table(store, task.payload))
    yield from spread_table(table, docid.task_of(table.column("id").to_numpy()) // span)


def _as_ties(table: pa.Table) -> pa.Table:
    """Return lines of `collapse`, `similar` or `shared` as ties."""
    first, second = (table.column(at).to_numpy() for at in range(2))
    nothing = np.zeros(len(table), np.uint32)
    names = table.column_names
    if "same_bytes" in names:
        same = table.column("same_bytes").to_numpy()
        kind, ids, other = np.where(same, EXACT, SAME_WORDS), first, second
        shared = union = nothing
    elif "union" in names:
        kind, ids, other = np.full(len(table), NEAR), second, first
        shared, union = (table.column(name).to_numpy() for name in ("shared", "union"))
    else:
        kind, ids, other = table.column("kind").to_numpy(), second, first
        shared = union = nothing
    columns = (ids, other, kind.astype(np.uint8), shared, union)
    return pa.table([pa.array(column) for column in columns], schema=TIES)


def reduce_ties(
    store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Write the ties of some tasks' rows: of a row and kind the closest, the first of equals."""
    table = pa.Table.from_batches(batches, TIES).combine_chunks()
    columns = {name: table.column(name).to_numpy() for name in TIES.names}
    score = columns["shared"] / np.maximum(columns["union"], 1)
    order = np.lexsort((columns["other"], -score, columns["kind"], columns["id"]))
    best = order[run_starts(columns["id"][order], columns["kind"][order])]
    table = table.take(pa.array(best)).combine_chunks()
    file = write_table(store, part_name(folder, partition), table)
    return Receipt(task=partition, rows_in=len(order), rows_out=len(table), files=(file,))
