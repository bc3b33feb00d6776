"""The order `arrival`: what came first stays, whatever comes later.

Every step that looks for copies keeps a ledger of the texts that reached it: since which night each
has been there, and since when at its place (file and row number). A row whose text is gone from one
place and is new at another has moved, and came when it came: files may be renamed, cut anew and
shuffled. A result is that of a run from scratch with the same inputs and ledger. A text that is
gone is forgotten.

In a store the ledger of a step is a table of runs, `index/ledger-STEP`: a night writes the lines it
brings and those that go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher.run import Run
from thresher.stage import WORK
from thresher.steps.arrivals import keep_arrivals
from thresher.steps.few_keys import FewKeys
from thresher.steps.spread import mixed, read_table, write_table
from thresher.store import Store
from thresher.transforms.arrivals import Ledger, look_up, place_nights, text_nights
from thresher.versions.merging import Layout, cut
from thresher.versions.reading import Version
from thresher.versions.runs import Runs
from thresher.versions.writing import Writer
from thresher_jobs.arrival_moves import follow
from thresher_jobs.dedup_state import State
from thresher_jobs.memory import Learned, Memory
from thresher_jobs.night_rows import (
    Change,
    Masks,
    compared,
    ids_of,
    judged,
    judged_before,
    keep_judged,
    places_of,
    spread_over,
)

Column = np.ndarray[Any, Any]
LEDGER = pa.schema(
    [
        ("b0", pa.uint64()),
        ("b1", pa.uint64()),
        ("place", pa.uint64()),
        ("source", pa.uint64()),
        ("text_night", pa.uint32()),
        ("place_night", pa.uint32()),
    ]
)
KEY = ("b0", "b1", "place")
PARTITIONS = 8
INDEX = "index"
PREFIX = "ledger-"
LEARNED = f"{INDEX}/learned"  # in the folder of a run
ARRIVED = "arrivals"


def arrive(run: Run, state: State, memory: Memory, step: str) -> None:
    """Find out when each row came, let the order go by it, and learn what the ledger lacks.

    Where no row is gone, all that are known came when they came, and the ledger need not be read.
    """
    now = judged(run, state)
    past = _remembered(memory, step)
    change = None if past is None else compared(places_of(memory), past.marks, now)
    if past is None or change is None or len(change.gone):
        arrived, learned = _looked_up(run, state, memory, step)
    else:
        arrived, learned = _carried(run, state, memory, past, change)
    memory.learned[step] = learned
    memory.keep(step, ARRIVED, _in_runs([arrived[task][mask] for task, mask in now.items()]))
    keep_judged(run, state, memory, step)
    every = np.concatenate([np.zeros(0, np.uint64), *arrived.values()])
    key = state.stage_key("arrived", hashlib.sha256(every.tobytes()).hexdigest())
    bases = tuple(np.concatenate(([0], np.cumsum([len(m) for m in now.values()]))).tolist())
    name = f"{WORK}/arrived-{key}/arrived.arrow"
    state.attributes = replace(
        state.attributes, arrived=keep_arrivals(run.store, name, every, bases)
    )
    state.key, state.order = key, "arrival"


class _Past(NamedTuple):
    """What the version before kept: which rows of its tasks were judged, and when these came."""

    marks: Masks
    arrived: Masks


def _in_runs(parts: Sequence[Column]) -> pa.Table:
    """Return values, which repeat much, and how often each comes after the one before."""
    values = np.concatenate([np.zeros(0, np.uint64), *parts])
    first = np.ones(len(values), bool)
    first[1:] = values[1:] != values[:-1]
    begins = np.flatnonzero(first)
    columns = (values[begins], np.diff(np.append(begins, len(values))).astype(np.uint64))
    return pa.table([pa.array(column) for column in columns], names=["arrived", "rows"])


def _remembered(memory: Memory, step: str) -> _Past | None:
    marks, kept = judged_before(memory, step), memory.table(step, ARRIVED)
    if marks is None or kept is None:
        return None
    arrived, rows = (kept.column(name).to_numpy() for name in ("arrived", "rows"))
    return _Past(marks, spread_over(marks, np.repeat(arrived, rows.astype(np.int64))))


def _carried(
    run: Run, state: State, memory: Memory, past: _Past, change: Change
) -> tuple[Masks, Learned]:
    """Let known rows have come when they came, and new ones tonight, unless one of the known has
    the same text."""
    tonight = np.uint64(memory.night)
    texts = FewKeys(_hashes(run, state, change.new))
    nights = np.full(len(texts.keys), tonight, np.uint64)
    arrived: Masks = {}
    for task, known in change.known.items():
        arrived[task] = np.zeros(len(known), np.uint64)
        if known.any():
            then = int(memory.before[task])
            arrived[task][past.marks[then]] = past.arrived[then]
            rows, numbers = texts.find(state.attributes.load(run.store, task).bytes_hash)
            met = known[rows]
            nights[numbers[met]] = text_nights(arrived[task][rows[met]])
    came = nights[texts.numbers]
    for task, of_task in spread_over(change.new, came).items():
        arrived[task][change.new[task]] = of_task << np.uint64(32) | tonight
    b0, b1 = texts.keys[texts.numbers].T
    where = _places(state, ids_of(change.new))
    columns = (b0, b1, *where, came.astype(np.uint32), np.full(len(came), tonight, np.uint32))
    brought = pa.table([pa.array(np.ascontiguousarray(c)) for c in columns], schema=LEDGER)
    return arrived, Learned(brought, LEDGER.empty_table().select(KEY))


def _looked_up(run: Run, state: State, memory: Memory, step: str) -> tuple[Masks, Learned]:
    """Look all rows up in the ledger."""
    known = memory.ledger(step)
    known = LEDGER.empty_table() if known is None else known
    lines = {name: known.column(name).combine_chunks().to_numpy() for name in LEDGER.names}
    ledger = Ledger(*(lines[name] for name in Ledger._fields))
    now = judged(run, state)
    every = _hashes(run, state, now)
    b0, b1 = every[:, 0].copy(), every[:, 1].copy()
    place, source = _places(state, ids_of(now))
    found = look_up(ledger, b0, b1, place, memory.night)
    follow(found, ledger, lines["source"], b0, b1, source, memory.night)
    new = ~found.known
    columns = (b0, b1, place, source, text_nights(found.arrived), place_nights(found.arrived))
    learned = Learned(
        pa.table([pa.array(column[new]) for column in columns], schema=LEDGER),
        known.filter(pa.array(~found.stands)).select(KEY),
    )
    arrived = {task: np.zeros(len(mask), np.uint64) for task, mask in now.items()}
    for task, of_task in spread_over(now, found.arrived).items():
        arrived[task][now[task]] = of_task
    return arrived, learned


def _hashes(run: Run, state: State, masks: Masks) -> Column:
    """Return (R, 2) hashes of the texts of marked rows."""
    found = [np.zeros((0, 2), np.uint64)]
    for task, mask in masks.items():
        if mask.any():
            found.append(state.attributes.load(run.store, task).bytes_hash[mask])
    return np.concatenate(found)


def _prints(names: Sequence[str]) -> Column:
    digests = (hashlib.sha256(name.encode()).digest()[:8] for name in names)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _places(state: State, ids: Column) -> tuple[Column, Column]:
    """Return a hash of the file and the row number of each row, and one of its source."""
    inputs = state.plan.inputs
    files, numbers = state.row_map.locate(ids)
    sources = np.array([file.source for file in inputs.files], np.int64)[files]
    place = mixed(_prints(state.row_map.names)[files] + numbers.astype(np.uint64))
    return place, _prints([source.name for source in inputs.sources])[sources]


def layout_of(step: str) -> Layout:
    """Return how a step's ledger lies in a store."""
    return Layout(f"{PREFIX}{step}", LEDGER, KEY, KEY, PARTITIONS)


@dataclass(frozen=True)
class Arriving:
    """A night whose order goes by arrival.

    Args:
        version: Holds the ledgers; None before the first night.
        night: Its number, greater than that of any before.
    """

    version: Version | None
    night: int

    def ledgers(self) -> tuple[dict[str, pa.Table], int]:
        """Return the ledgers, by step, and the bytes read.

        Raises:
            InputError: A ledger is damaged.
        """
        found: dict[str, pa.Table] = {}
        size = 0
        for step in self._steps():
            runs = Runs.open(layout_of(step), self.version)
            parts = [rows for _, rows in runs.scan()]
            found[step] = pa.concat_tables(parts).combine_chunks()
            size += runs.moved.bytes_read
        return found, size

    def _steps(self) -> list[str]:
        names = self.version.names(f"{INDEX}/{PREFIX}") if self.version is not None else []
        return sorted({name.split("/")[1].removeprefix(PREFIX) for name in names})


def keep_learned(store: Store, learned: Mapping[str, Learned]) -> None:
    """Leave in the folder of a run what its night changes in the ledgers."""
    for step, (brought, gone) in learned.items():
        write_table(store, f"{LEARNED}/{step}/brought.arrow", brought)
        write_table(store, f"{LEARNED}/{step}/gone.arrow", gone)


def put_ledgers(writer: Writer, result: Store) -> int:
    """Put what a run left into the ledgers of a version; return the bytes written."""
    size = 0
    for folder in result.names(LEARNED):
        brought, gone = (read_table(result, f"{folder}/{n}.arrow") for n in ("brought", "gone"))
        runs = Runs.open(layout_of(folder.rpartition("/")[2]), writer.base)
        runs.update(writer, cut(runs.layout, brought).items(), gone)
        size += runs.moved.bytes_written
    return size
