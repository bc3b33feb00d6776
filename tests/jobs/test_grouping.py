"""Tasks in groups emit what they emit alone."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from thresher.stage import Task
from thresher.steps.grouping import MOST_TASKS, emit_each, grouped
from thresher.store import Store


@given(st.lists(st.integers(0, 9), max_size=200), st.integers(1, 20))
def test_groups_hold_every_task_once_and_are_full_or_last(rows: list[int], each: int) -> None:
    tasks = [Task(2 * number, str(number)) for number in range(len(rows))]
    counts = {task.index: count for task, count in zip(tasks, rows, strict=True)}
    groups = grouped(tasks, counts, each)
    assert [task for group in groups for task in group.payload] == tasks
    assert [group.index for group in groups] == list(range(len(groups)))
    held = [sum(counts[task.index] for task in group.payload) for group in groups]
    for group, num in list(zip(groups, held, strict=True))[:-1]:
        assert num >= each or len(group.payload) == MOST_TASKS


def test_a_group_emits_what_its_tasks_emit() -> None:
    def emit(store: Store, folder: str, task: Task) -> Iterator[tuple[int, pa.RecordBatch]]:
        for number in range(task.index):
            yield number, pa.record_batch({"task": [task.index]})

    group = Task(0, (Task(2, None), Task(0, None), Task(1, None)))
    found = [(n, b.to_pydict()["task"]) for n, b in emit_each(emit, Store("/"), "", group)]
    assert found == [(0, [2]), (1, [2]), (0, [1])]
