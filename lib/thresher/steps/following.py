"""Verdicts are put together from what the exact collapse and the walk have found.

A copy of a row that is itself removed follows it: both name the same kept row, at the same
similarity, since equal word sequences have equal shingles. A small run does this on the driver; a
large one by three exchanges: `follow` meets copies with what became of the rows they copy,
`clusters` brings the lines of a kept row together and counts them, and `home` takes them to the
tasks that own the removed rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Attributes
from thresher.steps.collapsing import COPIES, part_name
from thresher.steps.deciding import DECIDED
from thresher.steps.owned import spread_table
from thresher.steps.removals import Sources, count_removals
from thresher.steps.spread import read_table, write_table
from thresher.steps.verdicts import (
    EXACT,
    NEAR,
    SAME_WORDS,
    VERDICTS,
    Verdicts,
    with_user_ids,
)
from thresher.store import Store


def combine(copies: pa.Table, decided: pa.Table) -> Verdicts:
    """Join both kinds of removals.

    Args:
        copies: COPIES, in any order.
        decided: DECIDED, sorted by id; with a line for every removed row that a copy names.
    """
    c_ids, c_kept, c_same = (copies.column(n).to_numpy() for n in COPIES.names)
    d_ids, d_kept, d_shared, d_union = (decided.column(n).to_numpy() for n in DECIDED.names)
    reason = np.where(c_same, EXACT, SAME_WORDS).astype(np.uint8)
    shared = np.zeros(len(c_ids), np.uint32)
    union = np.zeros(len(c_ids), np.uint32)
    kept = c_kept.copy()
    if len(d_ids) and len(c_ids):
        at = np.minimum(np.searchsorted(d_ids, c_kept), len(d_ids) - 1)
        follows = d_ids[at] == c_kept
        kept[follows] = d_kept[at[follows]]
        shared[follows] = d_shared[at[follows]]
        union[follows] = d_union[at[follows]]
        reason[follows] = NEAR
    ids = np.concatenate((c_ids, d_ids))
    order = np.argsort(ids)
    near = np.full(len(d_ids), NEAR, np.uint8)
    return Verdicts(
        ids[order],
        np.concatenate((kept, d_kept))[order],
        np.concatenate((reason, near))[order],
        np.concatenate((shared, d_shared))[order],
        np.concatenate((union, d_union))[order],
        (np.arange(len(ids)) < len(c_ids))[order],
    )


def emit_follow(
    span: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit copies to the owner of the row they copy, decided rows to their own owner."""
    table = read_table(store, task.payload)
    by = "kept" if table.schema.equals(COPIES) else "id"
    owner = docid.task_of(table.column(by).to_numpy()) // span
    yield from spread_table(_as_verdicts(table), owner)


def _as_verdicts(table: pa.Table) -> pa.Table:
    """Return either kind of removal in the columns of a verdict."""
    if table.schema.equals(COPIES):
        return combine(table, DECIDED.empty_table()).table()
    return combine(COPIES.empty_table(), table).table()


def reduce_follow(
    store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Let the copies of removed rows follow them."""
    lines = pa.Table.from_batches(batches, VERDICTS)
    copied = lines.column("copied")
    near = lines.filter(pc.invert(copied)).sort_by("id")
    copies = lines.filter(copied)
    same = pa.array(copies.column("reason").to_numpy() == EXACT)
    table = combine(
        pa.table([copies.column("id"), copies.column("kept"), same], schema=COPIES),
        near.select(DECIDED.names).cast(DECIDED),
    ).table()
    file = write_table(store, part_name(folder, partition), table)
    return Receipt(task=partition, rows_in=len(lines), rows_out=len(table), files=(file,))


def reduce_clusters(
    attributes: Attributes | None,
    sources: Sources,
    border: float,
    store: Store,
    folder: str,
    partition: int,
    batches: Iterable[pa.RecordBatch],
) -> Receipt:
    """Count the clusters of some tasks' kept rows, and name those rows where users have ids.

    Args:
        attributes: The attributes, where users' ids are wanted.
        sources: Source of each task.
        border: Similarity up to which removals are counted as close to the threshold.
    """
    table = pa.Table.from_batches(batches, VERDICTS).combine_chunks().sort_by("id")
    counts = count_removals(Verdicts.of_table(table), sources, border)
    if attributes is not None:
        table = with_user_ids(store, attributes, table)
    file = write_table(store, part_name(folder, partition), table)
    return Receipt(
        task=partition,
        rows_in=len(table),
        rows_out=len(table),
        files=(file,),
        facts={"counts": counts.model_dump(mode="json")},
    )
