"""Convert: the stage that writes rows anew, as the survey has decided.

Part N of every output comes from task N, in input order, and the ledger's k-th kept line of part N
is row k of data part N. A row that becomes several has one ledger line for each: the first is the
row's own, the others stand behind it and name it as theirs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.errors import InputError
from thresher.formats.arrays import removed_as_json, row_as_json
from thresher.formats.conversion import Conversion, Converted, convert
from thresher.parquet import row_bytes
from thresher.stage import Receipt, Task
from thresher.steps.loose_reading import LooseBlock, Piece, read_loose, read_typed, renamed
from thresher.steps.outputs import (
    AS_JSON,
    FOLDERS,
    LEDGER,
    PROOF,
    QUARANTINE,
    VERDICT_NAMES,
    Output,
    PartSet,
    long_leaves,
)
from thresher.steps.reading import ReadTask
from thresher.steps.rows import RowMap
from thresher.steps.tallies import KEPT, QUARANTINED, REMOVED
from thresher.store import Store

Column = np.ndarray[Any, Any]
SHOWN_CHARACTERS = 1500
SHOWN_ROWS = 3
REMOVED_SCHEMA = pa.schema([*AS_JSON, *PROOF])
ADDED = "added"


@dataclass(frozen=True)
class ConvertStep:
    """What the conversion of a task needs to know.

    Args:
        conversion: How rows are written; its formats are those of no file.
        formats: By file, the formats its rows may have.
        loose: By task and split, whether it is read record by record.
        rows: Row ids.
        expected: By task and split, the rows that the survey counted.
        max_doc_bytes: Rows with a larger value are bad.
        names: Columns that go by another name.
    """

    conversion: Conversion
    formats: Mapping[int, tuple[str, ...]]
    loose: tuple[tuple[bool, ...], ...]
    rows: RowMap
    expected: tuple[tuple[int, ...], ...]
    max_doc_bytes: int
    names: Mapping[str, str]

    def of_file(self, file: int) -> Conversion:
        """Return how a file's rows are converted."""
        return _with_formats(self.conversion, self.formats.get(file, ()))


@lru_cache(maxsize=64)
def _with_formats(conversion: Conversion, formats: tuple[str, ...]) -> Conversion:
    return replace(conversion, formats=formats)


def convert_task(how: ConvertStep, store: Store, folder: str, task: Task) -> Receipt:
    """Convert one task's rows and write its parts.

    Raises:
        InputError: The file is no longer what the survey saw.
    """
    read: ReadTask = task.payload
    splits = [_SplitCounts() for _ in read.splits]
    losses: Counter[str] = Counter()
    examples: list[list[str]] = []
    base = 0
    with PartSet(store, task.index, _outputs(how.conversion.schema)) as parts:
        for position, split in enumerate(read.splits):
            conversion = how.of_file(split.file)
            reader = read_loose if how.loose[task.index][position] else read_typed
            for block in reader(read, position, base, how.max_doc_bytes):
                made = _convert_block(renamed(block, how.names), conversion, how.rows, task.index)
                made.write(parts)
                splits[position].add(made)
                losses += made.losses
                if len(examples) < SHOWN_ROWS:
                    examples += made.examples(SHOWN_ROWS - len(examples))
                base = block.stop
            found = splits[position].rows_in
            if found != how.expected[task.index][position]:
                raise InputError(
                    f"{found} rows, but {how.expected[task.index][position]} a moment ago",
                    path=read.files[position].path,
                    remedy="remove the output folder and run again",
                )
        files = parts.finish()
    return Receipt(
        task=task.index,
        rows_in=sum(s.rows_in for s in splits),
        rows_out=sum(int(s.rows.sum()) + s.added for s in splits),
        bytes_in=sum(int(s.bytes.sum()) for s in splits),
        files=files,
        facts={
            "splits": [s.facts() for s in splits],
            "losses": dict(sorted(losses.items())),
            "examples": examples,
        },
    )


class _SplitCounts:
    """Rows and bytes of a split by verdict, rows added, rows by format."""

    def __init__(self) -> None:
        self.rows = np.zeros(3, np.int64)
        self.bytes = np.zeros(3, np.int64)
        self.added = 0
        self.formats: Counter[str] = Counter()

    @property
    def rows_in(self) -> int:
        """Rows read."""
        return int(self.rows.sum())

    def add(self, made: _Made) -> None:
        """Count a block."""
        self.rows += np.bincount(made.state, minlength=3)
        self.bytes += np.bincount(made.state, made.sizes, minlength=3).astype(np.int64)
        self.added += len(made.data_source) - int((made.state == KEPT).sum())
        self.formats += made.formats

    def facts(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "rows": self.rows.tolist(),
            "bytes": self.bytes.tolist(),
            "added": self.added,
            "formats": dict(sorted(self.formats.items())),
        }


@dataclass(frozen=True)
class _Made:
    """What became of a block.

    Args:
        ids: Document ids of all its rows, ascending.
        state: (rows,) verdicts.
        sizes: (rows,) bytes of their values.
        errors: By row id, what is wrong with the quarantined ones.
        raw: By row id, quarantined and removed rows as bytes.
        data: Rows out, in the order of the rows in.
        data_source: (rows out,) the place in `ids` that each comes from, ascending.
    """

    ids: Column
    state: Column
    sizes: Column
    errors: Mapping[int, str]
    raw: Mapping[int, bytes]
    data: pa.RecordBatch
    data_source: Column
    losses: Counter[str]
    formats: Counter[str]
    names: RowMap

    def write(self, parts: PartSet) -> None:
        """Write the block's rows to all outputs."""
        parts.write("data", self.data)
        parts.write("removed", self._removed())
        parts.write("quarantine", self._quarantined())
        parts.write("ledger", self._ledger())

    def _removed(self) -> pa.RecordBatch:
        ids = self.ids[self.state == REMOVED]
        rows = [self.raw[i].decode() for i in ids.tolist()]
        nothing = pa.nulls(len(ids))
        columns = [
            pa.array(rows, pa.string()),
            self.names.row_ids(ids),
            pa.repeat("convert", len(ids)).cast(pa.string()),
            pa.repeat("undesirable", len(ids)).cast(pa.string()),
            nothing.cast(pa.string()),
            nothing.cast(pa.float64()),
        ]
        return pa.record_batch(columns, schema=REMOVED_SCHEMA)

    def _quarantined(self) -> pa.RecordBatch:
        ids = self.ids[self.state == QUARANTINED]
        _, places = self.names.locate(ids)
        columns = [
            self.names.row_ids(ids),
            self.names.file_names(ids),
            pa.array(places),
            pa.array([self.errors[i] for i in ids.tolist()], pa.string()),
            pa.array([self.raw[i] for i in ids.tolist()], pa.binary()),
        ]
        return pa.record_batch(columns, schema=QUARANTINE)

    def _ledger(self) -> pa.RecordBatch:
        """One line a row in, and one for every further row that it became."""
        copies = np.maximum(np.bincount(self.data_source, minlength=len(self.ids)), 1)
        line = np.repeat(np.arange(len(self.ids)), copies)
        number = np.arange(len(line)) - np.repeat(np.cumsum(copies) - copies, copies)
        extra = number > 0
        ids = self.ids[line]
        own = self.names.row_ids(ids)
        _, places = self.names.locate(ids)
        numbered = pc.binary_join_element_wise(own, pa.array(number + 1).cast(pa.string()), "#")
        added = pa.array(extra)
        nothing = pa.scalar(None, pa.string())
        removed = pa.array(self.state[line] == REMOVED)
        reason = pc.if_else(added, ADDED, pc.if_else(removed, "undesirable", nothing))
        columns = [
            pc.if_else(added, numbered, own),
            self.names.file_names(ids),
            pa.array(places),
            VERDICT_NAMES.take(pa.array(self.state[line])),
            reason,
            pc.if_else(added, own, nothing),
            pa.nulls(len(line), pa.float64()),
        ]
        return pa.record_batch(columns, schema=LEDGER)

    def examples(self, wanted: int) -> list[list[str]]:
        """Return the first rows out as JSON with the row ids they come from."""
        shown = self.data.slice(0, wanted)
        ids = self.names.row_ids(self.ids[self.data_source[:wanted]]).to_pylist()
        return [
            [name, _beginning(json.dumps(row, ensure_ascii=False, default=str))]
            for name, row in zip(ids, shown.to_pylist(), strict=True)
        ]


def _beginning(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " …"


def _convert_block(block: LooseBlock, conversion: Conversion, names: RowMap, task: int) -> _Made:
    numbers = [piece.rows for piece in block.pieces]
    bad = np.array([b.row for b in block.bad], np.int64)
    rows = np.sort(np.concatenate([*numbers, bad])).astype(np.int64)
    state = np.full(len(rows), KEPT)
    sizes = np.zeros(len(rows), np.int64)
    errors: dict[int, str] = {}
    raw: dict[int, bytes] = {}
    for entry in block.bad:
        place = int(np.searchsorted(rows, entry.row))
        state[place], sizes[place] = QUARANTINED, len(entry.raw)
        key = int(docid.pack(task, rows[place : place + 1])[0])
        errors[key], raw[key] = entry.error, entry.raw
    data: list[pa.RecordBatch] = []
    sources: list[Column] = []
    losses: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    for piece in block.pieces:
        made = convert(piece.batch, conversion)
        places = np.searchsorted(rows, piece.rows)
        sizes[places] = row_bytes(piece.batch)
        state[places[made.removed]] = REMOVED
        state[places[~made.faults.good]] = QUARANTINED
        keys = docid.pack(task, piece.rows)
        _keep_refused(piece, made, keys, errors, raw)
        data.append(made.batch)
        sources.append(places[made.source])
        losses += made.losses
        formats += made.formats
    source = np.concatenate(sources) if sources else np.zeros(0, np.int64)
    rows_out = pa.concat_batches(data) if data else _nothing(conversion.schema)
    if len(data) > 1:
        order = np.argsort(source, kind="stable")
        rows_out, source = rows_out.take(pa.array(order)), source[order]
    ids = docid.pack(task, rows)
    return _Made(ids, state, sizes, errors, raw, rows_out, source, losses, formats, names)


def _keep_refused(
    piece: Piece, made: Converted, keys: Column, errors: dict[int, str], raw: dict[int, bytes]
) -> None:
    """Note the errors and the rows themselves, as JSON, of what does not reach the data."""
    out = np.flatnonzero(made.removed | ~made.faults.good)
    if not len(out):
        return
    for row, value in zip(out.tolist(), piece.batch.take(pa.array(out)).to_pylist(), strict=True):
        text = removed_as_json(value) if made.removed[row] else row_as_json(value)
        raw[int(keys[row])] = text.encode("utf-8", "replace")
        if not made.removed[row]:
            errors[int(keys[row])] = made.faults.message(row)


def _nothing(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)


def _outputs(data: pa.Schema) -> dict[str, Output]:
    """Return the folders to write, with their columns."""
    others = (REMOVED_SCHEMA, QUARANTINE, LEDGER)
    return dict(zip(FOLDERS, (Output(data, long_leaves(data)), *map(Output, others)), strict=True))
