"""Sift: rows are read once more and go where the rules on their signals say.

Part N of every output comes from task N, in input order. The text is fingerprinted again and must
be what the signals were computed from. Figures for the report are counted on the way.

Shapes: R rows of a block, K rules.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.errors import InputError, InternalError
from thresher.formats.arrays import join_columns, without_nulls
from thresher.signals.figures import Figures, RuleFacts
from thresher.signals.prompts import SIGNALS as MET
from thresher.signals.rules import Judgement, Rule, judge
from thresher.signals.signal import Signal
from thresher.stage import Receipt, Task
from thresher.steps.outputs import (
    FOLDERS,
    LEDGER,
    PROOF,
    QUARANTINE,
    VERDICT_NAMES,
    Output,
    PartSet,
)
from thresher.steps.owned import Owned
from thresher.steps.reading import ReadTask, TaskBlock, read_task
from thresher.steps.rows import RowMap
from thresher.steps.scored import SIGNALS, Lines
from thresher.steps.scoring import ScoreStep
from thresher.steps.split_log import decode_schema
from thresher.steps.tallies import KEPT, QUARANTINED, REMOVED, Counts, Judged
from thresher.store import Store
from thresher.text.hashing import FINGERPRINT_START
from thresher.text.sketch import fingerprint

Column = np.ndarray[Any, Any]
DIGITS = 6
MARKS = (pa.field("_verdict", pa.string()), pa.field("_reason", pa.string()))


@dataclass(frozen=True)
class SiftStep:
    """What sifting a task needs to know.

    Args:
        score: How rows are read as text.
        source: Where the signals are.
        met: What an exchange found about rows of one prompt; None without such rules.
        signals: The signals, those of prompts included.
        names: Names of the rules, in order.
        rules: The rules.
        rows: From ids to row ids.
        expected: Fingerprints of the text, by task and split.
        schema_text: Columns of the inputs.
        annotate: Keep all rows, with signals and verdict beside them.
        user_ids: Whether the lines hold the users' own ids.
    """

    score: ScoreStep
    source: Lines
    met: Owned | None
    signals: tuple[Signal, ...]
    names: tuple[str, ...]
    rules: tuple[Rule, ...]
    rows: RowMap
    expected: tuple[tuple[str, ...], ...]
    schema_text: str
    annotate: bool
    user_ids: bool

    @property
    def schema(self) -> pa.Schema:
        """The columns of the inputs, in order."""
        return decode_schema(self.schema_text)

    @property
    def figure_schema(self) -> pa.Schema:
        """One column a signal."""
        return pa.schema([pa.field(s.name, s.kind.type) for s in self.signals])

    def facts(self) -> list[RuleFacts]:
        """Return the rules as the report's figures know them."""
        return [
            RuleFacts(name, rule.signal, rule.min, rule.max, rule.action, rule.sentence())
            for name, rule in zip(self.names, self.rules, strict=True)
        ]

    def outputs(self, kept_with: pa.Schema) -> dict[str, Output]:
        """Return the folders to write, with their columns."""
        schema = self.schema
        texts = [f.name for f in schema if pa.types.is_string(f.type)]
        data = pa.schema([*schema, *self.figure_schema, *MARKS]) if self.annotate else schema
        schemas = (data, pa.schema([*schema, *PROOF]), QUARANTINE, LEDGER)
        outputs = {
            folder: Output(columns, texts if folder in ("data", "removed") else ())
            for folder, columns in zip(FOLDERS, schemas, strict=True)
        }
        return outputs | {SIGNALS: Output(kept_with)}


def sift_task(how: SiftStep, store: Store, folder: str, task: Task) -> Receipt:
    """Write one task's rows.

    Raises:
        InputError: The text is no longer what was judged.
    """
    read: ReadTask = task.payload
    lines = _lines(how, store, task.index)
    verdicts = judge(how.rules, {n: lines.column(n) for n in lines.column_names}, len(lines))
    sorting = _Sorting(how, task.index, lines, verdicts)
    counts = Counts(len(read.splits))
    figures = Figures(how.signals, how.facts())
    prints = [FINGERPRINT_START] * len(read.splits)
    with PartSet(store, task.index, how.outputs(sorting.kept_lines.schema)) as parts:
        for block in read_task(read, None, how.schema, how.score.max_doc_bytes):
            texts = how.score.texts(block, read)
            prints[block.split] = fingerprint(texts.text, prints[block.split])
            here = Judged(docid.pack(task.index, block.rows), sorting.state[block.rows], texts.text)
            counts.add(block, here._replace(state=sorting.written(here.state)))
            sorting.write(parts, block, here)
            sorting.count(figures, block, here)
        for split, (now, before) in enumerate(zip(prints, how.expected[task.index], strict=True)):
            if f"{now:016x}" != before:
                raise InputError(
                    "the text changed during the run",
                    path=read.files[split].path,
                    remedy="remove the output folder and run again",
                )
        files = parts.finish()
    if counts.rows() != len(lines):
        raise InternalError(f"task {task.index}: {counts.rows()} rows, {len(lines)} judged")
    name = f"{folder}/figures-{task.index:05d}.json"
    store.put(name, json.dumps(figures.to_json(), sort_keys=False).encode())
    return Receipt(
        task=task.index,
        rows_in=counts.rows(),
        rows_out=counts.rows(),
        bytes_in=counts.bytes(),
        files=files,
        facts={"splits": counts.facts(), "figures": name, "first": sorting.first},
    )


def _lines(how: SiftStep, store: Store, task: int) -> pa.Table:
    """Return the task's signals, those of prompts included; null where a row took no part."""
    table = how.source.load(store, task)
    if how.met is None:
        return table.combine_chunks()
    own = how.met.of_task(store, task)
    places = np.full(len(table), -1, np.int64)
    places[docid.row_of(own.column("id").to_numpy())] = np.arange(len(own))
    index = pa.array(places, mask=places < 0)
    for signal in MET:
        table = table.append_column(signal.name, own.column(signal.name).take(index))
    return table.combine_chunks()


class _Sorting:
    """What becomes of a task's rows, by row number.

    Attributes:
        state: (rows,) verdicts.
        first: Removed rows by the first rule that each fails.
    """

    def __init__(self, how: SiftStep, task: int, lines: pa.Table, verdicts: Judgement) -> None:
        self._how, self._task, self._lines, self._verdicts = how, task, lines, verdicts
        bad = np.asarray(pc.is_valid(lines.column("error")))
        removed = verdicts.removed & ~bad
        self.state = np.where(bad, QUARANTINED, np.where(removed, REMOVED, KEPT))
        self._removes = np.array([rule.action == "remove" for rule in how.rules], bool)
        decisive = verdicts.failed & self._removes[:, None]
        first = np.argmax(decisive, axis=0) if len(how.rules) else np.zeros(len(lines), np.int64)
        self._decisive, self._first = decisive, first
        counts = np.bincount(first[removed], minlength=len(how.rules))
        self.first = {n: int(c) for n, c in zip(how.names, counts.tolist(), strict=True) if c}

    @property
    def kept_lines(self) -> pa.Table:
        """The lines as the result keeps them, without the ids, which become row ids."""
        keep = [n for n in self._lines.column_names if n != "id"]
        schema = self._lines.select(keep).schema
        return pa.schema([PROOF[0], *schema]).empty_table()

    def write(self, parts: PartSet, block: TaskBlock, here: Judged) -> None:
        """Write a block's rows to all outputs."""
        how = self._how
        kept = here.state != QUARANTINED if how.annotate else here.state == KEPT
        gone = np.zeros(len(kept), bool) if how.annotate else here.state == REMOVED
        data = _filter(block.batch, kept)
        if how.annotate:
            data = self._annotated(data, block.rows[kept])
        parts.write("data", data)
        removed = _filter(block.batch, gone)
        parts.write("removed", self._removed(removed, here.ids[gone]))
        numbers = np.concatenate((block.rows, np.array([b.row for b in block.bad], np.int64)))
        numbers = np.sort(numbers)
        parts.write("quarantine", self._quarantined(block, here))
        parts.write("ledger", self._ledger(numbers))
        parts.write(SIGNALS, self._signals(numbers))

    def count(self, figures: Figures, block: TaskBlock, here: Judged) -> None:
        """Add a block's judged rows to the figures."""
        fine = here.state != QUARANTINED
        rows = block.rows[fine]
        ids = here.ids[fine]
        values = self._lines.select(self._how.figure_schema.names).take(pa.array(rows))
        figures.add(
            _one_batch(values, self._how.figure_schema),
            self._verdicts.failed[:, rows],
            self._verdicts.judged[:, rows],
            here.state[fine] == KEPT,
            positions=ids,
            names=lambda places: self._row_ids(ids[np.asarray(places)]),
            texts=here.text.filter(pa.array(fine)),
        )

    def _row_ids(self, ids: Column) -> pa.Array:
        """Return the user's ids where there are any, else file and row number."""
        if not self._how.user_ids:
            return self._how.rows.row_ids(ids)
        mine = self._lines.column("id").take(pa.array(docid.row_of(ids))).combine_chunks()
        return pc.coalesce(mine, self._how.rows.row_ids(ids)) if mine.null_count else mine

    def _reasons(self, rows: Column) -> pa.Array:
        """Name the rules that removed rows, with the figures: `too_few_words (words 3)`."""
        pieces = []
        index = pa.array(rows)
        for number, (name, rule) in enumerate(zip(self._how.names, self._how.rules, strict=True)):
            fired = self._decisive[number, rows]
            if not fired.any():
                continue
            column = self._lines.column(rule.signal).take(index).combine_chunks()
            text = pc.binary_join_element_wise(
                pa.scalar(f"{name} ({rule.signal}"), _shown(column), "", " "
            )
            text = pc.binary_join_element_wise(pc.utf8_rtrim_whitespace(text), ")", "")
            pieces.append(pc.if_else(pa.array(fired), text, pa.scalar(None, pa.string())))
        return join_columns(pieces, ", ") if pieces else pa.nulls(len(rows), pa.string())

    def _names(self, rows: Column) -> pa.Array:
        """Name the rules that removed rows; null for rows that stay."""
        pieces = [
            pc.if_else(pa.array(self._decisive[number, rows]), name, pa.scalar(None, pa.string()))
            for number, name in enumerate(self._how.names)
            if self._decisive[number, rows].any()
        ]
        if not pieces:
            return pa.nulls(len(rows), pa.string())
        gone = pa.array(self.state[rows] == REMOVED)
        return pc.if_else(gone, join_columns(pieces, ", "), pa.scalar(None, pa.string()))

    def _scores(self, rows: Column) -> pa.Array:
        """(rows,) the figure that the first rule judged by; null where it is no number."""
        scores = pa.nulls(len(rows), pa.float64())
        for number, rule in enumerate(self._how.rules):
            mine = (self._first[rows] == number) & self._decisive[number, rows]
            column = self._lines.column(rule.signal)
            if mine.any() and not pa.types.is_string(column.type):
                values = column.take(pa.array(rows)).combine_chunks()
                scores = pc.if_else(pa.array(mine), _as_float(values), scores)
        return scores

    def _annotated(self, data: pa.RecordBatch, rows: Column) -> pa.RecordBatch:
        values = self._lines.select(self._how.figure_schema.names).take(pa.array(rows))
        figures = _one_batch(values, self._how.figure_schema)
        verdict = VERDICT_NAMES.take(pa.array(self.state[rows]))
        columns = [*data.columns, *figures.columns, verdict, self._names(rows)]
        return pa.record_batch(
            columns, schema=pa.schema([*data.schema, *self._how.figure_schema, *MARKS])
        )

    def _removed(self, batch: pa.RecordBatch, ids: Column) -> pa.RecordBatch:
        rows = docid.row_of(ids)
        columns = [
            *batch.columns,
            self._row_ids(ids),
            pa.repeat("score", len(ids)).cast(pa.string()),
            self._reasons(rows),
            pa.nulls(len(ids), pa.string()),
            self._scores(rows),
        ]
        return pa.record_batch(columns, schema=pa.schema([*batch.schema, *PROOF]))

    def _quarantined(self, block: TaskBlock, here: Judged) -> pa.RecordBatch:
        """Return the rows that cannot be judged, unreadable ones included, in input order."""
        mask = here.state == QUARANTINED
        entries = [(bad.row, bad.error, bad.raw) for bad in block.bad]
        if mask.any():
            rows = block.rows[mask].tolist()
            errors = self._lines.column("error").take(pa.array(rows)).to_pylist()
            values = block.batch.filter(pa.array(mask)).to_pylist()
            entries += [
                (row, error, _as_json(value))
                for row, error, value in zip(rows, errors, values, strict=True)
            ]
        entries.sort(key=lambda entry: entry[0])
        ids = docid.pack(self._task, np.array([e[0] for e in entries], np.int64))
        _, places = self._how.rows.locate(ids)
        columns = [
            self._row_ids(ids),
            self._how.rows.file_names(ids),
            pa.array(places),
            pa.array([e[1] for e in entries], pa.string()),
            pa.array([e[2] for e in entries], pa.binary()),
        ]
        return pa.record_batch(columns, schema=QUARANTINE)

    def _ledger(self, numbers: Column) -> pa.RecordBatch:
        ids = docid.pack(self._task, numbers)
        _, places = self._how.rows.locate(ids)
        columns = [
            self._row_ids(ids),
            self._how.rows.file_names(ids),
            pa.array(places),
            VERDICT_NAMES.take(pa.array(self.written(self.state[numbers]))),
            self._names(numbers),
            pa.nulls(len(ids), pa.string()),
            self._scores(numbers),
        ]
        return pa.record_batch(columns, schema=LEDGER)

    def written(self, state: Column) -> Column:
        """Return where rows of these verdicts are written: annotated rows all stay."""
        return np.where(state == REMOVED, KEPT, state) if self._how.annotate else state

    def _signals(self, numbers: Column) -> pa.RecordBatch:
        """Return the lines of all rows, as a later `select` reads them."""
        schema = self.kept_lines.schema
        lines = self._lines.select(schema.names[1:]).take(pa.array(numbers)).combine_chunks()
        ids = self._row_ids(docid.pack(self._task, numbers))
        columns = [ids, *(column.combine_chunks() for column in lines.columns)]
        return pa.record_batch(columns, schema=schema)


def _filter(batch: pa.RecordBatch, mask: Column) -> pa.RecordBatch:
    return batch if mask.all() else batch.filter(pa.array(mask))


def _one_batch(table: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    columns = [table.column(field.name).combine_chunks() for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _shown(column: pa.Array) -> pa.Array:
    """Return figures as text, empty where there is none."""
    if pa.types.is_floating(column.type):
        column = pc.round(column, ndigits=DIGITS)
    if pa.types.is_boolean(column.type):
        column = pc.if_else(column, "yes", "no")
    return pc.fill_null(column.cast(pa.string()), "unknown")


def _as_float(column: pa.Array) -> pa.Array:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    return column.cast(pa.float64())


def _as_json(row: Mapping[str, Any]) -> bytes:
    """Return a row as JSON text."""
    text = json.dumps(without_nulls(row), ensure_ascii=False, default=str)
    return text.encode("utf-8", "replace")


def merged_figures(
    store: Store, how: SiftStep, receipts: Sequence[Receipt], sources: Sequence[int]
) -> dict[int, Figures]:
    """Add up the figures of all tasks, by source.

    Args:
        store: Where they lie.
        how: What they count.
        receipts: By task.
        sources: By task, its source.
    """
    merged: dict[int, Figures] = {}
    for receipt, source in zip(receipts, sources, strict=True):
        facts = store.get_json(receipt.facts["figures"])
        found = Figures.from_json(how.signals, how.facts(), facts)
        if source in merged:
            merged[source].merge(found)
        else:
            merged[source] = found
    return merged
