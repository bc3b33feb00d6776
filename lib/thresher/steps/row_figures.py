"""What a recipe's composition is added up from: tokens, turns, language and category of every row,
noted in the pass over the text.

Shapes: R rows of a block, N rows of a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import ConfigError, LimitError
from thresher.formats.reading import scattered
from thresher.formats.rows import Kind
from thresher.signals.dialogue import dialogue
from thresher.signals.language import LanguageOptions, languages
from thresher.signals.tokens import Estimate, token_signals
from thresher.stage import Task
from thresher.steps.attributes import attribute_name
from thresher.steps.line_files import LineFile
from thresher.steps.reading import ReadTask, TaskBlock
from thresher.steps.row_texts import Texts
from thresher.steps.spread import read_table
from thresher.store import Published, Store

Column = np.ndarray[Any, Any]
MAX_CATEGORIES = 1000
# 25 microseconds a row; 0.06 % of Alpaca's labels differ from those by 1000 characters (2026-11).
LANGUAGE = LanguageOptions(language_characters=150)

# One line of a tally: category, language, rows, tokens, turns, rows that have turns.
Tally = list[tuple[str | None, str | None, int, int, int, int]]


@dataclass(frozen=True)
class FigureProbe:
    """Notes the figures. No step can have its name, since names of steps have no underscore.

    Args:
        category: The column of categories; None without one.
        tokens: Whether tokens are estimated here, since no step counts them.
        language: Whether languages are told.
    """

    category: str | None
    tokens: bool
    language: bool
    name: str = "row_figures"

    @property
    def schema(self) -> pa.Schema:
        """The columns of a line."""
        fields = [pa.field("turns", pa.int64()), pa.field("language", pa.string())]
        if self.tokens:
            fields.append(pa.field("tokens", pa.int64()))
        if self.category is not None:
            fields.append(pa.field("category", pa.string()))
        return pa.schema(fields)

    def columns(self, read: ReadTask) -> Sequence[str] | None:
        """Formats decide what is text."""
        return None

    def open(self, store: Store, folder: str, task: Task) -> FigureNotes:
        """Begin a task's lines."""
        return FigureNotes(self, store, folder, task)


class FigureNotes:
    """One task's lines."""

    def __init__(self, probe: FigureProbe, store: Store, folder: str, task: Task) -> None:
        self._probe, self._read = probe, task.payload
        self._seen: set[str | None] = set()
        self._file = LineFile(store, attribute_name(folder, task.index), probe.schema)

    def __enter__(self) -> FigureNotes:
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.__exit__(*error)

    def take(self, block: TaskBlock, texts: Texts, base: int, count: int) -> None:
        """Note a block."""
        rows = len(block.batch)
        lines = {"turns": _turns(texts, rows), "language": self._languages(texts)}
        if self._probe.tokens:
            lines["tokens"] = _tokens(texts, rows)
        if self._probe.category is not None:
            path = self._read.files[block.split].path
            lines["category"] = _categories(self._probe.category, block.batch, path)
            self._note(lines["category"], path)
        places = np.full(count, -1, np.int64)
        places[block.rows - base] = np.arange(rows)
        index = pa.array(places, mask=places < 0)
        columns = [lines[field.name].take(index) for field in self._probe.schema]
        self._file.write(pa.record_batch(columns, schema=self._probe.schema))

    def _languages(self, texts: Texts) -> pa.Array:
        if not self._probe.language:
            return pa.nulls(len(texts.text), pa.string())
        return languages(texts.text, LANGUAGE)[0]

    def _note(self, values: pa.Array, path: str) -> None:
        self._seen.update(pc.unique(values).to_pylist())
        if len(self._seen) > MAX_CATEGORIES:
            raise LimitError(
                f"column '{self._probe.category}' has more than {MAX_CATEGORIES:,} values",
                path=path,
                remedy="name a column of categories, or leave category out of the recipe",
            )

    def close(self) -> tuple[tuple[Published, ...], dict[str, Any]]:
        """Publish the lines."""
        return (self._file.close(),), {}


def _turns(texts: Texts, count: int) -> pa.Array:
    """(R,) messages of each row, the response included; null for plain text."""
    found = [piece for piece in texts.found if piece.rows.kind is not Kind.TEXT]
    parts = [pa.array(dialogue(piece.rows).turns.lengths.astype(np.int64)) for piece in found]
    return scattered(parts, [piece.places for piece in found], count, pa.int64())


def _tokens(texts: Texts, count: int) -> pa.Array:
    """(R,) estimated tokens of each row; null where it has no text."""
    counter = Estimate()
    if not texts.found:
        return pa.array(counter.count(texts.text), mask=np.asarray(texts.text.is_null()))
    parts = [token_signals(piece.rows, counter)["tokens"] for piece in texts.found]
    return scattered(parts, [piece.places for piece in texts.found], count, pa.int64())


def _categories(name: str, batch: pa.RecordBatch, path: str) -> pa.Array:
    index = batch.schema.get_field_index(name)
    if index < 0:
        return pa.nulls(len(batch), pa.string())
    values = batch.column(index)
    if pa.types.is_nested(values.type):
        raise ConfigError(f"category: column '{name}' holds lists or objects", path=path)
    return values.cast(pa.string())


class _Lines(NamedTuple):
    """(N,) figures of a task's rows."""

    category: pa.Array
    language: pa.Array
    tokens: Column
    turns: pa.Array


@dataclass(frozen=True)
class RowFigures:
    """Where the figures are.

    Args:
        folder: Of the probe's lines.
        tokens: Of the lines of the step that counts tokens.
    """

    folder: str
    tokens: str

    def load(self, store: Store, task: int) -> _Lines:
        """Read a task's lines."""
        own = read_table(store, attribute_name(self.folder, task)).combine_chunks()
        counted = own
        if self.tokens != self.folder:
            counted = read_table(store, attribute_name(self.tokens, task)).combine_chunks()
        nothing = pa.nulls(len(own), pa.string())
        return _Lines(
            own.column("category").combine_chunks() if "category" in own.column_names else nothing,
            own.column("language").combine_chunks(),
            pc.fill_null(counted.column("tokens"), 0).to_numpy(),
            own.column("turns").combine_chunks(),
        )


def tally(lines: _Lines, times: Column) -> Tally:
    """Add up figures by category and language.

    Args:
        lines: Of a task.
        times: (N,) how often each row counts.
    """
    categories, category = _coded(lines.category)
    spoken, language = _coded(lines.language)
    cell = category * len(spoken) + language
    times = times.astype(np.int64)
    turns = pc.fill_null(lines.turns, 0).to_numpy()
    talking = np.asarray(pc.is_valid(lines.turns)).astype(np.int64)
    size = len(categories) * len(spoken)
    sums: Column = np.zeros((4, size), np.int64)
    for total, figure in zip(sums, (1, lines.tokens, turns, talking), strict=True):
        np.add.at(total, cell, times * figure)
    cells = np.flatnonzero(sums[0])
    return [
        (categories[at // len(spoken)], spoken[at % len(spoken)], rows, tokens, told, having)
        for at, (rows, tokens, told, having) in zip(
            cells.tolist(), sums[:, cells].T.tolist(), strict=True
        )
    ]


def _coded(values: pa.Array) -> tuple[list[str | None], Column]:
    """Return the distinct values, sorted, null last; and (N,) the place of each row's."""
    known = pc.unique(values.drop_null()).sort()
    codes = pc.fill_null(pc.index_in(values, value_set=known), len(known))
    return [*known.to_pylist(), None], codes.to_numpy().astype(np.int64)
