"""The rows of a recipe's data: as they came or converted, once or several times, in one folder or
by split; and their lines in the ledger.

Shapes: N rows of a task, R rows of a block.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.errors import InternalError
from thresher.stage import Receipt, Task
from thresher.steps.fates import ADDED, Fates, RowWriter
from thresher.steps.outputs import LEDGER, PartSet
from thresher.steps.reading import ReadTask, TaskBlock
from thresher.steps.row_texts import RowReader
from thresher.steps.rows import RowMap
from thresher.steps.tallies import KEPT, QUARANTINED, REMOVED, Counts, Judged

if TYPE_CHECKING:  # loaded by the recipes that convert or split
    from thresher.formats.conversion import Conversion, Converted
    from thresher.steps.split_writing import TaskSplits

Column = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Form:
    """How rows are read and written.

    Args:
        reader: How rows are read as text.
        rows: From ids to row ids.
        conversion: How rows are written, but for the formats of the files; None as they came.
        converts: Name of the step that says so.
    """

    reader: RowReader
    rows: RowMap
    conversion: Conversion | None
    converts: str


class RowsOut:
    """Writes a task's rows and counts them.

    Args:
        form: How.
        task: The task.
        fates: What becomes of its rows.
        going: The splits that they go to; None: one folder holds all.
    """

    def __init__(self, form: Form, task: Task, fates: Fates, going: TaskSplits | None) -> None:
        self._form, self._task, self.fates, self._going = form, task, fates, going
        self._read: ReadTask = task.payload
        self._counts = Counts(len(self._read.splits))
        self._added = [0] * len(self._read.splits)
        self._losses: Counter[str] = Counter()
        self._formats: list[Counter[str]] = [Counter() for _ in self._read.splits]
        self._refused = 0
        self._begin()

    def _begin(self) -> None:
        as_json = self._form.conversion is not None
        self.writer = RowWriter(
            "run", self._task.index, self._form.rows, self.fates, as_json=as_json
        )

    def write(self, parts: PartSet, block: TaskBlock, text: pa.Array) -> int:
        """Write a block's rows to all outputs; return how many the conversion refused."""
        kept = self.writer.kept(block)
        data = block.batch if kept.all() else block.batch.filter(pa.array(kept))
        rows = block.rows[kept]
        source = np.arange(len(rows))
        if self._form.conversion is not None:
            data, source = self._converted(block, data, rows)
        ids = docid.pack(self._task.index, block.rows)
        self._counts.add(block, Judged(ids, self.fates.state[block.rows], text))
        if self._going is not None:
            still = self.writer.kept(block)
            self._going.write(parts, data, rows[source])
            self._going.count(block.rows[still], text.filter(pa.array(still)))
            data = data.slice(0, 0)
        self.writer.write(parts, block, data)
        return int(kept.sum()) - int((self.fates.state[block.rows] == KEPT).sum())

    def _converted(
        self, block: TaskBlock, data: pa.RecordBatch, rows: Column
    ) -> tuple[pa.RecordBatch, Column]:
        """Convert the rows that are kept; those that cannot be are quarantined after all. Return
        what they became, and of each row which of them it was."""
        assert self.fates.pieces is not None
        made = self._convert(block, data)
        if made.removed.any() or not made.faults.good.all():
            self._refuse(made, rows)
        self.fates.pieces[rows] = np.bincount(made.source, minlength=len(rows))
        self._added[block.split] += len(made.batch) - int((self.fates.state[rows] == KEPT).sum())
        self._losses += made.losses
        self._formats[block.split] += made.formats
        return made.batch, made.source

    def write_again(self, parts: PartSet, block: TaskBlock, wanted: Column, number: int) -> None:
        """Write the wanted rows of a block once more, with ledger lines of their own."""
        rows = block.rows[wanted & (self.fates.state[block.rows] == KEPT)]
        if not len(rows):
            return
        data = block.batch.filter(pa.array(np.isin(block.rows, rows)))
        source = np.arange(len(rows))
        if self._form.conversion is not None:
            made = self._convert(block, data)
            data, source = made.batch, made.source
        if self._going is None:
            parts.write("data", data)
        else:
            self._going.write(parts, data, rows[source])
        parts.write("ledger", self._again(rows[source], source, number))
        self._added[block.split] += len(data)

    def times(self, copies: Column | None) -> Column:
        """(N,) how many rows of the data each row became.

        Args:
            copies: (N,) how often each was to be written; None: once.
        """
        times: Column = (self.fates.state == KEPT).astype(np.int64)
        if self.fates.pieces is not None:
            times *= self.fates.pieces
        return times if copies is None else times * copies

    def _again(self, rows: Column, source: Column, number: int) -> pa.RecordBatch:
        """Return the ledger lines of rows that are written again: ROW#2 and so on."""
        pieces = self.fates.pieces
        each = np.ones(len(rows), np.int64) if pieces is None else pieces[rows]
        begins = np.concatenate([[True], source[1:] != source[:-1]])[: len(rows)]
        place = np.arange(len(rows)) - np.maximum.accumulate(
            np.where(begins, np.arange(len(rows)), 0)
        )
        own = self.writer.row_ids(rows)
        told = pa.array(number * each + place + 1).cast(pa.string())
        ids = docid.pack(self._task.index, rows)
        count = len(rows)
        columns = [
            pc.binary_join_element_wise(own, told, "#"),
            self._form.rows.file_names(ids),
            pa.array(self._form.rows.locate(ids)[1]),
            pa.repeat("kept", count).cast(pa.string()),
            pc.coalesce(self.fates.reason.take(pa.array(rows)), ADDED),
            own,
            pa.nulls(count, pa.float64()),
        ]
        return pa.record_batch(columns, schema=LEDGER)

    def _convert(self, block: TaskBlock, data: pa.RecordBatch) -> Converted:
        """Convert rows of a block by the formats of its file."""
        from thresher.formats.conversion import convert

        assert self._form.conversion is not None
        names = (self._form.reader.formats or {}).get(self._read.splits[block.split].file, ())
        return convert(data, replace(self._form.conversion, formats=names))

    def _refuse(self, made: Converted, rows: Column) -> None:
        fates, bad = self.fates, np.flatnonzero(~made.faults.good)
        self._refused += len(bad)
        state = fates.state.copy()
        state[rows[made.removed]] = REMOVED
        state[rows[bad]] = QUARANTINED
        place = np.full(len(state), -1, np.int64)
        place[rows[bad]] = np.arange(len(bad))
        said = pa.array([made.faults.message(row) for row in bad.tolist()], pa.string())
        told = said.take(pa.array(place, mask=place < 0))
        gone, stays = np.zeros(len(state), bool), np.ones(len(state), bool)
        gone[rows[made.removed]] = True
        stays[rows[made.removed]] = stays[rows[bad]] = False
        out, left = pa.array(gone), pa.array(stays)
        nothing = pa.scalar(None, pa.string())
        self.fates = replace(
            fates,
            state=state,
            error=pc.coalesce(fates.error, told),
            reason=pc.if_else(out, "undesirable", pc.if_else(left, fates.reason, nothing)),
            detail=pc.if_else(out, "undesirable", fates.detail),
            matched=pc.if_else(left, fates.matched, nothing),
            score=pc.if_else(left, fates.score, pa.scalar(None, pa.float64())),
            by=pc.if_else(out, self._form.converts, fates.by),
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
