"""Reading the result of a split, or of a recipe with one: its rows lie in a folder for each split.

Rows that a recipe writes several times have further ledger lines, that name their own row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.result import Line, Result
from thresher.steps.split_writing import split_folder

Column = np.ndarray[Any, Any]


class PartRows(NamedTuple):
    """The rows of one split in one part, with the lines of the ledger they stand in.

    Args:
        split: The split.
        part: The part.
        rows: The rows.
        ids: Their row ids.
        files: The file of each.
    """

    split: str
    part: int
    rows: pa.Table
    ids: list[str]
    files: list[str]


def splits_of(result: Result) -> list[str]:
    """Return the names of the splits that hold rows."""
    return [str(name) for name in result.manifest["splits"]]


def part_rows(result: Result, part: int) -> Iterator[PartRows]:
    """Yield the rows of one part, split by split; the k-th line of a split is its k-th row."""
    ledger = result.read("ledger", part, ["_row_id", "file", "verdict", "reason"])
    kept = ledger.filter(pc.equal(ledger.column("verdict"), "kept"))
    for split in splits_of(result):
        mine = kept.filter(pc.equal(kept.column("reason"), split))
        rows = result.read(split_folder(split), part)
        ids, files = (mine.column(name).to_pylist() for name in ("_row_id", "file"))
        yield PartRows(split, part, rows, ids, files)


def group_names(kept: pa.Table) -> pa.ChunkedArray:
    """Return the group of each kept line; a row that is written again is of its own row's."""
    group = pc.coalesce(kept.column("matched_id"), kept.column("_row_id"))
    again = kept.column("added")
    own = pc.index_in(kept.column("matched_id"), value_set=kept.column("_row_id"))
    return pc.if_else(again, group.take(own), group)


def row_of(result: Result, line: Line) -> dict[str, Any]:
    """Return a kept row, all columns."""
    ledger = result.read("ledger", line.part, ["_row_id", "reason"])
    mine = ledger.filter(pc.equal(ledger.column("reason"), line.reason))
    place = mine.column("_row_id").to_pylist().index(line.row_id)
    table = result.read(split_folder(str(line.reason)), line.part)
    row: dict[str, Any] = table.slice(place, 1).to_pylist()[0]
    return row
