"""Writing rows by their fates: data, removed, quarantine and ledger.

For jobs that judge rows one by one.

Shapes: N rows of a task, R rows of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.formats.arrays import removed_as_json
from thresher.steps.outputs import (
    AS_JSON,
    LEDGER,
    PROOF,
    QUARANTINE,
    VERDICT_NAMES,
    PartSet,
    rows_as_json,
)
from thresher.steps.reading import TaskBlock
from thresher.steps.rows import RowMap
from thresher.steps.tallies import KEPT, QUARANTINED, REMOVED

Column = np.ndarray[Any, Any]
ADDED = "added"  # the reason of a line that a row has beyond its own


@dataclass(frozen=True)
class Fates:
    """What becomes of a task's rows, by row number.

    Args:
        state: (N,) verdicts.
        error: (N,) why a row cannot be judged; null for all others.
        reason: (N,) what the ledger says of removed rows.
        detail: (N,) the same with figures, for `removed/`.
        matched: (N,) what a removed row was matched with; null where that means nothing.
        score: (N,) the figure that decided.
        ids: (N,) the users' own ids, or None.
        stay: Removed rows stay where they are, since the user only looks.
        pieces: (N,) rows of data that each kept row becomes; None: one each.
        by: (N,) the step that removes a row, where a job has several; None: the job does.
    """

    state: Column
    error: pa.Array
    reason: pa.Array
    detail: pa.Array
    matched: pa.Array
    score: pa.Array
    ids: pa.Array | None
    stay: bool = False
    pieces: Column | None = None
    by: pa.Array | None = None

    @property
    def written(self) -> Column:
        """(N,) the verdicts by which rows are written and counted."""
        if not self.stay:
            return self.state
        return np.where(self.state == REMOVED, KEPT, self.state)


class RowWriter:
    """Writes a task's rows.

    Args:
        job: What `_removed_by` says.
        task: The task's number.
        rows: From ids to row ids.
        fates: What becomes of the rows.
        as_json: Write removed rows as text, since files have columns of their own.
    """

    def __init__(
        self, job: str, task: int, rows: RowMap, fates: Fates, *, as_json: bool = False
    ) -> None:
        self._job, self._task, self._rows, self._fates = job, task, rows, fates
        self._as_json = as_json

    def row_ids(self, numbers: Column) -> pa.Array:
        """Return the users' ids where there are any, else file and row number."""
        ids = docid.pack(self._task, numbers)
        if self._fates.ids is None:
            return self._rows.row_ids(ids)
        mine = self._fates.ids.take(pa.array(numbers))
        return pc.coalesce(mine, self._rows.row_ids(ids)) if mine.null_count else mine

    def kept(self, block: TaskBlock) -> Column:
        """(R,) rows of a block that go to data."""
        kept: Column = self._fates.written[block.rows] == KEPT
        return kept

    def write(self, parts: PartSet, block: TaskBlock, data: pa.RecordBatch) -> Column:
        """Write a block's rows to all outputs; return the numbers of all of them, in order.

        Args:
            parts: The outputs.
            block: The rows as they were read.
            data: The rows that `kept` names, as they are to be written; one in pieces is several
                rows, one after the other.
        """
        bad = np.array([b.row for b in block.bad], np.int64)
        numbers: Column = np.sort(np.concatenate((block.rows, bad)))
        gone = self._fates.written[block.rows] == REMOVED
        parts.write("data", data)
        parts.write("removed", self._removed(block.batch.filter(pa.array(gone)), block.rows[gone]))
        parts.write("quarantine", self._quarantined(block))
        parts.write("ledger", self._ledger(numbers))
        return numbers

    def _removed(self, batch: pa.RecordBatch, numbers: Column) -> pa.RecordBatch:
        index = pa.array(numbers)
        by = self._fates.by
        if self._as_json:
            rows = [removed_as_json(row).encode("utf-8", "replace") for row in batch.to_pylist()]
            texts = pa.array([row.decode() for row in rows], pa.string())
            batch = pa.record_batch([texts], schema=AS_JSON)
        columns = [
            *batch.columns,
            self.row_ids(numbers),
            pa.repeat(self._job, len(numbers)).cast(pa.string()) if by is None else by.take(index),
            self._fates.detail.take(index),
            self._fates.matched.take(index),
            self._fates.score.take(index),
        ]
        return pa.record_batch(columns, schema=pa.schema([*batch.schema, *PROOF]))

    def _quarantined(self, block: TaskBlock) -> pa.RecordBatch:
        """Return the rows that cannot be judged, unreadable ones included, in input order."""
        entries = [(bad.row, bad.error, bad.raw) for bad in block.bad]
        mask = self._fates.state[block.rows] == QUARANTINED
        if mask.any():
            rows = block.rows[mask].tolist()
            errors = self._fates.error.take(pa.array(rows)).to_pylist()
            raw = rows_as_json(block.batch.filter(pa.array(mask)))
            entries += zip(rows, errors, raw, strict=True)
            entries.sort(key=lambda entry: entry[0])
        numbers = np.array([entry[0] for entry in entries], np.int64)
        ids = docid.pack(self._task, numbers)
        columns = [
            self.row_ids(numbers),
            self._rows.file_names(ids),
            pa.array(self._rows.locate(ids)[1]),
            pa.array([entry[1] for entry in entries], pa.string()),
            pa.array([entry[2] for entry in entries], pa.binary()),
        ]
        return pa.record_batch(columns, schema=QUARANTINE)

    def _ledger(self, numbers: Column) -> pa.RecordBatch:
        ids = docid.pack(self._task, numbers)
        index = pa.array(numbers)
        columns = [
            self.row_ids(numbers),
            self._rows.file_names(ids),
            pa.array(self._rows.locate(ids)[1]),
            VERDICT_NAMES.take(pa.array(self._fates.written[numbers])),
            self._fates.reason.take(index),
            self._fates.matched.take(index),
            self._fates.score.take(index),
        ]
        lines = pa.record_batch(columns, schema=LEDGER)
        if self._fates.pieces is None:
            return lines
        kept = self._fates.written[numbers] == KEPT
        pieces = np.where(kept, self._fates.pieces[numbers], 1)
        return with_added_lines(lines, pieces, alike=self._job == "run")


def with_added_lines(lines: pa.RecordBatch, copies: Column, *, alike: bool) -> pa.RecordBatch:
    """Give each row that became several a ledger line for each: `ROW#2` and so on stand behind its
    own, and name `ROW` as what they were made of.

    Args:
        lines: A line a row.
        copies: How many each becomes.
        alike: Whether the reason of a kept row, in a recipe its split, is that of all of them.
    """
    line = np.repeat(np.arange(len(lines)), copies)
    number = np.arange(len(line)) - np.repeat(np.cumsum(copies) - copies, copies)
    if not number.any():
        return lines
    added = pa.array(number > 0)
    lines = lines.take(pa.array(line))
    own = lines.column("_row_id")
    numbered = pc.binary_join_element_wise(own, pa.array(number + 1).cast(pa.string()), "#")
    reason = lines.column("reason")
    told = {
        "_row_id": pc.if_else(added, numbered, own),
        "reason": pc.if_else(added, pc.coalesce(reason, ADDED) if alike else ADDED, reason),
        "matched_id": pc.if_else(added, own, lines.column("matched_id")),
        "score": pc.if_else(added, pa.scalar(None, pa.float64()), lines.column("score")),
    }
    columns = [told.get(f.name, lines.column(f.name)) for f in LEDGER]
    return pa.record_batch(columns, schema=LEDGER)
