"""The first pass of `--method bloom`: which keys may be repeated, in bounded memory.

A few tasks each count the keys of a run of attribute files in a filter of the stated size; the
filters add up to one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.stage import Receipt, Task
from thresher.steps.attributes import Attributes, Status
from thresher.store import Store
from thresher.transforms.bloom import Filter


def mark(
    attributes: Attributes, slots: int, seed: int, store: Store, folder: str, task: Task
) -> Receipt:
    """Count the keys of a run of attribute files; the task's payload lists their numbers."""
    counted = Filter(slots, seed)
    rows = 0
    for number in task.payload:
        found = attributes.load(store, number)
        keys: np.ndarray[Any, Any] = found.word_hash[found.status == Status.OK]
        counted.add(keys)
        rows += len(keys)
    file = store.put(f"{folder}/part-{task.index:05d}.filter", counted.to_bytes())
    return Receipt(task=task.index, rows_in=rows, bytes_in=file.bytes, files=(file,))


def merge_marks(store: Store, folder: str, receipts: list[Receipt]) -> str:
    """Add the filters of all tasks up; return the name of the sum."""
    name = f"{folder}/all.filter"
    if store.exists(name):
        return name
    whole: Filter | None = None
    for receipt in receipts:
        part = Filter.load(store.path(receipt.files[0].name))
        if whole is None:
            whole = Filter(part.slots, part.seed)
        whole.merge(part)
    assert whole is not None
    store.put(name, whole.to_bytes())
    return name
