"""Shingles noted in the pass over the text, so that later stages and later nights need no text.

One Arrow file a task, one list an input row; rows that are not compared have an empty one. Readers
map the file and touch only the rows they want.

Shapes: R wanted rows, S shingles in all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher.steps.line_files import LineFile
from thresher.steps.spread import read_table
from thresher.store import Published, Store
from thresher.text.sketch import shingles

Column = np.ndarray[Any, Any]
SHINGLES = pa.schema([("shingles", pa.large_list(pa.uint64()))])


def shingle_name(folder: str, task: int) -> str:
    """Return the name of a task's shingles inside the folder of its attributes."""
    return f"{folder}/shingles/part-{task:05d}.arrow"


class ShingleFile:
    """One task's shingles.

    Args:
        ngram: Words a shingle.
        store: Where.
        folder: Of the attributes.
        task: Its number.
    """

    def __init__(self, ngram: int, store: Store, folder: str, task: int) -> None:
        self._ngram = ngram
        self._file = LineFile(store, shingle_name(folder, task), SHINGLES)

    def __exit__(self, *error: Any) -> None:
        self._file.__exit__(*error)

    def take(self, text: pa.Array, wanted: Column, rows: Column, count: int) -> None:
        """Note a block.

        Args:
            text: Of the rows that could be read.
            wanted: Positions in `text` of the rows that are compared, ascending.
            rows: Their numbers inside the block.
            count: Rows of the block.
        """
        offsets, values = shingles(text, n=self._ngram, rows=wanted)
        sizes = np.zeros(count + 1, np.int64)
        sizes[rows + 1] = np.diff(offsets)
        lists = pa.LargeListArray.from_arrays(pa.array(np.cumsum(sizes)), pa.array(values))
        self._file.write(pa.record_batch([lists], schema=SHINGLES))

    def close(self) -> Published:
        """Publish the file."""
        return self._file.close()


class ShingleRun(NamedTuple):
    """Shingles of some wanted rows.

    Args:
        where: Which of the wanted rows.
        offsets: (R + 1,) int64 into values.
        values: (S,) uint64, ascending and unique within a row.
    """

    where: slice
    offsets: Column
    values: Column


def noted_shingles(store: Store, folder: str, task: int, rows: Column) -> Iterator[ShingleRun]:
    """Yield the shingles of a task's rows, block by block.

    Args:
        store, folder, task: Where they were noted.
        rows: (R,) ascending row numbers.
    """
    base = 0
    for lists in read_table(store, shingle_name(folder, task)).column("shingles").chunks:
        low, high = np.searchsorted(rows, [base, base + len(lists)]).tolist()
        if low < high:
            found = lists.take(pa.array(rows[low:high] - base))
            offsets = found.offsets.to_numpy()
            yield ShingleRun(slice(low, high), offsets - offsets[0], found.flatten().to_numpy())
        base += len(lists)
