"""Document ids: one 64-bit number for every input row of a run.

The high 32 bits are the task that reads the row, the low 32 bits its number inside that task. Tasks
follow the order of the inputs, so sorting by id is sorting by input position. Ids are internal to a
run; users see row ids.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_ROWS_PER_TASK = 1 << 32
_SHIFT = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


def pack(task: int, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the uint64 ids of `rows` (numbers inside the task) of one task."""
    return (np.uint64(task) << _SHIFT) | rows.astype(np.uint64)


def task_of(ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the task numbers of ids as int64."""
    return (ids >> _SHIFT).astype(np.int64)


def row_of(ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the row numbers inside the task as int64."""
    return (ids & _LOW).astype(np.int64)


def task_range(task: int) -> tuple[np.uint64, np.uint64]:
    """Return the half-open range of ids that belong to one task."""
    return np.uint64(task) << _SHIFT, np.uint64(task + 1) << _SHIFT
