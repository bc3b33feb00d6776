"""The order `arrival`: what came first stays, whatever comes later.

Every step that looks for copies keeps a ledger of the texts that reached it: since which night each
has been there, and since when at its place (file and row number). A result is that of a run from
scratch with the same inputs and ledger. A text that is gone is forgotten.

In a store the ledger of a step is a table of runs, `index/ledger-STEP`: a night writes the lines it
brings and those that go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.run import Run
from thresher.stage import WORK
from thresher.steps.arrivals import keep_arrivals
from thresher.steps.attributes import Status
from thresher.steps.rows import RowMap
from thresher.steps.spread import mixed, read_table, write_table
from thresher.store import Store
from thresher.transforms.arrivals import Ledger, look_up, place_nights, text_nights
from thresher.versions.merging import Layout, cut
from thresher.versions.reading import Version
from thresher.versions.runs import Runs
from thresher.versions.writing import Writer
from thresher_jobs.dedup_state import State
from thresher_jobs.memory import Learned, Memory

Column = np.ndarray[Any, Any]
LEDGER = pa.schema(
    [
        ("b0", pa.uint64()),
        ("b1", pa.uint64()),
        ("place", pa.uint64()),
        ("text_night", pa.uint32()),
        ("place_night", pa.uint32()),
    ]
)
KEY = ("b0", "b1", "place")
PARTITIONS = 8
INDEX = "index"
PREFIX = "ledger-"
LEARNED = f"{INDEX}/learned"  # in the folder of a run


def arrive(run: Run, state: State, memory: Memory, step: str) -> None:
    """Find out when each row came, let the order go by it, and learn what the ledger lacks."""
    known = memory.ledgers.get(step, LEDGER.empty_table())
    ledger = Ledger(*(known.column(name).combine_chunks().to_numpy() for name in LEDGER.names))
    masks, b0, b1, place = _lines(run, state)
    found = look_up(ledger, b0, b1, place, memory.night)
    new = ~found.known
    columns = (b0, b1, place, text_nights(found.arrived), place_nights(found.arrived))
    memory.learned[step] = Learned(
        pa.table([pa.array(column[new]) for column in columns], schema=LEDGER),
        known.filter(pa.array(~found.stands)).select(KEY),
    )
    mask = np.concatenate([np.zeros(0, bool), *masks])
    arrived = np.zeros(len(mask), np.uint64)
    arrived[mask] = found.arrived
    key = state.stage_key("arrived", hashlib.sha256(arrived.tobytes()).hexdigest())
    bases = tuple(np.concatenate(([0], np.cumsum([len(m) for m in masks]))).tolist())
    kept = keep_arrivals(run.store, f"{WORK}/arrived-{key}/arrived.arrow", arrived, bases)
    state.attributes = replace(state.attributes, arrived=kept)
    state.key, state.order = key, "arrival"


def _lines(run: Run, state: State) -> tuple[list[Column], Column, Column, Column]:
    """Return, by task, which rows are judged; and text and place of these rows."""
    names = [name.encode() for name in state.row_map.names]
    prints = np.array(
        [int.from_bytes(hashlib.sha256(name).digest()[:8], "little") for name in names], np.uint64
    )
    masks, hashes, places = [], [np.zeros((0, 2), np.uint64)], [np.zeros(0, np.uint64)]
    for task in state.plan.tasks:
        found = state.attributes.load(run.store, task.index)
        masks.append(found.status == Status.OK)
        rows = np.flatnonzero(masks[-1])
        hashes.append(found.bytes_hash[rows])
        places.append(_places(state.row_map, prints, docid.pack(task.index, rows)))
    every = np.concatenate(hashes)
    return masks, every[:, 0].copy(), every[:, 1].copy(), np.concatenate(places)


def _places(rows: RowMap, prints: Column, ids: Column) -> Column:
    """Return a hash of the file and the row number of each row."""
    files, numbers = rows.locate(ids)
    return mixed(prints[files] + numbers.astype(np.uint64))


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
