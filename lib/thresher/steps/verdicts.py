"""Verdicts: what the exact collapse and the walk say together about each removed row.

A copy of a row that is itself removed follows it: both name the same kept row, at the same
similarity, since equal word sequences have equal shingles. The driver holds one narrow line a
removed row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.stage import Receipt
from thresher.steps.attributes import load
from thresher.steps.bucketing import own_slice
from thresher.steps.collapsing import COPIES
from thresher.steps.deciding import DECIDED
from thresher.steps.spread import read_table, write_table
from thresher.store import Store

Column = np.ndarray[Any, Any]
REASONS = ("exact_copy", "same_words", "near_copy")
EXACT, SAME_WORDS, NEAR = range(3)


class Verdicts(NamedTuple):
    """Removed rows, sorted by id.

    Args:
        ids, kept: uint64 ids of the removed row and of the row kept instead.
        reason: uint8 index into REASONS.
        shared, union: uint32 sizes that make the similarity; 0 of 0 stands for equal.
    """

    ids: Column
    kept: Column
    reason: Column
    shared: Column
    union: Column

    def scores(self) -> Column:
        """Return the similarities: one float64 division each."""
        return np.where(self.union > 0, self.shared / np.maximum(self.union, 1), 1.0)

    def of_task(self, task: int) -> Verdicts:
        """Return the verdicts on one task's rows."""
        own = own_slice(self.ids, task)
        return Verdicts(*(column[own] for column in self))


def gather(store: Store, receipts: Sequence[Receipt], schema: pa.Schema) -> pa.Table:
    """Read the parts of an exchange as one table, sorted by id."""
    tables = [read_table(store, r.files[0].name) for r in receipts if r.files]
    if not tables:
        return schema.empty_table()
    table = pa.concat_tables(tables).combine_chunks()
    return table.take(pa.array(np.argsort(table.column("id").to_numpy())))


def combine(copies: pa.Table, decided: pa.Table) -> Verdicts:
    """Join both kinds of removals."""
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
    )


def write_verdicts(
    store: Store, name: str, verdicts: Verdicts, attributes: str, user_ids: bool
) -> None:
    """Write the verdicts for the tasks of `select`, with the users' ids of the kept rows where they
    have them."""
    columns = {
        key: pa.array(column) for key, column in zip(Verdicts._fields, verdicts, strict=True)
    }
    if user_ids:
        columns["matched_id"] = read_user_ids(store, attributes, verdicts.kept)
    write_table(store, name, pa.table(columns))


def read_user_ids(store: Store, attributes: str, ids: Column) -> pa.Array:
    """Look up the users' own ids of some rows in the attribute files."""
    wanted, inverse = np.unique(ids, return_inverse=True)
    parts = []
    for task in np.unique(docid.task_of(wanted)).tolist():
        own = load(store, attributes, task).ids
        assert own is not None
        parts.append(own.take(pa.array(docid.row_of(wanted[own_slice(wanted, task)]))))
    if not parts:
        return pa.array([], pa.string())
    return pa.concat_arrays(parts).take(pa.array(inverse))


def read_verdicts(store: Store, name: str, task: int) -> tuple[Verdicts, pa.Array | None]:
    """Read one task's verdicts and, where users have ids, those of the kept rows."""
    table = read_table(store, name)
    own = own_slice(table.column("ids").to_numpy(), task)
    table = table.slice(own.start, own.stop - own.start)
    verdicts = Verdicts(*(table.column(n).to_numpy() for n in Verdicts._fields))
    has_ids = "matched_id" in table.column_names
    return verdicts, table.column("matched_id").combine_chunks() if has_ids else None
