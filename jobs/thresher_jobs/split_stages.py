"""The stages of `split` that tie rows together: ties of every kind, and the groups they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from thresher.params import digest_of
from thresher.run import Run
from thresher.stage import ExchangeStage, Receipt, Task
from thresher.steps.owned import Owned, emit_home, keep_whole, part_tasks
from thresher.steps.split_grouping import (
    Grouping,
    emit_groups,
    emit_members,
    reduce_groups,
    reduce_members,
)
from thresher.steps.split_meeting import (
    COUNTED,
    TIES,
    emit_keys,
    emit_plain_edges,
    emit_similar,
    emit_ties,
    reduce_kept,
    reduce_keys,
    reduce_plain_edges,
    reduce_similar,
    reduce_ties,
)
from thresher.steps.split_noting import Noted
from thresher_jobs.dedup_joins import groups_of, join_pieces, span_of
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_stages import candidates, collapse
from thresher_jobs.dedup_state import State, decide_params, partitions_of

KEYS_PER_PARTITION = 1 << 20
PIECE_ROWS_PER_PARTITION = 1 << 15
EDGES_PER_PARTITION = 1 << 22
GROUPS_PER_PARTITION = 1 << 20


@dataclass
class Ties:
    """Everything that ties rows together.

    Args:
        parts: Tasks over the files of all ties.
        classes: By kind of key, how many keys have how many rows.
        pairs: Pairs of rows that are copies or similar.
        whole: Whether these are all such pairs.
        counts: Ties by kind: copies, near copies, and by each key.
        copies: Rows that have the words of another.
    """

    parts: tuple[Task, ...]
    classes: list[Counter[int]]
    pairs: int
    whole: bool
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Groups:
    """The groups in order.

    Args:
        labels: The group of every row with company.
        parts: Names of the parts of the order.
        rows: By stratum, rows.
        sizes: How many groups have how many rows.
        largest: Rows and label of the largest group; the first of equals by label.
    """

    labels: Owned
    parts: tuple[str, ...]
    rows: list[int]
    sizes: Counter[int]
    largest: tuple[int, int]


def find_ties(run: Run, state: State, params: DedupParams, noted: Noted) -> Ties:
    """Find copies, similar texts and equal keys."""
    collapse(run, state, params)
    similar = _similar(run, state, params)
    shared = _shared(run, state, noted)
    classes: list[Counter[int]] = [Counter() for _ in noted.kinds]
    for receipt in shared:
        for kind, size, count in receipt.facts["classes"]:
            classes[kind - 3][size] += count
    counts = {
        "copies": sum(r.rows_out for r in state.collapsed),
        "similar": sum(r.rows_out for r in similar),
    }
    for kind, sizes in zip(noted.kinds, classes, strict=True):
        counts[kind] = sum((size - 1) * count for size, count in sizes.items())
    return Ties(
        part_tasks([*state.collapsed, *similar, *shared]),
        classes,
        state.facts["pairs_of_copies"] + sum(r.facts["pairs"] for r in similar),
        all(r.facts["whole"] for r in similar),
        counts,
    )


def _shared(run: Run, state: State, noted: Noted) -> list[Receipt]:
    if not noted.kinds:
        return []
    partitions = partitions_of(state.num_rows * len(noted.kinds), KEYS_PER_PARTITION)
    stage = ExchangeStage(
        "shared",
        state.stage_key("shared", str(noted.kinds), str(partitions)),
        partial(emit_keys, state.attributes, noted, partitions),
        reduce_keys,
        state.plan.tasks,
        partitions,
    )
    return run.execute(stage)


def _similar(run: Run, state: State, params: DedupParams) -> list[Receipt]:
    counted = _count_copies(run, state)
    pieces, rows = candidates(run, state, params)
    if not rows:
        return []
    decide = decide_params(params, state.compared)
    partitions = partitions_of(rows, PIECE_ROWS_PER_PARTITION)
    stage = ExchangeStage(
        "similar",
        state.stage_key("similar", decide.digest(), pieces.folder, str(partitions)),
        partial(emit_similar, decide, state.attributes, pieces, counted, partitions),
        partial(reduce_similar, decide),
        state.plan.tasks,
        partitions,
    )
    receipts = run.execute(stage)
    state.facts["pairs_compared"] = sum(r.facts["compared"] for r in receipts)
    return receipts


def _count_copies(run: Run, state: State) -> Owned:
    """Return how many rows have exactly the words of each row that has copies."""
    span = span_of(state)
    stage = ExchangeStage(
        "copies",
        state.stage_key("copies", str(span)),
        partial(emit_home, "kept", span),
        reduce_kept,
        part_tasks(state.collapsed),
        groups_of(state),
    )
    receipts = run.execute(stage) if stage.tasks else []
    state.facts["pairs_of_copies"] = sum(r.facts["pairs"] for r in receipts)
    if not stage.tasks:
        return keep_whole(run.store, stage.folder, COUNTED.empty_table())
    return Owned(stage.folder, span)


def send_home(run: Run, state: State, ties: Sequence[Task], key: str) -> Owned:
    """Keep what ties each row where its task looks it up."""
    span = span_of(state)
    stage = ExchangeStage(
        "ties",
        state.stage_key("ties", key, str(span)),
        partial(emit_ties, span),
        reduce_ties,
        tuple(ties),
        groups_of(state),
    )
    if not stage.tasks:
        return keep_whole(run.store, stage.folder, TIES.empty_table())
    run.execute(stage)
    return Owned(stage.folder, span)


def join_ties(run: Run, state: State, ties: Sequence[Task], key: str) -> Owned:
    """Return the group of every row with company: connected by ties of any kind."""
    partitions = partitions_of(sum(state.task_rows), EDGES_PER_PARTITION)
    stage = ExchangeStage(
        "edges",
        state.stage_key("edges", key, str(partitions)),
        partial(emit_plain_edges, partitions),
        reduce_plain_edges,
        tuple(ties),
        partitions,
    )
    labels, _ = join_pieces(run, state, stage, run.execute(stage) if stage.tasks else [])
    return labels


def order_groups(run: Run, state: State, how: Grouping, key: str) -> Groups:
    """Make groups of rows and put them in order."""
    strata = digest_of([how.noted.strata.by, how.noted.strata.names])
    made_of = (key, how.labels.folder, strata, str((how.seed, how.border, how.by_age)))
    partitions = partitions_of(state.num_rows, GROUPS_PER_PARTITION)
    members = ExchangeStage(
        "members",
        state.stage_key("members", *made_of, str(partitions)),
        partial(emit_members, how, partitions),
        partial(reduce_members, how),
        state.plan.tasks,
        partitions,
    )
    company = [r.files[0].name for r in run.execute(members) if r.files]
    payloads: list[tuple[Any, Any]] = [(name, None) for name in company]
    payloads += [(None, task) for task in state.plan.tasks]
    order = ExchangeStage(
        "order",
        state.stage_key("order", *made_of, str(partitions)),
        partial(emit_groups, how, partitions),
        partial(reduce_groups, how),
        tuple(Task(number, payload) for number, payload in enumerate(payloads)),
        partitions,
    )
    receipts = run.execute(order)
    rows = [0] * len(how.noted.strata.names)
    sizes: Counter[int] = Counter()
    for receipt in receipts:
        for stratum, count in receipt.facts["strata"]:
            rows[stratum] += count
        for size, count in receipt.facts["sizes"]:
            sizes[size] += count
    largest = [(size, -label) for r in receipts for size, label in [r.facts["largest"] or (0, 0)]]
    size, label = max(largest)
    return Groups(
        how.labels,
        tuple(r.files[0].name for r in receipts if r.files),
        rows,
        sizes,
        (size, -label),
    )
