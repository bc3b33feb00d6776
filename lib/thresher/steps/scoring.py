"""Score: the pass over the text that computes every signal of a profile, one line an input row.

Rows that cannot be judged get an error and no signals; `sift` quarantines them. What other rows of
the same prompt decide (which answer is the best of several) is found by an exchange in between,
from keys that are noted here.

Shapes: R rows of a block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.formats.reading import scattered
from thresher.signals.computation import Computation, computation
from thresher.signals.profile import Profile
from thresher.signals.prompts import KEYS, Preference, keys_of
from thresher.stage import Receipt, Task
from thresher.steps.attributes import attribute_name, user_ids
from thresher.steps.reading import ReadTask, TaskBlock, read_task
from thresher.steps.row_texts import RowReader, Texts
from thresher.steps.split_log import SplitLog, line_for_each_row, or_unreadable
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
        skip_unreadable: Name files that fail instead of raising.
        max_doc_bytes: Rows with a larger value are bad.
    """

    profile: Profile
    assets: Mapping[str, str]
    reader: RowReader
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


def score_task(how: ScoreStep, store: Store, folder: str, task: Task) -> Receipt:
    """Read one task's rows and write its signal file.

    The receipt's facts are those of a first pass, and `unjudged` rows. With `skip_unreadable` a
    file that fails is named in the facts: the driver plans again without it.
    """
    work = partial(_score, how, store, folder, task)
    return or_unreadable(work, task.index, how.skip_unreadable)


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
            texts = how.reader.texts(block, read)
            count = log.add(block, texts.text)
            lines = _lines(how, store, block, texts, read.files[block.split].path)
            batch = line_for_each_row(lines, block, base, count, schema)
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
