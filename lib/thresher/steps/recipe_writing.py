"""The writer of recipes: rows are read a second time and go where the steps say, in the form that
the recipe wants.

Part N of every output comes from task N, in input order; rows that a mixture draws several times
come again after all others. The text is fingerprinted again and must be what the steps judged.

Shapes: N rows of a task, R rows of a block.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.errors import InternalError
from thresher.formats.conversion import Conversion, Converted, convert
from thresher.stage import Receipt, Task
from thresher.steps.chain import Decided, Outcome
from thresher.steps.fates import ADDED, Fates, RowWriter
from thresher.steps.outputs import (
    AS_JSON,
    FOLDERS,
    LEDGER,
    PROOF,
    QUARANTINE,
    Output,
    PartSet,
    long_leaves,
)
from thresher.steps.reading import ReadTask, TaskBlock, read_task
from thresher.steps.row_notes import RowEvents
from thresher.steps.row_texts import RowReader
from thresher.steps.rows import RowMap
from thresher.steps.split_log import TextCheck, decode_schema
from thresher.steps.tallies import KEPT, QUARANTINED, REMOVED, Counts, Judged
from thresher.store import Store

Column = np.ndarray[Any, Any]


class Aside(Protocol):
    """What a step writes or counts beside the rows, for one task."""

    def add(self, parts: PartSet, block: TaskBlock, text: pa.Array) -> None:
        """Take in a block's rows."""

    def finish(self, parts: PartSet) -> Any:
        """Write what is left; return facts for the driver, small JSON values."""


class Beside(Protocol):
    """What a step writes or counts beside the rows: small, since it travels with every task."""

    @property
    def name(self) -> str:
        """Of its facts in the receipt."""

    def outputs(self) -> Mapping[str, Output]:
        """Return the folders it writes, with their columns."""

    def open(self, store: Store, folder: str, task: Task, left: Column, rows: RowWriter) -> Aside:
        """Begin a task.

        Args:
            store: Where.
            folder: Of the writing stage.
            task: The task.
            left: (N,) rows that reached the step.
            rows: Names rows.
        """


class Copies(Protocol):
    """How often rows are written."""

    def copies(self, store: Store, task: int) -> Column:
        """(N,) times that each row of a task is written."""


@dataclass(frozen=True)
class RecipeWrite:
    """What writing a task needs to know.

    Args:
        reader: How rows are read as text.
        first: The rows that cannot be read.
        steps: What the steps decided, in order.
        besides: By number of a step, what it writes beside the rows.
        rows: From ids to row ids.
        expected: Fingerprints of the text, by task and split.
        schema_text: Columns of the inputs; unused where rows are converted.
        conversion: How rows are written, but for the formats of the files; None as they came.
        converts: Name of the step that says so.
        copies: How often each row is written; None once.
        id_column: Whether users have ids of their own.
        max_doc_bytes: Rows with a larger value are bad.
    """

    reader: RowReader
    first: RowEvents
    steps: tuple[Decided, ...]
    besides: Mapping[int, Beside]
    rows: RowMap
    expected: tuple[tuple[str, ...], ...]
    schema_text: str
    conversion: Conversion | None
    converts: str
    copies: Copies | None
    id_column: bool
    max_doc_bytes: int

    @property
    def schema(self) -> pa.Schema | None:
        """What rows are read as; None as their files have it."""
        return None if self.conversion else decode_schema(self.schema_text)

    def outputs(self) -> dict[str, Output]:
        """Return the folders to write, with their columns."""
        came = self.schema
        data = came if self.conversion is None else self.conversion.schema
        removed = pa.schema([*(AS_JSON if came is None else came), *PROOF])
        outputs = {
            folder: Output(columns, long_leaves(columns) if folder in ("data", "removed") else ())
            for folder, columns in zip(FOLDERS, (data, removed, QUARANTINE, LEDGER), strict=True)
        }
        for beside in self.besides.values():
            outputs |= beside.outputs()
        return outputs


def write_rows(how: RecipeWrite, store: Store, folder: str, task: Task) -> Receipt:
    """Write one task's rows.

    The receipt's facts hold by split the rows and bytes by verdict, by step and split the rows that
    it removed or could not judge, the conversion last, and by the name of a step what it counted
    beside the rows.

    Raises:
        InputError: The text is no longer what was judged.
    """
    read: ReadTask = task.payload
    lines = how.first.lines(store, task.index)
    outcome = Outcome(store, task.index, len(lines), (how.first, *how.steps))
    fates = _fates(how, lines, outcome)
    writing = _Writing(how, task, fates)
    check = TextCheck(read, how.expected[task.index])
    steps = len(how.steps) + 2
    flow = np.zeros((len(read.splits), steps + 1), np.int64)
    with contextlib.ExitStack() as stack:
        parts = stack.enter_context(PartSet(store, task.index, how.outputs()))
        asides = {
            beside.name: beside.open(store, folder, task, _reached(outcome, number), writing.writer)
            for number, beside in how.besides.items()
        }
        for block in read_task(read, None, how.schema, how.max_doc_bytes):
            text = how.reader.texts(block, read).text
            check.add(block.split, text)
            refused = writing.write(parts, block, text)
            bad = np.array([b.row for b in block.bad], np.int64)
            every = np.concatenate([block.rows, bad])
            flow[block.split, :-1] += np.bincount(outcome.step[every] + 1, minlength=steps)
            flow[block.split, [0, -1]] += (-refused, refused)
            for aside in asides.values():
                aside.add(parts, block, text)
        check.finish()
        if how.copies is not None:
            _write_again(how, writing, parts, how.copies.copies(store, task.index))
        told = {name: aside.finish(parts) for name, aside in asides.items()}
        files = parts.finish()
    return writing.receipt(task, len(lines), files, {"flow": flow.tolist(), "besides": told})


def _write_again(how: RecipeWrite, writing: _Writing, parts: PartSet, copies: Column) -> None:
    """Write the rows that are drawn twice once more, then those drawn three times, and so on."""
    for number in range(1, int(copies.max(initial=1))):
        for block in read_task(writing.read, None, how.schema, how.max_doc_bytes):
            writing.write_again(parts, block, copies[block.rows] > number, number)


def _reached(outcome: Outcome, number: int) -> Column:
    """(N,) rows that no earlier step decided; the first of `outcome` reads rows."""
    reached: Column = (outcome.step < 0) | (outcome.step >= number + 1)
    return reached


def _fates(how: RecipeWrite, lines: pa.Table, outcome: Outcome) -> Fates:
    bad = pa.array(outcome.state == QUARANTINED)
    reason = outcome.column("reason")
    nothing = pa.scalar(None, pa.string())
    return Fates(
        state=outcome.state,
        error=pc.if_else(bad, reason, nothing),
        reason=pc.if_else(bad, nothing, reason),
        detail=pc.if_else(bad, nothing, outcome.column("detail")),
        matched=outcome.column("matched_id"),
        score=outcome.column("score"),
        ids=lines.column("id").combine_chunks() if how.id_column else None,
        pieces=np.ones(len(lines), np.int64) if how.conversion else None,
        by=outcome.by,
    )


class _Writing:
    """Writes a task's rows and counts them."""

    def __init__(self, how: RecipeWrite, task: Task, fates: Fates) -> None:
        self._how, self._task, self._fates = how, task, fates
        self.read: ReadTask = task.payload
        self._counts = Counts(len(self.read.splits))
        self._added = [0] * len(self.read.splits)
        self._losses: Counter[str] = Counter()
        self._formats: list[Counter[str]] = [Counter() for _ in self.read.splits]
        self._refused = 0
        self._begin()

    def _begin(self) -> None:
        self.writer = RowWriter(
            "run", self._task.index, self._how.rows, self._fates, as_json=self._how.schema is None
        )

    def write(self, parts: PartSet, block: TaskBlock, text: pa.Array) -> int:
        """Write a block's rows to all outputs; return how many the conversion refused."""
        kept = self.writer.kept(block)
        data = block.batch if kept.all() else block.batch.filter(pa.array(kept))
        if self._how.conversion is not None:
            data = self._converted(block, data, block.rows[kept])
        ids = docid.pack(self._task.index, block.rows)
        self._counts.add(block, Judged(ids, self._fates.state[block.rows], text))
        self.writer.write(parts, block, data)
        return int(kept.sum()) - int((self._fates.state[block.rows] == KEPT).sum())

    def _converted(self, block: TaskBlock, data: pa.RecordBatch, rows: Column) -> pa.RecordBatch:
        """Convert the rows that are kept; those that cannot be are quarantined after all."""
        assert self._fates.pieces is not None
        made = convert(data, self._conversion(block))
        if made.removed.any() or not made.faults.good.all():
            self._refuse(made, rows)
        self._fates.pieces[rows] = np.bincount(made.source, minlength=len(rows))
        self._added[block.split] += len(made.batch) - int((self._fates.state[rows] == KEPT).sum())
        self._losses += made.losses
        self._formats[block.split] += made.formats
        return made.batch

    def write_again(self, parts: PartSet, block: TaskBlock, wanted: Column, number: int) -> None:
        """Write the wanted rows of a block once more, with ledger lines that name no file."""
        rows = block.rows[wanted & (self._fates.state[block.rows] == KEPT)]
        if not len(rows):
            return
        data = block.batch.filter(pa.array(np.isin(block.rows, rows)))
        source = np.arange(len(rows))
        if self._how.conversion is not None:
            made = convert(data, self._conversion(block))
            data, source = made.batch, made.source
        parts.write("data", data)
        parts.write("ledger", self._again(rows[source], source, number))
        self._added[block.split] += len(data)

    def _again(self, rows: Column, source: Column, number: int) -> pa.RecordBatch:
        """Return the ledger lines of rows that are written again: ROW#2 and so on."""
        pieces = self._fates.pieces
        each = np.ones(len(rows), np.int64) if pieces is None else pieces[rows]
        begins = np.concatenate([[True], source[1:] != source[:-1]])[: len(rows)]
        place = np.arange(len(rows)) - np.maximum.accumulate(
            np.where(begins, np.arange(len(rows)), 0)
        )
        own = self.writer.row_ids(rows)
        told = pa.array(number * each + place + 1).cast(pa.string())
        located = self._how.rows.locate(docid.pack(self._task.index, rows))[1]
        count = len(rows)
        columns = [
            pc.binary_join_element_wise(own, told, "#"),
            pa.nulls(count, pa.string()),
            pa.array(located),
            pa.repeat("kept", count).cast(pa.string()),
            pa.repeat(ADDED, count).cast(pa.string()),
            own,
            pa.nulls(count, pa.float64()),
        ]
        return pa.record_batch(columns, schema=LEDGER)

    def _conversion(self, block: TaskBlock) -> Conversion:
        """Return how rows of a block's file are converted."""
        assert self._how.conversion is not None
        names = (self._how.reader.formats or {}).get(self.read.splits[block.split].file, ())
        return replace(self._how.conversion, formats=names)

    def _refuse(self, made: Converted, rows: Column) -> None:
        fates, bad = self._fates, np.flatnonzero(~made.faults.good)
        self._refused += len(bad)
        state = fates.state.copy()
        state[rows[made.removed]] = REMOVED
        state[rows[bad]] = QUARANTINED
        place = np.full(len(state), -1, np.int64)
        place[rows[bad]] = np.arange(len(bad))
        said = pa.array([made.faults.message(row) for row in bad.tolist()], pa.string())
        told = said.take(pa.array(place, mask=place < 0))
        gone = np.zeros(len(state), bool)
        gone[rows[made.removed]] = True
        reason = pc.if_else(pa.array(gone), "undesirable", fates.reason)
        detail = pc.if_else(pa.array(gone), "undesirable", fates.detail)
        by = pc.if_else(pa.array(gone), self._how.converts, fates.by)
        self._fates = replace(
            fates,
            state=state,
            error=pc.coalesce(fates.error, told),
            reason=reason,
            detail=detail,
            by=by,
        )
        self._begin()

    def receipt(
        self, task: Task, judged: int, files: tuple[Any, ...], facts: dict[str, Any]
    ) -> Receipt:
        """Return the task's receipt."""
        rows = self._counts.rows()
        if rows != judged:
            raise InternalError(f"task {task.index}: {rows} rows, {judged} judged")
        splits = [
            {**found, "added": added, "formats": dict(sorted(formats.items()))}
            for found, added, formats in zip(
                self._counts.facts(), self._added, self._formats, strict=True
            )
        ]
        return Receipt(
            task=task.index,
            rows_in=rows,
            rows_out=rows + sum(self._added),
            bytes_in=self._counts.bytes(),
            files=files,
            facts={
                **facts,
                "splits": splits,
                "losses": dict(sorted(self._losses.items())),
                "unconvertible": self._refused,
            },
        )
