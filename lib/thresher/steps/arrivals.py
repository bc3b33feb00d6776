"""When rows came, kept as one column for all rows of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.steps.spread import read_table, write_table
from thresher.store import Store

Column = np.ndarray[Any, Any]
ARRIVED = pa.schema([("arrived", pa.uint64())])


@dataclass(frozen=True)
class Arrivals:
    """Where the column lies.

    Args:
        name: Of the table.
        bases: By task, its first row in the table; one more than there are tasks.
    """

    name: str
    bases: tuple[int, ...]

    def of_task(self, store: Store, task: int) -> Column:
        """(D,) uint64: the night of each row's text and, in the low half, that of its place."""
        begin, end = self.bases[task : task + 2]
        every = read_table(store, self.name).column("arrived")
        arrived: Column = every.chunk(0).slice(begin, end - begin).to_numpy()
        return arrived


def keep_arrivals(store: Store, name: str, arrived: Column, bases: tuple[int, ...]) -> Arrivals:
    """Write the column of all rows."""
    write_table(store, name, pa.table([pa.array(arrived)], schema=ARRIVED))
    return Arrivals(name, bases)
