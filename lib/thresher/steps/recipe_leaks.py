"""Items of benchmarks inside a recipe: what is decided about rows, and the matches beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.leaks.matches import MATCHES
from thresher.leaks.tallies import LeakTally
from thresher.stage import Receipt, Task
from thresher.steps.attributes import attribute_name
from thresher.steps.chain import Decided, events_name, events_of
from thresher.steps.fates import RowWriter
from thresher.steps.leak_searching import match_name
from thresher.steps.leak_writing import MATCH_FOLDER, fates_of, named_matches
from thresher.steps.outputs import Output, PartSet
from thresher.steps.reading import TaskBlock
from thresher.steps.recipe_asides import left_by
from thresher.steps.rows import RowMap
from thresher.steps.spread import read_table, write_table
from thresher.steps.table_digests import digest_table
from thresher.store import Store

Column = np.ndarray[Any, Any]


def judge_leaks(
    found: str,
    settled: str,
    verdicts: tuple[str, ...],
    alive: tuple[Decided, ...],
    store: Store,
    folder: str,
    task: Task,
) -> Receipt:
    """Write the events of one task's rows by the matches in them.

    Args:
        found: Folder of the lines.
        settled: Folder of the matches that count.
        verdicts: Rows with a match of these verdicts go.
        alive: Earlier steps.
    """
    lines = read_table(store, attribute_name(found, task.index)).combine_chunks()
    matches = read_table(store, match_name(settled, task.index)).combine_chunks()
    fates, _ = fates_of(lines, matches, verdicts)
    left = left_by(alive, store, task.index, len(lines))
    events = events_of(fates, left)
    file = write_table(store, events_name(folder, task.index), events)
    return Receipt(task=task.index, rows_in=int(left.sum()), rows_out=len(events), files=(file,))


@dataclass(frozen=True)
class LeaksBeside:
    """Writes the matches in rows that reached the step, and counts them.

    Args:
        name: Of the step.
        settled: Folder of the matches that count.
        rows: From ids to row ids.
    """

    name: str
    settled: str
    rows: RowMap

    def outputs(self) -> Mapping[str, Output]:
        """Return the folder of the matches."""
        return {MATCH_FOLDER: Output(MATCHES, ("train_snippet", "eval_snippet"))}

    def made_of(self, store: Store, task: int) -> str:
        """Return a digest of a task's matches that count."""
        return digest_table(read_table(store, match_name(self.settled, task))).hex()

    def open(
        self, store: Store, folder: str, task: Task, left: Column, rows: RowWriter
    ) -> _LeaksAside:
        """Begin a task."""
        matches = read_table(store, match_name(self.settled, task.index)).combine_chunks()
        mine = left[matches.column("line").to_numpy()]
        named = named_matches(self.rows, rows, task.index, matches.filter(pa.array(mine)))
        file = f"{folder}/{self.name}-leaks-{task.index:05d}.json"
        return _LeaksAside(store, file, named, task.payload.source)


class _LeaksAside:
    def __init__(self, store: Store, file: str, named: pa.RecordBatch, source: int) -> None:
        self._store, self._file, self._named, self._source = store, file, named, source

    def add(self, parts: PartSet, block: TaskBlock, text: pa.Array) -> None:
        """Matches name their rows; no text is needed."""

    def finish(self, parts: PartSet) -> Any:
        tally = LeakTally()
        tally.add(self._named, self._source)
        parts.write(MATCH_FOLDER, self._named)
        self._store.put(self._file, json.dumps(tally.to_json()).encode())
        return {"leaks": self._file}
