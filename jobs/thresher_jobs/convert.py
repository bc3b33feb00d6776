"""`thresher convert`: from the formats that people publish to those that trainers read.

survey       map       what every file holds: its format, its columns, how to read it
convert      map       rows go to data, removed and quarantine
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, InputError, LimitError
from thresher.formats.catalogue import FORMATS
from thresher.formats.conversion import FORM_LOSSES, Conversion, ordered_losses
from thresher.formats.detection import Detected, Evidence
from thresher.formats.messages import REASONING_FIELDS
from thresher.formats.reshape import can_become
from thresher.formats.rows import Kind
from thresher.formats.templates import BUILT_IN, Rendering, check_template
from thresher.inputs import check_unchanged
from thresher.params import digest_of
from thresher.planning import RESERVED, Plan, check_apart, make_plan
from thresher.run import Listener, Run, open_run
from thresher.stage import MapStage, Receipt, stage_key
from thresher.steps.converting import ConvertStep, convert_task
from thresher.steps.rows import row_map
from thresher.steps.surveying import agreed_types, survey
from thresher_jobs import convert_report
from thresher_jobs.convert_params import ConvertParams
from thresher_jobs.detecting import decide_formats
from thresher_jobs.first_pass import first_pass

logger = logging.getLogger(__name__)
CODE_VERSION = "convert-5"  # raised when the same inputs and parameters give other bytes
OUTPUTS = ("data", "removed", "quarantine", "ledger")


@dataclass
class State:
    """What is known so far.

    Args:
        plan: What is read.
        surveyed: The survey's facts, by task: what each split holds.
        detected: By file, its formats.
        conversion: How rows are written.
    """

    plan: Plan
    surveyed: Sequence[Mapping[str, Any]]
    detected: dict[int, Detected] = field(default_factory=dict)
    conversion: Conversion | None = None


def convert(
    addresses: Sequence[str],
    out: str,
    params: ConvertParams,
    options: EngineOptions,
    listener: Listener | None = None,
    *,
    run: Run | None = None,
) -> dict[str, Any]:
    """Run the job and return its report.

    Args:
        addresses: Inputs, of one format or of several.
        out: The folder to write.
        params: What to write.
        options: Where to run.
        listener: Called as work goes on.
        run: A prepared run (other engines, tests); made from `out` and `options` if absent.

    Raises:
        ThresherError: One of its classes; the exit code says which kind.
    """
    run = run or open_run(out, options, listener)
    with run.guard():
        return _convert(addresses, params, options, run)


def _convert(
    addresses: Sequence[str], params: ConvertParams, options: EngineOptions, run: Run
) -> dict[str, Any]:
    begin = time.monotonic()
    rendering = load_template(params)
    plan = make_plan(
        addresses, split_bytes=params.split_bytes, skip_unreadable=params.skip_unreadable
    )
    check_apart(plan, run.store.root)
    if run.claim(identity(plan, params, rendering)):
        logger.info("%s is complete already; nothing to do", run.store.root)
        report: dict[str, Any] = run.store.get_json("report.json")
        return report
    run.state("running")
    state = _survey(run, plan, params)
    _detect(state, params)
    state.conversion = choose_conversion(state, params, rendering)
    converted = _write(run, state, params)
    for file in state.plan.inputs.files:
        check_unchanged(file)
    _check_limits(run, state, params, converted)
    return convert_report.publish(
        run,
        convert_report.Outcome(
            params,
            state.plan,
            converted,
            state.detected,
            state.conversion,
            rendering,
        ),
        begin,
    )


def load_template(params: ConvertParams) -> Rendering | None:
    """Return the chat template, or None; it is tried in its sandbox first.

    Raises:
        ConfigError: There is no such template, or it is refused.
    """
    if params.template is None:
        return None
    source = BUILT_IN.get(params.template)
    if source is None:
        try:
            source = Path(params.template).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"--template {params.template}: cannot be read ({error})",
                remedy=f"built in: {', '.join(BUILT_IN)}; or name a file",
            ) from error
    rendering = Rendering(source, params.loss_spans)
    problem = check_template(rendering)
    if problem is not None:
        raise ConfigError(f"--template {params.template} is refused: {problem}")
    return rendering


def identity(plan: Plan, params: ConvertParams, rendering: Rendering | None) -> dict[str, Any]:
    """Return what makes this run this run; the output folder belongs to it."""
    return {
        "job": "convert",
        "version": thresher.__version__,
        "params": params.model_dump(mode="json"),
        "template": None if rendering is None else digest_of(rendering.source),
        "inputs": plan.pins(),
    }


def _survey(run: Run, plan: Plan, params: ConvertParams) -> State:
    """Survey all files; plan again without those that turn out to be unreadable."""
    formats = None if params.format is None else (params.format,)

    def stage_of(plan: Plan) -> MapStage:
        how = [str(formats), str(params.max_doc_bytes), str(sorted(params.rename.items()))]
        key = stage_key(CODE_VERSION, thresher.__version__, plan.digest(), *how)
        function = partial(
            survey, formats, params.rename, params.max_doc_bytes, params.skip_unreadable
        )
        return MapStage("survey", key, function, plan.tasks)

    plan, _, receipts = first_pass(run, plan, stage_of, params.split_bytes)
    surveyed = [receipt.facts for receipt in receipts]
    _check_renamed(params, [split for facts in surveyed for split in facts["splits"]])
    return State(plan, surveyed)


def _check_renamed(params: ConvertParams, splits: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a name that no file has: nothing would be renamed."""
    missing = sorted(params.rename.keys() - {name for split in splits for name in split["renamed"]})
    if missing:
        columns = agreed_types([(split["schema"], split["several"]) for split in splits])[0].names
        raise InputError(
            f"rename: no input has a column {missing[0]!r}",
            remedy=f"there are {', '.join(columns)}",
        )


def _detect(state: State, params: ConvertParams) -> None:
    """Decide on each file's formats by all of its rows."""
    evidence: dict[int, Evidence] = {}
    for task, found in zip(state.plan.tasks, state.surveyed, strict=True):
        for split, facts in zip(task.payload.splits, found["splits"], strict=True):
            known = evidence.setdefault(split.file, Evidence())
            known.add(Evidence.from_json(facts["evidence"]))
    state.detected = decide_formats(state.plan, evidence, params.format, params.min_confidence)


def choose_conversion(
    state: State, params: ConvertParams, rendering: Rendering | None
) -> Conversion:
    """Fix how rows are written: the same for all files, so that all parts have one schema."""
    export = params.export
    _check_kinds(state, params, rendering)
    present: set[str] = set()
    wanted: set[str] = set()
    parts = []
    for task, found in zip(state.plan.tasks, state.surveyed, strict=True):
        for split, facts in zip(task.payload.splits, found["splits"], strict=True):
            held = facts["evidence"]["present"]
            for name in state.detected[split.file].formats:
                present |= {key for key in held.get(name, {}) if not key.startswith("extra:")}
                wanted |= {key[6:] for key in held.get(name, {}) if key.startswith("extra:")}
            parts.append((facts["schema"], facts["several"]))
    types, several = agreed_types(parts)
    plain = Conversion(
        (),
        export.format,
        export.writing(frozenset(present), _reasoning(params, types)),
        order=params.order,
        pairs=params.pairs,
        rendering=rendering,
    )
    if params.extra_columns == "drop" or not export.extra:
        return plain
    taken = {*plain.schema.names, *RESERVED}
    extra = [f for f in types if f.name in wanted and f.name not in taken]
    mixed = frozenset(f.name for f in extra) & several
    return Conversion(
        (), plain.target, plain.how, pa.schema(extra), mixed, params.order, params.pairs, rendering
    )


def _check_kinds(state: State, params: ConvertParams, rendering: Rendering | None) -> None:
    target = Kind.CHAT if rendering is not None else FORMATS[params.export.format].kind
    kinds = {FORMATS[name].kind for found in state.detected.values() for name in found.formats}
    if any(can_become(kind, target) for kind in kinds):
        return
    have = " or ".join(sorted(kinds))
    if target is Kind.TEXT and rendering is None and can_become(min(kinds), Kind.CHAT):
        raise ConfigError(
            f"--to {params.to}: a {have} becomes text through a chat template",
            remedy="add --template chatml, llama3 or a file",
        )
    raise ConfigError(
        f"--to {params.to}: a {have} holds nothing that a {target} could be made of",
        remedy="answers and judgements are never made up",
    )


def _reasoning(params: ConvertParams, types: pa.Schema) -> str:
    """Return the name of the reasoning field."""
    if params.reasoning_field != "auto":
        return params.reasoning_field
    names: set[str] = set()
    for column in types:
        kind = column.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            kind = kind.value_type
        if pa.types.is_struct(kind):
            names |= {kind.field(i).name for i in range(kind.num_fields)}
    found = names & set(REASONING_FIELDS)
    alone = len(found) == 1 and params.export.consumer == "none"
    return found.pop() if alone else REASONING_FIELDS[0]


def _write(run: Run, state: State, params: ConvertParams) -> list[Receipt]:
    assert state.conversion is not None
    plan = state.plan
    splits = [found["splits"] for found in state.surveyed]
    rows = [[facts["rows"] for facts in of_task] for of_task in splits]
    names = row_map(
        tuple(f.name for f in plan.inputs.files),
        [[s.file for s in task.payload.splits] for task in plan.tasks],
        rows,
    )
    step = ConvertStep(
        state.conversion,
        {file: found.formats for file, found in state.detected.items()},
        tuple(tuple(facts["loose"] for facts in of_task) for of_task in splits),
        names,
        tuple(tuple(counts) for counts in rows),
        params.max_doc_bytes,
        params.rename,
    )
    rendering = state.conversion.rendering
    made_of = [
        params.model_dump_json(),
        "" if rendering is None else rendering.source,
        str(sorted(step.formats.items())),
        str(state.conversion.schema),
    ]
    key = stage_key(CODE_VERSION, thresher.__version__, plan.digest(), *made_of)
    run.begin_output()
    return run.execute(MapStage("convert", key, partial(convert_task, step), plan.tasks))


def _check_limits(run: Run, state: State, params: ConvertParams, converted: list[Receipt]) -> None:
    """Refuse when too much is quarantined, or with --strict when anything is lost.

    Raises:
        LimitError: Nothing is published; the outputs are gone.
    """
    rows: Counter[int] = Counter()
    bad: Counter[int] = Counter()
    losses: Counter[str] = Counter()
    for task, receipt in zip(state.plan.tasks, converted, strict=True):
        rows[task.payload.source] += receipt.rows_in
        bad[task.payload.source] += sum(s["rows"][2] for s in receipt.facts["splits"])
        losses += Counter(receipt.facts["losses"])
    problem = None
    for source, total in sorted(rows.items()):
        if problem is None and bad[source] > params.max_quarantined_fraction * total:
            name = state.plan.inputs.sources[source].name
            reasons = convert_report.main_errors(run, converted)
            problem = LimitError(
                f"{bad[source]} of {total} rows of source '{name}' cannot be converted, more than "
                f"max_quarantined_fraction {params.max_quarantined_fraction}: {reasons}",
                remedy="look at the rows, choose another --to, or raise the limit with --set",
            )
    problem = problem or lost(params, losses)
    if problem is not None:
        for folder in OUTPUTS:
            run.store.remove(folder)
        raise problem


def lost(params: ConvertParams, losses: Mapping[str, int]) -> LimitError | None:
    """Return the error that --strict calls for when anything is lost.

    Args:
        params: What to write.
        losses: Rows by what they lost.
    """
    ordered = ordered_losses(losses)
    real = {what: count for what, count in ordered.items() if what not in FORM_LOSSES}
    if not (params.strict and real):
        return None
    told = ", ".join(f"{what} in {count} rows" for what, count in real.items())
    return LimitError(
        f"{params.to} cannot hold all that there is: {told}",
        remedy="choose another --to, or leave --strict out",
    )
