"""What the pass over the text notes of every row whatever the steps: whether it can be read, and
the user's own id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.stage import Task
from thresher.steps.attributes import attribute_name, user_ids
from thresher.steps.chain import unjudged_events
from thresher.steps.line_files import LineFile
from thresher.steps.reading import ReadTask, TaskBlock
from thresher.steps.row_texts import Texts
from thresher.steps.split_log import line_for_each_row
from thresher.steps.spread import read_table
from thresher.store import Published, Store


@dataclass(frozen=True)
class RowProbe:
    """Notes one line a row: `error`, why it cannot be judged, and `id`. Facts: `unjudged` rows."""

    id_column: str | None
    name: str = "rows"

    @property
    def schema(self) -> pa.Schema:
        """The columns of a line."""
        id_field = [pa.field("id", pa.string())] if self.id_column else []
        return pa.schema([pa.field("error", pa.string()), *id_field])

    def columns(self, read: ReadTask) -> Sequence[str] | None:
        """Any column may make a row unreadable."""
        return None

    def open(self, store: Store, folder: str, task: Task) -> RowNotes:
        """Begin a task's lines."""
        return RowNotes(self, store, folder, task)


class RowNotes:
    """One task's lines."""

    def __init__(self, probe: RowProbe, store: Store, folder: str, task: Task) -> None:
        self._probe, self._read = probe, task.payload
        self._unjudged = 0
        self._file = LineFile(store, attribute_name(folder, task.index), probe.schema)

    def __enter__(self) -> RowNotes:
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.__exit__(*error)

    def take(self, block: TaskBlock, texts: Texts, base: int, count: int) -> None:
        """Note a block."""
        lines = {"error": texts.errors()}
        if self._probe.id_column:
            path = self._read.files[block.split].path
            lines["id"] = user_ids(self._probe.id_column, block, path)
        batch = line_for_each_row(lines, block, base, count, self._probe.schema)
        self._unjudged += count - batch.column("error").null_count
        self._file.write(batch)

    def close(self) -> tuple[tuple[Published, ...], dict[str, Any]]:
        """Publish the lines; return what was counted."""
        return (self._file.close(),), {"unjudged": self._unjudged}


@dataclass(frozen=True)
class RowEvents:
    """The rows that cannot be read: what every recipe begins with.

    Args:
        folder: Of the lines.
    """

    folder: str
    name: str = "read"

    def lines(self, store: Store, task: int) -> pa.Table:
        """Return a task's lines."""
        return read_table(store, attribute_name(self.folder, task)).combine_chunks()

    def events(self, store: Store, task: int) -> pa.Table:
        """Return the events of a task."""
        return unjudged_events(self.lines(store, task).column("error").combine_chunks())

    def mask(self, store: Store, task: int) -> Any:
        """(N,) bool: rows that can be read."""
        error = read_table(store, attribute_name(self.folder, task)).column("error")
        if error.null_count == len(error):
            return np.ones(len(error), bool)
        return error.is_null().combine_chunks().to_numpy(zero_copy_only=False)

    def made_of(self, store: Store, task: int) -> str:
        """Return nothing: it hangs on the notes of the task alone."""
        return ""
