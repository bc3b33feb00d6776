"""`thresher run`: the steps of a recipe over one reading of the text.

formats      map       what every file holds, by its first rows
read         map       every row once; each step notes what it needs
(a step's)   ...       each decides about the rows that earlier steps left, from notes
write        map       rows are read again and go where the first decision sends them
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, LimitError
from thresher.formats.detection import Detected
from thresher.inputs import check_unchanged
from thresher.params import digest_of
from thresher.planning import Plan, agree_on_schema, check_apart, expecting_texts, plan_inputs
from thresher.run import Listener, Run, open_run
from thresher.stage import MapStage, Receipt, stage_key
from thresher.steps.chain import Decided
from thresher.steps.fate_digests import DIGESTS, digest_fates, written_by
from thresher.steps.first_read import FirstRead, Probe, counted, first_read, noted
from thresher.steps.grouping import grouped
from thresher.steps.outputs import FOLDERS
from thresher.steps.recipe_rows import Form
from thresher.steps.recipe_writing import RecipeWrite, write_rows
from thresher.steps.row_notes import RowEvents, RowProbe
from thresher.steps.row_texts import RowReader
from thresher.steps.split_log import encode_schema
from thresher_jobs.dedup_night import UNIT_ROWS
from thresher_jobs.detecting import peek_readable
from thresher_jobs.first_pass import (
    check_line_ids,
    check_quarantined,
    check_text_column,
    first_pass,
    found_schemas,
    rows_of,
)
from thresher_jobs.night_keys import MadeOf, read_key, written_key
from thresher_jobs.planting import Planter
from thresher_jobs.recipe import Recipe, Step, list_sources, resolved, typed_steps, with_languages
from thresher_jobs.recipe_advice import advised, unconverted
from thresher_jobs.recipe_composition import check_category, choose_counting
from thresher_jobs.recipe_finished import identity_of
from thresher_jobs.recipe_report import Flow, Recipes, flow_of, publish
from thresher_jobs.recipe_steps import (
    CODE_VERSION,
    DedupStep,
    Passed,
    RecipeStep,
    facts_alone,
)

if TYPE_CHECKING:
    from thresher_jobs.recipe_conversion import ConvertStep

logger = logging.getLogger(__name__)
ROWS = RowProbe(None).name


def run_recipe(
    recipe: Recipe,
    out: str,
    options: EngineOptions,
    listener: Listener | None = None,
    *,
    only: Sequence[str] = (),
    run: Run | None = None,
    planter: Planter | None = None,
) -> dict[str, Any]:
    """Run a recipe and return its report.

    Args:
        recipe: Sources and steps.
        out: The folder to write.
        options: Where to run.
        listener: Called as work goes on.
        only: Names of the steps wanted; all if empty.
        run: A prepared run (other engines, tests); made from `out` and `options` if absent.
        planter: What a night takes over from the version before, and leaves for the next.

    Raises:
        ThresherError: One of its classes; the exit code says which kind.
    """
    run = run or open_run(out, options, listener)
    run.planting = planter
    with run.guard(), advised(recipe):
        steps = typed_steps(recipe, only)
        if all(step.kind != "export" for step in steps):
            return _run(recipe, options, run, steps, planter)
        from thresher_jobs.recipe_export import check_free, export_result, without_exports

        steps, exports = without_exports(steps, run.store.root)
        for export in exports:
            check_free(export, recipe, steps)
        report = _run(recipe, options, run, steps, planter)
        for export in exports:
            export_result(run, export)
        return report


def make_steps(
    typed: Sequence[Step], recipe: Recipe, plan: Plan
) -> tuple[tuple[RecipeStep, ...], ConvertStep | None]:
    """Return what the steps do; the conversion comes apart, since the writer does it.

    Code of steps that a recipe does not have is not loaded.
    """
    made: list[RecipeStep] = []
    conversion: ConvertStep | None = None
    known = [source.name for source in plan.inputs.sources]
    sources = list(zip(known, (source.weight for source in recipe.sources), strict=True))
    for step in typed:
        params: Any = step.params
        if step.kind == "dedup":
            made.append(DedupStep(step.name, params))
        elif step.kind == "score":
            from thresher_jobs.recipe_score import ScoreStep

            made.append(ScoreStep(step.name, params, recipe.text_column is not None))
        elif step.kind == "decontaminate":
            from thresher_jobs.recipe_leaks import LeakStep

            made.append(LeakStep(step.name, params))
        elif step.kind == "mix":
            from thresher_jobs.recipe_mix import MixStep

            made.append(MixStep(step.name, params, sources))
        elif step.kind == "split":
            from thresher_jobs.recipe_split import SplitStep

            made.append(SplitStep(step.name, params, recipe.text_column))
        elif step.kind == "convert":
            from thresher_jobs.recipe_conversion import ConvertStep

            if recipe.text_column is not None:
                raise ConfigError(
                    f"step {step.name}: rows of plain text are not converted",
                    remedy="leave text_column out: formats are then detected",
                )
            conversion = ConvertStep(step.name, params)
    return tuple(made), conversion


def _run(
    recipe: Recipe,
    options: EngineOptions,
    run: Run,
    typed: Sequence[Step],
    planter: Planter | None,
) -> dict[str, Any]:
    begin = time.monotonic()
    plan = (None if planter is None else planter.plan) or plan_of(recipe)
    recipe = with_languages(recipe, sum(file.bytes for file in plan.inputs.files))
    steps, conversion = make_steps(typed, recipe, plan)
    for step in steps:
        step.nightly = planter is not None
        if planter is not None:
            step.memo = planter.memo
    files = {step.name: step.check() for step in steps}
    check_apart(plan, run.store.root)
    made_of = resolved(recipe, typed)
    if run.claim(identity_of(made_of, files, plan.pins())):
        logger.info("%s is complete already; nothing to do", run.store.root)
        report: dict[str, Any] = run.store.get_json("report.json")
        return report
    run.state("running")
    plan, detected = _formats(recipe, run, plan)
    plan = expecting_texts(plan, _text_columns(recipe, typed))
    kinds = MadeOf(made_of, files)
    passed = _read(recipe, run, plan, detected, steps, conversion, options, kinds, planter)
    decided = _decide(recipe, passed, steps)
    written = _write(recipe, passed, steps, decided, conversion, planter)
    for file in passed.plan.inputs.files:
        check_unchanged(file)
    names = [step.name for step in steps]
    flow = flow_of(passed.plan, written, names, None if conversion is None else conversion.name)
    try:
        _check_removed(typed, flow)
        if conversion is not None:
            reached = [source.reached(conversion.name) for source in flow.sources]
            conversion.check(passed.plan, reached, written)
    except LimitError:
        for folder in (*FOLDERS, *(f for step in steps for f in step.folders)):
            run.store.remove(folder)
        raise
    if planter is not None:
        keys = [planter.writes[task.index] for task in passed.plan.tasks]
        for step in steps:
            step.keep(passed, facts_alone(written, step.name), keys)
        planter.keep(passed, written)
    return publish(run, Recipes(recipe, made_of, passed, steps, conversion, written, flow), begin)


def plan_of(recipe: Recipe) -> Plan:
    """Find, pin and cut the sources."""
    inputs = list_sources(recipe)
    holding = {file.source for file in inputs.files}
    for number, source in enumerate(inputs.sources):
        if number not in holding:
            logger.warning("source '%s' holds no data file: %s", source.name, source.address)
    return plan_inputs(
        inputs, split_bytes=recipe.split_bytes, skip_unreadable=recipe.skip_unreadable
    )


def _text_columns(recipe: Recipe, typed: Sequence[Step]) -> list[str]:
    """List the columns that must hold text, whatever the formats."""
    compared = [getattr(step.params, "copies", step.params) for step in typed]
    named = [name for params in compared for name in getattr(params, "compared", ())]
    return [*named, *([] if recipe.text_column is None else [recipe.text_column])]


def _formats(recipe: Recipe, run: Run, plan: Plan) -> tuple[Plan, dict[int, Detected] | None]:
    """Decide on the files' formats, where no column is the text; what a source says holds."""
    if recipe.text_column is not None:
        return plan, None
    said = {
        number: name
        for number, file in enumerate(plan.inputs.files)
        if (name := recipe.sources[file.source].format) is not None
    }
    return peek_readable(run, plan, recipe, said)


def _read(
    recipe: Recipe,
    run: Run,
    plan: Plan,
    detected: dict[int, Detected] | None,
    steps: Sequence[RecipeStep],
    conversion: ConvertStep | None,
    options: EngineOptions,
    made_of: MadeOf,
    planter: Planter | None,
) -> Passed:
    """Read every row once; each step notes what it needs."""
    rows = RowProbe(recipe.id_column)
    probes: list[Probe] = [rows, *(step.prepare(run, detected) for step in steps)]
    probes.append(choose_counting(recipe, steps).probe)
    if conversion is not None:
        probes.append(conversion.prepare(detected))
    formats = None if detected is None else {f: d.formats for f, d in detected.items()}
    reader = RowReader(formats, recipe.text_column or "")
    how = FirstRead(reader, tuple(probes), recipe.skip_unreadable, recipe.max_doc_bytes)
    if planter is not None:
        notes = made_of.notes([step.settled for step in steps])
        known_as = planter.known_as
        planter.reads = partial(read_key, made_of=notes, detected=detected, known_as=known_as)

    def stage_of(plan: Plan) -> MapStage:
        digest = digest_of([made_of.recipe, made_of.files, planter is not None])
        key = stage_key(CODE_VERSION, thresher.__version__, plan.digest(), digest, str(formats))
        tasks = len(plan.tasks) if planter is None else planter.num_new(plan.tasks)
        local = options.engine == "local"
        spare = options.resolved_workers() // max(1, tasks) if local else 1
        work = partial(first_read, replace(how, threads=max(1, spare)))
        return MapStage("read", key, work, plan.tasks)

    plan, stage, receipts = first_pass(run, plan, stage_of, recipe.split_bytes)
    if recipe.text_column is not None and not recipe.union_columns:
        check_text_column(plan, receipts, recipe.text_column)
    if recipe.id_column:
        lines = noted(stage.folder, rows)
        check_line_ids(run, plan, receipts, lines, stage.key, recipe.id_column)
    check_category(plan, receipts, recipe.category)
    check_quarantined(
        how,
        plan,
        receipts,
        recipe.max_quarantined_fraction,
        lambda r: int(counted(r, rows.name)["unjudged"]),
    )
    return Passed(
        run,
        plan,
        stage.folder,
        stage.key,
        receipts,
        detected,
        rows_of(plan, receipts),
        options.driver_rows,
        None if planter is None else planter.memory(plan.tasks),
    )


def _decide(recipe: Recipe, passed: Passed, steps: Sequence[RecipeStep]) -> tuple[Decided, ...]:
    """Let every step decide about the rows that earlier ones left."""
    decided: list[Decided] = []
    key = passed.key
    first = RowEvents(noted(passed.folder, RowProbe(recipe.id_column)))
    for step in steps:
        with advised(recipe, step.name):
            decided.append(step.decide(passed, (first, *decided), key))
        key = stage_key(key, step.name)
    return tuple(decided)


def _write(
    recipe: Recipe,
    passed: Passed,
    steps: Sequence[RecipeStep],
    decided: tuple[Decided, ...],
    conversion: ConvertStep | None,
    planter: Planter | None,
) -> list[Receipt]:
    run, plan = passed.run, passed.plan
    schema = pa.schema([])
    if conversion is None:
        text = [] if recipe.text_column is None else [recipe.text_column]
        named = [(recipe.id_column, "id_column")] if recipe.id_column else []
        found = found_schemas(plan, passed.receipts)
        with unconverted(recipe):
            schema = agree_on_schema(plan.inputs, found, text, named, recipe.union_columns)
    formats = None
    if passed.detected is not None:
        formats = {file: found.formats for file, found in passed.detected.items()}
    key = stage_key(CODE_VERSION, passed.key, "write")
    besides = {
        number: beside
        for number, step in enumerate(steps)
        if (beside := step.beside(run, key)) is not None
    }
    form = Form(
        RowReader(formats, recipe.text_column or ""),
        passed.rows,
        None if conversion is None else conversion.choose(passed),
        "" if conversion is None else conversion.name,
    )
    how = RecipeWrite(
        form,
        RowEvents(noted(passed.folder, RowProbe(recipe.id_column))),
        decided,
        besides,
        tuple(tuple(r.facts["fingerprints"]) for r in passed.receipts),
        encode_schema(schema),
        next((draws for step in steps if (draws := step.draws) is not None), None),
        next((where for step in steps if (where := step.where) is not None), None),
        choose_counting(recipe, steps).figures(passed.folder),
        recipe.id_column is not None,
        recipe.max_doc_bytes,
    )
    run.begin_output()
    made_of = [encode_schema(schema), "" if conversion is None else conversion.digest()]
    if planter is not None:
        _compare_fates(passed, how, planter, stage_key(key, *made_of), made_of[-1])
    return run.execute(
        MapStage("write", stage_key(key, *made_of), partial(write_rows, how), plan.tasks)
    )


def _compare_fates(passed: Passed, how: RecipeWrite, planter: Planter, key: str, form: str) -> None:
    """Say by which key the parts of each task are known, before any row is read again."""
    assert planter.reads is not None
    tasks, rows = passed.plan.tasks, passed.task_rows
    groups = grouped(tasks, dict(enumerate(rows)), UNIT_ROWS)
    digest = partial(digest_fates, how, rows)
    told = passed.run.execute(MapStage("fates", key, digest, groups))
    digests = [digest for receipt in told for digest in receipt.facts[DIGESTS]]
    by = [CODE_VERSION, thresher.__version__, *written_by(how), form]
    planter.writes = {
        task.index: written_key(planter.reads(task), digest, by)
        for task, digest in zip(tasks, digests, strict=True)
    }


def _check_removed(typed: Sequence[Step], flow: Flow) -> None:
    """Refuse when a step would remove too much of what reaches it from a source; warn of all.

    Raises:
        LimitError: Naming step and source.
    """
    for step in typed:
        for source in flow.sources if step.kind != "mix" else ():
            if 0 < source.reached(step.name) == source.left_out[step.name]:
                logger.warning("step %s leaves no row of source '%s'", step.name, source.name)
        limit = getattr(step.params, "max_removed_fraction", None)
        if limit is None or step.kind == "dedup":
            continue  # copies are checked by the step itself, before a row is written
        for source in flow.sources:
            reached, removed = source.reached(step.name), source.left_out[step.name]
            if removed > limit * reached:
                raise LimitError(
                    f"step {step.name} would remove {removed} of {reached} rows of source "
                    f"'{source.name}', more than max_removed_fraction {limit}",
                    remedy=f"see which: 'thresher run RECIPE --out DIR --only {step.name} --set "
                    f"{step.name}.max_removed_fraction=1'; or raise the limit",
                )
