"""The steps of a recipe, one after another: what each decides about the rows that are left.

A step's decisions are *events*, narrow lines about the rows that it removes or cannot judge. Of a
row's events the first step's holds: what one step removes, the next does not see.

Shapes: N rows of a task, E events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.steps.attributes import UNJUDGED, Attributes, Status
from thresher.steps.fates import Fates
from thresher.steps.owned import Owned
from thresher.steps.rows import RowMap
from thresher.steps.spread import read_table
from thresher.steps.table_digests import digest_table
from thresher.steps.tallies import KEPT, QUARANTINED, REMOVED
from thresher.steps.verdicts import MATCHED, REASONS, Verdicts
from thresher.store import Store

Column = np.ndarray[Any, Any]
ILL_FORMED = "the compared text is not valid UTF-8"
NO_FORMAT = "no format of the file can read the row"
EVENTS = pa.schema(
    [
        ("row", pa.int64()),  # number inside the task, ascending, each once
        ("verdict", pa.uint8()),  # REMOVED or QUARANTINED
        ("reason", pa.string()),  # for the ledger; of quarantined rows the error
        ("detail", pa.string()),  # the same with figures
        ("matched_id", pa.string()),
        ("score", pa.float64()),
    ]
)


class Decided(Protocol):
    """What one step decided; small, since it travels with every task."""

    @property
    def name(self) -> str:
        """What `_removed_by` says."""

    def events(self, store: Store, task: int) -> pa.Table:
        """Return the events of a task."""

    def mask(self, store: Store, task: int) -> Column:
        """(N,) bool: rows that the step left."""

    def made_of(self, store: Store, task: int) -> str:
        """Return a digest of a task's events, whatever its number; of what hangs on the notes of
        the task and the settings alone nothing need be said."""


class Copies(Protocol):
    """How often rows are written."""

    def copies(self, store: Store, task: int) -> Column:
        """(N,) times that each row of a task is written."""


def events_name(folder: str, task: int) -> str:
    """Return the name of a task's events inside a stage."""
    return f"{folder}/events-{task:05d}.arrow"


@dataclass(frozen=True)
class FiledEvents:
    """Events that a stage wrote.

    Args:
        name: Of the step.
        folder: Of the stage.
        rows: Rows of each task.
        alone: Whether they hang on the notes of their task and the settings alone.
    """

    name: str
    folder: str
    rows: tuple[int, ...]
    alone: bool = False

    def events(self, store: Store, task: int) -> pa.Table:
        """Return the events of a task."""
        return read_table(store, events_name(self.folder, task)).combine_chunks()

    def mask(self, store: Store, task: int) -> Column:
        """(N,) bool: rows that the step left."""
        left = np.ones(self.rows[task], bool)
        left[read_table(store, events_name(self.folder, task)).column("row").to_numpy()] = False
        return left

    def made_of(self, store: Store, task: int) -> str:
        """Return a digest of a task's events."""
        return "" if self.alone else digest_table(self.events(store, task)).hex()


@dataclass(frozen=True)
class CopyEvents:
    """Rows that `dedup` found to be copies, and those whose compared text cannot be judged.

    Args:
        name: Of the step.
        attributes: Of the rows that the step saw.
        removed: Verdicts on the rows that it removed.
        rows: From ids to row ids.
        missing: What is said of a row without compared text; None keeps it.
    """

    name: str
    attributes: Attributes
    removed: Owned
    rows: RowMap
    missing: str | None

    def events(self, store: Store, task: int) -> pa.Table:
        """Return the events of a task."""
        lines = self.removed.of_task(store, task)
        verdicts = Verdicts.of_table(lines)
        named = MATCHED.name in lines.column_names
        matched = (
            lines.column(MATCHED.name).combine_chunks()
            if named
            else self.rows.row_ids(verdicts.kept)
        )
        reasons = pa.array(REASONS).take(pa.array(verdicts.reason))
        gone = pa.table(
            [
                pa.array(docid.row_of(verdicts.ids).astype(np.int64)),
                pa.array(np.full(len(lines), REMOVED, np.uint8)),
                reasons,
                reasons,
                matched,
                pa.array(verdicts.scores()),
            ],
            schema=EVENTS,
        )
        told = {Status.ILL_FORMED: ILL_FORMED, Status.NO_FORMAT: NO_FORMAT}
        if self.missing is not None:
            told[Status.NULL] = self.missing
        status = self.attributes.load(store, task).status
        parts = [gone, *(_unjudged(np.flatnonzero(status == s), t) for s, t in told.items())]
        table = pa.concat_tables(parts).combine_chunks()
        return table.take(pc.sort_indices(table.column("row")))

    def made_of(self, store: Store, task: int) -> str:
        """Return a digest of a task's events, without making them: they hold a text a line."""
        lines = self.removed.of_task(store, task)
        verdicts = Verdicts.of_table(lines)
        said = hashlib.sha256(f"{len(lines)} {self.missing}\n".encode())
        columns = [docid.row_of(verdicts.ids), verdicts.reason, verdicts.shared, verdicts.union]
        if MATCHED.name in lines.column_names:
            said.update(digest_table(lines.select([MATCHED.name])))
        else:
            files, rows = self.rows.locate(verdicts.kept)
            columns += [self.rows.prints[files], rows]
        status = self.attributes.load(store, task).status
        unjudged = np.flatnonzero(status != Status.OK)
        for column in (*columns, unjudged, status[unjudged]):
            said.update(column.tobytes())
        return said.hexdigest()

    def mask(self, store: Store, task: int) -> Column:
        """(N,) bool: rows that the step left."""
        status = self.attributes.load(store, task).status
        out = {Status.ILL_FORMED, *UNJUDGED} | ({Status.NULL} if self.missing else set())
        left: Column = ~np.isin(status, [int(s) for s in out])
        left[docid.row_of(self.removed.of_task(store, task).column("id").to_numpy())] = False
        return left


def _unjudged(rows: Column, error: str) -> pa.Table:
    said = pa.repeat(error, len(rows)).cast(pa.string())
    nothing = pa.nulls(len(rows), pa.string())
    verdict = pa.array(np.full(len(rows), QUARANTINED, np.uint8))
    scores = pa.nulls(len(rows), pa.float64())
    return pa.table([pa.array(rows), verdict, said, said, nothing, scores], schema=EVENTS)


def unjudged_events(errors: pa.Array) -> pa.Table:
    """Return the events of the rows that cannot be judged.

    Args:
        errors: (N,) why; null for the others.
    """
    rows = np.flatnonzero(np.asarray(pc.is_valid(errors)))
    said = errors.take(pa.array(rows)).cast(pa.string())
    table = _unjudged(rows, "")
    place = EVENTS.get_field_index("reason")
    return table.set_column(place, EVENTS.field(place), said)


def events_of(fates: Fates, left: Column) -> pa.Table:
    """Return the events of rows that are judged one by one.

    Args:
        fates: What becomes of them.
        left: (N,) rows that earlier steps left.
    """
    rows = np.flatnonzero(left & (fates.state != KEPT))
    at = pa.array(rows)
    bad = pa.array(fates.state[rows] == QUARANTINED)
    errors = fates.error.take(at)
    columns = [
        at,
        pa.array(fates.state[rows].astype(np.uint8)),
        pc.if_else(bad, errors, fates.reason.take(at)),
        pc.if_else(bad, errors, fates.detail.take(at)),
        fates.matched.take(at),
        fates.score.take(at),
    ]
    return pa.table(columns, schema=EVENTS)


class Outcome:
    """What becomes of a task's rows, all steps together.

    Args:
        store: Where the events are.
        task: The task.
        count: Its rows N.
        steps: In the order in which they decide.
    """

    def __init__(self, store: Store, task: int, count: int, steps: Sequence[Decided]) -> None:
        self.state = np.full(count, KEPT)
        self.step = np.full(count, -1, np.int64)  # (N,) the step that decided, -1 for none
        tables = []
        lines: list[Column] = []
        total = 0
        for number, step in enumerate(steps):
            found = step.events(store, task)
            rows = found.column("row").to_numpy()
            first = np.flatnonzero(self.step[rows] < 0)
            self.step[rows[first]] = number
            self.state[rows[first]] = found.column("verdict").to_numpy()[first]
            tables.append(found)
            lines.append(np.stack([rows[first], first + total]))
            total += len(found)
        place = np.full(count, -1, np.int64)
        for rows, at in lines:
            place[rows] = at
        self._index = pa.array(place, mask=place < 0)
        self._table = pa.concat_tables([EVENTS.empty_table(), *tables]).combine_chunks()
        self._names = pa.array([step.name for step in steps], pa.string())

    def column(self, name: str) -> pa.Array:
        """(N,) a column of the deciding events; null for rows without."""
        return self._table.column(name).combine_chunks().take(self._index)

    @property
    def by(self) -> pa.Array:
        """(N,) the name of the deciding step; null for rows without."""
        return self._names.take(pa.array(self.step, mask=self.step < 0))
