"""`thresher plan decontaminate`: what would be searched for and where, before anything runs.

The benchmarks are read and their index is built as the job does it, so what the job would refuse is
refused here. Of the rows only footers and first rows are read, unless a sample is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from thresher.engines.options import EngineOptions
from thresher.leaks.indexed import Indexed, arrays_of
from thresher.leaks.presets import Preset, needed_ngrams
from thresher.planning import make_plan
from thresher.report import figures
from thresher_jobs.decontaminate import presets_of
from thresher_jobs.decontaminate_params import DecontaminateParams
from thresher_jobs.leak_index import build_index, count_tokens
from thresher_jobs.leak_items import REASONS, ReadBenchmark, read_benchmarks
from thresher_jobs.leak_sample import Sampled, search_sample
from thresher_jobs.plan_lines import (
    MIB,
    what_is_left_out,
    what_is_read,
    where_it_runs,
    which_formats,
)

# Resident bytes for each byte of text a task reads, beside process and index: tasks of 4 and 64 MiB
# of instructions, documentation and answers that all leak differ by 1.7, 2.4 and 3.7 (2026-11-21).
TASK_MEMORY_FACTOR = 4
SHOWN_IDS = 3


def describe(
    addresses: Sequence[str],
    params: DecontaminateParams,
    options: EngineOptions,
    sample: float | None = None,
) -> Iterator[str]:
    """Yield the plan's lines.

    Args:
        addresses: Inputs.
        params: What to search for.
        options: Where the job would run.
        sample: Search about this share of the inputs' bytes, and count.

    Raises:
        ThresherError: What the job would raise for benchmarks, rules and inputs.
    """
    benchmarks = read_benchmarks(params.against, count_tokens)
    presets = presets_of(params, benchmarks)
    for one in benchmarks:
        yield from _benchmark(one)
    published = not all(preset.by_kind for preset in presets)
    indexed = build_index(benchmarks, needed_ngrams(*presets), every=published, presets=presets)
    yield from _index(indexed)
    yield from _rule(presets[0])
    plan = make_plan(
        addresses, split_bytes=params.split_bytes, skip_unreadable=params.skip_unreadable
    )
    yield from what_is_read(plan)
    largest = plan.largest_task_bytes * TASK_MEMORY_FACTOR
    yield from where_it_runs(len(plan.tasks), largest, options)
    if params.text_column is None:
        yield from which_formats(plan, params)
    else:
        yield f"searched    column {params.text_column} alone"
    yield from what_is_left_out(plan)
    if sample:
        yield from _sample(search_sample(plan, params, presets, indexed, sample))


def _benchmark(one: ReadBenchmark) -> Iterator[str]:
    """Say what of a benchmark is searched for, how that was found out, and what is left out."""
    yield f"benchmark   {one.told}"
    if one.counts["filtered"]:
        where = one.benchmark.where
        yield f"            where {where}: {one.counts['filtered']:,} other rows are left out"
    for reason in REASONS:
        ids = [uid for uid, why in one.unusable if why == reason]
        if ids:
            more = f" and {len(ids) - SHOWN_IDS:,} more" if len(ids) > SHOWN_IDS else ""
            yield f"            {reason}: {', '.join(ids[:SHOWN_IDS])}{more}"


def _index(indexed: Indexed) -> Iterator[str]:
    parts = indexed.parts
    texts = sum(len(part.texts) for part in parts)
    arrays = [array for part in parts for array in arrays_of(part).values()]
    held = sum(one.nbytes for one in [*arrays, *(part.texts for part in parts), indexed.uids])
    yield (
        f"index       {len(indexed.uids):,} items as {texts:,} texts; {held / MIB:,.1f} MiB, which "
        "the workers of a machine share"
    )


def _rule(preset: Preset) -> Iterator[str]:
    yield f"rule        {preset.name}: {', '.join(preset.modes)}"
    if preset.differs:
        yield f"            not as published: {preset.differs}"


def _sample(found: Sampled) -> Iterator[str]:
    yield (
        f"sample      {found.rows:,} rows, {figures.share(found.bytes, found.of_bytes)} of the "
        f"bytes, in {found.pieces:,} of {found.of_pieces:,} pieces of the files"
    )
    leaked = figures.share(found.contaminated, found.rows, 2)
    suspect = figures.share(found.suspect, found.rows, 2)
    yield (
        f"            {found.contaminated:,} rows ({leaked}) with {found.items:,} of "
        f"{found.of_items:,} items leak, {found.suspect:,} ({suspect}) are suspect"
    )
    if found.unjudged:
        yield f"            {found.unjudged:,} rows cannot be judged"
