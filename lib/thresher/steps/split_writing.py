"""Rows are read once more and go to the folder of their split; the ledger and `groups/` say why.

Part N of every output comes from task N, in input order. The text is fingerprinted again and must
be what the groups were made from.

Shapes: N rows of a task, R rows of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.errors import InternalError
from thresher.splitting.assignment import FREE, NAMES, Split
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Attributes, Status
from thresher.steps.chain import ILL_FORMED, NO_FORMAT, unjudged_events
from thresher.steps.compared import Compared
from thresher.steps.fates import Fates, RowWriter
from thresher.steps.first_read import FirstRead
from thresher.steps.outputs import (
    LEDGER,
    PROOF,
    QUARANTINE,
    Output,
    PartSet,
    long_leaves,
)
from thresher.steps.owned import Owned
from thresher.steps.reading import ReadTask, read_task
from thresher.steps.rows import RowMap
from thresher.steps.split_grouping import Placed
from thresher.steps.split_log import TextCheck, decode_schema
from thresher.steps.split_meeting import FIRST_KEY, NEAR, TIES
from thresher.steps.split_noting import Noted
from thresher.steps.table_digests import digest_table
from thresher.steps.tallies import KEPT, QUARANTINED, Counts, Judged
from thresher.steps.verdicts import read_user_ids
from thresher.store import Store
from thresher.transforms.order import LAST

Column = np.ndarray[Any, Any]
TIE_FOLDER = "groups"
COPIES = ("exact copy", "same words", "near copy")
GROUPS = pa.schema(
    [
        ("_row_id", pa.string()),
        ("split", pa.string()),
        ("group", pa.string()),
        ("tie", pa.string()),
        ("tied_to", pa.string()),
        ("similarity", pa.float64()),
    ]
)


def split_folder(split: str) -> str:
    """Return the folder of a split's rows."""
    return f"data/{split}"


@dataclass(frozen=True)
class SplitRows:
    """Where rows go and why; small, since it travels with every task.

    Args:
        compared: What is compared of a row.
        attributes: Of all rows.
        placed: Where every row goes.
        ties: What ties each row to others.
        noted: What was noted of rows beside their text.
        border: Rows of train that are no older than this age are counted; None counts none.
        splits: Names of the splits that are written.
        rows: From ids to row ids.
        id_column: Whether users have ids of their own.
        name: Of the step.
    """

    compared: Compared
    attributes: Attributes
    placed: Placed
    ties: Owned
    noted: Noted
    border: int | None
    splits: tuple[str, ...]
    rows: RowMap
    id_column: bool
    name: str = "split"

    def outputs(self, data: Output) -> dict[str, Output]:
        """Return the folders of the splits, whose rows are `data`, and that of the ties."""
        return {**{split_folder(name): data for name in self.splits}, TIE_FOLDER: Output(GROUPS)}

    def of_task(self, store: Store, task: Task) -> TaskSplits:
        """Return one task's rows with where they go."""
        return TaskSplits(self, store, task)


@dataclass(frozen=True)
class WriteSplits:
    """What writing a task needs to know.

    Args:
        where: Where rows go and why.
        first: How the first pass read rows.
        expected: Fingerprints of the text, by task and split.
        schema_text: Columns of the inputs.
    """

    where: SplitRows
    first: FirstRead
    expected: tuple[tuple[str, ...], ...]
    schema_text: str

    @property
    def schema(self) -> pa.Schema:
        """The columns of the inputs."""
        return decode_schema(self.schema_text)

    def outputs(self) -> dict[str, Output]:
        """Return the folders to write, with their columns."""
        schema = self.schema
        texts = long_leaves(schema)
        return {
            **self.where.outputs(Output(schema, texts)),
            "removed": Output(pa.schema([*schema, *PROOF]), texts),
            "quarantine": Output(QUARANTINE),
            "ledger": Output(LEDGER),
        }


def write_splits(how: WriteSplits, store: Store, folder: str, task: Task) -> Receipt:
    """Write one task's rows.

    Facts: `splits`, by split of a file, rows and bytes by verdict; `into`, rows and bytes of text
    by the split they go to; `newer`, rows of train that are no older than the border; `ageless`,
    rows without a time; `moved`, by the split that rows name, those that went to each; `repeats`,
    by split, how often its rows were drawn beyond once.

    Raises:
        InputError: The text is no longer what was judged.
    """
    read: ReadTask = task.payload
    going = how.where.of_task(store, task)
    fates = going.fates()
    writer = RowWriter("split", task.index, how.where.rows, fates)
    counts = Counts(len(read.splits))
    check = TextCheck(read, how.expected[task.index])
    checked = how.first.columns(read)
    with PartSet(store, task.index, how.outputs()) as parts:
        for block in read_task(read, None, how.schema, how.first.max_doc_bytes, checked):
            text = how.first.reader.texts(block, read).text
            check.add(block.split, text)
            ids = docid.pack(task.index, block.rows)
            counts.add(block, Judged(ids, fates.state[block.rows], text))
            kept = writer.kept(block)
            going.count(block.rows[kept], text.filter(pa.array(kept)))
            data = block.batch if kept.all() else block.batch.filter(pa.array(kept))
            going.write(parts, data, block.rows[kept])
            writer.write(parts, block, block.batch.slice(0, 0))
        going.finish(parts, writer, fates.state == KEPT)
        check.finish()
        files = parts.finish()
    rows = len(fates.state)
    if counts.rows() != rows:
        raise InternalError(f"task {task.index}: {counts.rows()} rows, {rows} judged")
    return Receipt(
        task=task.index,
        rows_in=rows,
        rows_out=rows,
        bytes_in=counts.bytes(),
        files=files,
        facts={"splits": counts.facts(), **going.facts(fates.state == KEPT)},
    )


class TaskSplits:
    """One task's rows with where they go and why.

    Args:
        how: What is known of all rows.
        store: Where.
        task: The task.
    """

    def __init__(self, how: SplitRows, store: Store, task: Task) -> None:
        self._how, self._store = how, store
        self._notes = how.noted.load(store, task)
        self._into = np.zeros((2, len(Split)), np.int64)
        self._found = how.attributes.load(store, task.index)
        count = len(self._found.status)
        self._repeats = np.zeros(count, np.int64)
        self._split, self._label = how.placed.of_task(store, task.index, count)
        self._ids = docid.pack(task.index, np.arange(count))
        table = how.ties.of_task(store, task.index)
        self._ties = {name: table.column(name).to_numpy() for name in TIES.names}
        shared, union = self._ties["shared"], self._ties["union"]
        self._scores = np.where(union > 0, shared / np.maximum(union, 1), 1.0)

    def names(self) -> pa.Array:
        """(N,) the split of each row."""
        return pa.array(NAMES).take(pa.array(self._split))

    def matched(self, fine: Column) -> pa.Array:
        """(N,) the group of each fine row with company; null for all others."""
        company = np.flatnonzero(fine & (self._label != self._ids))
        place = np.full(len(fine), -1, np.int64)
        place[company] = np.arange(len(company))
        return self._names(self._label[company]).take(pa.array(place, mask=place < 0))

    def scores(self) -> pa.Array:
        """(N,) the largest similarity that ties a row to another; null without one."""
        near = self._ties["kind"] <= NEAR
        score = np.full(len(self._ids), -1.0)
        np.maximum.at(score, docid.row_of(self._ties["id"])[near], self._scores[near])
        return pa.array(score, mask=score < 0)

    def fates(self) -> Fates:
        """Return the verdicts of a job that only splits."""
        found = self._found
        fine = found.status == Status.OK
        nothing = pa.nulls(len(fine), pa.string())
        return Fates(
            state=np.where(fine, KEPT, QUARANTINED),
            error=unjudged(self._how.compared, found.status),
            reason=pc.if_else(pa.array(fine), self.names(), nothing),
            detail=nothing,
            matched=self.matched(fine),
            score=self.scores(),
            ids=found.ids,
        )

    def _names(self, ids: Column) -> pa.Array:
        if self._how.id_column:
            return read_user_ids(self._store, self._how.attributes, ids)
        return self._how.rows.row_ids(ids)

    def write(self, parts: PartSet, data: pa.RecordBatch, rows: Column) -> None:
        """Write rows to the folders of their splits.

        Args:
            parts: The outputs.
            data: What is written.
            rows: (len(data),) the row of the task that each is made of.
        """
        split = self._split[rows]
        for name in self._how.splits:
            mine = split == NAMES.index(name)
            if mine.any():
                part = data if mine.all() else data.filter(pa.array(mine))
                parts.write(split_folder(name), part)
        self._into[0] += np.bincount(split, minlength=len(Split))

    def repeated(self, copies: Column) -> Column:
        """(N,) how often each row is written: in train as often as it is drawn, elsewhere once.

        Args:
            copies: (N,) how often it is drawn.
        """
        self._repeats = np.maximum(copies - 1, 0)
        held = self._split != Split.TRAIN
        return copies - np.where(held, self._repeats, 0)

    def count(self, rows: Column, text: pa.Array) -> None:
        """Count bytes of the text of rows by split."""
        lengths = pc.fill_null(pc.binary_length(text), 0).to_numpy(zero_copy_only=False)
        counted = np.bincount(self._split[rows], lengths, len(Split))
        self._into[1] += counted.astype(np.int64)

    def facts(self, fine: Column) -> dict[str, Any]:
        """Return what was counted.

        Args:
            fine: (N,) rows that were written.
        """
        notes = self._notes
        newer = 0
        if self._how.border is not None:
            new = notes.age <= np.uint64(self._how.border)
            newer = int((new & fine & (self._split == Split.TRAIN)).sum())
        pinned = fine & (notes.pin != FREE)
        moved = np.zeros((len(Split), len(Split)), np.int64)
        np.add.at(moved, (notes.pin[pinned], self._split[pinned]), 1)
        repeats = np.bincount(self._split[fine], self._repeats[fine], len(Split))
        return {
            "into": self._into.tolist(),
            "newer": newer,
            "ageless": int((fine & (notes.age == LAST)).sum()),
            "moved": moved.tolist(),
            "repeats": repeats.astype(np.int64).tolist(),
        }

    def finish(self, parts: PartSet, writer: RowWriter, fine: Column) -> None:
        """Write what ties the rows that were written."""
        rows = docid.row_of(self._ties["id"])
        here = np.flatnonzero(fine[rows])
        if not len(here):
            return
        rows, kind = rows[here], self._ties["kind"][here]
        said = [*COPIES, *(tie_name(name) for name in self._how.noted.kinds)]
        lines = [
            writer.row_ids(rows),
            pa.array(NAMES).take(pa.array(self._split[rows])),
            self._names(self._label[rows]),
            pa.array(said).take(pa.array(kind)),
            self._names(self._ties["other"][here]),
            pa.array(self._scores[here], mask=kind >= FIRST_KEY),
        ]
        parts.write(TIE_FOLDER, pa.record_batch(lines, schema=GROUPS))


@dataclass(frozen=True)
class SplitEvents:
    """The rows that a split of a recipe cannot judge, for want of text to compare.

    Args:
        name: Of the step.
        attributes: Of the rows that the step saw.
        compared: What it compares.
    """

    name: str
    attributes: Attributes
    compared: Compared

    def events(self, store: Store, task: int) -> pa.Table:
        """Return the events of a task."""
        return unjudged_events(unjudged(self.compared, self.attributes.load(store, task).status))

    def made_of(self, store: Store, task: int) -> str:
        """Return a digest of a task's events."""
        return digest_table(self.events(store, task)).hex()

    def mask(self, store: Store, task: int) -> Column:
        """(N,) bool: rows that the step left."""
        errors = unjudged(self.compared, self.attributes.load(store, task).status)
        left: Column = np.asarray(pc.is_null(errors))
        return left


def tie_name(kind: str) -> str:
    """Return what a key that two rows share is called."""
    return f"same {kind}"


def unjudged(compared: Compared, status: Column) -> pa.Array:
    """(N,) why rows cannot be judged; null for all others."""
    said = np.full(len(status), None, object)
    for code, message in (
        (Status.NULL, compared.missing()),
        (Status.ILL_FORMED, ILL_FORMED),
        (Status.NO_FORMAT, NO_FORMAT),
    ):
        said[status == code] = message
    return pa.array(said, pa.string())


def written(rows_by_split: Sequence[int]) -> tuple[str, ...]:
    """Return the names of the splits that hold rows; train always does."""
    return tuple(
        name
        for split, name in zip(Split, NAMES, strict=True)
        if rows_by_split[split] or split is Split.TRAIN
    )
