"""`thresher score`: signals of every row in one pass, and rules that decide by them.

formats      map       what every file holds, by its first rows (conversations and the like)
signals      map       every signal of every row
prompts      exchange  all answers to one prompt meet (only where a rule asks for it)
prompts-home exchange  what was found about them goes back to the tasks that own the rows
sift         map       rows go to data, removed and quarantine, signals beside them
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import InputError
from thresher.formats.catalogue import FORMATS
from thresher.formats.detection import Detected
from thresher.formats.rows import Kind
from thresher.planning import Plan, agree_on_schema, check_apart, expecting_texts, make_plan
from thresher.run import Listener, Run, open_run
from thresher.signals.computation import Computation, computation
from thresher.signals.profile import Profile, check_rules
from thresher.signals.prompts import SIGNALS as MET
from thresher.signals.prompts import Preference
from thresher.signals.signal import Signal
from thresher.stage import WORK, MapStage, Receipt, stage_key
from thresher.steps.first_read import FirstRead, counted, first_read, noted
from thresher.steps.row_texts import RowReader
from thresher.steps.scored import Lines
from thresher.steps.scoring import ScoreProbe, ScoreStep
from thresher_jobs.detecting import peek_readable
from thresher_jobs.first_pass import (
    check_line_ids,
    check_quarantined,
    check_text_column,
    first_pass,
    found_schemas,
)
from thresher_jobs.profiles import built_in_for, chosen, load_profile
from thresher_jobs.score_files import digest_of_asset, read_assets, wanted_profile
from thresher_jobs.score_params import ScoreParams
from thresher_jobs.scored import Scored
from thresher_jobs.sift import sift

logger = logging.getLogger(__name__)
CODE_VERSION = "score-2"  # raised when the same rows and profile give other signals
ASSETS = f"{WORK}/assets"


def score(
    addresses: Sequence[str],
    out: str,
    params: ScoreParams,
    options: EngineOptions,
    listener: Listener | None = None,
    *,
    run: Run | None = None,
) -> dict[str, Any]:
    """Run the job and return its report.

    Args:
        addresses: Inputs; earlier ones have priority where answers to one prompt are ranked.
        out: The folder to write.
        params: What to compute and to remove.
        options: Where to run.
        listener: Called as work goes on.
        run: A prepared run (other engines, tests); made from `out` and `options` if absent.

    Raises:
        ThresherError: One of its classes; the exit code says which kind.
    """
    run = run or open_run(out, options, listener)
    with run.guard():
        return _score(addresses, params, run)


def _score(addresses: Sequence[str], params: ScoreParams, run: Run) -> dict[str, Any]:
    begin = time.monotonic()
    named = params.text_column != ScoreParams.model_fields["text_column"].default
    wanted = wanted_profile(params, texts=named)
    assets = read_assets(params, wanted)
    if wanted is not None:  # what cannot be is refused before anything is written
        check_rules(wanted, signals_of(wanted, computation(wanted, assets)))
    plan = make_plan(
        addresses, split_bytes=params.split_bytes, skip_unreadable=params.skip_unreadable
    )
    check_apart(plan, run.store.root)
    if run.claim(identity(plan, params, wanted, assets)):
        logger.info("%s is complete already; nothing to do", run.store.root)
        report: dict[str, Any] = run.store.get_json("report.json")
        return report
    run.state("running")
    detected: dict[int, Detected] | None = None
    if wanted is None or wanted.uses_formats:
        plan, detected = peek_readable(run, plan, params)
    else:
        plan = expecting_texts(plan, [params.text_column])
    name, profile, made, step = make_step(run, params, wanted, assets, detected)
    probe = ScoreProbe(step)
    read = FirstRead(step.reader, (probe,), params.skip_unreadable, params.max_doc_bytes)
    stage_of = partial(_stage, step, read)
    plan, stage, receipts = first_pass(run, plan, stage_of, params.split_bytes)
    lines = noted(stage.folder, probe)
    if not profile.uses_formats and not params.union_columns:
        check_text_column(plan, receipts, params.text_column)
    if params.id_column:
        check_line_ids(run, plan, receipts, lines, stage.key, params.id_column)
    check_quarantined(
        read,
        plan,
        receipts,
        params.max_quarantined_fraction,
        lambda r: int(counted(r, probe.name)["unjudged"]),
    )
    formats = {} if detected is None else {f: d.formats for f, d in detected.items()}
    counter = made.counter if "tokens" in profile.groups else None
    scored = Scored(
        params,
        name,
        profile,
        signals_of(profile, made),
        made.models(),
        counter is not None and not counter.exact,
        step,
        Lines(folder=lines),
        plan,
        receipts,
        _schema(plan, receipts, params, made),
        stage.key,
        formats,
    )
    return sift(run, scored, params, begin)


def make_step(
    run: Run,
    params: ScoreParams,
    wanted: Profile | None,
    assets: Mapping[str, bytes],
    detected: Mapping[int, Detected] | None,
) -> tuple[str, Profile, Computation, ScoreStep]:
    """Return the profile in force with its name, what computes its signals, and the step.

    Args:
        run: Where files that signals need are kept.
        params: The parameters.
        wanted: The profile, where the user named one.
        assets: Those files.
        detected: By file, its formats.
    """
    name, profile = _profile(params, wanted, detected)
    step = ScoreStep(
        profile,
        _keep_assets(run, assets),
        RowReader(_formats(detected) if profile.uses_formats else None, params.text_column),
        params.id_column,
        Preference(params.prefer),
        params.max_doc_bytes,
    )
    return name, profile, computation(profile, assets), step


def signals_of(profile: Profile, made: Computation) -> tuple[Signal, ...]:
    """Return all signals, those of prompts included."""
    return (*made.signals, *(MET if "prompts" in profile.groups else ()))


def identity(
    plan: Plan, params: ScoreParams, profile: Profile | None, assets: Mapping[str, bytes]
) -> dict[str, Any]:
    """Return what makes this run this run; the output folder belongs to it."""
    return {
        "job": "score",
        "version": thresher.__version__,
        "params": params.model_dump(mode="json"),
        "profile": None if profile is None else profile.model_dump(mode="json", by_alias=True),
        "assets": {name: digest_of_asset(content) for name, content in sorted(assets.items())},
        "inputs": plan.pins(),
    }


def _keep_assets(run: Run, assets: Mapping[str, bytes]) -> dict[str, str]:
    """Put the files where every worker can read them."""
    names = {}
    for name, content in sorted(assets.items()):
        names[name] = f"{ASSETS}/{digest_of_asset(content)[:32]}"
        run.store.put(names[name], content)
    return names


def _profile(
    params: ScoreParams, wanted: Profile | None, detected: Mapping[int, Detected] | None
) -> tuple[str, Profile]:
    if wanted is not None:
        auto = params.profile == "auto"
        return built_in_for({Kind.TEXT}) if auto else params.profile, wanted
    assert detected is not None
    name = built_in_for(
        {FORMATS[format].kind for found in detected.values() for format in found.formats}
    )
    return name, chosen(load_profile(name), params)


def _formats(detected: Mapping[int, Detected] | None) -> dict[int, tuple[str, ...]]:
    assert detected is not None
    return {file: found.formats for file, found in detected.items()}


def _stage(step: ScoreStep, read: FirstRead, plan: Plan) -> MapStage:
    made_of = [
        CODE_VERSION,
        thresher.__version__,
        plan.digest(),
        step.profile.model_copy(update={"rules": {}}).model_dump_json(),
        str(sorted(step.assets.items())),
        str(None if step.reader.formats is None else sorted(step.reader.formats.items())),
        str((step.reader.text_column, step.id_column, step.prefer.text, step.max_doc_bytes)),
    ]
    return MapStage("signals", stage_key(*made_of), partial(first_read, read), plan.tasks)


def _schema(
    plan: Plan, receipts: Sequence[Receipt], params: ScoreParams, made: Computation
) -> pa.Schema:
    """Return the one schema of the output.

    Raises:
        InputError: Files disagree, or a column has the name of one that is written.
    """
    text = [] if made.profile.uses_formats else [params.text_column]
    named = [(params.id_column, "--id-column")] if params.id_column else []
    schema = agree_on_schema(
        plan.inputs, found_schemas(plan, receipts), text, named, params.union_columns
    )
    if params.annotate:
        taken = {signal.name for signal in made.signals} & {*schema.names}
        if taken:
            raise InputError(
                f"column '{min(taken)}' has the name of a signal",
                path=plan.inputs.files[0].path,
                remedy="rename it, or score without --annotate: signals/ holds the figures too",
            )
    return schema
