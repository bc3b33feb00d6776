"""Shingles noted in the pass over the text, so that later stages and later nights need no text.

One Arrow file a task, one list an input row; rows that are not compared have an empty one. Readers
map the file and touch only the rows they want; each has a checksum, since a file that is never read
whole cannot be checked by its hash.

Shapes: R wanted rows, S shingles in all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher.errors import InputError
from thresher.steps.line_files import LineFile
from thresher.steps.spread import read_table
from thresher.store import Published, Store
from thresher.text.sketch import shingles

Column = np.ndarray[Any, Any]
SHINGLES = pa.schema([("shingles", pa.large_list(pa.uint64())), ("check", pa.uint64())])
_EACH = np.uint64(0x9E3779B97F4A7C15)  # so that lists of other lengths, and pages of zeros, differ


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
        ends = np.cumsum(sizes)
        lists = pa.LargeListArray.from_arrays(pa.array(ends), pa.array(values))
        self._file.write(pa.record_batch([lists, pa.array(_checks(ends, values))], schema=SHINGLES))

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
    name = shingle_name(folder, task)
    base = 0
    try:
        table = read_table(store, name, again=False)
        for batch in table.to_batches():
            low, high = np.searchsorted(rows, [base, base + len(batch)]).tolist()
            if low < high:
                yield ShingleRun(slice(low, high), *_lists(batch, rows[low:high] - base))
            base += len(batch)
    except (pa.ArrowException, _DamagedError) as error:
        raise InputError(
            f"noted shingles are damaged ({error})",
            path=str(store.path(name)),
            remedy="rebuild --anew makes everything again and takes nothing over",
        ) from error


class _DamagedError(Exception):
    """Some lists are not what was written."""


def _lists(batch: pa.RecordBatch, rows: Column) -> tuple[Column, Column]:
    """Return offsets and values of some rows, checked: others are not looked at."""
    lists = batch.column("shingles")
    ends, count = lists.offsets.to_numpy(), len(lists.values)
    inside = (ends[rows] >= 0) & (ends[rows] <= ends[rows + 1]) & (ends[rows + 1] <= count)
    if not inside.all():
        raise _DamagedError("another place than the file has")
    found = lists.take(pa.array(rows))
    offsets = found.offsets.to_numpy() - found.offsets[0].as_py()
    values = found.flatten().to_numpy()
    if (_checks(offsets, values) != batch.column("check").to_numpy()[rows]).any():
        raise _DamagedError("another checksum than when they were written")
    return offsets, values


def _checks(offsets: Column, values: Column) -> Column:
    """(R,) uint64 checksums of lists."""
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values, dtype=np.uint64)])
    checks: Column = total[offsets[1:]] - total[offsets[:-1]]
    checks += _EACH * (np.diff(offsets).astype(np.uint64) + np.uint64(1))
    return checks
