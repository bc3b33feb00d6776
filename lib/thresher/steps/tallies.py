"""What `select` remembers of the rows it writes: counts for the balance, texts for the report."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.steps.reading import TaskBlock
from thresher.steps.spread import read_table
from thresher.store import Store

Column = np.ndarray[Any, Any]
SHOWN_CHARACTERS = 6000
KEPT, REMOVED, QUARANTINED = range(3)


class Judged(NamedTuple):
    """One block's rows with what becomes of them."""

    ids: Column
    state: Column
    text: pa.Array


class Shown:
    """Collects the texts that the report shows, cut to a bearable length."""

    def __init__(self, store: Store, wanted: str, task: int) -> None:
        ids = read_table(store, wanted).column("id").to_numpy()
        low, high = docid.task_range(task)
        self._ids = set(ids[(ids >= low) & (ids < high)].tolist())
        self.texts: dict[str, str] = {}

    def any_of(self, ids: Column) -> bool:
        """Tell whether the text of one of these rows is wanted."""
        return bool(self._ids) and bool(np.isin(ids, np.array(list(self._ids), np.uint64)).any())

    def take(self, here: Judged) -> None:
        """Keep the wanted texts of a block."""
        if not self._ids:
            return
        for place in np.flatnonzero(
            np.isin(here.ids, np.array(list(self._ids), np.uint64))
        ).tolist():
            text = here.text[place].as_py() or ""
            self.texts[str(int(here.ids[place]))] = text[:SHOWN_CHARACTERS]


class Counts:
    """Rows and text bytes by split and verdict."""

    def __init__(self, splits: int) -> None:
        self._rows = np.zeros((splits, 3), dtype=np.int64)
        self._bytes = np.zeros((splits, 3), dtype=np.int64)

    def add(self, block: TaskBlock, here: Judged) -> None:
        """Count a block."""
        lengths = pc.fill_null(pc.binary_length(here.text), 0).to_numpy(zero_copy_only=False)
        self._rows[block.split] += np.bincount(here.state, minlength=3)
        self._bytes[block.split] += np.bincount(here.state, lengths, minlength=3).astype(np.int64)
        self._rows[block.split, QUARANTINED] += len(block.bad)
        self._bytes[block.split, QUARANTINED] += sum(len(bad.raw) for bad in block.bad)

    def take_out(self, split: int, size: int) -> None:
        """Count bytes of text as removed that were taken out of kept rows."""
        self._bytes[split, KEPT] -= size
        self._bytes[split, REMOVED] += size

    def rows(self) -> int:
        """Return all rows counted."""
        return int(self._rows.sum())

    def bytes(self) -> int:
        """Return all text bytes counted."""
        return int(self._bytes.sum())

    def facts(self) -> list[dict[str, list[int]]]:
        """Return, by split, [kept, removed, quarantined] rows and bytes."""
        return [
            {"rows": r.tolist(), "bytes": b.tolist()}
            for r, b in zip(self._rows, self._bytes, strict=True)
        ]
