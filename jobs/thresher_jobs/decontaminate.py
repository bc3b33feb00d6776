"""`thresher decontaminate`: find the items of benchmarks in training data, and only those.

formats      map       what every file holds, by its first rows (conversations and the like)
search       map       every segment of every row against the index of all benchmarks
settle       map       weak matches again, without n-grams that many rows share
write        map       rows go to data, removed and quarantine, matches beside them
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError
from thresher.formats.detection import Detected
from thresher.leaks.indexed import Indexed
from thresher.leaks.presets import Preset, find_preset, needed_ngrams, override
from thresher.leaks.tokens import VERSION
from thresher.params import digest_of
from thresher.planning import Plan, check_apart, expecting_texts, make_plan
from thresher.run import Listener, Run, open_run
from thresher.stage import MapStage, stage_key
from thresher.steps.first_read import FirstRead, counted, facts_of, first_read, noted
from thresher.steps.leak_searching import SearchProbe, SearchStep
from thresher.steps.row_texts import RowReader
from thresher_jobs import decontaminate_report
from thresher_jobs.decontaminate_params import DecontaminateParams
from thresher_jobs.detecting import peek_readable
from thresher_jobs.first_pass import (
    check_line_ids,
    check_quarantined,
    check_text_column,
    first_pass,
)
from thresher_jobs.leak_common import settle
from thresher_jobs.leak_index import build_index, count_tokens, keep_index, map_index
from thresher_jobs.leak_items import ReadBenchmark, read_benchmarks
from thresher_jobs.leak_outputs import check_action, write_outputs
from thresher_jobs.searched import Searched

logger = logging.getLogger(__name__)
CODE_VERSION = "leaks-5"  # raised when the same rows and benchmarks give other bytes


def decontaminate(
    addresses: Sequence[str],
    out: str,
    params: DecontaminateParams,
    options: EngineOptions,
    listener: Listener | None = None,
    *,
    run: Run | None = None,
) -> dict[str, Any]:
    """Run the job and return its report.

    Args:
        addresses: Inputs.
        out: The folder to write.
        params: What to search for, and what to do with what is found.
        options: Where to run.
        listener: Called as work goes on.
        run: A prepared run (other engines, tests); made from `out` and `options` if absent.

    Raises:
        ThresherError: One of its classes; the exit code says which kind.
    """
    run = run or open_run(out, options, listener)
    with run.guard():
        return _decontaminate(addresses, params, run)


def _decontaminate(
    addresses: Sequence[str], params: DecontaminateParams, run: Run
) -> dict[str, Any]:
    begin = time.monotonic()
    benchmarks = read_benchmarks(params.against, count_tokens)
    for one in benchmarks:
        logger.info("benchmark %s", one.told)
    presets = presets_of(params, benchmarks)
    plan = make_plan(
        addresses, split_bytes=params.split_bytes, skip_unreadable=params.skip_unreadable
    )
    check_apart(plan, run.store.root)
    if run.claim(identity(plan, params, benchmarks)):
        logger.info("%s is complete already; nothing to do", run.store.root)
        report: dict[str, Any] = run.store.get_json("report.json")
        return report
    run.state("running")
    indexed = index_of(benchmarks, presets)
    detected: dict[int, Detected] | None = None
    if params.text_column is None:
        plan, detected = peek_readable(run, plan, params)
        check_action(params.action, plan, detected)
        warn_unread(detected)
    else:
        plan = expecting_texts(plan, [params.text_column])
    probe = SearchProbe(search_step(run, params, presets, indexed, reader_of(params, detected)))
    step = probe.how
    read = FirstRead(step.reader, (probe,), params.skip_unreadable, params.max_doc_bytes)
    stage_of = partial(_stage, step, read)
    plan, stage, receipts = first_pass(run, plan, stage_of, params.split_bytes)
    found = noted(stage.folder, probe)
    if params.text_column is not None and not params.union_columns:
        check_text_column(plan, receipts, params.text_column)
    if params.id_column:
        check_line_ids(run, plan, receipts, found, stage.key, params.id_column)
    facts = facts_of(receipts, probe)
    check_quarantined(
        read,
        plan,
        receipts,
        params.max_quarantined_fraction,
        lambda r: int(counted(r, probe.name)["unjudged"]),
    )
    files = plan.inputs.files
    formats = {files[f].name: list(d.formats) for f, d in sorted((detected or {}).items())}
    left_out = unread_columns(detected)
    searched = Searched(params, benchmarks, indexed, presets, plan, receipts, formats, left_out)
    matches = sum(int(one["matches"]) for one in facts)
    settled = settle(run, plan, step, found, stage.key, matches, indexed)
    written = write_outputs(run, searched, step, found, settled.folder, stage.key)
    return decontaminate_report.publish(run, searched, settled, written, begin)


def index_of(benchmarks: Sequence[ReadBenchmark], presets: Sequence[Preset]) -> Indexed:
    """Build the index that these rules need."""
    published = not all(preset.by_kind for preset in presets)
    return build_index(benchmarks, needed_ngrams(*presets), every=published, presets=presets)


def search_step(
    run: Run,
    params: DecontaminateParams,
    presets: tuple[Preset, ...],
    indexed: Indexed,
    reader: RowReader,
) -> SearchStep:
    """Keep the index where every worker maps it, and return how rows are searched."""
    return SearchStep(
        keep_index(run.store, indexed),
        map_index,
        presets,
        reader,
        params.roles,
        params.join_user_turns,
        params.id_column,
        params.max_doc_bytes,
    )


def identity(
    plan: Plan, params: DecontaminateParams, benchmarks: Sequence[ReadBenchmark]
) -> dict[str, Any]:
    """Return what makes this run this run; the output folder belongs to it."""
    return {
        "job": "decontaminate",
        "version": thresher.__version__,
        "params": params.model_dump(mode="json"),
        "benchmarks": [
            {
                "name": one.benchmark.name,
                "described": one.benchmark.model_dump(mode="json"),
                "files": [list(file) for file in one.files],
            }
            for one in benchmarks
        ],
        "inputs": plan.pins(),
    }


def presets_of(
    params: DecontaminateParams, benchmarks: Sequence[ReadBenchmark]
) -> tuple[Preset, ...]:
    """Return the rule of each benchmark.

    Raises:
        ConfigError: An override of a benchmark is none.
    """
    common = override(find_preset(params.preset), params.modes)
    if params.common_rows is not None:
        common = common.model_copy(update={"common_rows": params.common_rows})
    found = []
    for one in benchmarks:
        try:
            found.append(override(common, one.benchmark.overrides))
        except ConfigError as error:
            raise ConfigError(
                f"benchmark {one.benchmark.name}: {error.message}", remedy=error.remedy
            ) from error
    return tuple(found)


def unread_columns(detected: Mapping[int, Detected] | None) -> tuple[str, ...]:
    """Return the columns that are not searched, since no format of their file knows them."""
    return tuple(sorted({name for found in (detected or {}).values() for name in found.unread}))


def warn_unread(detected: Mapping[int, Detected] | None) -> None:
    """Say before the search which columns hold text and are not searched."""
    names = sorted({name for found in (detected or {}).values() for name in found.texts})
    if names:
        logger.warning(
            "columns with text that no format of their file knows are not searched: %s (name the "
            "format, convert the file or rename the columns first, or search one with text_column, "
            "as --text-column NAME)",
            ", ".join(names),
        )


def reader_of(params: DecontaminateParams, detected: dict[int, Detected] | None) -> RowReader:
    """Return how rows are read: one column of them, or by the formats of the files."""
    if detected is None:
        return RowReader(None, params.text_column or "")
    return RowReader({file: found.formats for file, found in detected.items()}, "")


def _stage(step: SearchStep, read: FirstRead, plan: Plan) -> MapStage:
    formats = step.reader.formats
    made_of = [
        CODE_VERSION,
        thresher.__version__,
        VERSION,
        plan.digest(),
        step.index,
        digest_of([preset.model_dump(mode="json") for preset in step.presets]),
        str(None if formats is None else sorted(formats.items())),
        str((step.reader.text_column, step.roles, step.join_user_turns)),
        str((step.id_column, step.max_doc_bytes)),
    ]
    return MapStage("search", stage_key(*made_of), partial(first_read, read), plan.tasks)
