"""`thresher dedup`: remove copies and near copies, soundly.

attributes   map       hashes, signatures and band keys of every row
check-ids    exchange  the users' own ids are unique (with --id-column)
marks        map       which keys may be repeated (method bloom)
collapse     exchange  rows with one exact key keep the earliest
buckets      exchange  rows that share a band meet; their pieces are joined on the driver
screen       exchange  pairs that cannot be similar are dropped without loss
decide       exchange  each piece is walked in order, similarities compared exactly
draw, audit  map       sampled kept rows against the others: recall, measured
select       map       rows go to data, removed and quarantine
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

import thresher
from thresher import docid
from thresher.engines.options import EngineOptions
from thresher.errors import InputError, LimitError
from thresher.inputs import check_unchanged
from thresher.planning import Plan, agree_on_schema, make_plan
from thresher.run import Listener, Run, open_run
from thresher.splits import Unreadable
from thresher.stage import WORK, ExchangeStage, MapStage, Receipt, Task, stage_key
from thresher.steps import (
    attributes,
    auditing,
    bucketing,
    collapsing,
    deciding,
    marks,
    screening,
    selecting,
)
from thresher.steps.rows import RowMap, row_map
from thresher.steps.spread import write_table
from thresher.steps.verdicts import Verdicts, combine, gather, write_verdicts
from thresher_jobs import dedup_report
from thresher_jobs.dedup_params import DedupParams

logger = logging.getLogger(__name__)
Column = np.ndarray[Any, Any]

CODE_VERSION = "1"  # of the stages' meaning: raise it when equal inputs give other stage files
ROWS_PER_PARTITION = 1 << 20
LINES_PER_PARTITION = 1 << 22
SCREEN_ROWS_PER_PARTITION = 1 << 18
PIECE_ROWS_PER_PARTITION = 1 << 16
MARK_TASKS = 4
AUDIT_DRAWS = 2


@dataclass
class _State:
    """What the driver knows as the job goes on: names and narrow columns, never rows."""

    plan: Plan
    key: str
    attributes: str = ""
    receipts: list[Receipt] = field(default_factory=list)
    schema: pa.Schema | None = None
    rows: RowMap | None = None
    copies: str = ""
    copies_table: pa.Table | None = None
    decided: str = ""
    decided_table: pa.Table | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def task_rows(self) -> list[int]:
        """Rows of each task."""
        return [r.rows_in for r in self.receipts]

    @property
    def num_rows(self) -> int:
        """Rows of all tasks."""
        return sum(self.task_rows)


def dedup(
    addresses: Sequence[str],
    out: str,
    params: DedupParams,
    options: EngineOptions,
    listener: Listener | None = None,
    *,
    run: Run | None = None,
) -> dict[str, Any]:
    """Run the job and return its report.

    Args:
        addresses: Inputs; earlier ones have priority.
        out: The folder to write.
        params: What to compare and keep.
        options: Where to run.
        listener: Called as work goes on.
        run: A prepared run (other engines, tests); made from `out` and `options` if absent.

    Raises:
        ThresherError: One of its classes; the exit code says which kind.
    """
    run = run or open_run(out, options, listener)
    with run.guard():
        return _dedup(addresses, params, options, run)


def _dedup(
    addresses: Sequence[str], params: DedupParams, options: EngineOptions, run: Run
) -> dict[str, Any]:
    begin = time.monotonic()
    plan = make_plan(
        addresses, split_bytes=params.split_bytes, skip_unreadable=params.skip_unreadable
    )
    check_columns(plan, params)
    if run.claim(identity(plan, params)):
        logger.info("%s is complete already; nothing to do", run.store.root)
        report: dict[str, Any] = run.store.get_json("report.json")
        return report
    run.state("running")
    state = _attributes(run, plan, params)
    _check_quarantined(state, params)
    if params.id_column:
        _check_ids(run, state, params)
    _collapse(run, state, params)
    if params.method == "minhash":
        _near(run, state, params)
    else:
        _nothing_decided(run, state)
    assert state.copies_table is not None and state.decided_table is not None
    verdicts = combine(state.copies_table, state.decided_table)
    _check_removed(run, state, params)
    recall = _audit(run, state, params)
    selected, shown = _select(run, state, params, verdicts)
    for file in state.plan.inputs.files:
        check_unchanged(file)
    return dedup_report.publish(
        run,
        dedup_report.Outcome(
            params,
            options,
            state.plan,
            state.receipts,
            _rows(state),
            verdicts,
            selected,
            shown,
            recall,
            state.facts,
            state.attributes,
        ),
        begin,
    )


def identity(plan: Plan, params: DedupParams) -> dict[str, Any]:
    """Return what makes this run this run; the output folder belongs to it."""
    return {
        "job": "dedup",
        "version": thresher.__version__,
        "params": params.model_dump(mode="json"),
        "inputs": plan.pins(),
    }


def _named_columns(params: DedupParams) -> list[tuple[str, str]]:
    named = []
    if params.id_column:
        named.append((params.id_column, "--id-column"))
    if params.keep_column:
        named.append((params.keep_column, "--keep"))
    return named


def check_columns(plan: Plan, params: DedupParams) -> None:
    """Check what footers tell, before anything is read or written.

    Raises:
        InputError: A column is missing or has the wrong type, or files disagree.
    """
    if plan.schemas and len(plan.schemas) == len({s.file for s in plan.splits()}):
        agree_on_schema(
            plan.inputs, plan.schemas, params.compared, _named_columns(params), params.union_columns
        )


def attribute_params(params: DedupParams) -> attributes.AttributeParams:
    """Return what the pass over the text has to compute."""
    near = params.method == "minhash"
    banding = params.banding if near else None
    return attributes.AttributeParams(
        columns=params.compared,
        id_column=params.id_column,
        keep=params.keep.partition(":")[0],
        keep_column=params.keep_column,
        ngram=params.ngram,
        bands=banding.bands if banding else 0,
        rows_per_band=banding.rows if banding else 0,
        seed=params.seed,
        words=near or params.exact_on == "words",
        skip_unreadable=params.skip_unreadable,
        max_doc_bytes=params.max_doc_bytes,
        keep_signatures=params.export_signatures,
    )


def _attributes(run: Run, plan: Plan, params: DedupParams) -> _State:
    """Compute attributes; plan again without files that turn out to be unreadable."""
    wanted = attribute_params(params)
    while True:
        key = stage_key(CODE_VERSION, thresher.__version__, wanted.digest(), plan.digest())
        stage = MapStage("attributes", key, partial(attributes.compute, wanted), plan.tasks)
        receipts = run.execute(stage)
        bad = {tuple(r.facts["unreadable"]) for r in receipts if "unreadable" in r.facts}
        if not bad:
            break
        logger.warning("left out: %s", ", ".join(sorted(path for path, _ in bad)))
        plan = make_plan(
            [s.address for s in plan.inputs.sources],
            split_bytes=params.split_bytes,
            skip_unreadable=True,
            without=[*(u for u in plan.unreadable), *(Unreadable(*b) for b in sorted(bad))],
        )
    state = _State(plan, key, stage.folder, receipts)
    schemas = dict(plan.schemas)
    for task, receipt in zip(plan.tasks, receipts, strict=True):
        for split, text in zip(task.payload.splits, receipt.facts["schemas"], strict=True):
            if text is not None:
                schemas[split.file] = _merged(
                    schemas.get(split.file), attributes.decode_schema(text), plan, split.file
                )
    known = {f: s for f, s in schemas.items() if len(s)}
    if not known:
        raise InputError("no rows with columns in any input", path=plan.inputs.files[0].path)
    state.schema = agree_on_schema(
        plan.inputs, known, params.compared, _named_columns(params), params.union_columns
    )
    state.rows = row_map(
        tuple(f.name for f in plan.inputs.files),
        [[s.file for s in t.payload.splits] for t in plan.tasks],
        [r.facts["rows"] for r in receipts],
    )
    return state


def _merged(seen: pa.Schema | None, new: pa.Schema, plan: Plan, file: int) -> pa.Schema:
    from thresher.schema import merge_blocks

    return new if seen is None else merge_blocks([seen, new], plan.inputs.files[file].path)


def _rows(state: _State) -> RowMap:
    assert state.rows is not None
    return state.rows


def _key(state: _State, *more: str) -> str:
    return stage_key(CODE_VERSION, state.key, *more)


def _check_quarantined(state: _State, params: DedupParams) -> None:
    """Refuse when too much of a source cannot be judged."""
    total: dict[int, int] = {}
    bad: dict[int, int] = {}
    for task, receipt in zip(state.plan.tasks, state.receipts, strict=True):
        source = task.payload.source
        total[source] = total.get(source, 0) + receipt.rows_in
        nulls = receipt.facts["nulls"] if params.null_text == "quarantine" else 0
        bad[source] = bad.get(source, 0) + receipt.facts["unjudged"] + nulls
    for source, rows in sorted(total.items()):
        if bad[source] > params.max_quarantined_fraction * rows:
            name = state.plan.inputs.sources[source].name
            raise LimitError(
                f"{bad[source]} of {rows} rows of source '{name}' cannot be judged, "
                f"more than max_quarantined_fraction {params.max_quarantined_fraction}",
                remedy="look at the column and the files, or raise the limit with --set",
            )


def _check_ids(run: Run, state: _State, params: DedupParams) -> None:
    partitions = _partitions(state.num_rows, ROWS_PER_PARTITION)
    stage = ExchangeStage(
        "check-ids",
        _key(state, "ids", str(partitions)),
        partial(collapsing.emit_row_ids, state.attributes, partitions),
        collapsing.reduce_copies,
        state.plan.tasks,
        partitions,
    )
    repeated = gather(run.store, run.execute(stage), collapsing.COPIES)
    if len(repeated):
        ids = repeated.column("id").to_numpy()[:3]
        kept = repeated.column("kept").to_numpy()[:3]
        rows = _rows(state)
        pairs = zip(rows.row_ids(ids).to_pylist(), rows.row_ids(kept).to_pylist(), strict=True)
        shown = "; ".join(f"{a} repeats {b}" for a, b in pairs)
        raise InputError(
            f"id column '{params.id_column}' is not unique: "
            f"{len(repeated)} rows repeat an id ({shown})",
            remedy="drop --id-column, or make the ids unique",
        )


def _partitions(rows: int, each: int) -> int:
    return max(1, -(-rows // each))


def _collapse(run: Run, state: _State, params: DedupParams) -> None:
    filter_name: str | None = None
    if params.method == "bloom":
        filter_name = _marks(run, state, params)
    partitions = _partitions(state.num_rows, ROWS_PER_PARTITION)
    stage = ExchangeStage(
        "collapse",
        _key(state, "collapse", str(params.source_priority), str(filter_name), str(partitions)),
        partial(
            collapsing.emit_text_keys,
            state.attributes,
            partitions,
            params.source_priority,
            filter_name,
        ),
        collapsing.reduce_copies,
        state.plan.tasks,
        partitions,
    )
    receipts = run.execute(stage)
    state.facts["exact_looked_at"] = sum(r.rows_in for r in receipts)
    state.copies_table = gather(run.store, receipts, collapsing.COPIES)
    state.copies = f"{stage.folder}/copies.arrow"
    write_table(run.store, state.copies, state.copies_table)


def _marks(run: Run, state: _State, params: DedupParams) -> str:
    groups = np.array_split(
        np.arange(len(state.plan.tasks)), min(MARK_TASKS, len(state.plan.tasks))
    )
    tasks = tuple(Task(i, tuple(group.tolist())) for i, group in enumerate(groups))
    stage = MapStage(
        "marks",
        _key(state, "marks", str(params.filter_bytes), str(params.seed)),
        partial(marks.mark, state.attributes, params.filter_bytes * 4, params.seed),
        tasks,
    )
    return marks.merge_marks(run.store, stage.folder, run.execute(stage))


def _near(run: Run, state: _State, params: DedupParams) -> None:
    decide = decide_params(params)
    pieces = _screen(run, state, decide, _pieces(run, state, params))
    partition, count = bucketing.assign_pieces(pieces, PIECE_ROWS_PER_PARTITION)
    key = _key(state, "decide", decide.digest(), str(count))
    name = f"{WORK}/pieces-{key}/pieces.arrow"
    bucketing.write_pieces(run.store, name, pieces, partition)
    stage = ExchangeStage(
        "decide",
        key,
        partial(deciding.emit_rows, decide, state.attributes, name),
        partial(deciding.reduce_pieces, decide),
        state.plan.tasks,
        count,
    )
    receipts = run.execute(stage) if count else []
    state.decided_table = gather(run.store, receipts, deciding.DECIDED)
    state.decided = f"{WORK}/pieces-{key}/decided.arrow"
    write_table(run.store, state.decided, state.decided_table)
    state.facts |= {
        "candidate_rows": len(pieces.ids),
        "pairs_compared": sum(r.facts["compared"] for r in receipts),
        "pairs_verified": sum(r.facts["verified"] for r in receipts),
    }


def _screen(
    run: Run, state: _State, decide: deciding.DecideParams, pieces: bucketing.Pieces
) -> bucketing.Pieces:
    partition, count = bucketing.assign_pieces(pieces, SCREEN_ROWS_PER_PARTITION)
    key = _key(state, "screen", decide.digest(), str(count))
    name = f"{WORK}/bucketed-{key}/pieces.arrow"
    bucketing.write_pieces(run.store, name, pieces, partition)
    stage = ExchangeStage(
        "screen",
        key,
        partial(screening.emit_pictures, state.attributes, name, decide.ngram),
        partial(screening.reduce_pictures, decide.numerator, decide.denominator),
        state.plan.tasks,
        count,
    )
    receipts = run.execute(stage) if count else []
    state.facts |= {
        "rows_in_buckets": len(pieces.ids),
        "pairs_screened": sum(r.facts["compared"] for r in receipts),
    }
    return screening.screened_pieces(gather(run.store, receipts, screening.SCREENED))


def decide_params(params: DedupParams) -> deciding.DecideParams:
    """Return how pieces are decided."""
    return deciding.DecideParams(
        columns=params.compared,
        ngram=params.ngram,
        numerator=params.fraction.numerator,
        denominator=params.fraction.denominator,
        clusters=params.clusters,
        use_priority=params.source_priority,
        max_doc_bytes=params.max_doc_bytes,
    )


def _pieces(run: Run, state: _State, params: DedupParams) -> bucketing.Pieces:
    partitions = _partitions(state.num_rows * params.banding.bands, LINES_PER_PARTITION)
    stage = ExchangeStage(
        "buckets",
        _key(state, "buckets", str(params.source_priority), str(partitions)),
        partial(bucketing.emit_bands, state.attributes, state.copies, params.ngram, partitions),
        bucketing.reduce_buckets,
        state.plan.tasks,
        partitions,
    )
    receipts = run.execute(stage)
    state.facts["rows_compared"] = sum(r.rows_in for r in receipts) // params.banding.bands
    state.facts["buckets"] = sum(r.facts.get("buckets", 0) for r in receipts)
    state.facts["largest_bucket"] = max((r.facts.get("largest", 0) for r in receipts), default=0)
    return bucketing.find_pieces(run.store, stage.folder, receipts, state.task_rows)


def _nothing_decided(run: Run, state: _State) -> None:
    state.decided_table = deciding.DECIDED.empty_table()
    state.decided = f"{WORK}/pieces-{state.key}/decided.arrow"
    write_table(run.store, state.decided, state.decided_table)


def _check_removed(run: Run, state: _State, params: DedupParams) -> None:
    """Refuse when too much of a source would go as near copies, showing the clusters to blame."""
    assert state.decided_table is not None
    ids = state.decided_table.column("id").to_numpy()
    sources = np.array([t.payload.source for t in state.plan.tasks])
    rows = np.bincount(sources, state.task_rows)
    near = np.bincount(sources[docid.task_of(ids)], minlength=len(rows))
    for source in np.flatnonzero(near > params.max_removed_fraction * rows).tolist():
        kept = state.decided_table.column("kept").to_numpy()[sources[docid.task_of(ids)] == source]
        name = state.plan.inputs.sources[source].name
        raise LimitError(
            f"{near[source]} of {int(rows[source])} rows of source '{name}' would be removed "
            f"as near copies, more than max_removed_fraction {params.max_removed_fraction}. Largest clusters:"
            + _blame(run, state, params, kept),
            remedy="look at these clusters; compare other --columns, raise --threshold, "
            "or raise the limit with --set",
        )


def _blame(run: Run, state: _State, params: DedupParams, kept: Column) -> str:
    leaders, counts = np.unique(kept, return_counts=True)
    top = np.argsort(-counts, kind="stable")[:5]
    assert state.schema is not None
    texts = dict(
        selecting.select_texts(_select_params(state, params), leaders[top], state.plan.tasks)
    )
    names = _rows(state).row_ids(leaders[top]).to_pylist()
    lines = []
    for name, leader, count in zip(names, leaders[top].tolist(), counts[top].tolist(), strict=True):
        snippet = " ".join(texts[leader].split())[:160]
        lines.append(f"\n  {count} rows like {name}: {snippet!r}")
    return "".join(lines) + "\n "


def _audit(run: Run, state: _State, params: DedupParams) -> dedup_report.AuditResult | None:
    if params.method != "minhash" or params.clusters != "greedy" or not params.audit_rows:
        return None
    decide = decide_params(params)
    tasks = state.plan.tasks
    drawn_from = auditing.spread_evenly(tasks, [1] * len(tasks), AUDIT_DRAWS)
    each = -(-params.audit_rows // len(drawn_from))
    key = _key(state, "audit", decide.digest(), str(params.audit_rows), str(params.audit_bytes))
    names = (state.attributes, state.copies, state.decided)
    draw = MapStage("draw", key, partial(auditing.draw, decide, *names, each), drawn_from)
    drawn = run.execute(draw)
    weights = [sum(r.facts["text_bytes"]) for r in state.receipts]
    compared = auditing.spread_evenly(tasks, weights, params.audit_bytes)
    samples = tuple(r.files[0].name for r in drawn)
    compare = MapStage("audit", key, partial(auditing.compare, decide, *names, samples), compared)
    receipts = run.execute(compare)
    state.facts["kept_compared"] = _kept_compared(state)
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


def _kept_compared(state: _State) -> int:
    """Count the kept rows that near-duplicate search looked at."""
    looked_at = state.facts["rows_compared"]
    assert state.decided_table is not None
    return int(looked_at) - len(state.decided_table)


def _select_params(state: _State, params: DedupParams) -> selecting.SelectParams:
    assert state.schema is not None
    return selecting.SelectParams(
        job="dedup",
        columns=params.compared,
        schema_text=attributes.encode_schema(state.schema),
        null_text=params.null_text,
        max_doc_bytes=params.max_doc_bytes,
        user_ids=params.id_column is not None,
        permutations=params.banding.permutations if params.export_signatures else 0,
    )


def _select(
    run: Run, state: _State, params: DedupParams, verdicts: Verdicts
) -> tuple[list[Receipt], dedup_report.Shown]:
    shown = dedup_report.choose_shown(verdicts)
    how = _select_params(state, params)
    key = _key(state, "select", how.digest(), decide_params(params).digest(), params.digest())
    names = f"{WORK}/verdicts-{key}"
    write_verdicts(
        run.store,
        f"{names}/verdicts.arrow",
        verdicts,
        state.attributes,
        params.id_column is not None,
    )
    wanted = pa.table({"id": pa.array(shown.wanted())})
    write_table(run.store, f"{names}/wanted.arrow", wanted)
    expected = tuple(tuple(r.facts["fingerprints"]) for r in state.receipts)
    function: Callable[..., Receipt] = partial(
        selecting.select,
        how,
        state.attributes,
        f"{names}/verdicts.arrow",
        f"{names}/wanted.arrow",
        _rows(state),
        expected,
    )
    return run.execute(MapStage("select", key, function, state.plan.tasks)), shown


__all__ = ["dedup", "identity"]
