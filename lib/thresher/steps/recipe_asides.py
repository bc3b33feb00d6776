"""What the steps of a recipe write and count beside the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.stage import Receipt, Task
from thresher.steps.attributes import ComparedReader
from thresher.steps.chain import Decided, events_name, events_of
from thresher.steps.compared import Compared
from thresher.steps.fates import RowWriter
from thresher.steps.outputs import Output, PartSet
from thresher.steps.reading import ReadTask, TaskBlock
from thresher.steps.sifting import Sifted, SiftStep
from thresher.steps.spread import write_table
from thresher.steps.table_digests import digest_lines
from thresher.steps.tallies import REMOVED, Judged, Shown
from thresher.store import Store

Column = np.ndarray[Any, Any]


def judge_scores(
    how: SiftStep, alive: tuple[Decided, ...], store: Store, folder: str, task: Task
) -> Receipt:
    """Write the events of one task's rows by the rules on their signals.

    Args:
        how: The rules.
        alive: Earlier steps whose rows are left out; of a row's events the first step's holds, so
            this saves lines and changes nothing.
    """
    sifted = Sifted(how, store, task.index)
    count = len(sifted.fates.state)
    left = left_by(alive, store, task.index, count)
    events = events_of(sifted.fates, left)
    file = write_table(store, events_name(folder, task.index), events)
    return Receipt(task=task.index, rows_in=int(left.sum()), rows_out=len(events), files=(file,))


def left_by(alive: tuple[Decided, ...], store: Store, task: int, count: int) -> Column:
    """(N,) bool: rows that all of these steps left."""
    left = np.ones(count, bool)
    for step in alive:
        left &= step.mask(store, task)
    return left


@dataclass(frozen=True)
class SignalsBeside:
    """Counts signals and rules for the report."""

    name: str
    how: SiftStep

    def outputs(self) -> Mapping[str, Output]:
        """Write no folder."""
        return {}

    def made_of(self, store: Store, task: int) -> str:
        """Return a digest of what is known of a task's rows by other rows of their prompts."""
        return "" if self.how.met is None else digest_lines(self.how.met.of_task(store, task))

    def open(
        self, store: Store, folder: str, task: Task, left: Column, rows: RowWriter
    ) -> _SignalsAside:
        """Begin a task."""
        file = f"{folder}/{self.name}-figures-{task.index:05d}.json"
        return _SignalsAside(self.how, store, file, task.index, left, rows)


class _SignalsAside:
    def __init__(
        self, how: SiftStep, store: Store, file: str, task: int, left: Column, rows: RowWriter
    ) -> None:
        self._store, self._file = store, file
        self._sifted = Sifted(how, store, task)
        self._figures = self._sifted.counting(left, rows)
        self._first = self._sifted.first(left)

    def add(self, parts: PartSet, block: TaskBlock, text: pa.Array) -> None:
        self._figures.add(block.rows, text)

    def finish(self, parts: PartSet) -> Any:
        self._store.put(self._file, json.dumps(self._figures.to_json()).encode())
        return {"figures": self._file, "first": self._first}


@dataclass(frozen=True)
class ShownBeside:
    """Collects the compared texts of rows that the report shows.

    Args:
        name: Of the step.
        compared: What the step compares.
        wanted: Name of the table of their ids.
    """

    name: str
    compared: Compared
    wanted: str

    def outputs(self) -> Mapping[str, Output]:
        """Write no folder."""
        return {}

    def made_of(self, store: Store, task: int) -> str:
        """Return nothing: which texts a report shows is no reason to write rows again."""
        return ""

    def open(
        self, store: Store, folder: str, task: Task, left: Column, rows: RowWriter
    ) -> _ShownAside:
        """Begin a task."""
        return _ShownAside(self, Shown(store, self.wanted, task.index), task)


class _ShownAside:
    def __init__(self, how: ShownBeside, shown: Shown, task: Task) -> None:
        self._reader, self._shown, self._task = ComparedReader(how.compared), shown, task

    def add(self, parts: PartSet, block: TaskBlock, text: pa.Array) -> None:
        ids = docid.pack(self._task.index, block.rows)
        if not self._shown.any_of(ids):
            return
        read: ReadTask = self._task.payload
        compared = self._reader.texts(block, read).text
        self._shown.take(Judged(ids, np.full(len(ids), REMOVED), compared))

    def finish(self, parts: PartSet) -> Any:
        return {"texts": self._shown.texts}
