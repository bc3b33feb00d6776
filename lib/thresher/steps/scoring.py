"""Score: the pass over the text that computes every signal of a profile, one line an input row.

Rows that cannot be judged get an error and no signals; `sift` quarantines them. What other rows of
the same prompt decide (which answer is the best of several) is found by an exchange in between,
from keys that are noted here.

Shapes: R rows of a block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.formats.reading import scattered
from thresher.signals.computation import Computation, computation
from thresher.signals.profile import Profile
from thresher.signals.prompts import KEYS, Preference, keys_of
from thresher.stage import Task
from thresher.steps.attributes import attribute_name, user_ids
from thresher.steps.line_files import LineFile
from thresher.steps.reading import ReadTask, TaskBlock
from thresher.steps.row_texts import RowReader, Texts
from thresher.steps.split_log import line_for_each_row
from thresher.steps.spread import read_table
from thresher.store import Published, Store

Column = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ScoreStep:
    """What scoring a task needs to know.

    Args:
        profile: Signals and rules.
        assets: Files that signals need (tokenizers, phrase lists, models): by name, where the
            store has them.
        reader: How rows are read as text.
        id_column: The users' own ids.
        prefer: Which of several answers comes first.
        max_doc_bytes: Rows with a larger value are bad.
    """

    profile: Profile
    assets: Mapping[str, str]
    reader: RowReader
    id_column: str | None
    prefer: Preference
    max_doc_bytes: int

    def computation(self, store: Store) -> Computation:
        """Return what computes the signals, made once a process."""
        return computation(self.profile, {n: store.get(at) for n, at in self.assets.items()})

    @cached_property
    def keyed(self) -> bool:
        """Whether rows of one prompt have to meet."""
        return "prompts" in self.profile.groups

    def schema(self, store: Store) -> pa.Schema:
        """Return the columns of a signal file."""
        fields = [pa.field("error", pa.string())]
        if self.id_column:
            fields.append(pa.field("id", pa.string()))
        if self.keyed:
            fields += KEYS
        signals = self.computation(store).signals
        return pa.schema([*fields, *(pa.field(s.name, s.kind.type) for s in signals)])


@dataclass(frozen=True)
class ScoreProbe:
    """Notes every signal of a profile. Facts: `unjudged` rows."""

    how: ScoreStep
    name: str = "signals"

    def columns(self, read: ReadTask) -> Sequence[str] | None:
        """Signals may look at any column."""
        return None

    def open(self, store: Store, folder: str, task: Task) -> ScoreNotes:
        """Begin a task's signal file."""
        return ScoreNotes(self.how, store, folder, task)


class ScoreNotes:
    """One task's signal file."""

    def __init__(self, how: ScoreStep, store: Store, folder: str, task: Task) -> None:
        self._how, self._store, self._read = how, store, task.payload
        self._schema = how.schema(store)
        self._unjudged = 0
        self._file = LineFile(store, attribute_name(folder, task.index), self._schema)

    def __enter__(self) -> ScoreNotes:
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.__exit__(*error)

    def take(self, block: TaskBlock, texts: Texts, base: int, count: int) -> None:
        """Note a block."""
        path = self._read.files[block.split].path
        lines = _lines(self._how, self._store, block, texts, path)
        batch = line_for_each_row(lines, block, base, count, self._schema)
        self._unjudged += len(batch) - batch.column("error").null_count
        self._file.write(batch)

    def close(self) -> tuple[tuple[Published, ...], dict[str, Any]]:
        """Publish the file; return what was counted."""
        return (self._file.close(),), {"unjudged": self._unjudged}


def _lines(
    how: ScoreStep, store: Store, block: TaskBlock, texts: Texts, path: str
) -> dict[str, pa.Array]:
    """Return the columns of a signal file for the rows that could be read."""
    count = len(block.batch)
    made = how.computation(store)
    lines = {"error": texts.errors()}
    if how.id_column:
        lines["id"] = user_ids(how.id_column, block, path)
    if how.reader.formats is None:
        return lines | made.of_text(texts.text)
    parts = [made.of_rows(piece.rows) for piece in texts.found]
    places = [piece.places for piece in texts.found]
    for signal in made.signals:
        columns = [part[signal.name] for part in parts]
        lines[signal.name] = scattered(columns, places, count, signal.kind.type)
    if how.keyed:
        orders = [how.prefer.keys(block.batch, lines, path)[at] for at in places]
        keys = [keys_of(p.rows, o) for p, o in zip(texts.found, orders, strict=True)]
        for field in KEYS:
            columns = [key[field.name] for key in keys]
            lines[field.name] = scattered(columns, places, count, field.type)
    return lines


def load_lines(store: Store, folder: str, task: int) -> pa.Table:
    """Read a task's signal file: one line an input row."""
    return read_table(store, attribute_name(folder, task)).combine_chunks()
