"""`thresher plan dedup`: what the job would do, from footers and sizes alone.

The arithmetic is that of `dedup_sizes`; `plan_lines` says what is not dedup's alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from thresher.engines.options import EngineOptions
from thresher.planning import Plan, expecting_texts, make_plan
from thresher.readers import read_split
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_sizes import (
    DRIVER_BYTES_PER_REMOVED_ROW,
    DRIVER_BYTES_PER_ROW,
    Sizes,
    sizes,
)
from thresher_jobs.plan_lines import (
    HEAD_BYTES,
    MIB,
    what_is_left_out,
    what_is_read,
    where_it_runs,
    which_formats,
)


def describe(
    addresses: Sequence[str], params: DedupParams, options: EngineOptions
) -> Iterator[str]:
    """Yield the plan's lines."""
    from thresher_jobs.dedup import check_columns

    plan = make_plan(
        addresses, split_bytes=params.split_bytes, skip_unreadable=params.skip_unreadable
    )
    plan = expecting_texts(plan, params.compared)
    check_columns(plan, params)
    found = sizes(
        plan.rows or 0,
        plan.bytes,
        params,
        options,
        tasks=len(plan.tasks),
        largest_task_bytes=plan.largest_task_bytes,
    )
    yield from what_is_read(plan)
    yield from where_it_runs(found.tasks, found.task_memory_bytes, options)
    yield from _driver(found, options, known=plan.rows is not None)
    yield from _method(params)
    if plan.rows is not None:
        yield from _moved(found, params)
    if params.on is None:
        yield from _absent_columns(plan, params)
    else:
        compared = "all text" if params.on == "all" else f"the {params.on}"
        yield f"compared    {compared} of each row"
        yield from which_formats(plan, params)
    yield from what_is_left_out(plan)


def _driver(found: Sizes, options: EngineOptions, *, known: bool) -> Iterator[str]:
    """Say who joins pieces and verdicts, and what the driver holds."""
    limit = f"driver_rows {options.driver_rows:,}"
    if not known:
        yield f"pieces      joined by the driver up to {limit}, by stages beyond"
    elif found.on_driver:
        yield f"pieces      joined by the driver: no more rows than {limit}"
        yield (
            f"driver      {found.driver_bytes / MIB:,.0f} MiB "
            f"({DRIVER_BYTES_PER_ROW} bytes a row), "
            f"and {DRIVER_BYTES_PER_REMOVED_ROW} bytes a removed row"
        )
    else:
        yield f"pieces      joined by stages: more rows than {limit}"
        yield "driver      nothing that grows with the rows"


def _absent_columns(plan: Plan, params: DedupParams) -> Iterator[str]:
    """Look at the first rows of files without a footer: is there what will be compared?"""
    for split in plan.splits():
        file = plan.inputs.files[split.file]
        if split.file in plan.schemas or split.start:
            continue
        first = next(read_split(file, split, batch_bytes=HEAD_BYTES), None)
        names = first.batch.schema.names if first else []
        for column in params.compared:
            if column not in names:
                shown = ", ".join(names)
                yield f"WARNING     {file.path}: no '{column}' in the first rows (columns: {shown})"


def _method(params: DedupParams) -> Iterator[str]:
    if params.method != "minhash":
        yield f"method      {params.method} on {params.exact_on}"
        return
    banding = params.banding
    yield (
        f"bands       {banding.bands} of {banding.rows} rows, {banding.permutations} permutations, "
        f"seed {params.seed}"
    )
    points = [params.threshold - 0.2, params.threshold - 0.1, params.threshold]
    points += [params.threshold + 0.05, params.threshold + 0.1]
    shown = ", ".join(f"{p:.2f}: {banding.probability(p):.4f}" for p in points if 0 < p <= 1)
    yield f"found       {shown} (wanted {params.recall} at {params.threshold})"


def _moved(found: Sizes, params: DedupParams) -> Iterator[str]:
    """Say what is written beside the rows, and what the exchanges move."""
    yield f"attributes  {found.attribute_bytes:,} bytes"
    yield f"exchanged   keys {found.key_bytes:,} bytes in {found.key_partitions:,} partitions"
    if params.method != "minhash":
        return
    yield (
        f"            bands at most {found.band_bytes:,} bytes in {found.band_lines:,} lines, "
        f"{found.band_partitions:,} partitions"
    )
    if found.join_bytes:
        yield f"            edges at most {found.join_bytes:,} bytes a round of joining"
    yield f"            pictures at most {found.screen_bytes:,} bytes, of rows that share a bucket"
    yield f"            shingles at most about {found.decide_bytes:,} bytes, of likely copies"
    yield f"disk        {found.spill_bytes:,} bytes for the largest exchange, on all workers"
    yield f"            {found.work_bytes:,} bytes at most in the output folder while it runs"
