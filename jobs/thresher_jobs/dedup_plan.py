"""`thresher plan dedup`: what the job would do, from footers and sizes alone.

The arithmetic is that of `dedup_sizes`; this module reads footers and prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from thresher.engines.options import EngineOptions
from thresher.formats.detection import Detected, detect, gather
from thresher.planning import Plan, make_plan
from thresher.readers import read_split
from thresher.steps.peeking import PEEKED_ROWS
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_sizes import (
    DRIVER_BYTES_PER_REMOVED_ROW,
    DRIVER_BYTES_PER_ROW,
    Sizes,
    sizes,
)

_MIB = 1 << 20
_HEAD_BYTES = 1 << 16
_SHOWN_FILES = 10


def describe(
    addresses: Sequence[str], params: DedupParams, options: EngineOptions
) -> Iterator[str]:
    """Yield the plan's lines."""
    from thresher_jobs.dedup import check_columns

    plan = make_plan(
        addresses, split_bytes=params.split_bytes, skip_unreadable=params.skip_unreadable
    )
    check_columns(plan, params)
    found = sizes(
        plan.rows or 0,
        plan.bytes,
        params,
        options,
        tasks=len(plan.tasks),
        largest_task_bytes=plan.largest_task_bytes,
    )
    stored = sum(file.bytes for file in plan.inputs.files)
    yield f"inputs      {len(plan.inputs.files)} files, {stored:,} bytes stored"
    rows = f"{plan.rows:,} rows" if plan.rows is not None else "rows known after reading"
    yield f"to read     {plan.bytes:,} bytes uncompressed (estimated), {rows}"
    yield from _where(found, options)
    yield from _driver(found, options, known=plan.rows is not None)
    yield from _method(params)
    if plan.rows is not None:
        yield from _moved(found, params)
    if params.on is None:
        yield from _absent_columns(plan, params)
    else:
        yield from _formats(plan, params, params.on)
    for ignored in plan.inputs.ignored:
        yield f"ignored     {ignored.path}: {ignored.reason}"
    for unreadable in plan.unreadable:
        yield f"left out    {unreadable.path}: {unreadable.error}"
    for note in plan.notes:
        yield f"note        {note}"


def _where(found: Sizes, options: EngineOptions) -> Iterator[str]:
    """Say which workers run the tasks, and what one of them needs."""
    largest = found.task_memory_bytes / _MIB
    if found.workers is None:
        on = "as many workers as the cluster has cores"
        together = ""
    else:
        busy = min(found.workers, found.tasks)
        on = f"{busy} of {found.workers} workers"
        together = f", together {largest * busy:,.0f} MiB"
    yield f"tasks       {found.tasks:,} on {on}, engine {options.engine}"
    yield from _profile(options)
    yield f"memory      largest task {largest:,.0f} MiB{together}"
    aside = options.ray.task_memory_bytes if options.engine == "ray" else 0
    if aside and aside < found.task_memory_bytes:
        yield (
            f"WARNING     ray.task_memory_bytes sets {aside / _MIB:,.0f} MiB aside for a task that "
            f"takes {largest:,.0f} MiB: raise it, or lower split_bytes"
        )


def _profile(options: EngineOptions) -> Iterator[str]:
    """Say what the profile gives a cluster engine."""
    starts = (
        f"at most {options.attempts} starts a task, {options.stall_seconds:,} s without progress"
    )
    if options.engine == "ray":
        address = options.ray.address or "RAY_ADDRESS, else a cluster of this machine"
        aside = options.ray.task_memory_bytes
        memory = f"{aside / _MIB:,.0f} MiB set aside a task" if aside else "no memory set aside"
        yield f"profile     cluster {address}; {memory}; {starts}"
    elif options.engine == "spark":
        cluster = options.spark.remote or options.spark.master
        place = cluster or "what spark-submit set, else this machine"
        yield f"profile     cluster {place}; {len(options.spark.conf)} settings; {starts}"
        for name in ("spark.executor.cores", "spark.executor.memory", "spark.executor.instances"):
            if name in options.spark.conf:
                yield f"            {name} {options.spark.conf[name]}"


def _driver(found: Sizes, options: EngineOptions, *, known: bool) -> Iterator[str]:
    """Say who joins pieces and verdicts, and what the driver holds."""
    limit = f"driver_rows {options.driver_rows:,}"
    if not known:
        yield f"pieces      joined by the driver up to {limit}, by stages beyond"
    elif found.on_driver:
        yield f"pieces      joined by the driver: no more rows than {limit}"
        yield (
            f"driver      {found.driver_bytes / _MIB:,.0f} MiB "
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
        first = next(read_split(file, split, batch_bytes=_HEAD_BYTES), None)
        names = first.batch.schema.names if first else []
        for column in params.compared:
            if column not in names:
                shown = ", ".join(names)
                yield f"WARNING     {file.path}: no '{column}' in the first rows (columns: {shown})"


def _formats(plan: Plan, params: DedupParams, on: str) -> Iterator[str]:
    """Say what is compared, and which formats the first rows of the first files speak for."""
    yield f"compared    the {on} of each row" if on != "all" else "compared    all text of each row"
    formats = None if params.format is None else (params.format,)
    starts = [split for split in plan.splits() if not split.start]
    for split in starts[:_SHOWN_FILES]:
        file = plan.inputs.files[split.file]
        first = next(read_split(file, split, batch_bytes=_HEAD_BYTES), None)
        if first is None or not len(first.batch):
            yield f"format      no rows to tell it by: {file.path}"
            continue
        found = detect(gather(first.batch, formats))
        if not found.formats:
            yield f"WARNING     {file.path}: {found.reasons[0]}"
            continue
        doubt = f", wanted {params.min_confidence}" if _is_doubtful(found, params) else ""
        shown = f"{', '.join(found.formats)} (confidence {found.confidence:.2f}{doubt})"
        yield f"{'WARNING ' if doubt else 'format  '}    {shown}: {file.path}"
    more = len(starts) - _SHOWN_FILES
    yield (
        f"            by the first rows; the job decides by the first {PEEKED_ROWS:,} of every file"
        + (f", {more:,} more" if more > 0 else "")
    )


def _is_doubtful(found: Detected, params: DedupParams) -> bool:
    return params.format is None and found.confidence < params.min_confidence


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
