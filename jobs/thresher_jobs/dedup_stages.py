"""The stages of `dedup` between the pass over the text and the writing of rows."""

from __future__ import annotations

from functools import partial

import numpy as np

from thresher.run import Run
from thresher.stage import ExchangeStage, MapStage, Task
from thresher.steps import auditing, bucketing, collapsing, deciding, marks, screening
from thresher.steps.owned import Owned
from thresher_jobs import dedup_report
from thresher_jobs.dedup_joins import join_pieces, own
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_state import State, decide_params, partitions_of
from thresher_jobs.first_pass import refuse_repeated

ROWS_PER_PARTITION = 1 << 20
LINES_PER_PARTITION = 1 << 22
# Small enough that a partition's tables stay in the cache: a million template rows took 2.7 s of
# processor time, 2.9 s with 2^18 rows a partition (2026-11-21).
SCREEN_ROWS_PER_PARTITION = 1 << 15
PIECE_ROWS_PER_PARTITION = 1 << 15
MARK_TASKS = 4
AUDIT_DRAWS = 2


def check_ids(run: Run, state: State, params: DedupParams) -> None:
    """Refuse ids that repeat.

    Raises:
        InputError: Naming some of the rows.
    """
    partitions = partitions_of(state.num_rows, ROWS_PER_PARTITION)
    stage = ExchangeStage(
        "check-ids",
        state.stage_key("ids", str(partitions)),
        partial(collapsing.emit_row_ids, state.attributes, partitions),
        collapsing.reduce_copies,
        state.plan.tasks,
        partitions,
    )
    assert params.id_column is not None
    refuse_repeated(run, run.execute(stage), state.row_map, params.id_column)


def collapse(run: Run, state: State, params: DedupParams) -> None:
    """Find the rows whose exact key an earlier row has."""
    filter_name: str | None = None
    if params.method == "bloom":
        filter_name = _marks(run, state, params)
    partitions = partitions_of(state.num_rows, ROWS_PER_PARTITION)
    emit, tasks = state.units(
        partial(
            collapsing.emit_text_keys,
            state.attributes,
            partitions,
            params.source_priority,
            filter_name,
        )
    )
    stage = ExchangeStage(
        "collapse",
        state.stage_key("collapse", str(params.source_priority), str(filter_name), str(partitions)),
        emit,
        collapsing.reduce_copies,
        tasks,
        partitions,
    )
    state.collapsed = run.execute(stage)
    state.facts["exact_looked_at"] = sum(r.rows_in for r in state.collapsed)
    state.copies = own(run, state, stage, state.collapsed, collapsing.COPIES)


def _marks(run: Run, state: State, params: DedupParams) -> str:
    groups = np.array_split(
        np.arange(len(state.plan.tasks)), min(MARK_TASKS, len(state.plan.tasks))
    )
    tasks = tuple(Task(i, tuple(group.tolist())) for i, group in enumerate(groups))
    stage = MapStage(
        "marks",
        state.stage_key("marks", str(params.filter_bytes), str(params.seed)),
        partial(marks.mark, state.attributes, params.filter_bytes * 4, params.seed),
        tasks,
    )
    return marks.merge_marks(run.store, stage.folder, run.execute(stage))


def near(run: Run, state: State, params: DedupParams) -> Owned:
    """Find the rows with an earlier kept row that is similar enough; return the pieces of rows that
    may be."""
    decide = decide_params(params, state.compared)
    pieces, rows = candidates(run, state, params)
    partitions = partitions_of(rows, PIECE_ROWS_PER_PARTITION)
    emit, tasks = state.units(
        partial(deciding.emit_rows, decide, state.attributes, pieces, partitions)
    )
    stage = ExchangeStage(
        "decide",
        state.stage_key("decide", decide.digest(), pieces.folder, str(partitions)),
        emit,
        partial(deciding.reduce_pieces, decide),
        tasks,
        partitions,
    )
    state.decided = run.execute(stage) if rows else []
    state.facts |= {
        "candidate_rows": rows,
        "largest_piece": max((r.facts["largest"] for r in state.decided), default=0),
        "pairs_compared": sum(r.facts["compared"] for r in state.decided),
        "pairs_verified": sum(r.facts["verified"] for r in state.decided),
    }
    return pieces


def candidates(run: Run, state: State, params: DedupParams) -> tuple[Owned, int]:
    """Return the pieces of rows that may be similar, and how many rows they have."""
    decide = decide_params(params, state.compared)
    return _screen(run, state, decide, *_pieces(run, state, params))


def _screen(
    run: Run, state: State, decide: deciding.DecideParams, pieces: Owned, rows: int
) -> tuple[Owned, int]:
    """Return the pieces that are left after screening, and how many rows they have."""
    partitions = partitions_of(rows, SCREEN_ROWS_PER_PARTITION)
    emit, tasks = state.units(
        partial(screening.emit_pictures, state.attributes, pieces, decide.ngram, partitions)
    )
    stage = ExchangeStage(
        "screen",
        state.stage_key("screen", decide.digest(), pieces.folder, str(partitions)),
        emit,
        partial(screening.reduce_pictures, decide.numerator, decide.denominator),
        tasks,
        partitions,
    )
    receipts = run.execute(stage) if rows else []
    state.facts |= {
        "rows_in_buckets": rows,
        "pairs_screened": sum(r.facts["compared"] for r in receipts),
    }
    screened = own(run, state, stage, receipts, bucketing.PIECES)
    return screened, sum(r.rows_out for r in receipts)


def _pieces(run: Run, state: State, params: DedupParams) -> tuple[Owned, int]:
    """Return the pieces of rows that share a bucket, and how many rows they have."""
    assert state.copies is not None
    partitions = partitions_of(state.num_judged * params.banding.bands, LINES_PER_PARTITION)
    emit, tasks = state.units(
        partial(bucketing.emit_bands, state.attributes, state.copies, params.ngram, partitions)
    )
    stage = ExchangeStage(
        "buckets",
        state.stage_key("buckets", state.copies.folder, str(partitions)),
        emit,
        bucketing.reduce_buckets,
        tasks,
        partitions,
    )
    receipts = run.execute(stage)
    state.facts["rows_compared"] = sum(r.rows_in for r in receipts) // params.banding.bands
    state.facts["buckets"] = sum(r.facts.get("buckets", 0) for r in receipts)
    state.facts["largest_bucket"] = max((r.facts.get("largest", 0) for r in receipts), default=0)
    return join_pieces(run, state, stage, receipts)


def audit(run: Run, state: State, params: DedupParams) -> dedup_report.AuditResult | None:
    """Measure recall on sampled kept rows; None where the method promises none."""
    if params.method != "minhash" or params.clusters != "greedy" or not params.audit_rows:
        return None
    decide = decide_params(params, state.compared)
    tasks = state.plan.tasks
    drawn_from = auditing.spread_evenly(tasks, [1] * len(tasks), AUDIT_DRAWS)
    each = -(-params.audit_rows // len(drawn_from))
    assert state.removed is not None
    key = state.stage_key(
        "audit",
        decide.digest(),
        state.removed.folder,
        str(params.audit_rows),
        str(params.audit_bytes),
    )
    names = (state.attributes, state.removed)
    draw = MapStage("draw", key, partial(auditing.draw, decide, *names, each), drawn_from)
    drawn = run.execute(draw)
    weights = [sum(r.facts["text_bytes"]) for r in state.receipts]
    compared = auditing.spread_evenly(tasks, weights, params.audit_bytes)
    samples = tuple(r.files[0].name for r in drawn)
    compare = MapStage("audit", key, partial(auditing.compare, decide, *names, samples), compared)
    receipts = run.execute(compare)
    removed = sum(r.rows_out for r in state.decided)
    state.facts["kept_compared"] = state.facts["rows_compared"] - removed
    missed: dict[int, tuple[int, int]] = {}
    for receipt in receipts:
        for sample, shared, union in receipt.facts["misses"]:
            best = missed.get(sample)
            if best is None or shared * best[1] > best[0] * union:
                missed[sample] = (shared, union)
    return dedup_report.AuditResult(
        sampled=sum(r.rows_out for r in drawn),
        compared=sum(r.rows_in for r in receipts),
        whole=len(compared) == len(tasks),
        misses=tuple(missed.values()),
    )
