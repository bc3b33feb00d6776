"""Row ids: from a document id back to what the user calls a row.

Without an id column a row is `<file>:<row number>`, counted from 0 through the whole file. The map
holds one line a split, so it is small enough to travel with every task.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid

Column = np.ndarray[Any, Any]


@dataclass(frozen=True)
class RowMap:
    """Where each split's rows lie.

    Args:
        names: Row-id names of the files.
        starts: (S,) uint64 document id of each split's first row, ascending.
        files: (S,) int64 file of each split.
        bases: (S,) int64 row number, inside the file, of each split's first row.
    """

    names: tuple[str, ...]
    starts: Column
    files: Column
    bases: Column

    @cached_property
    def prints(self) -> Column:
        """(F, 2) uint64: a hash of each file's name."""
        hashes = [hashlib.sha256(name.encode()).digest()[:16] for name in self.names]
        return np.frombuffer(b"".join(hashes), np.uint64).reshape(-1, 2)

    def locate(self, ids: Column) -> tuple[Column, Column]:
        """Return the (file, row number inside the file) of document ids, both int64."""
        split = np.searchsorted(self.starts, ids, side="right") - 1
        rows = docid.row_of(ids) - docid.row_of(self.starts[split]) + self.bases[split]
        return self.files[split], rows

    def file_names(self, ids: Column) -> pa.Array:
        """Return the file name of each id."""
        files, _ = self.locate(ids)
        return pa.DictionaryArray.from_arrays(
            pa.array(files, pa.int32()), pa.array(self.names, pa.string())
        ).cast(pa.string())

    def row_ids(self, ids: Column) -> pa.Array:
        """Return `<file>:<row number>` of each id."""
        _, rows = self.locate(ids)
        return pc.binary_join_element_wise(
            self.file_names(ids), pa.array(rows, pa.int64()).cast(pa.string()), ":"
        )


def row_map(
    names: tuple[str, ...], split_files: list[list[int]], split_rows: list[list[int]]
) -> RowMap:
    """Build the map from the rows each task counted.

    Args:
        names: Row-id names of the files.
        split_files: File of each split, by task.
        split_rows: Rows of each split, by task. Splits of one file follow each other.
    """
    starts: list[int] = []
    files: list[int] = []
    bases: list[int] = []
    counted: dict[int, int] = {}
    for task, (of_files, of_rows) in enumerate(zip(split_files, split_rows, strict=True)):
        row = 0
        for file, num in zip(of_files, of_rows, strict=True):
            starts.append((task << 32) + row)
            files.append(file)
            bases.append(counted.get(file, 0))
            counted[file] = counted.get(file, 0) + num
            row += num
    return RowMap(
        names,
        np.array(starts, dtype=np.uint64),
        np.array(files, dtype=np.int64),
        np.array(bases, dtype=np.int64),
    )
