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
from thresher.steps.chain import ILL_FORMED, NO_FORMAT
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
from thresher.steps.reading import ReadTask, TaskBlock, read_task
from thresher.steps.rows import RowMap
from thresher.steps.split_grouping import Placed
from thresher.steps.split_log import TextCheck, decode_schema
from thresher.steps.split_meeting import FIRST_KEY, NEAR, TIES
from thresher.steps.split_noting import Noted
from thresher.steps.tallies import KEPT, QUARANTINED, Counts, Judged
from thresher.steps.verdicts import read_user_ids
from thresher.store import Store

Column = np.ndarray[Any, Any]
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
class WriteSplits:
    """What writing a task needs to know.

    Args:
        compared: What is compared of a row.
        first: How the first pass read rows.
        attributes: Of all rows.
        placed: Where every row goes.
        ties: What ties each row to others.
        noted: What was noted of rows beside their text.
        border: Rows of train that are no older than this age are counted; None counts none.
        splits: Names of the splits that are written.
        rows: From ids to row ids.
        expected: Fingerprints of the text, by task and split.
        schema_text: Columns of the inputs.
        id_column: Whether users have ids of their own.
    """

    compared: Compared
    first: FirstRead
    attributes: Attributes
    placed: Placed
    ties: Owned
    noted: Noted
    border: int | None
    splits: tuple[str, ...]
    rows: RowMap
    expected: tuple[tuple[str, ...], ...]
    schema_text: str
    id_column: bool

    @property
    def schema(self) -> pa.Schema:
        """The columns of the inputs."""
        return decode_schema(self.schema_text)

    def outputs(self) -> dict[str, Output]:
        """Return the folders to write, with their columns."""
        schema = self.schema
        texts = long_leaves(schema)
        return {
            **{split_folder(name): Output(schema, texts) for name in self.splits},
            "removed": Output(pa.schema([*schema, *PROOF]), texts),
            "quarantine": Output(QUARANTINE),
            "ledger": Output(LEDGER),
            "groups": Output(GROUPS),
        }


def write_splits(how: WriteSplits, store: Store, folder: str, task: Task) -> Receipt:
    """Write one task's rows.

    Facts: `splits`, by split of a file, rows and bytes by verdict; `into`, rows and bytes of text
    by the split they go to; `newer`, rows of train that are no older than the border; `moved`, by
    the split that rows name, those that went to each.

    Raises:
        InputError: The text is no longer what was judged.
    """
    read: ReadTask = task.payload
    writing = _Writing(how, store, task)
    counts = Counts(len(read.splits))
    check = TextCheck(read, how.expected[task.index])
    checked = how.first.columns(read)
    with PartSet(store, task.index, how.outputs()) as parts:
        for block in read_task(read, None, how.schema, how.first.max_doc_bytes, checked):
            text = how.first.reader.texts(block, read).text
            check.add(block.split, text)
            ids = docid.pack(task.index, block.rows)
            counts.add(block, Judged(ids, writing.fates.state[block.rows], text))
            writing.count(block, text)
            writing.write(parts, block)
        writing.finish(parts)
        check.finish()
        files = parts.finish()
    rows = len(writing.split)
    if counts.rows() != rows:
        raise InternalError(f"task {task.index}: {counts.rows()} rows, {rows} judged")
    return Receipt(
        task=task.index,
        rows_in=rows,
        rows_out=rows,
        bytes_in=counts.bytes(),
        files=files,
        facts={"splits": counts.facts(), **writing.facts()},
    )


class _Writing:
    """One task's rows with where they go and why."""

    def __init__(self, how: WriteSplits, store: Store, task: Task) -> None:
        self._how, self._store, self._task = how, store, task.index
        self._notes = how.noted.load(store, task)
        self._into = np.zeros((2, len(Split)), np.int64)
        found = how.attributes.load(store, task.index)
        count = len(found.status)
        self.split, label = how.placed.of_task(store, task.index, count)
        fine = found.status == Status.OK
        ids = docid.pack(task.index, np.arange(count))
        company = np.flatnonzero(fine & (label != ids))
        table = how.ties.of_task(store, task.index)
        self._ties = {name: table.column(name).to_numpy() for name in TIES.names}
        self._label = label
        tied = docid.row_of(self._ties["id"])
        near = self._ties["kind"] <= NEAR
        shared, union = self._ties["shared"], self._ties["union"]
        self._scores = np.where(union > 0, shared / np.maximum(union, 1), 1.0)
        score = np.full(count, -1.0)
        np.maximum.at(score, tied[near], self._scores[near])
        names = pa.array(NAMES).take(pa.array(self.split))
        nothing = pa.nulls(count, pa.string())
        place = np.full(count, -1, np.int64)
        place[company] = np.arange(len(company))
        matched = self._names(label[company]).take(pa.array(place, mask=place < 0))
        self.fates = Fates(
            state=np.where(fine, KEPT, QUARANTINED),
            error=_errors(how.compared, found.status),
            reason=pc.if_else(pa.array(fine), names, nothing),
            detail=nothing,
            matched=matched,
            score=pa.array(score, mask=score < 0),
            ids=found.ids,
        )
        self._writer = RowWriter("split", task.index, how.rows, self.fates)

    def _names(self, ids: Column) -> pa.Array:
        if self._how.id_column:
            return read_user_ids(self._store, self._how.attributes, ids)
        return self._how.rows.row_ids(ids)

    def write(self, parts: PartSet, block: TaskBlock) -> None:
        """Write a block's rows."""
        kept = self._writer.kept(block)
        split = self.split[block.rows]
        for name in self._how.splits:
            mine = kept & (split == NAMES.index(name))
            if mine.any():
                data = block.batch if mine.all() else block.batch.filter(pa.array(mine))
                parts.write(split_folder(name), data)
        self._writer.write(parts, block, block.batch.slice(0, 0))

    def count(self, block: TaskBlock, text: pa.Array) -> None:
        """Count a block's kept rows and their text by split."""
        kept = self._writer.kept(block)
        lengths = pc.fill_null(pc.binary_length(text), 0).to_numpy(zero_copy_only=False)
        split = self.split[block.rows[kept]]
        self._into[0] += np.bincount(split, minlength=len(Split))
        self._into[1] += np.bincount(split, lengths[kept], len(Split)).astype(np.int64)

    def facts(self) -> dict[str, Any]:
        """Return what was counted."""
        notes, fine = self._notes, self.fates.state == KEPT
        newer = 0
        if self._how.border is not None:
            new = notes.age <= np.uint64(self._how.border)
            newer = int((new & fine & (self.split == Split.TRAIN)).sum())
        pinned = fine & (notes.pin != FREE)
        moved = np.zeros((len(Split), len(Split)), np.int64)
        np.add.at(moved, (notes.pin[pinned], self.split[pinned]), 1)
        return {"into": self._into.tolist(), "newer": newer, "moved": moved.tolist()}

    def finish(self, parts: PartSet) -> None:
        """Write what ties the rows."""
        ids = self._ties["id"]
        if not len(ids):
            return
        rows = docid.row_of(ids)
        kind = self._ties["kind"]
        said = [*COPIES, *(tie_name(name) for name in self._how.noted.kinds)]
        lines = [
            self._writer.row_ids(rows),
            pa.array(NAMES).take(pa.array(self.split[rows])),
            self._names(self._label[rows]),
            pa.array(said).take(pa.array(kind)),
            self._names(self._ties["other"]),
            pa.array(self._scores, mask=kind >= FIRST_KEY),
        ]
        parts.write("groups", pa.record_batch(lines, schema=GROUPS))


def tie_name(kind: str) -> str:
    """Return what a key that two rows share is called."""
    return f"same {kind}"


def _errors(compared: Compared, status: Column) -> pa.Array:
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
