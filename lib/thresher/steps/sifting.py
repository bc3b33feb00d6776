"""Sift: rows are read once more and go where the rules on their signals say.

Part N of every output comes from task N, in input order. The text is fingerprinted again and must
be what the signals were computed from. Figures for the report are counted on the way.

Shapes: R rows of a block, K rules.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.errors import InternalError
from thresher.formats.arrays import join_columns
from thresher.signals.figures import Figures, RuleFacts
from thresher.signals.prompts import SIGNALS as MET
from thresher.signals.rules import Judgement, Rule, judge
from thresher.signals.signal import Signal
from thresher.stage import Receipt, Task
from thresher.steps.fates import Fates, RowWriter
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
from thresher.steps.split_log import TextCheck, decode_schema
from thresher.steps.tallies import KEPT, QUARANTINED, REMOVED, Counts, Judged
from thresher.store import Store

Column = np.ndarray[Any, Any]
DIGITS = 6
NOTHING = pa.scalar(None, pa.string())
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
    sifted = Sifted(how, store, task.index)
    sorting = _Sorting(how, task.index, sifted)
    counts = Counts(len(read.splits))
    every = np.ones(len(sifted.lines), bool)
    figures = sifted.counting(every, sorting.writer)
    check = TextCheck(read, how.expected[task.index])
    with PartSet(store, task.index, how.outputs(sorting.remembered)) as parts:
        for block in read_task(read, None, how.schema, how.score.max_doc_bytes):
            text = how.score.reader.texts(block, read).text
            check.add(block.split, text)
            ids = docid.pack(task.index, block.rows)
            counts.add(block, Judged(ids, sifted.fates.written[block.rows], text))
            sorting.write(parts, block)
            figures.add(block.rows, text)
        check.finish()
        files = parts.finish()
    if counts.rows() != len(sifted.lines):
        raise InternalError(f"task {task.index}: {counts.rows()} rows, {len(sifted.lines)} judged")
    name = f"{folder}/figures-{task.index:05d}.json"
    store.put(name, json.dumps(figures.to_json()).encode())
    return Receipt(
        task=task.index,
        rows_in=counts.rows(),
        rows_out=counts.rows(),
        bytes_in=counts.bytes(),
        files=files,
        facts={"splits": counts.facts(), "figures": name, "first": sifted.first(every)},
    )


class Sifted:
    """A task's rows as the rules judge them.

    Args:
        how: The rules.
        store: Where the signals are.
        task: The task.
    """

    def __init__(self, how: SiftStep, store: Store, task: int) -> None:
        self.lines = _lines(how, store, task)
        values = {n: self.lines.column(n) for n in self.lines.column_names}
        self.verdicts = judge(how.rules, values, len(self.lines))
        self.fates, self._decides = _fates(how, self.lines, self.verdicts)
        self._how, self._task = how, task

    def first(self, left: Column) -> dict[str, int]:
        """Count the removed rows by the first rule that each fails.

        Args:
            left: (N,) rows that are judged.
        """
        counts = {name: int((rows & left).sum()) for name, rows in self._decides.items()}
        return {name: count for name, count in counts.items() if count}

    def values(self, rows: Column) -> pa.RecordBatch:
        """Return the signals of some rows."""
        schema = self._how.figure_schema
        return _one_batch(self.lines.select(schema.names).take(pa.array(rows)), schema)

    def counting(self, left: Column, writer: RowWriter) -> SiftCounting:
        """Begin to count figures.

        Args:
            left: (N,) rows that are judged.
            writer: Names rows.
        """
        return SiftCounting(self._how, self._task, self, left, writer)


class SiftCounting:
    """Figures of a task's judged rows, for the report."""

    def __init__(
        self, how: SiftStep, task: int, sifted: Sifted, left: Column, writer: RowWriter
    ) -> None:
        self._task, self._sifted, self._left, self._writer = task, sifted, left, writer
        self._figures = Figures(how.signals, how.facts())

    def add(self, numbers: Column, text: pa.Array) -> None:
        """Add the judged rows among these."""
        state = self._sifted.fates.state[numbers]
        fine = (state != QUARANTINED) & self._left[numbers]
        rows = numbers[fine]
        self._figures.add(
            self._sifted.values(rows),
            self._sifted.verdicts.failed[:, rows],
            self._sifted.verdicts.judged[:, rows],
            state[fine] == KEPT,
            positions=docid.pack(self._task, rows),
            names=lambda places: self._writer.row_ids(rows[np.asarray(places)]),
            texts=text.filter(pa.array(fine)),
        )

    def to_json(self) -> Any:
        """Return the figures as JSON values."""
        return self._figures.to_json()


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


def _fates(how: SiftStep, lines: pa.Table, verdicts: Judgement) -> tuple[Fates, dict[str, Column]]:
    """Return what becomes of the rows, and by rule the removed ones that fail it first."""
    count = len(lines)
    bad = np.asarray(pc.is_valid(lines.column("error")))
    removed = verdicts.removed & ~bad
    names: list[pa.Array] = []
    details: list[pa.Array] = []
    scores = pa.nulls(count, pa.float64())
    waiting = removed.copy()
    first: dict[str, Column] = {}
    for number, (name, rule) in enumerate(zip(how.names, how.rules, strict=True)):
        fired = verdicts.failed[number] & removed
        if rule.action != "remove" or not fired.any():
            continue
        mask = pa.array(fired)
        column = lines.column(rule.signal).combine_chunks()
        names.append(pc.if_else(mask, name, NOTHING))
        shown = pc.binary_join_element_wise(f"{name} ({rule.signal} ", _shown(column), ")", "")
        details.append(pc.if_else(mask, shown, NOTHING))
        decides = fired & waiting
        waiting &= ~fired
        if decides.any():
            first[name] = decides
            if not pa.types.is_string(column.type):
                scores = pc.if_else(pa.array(decides), _as_float(column), scores)
    nothing = pa.nulls(count, pa.string())
    fates = Fates(
        state=np.where(bad, QUARANTINED, np.where(removed, REMOVED, KEPT)),
        error=lines.column("error").combine_chunks(),
        reason=join_columns(names, ", ") if names else nothing,
        detail=join_columns(details, ", ") if details else nothing,
        matched=nothing,
        score=scores,
        ids=lines.column("id").combine_chunks() if how.user_ids else None,
        stay=how.annotate,
    )
    return fates, first


class _Sorting:
    """Writes a task's rows with their signals."""

    def __init__(self, how: SiftStep, task: int, sifted: Sifted) -> None:
        self._how, self._sifted = how, sifted
        self.writer = RowWriter("score", task, how.rows, sifted.fates)

    @property
    def remembered(self) -> pa.Schema:
        """The columns of the lines as the result keeps them: ids become row ids."""
        fields = [field for field in self._sifted.lines.schema if field.name != "id"]
        return pa.schema([PROOF[0], *fields])

    def write(self, parts: PartSet, block: TaskBlock) -> None:
        """Write a block's rows to all outputs."""
        kept = self.writer.kept(block)
        data = block.batch if kept.all() else block.batch.filter(pa.array(kept))
        if self._how.annotate:
            data = self._annotated(data, block.rows[kept])
        numbers = self.writer.write(parts, block, data)
        lines = self._sifted.lines.select(self.remembered.names[1:]).take(pa.array(numbers))
        columns = [column.combine_chunks() for column in lines.columns]
        ids = self.writer.row_ids(numbers)
        parts.write(SIGNALS, pa.record_batch([ids, *columns], schema=self.remembered))

    def _annotated(self, data: pa.RecordBatch, rows: Column) -> pa.RecordBatch:
        values = self._sifted.values(rows)
        fates = self._sifted.fates
        verdict = VERDICT_NAMES.take(pa.array(fates.state[rows]))
        reason = fates.reason.take(pa.array(rows))
        schema = pa.schema([*data.schema, *values.schema, *MARKS])
        return pa.record_batch([*data.columns, *values.columns, verdict, reason], schema=schema)


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


def merged_figures(
    store: Store,
    how: SiftStep,
    receipts: Sequence[Receipt],
    sources: Sequence[int],
    known: Mapping[int, Figures] = MappingProxyType({}),
) -> dict[int, Figures]:
    """Add up the figures of all tasks, by source.

    Args:
        store: Where they lie.
        how: What they count.
        receipts: By task.
        sources: By task, its source.
        known: Those of further tasks, added up; they are added to.
    """
    merged = dict(known)
    for receipt, source in zip(receipts, sources, strict=True):
        facts = store.get_json(receipt.facts["figures"])
        found = Figures.from_json(how.signals, how.facts(), facts)
        if source in merged:
            merged[source].merge(found)
        else:
            merged[source] = found
    return merged
