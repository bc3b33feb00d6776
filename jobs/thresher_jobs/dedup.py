"""`thresher dedup`: remove copies and near copies, soundly.

formats      map       which formats the files have (with --on)
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
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import LimitError
from thresher.inputs import check_unchanged
from thresher.planning import Plan, agree_on_schema, check_apart, make_plan
from thresher.run import Listener, Run, open_run
from thresher.stage import WORK, MapStage, Receipt, stage_key
from thresher.steps import selecting
from thresher.steps.attributes import AttributeProbe, Attributes, ComparedReader
from thresher.steps.compared import Compared
from thresher.steps.first_read import FirstRead, counted, first_read, noted
from thresher.steps.removals import RemovalCounts
from thresher.steps.split_log import encode_schema
from thresher.steps.spread import write_table
from thresher_jobs import dedup_report
from thresher_jobs.dedup_joins import join_verdicts
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_stages import audit, check_ids
from thresher_jobs.dedup_stages import collapse as exact_of_all
from thresher_jobs.dedup_stages import near as near_of_all
from thresher_jobs.dedup_state import CODE_VERSION, State, attribute_params
from thresher_jobs.dedup_texts import choose_compared
from thresher_jobs.first_pass import (
    check_found,
    check_quarantined,
    first_pass,
    found_schemas,
    rows_of,
)

logger = logging.getLogger(__name__)
Column = np.ndarray[Any, Any]
Near = Callable[[Run, State, DedupParams], object]


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
    check_apart(plan, run.store.root)
    if run.claim(identity(plan, params)):
        logger.info("%s is complete already; nothing to do", run.store.root)
        report: dict[str, Any] = run.store.get_json("report.json")
        return report
    run.state("running")
    plan, compared, told = choose_compared(run, plan, params)
    state = _attributes(run, plan, params, compared, options.driver_rows)
    state.facts |= told
    if params.id_column:
        check_ids(run, state, params)
    counts = find_copies(run, state, params)
    recall = audit(run, state, params)
    selected = _select(run, state, params, counts)
    for file in state.plan.inputs.files:
        check_unchanged(file)
    return dedup_report.publish(
        run,
        dedup_report.Outcome(
            params,
            state.plan,
            state.receipts,
            state.row_map,
            counts,
            selected,
            recall,
            state.facts,
            state.attributes,
            state.compared,
        ),
        begin,
    )


def find_copies(
    run: Run,
    state: State,
    params: DedupParams,
    near: Near = near_of_all,
    exact: Near = exact_of_all,
) -> RemovalCounts:
    """Decide which rows go; `state.removed` holds the verdicts.

    Args:
        run: Where to run.
        state: What is known so far.
        params: What to compare and keep.
        near: Finds the near copies.
        exact: Finds the rows of one exact key, before.

    Raises:
        LimitError: Too much of a source would go.
    """
    exact(run, state, params)
    if params.method == "minhash":
        near(run, state, params)
    counts = join_verdicts(run, state, params)
    _check_removed(state, params, counts)
    return counts


def keep_wanted(run: Run, key: str, counts: RemovalCounts) -> str:
    """Keep the ids of the rows whose text the report shows; return the table's name."""
    wanted = f"{WORK}/wanted-{key}/wanted.arrow"
    write_table(run.store, wanted, pa.table({"id": pa.array(counts.shown())}))
    return wanted


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


def _attributes(
    run: Run, plan: Plan, params: DedupParams, compared: Compared, driver_rows: int
) -> State:
    """Compute attributes; plan again without files that turn out to be unreadable."""
    wanted = attribute_params(params, compared)
    probe = AttributeProbe(wanted)
    read = FirstRead(
        ComparedReader(compared), (probe,), params.skip_unreadable, params.max_doc_bytes
    )

    def stage_of(plan: Plan) -> MapStage:
        key = stage_key(CODE_VERSION, thresher.__version__, wanted.digest(), plan.digest())
        return MapStage("attributes", key, partial(first_read, read), plan.tasks)

    plan, stage, receipts = first_pass(run, plan, stage_of, params.split_bytes)
    kept = Attributes(noted(stage.folder, probe))
    state = State(plan, stage.key, driver_rows, compared, kept, receipts)
    named = params.compared, _named_columns(params), params.union_columns
    check_found(plan, receipts, *named)
    limit = params.max_quarantined_fraction
    check_quarantined(read, plan, receipts, limit, partial(_unjudged, params, probe))
    state.schema = agree_on_schema(plan.inputs, found_schemas(plan, receipts), *named)
    state.rows = rows_of(plan, receipts)
    return state


def _unjudged(params: DedupParams, probe: AttributeProbe, receipt: Receipt) -> int:
    facts = counted(receipt, probe.name)
    nulls = facts["nulls"] if params.null_text == "quarantine" else 0
    return int(facts["unjudged"]) + nulls


def _check_removed(state: State, params: DedupParams, counts: RemovalCounts) -> None:
    """Refuse when too much of a source would go as near copies, showing the clusters to blame."""
    rows = [0] * len(state.plan.inputs.sources)
    for task, num in zip(state.plan.tasks, state.task_rows, strict=True):
        rows[task.payload.source] += num
    for source, (removed, total) in enumerate(zip(counts.walked, rows, strict=True)):
        if removed <= params.max_removed_fraction * total:
            continue
        name = state.plan.inputs.sources[source].name
        raise LimitError(
            f"{removed} of {total} rows of source '{name}' would be removed "
            f"as near copies, more than max_removed_fraction {params.max_removed_fraction}. "
            f"Largest clusters:" + _blame(state, params, counts.blamed[source]),
            remedy="look at these clusters; compare other --columns, raise --threshold, "
            "or raise the limit with --set",
        )


def _blame(state: State, params: DedupParams, blamed: list[tuple[int, int]]) -> str:
    leaders = np.array([leader for leader, _ in blamed], np.uint64)
    tasks = state.plan.tasks
    texts = dict(selecting.select_texts(state.compared, leaders, tasks, params.max_doc_bytes))
    names = state.row_map.row_ids(leaders).to_pylist()
    lines = []
    for name, (leader, count) in zip(names, blamed, strict=True):
        snippet = " ".join(texts[leader].split())[:160]
        lines.append(f"\n  {count} rows like {name}: {snippet!r}")
    return "".join(lines) + "\n "


def _select_params(state: State, params: DedupParams) -> selecting.SelectParams:
    assert state.schema is not None
    return selecting.SelectParams(
        job="dedup",
        compared=state.compared,
        checked=attribute_params(params, state.compared).read_columns,
        schema_text=encode_schema(state.schema),
        null_text=params.null_text,
        max_doc_bytes=params.max_doc_bytes,
        permutations=params.banding.permutations if params.export_signatures else 0,
    )


def _select(run: Run, state: State, params: DedupParams, counts: RemovalCounts) -> list[Receipt]:
    how = _select_params(state, params)
    assert state.removed is not None
    key = state.stage_key("select", how.digest(), state.removed.folder, params.digest())
    wanted = keep_wanted(run, key, counts)
    expected = tuple(tuple(r.facts["fingerprints"]) for r in state.receipts)
    run.begin_output()
    function: Callable[..., Receipt] = partial(
        selecting.select, how, state.attributes, state.removed, wanted, state.row_map, expected
    )
    return run.execute(MapStage("select", key, function, state.plan.tasks))


__all__ = ["dedup", "identity"]
