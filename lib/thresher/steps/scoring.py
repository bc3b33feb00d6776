"""Score: the pass over the text that computes every signal of a profile, one line an input row.

Rows that cannot be judged get an error and no signals; `sift` quarantines them. What other rows of
the same prompt decide (which answer is the best of several) is found by an exchange in between,
from keys that are noted here.

Shapes: R rows of a block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import InputError
from thresher.formats.reading import Found, read_rows
from thresher.formats.rows import Faults
from thresher.formats.texts import row_texts
from thresher.formats.turns import STRING
from thresher.signals.computation import Computation, computation
from thresher.signals.profile import Profile
from thresher.signals.prompts import KEYS, Preference, keys_of
from thresher.stage import Receipt, Task
from thresher.steps.attributes import attribute_name, user_ids
from thresher.steps.reading import ReadTask, TaskBlock, compared_text, read_task
from thresher.steps.split_log import SplitLog
from thresher.steps.spread import read_table
from thresher.store import Published, Store

Column = np.ndarray[Any, Any]
NO_TEXT = "the text is null"
UNREADABLE = "the row cannot be read"


@dataclass(frozen=True)
class ScoreStep:
    """What scoring a task needs to know.

    Args:
        profile: Signals and rules.
        assets: Files that signals need (tokenizers, phrase lists, models): by name, where the
            store has them.
        formats: By file, the formats that its rows may have; None reads a column as text.
        text_column: That column.
        id_column: The users' own ids.
        prefer: Which of several answers comes first.
        skip_unreadable: Name files that fail instead of raising.
        max_doc_bytes: Rows with a larger value are bad.
    """

    profile: Profile
    assets: Mapping[str, str]
    formats: Mapping[int, tuple[str, ...]] | None
    text_column: str
    id_column: str | None
    prefer: Preference
    skip_unreadable: bool
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

    def texts(self, block: TaskBlock, read: ReadTask) -> Texts:
        """Read a block's rows as what is judged."""
        path = read.files[block.split].path
        faults = Faults(len(block.batch))
        if self.formats is None:
            text = compared_text(block.batch, (self.text_column,), path)
            faults.add(np.asarray(pc.is_null(text)), NO_TEXT)
            return Texts(text, [], faults)
        names = self.formats.get(read.splits[block.split].file, ())
        found = read_rows(block.batch, names, faults)
        return Texts(_joined(found, len(block.batch)), found, faults)


@dataclass(frozen=True)
class Texts:
    """A block's rows as what is judged.

    Args:
        text: (R,) all text of each row; null where it cannot be read.
        found: The rows by format, with their places; none where a column is the text.
        faults: (R,) rows that cannot be judged.
    """

    text: pa.Array
    found: list[Found]
    faults: Faults


def _joined(found: list[Found], count: int) -> pa.Array:
    """Return all text of each row, whatever its format."""
    parts = [row_texts(piece.rows, "all").cast(STRING) for piece in found]
    return _scattered(parts, [piece.places for piece in found], count, STRING)


def _scattered(
    parts: list[pa.Array], places: list[Column], count: int, kind: pa.DataType
) -> pa.Array:
    """Put the values of several pieces where their rows stand; null elsewhere."""
    if not parts:
        return pa.nulls(count, kind)
    if len(parts) == 1 and len(parts[0]) == count:
        return parts[0]
    order = np.full(count, -1, np.int64)
    order[np.concatenate(places)] = np.arange(sum(len(part) for part in parts))
    return pa.concat_arrays(parts).take(pa.array(order, mask=order < 0))


def score_task(how: ScoreStep, store: Store, folder: str, task: Task) -> Receipt:
    """Read one task's rows and write its signal file.

    The receipt's facts are those of a first pass, and `unjudged` rows. With `skip_unreadable` a
    file that fails is named in the facts: the driver plans again without it.
    """
    try:
        return _score(how, store, folder, task)
    except InputError as error:
        if not (how.skip_unreadable and error.skippable):
            raise
        return Receipt(task=task.index, facts={"unreadable": [error.path, error.message]})


def _score(how: ScoreStep, store: Store, folder: str, task: Task) -> Receipt:
    read: ReadTask = task.payload
    log = SplitLog(read)
    unjudged = 0
    schema = how.schema(store)
    name = attribute_name(folder, task.index)
    with store.writing(name, once=True) as path, pa.OSFile(str(path), "wb") as sink:
        writer = pa.ipc.new_file(sink, schema)
        for block in read_task(read, None, None, how.max_doc_bytes):
            base = log.rows
            texts = how.texts(block, read)
            count = log.add(block, texts.text)
            lines = _lines(how, store, block, texts, read.files[block.split].path)
            batch = _spread(lines, block, base, count, schema)
            unjudged += len(batch) - batch.column("error").null_count
            writer.write_batch(batch)
        writer.close()
    facts = {**log.facts(), "unjudged": unjudged}
    size = store.path(name).stat().st_size
    return log.receipt(task.index, (Published(name, size, ""),), facts)


def _lines(
    how: ScoreStep, store: Store, block: TaskBlock, texts: Texts, path: str
) -> dict[str, pa.Array]:
    """Return the columns of a signal file for the rows that could be read."""
    count = len(block.batch)
    made = how.computation(store)
    bad = np.flatnonzero(~texts.faults.good)
    lines = {"error": _at([texts.faults.message(row) for row in bad.tolist()], bad, count)}
    if how.id_column:
        lines["id"] = user_ids(how.id_column, block, path)
    if how.formats is None:
        return lines | made.of_text(texts.text)
    parts = [made.of_rows(piece.rows) for piece in texts.found]
    places = [piece.places for piece in texts.found]
    for signal in made.signals:
        columns = [part[signal.name] for part in parts]
        lines[signal.name] = _scattered(columns, places, count, signal.kind.type)
    if how.keyed:
        orders = [how.prefer.keys(block.batch, lines, path)[at] for at in places]
        keys = [keys_of(p.rows, o) for p, o in zip(texts.found, orders, strict=True)]
        for field in KEYS:
            columns = [key[field.name] for key in keys]
            lines[field.name] = _scattered(columns, places, count, field.type)
    return lines


def _at(values: list[str], places: Column, count: int) -> pa.Array:
    """Return a column that is null but at some places."""
    order = np.full(count, -1, np.int64)
    order[places] = np.arange(len(values))
    return pa.array(values, pa.string()).take(pa.array(order, mask=order < 0))


def _spread(
    lines: Mapping[str, pa.Array], block: TaskBlock, base: int, count: int, schema: pa.Schema
) -> pa.RecordBatch:
    """Return one line for each of the block's `count` rows, unreadable ones included."""
    columns = [lines[field.name] for field in schema]
    if not block.bad:
        return pa.record_batch(columns, schema=schema)
    places = np.full(count, -1, np.int64)
    places[block.rows - base] = np.arange(len(block.rows))
    index = pa.array(places, mask=places < 0)
    columns = [column.take(index) for column in columns]
    columns[0] = pc.if_else(pa.array(places < 0), UNREADABLE, columns[0])
    return pa.record_batch(columns, schema=schema)


def load_lines(store: Store, folder: str, task: int) -> pa.Table:
    """Read a task's signal file: one line an input row."""
    return read_table(store, attribute_name(folder, task)).combine_chunks()
