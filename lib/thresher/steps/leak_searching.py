"""Search rows for items of benchmarks, in the pass over the text.

One line a row says why it cannot be judged, and one line a match what was found. What is found in a
row depends on that row and the benchmarks alone.

Shapes: C matches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.rows import Kind, Rows
from thresher.formats.turns import STRING
from thresher.leaks.discount import discounts, joined
from thresher.leaks.indexed import Indexed
from thresher.leaks.presets import Preset
from thresher.leaks.search import FOUND, Findings, find
from thresher.leaks.segments import ROLES, Segments, segments
from thresher.stage import Task
from thresher.steps.attributes import attribute_name, user_ids
from thresher.steps.line_files import LineFile
from thresher.steps.reading import ReadTask, TaskBlock
from thresher.steps.row_texts import RowReader, Texts
from thresher.steps.split_log import line_for_each_row
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
        max_doc_bytes: Rows with a larger value are bad.
    """

    index: str
    open_index: OpenIndex
    presets: tuple[Preset, ...]
    reader: RowReader
    roles: tuple[str, ...]
    join_user_turns: bool
    id_column: str | None
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


def whole_name(folder: str, task: int) -> str:
    """Return the name of the items that rows of a task hold nearly all of."""
    return f"{folder}/whole-{task:05d}.arrow"


@dataclass(frozen=True)
class SearchProbe:
    """Notes the matches of every row. Facts: `unjudged` rows, `matches`."""

    how: SearchStep
    name: str = "search"

    def columns(self, read: ReadTask) -> Sequence[str] | None:
        """Any column of a conversation may hold an item."""
        return None

    def open(self, store: Store, folder: str, task: Task) -> SearchNotes:
        """Begin a task."""
        return SearchNotes(self.how, store, folder, task)


class SearchNotes:
    """One task's lines and matches, and what judging them again needs, with row numbers."""

    def __init__(self, how: SearchStep, store: Store, folder: str, task: Task) -> None:
        self._how, self._store, self._folder, self._task = how, store, folder, task
        self._read: ReadTask = task.payload
        self._indexed = how.open_index(store.root, how.index)
        self._file = LineFile(store, attribute_name(folder, task.index), how.schema)
        self._unjudged = 0
        self._matches: list[pa.RecordBatch] = []
        self._doubts: list[pa.Table] = []
        self._whole: list[Column] = [np.zeros((2, 0), np.int64)]

    def __enter__(self) -> SearchNotes:
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.__exit__(*error)

    def take(self, block: TaskBlock, texts: Texts, base: int, count: int) -> None:
        """Search a block."""
        how = self._how
        lines = {"error": texts.errors()}
        if how.id_column:
            lines["id"] = user_ids(how.id_column, block, self._read.files[block.split].path)
        batch = line_for_each_row(lines, block, base, count, how.schema)
        self._unjudged += count - batch.column("error").null_count
        self._file.write(batch)
        for found, rows in pieces(how, texts):
            self._keep(find(self._indexed, how.presets, found), block.rows[rows])

    def _keep(self, found: Findings, rows: Column) -> None:
        self._matches.append(_numbered(found.lines, rows))
        for doubts in found.doubts:
            line = pa.array(rows[doubts["line"].to_numpy()])
            self._doubts.append(doubts.set_column(0, "line", line))
        self._whole.extend(np.stack([rows[some[0]], some[1]]) for some in found.whole)

    def close(self) -> tuple[tuple[Published, ...], dict[str, Any]]:
        """Publish all; return what was counted."""
        table = pa.Table.from_batches(self._matches, FOUND).combine_chunks()
        table = table.take(pc.sort_indices(table, sort_keys=[("line", "ascending")]))
        files = [
            self._file.close(),
            write_table(self._store, match_name(self._folder, self._task.index), table),
        ]
        if discounts(self._how.presets):
            files += self._keep_doubts()
        return tuple(files), {"unjudged": self._unjudged, "matches": len(table)}

    def _keep_doubts(self) -> list[Published]:
        line, uid = np.unique(np.concatenate(self._whole, axis=1), axis=1)
        whole = pa.table({"line": line, "uid": uid})
        name = self._task.index
        return [
            write_table(self._store, doubts_name(self._folder, name), joined(self._doubts)),
            write_table(self._store, whole_name(self._folder, name), whole),
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
