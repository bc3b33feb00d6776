"""What `thresher plan` says of every job: what is read, in which formats, by which workers."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from thresher.engines.options import EngineOptions
from thresher.errors import InputError
from thresher.formats.detection import Detected, Evidence, detect, gather
from thresher.inputs import InputFile
from thresher.planning import Plan
from thresher.readers import MAX_DOC_BYTES, read_split
from thresher.splits import Split
from thresher.steps.loose_reading import may_loosen, read_loose
from thresher.steps.peeking import PEEKED_ROWS
from thresher.steps.reading import ReadTask
from thresher_jobs.detecting import Peeking

MIB = 1 << 20
HEAD_BYTES = 1 << 16
_SHOWN_FILES = 10


def what_is_read(plan: Plan) -> Iterator[str]:
    """Say how much there is to read."""
    stored = sum(file.bytes for file in plan.inputs.files)
    yield f"inputs      {len(plan.inputs.files)} files, {stored:,} bytes stored"
    rows = f"{plan.rows:,} rows" if plan.rows is not None else "rows known after reading"
    yield f"to read     {plan.bytes:,} bytes uncompressed (estimated), {rows}"


def what_is_left_out(plan: Plan) -> Iterator[str]:
    """Say which files are not read and why, and what else there is to know."""
    for ignored in plan.inputs.ignored:
        yield f"ignored     {ignored.path}: {ignored.reason}"
    for unreadable in plan.unreadable:
        yield f"left out    {unreadable.path}: {unreadable.error}"
    for note in plan.notes:
        yield f"note        {note}"


def where_it_runs(tasks: int, task_memory_bytes: int, options: EngineOptions) -> Iterator[str]:
    """Say which workers run the tasks, and what one of them needs.

    Args:
        tasks: Tasks of the stages that read.
        task_memory_bytes: Resident bytes of the largest task.
        options: Where they run.
    """
    largest = task_memory_bytes / MIB
    workers = options.known_workers()
    if workers is None:
        on = "as many workers as the cluster has cores"
        together = ""
    else:
        busy = min(workers, tasks)
        on = f"{busy} of {workers} workers"
        together = f", together {largest * busy:,.0f} MiB"
    yield f"tasks       {tasks:,} on {on}, engine {options.engine}"
    yield from _profile(options)
    yield f"memory      largest task {largest:,.0f} MiB{together}"
    aside = options.ray.task_memory_bytes if options.engine == "ray" else 0
    if aside and aside < task_memory_bytes:
        yield (
            f"WARNING     ray.task_memory_bytes sets {aside / MIB:,.0f} MiB aside for a task that "
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
        memory = f"{aside / MIB:,.0f} MiB set aside a task" if aside else "no memory set aside"
        yield f"profile     cluster {address}; {memory}; {starts}"
    elif options.engine == "spark":
        cluster = options.spark.remote or options.spark.master
        place = cluster or "what spark-submit set, else this machine"
        yield f"profile     cluster {place}; {len(options.spark.conf)} settings; {starts}"
        for name in ("spark.executor.cores", "spark.executor.memory", "spark.executor.instances"):
            if name in options.spark.conf:
                yield f"            {name} {options.spark.conf[name]}"


def which_formats(plan: Plan, params: Peeking) -> Iterator[str]:
    """Say which formats the first rows of the first files speak for."""
    formats = None if params.format is None else (params.format,)
    starts = [split for split in plan.splits() if not split.start]
    for split in starts[:_SHOWN_FILES]:
        file = plan.inputs.files[split.file]
        evidence = Evidence()
        for batch in _first_batches(file, split):
            evidence.add(gather(batch, formats))
        if not evidence.rows:
            yield f"format      no rows to tell it by: {file.path}"
            continue
        found = detect(evidence)
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


def _first_batches(file: InputFile, split: Split) -> list[pa.RecordBatch]:
    """Read the first rows of a file; by their types, where a column of JSON has several."""
    try:
        first = next(read_split(file, split, batch_bytes=HEAD_BYTES), None)
        return [] if first is None else [first.batch]
    except InputError as told:
        if not may_loosen(file, told):
            raise
    task = ReadTask(file.source, (file,), (split,))
    block = next(read_loose(task, 0, 0, MAX_DOC_BYTES), None)
    return [] if block is None else [piece.batch for piece in block.pieces]


def _is_doubtful(found: Detected, params: Peeking) -> bool:
    return params.format is None and found.confidence < params.min_confidence
