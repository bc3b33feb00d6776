"""The writer of recipes: rows are read a second time and go where the steps say, in the form that
the recipe wants.

Part N of every output comes from task N, in input order; rows that a mixture draws several times
come again after all others, unless they are held out. The text is fingerprinted again and must be
what the steps judged. What was read and what is written is added up by category and language.

Shapes: N rows of a task, R rows of a block.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.stage import Receipt, Task
from thresher.steps.chain import Copies, Decided, Outcome
from thresher.steps.fates import Fates, RowWriter
from thresher.steps.outputs import (
    AS_JSON,
    LEDGER,
    PROOF,
    QUARANTINE,
    Output,
    PartSet,
    long_leaves,
)
from thresher.steps.reading import ReadTask, TaskBlock, read_task
from thresher.steps.recipe_rows import Form, RowsOut
from thresher.steps.row_figures import RowFigures, tally
from thresher.steps.row_notes import RowEvents
from thresher.steps.rows import RowMap
from thresher.steps.split_log import TextCheck, decode_schema
from thresher.steps.tallies import KEPT, QUARANTINED
from thresher.store import Store

if TYPE_CHECKING:  # loaded by the recipes that split
    from thresher.steps.split_writing import SplitRows, TaskSplits

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

    def made_of(self, store: Store, task: int) -> str:
        """Return a digest of what it writes or counts by, beside a task's rows and the events of
        the steps before."""

    def open(self, store: Store, folder: str, task: Task, left: Column, rows: RowWriter) -> Aside:
        """Begin a task.

        Args:
            store: Where.
            folder: Of the writing stage.
            task: The task.
            left: (N,) rows that reached the step.
            rows: Names rows.
        """


@dataclass(frozen=True)
class RecipeWrite:
    """What writing a task needs to know.

    Args:
        form: How rows are read and written.
        first: The rows that cannot be read.
        steps: What the steps decided, in order.
        besides: By number of a step, what it writes beside the rows.
        expected: Fingerprints of the text, by task and split.
        schema_text: Columns of the inputs; unused where rows are converted.
        copies: How often each row is written; None once.
        where: The splits that rows go to; None: one folder holds all.
        figures: Of all rows, for the composition.
        id_column: Whether users have ids of their own.
        max_doc_bytes: Rows with a larger value are bad.
    """

    form: Form
    first: RowEvents
    steps: tuple[Decided, ...]
    besides: Mapping[int, Beside]
    expected: tuple[tuple[str, ...], ...]
    schema_text: str
    copies: Copies | None
    where: SplitRows | None
    figures: RowFigures
    id_column: bool
    max_doc_bytes: int

    @property
    def rows(self) -> RowMap:
        """From ids to row ids."""
        return self.form.rows

    @property
    def schema(self) -> pa.Schema | None:
        """What rows are read as; None as their files have it."""
        return None if self.form.conversion else decode_schema(self.schema_text)

    def outputs(self) -> dict[str, Output]:
        """Return the folders to write, with their columns."""
        came, conversion = self.schema, self.form.conversion
        columns = came if conversion is None else conversion.schema
        data = Output(columns, long_leaves(columns))
        removed = pa.schema([*(AS_JSON if came is None else came), *PROOF])
        outputs = {
            **({"data": data} if self.where is None else self.where.outputs(data)),
            "removed": Output(removed, long_leaves(removed)),
            "quarantine": Output(QUARANTINE),
            "ledger": Output(LEDGER),
        }
        for beside in self.besides.values():
            outputs |= beside.outputs()
        return outputs


def write_rows(how: RecipeWrite, store: Store, folder: str, task: Task) -> Receipt:
    """Write one task's rows.

    The receipt's facts hold by split the rows and bytes by verdict, by step and split the rows that
    it removed or could not judge, the conversion last, by the name of a step what it counted beside
    the rows, and the tallies of what was read and written.

    Raises:
        InputError: The text is no longer what was judged.
    """
    read: ReadTask = task.payload
    lines = how.first.lines(store, task.index)
    outcome = Outcome(store, task.index, len(lines), (how.first, *how.steps))
    going = None if how.where is None else how.where.of_task(store, task)
    writing = RowsOut(how.form, task, _fates(how, lines, outcome, going), going)
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
            text = how.form.reader.texts(block, read).text
            check.add(block.split, text)
            refused = writing.write(parts, block, text)
            bad = np.array([b.row for b in block.bad], np.int64)
            every = np.concatenate([block.rows, bad])
            flow[block.split, :-1] += np.bincount(outcome.step[every] + 1, minlength=steps)
            flow[block.split, [0, -1]] += (-refused, refused)
            for aside in asides.values():
                aside.add(parts, block, text)
        check.finish()
        copies = None if how.copies is None else how.copies.copies(store, task.index)
        if copies is not None:
            copies = copies if going is None else going.repeated(copies)
            _write_again(how, read, writing, parts, copies)
        told = {name: aside.finish(parts) for name, aside in asides.items()}
        if how.where is not None and going is not None:
            kept = writing.fates.state == KEPT
            going.finish(parts, writing.writer, kept)
            told[how.where.name] = going.facts(kept)
        files = parts.finish()
    figures = how.figures.load(store, task.index)
    composition = {
        "before": tally(figures, np.ones(len(lines), np.int64)),
        "after": tally(figures, writing.times(copies)),
    }
    facts = {"flow": flow.tolist(), "besides": told, "composition": composition}
    return writing.receipt(task, len(lines), files, facts)


def _write_again(
    how: RecipeWrite, read: ReadTask, writing: RowsOut, parts: PartSet, copies: Column
) -> None:
    """Write the rows that are drawn twice once more, then those drawn three times, and so on."""
    for number in range(1, int(copies.max(initial=1))):
        for block in read_task(read, None, how.schema, how.max_doc_bytes):
            writing.write_again(parts, block, copies[block.rows] > number, number)


def _reached(outcome: Outcome, number: int) -> Column:
    """(N,) rows that no earlier step decided; the first of `outcome` reads rows."""
    reached: Column = (outcome.step < 0) | (outcome.step >= number + 1)
    return reached


def _fates(how: RecipeWrite, lines: pa.Table, outcome: Outcome, going: TaskSplits | None) -> Fates:
    bad = pa.array(outcome.state == QUARANTINED)
    told = outcome.column("reason")
    nothing = pa.scalar(None, pa.string())
    reason = pc.if_else(bad, nothing, told)
    matched, score = outcome.column("matched_id"), outcome.column("score")
    if going is not None:  # of a kept row the ledger tells split and group
        fine = outcome.state == KEPT
        kept = pa.array(fine)
        reason = pc.if_else(kept, going.names(), reason)
        matched = pc.if_else(kept, going.matched(fine), matched)
        score = pc.if_else(kept, going.scores(), score)
    return Fates(
        state=outcome.state,
        error=pc.if_else(bad, told, nothing),
        reason=reason,
        detail=pc.if_else(bad, nothing, outcome.column("detail")),
        matched=matched,
        score=score,
        ids=lines.column("id").combine_chunks() if how.id_column else None,
        pieces=np.ones(len(lines), np.int64) if how.form.conversion else None,
        by=outcome.by,
    )
