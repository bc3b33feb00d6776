"""Reading a batch whose rows may have one of several formats: each row by the first that can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.formats.catalogue import FORMATS
from thresher.formats.rows import Faults, Rows

Column = np.ndarray[Any, Any]
UNKNOWN = "no format of this file fits the row"


@dataclass(frozen=True)
class Found:
    """Rows of the batch that one format can read, with their places in it."""

    format: str
    rows: Rows
    places: Column
    faults: Faults
    dropped: Mapping[str, Column]

    def kept(self) -> Found:
        """Return the rows without a fault."""
        good = np.flatnonzero(self.faults.good)
        dropped = {what: mask[good] for what, mask in self.dropped.items()}
        return Found(
            self.format, self.rows.take(good), self.places[good], Faults(len(good)), dropped
        )


def read_rows(batch: pa.RecordBatch, names: Sequence[str], faults: Faults) -> list[Found]:
    """Read each row with the first format that can; what none can read gets the first one's fault.

    Args:
        batch: The rows.
        names: Formats that they may have, the likeliest first.
        faults: Marked by row of the batch.
    """
    left = np.arange(len(batch))
    found: list[Found] = []
    first: Faults | None = None
    for name in names:
        fitting = FORMATS[name].fits(batch.schema)
        if not len(left) or not fitting:
            continue
        part = batch if len(left) == len(batch) else batch.take(pa.array(left))
        made = FORMATS[name].read_all(part)
        if first is None:
            first = Faults(len(batch))
            pass_on(made.faults, left, first)
        good = np.flatnonzero(made.faults.good)
        if len(good):
            dropped = {what: mask[good] for what, mask in made.dropped.items()}
            rows = made.rows.take(good)
            found.append(Found(name, rows, left[good], Faults(len(good)), dropped))
        left = left[~made.faults.good]
    if first is not None:
        unread = np.zeros(len(batch), bool)
        unread[left] = True
        first.codes[~unread] = 0
        pass_on(first, np.arange(len(batch)), faults)
    faults.add(left, UNKNOWN)
    return found


def pass_on(mine: Faults, places: Column, all_rows: Faults) -> None:
    """Mark in `all_rows` what is wrong with the rows that stand at `places` of it."""
    for code in np.unique(mine.codes[~mine.good]).tolist():
        here = mine.codes == code
        all_rows.add(places[here], mine.message(int(np.argmax(here))))


def scattered(
    parts: Sequence[pa.Array], places: Sequence[Column], count: int, kind: pa.DataType
) -> pa.Array:
    """Put the values of several pieces where their rows stand; null elsewhere.

    Args:
        parts: Values by piece.
        places: By piece, where they stand.
        count: Rows of the batch.
        kind: The values' type.
    """
    if not parts:
        return pa.nulls(count, kind)
    if len(parts) == 1 and len(parts[0]) == count:
        return parts[0]
    order = np.full(count, -1, np.int64)
    order[np.concatenate(places)] = np.arange(sum(len(part) for part in parts))
    return pa.concat_arrays(parts).take(pa.array(order, mask=order < 0))
