"""What a night needs to know of all rows: which are compared, and which of the known ones could be
similar to a new one. Only attributes are read, mapped from disk.

Tasks of these stages are groups of the run's tasks (`grouping`).

Shapes: T tasks, D rows of a task, A new rows, B bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Attributes
from thresher.steps.bucketing import compared_rows
from thresher.steps.collapsing import part_name
from thresher.steps.owned import Owned
from thresher.steps.spread import read_table, write_table
from thresher.store import Store
from thresher.transforms.newcomers import Newcomers, meets, newcomers
from thresher.transforms.pictures import PICTURE_WORDS

Column = np.ndarray[Any, Any]
MARKED = pa.schema([("task", pa.uint64()), ("rows", pa.uint64()), ("marked", pa.large_binary())])
IDS = pa.schema([("id", pa.uint64())])


@dataclass(frozen=True)
class Marks:
    """Marks on rows; as `Alive`, rows without one take no part.

    Args:
        name: Of a table of all tasks in order, as `marked` gives it.
    """

    name: str

    def mask(self, store: Store, task: int) -> Column:
        """(D,) bool."""
        table = read_table(store, self.name)
        place = int(np.searchsorted(table.column("task").to_numpy(), task))
        rows, bits = (table.column(name)[place] for name in ("rows", "marked"))
        return _unpacked(np.frombuffer(bits.as_buffer(), np.uint8), rows.as_py())


def marked(tasks: Sequence[int], masks: Sequence[Column]) -> pa.Table:
    """Return (D,) bool marks on the rows of some tasks as a table, eight rows a byte."""
    return pa.table(
        [
            pa.array(tasks, pa.uint64()),
            pa.array([len(mask) for mask in masks], pa.uint64()),
            pa.array([np.packbits(mask).tobytes() for mask in masks], pa.large_binary()),
        ],
        schema=MARKED,
    )


def unmarked(table: pa.Table) -> dict[int, Column]:
    """Read what `marked` gave: (D,) bool by task."""
    columns = (table.column(name).to_pylist() for name in MARKED.names)
    return {
        task: _unpacked(np.frombuffer(bits, np.uint8), rows)
        for task, rows, bits in zip(*columns, strict=True)
    }


def _unpacked(bits: Column, rows: int) -> Column:
    return np.unpackbits(bits, count=rows).view(bool)


def mark_compared(
    attributes: Attributes, copies: Owned, ngram: int, store: Store, folder: str, task: Task
) -> Receipt:
    """Mark the rows that near-duplicate search looks at."""
    masks = []
    numbers = [one.index for one in task.payload]
    for number in numbers:
        found = attributes.load(store, number)
        mask = np.zeros(len(found.status), bool)
        mask[compared_rows(store, found, copies, ngram, number)] = True
        masks.append(mask)
    table = marked(numbers, masks)
    file = write_table(store, part_name(folder, task.index), table)
    return Receipt(
        task=task.index,
        rows_in=sum(len(mask) for mask in masks),
        rows_out=sum(int(mask.sum()) for mask in masks),
        files=(file,),
    )


def index_new(
    attributes: Attributes, new: Marks, ngram: int, store: Store, folder: str, task: Task
) -> Receipt:
    """Write the new rows of all tasks by band key, for workers to map."""
    totals, bands, pictures = [], [], []
    for number in (one.index for one in task.payload):
        rows = np.flatnonzero(new.mask(store, number))
        found = attributes.load(store, number)
        totals.append(_totals(found.num_words[rows], ngram))
        bands.append(found.bands_of(rows))
        pictures.append(found.pictures_of(rows))
    made = newcomers(*(np.concatenate(parts) for parts in (bands, pictures, totals)))
    columns = {
        name: pa.LargeListArray.from_arrays(pa.array([0, part.size]), pa.array(part.reshape(-1)))
        for name, part in made._asdict().items()
    }
    file = write_table(store, part_name(folder, task.index), pa.table(columns))
    rows_in = len(made.totals)
    return Receipt(task=task.index, rows_in=rows_in, rows_out=rows_in, files=(file,))


def _totals(num_words: Column, ngram: int) -> Column:
    totals: Column = num_words.astype(np.int64) - (ngram - 1)
    return totals


def meet_new(
    attributes: Attributes,
    known: Marks,
    new: str,
    ngram: int,
    threshold: tuple[int, int],
    store: Store,
    folder: str,
    task: Task,
) -> Receipt:
    """Write the ids of known rows that could be similar to a new one.

    Args:
        attributes: Of all rows.
        known: Marks of the known rows.
        new: Name of what `index_new` wrote.
        ngram: Words a shingle.
        threshold: Numerator and denominator.
    """
    table = _read_new(store, new)
    ids = []
    looked_at = 0
    for number in (one.index for one in task.payload):
        mask = known.mask(store, number)
        base = 0
        for block in attributes.load(store, number).blocks() if mask.any() else ():
            rows = np.flatnonzero(mask[base : base + len(block.status)])
            totals = _totals(block.num_words, ngram)
            hit = meets(table, rows, block.bands, block.pictures, totals, threshold)
            ids.append(docid.pack(number, base + rows[hit]))
            looked_at += len(rows)
            base += len(block.status)
    met = np.concatenate([np.zeros(0, np.uint64), *ids])
    file = write_table(store, part_name(folder, task.index), pa.table([pa.array(met)], schema=IDS))
    return Receipt(task=task.index, rows_in=looked_at, rows_out=len(met), files=(file,))


def _read_new(store: Store, name: str) -> Newcomers:
    table = read_table(store, name)
    parts = {n: table.column(n).chunk(0).flatten().to_numpy() for n in Newcomers._fields}
    parts["pictures"] = parts["pictures"].reshape(-1, PICTURE_WORDS)
    return Newcomers(**parts)
