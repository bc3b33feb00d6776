"""How the rows that a step looks at tonight are those of the version before: known ones under other
ids, new ones, and gone ones.

Shapes: T tasks tonight, P tasks of the version before, D rows of a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.errors import InternalError
from thresher.params import digest_of
from thresher.planning import Plan
from thresher.run import Run
from thresher.steps.attributes import Status
from thresher.steps.newcomers import MARKED, marked, unmarked
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_state import CODE_VERSION, State
from thresher_jobs.memory import Memory

Column = np.ndarray[Any, Any]
Masks = dict[int, Column]
GONE = -1
JUDGED = "judged"
# Of the rows that a step looks at. Beyond, it looks at all: the same answer, and no search for what
# is touched.
MOST_CHOSEN = 0.3


class Places(NamedTuple):
    """Where the rows of a task are in the other night.

    Args:
        after: (P,) by task of the version before, the task that reads the same rows now, or GONE.
        before: (T,) by task, the task of the version before, or GONE.
    """

    after: Column
    before: Column

    def now(self, ids: Column) -> Column:
        """Return tonight's ids of rows that are still read."""
        return _moved(ids, self.after)

    def then(self, ids: Column) -> Column:
        """Return the ids that rows had in the version before."""
        return _moved(ids, self.before)


def _moved(ids: Column, tasks: Column) -> Column:
    places = tasks[docid.task_of(ids)].astype(np.uint64) << np.uint64(32)
    moved: Column = places | docid.row_of(ids).astype(np.uint64)
    return moved


def places_of(memory: Memory) -> Places:
    """Return where the rows of tasks are and were."""
    before = np.asarray(memory.before, np.int64)
    after = np.full(memory.tasks_before, GONE, np.int64)
    known = np.flatnonzero(before != GONE)
    after[before[known]] = known
    return Places(after, before)


class Change(NamedTuple):
    """What changed of the rows that a step looks at.

    Args:
        new: By task, (D,) bool.
        known: By task, (D,) bool.
        gone: Ids in the version before, ascending.
    """

    new: Masks
    known: Masks
    gone: Column


def compared(places: Places, then: Masks, now: Masks) -> Change:
    """Compare the rows that a step looks at with those that it looked at.

    Raises:
        InternalError: A task has other rows than were remembered of it.
    """
    new = dict(now)
    known = {task: np.zeros(len(mask), bool) for task, mask in now.items()}
    gone: Masks = {}
    for task, mask in then.items():
        place = int(places.after[task])
        if place == GONE:
            gone[task] = mask
            continue
        if len(mask) != len(now[place]):
            raise InternalError(f"task {place} has {len(now[place])} rows and had {len(mask)}")
        new[place] = now[place] & ~mask
        known[place] = now[place] & mask
        gone[task] = mask & ~now[place]
    return Change(new, known, ids_of(gone))


def ids_of(masks: Mapping[int, Column]) -> Column:
    """Return the ids of marked rows, ascending."""
    ids = (docid.pack(task, np.flatnonzero(mask)) for task, mask in sorted(masks.items()))
    return np.concatenate([np.zeros(0, np.uint64), *ids])


def count(masks: Mapping[int, Column]) -> int:
    """Count the marked rows."""
    return sum(int(np.count_nonzero(mask)) for mask in masks.values())


def spread_over(masks: Masks, values: Column) -> Masks:
    """Return the values of marked rows, which lie one after the other, by task.

    Raises:
        InternalError: There are more values or fewer than rows.
    """
    ends = np.cumsum([np.count_nonzero(mask) for mask in masks.values()], dtype=np.int64)
    if len(values) != (ends[-1] if len(ends) else 0):
        raise InternalError(f"{len(values)} values for {count(masks)} rows")
    parts = np.split(values, ends[:-1]) if len(ends) else []
    return dict(zip(masks, parts, strict=True))


def among(values: Column, wanted: Column) -> Column:
    """Say which values are among ascending wanted ones; numpy's `isin` hashes both instead."""
    if not len(wanted):
        return np.zeros(len(values), bool)
    found: Column = wanted[np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)] == values
    return found


def sources_of(plan: Plan) -> pa.Array:
    """Return the source of each task, for the next night."""
    return pa.array([task.payload.source for task in plan.tasks], pa.uint64())


def sources_stand(places: Places, then: Column, plan: Plan) -> bool:
    """Say whether known tasks are of sources in the order in which they were.

    Args:
        places: Of the tasks.
        then: (P,) sources of the tasks of the version before.
        plan: Of tonight.
    """
    known = np.flatnonzero(places.before != GONE)
    past = then[places.before[known]].astype(np.int64)
    now = np.array([task.payload.source for task in plan.tasks], np.int64)[known]
    order = np.lexsort((now, past))
    same = np.diff(past[order]) == 0
    swapped = (np.diff(now[order]) < 0).any() or (same != (np.diff(now[order]) == 0)).any()
    return not swapped


def judged(run: Run, state: State) -> Masks:
    """Return, by task, the rows whose compared text can be judged and that earlier steps left."""
    if state.judged is None:
        state.judged = {
            task.index: state.attributes.load(run.store, task.index).status == Status.OK
            for task in state.plan.tasks
        }
    return state.judged


def judged_before(memory: Memory, step: str) -> Masks | None:
    """Return the same by the tasks of the version before; None if it kept none."""
    table = memory.table(step, JUDGED)
    return None if table is None else unmarked(table.select(MARKED.names))


def keep_judged(run: Run, state: State, memory: Memory, step: str) -> None:
    """Keep the judged rows, with the sources of their tasks, for the next night."""
    masks = judged(run, state)
    table = marked(list(masks), list(masks.values()))
    memory.keep(step, JUDGED, table.append_column("source", sources_of(state.plan)))


def rules_of(state: State, params: DedupParams) -> str:
    """Return a digest of the rules by which copies are found."""
    return digest_of([CODE_VERSION, params.model_dump(mode="json"), state.order])
