"""The beginnings of list columns, without a Python object a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from thresher.formats.arrays import nulls, parts_of

Column = np.ndarray[Any, Any]


def first_elements(array: pa.Array, counts: Column) -> pa.Array:
    """Cut each list of a column after some elements.

    Args:
        array: (R,) lists of any length.
        counts: (R,) elements to keep; more than there are keep all.
    """
    offsets, values = parts_of(array)
    lengths = np.minimum(np.diff(offsets), counts)
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    index = np.arange(ends[-1]) + np.repeat(offsets[:-1] - ends[:-1], lengths)
    large = pa.types.is_large_list(array.type)
    made, width = (pa.LargeListArray, np.int64) if large else (pa.ListArray, np.int32)
    mask = pa.array(nulls(array)) if array.null_count else None
    return made.from_arrays(
        pa.array(ends.astype(width)), values.take(pa.array(index)), type=array.type, mask=mask
    )
