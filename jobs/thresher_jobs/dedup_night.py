"""Near copies in a night: only what can have changed is decided, the rest is remembered.

Pieces of the screened candidate graph are decided apart, and an edge depends on its two rows alone.
So with the compared rows of tonight and those of the version before,

    new      compared now, not before: other files, or an exact copy is gone
    gone     compared before, not now
    touched  pieces of the version before that have a gone row, or one that could be similar to a
             new row
    chosen   new rows, what is left of touched pieces, and single rows similar to a new one

no edge leaves `chosen`, and all other rows have the piece and the verdicts that they had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.params import digest_of
from thresher.run import Run
from thresher.stage import WORK, MapStage, Receipt, Task
from thresher.steps import newcomers
from thresher.steps.bucketing import PIECES
from thresher.steps.collapsing import part_name
from thresher.steps.deciding import DECIDED
from thresher.steps.grouping import grouped
from thresher.steps.newcomers import Marks, marked, unmarked
from thresher.steps.owned import gather
from thresher.steps.spread import read_table, write_table
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_stages import near
from thresher_jobs.dedup_state import State
from thresher_jobs.memory import Memory
from thresher_jobs.night_rows import (
    MOST_CHOSEN,
    Masks,
    Places,
    among,
    compared,
    count,
    ids_of,
    places_of,
    rules_of,
    sources_of,
    sources_stand,
)

Column = np.ndarray[Any, Any]
MOST_NEW = 1 << 21  # rows that one worker indexes by band key, about a kilobyte each
UNIT_ROWS = 1 << 17  # that are worth a task of a narrow stage: some ten milliseconds


class Past(NamedTuple):
    """What the version before kept.

    Args:
        marks: By its tasks, (D,) bool: the rows that were compared.
        pieces: Its pieces of two rows or more, sorted by id.
        decided: Its verdicts on near copies.
        places: Where its rows are now.
    """

    marks: Masks
    pieces: pa.Table
    decided: pa.Table
    places: Places


def near_tonight(run: Run, state: State, params: DedupParams, memory: Memory, step: str) -> None:
    """Find near copies as `near` does, at the cost of what changed, and remember them."""
    if state.by_stages:  # what is remembered would not fit the driver
        near(run, state, params)
        return
    now = _compared(run, state, params)
    made_of = rules_of(state, params)
    past = _past(memory, step, made_of, state, params)
    chosen = None if past is None else _choose(run, state, params, past, now)
    if past is None or chosen is None:
        pieces = read_table(run.store, part_name(near(run, state, params).folder, 0))
    else:
        pieces = _decide_some(run, state, params, past, now, chosen)
    table = marked(list(now), list(now.values()))
    memory.keep(step, "compared", table.append_column("source", sources_of(state.plan)))
    memory.keep(step, "pieces", pieces)
    memory.keep(step, "near", gather(run.store, state.decided, DECIDED))
    memory.keep(step, "made-of", pa.table({"digest": pa.array([made_of])}))


def _compared(run: Run, state: State, params: DedupParams) -> dict[int, Column]:
    """Return, by task, the rows that near copies are looked for among."""
    assert state.copies is not None
    stage = MapStage(
        "compared",
        state.stage_key("compared", state.copies.folder),
        partial(newcomers.mark_compared, state.attributes, state.copies, params.ngram),
        grouped(state.plan.tasks, dict(enumerate(state.task_rows)), UNIT_ROWS),
    )
    found: dict[int, Column] = {}
    for receipt in run.execute(stage):
        found |= unmarked(read_table(run.store, receipt.files[0].name))
    return found


def _past(
    memory: Memory, step: str, made_of: str, state: State, params: DedupParams
) -> Past | None:
    """Return what was kept; None where that was by other rules, or sources changed places."""
    names = ("made-of", "compared", "pieces", "near")
    kept, looked_at, pieces, decided = (memory.table(step, name) for name in names)
    if kept is None or looked_at is None or pieces is None or decided is None:
        return None
    if kept.column("digest").to_pylist() != [made_of]:
        return None
    places = places_of(memory)
    then = looked_at.column("source").to_numpy()
    if params.source_priority and not sources_stand(places, then, state.plan):
        return None
    return Past(unmarked(looked_at.select(newcomers.MARKED.names)), pieces, decided, places)


class Chosen(NamedTuple):
    """What a night decides about.

    Args:
        ids: Of the rows, sorted.
        touched: Labels of the pieces of the version before that stand no longer, sorted.
    """

    ids: Column
    touched: Column


def _choose(
    run: Run, state: State, params: DedupParams, past: Past, now: dict[int, Column]
) -> Chosen | None:
    """Choose the rows to decide about; None if they are too many."""
    most = MOST_CHOSEN * count(now)
    new, known, gone = compared(past.places, past.marks, now)
    num_new = count(new)
    if num_new > min(most, MOST_NEW):
        return None
    met = _meet(run, state, params, new, known) if num_new else np.zeros(0, np.uint64)
    ids, labels = (past.pieces.column(name).to_numpy() for name in PIECES.names)
    then = past.places.then(met)
    single = ~among(then, ids)
    touched = np.unique(labels[among(ids, np.sort(np.concatenate((gone, then))))])
    members = ids[among(labels, touched)]
    members = members[~among(members, gone)]
    chosen = np.unique(np.concatenate([ids_of(new), met[single], past.places.now(members)]))
    return None if len(chosen) > most else Chosen(chosen, touched)


def _meet(
    run: Run,
    state: State,
    params: DedupParams,
    new: dict[int, Column],
    known: dict[int, Column],
) -> Column:
    """Return the ids of known rows that could be similar to a new one."""
    tasks = state.plan.tasks
    key, new_marks = _keep_marks(run, state, "new", new)
    index_new = partial(newcomers.index_new, state.attributes, new_marks, params.ngram)
    with_new = Task(0, tuple(task for task in tasks if new[task.index].any()))
    (indexed,) = run.execute(MapStage("new", key, index_new, (with_new,)))
    key, marks = _keep_marks(run, state, f"known-{key}", known)
    meet = partial(
        newcomers.meet_new,
        state.attributes,
        marks,
        indexed.files[0].name,
        params.ngram,
        (params.fraction.numerator, params.fraction.denominator),
    )
    with_known = _groups(tasks, known)
    receipts = run.execute(MapStage("meet", key, meet, with_known)) if with_known else []
    state.facts["rows_met"] = sum(r.rows_in for r in receipts)
    met: Column = gather(run.store, receipts, newcomers.IDS).column("id").to_numpy()
    return met


def _groups(tasks: Sequence[Task], masks: dict[int, Column]) -> tuple[Task, ...]:
    """Return the tasks with marked rows, in groups."""
    rows = {number: int(mask.sum()) for number, mask in masks.items()}
    return grouped([task for task in tasks if rows[task.index]], rows, UNIT_ROWS)


def _keep_marks(run: Run, state: State, what: str, masks: dict[int, Column]) -> tuple[str, Marks]:
    """Keep marks for workers; return a key that names them and where they are."""
    table = marked(list(masks), list(masks.values()))
    key = state.stage_key(what, digest_of([bits.hex() for bits in table["marked"].to_pylist()]))
    name = f"{WORK}/marks-{key}/part-00000.arrow"
    write_table(run.store, name, table)
    return key, Marks(name)


def _decide_some(
    run: Run,
    state: State,
    params: DedupParams,
    past: Past,
    now: dict[int, Column],
    chosen: Chosen,
) -> pa.Table:
    """Decide about the chosen rows; all others keep piece and verdict. Return all pieces."""
    masks = {task: np.zeros(len(mask), bool) for task, mask in now.items()}
    for task in np.unique(docid.task_of(chosen.ids)).tolist():
        bounds = np.array(docid.task_range(task), np.uint64)
        low, high = np.searchsorted(chosen.ids, bounds).tolist()
        masks[task][docid.row_of(chosen.ids[low:high])] = True
    key, marks = _keep_marks(run, state, "chosen", masks)
    rows = {number: int(mask.sum()) for number, mask in masks.items()}
    some = replace(
        state,
        plan=replace(state.plan, tasks=tuple(t for t in state.plan.tasks if rows[t.index])),
        chosen=rows,
        key=key,
        attributes=replace(state.attributes, alive=(marks,)),
        facts={},
        decided=[],
    )
    found = PIECES.empty_table()
    if len(chosen.ids):
        found = read_table(run.store, part_name(near(run, some, params).folder, 0))
    pieces, decided = _remembered(past, chosen.touched)
    name = f"{WORK}/remembered-{key}/part-00000.arrow"
    file = write_table(run.store, name, decided)
    state.decided = [*some.decided, Receipt(-1, rows_out=len(decided), files=(file,))]
    pieces = pa.concat_tables([found, pieces]).combine_chunks()
    pieces = pieces.take(pa.array(np.argsort(pieces.column("id").to_numpy())))
    sizes = np.unique(pieces.column("piece").to_numpy(), return_counts=True)[1]
    state.facts |= {
        **some.facts,
        "rows_compared": count(now),
        "rows_chosen": len(chosen.ids),
        "candidate_rows": len(pieces),
        "largest_piece": int(sizes.max()) if len(sizes) else 0,
    }
    return pieces


def _remembered(past: Past, touched: Column) -> tuple[pa.Table, pa.Table]:
    """Return pieces and verdicts that stand, by tonight's ids; verdicts are sorted."""
    ids, labels = (past.pieces.column(name).to_numpy() for name in PIECES.names)
    standing = ~among(labels, touched)
    pieces = pa.table(
        [pa.array(past.places.now(ids[standing])), pa.array(past.places.now(labels[standing]))],
        schema=PIECES,
    )
    removed = past.decided.column("id").to_numpy()
    decided = past.decided.filter(pa.array(among(removed, ids[standing])))
    removed, kept = (past.places.now(decided.column(name).to_numpy()) for name in ("id", "kept"))
    decided = decided.set_column(0, "id", pa.array(removed)).set_column(1, "kept", pa.array(kept))
    return pieces, decided.take(pa.array(np.argsort(removed)))
