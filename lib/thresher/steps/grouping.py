"""Tasks in groups, for stages in which one task has little to do: one file and one receipt a group.

What a group gives is what its tasks give, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from thresher.stage import EmitFunction, Task
from thresher.store import Store

MOST_TASKS = 64


def grouped(tasks: Sequence[Task], rows: Mapping[int, int], each: int) -> tuple[Task, ...]:
    """Return groups of tasks, in order; the payload of a group is its tasks.

    Args:
        tasks: In order.
        rows: Rows to look at, by task.
        each: Rows from which on a group is full.
    """
    groups: list[list[Task]] = []
    held = each
    for task in tasks:
        if held >= each or len(groups[-1]) == MOST_TASKS:
            groups.append([])
            held = 0
        groups[-1].append(task)
        held += rows[task.index]
    return tuple(Task(number, tuple(group)) for number, group in enumerate(groups))


def emit_each(
    emit: EmitFunction, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit what each task of a group emits."""
    for one in task.payload:
        yield from emit(store, folder, one)
