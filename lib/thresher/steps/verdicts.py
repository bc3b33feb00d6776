"""Verdicts: one narrow line for every removed row, and the row that was kept instead."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.steps.attributes import Attributes
from thresher.steps.owned import own_rows
from thresher.store import Store

Column = np.ndarray[Any, Any]
REASONS = ("exact_copy", "same_words", "near_copy")
EXACT, SAME_WORDS, NEAR = range(3)
VERDICTS = pa.schema(
    [
        ("id", pa.uint64()),
        ("kept", pa.uint64()),
        ("reason", pa.uint8()),
        ("shared", pa.uint32()),
        ("union", pa.uint32()),
        ("copied", pa.bool_()),
    ]
)
MATCHED = pa.field("matched_id", pa.string())


class Verdicts(NamedTuple):
    """Removed rows, sorted by id.

    Args:
        ids, kept: uint64 ids of the removed row and of the row kept instead.
        reason: uint8 index into REASONS.
        shared, union: uint32 sizes that make the similarity; 0 of 0 stands for equal.
        copied: Whether the exact collapse removed the row, be it after another.
    """

    ids: Column
    kept: Column
    reason: Column
    shared: Column
    union: Column
    copied: Column

    def scores(self) -> Column:
        """Return the similarities: one float64 division each."""
        return np.where(self.union > 0, self.shared / np.maximum(self.union, 1), 1.0)

    def table(self) -> pa.Table:
        """Return the verdicts as a table."""
        return pa.table([pa.array(column) for column in self], schema=VERDICTS)

    @staticmethod
    def of_table(table: pa.Table) -> Verdicts:
        """Read what `table` gave, in its order."""
        return Verdicts(*(table.column(name).to_numpy() for name in VERDICTS.names))


def with_user_ids(store: Store, attributes: Attributes, table: pa.Table) -> pa.Table:
    """Append the users' own ids of the kept rows, looked up in the attribute files."""
    kept = table.column("kept").to_numpy()
    return table.append_column(MATCHED, read_user_ids(store, attributes, kept))


def read_user_ids(store: Store, attributes: Attributes, ids: Column) -> pa.Array:
    """Look up the users' own ids of some rows in the attribute files."""
    wanted, inverse = np.unique(ids, return_inverse=True)
    lines = pa.table({"id": pa.array(wanted)})
    parts = []
    for task in np.unique(docid.task_of(wanted)).tolist():
        own = attributes.load(store, task).ids
        assert own is not None
        rows = docid.row_of(own_rows(lines, task).column("id").to_numpy())
        parts.append(own.take(pa.array(rows)))
    if not parts:
        return pa.array([], pa.string())
    return pa.concat_arrays(parts).take(pa.array(inverse))
