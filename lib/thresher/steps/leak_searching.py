"""Search the rows of a task for items of benchmarks.

`search_task` writes one line a row (why it cannot be judged) and one line a match. What is found in
a row depends on that row and the benchmarks alone.

Shapes: C matches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.rows import Kind, Rows
from thresher.formats.turns import STRING
from thresher.leaks.discount import count_rows, discounts, joined
from thresher.leaks.indexed import Indexed
from thresher.leaks.presets import Preset
from thresher.leaks.search import FOUND, Findings, find
from thresher.leaks.segments import ROLES, Segments, segments
from thresher.stage import Receipt, Task
from thresher.steps.attributes import attribute_name, user_ids
from thresher.steps.reading import ReadTask, read_task
from thresher.steps.row_texts import RowReader, Texts
from thresher.steps.split_log import (
    SplitLog,
    line_for_each_row,
    or_unreadable,
)
from thresher.steps.spread import write_table
from thresher.store import Published, Store

Column = np.ndarray[Any, Any]
OpenIndex = Callable[[str, str], Indexed]


@dataclass(frozen=True)
class SearchStep:
    """What searching a task needs to know.

    Args:
        index: Folder of the index.
        open_index: Maps it, given the store's root and the folder.
        presets: The rules, by benchmark.
        reader: How rows are read as text.
        roles: Segments of these roles are searched.
        join_user_turns: Search all turns of the user as one text too.
        id_column: The users' own ids.
        skip_unreadable: Name files that fail instead of raising.
        max_doc_bytes: Rows with a larger value are bad.
    """

    index: str
    open_index: OpenIndex
    presets: tuple[Preset, ...]
    reader: RowReader
    roles: tuple[str, ...]
    join_user_turns: bool
    id_column: str | None
    skip_unreadable: bool
    max_doc_bytes: int

    @property
    def schema(self) -> pa.Schema:
        """The columns of a task's lines, one line a row."""
        fields = [pa.field("error", pa.string())]
        if self.id_column:
            fields.append(pa.field("id", pa.string()))
        return pa.schema(fields)


def match_name(folder: str, task: int) -> str:
    """Return the name of a task's matches inside its stage."""
    return f"{folder}/matches-{task:05d}.arrow"


def doubts_name(folder: str, task: int) -> str:
    """Return the name of what judging a task's matches again needs."""
    return f"{folder}/doubts-{task:05d}.arrow"


def counts_name(folder: str, task: int) -> str:
    """Return the name of the rows of a task by n-gram."""
    return f"{folder}/counts-{task:05d}.arrow"


def whole_name(folder: str, task: int) -> str:
    """Return the name of the items that rows of a task hold nearly all of."""
    return f"{folder}/whole-{task:05d}.arrow"


def search_task(how: SearchStep, store: Store, folder: str, task: Task) -> Receipt:
    """Search one task's rows; write its lines and its matches.

    The receipt's facts are those of a first pass, and `unjudged` rows. With `skip_unreadable` a
    file that fails is named in the facts: the driver plans again without it.
    """
    work = partial(_search, how, store, folder, task)
    return or_unreadable(work, task.index, how.skip_unreadable)


def _search(how: SearchStep, store: Store, folder: str, task: Task) -> Receipt:
    read: ReadTask = task.payload
    indexed = how.open_index(store.root, how.index)
    log = SplitLog(read)
    unjudged = 0
    name = attribute_name(folder, task.index)
    kept = _Kept()
    with store.writing(name, once=True) as path, pa.OSFile(str(path), "wb") as sink:
        writer = pa.ipc.new_file(sink, how.schema)
        for block in read_task(read, None, None, how.max_doc_bytes):
            base = log.rows
            texts = how.reader.texts(block, read)
            count = log.add(block, texts.text)
            lines = {"error": texts.errors()}
            if how.id_column:
                lines["id"] = user_ids(how.id_column, block, read.files[block.split].path)
            batch = line_for_each_row(lines, block, base, count, how.schema)
            unjudged += count - batch.column("error").null_count
            writer.write_batch(batch)
            for found, rows in pieces(how, texts):
                kept.add(find(indexed, how.presets, found), block.rows[rows])
        writer.close()
    table = pa.Table.from_batches(kept.matches, FOUND).combine_chunks()
    table = table.take(pc.sort_indices(table, sort_keys=[("line", "ascending")]))
    files = [write_table(store, match_name(folder, task.index), table)]
    if discounts(how.presets):
        files += kept.write(indexed, store, folder, task.index)
    size = store.path(name).stat().st_size
    facts = {**log.facts(), "unjudged": unjudged, "matches": len(table)}
    return log.receipt(task.index, (Published(name, size, ""), *files), facts)


class _Kept:
    """What the blocks of a task gave, with the numbers of their rows inside the task."""

    def __init__(self) -> None:
        self.matches: list[pa.RecordBatch] = []
        self._doubts: list[pa.Table] = []
        self._whole: list[Column] = [np.zeros(0, np.int64)]

    def add(self, found: Findings, rows: Column) -> None:
        """Take what was found in a block of these rows."""
        self.matches.append(_numbered(found.lines, rows))
        for doubts in found.doubts:
            line = pa.array(rows[doubts["line"].to_numpy()])
            self._doubts.append(doubts.set_column(0, "line", line))
        self._whole.extend(found.whole)

    def write(self, indexed: Indexed, store: Store, folder: str, task: int) -> list[Published]:
        """Write what judging again needs."""
        doubts, whole = joined(self._doubts), np.unique(np.concatenate(self._whole))
        return [
            write_table(store, doubts_name(folder, task), doubts),
            write_table(store, counts_name(folder, task), count_rows(indexed, doubts)),
            write_table(store, whole_name(folder, task), pa.table({"uid": whole})),
        ]


def pieces(how: SearchStep, texts: Texts) -> list[tuple[Segments, Column]]:
    """Return the segments of a block, by format, with the places of their rows."""
    if how.reader.formats is None:
        columns = {"text": texts.text.cast(STRING)}
        rows = Rows(Kind.TEXT, len(texts.text), {}, columns)
        return [(segments(rows), np.arange(len(rows)))]
    wanted = np.isin(np.array(ROLES), how.roles)
    found = []
    for piece in texts.found:
        cut = segments(piece.rows, join_user_turns=how.join_user_turns)
        mine = wanted[cut.roles]
        if not mine.all():
            texts_of = cut.texts.filter(pa.array(mine))
            cut = Segments(texts_of, cut.rows[mine], cut.numbers[mine], cut.roles[mine])
        found.append((cut, piece.places))
    return found


def _numbered(found: pa.RecordBatch, rows: Column) -> pa.RecordBatch:
    """Give matches the numbers of their rows inside the task."""
    line = rows[found.column("line").to_numpy()]
    return found.set_column(0, FOUND.field(0), pa.array(line))
