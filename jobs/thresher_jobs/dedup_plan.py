"""`thresher plan dedup`: what the job would do, from footers and sizes alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from thresher.engines.options import EngineOptions
from thresher.planning import Plan, make_plan
from thresher.readers import read_split
from thresher_jobs.dedup_params import DedupParams

_MIB = 1 << 20
_HEAD_BYTES = 1 << 16
# Resident bytes for each byte of text a task reads. A million rows of prose and of templates in
# tasks of 64 MiB on two workers peaked at 0.74 and 1.12 GB, of which 0.2 GB is the idle process
# (2026-11-21): at most 7 bytes a byte.
TASK_MEMORY_FACTOR = 7
DRIVER_BYTES_PER_ROW = 16  # union-find, sizes and the rows that share a bucket
DRIVER_BYTES_PER_REMOVED_ROW = 60  # both tables of removals and the verdicts made of them


def describe(
    addresses: Sequence[str], params: DedupParams, options: EngineOptions
) -> Iterator[str]:
    """Yield the plan's lines."""
    from thresher_jobs.dedup import check_columns

    plan = make_plan(
        addresses, split_bytes=params.split_bytes, skip_unreadable=params.skip_unreadable
    )
    check_columns(plan, params)
    workers = options.resolved_workers()
    stored = sum(file.bytes for file in plan.inputs.files)
    yield f"inputs      {len(plan.inputs.files)} files, {stored:,} bytes stored"
    rows = f"{plan.rows:,} rows" if plan.rows is not None else "rows known after reading"
    yield f"to read     {plan.bytes:,} bytes uncompressed (estimated), {rows}"
    busy = min(workers, len(plan.tasks))
    yield f"tasks       {len(plan.tasks)} on {busy} of {workers} workers, engine {options.engine}"
    largest = plan.largest_task_bytes * TASK_MEMORY_FACTOR
    together = largest * busy
    yield f"memory      largest task {largest / _MIB:,.0f} MiB, together {together / _MIB:,.0f} MiB"
    if plan.rows is not None:
        driver = plan.rows * DRIVER_BYTES_PER_ROW / _MIB
        yield (
            f"driver      {driver:,.0f} MiB ({DRIVER_BYTES_PER_ROW} bytes a row), "
            f"and {DRIVER_BYTES_PER_REMOVED_ROW} bytes a removed row"
        )
    yield from _method(params, plan)
    yield from _absent_columns(plan, params)
    for ignored in plan.inputs.ignored:
        yield f"ignored     {ignored.path}: {ignored.reason}"
    for unreadable in plan.unreadable:
        yield f"left out    {unreadable.path}: {unreadable.error}"
    for note in plan.notes:
        yield f"note        {note}"


def _absent_columns(plan: Plan, params: DedupParams) -> Iterator[str]:
    """Look at the first rows of files without a footer: is there what will be compared?"""
    for split in plan.splits():
        file = plan.inputs.files[split.file]
        if split.file in plan.schemas or split.start:
            continue
        first = next(read_split(file, split, batch_bytes=_HEAD_BYTES), None)
        names = first.batch.schema.names if first else []
        for column in params.compared:
            if column not in names:
                shown = ", ".join(names)
                yield f"WARNING     {file.path}: no '{column}' in the first rows (columns: {shown})"


def _method(params: DedupParams, plan: Plan) -> Iterator[str]:
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
    if plan.rows is not None:
        moved = plan.rows * (banding.bands * 16 + 52)
        yield f"exchanged   at most {moved:,} bytes of keys, then the shingles of likely copies"
