"""Mix, first: what drawing needs to know of every row, noted in the pass over the text.

One line a row: a hash of its content, its tokens, its category. The seed is no part of it, so
another draw reads no text.

Shapes: R rows of a block, N rows of a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.errors import ConfigError
from thresher.formats.arrays import is_string
from thresher.formats.reading import scattered
from thresher.formats.rows import Faults
from thresher.formats.turns import STRING
from thresher.mixing.content import content_hashes
from thresher.mixing.drawing import drawing_keys
from thresher.signals.tokens import Counter, Estimate, TokenizerFile, token_signals
from thresher.stage import Task
from thresher.steps.attributes import Alive, attribute_name, user_ids
from thresher.steps.line_files import LineFile
from thresher.steps.reading import ReadTask, TaskBlock
from thresher.steps.row_texts import RowReader, Texts
from thresher.steps.split_log import line_for_each_row
from thresher.steps.spread import read_table
from thresher.store import Published, Store

Column = np.ndarray[Any, Any]
UNCOUNTED = "the row has no text whose tokens could be counted"


@dataclass(frozen=True)
class AllStrings:
    """Rows of no known format: their text is that of all columns of strings."""

    def texts(self, block: TaskBlock, read: ReadTask) -> Texts:
        """Read a block's rows; the order of columns makes no difference, nor do nulls."""
        batch = block.batch
        names = sorted(field.name for field in batch.schema if is_string(field.type))
        columns = [batch.column(name).cast(STRING) for name in names]
        text = pa.nulls(len(batch), STRING)
        if columns:
            newline = pa.scalar("\n", STRING)
            text = pc.binary_join_element_wise(*columns, newline, null_handling="skip")
        return Texts(text, [], Faults(len(batch)))

    def missing(self) -> str:
        """Say what a row lacks whose text is null."""
        return UNCOUNTED


@dataclass(frozen=True)
class MixStep:
    """What a mixture has to know of rows.

    Args:
        reader: How rows are read as text.
        tokenizer: Where the store has the tokenizer; None estimates.
        categories: By source, the column of categories.
        id_column: The users' own ids.
        counted: Whether a row whose tokens cannot be counted cannot be judged.
    """

    reader: RowReader | AllStrings
    tokenizer: str | None
    categories: tuple[str | None, ...]
    id_column: str | None
    counted: bool

    def counter(self, store: Store) -> Counter:
        """Return what counts tokens, made once a process."""
        return Estimate() if self.tokenizer is None else _tokenizer(store.get(self.tokenizer))

    @property
    def schema(self) -> pa.Schema:
        """The columns of a file of lines."""
        own = [pa.field("id", pa.string())] if self.id_column else []
        return pa.schema(
            [
                pa.field("error", pa.string()),
                *own,
                pa.field("category", pa.string()),
                pa.field("content_0", pa.uint64()),
                pa.field("content_1", pa.uint64()),
                pa.field("tokens", pa.int64()),
            ]
        )


@lru_cache(maxsize=2)
def _tokenizer(content: bytes) -> Counter:
    return TokenizerFile(content)


@dataclass(frozen=True)
class MixProbe:
    """Notes content, tokens and category. Facts: `unjudged` rows."""

    how: MixStep
    name: str = "contents"

    def columns(self, read: ReadTask) -> Sequence[str] | None:
        """The content is that of all columns."""
        return None

    def open(self, store: Store, folder: str, task: Task) -> MixNotes:
        """Begin a task's lines."""
        return MixNotes(self.how, store, folder, task)


class MixNotes:
    """One task's file of lines."""

    def __init__(self, how: MixStep, store: Store, folder: str, task: Task) -> None:
        self._how, self._read = how, task.payload
        self._counter = how.counter(store)
        self._unjudged = 0
        self._file = LineFile(store, attribute_name(folder, task.index), how.schema)

    def __enter__(self) -> MixNotes:
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.__exit__(*error)

    def take(self, block: TaskBlock, texts: Any, base: int, count: int) -> None:
        """Note a block; `texts` are those of the rows, or else they are read here."""
        made = texts if isinstance(texts, Texts) else self._how.reader.texts(block, self._read)
        path = self._read.files[block.split].path
        lines = _lines(self._how, self._counter, self._read.source, block, made, path)
        batch = line_for_each_row(lines, block, base, count, self._how.schema)
        self._unjudged += len(batch) - batch.column("error").null_count
        self._file.write(batch)

    def close(self) -> tuple[tuple[Published, ...], dict[str, Any]]:
        """Publish the file; return what was counted."""
        return (self._file.close(),), {"unjudged": self._unjudged}


def _lines(
    how: MixStep, counter: Counter, source: int, block: TaskBlock, texts: Texts, path: str
) -> dict[str, pa.Array]:
    """Return the columns of the lines for the rows that could be read."""
    count = len(block.batch)
    tokens = _tokens(counter, texts, count)
    hashes = content_hashes(block.batch)
    error = pa.nulls(count, pa.string())
    if how.counted:
        told = pc.if_else(pc.is_null(tokens), UNCOUNTED, error)
        error = pc.coalesce(texts.errors(), told)
    lines = {
        "error": error,
        "category": _categories(how.categories[source], block.batch, path),
        "content_0": pa.array(hashes[:, 0]),
        "content_1": pa.array(hashes[:, 1]),
        "tokens": pa.array(np.maximum(pc.fill_null(tokens, 0).to_numpy(), 1)),
    }
    if how.id_column:
        lines["id"] = user_ids(how.id_column, block, path)
    return lines


def _tokens(counter: Counter, texts: Texts, count: int) -> pa.Array:
    """(R,) tokens of each row; null where it has no text."""
    if not texts.found:
        return pa.array(counter.count(texts.text), mask=np.asarray(texts.text.is_null()))
    parts = [token_signals(piece.rows, counter)["tokens"] for piece in texts.found]
    places = [piece.places for piece in texts.found]
    return scattered(parts, places, count, pa.int64())


def _categories(column: str | None, batch: pa.RecordBatch, path: str) -> pa.Array:
    index = -1 if column is None else batch.schema.get_field_index(column)
    if index < 0:
        return pa.nulls(len(batch), pa.string())
    values = batch.column(index)
    if pa.types.is_nested(values.type):
        raise ConfigError(f"column '{column}' holds lists or objects, no categories", path=path)
    return values.cast(pa.string())


class MixLines(NamedTuple):
    """What is known of a task's rows.

    Args:
        left: (N,) bool rows that earlier steps left.
        present: (N,) bool those of them that can be judged, and take part.
        error: (N,) why a row cannot be judged.
        category: (N,) strings; null without one.
        content: (N, 2) uint64.
        tokens: (N,) int64.
        ids: (N,) the users' own ids, or None.
        task: The task's number.
    """

    left: Column
    present: Column
    error: pa.Array
    category: pa.Array
    content: Column
    tokens: Column
    ids: pa.Array | None
    task: int

    def keys(self, rows: Column, seed: int) -> Column:
        """Return the keys of some rows."""
        return drawing_keys(self.content[rows], docid.pack(self.task, rows), seed)


def load_mix_lines(store: Store, folder: str, task: int, alive: tuple[Alive, ...] = ()) -> MixLines:
    """Read a task's lines.

    Args:
        store: Where.
        folder: Of the probe's lines.
        task: The task's number.
        alive: Rows that one of these leaves out take no part.
    """
    table = read_table(store, attribute_name(folder, task)).combine_chunks()
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    left = np.ones(len(table), bool)
    for step in alive:
        left &= step.mask(store, task)
    content = [pc.fill_null(columns[n], 0).to_numpy() for n in ("content_0", "content_1")]
    return MixLines(
        left,
        left & np.asarray(pc.is_null(columns["error"])),
        columns["error"],
        columns["category"],
        np.stack(content, axis=1),
        pc.fill_null(columns["tokens"], 0).to_numpy(),
        columns.get("id"),
        task,
    )
