"""Where lines about rows are joined: on the driver up to a stated number of rows, by stages beyond.

Both ways give the same lines to the same tasks. The driver's is faster as long as its columns fit:
16 bytes a row and about 60 a removed row. By stages, nothing on the driver grows with the rows, and
every step resumes.
"""

from __future__ import annotations

from functools import partial

import pyarrow as pa

from thresher.errors import InternalError
from thresher.run import Run
from thresher.stage import WORK, ExchangeStage, Receipt, Task
from thresher.steps import bucketing, collapsing, deciding, following, joining
from thresher.steps.owned import (
    Owned,
    emit_home,
    gather,
    keep_whole,
    part_tasks,
    reduce_home,
)
from thresher.steps.removals import RemovalCounts, Sources, add_counts, count_removals
from thresher.steps.verdicts import MATCHED, VERDICTS, with_user_ids
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_state import State, partitions_of

EDGES_PER_PARTITION = 1 << 22
HOME_ROWS = 1 << 20
MAX_ROUNDS = 64  # a path of 2^60 rows would need fewer
NEAR_THRESHOLD = 0.05


def span_of(state: State) -> int:
    """Return how many tasks' rows lie in one part of an owned table."""
    each = max(1, state.num_rows // max(1, len(state.plan.tasks)))
    return max(1, min(HOME_ROWS, max(1, state.driver_rows)) // each)


def groups_of(state: State) -> int:
    """Return how many parts an owned table has."""
    return -(-len(state.plan.tasks) // span_of(state))


def own(
    run: Run, state: State, made_by: ExchangeStage, receipts: list[Receipt], schema: pa.Schema
) -> Owned:
    """Keep what an exchange found about rows where the tasks that own the rows look it up."""
    parts = part_tasks(receipts)
    span = span_of(state)
    how = f"spans of {span} tasks" if state.by_stages else "whole"
    key = state.stage_key("home", made_by.name, made_by.key, how)
    name = f"{made_by.name}-home"
    if not state.by_stages or not parts:
        return keep_whole(run.store, f"{WORK}/{name}-{key}", gather(run.store, receipts, schema))
    stage = ExchangeStage(
        name,
        key,
        partial(emit_home, "id", span),
        partial(reduce_home, schema),
        parts,
        groups_of(state),
    )
    run.execute(stage)
    return Owned(stage.folder, span)


def join_pieces(
    run: Run, state: State, buckets: ExchangeStage, receipts: list[Receipt]
) -> tuple[Owned, int]:
    """Return the connected pieces of two rows or more, and how many rows they have."""
    edges = part_tasks(receipts)
    if not state.by_stages or not edges:
        found = bucketing.find_pieces(run.store, buckets.folder, receipts, state.task_rows)
        key = state.stage_key("pieces", buckets.key)
        return keep_whole(run.store, f"{WORK}/pieces-{key}", found), len(found)
    span, groups = span_of(state), groups_of(state)
    each = min(EDGES_PER_PARTITION, max(1, state.driver_rows))
    partitions = partitions_of(sum(r.rows_out for r in receipts), each)
    partitions = min(partitions, buckets.partitions * 4)
    key = state.stage_key("join", buckets.key, str(partitions), str(span))
    labels, rows, state.facts["joining_rounds"] = join_by_stages(
        run, key, edges, partitions, span, groups
    )
    return labels, rows


def join_by_stages(
    run: Run, key: str, edges: tuple[Task, ...], partitions: int, span: int, groups: int
) -> tuple[Owned, int, int]:
    """Join pieces by large-star and small-star rounds, each half an exchange that resumes.

    Args:
        run: Where to run.
        key: Of the stages.
        edges: One task for each part of the edges.
        partitions: Partitions of a round.
        span, groups: Tasks whose rows one part of the answer holds, and the number of parts.

    Returns:
        The label of every row with company, how many these are, and the rounds it took.

    Raises:
        InternalError: The audit found an edge whose ends carry different labels.
    """
    found = edges
    for number in range(1, MAX_ROUNDS + 1):
        edges, moved = _round(run, key, number, edges, partitions)
        if not moved:
            break
    else:
        raise InternalError(f"connected pieces: no end after {MAX_ROUNDS} rounds")
    pieces = ExchangeStage(
        "pieces",
        key,
        partial(joining.emit_labels, span),
        partial(reduce_home, bucketing.PIECES),
        edges,
        groups,
    )
    rows = sum(r.rows_out for r in run.execute(pieces))
    labels = Owned(pieces.folder, span)
    audit_edges(run, key, found, labels, groups)
    return labels, rows, number


def _round(
    run: Run, key: str, number: int, edges: tuple[Task, ...], partitions: int
) -> tuple[tuple[Task, ...], int]:
    moved = 0
    for half, emit, reduce in (
        ("large", joining.emit_large, joining.reduce_large),
        ("small", joining.emit_small, joining.reduce_small),
    ):
        stage = ExchangeStage(
            f"join-{number:02d}-{half}", key, partial(emit, partitions), reduce, edges, partitions
        )
        receipts = run.execute(stage)
        moved += sum(r.facts["moved"] for r in receipts)
        edges = part_tasks(receipts)
    return edges, moved


def audit_edges(run: Run, key: str, edges: tuple[Task, ...], labels: Owned, groups: int) -> None:
    """Check that both ends of every edge carry one label.

    Raises:
        InternalError: They do not.
    """
    left = ExchangeStage(
        "edges-left",
        key,
        partial(joining.emit_edges, labels.span),
        partial(joining.reduce_edges, labels),
        edges,
        groups,
    )
    ends = part_tasks(run.execute(left))
    right = ExchangeStage(
        "edges-right",
        key,
        partial(emit_home, "id", labels.span),
        partial(joining.reduce_audit, labels),
        ends,
        groups,
    )
    if sum(r.facts["crossing"] for r in run.execute(right)):
        raise bucketing.crossing_edge()


def join_verdicts(run: Run, state: State, params: DedupParams) -> RemovalCounts:
    """Put the verdicts together, keep them for the tasks, and return what they amount to."""
    border = params.threshold + NEAR_THRESHOLD
    of_task = tuple(task.payload.source for task in state.plan.tasks)
    sources = Sources(len(state.plan.inputs.sources), of_task)
    found = [*state.collapsed, *state.decided]
    users = state.attributes if params.id_column else None
    key = state.stage_key("verdicts", params.digest(), str(state.by_stages and span_of(state)))
    parts = part_tasks(found)
    if not state.by_stages or not parts:
        copies = gather(run.store, state.collapsed, collapsing.COPIES)
        decided = gather(run.store, state.decided, deciding.DECIDED)
        verdicts = following.combine(copies, decided)
        table = verdicts.table()
        if users:
            table = with_user_ids(run.store, users, table)
        state.removed = keep_whole(run.store, f"{WORK}/verdicts-{key}", table)
        return count_removals(verdicts, sources, border)
    span, groups = span_of(state), groups_of(state)
    follow = ExchangeStage(
        "follow", key, partial(following.emit_follow, span), following.reduce_follow, parts, groups
    )
    clusters = ExchangeStage(
        "clusters",
        key,
        partial(emit_home, "kept", span),
        partial(following.reduce_clusters, users, sources, border),
        part_tasks(run.execute(follow)),
        groups,
    )
    counted = run.execute(clusters)
    schema = VERDICTS.append(MATCHED) if users else VERDICTS
    home = ExchangeStage(
        "verdicts",
        key,
        partial(emit_home, "id", span),
        partial(reduce_home, schema),
        part_tasks(counted),
        groups,
    )
    run.execute(home)
    state.removed = Owned(home.folder, span)
    return add_counts(RemovalCounts.model_validate(r.facts["counts"]) for r in counted)
