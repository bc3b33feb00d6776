"""What splitting needs to know of every row beside its text: keys that tie rows together, and
columns that say where a row may go.

One line an input row. A key of zeros ties a row to nothing: it has no prompt, or no value in the
column.

Shapes: N rows of a task, R rows of a block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import ConfigError, InputError, LimitError
from thresher.formats.alone import alone
from thresher.formats.reading import read_rows
from thresher.formats.rows import Faults, Kind
from thresher.formats.texts import row_texts
from thresher.signals.keys import prompt_keys
from thresher.splitting.assignment import FREE, Split
from thresher.splitting.values import read_names
from thresher.stage import Task
from thresher.steps.attributes import attribute_name
from thresher.steps.line_files import LineFile
from thresher.steps.reading import ReadTask, TaskBlock
from thresher.steps.spread import fixed_lists, matrix, read_table
from thresher.store import Published, Store
from thresher.text.sketch import sketch
from thresher.transforms.order import LAST, largest_first

Column = np.ndarray[Any, Any]
MAX_STRATA = 10_000
MAX_UNNAMED = 1_000
PROMPT = "prompt"


@dataclass(frozen=True)
class TieProbe:
    """Notes what ties rows together and where they may go.

    Facts: `keyed`, rows with each key; `strata`, the values of the stratifying column; `ages`, the
    youngest and oldest age, null where no row has one; `unnamed`, values that name no split with
    their rows, the most frequent.

    Args:
        formats: By file, the formats by which prompts are read; None: prompts tie nothing.
        group_by: Columns whose equal values tie rows together.
        stratify: The column of the strata.
        age: The column of the rows' times.
        pin: The column that names splits.
        pins: By value of that column in lower case, the split. NO_VALUE stands for rows without
            one, ANY for all others.
    """

    formats: Mapping[int, tuple[str, ...]] | None = None
    group_by: tuple[str, ...] = ()
    stratify: str | None = None
    age: str | None = None
    pin: str | None = None
    pins: Mapping[str, Split] = field(default_factory=dict)
    name: str = "ties"

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each key stands for."""
        return ((PROMPT,) if self.formats is not None else ()) + self.group_by

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that the user named."""
        single = [name for name in (self.stratify, self.age, self.pin) if name]
        return tuple(dict.fromkeys([*self.group_by, *single]))

    def columns(self, read: ReadTask) -> Sequence[str] | None:
        """List the columns that are needed; all where formats decide."""
        return None if self.formats is not None else self.named

    @property
    def schema(self) -> pa.Schema:
        """The columns of a line."""
        fields = [pa.field(_key(at), pa.list_(pa.uint64(), 2)) for at in range(len(self.kinds))]
        if self.stratify:
            fields.append(pa.field("stratum", pa.string()))
        if self.age:
            fields.append(pa.field("age", pa.uint64()))
        if self.pin:
            fields.append(pa.field("pin", pa.uint8()))
        fields.append(pa.field("read", pa.bool_()))
        return pa.schema(fields)

    def open(self, store: Store, folder: str, task: Task) -> TieNotes:
        """Begin a task's lines."""
        return TieNotes(self, store, folder, task)


def _key(at: int) -> str:
    return f"key{at}"


class TieNotes:
    """One task's lines."""

    def __init__(self, probe: TieProbe, store: Store, folder: str, task: Task) -> None:
        self._probe, self._read = probe, task.payload
        self._strata: dict[str | None, None] = {}
        self._keyed = np.zeros(len(probe.kinds), np.int64)
        self._ages: list[int] = []
        self._unnamed: Counter[str] = Counter()
        self._file = LineFile(store, attribute_name(folder, task.index), probe.schema)

    def __enter__(self) -> TieNotes:
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.__exit__(*error)

    def take(self, block: TaskBlock, texts: Any, base: int, count: int) -> None:
        """Note a block."""
        probe = self._probe
        path = self._read.files[block.split].path
        places = block.rows - base

        def spread(values: Column) -> Column:
            out = np.zeros((count, *values.shape[1:]), values.dtype)
            out[places] = values
            return out

        columns: list[pa.Array] = []
        for at, keys in enumerate(self._keys(block, path)):
            self._keyed[at] += int(keys.any(axis=1).sum())
            columns.append(fixed_lists(spread(keys)))
        if probe.stratify:
            values = _strings(block.batch, probe.stratify, path, "--stratify")
            self._note_strata(values, path)
            order = np.full(count, -1, np.int64)
            order[places] = np.arange(len(places))
            columns.append(values.take(pa.array(order, mask=order < 0)))
        if probe.age:
            ages = row_ages(block.batch, probe.age, path)
            known = ages[ages != LAST]
            if len(known):
                self._ages += [int(known.min()), int(known.max())]
            columns.append(pa.array(spread(ages)))
        if probe.pin:
            columns.append(pa.array(spread(self._pins(block, path))))
        columns.append(pa.array(spread(np.ones(len(places), np.uint8)).astype(bool)))
        self._file.write(pa.record_batch(columns, schema=probe.schema))

    def _keys(self, block: TaskBlock, path: str) -> list[Column]:
        found = []
        if self._probe.formats is not None:
            file = self._read.splits[block.split].file
            found.append(_prompts(block.batch, self._probe.formats.get(file, ())))
        for name in self._probe.group_by:
            values = _strings(block.batch, name, path, "--group-by")
            keys = sketch(pc.fill_null(values, ""), with_words=False).bytes_hash.copy()
            keys[np.asarray(pc.is_null(values))] = 0
            found.append(keys)
        return found

    def _pins(self, block: TaskBlock, path: str) -> Column:
        known = self._probe.pins
        values = _strings(block.batch, str(self._probe.pin), path, "--by")
        places, others = read_names(values, [*known])
        self._unnamed = Counter(dict((self._unnamed + others).most_common(MAX_UNNAMED)))
        return np.array([*known.values(), FREE], np.uint8)[places]

    def _note_strata(self, values: pa.Array, path: str) -> None:
        self._strata |= dict.fromkeys(pc.unique(values).to_pylist())
        if len(self._strata) > MAX_STRATA:
            raise too_many_strata(str(self._probe.stratify), path)

    def close(self) -> tuple[tuple[Published, ...], dict[str, Any]]:
        """Publish the lines; return what was counted."""
        facts = {
            "keyed": self._keyed.tolist(),
            "strata": sorted(self._strata, key=stratum_order),
            "ages": [min(self._ages), max(self._ages)] if self._ages else None,
            "unnamed": [[value, rows] for value, rows in self._unnamed.most_common()],
        }
        return (self._file.close(),), facts


def stratum_order(value: str | None) -> tuple[bool, str]:
    """Return what strata are sorted by; the one without a value comes last."""
    return value is None, value or ""


def too_many_strata(column: str, path: str | None = None) -> LimitError:
    """Return the error for a column that is no category."""
    return LimitError(
        f"column '{column}' has more than {MAX_STRATA:,} values, too many to stratify by",
        path=path,
        remedy="name a column of categories, or 'source'",
    )


def row_ages(batch: pa.RecordBatch, name: str, path: str) -> Column:
    """(R,) uint64 ages by a column of times or numbers: larger is older, without one the oldest.

    Raises:
        InputError: The column holds neither.
    """
    index = batch.schema.get_field_index(name)
    if index < 0:
        return np.full(len(batch), LAST)
    return ages_of(batch.column(index), name, path)


def ages_of(column: pa.Array, name: str, path: str | None) -> Column:
    """Return the ages of a column's values; arguments and errors as for `row_ages`."""
    try:
        # Whole numbers in one file and broken ones in the next must meet on one scale.
        if pa.types.is_integer(column.type):
            column = pc.cast(column, pa.float64(), safe=False)
        return largest_first(column)
    except (ValueError, pa.ArrowInvalid) as error:
        raise InputError(
            f"column '{name}' holds no times: {error}",
            path=path,
            remedy="times, dates, ISO 8601 strings and numbers can be split by",
        ) from error


def _strings(batch: pa.RecordBatch, name: str, path: str, flag: str) -> pa.Array:
    index = batch.schema.get_field_index(name)
    if index < 0:
        return pa.nulls(len(batch), pa.string())
    column = batch.column(index)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise ConfigError(f"{flag} {name}: values must be strings or numbers", path=path)
    return column.cast(pa.string())  # 7.0 becomes "7": a file with nulls meets one without


def _prompts(batch: pa.RecordBatch, names: Sequence[str]) -> Column:
    """(R, 2) keys of the rows' prompts; zeros for rows that ask nothing."""
    keys = np.zeros((len(batch), 2), np.uint64)
    for found in read_rows(alone(batch, names), names, Faults(len(batch))):
        if found.rows.kind is Kind.TEXT:
            continue
        asked = pc.utf8_trim_whitespace(row_texts(found.rows, "prompt"))
        some = np.asarray(pc.fill_null(pc.greater(pc.binary_length(asked), 0), False))
        keys[found.places[some]] = prompt_keys(found.rows)[some]
    return keys


@dataclass(frozen=True)
class Strata:
    """The strata, numbered.

    Args:
        by: `source`, the name of a column, or None for one stratum.
        names: Names of the strata, in order; None is that of rows without a value.
    """

    by: str | None
    names: tuple[str | None, ...]


@dataclass(frozen=True)
class RowTies:
    """The lines of a task as columns.

    Args:
        keys: By kind, (N, 2) uint64.
        age: (N,) uint64.
        pin: (N,) uint8 `Split`, or FREE.
        stratum: (N,) int64.
    """

    keys: list[Column]
    age: Column
    pin: Column
    stratum: Column


@dataclass(frozen=True)
class Noted:
    """Where the lines are, and how they are read.

    Args:
        folder: Of the lines.
        kinds: What each key stands for.
        strata: Of the whole run.
    """

    folder: str
    kinds: tuple[str, ...]
    strata: Strata

    def load(self, store: Store, task: Task) -> RowTies:
        """Read a task's lines."""
        table = read_table(store, attribute_name(self.folder, task.index)).combine_chunks()
        count = len(table)
        names = table.column_names
        return RowTies(
            [_matrix(table, _key(at)) for at in range(len(self.kinds))],
            _values(table, "age") if "age" in names else np.zeros(count, np.uint64),
            _values(table, "pin") if "pin" in names else np.full(count, FREE, np.uint8),
            self._stratum(table, task),
        )

    def _stratum(self, table: pa.Table, task: Task) -> Column:
        if self.strata.by is None:
            return np.zeros(len(table), np.int64)
        if self.strata.by == "source":
            return np.full(len(table), task.payload.source, np.int64)
        known = pa.array([n for n in self.strata.names if n is not None], pa.string())
        codes = pc.index_in(table.column("stratum"), value_set=known)
        filled: Column = pc.fill_null(codes, len(known)).to_numpy().astype(np.int64)
        return filled


def _values(table: pa.Table, name: str) -> Column:
    column: Column = table.column(name).to_numpy()
    return column


def _matrix(table: pa.Table, name: str) -> Column:
    column = table.column(name)
    return matrix(column.chunk(0)) if column.num_chunks else np.zeros((0, 2), np.uint64)
