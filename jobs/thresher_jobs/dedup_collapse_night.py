"""Exact copies in a night: only groups of one key that a row has joined or left are decided, the
rest is remembered.

The order of rows that stay is as it was. So with the judged rows of tonight and those of the
version before, a group stands unless one of its rows is gone or a new row has its key; the rows of
all others are chosen, in full, and collapsed with the new ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.run import Run
from thresher.stage import WORK, Receipt
from thresher.steps.collapsing import COPIES, collapsed, part_name, text_lines
from thresher.steps.few_keys import FewKeys
from thresher.steps.newcomers import MARKED, unmarked
from thresher.steps.owned import ALL_TASKS, Owned, gather
from thresher.steps.spread import write_table
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_stages import collapse
from thresher_jobs.dedup_state import State
from thresher_jobs.memory import Memory
from thresher_jobs.night_rows import (
    GONE,
    JUDGED,
    MOST_CHOSEN,
    Masks,
    Places,
    among,
    compared,
    count,
    ids_of,
    judged,
    keep_judged,
    places_of,
    rules_of,
    sources_stand,
)

Column = np.ndarray[Any, Any]


class _Past(NamedTuple):
    """What the version before kept.

    Args:
        marks: By its tasks, (D,) bool: the rows that were judged.
        copies: Its copies, sorted by id.
        places: Where its rows are now.
    """

    marks: Masks
    copies: pa.Table
    places: Places


def collapse_tonight(
    run: Run, state: State, params: DedupParams, memory: Memory, step: str
) -> None:
    """Find the rows whose exact key an earlier row has as `collapse` does, at the cost of what
    changed, and remember them."""
    if params.method == "bloom" or state.by_stages:  # a filter has seen all rows, or none
        collapse(run, state, params)
        return
    past = _past(memory, step, state, params)
    copies = None if past is None else _collapse_some(run, state, params, past)
    if copies is None:
        collapse(run, state, params)
        copies = gather(run.store, state.collapsed, COPIES)
    else:
        folder = f"{WORK}/copies-{state.stage_key('copies', params.digest())}"
        file = write_table(run.store, part_name(folder, 0), copies)
        rows = count(judged(run, state))
        state.copies = Owned(folder, ALL_TASKS)
        state.collapsed = [Receipt(0, rows_in=rows, rows_out=len(copies), files=(file,))]
        state.facts["exact_looked_at"] = rows
    keep_judged(run, state, memory, step)
    memory.keep(step, "copies", copies)
    memory.keep(step, "rules", pa.table({"digest": pa.array([rules_of(state, params)])}))


def _past(memory: Memory, step: str, state: State, params: DedupParams) -> _Past | None:
    """Return what was kept; None where that was by other rules, or tasks changed places."""
    looked_at, copies, rules = (memory.table(step, n) for n in (JUDGED, "copies", "rules"))
    if looked_at is None or copies is None or rules is None:
        return None
    if rules.column("digest").to_pylist() != [rules_of(state, params)]:
        return None
    places = places_of(memory)
    if (np.diff(places.before[places.before != GONE]) < 0).any():
        return None
    sources = looked_at.column("source").to_numpy()
    if params.source_priority and not sources_stand(places, sources, state.plan):
        return None
    return _Past(unmarked(looked_at.select(MARKED.names)), copies, places)


def _collapse_some(run: Run, state: State, params: DedupParams, past: _Past) -> pa.Table | None:
    """Return tonight's copies; None if too many rows are to be decided about."""
    now = judged(run, state)
    new, known, gone = compared(past.places, past.marks, now)
    most = MOST_CHOSEN * count(now)
    if count(new) > most:
        return None
    met = _met(run, state, new, known)
    ids, kept = (past.copies.column(name).to_numpy() for name in ("id", "kept"))
    left = np.sort(np.concatenate((gone, past.places.then(met))))
    touched = np.unique(kept[among(ids, left) | among(kept, left)])
    falling = among(kept, touched)
    members = np.concatenate((touched, ids[falling]))
    members = past.places.now(members[~among(members, gone)])
    chosen = np.unique(np.concatenate((ids_of(new), met, members)))
    if len(chosen) > most:
        return None
    standing = past.copies.filter(pa.array(~falling))
    moved = [pa.array(past.places.now(standing.column(n).to_numpy())) for n in ("id", "kept")]
    standing = pa.table([*moved, standing.column("same_bytes")], schema=COPIES)
    found = pa.concat_tables([standing, _collapsed(run, state, params, chosen)]).combine_chunks()
    return found.take(pa.array(np.argsort(found.column("id").to_numpy())))


def _met(run: Run, state: State, new: Masks, known: Masks) -> Column:
    """Return the ids of known rows that have the key of a new one."""
    hashes = [np.zeros((0, 2), np.uint64)]
    for task, mask in new.items():
        if mask.any():
            hashes.append(state.attributes.load(run.store, task).word_hash[mask])
    keys = FewKeys(np.concatenate(hashes))
    found = [np.zeros(0, np.uint64)]
    for task, mask in known.items():
        if len(keys.keys) and mask.any():
            rows, _ = keys.find(state.attributes.load(run.store, task).word_hash)
            found.append(docid.pack(task, rows[mask[rows]]))
    return np.concatenate(found)


def _collapsed(run: Run, state: State, params: DedupParams, chosen: Column) -> pa.Table:
    """Collapse some rows, by ascending ids."""
    parts = []
    for task in np.unique(docid.task_of(chosen)).tolist():
        bounds = np.array(docid.task_range(task), np.uint64)
        low, high = np.searchsorted(chosen, bounds).tolist()
        rows = docid.row_of(chosen[low:high])
        found = state.attributes.load(run.store, task)
        parts.append(text_lines(state.plan.tasks[task], found, rows, params.source_priority))
    if not parts:
        return COPIES.empty_table()
    return collapsed({name: np.concatenate([p[name] for p in parts]) for name in parts[0]})
