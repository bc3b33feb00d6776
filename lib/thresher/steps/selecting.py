"""Select: the one stage that writes text. Rows are read once more and go to data, removed or
quarantine.

Part N of every output comes from task N, in input order, so the ledger's k-th kept line of part N
is row k of data part N. The text is fingerprinted again and must be what the attributes were
computed from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.errors import InputError, InternalError
from thresher.params import Params
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Attributes, Status, TaskAttributes
from thresher.steps.compared import Compared, Texts
from thresher.steps.outputs import (
    FOLDERS,
    LEDGER,
    PROOF,
    QUARANTINE,
    VERDICT_NAMES,
    Output,
    PartSet,
    rows_as_json,
)
from thresher.steps.owned import Owned
from thresher.steps.reading import ReadTask, TaskBlock, read_task
from thresher.steps.rows import RowMap
from thresher.steps.split_log import TextCheck, decode_schema
from thresher.steps.tallies import (
    KEPT,
    QUARANTINED,
    REMOVED,
    SHOWN_CHARACTERS,
    Counts,
    Judged,
    Shown,
)
from thresher.steps.verdicts import MATCHED, REASONS, Verdicts
from thresher.store import Store

Column = np.ndarray[Any, Any]
ILL_FORMED = "the compared text is not valid UTF-8"


class SelectParams(Params):
    """How rows are written."""

    job: str
    compared: Compared
    checked: tuple[str, ...] | None
    schema_text: str
    null_text: str
    max_doc_bytes: int
    permutations: int = 0

    @property
    def schema(self) -> pa.Schema:
        """The columns of the data, in order."""
        return decode_schema(self.schema_text)

    @property
    def outputs(self) -> dict[str, Output]:
        """The folders to write, with their columns."""
        removed = pa.schema([*self.schema, *PROOF])
        schemas = dict(zip(FOLDERS, (self.schema, removed, QUARANTINE, LEDGER), strict=True))
        if self.permutations:
            values = pa.list_(pa.uint32(), self.permutations)
            schemas["signatures"] = pa.schema([("_row_id", pa.string()), ("signature", values)])
        return {
            folder: Output(schema, self.compared.long_columns(schema))
            for folder, schema in schemas.items()
        }


def select(
    params: SelectParams,
    attributes: Attributes,
    verdicts: Owned,
    wanted: str,
    rows: RowMap,
    expected: tuple[tuple[str, ...], ...],
    store: Store,
    folder: str,
    task: Task,
) -> Receipt:
    """Write one task's rows.

    Args:
        attributes: Of all rows.
        verdicts: The verdicts, with the users' ids of the kept rows where they have them.
        wanted: Name of a table of ids whose text the report shows.
        rows: From ids to row ids.
        expected: Fingerprints of the text, by task and split.

    Raises:
        InputError: The text is no longer what was judged.
    """
    read: ReadTask = task.payload
    found = attributes.load(store, task.index)
    lines = verdicts.of_task(store, task.index)
    removal = Verdicts.of_table(lines)
    named = MATCHED.name in lines.column_names
    matched = lines.column(MATCHED.name).combine_chunks() if named else None
    state = np.where(found.status == Status.OK, KEPT, QUARANTINED)
    if params.null_text == "keep":
        state[found.status == Status.NULL] = KEPT
    state[docid.row_of(removal.ids)] = REMOVED
    shown = Shown(store, wanted, task.index)
    counts = Counts(len(read.splits))
    check = TextCheck(read, expected[task.index])
    schema = params.schema
    with PartSet(store, task.index, params.outputs) as writers:
        for block in read_task(read, None, schema, params.max_doc_bytes, params.checked):
            path = read.files[block.split].path
            made = params.compared.read(block.batch, read.splits[block.split].file, path)
            text = made.text
            check.add(block.split, text)
            _check_readable(block, found.status, path)
            here = Judged(docid.pack(task.index, block.rows), state[block.rows], text)
            counts.add(block, here)
            shown.take(here)
            own = np.searchsorted(removal.ids, here.ids[here.state == REMOVED])
            own_matched = _matched_ids(rows, removal, matched, own)
            writers.write("data", _filter(block.batch, here.state == KEPT))
            writers.write(
                "removed",
                _removed(params, rows, found.ids, block, here, removal, own, own_matched),
            )
            writers.write(
                "quarantine", _quarantined(params, rows, found, task.index, block, here, made)
            )
            writers.write(
                "ledger",
                _ledger(rows, found.ids, task.index, block, here, removal, own, own_matched),
            )
            if params.permutations:
                writers.write("signatures", _signatures(rows, found, block, here))
        check.finish()
        files = writers.finish()
    if counts.rows() != len(found.status):
        raise InternalError(f"task {task.index}: {counts.rows()} rows, {len(found.status)} judged")
    return Receipt(
        task=task.index,
        rows_in=counts.rows(),
        rows_out=counts.rows(),
        bytes_in=counts.bytes(),
        files=files,
        facts={"splits": counts.facts(), "texts": shown.texts},
    )


def _check_readable(block: TaskBlock, status: Column, path: str) -> None:
    for bad in block.bad:
        if status[bad.row] != Status.UNREADABLE:
            raise InputError(
                f"row {bad.row} of its task can be judged but not copied: {bad.error}",
                path=path,
                remedy="raise max_doc_bytes, or drop the large column",
            )


def _filter(batch: pa.RecordBatch, mask: Column) -> pa.RecordBatch:
    if mask.all():
        return batch
    return batch.filter(pa.array(mask))


def _matched_ids(
    rows: RowMap, removal: Verdicts, matched: pa.Array | None, own: Column
) -> pa.Array:
    if matched is not None:
        return matched.take(pa.array(own))
    return rows.row_ids(removal.kept[own])


def _row_ids(rows: RowMap, ids: Column, user: pa.Array | None) -> pa.Array:
    """Return the user's ids where there are any, else file and row number."""
    if user is None:
        return rows.row_ids(ids)
    mine = user.take(pa.array(docid.row_of(ids)))
    if mine.null_count:
        mine = pc.coalesce(mine, rows.row_ids(ids))
    return mine


def _removed(
    params: SelectParams,
    rows: RowMap,
    user: pa.Array | None,
    block: TaskBlock,
    here: Judged,
    removal: Verdicts,
    own: Column,
    matched: pa.Array,
) -> pa.RecordBatch:
    mask = here.state == REMOVED
    batch = _filter(block.batch, mask)
    reasons = pa.array(REASONS).take(pa.array(removal.reason[own]))
    columns = [
        *batch.columns,
        _row_ids(rows, here.ids[mask], user),
        pa.repeat(params.job, len(batch)),
        reasons,
        matched,
        pa.array(removal.scores()[own]),
    ]
    return pa.record_batch(columns, schema=pa.schema([*batch.schema, *PROOF]))


def _quarantined(
    params: SelectParams,
    rows: RowMap,
    found: TaskAttributes,
    task: int,
    block: TaskBlock,
    here: Judged,
    made: Texts,
) -> pa.RecordBatch:
    """Return the block's rows that cannot be judged, unreadable ones included, in input order."""
    mask = here.state == QUARANTINED
    numbers = np.concatenate((block.rows[mask], np.array([b.row for b in block.bad], np.int64)))
    errors = {Status.NULL: params.compared.missing(), Status.ILL_FORMED: ILL_FORMED}
    told = [
        errors.get(Status(int(found.status[block.rows[place]])), "") or made.faults.message(place)
        for place in np.flatnonzero(mask).tolist()
    ]
    told += [bad.error for bad in block.bad]
    mine = _filter(block.batch, mask)
    if params.compared.on is None:
        texts = here.text.filter(pa.array(mask)).cast(pa.large_binary()).cast(pa.binary())
        absent = pc.is_null(texts)
        whole = pa.array(rows_as_json(mine.filter(absent)), pa.binary())
        texts = pc.replace_with_mask(texts, absent, whole)
    else:
        texts = pa.array(rows_as_json(mine), pa.binary())
    raw = pa.concat_arrays([texts, pa.array([bad.raw for bad in block.bad], pa.binary())])
    order = np.argsort(numbers, kind="stable")
    ids = docid.pack(task, numbers[order])
    _, places = rows.locate(ids)
    columns = [
        _row_ids(rows, ids, found.ids),
        rows.file_names(ids),
        pa.array(places),
        pa.array(told, pa.string()).take(pa.array(order)),
        raw.take(pa.array(order)),
    ]
    return pa.record_batch(columns, schema=QUARANTINE)


def _ledger(
    rows: RowMap,
    user: pa.Array | None,
    task: int,
    block: TaskBlock,
    here: Judged,
    removal: Verdicts,
    own: Column,
    matched: pa.Array,
) -> pa.RecordBatch:
    bad = np.array([b.row for b in block.bad], dtype=np.int64)
    numbers = np.concatenate((block.rows, bad))
    state = np.concatenate((here.state, np.full(len(bad), QUARANTINED)))
    order = np.argsort(numbers, kind="stable")
    ids = docid.pack(task, numbers[order])
    state = state[order]
    line = np.full(len(ids), -1, dtype=np.int64)
    line[state == REMOVED] = np.arange(len(own))
    lines = pa.array(line, mask=line < 0)
    _, places = rows.locate(ids)
    columns = [
        _row_ids(rows, ids, user),
        rows.file_names(ids),
        pa.array(places),
        VERDICT_NAMES.take(pa.array(state)),
        pa.array(REASONS).take(pa.array(removal.reason[own])).take(lines),
        matched.take(lines),
        pa.array(removal.scores()[own]).take(lines),
    ]
    return pa.record_batch(columns, schema=LEDGER)


def _signatures(
    rows: RowMap, found: TaskAttributes, block: TaskBlock, here: Judged
) -> pa.RecordBatch:
    """Return the signatures of the block's rows that could be judged."""
    judged = found.status[block.rows] == Status.OK
    values = found.signatures[block.rows[judged]]
    columns = [
        _row_ids(rows, here.ids[judged], found.ids),
        pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1]),
    ]
    return pa.record_batch(columns, ["_row_id", "signature"])


def select_texts(
    compared: Compared, ids: Column, tasks: tuple[Task, ...], max_doc_bytes: int
) -> Iterator[tuple[int, str]]:
    """Read the texts of a few rows straight from the inputs; for messages about rows not yet
    written."""
    for number in np.unique(docid.task_of(ids)).tolist():
        task = tasks[number]
        read: ReadTask = task.payload
        low, high = docid.task_range(number)
        mine = ids[(ids >= low) & (ids < high)]
        for block in read_task(read, compared.wanted(read), None, max_doc_bytes):
            here = docid.pack(number, block.rows)
            file = read.splits[block.split].file
            text = compared.texts(block.batch, file, read.files[block.split].path)
            for place in np.flatnonzero(np.isin(here, mine)).tolist():
                yield int(here[place]), (text[place].as_py() or "")[:SHOWN_CHARACTERS]
