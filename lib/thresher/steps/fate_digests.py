"""What becomes of a task's rows, as one digest: equal digests of equal rows mean equal parts.

It is computed from events and notes alone, so that a night knows which parts would come out as they
were before it reads a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from thresher import docid
from thresher.stage import Receipt, Task
from thresher.steps.reading import ReadTask
from thresher.steps.recipe_writing import RecipeWrite
from thresher.steps.split_log import encode_schema
from thresher.store import Store

DIGESTS = "digests"


def digest_fates(
    how: RecipeWrite, rows: Sequence[int], store: Store, folder: str, task: Task
) -> Receipt:
    """State as the fact `digests`, for each task of a group, all that its parts depend on, beside
    the rows as they were read, the columns and the settings.

    Args:
        how: What writing wants to know.
        rows: Of each task.
        store, folder, task: As for every stage.
    """
    digests = [_digest(how, store, folder, one) for one in task.payload]
    count = sum(rows[one.index] for one in task.payload)
    return Receipt(task=task.index, rows_in=count, facts={DIGESTS: digests})


def _digest(how: RecipeWrite, store: Store, folder: str, task: Task) -> str:
    read: ReadTask = task.payload
    said = hashlib.sha256()
    for step in how.steps:
        said.update(f"{step.made_of(store, task.index)}\n".encode())
    for number, beside in sorted(how.besides.items()):
        said.update(f"{number} {beside.name} {beside.made_of(store, task.index)}\n".encode())
    if how.where is not None:
        said.update(folder.encode())  # where a row goes may hang on any other row
    if how.copies is not None:
        said.update(how.copies.copies(store, task.index).astype(np.int64).tobytes())
    low, high = np.searchsorted(how.rows.starts, np.array(docid.task_range(task.index), np.uint64))
    bases = how.rows.bases[low:high].tolist()
    for file, base in zip(read.files, bases, strict=True):
        said.update(f"{file.name}\n{base}\n".encode())
    return said.hexdigest()


def written_by(how: RecipeWrite) -> list[str]:
    """Return what parts depend on that is the same for all tasks."""
    conversion = how.form.conversion
    if conversion is None:
        return [how.schema_text]
    return [
        how.form.converts,
        conversion.target,
        *(_stable(getattr(conversion.how, field.name)) for field in fields(conversion.how)),
        encode_schema(conversion.extra),
        encode_schema(conversion.schema),
        str(sorted(conversion.as_json)),
        conversion.order,
        conversion.pairs,
    ]


def _stable(value: Any) -> str:
    """Return a value as text; sets have no order of their own."""
    return repr(sorted(value, key=repr) if isinstance(value, set | frozenset) else value)
