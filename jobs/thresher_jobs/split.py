"""`thresher split`: train, validation and test that share no near copies and no prompts.

formats        map       what the files hold, by their first rows
read           map       attributes that copies are found by; keys, strata and times beside them
collapse       exchange  rows with equal words meet
buckets, ...   exchange  rows that may be similar, as in dedup; all similar pairs, compared exactly
shared         exchange  rows with one prompt, or one value of a column, meet
edges, pieces  exchange  ties of all kinds make groups
members, order exchange  groups in the order in which they are given to splits
check          map       what lies across the borders; what is found is tied, and all made again
write          map       rows go to the folders of their splits
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, InputError
from thresher.inputs import check_unchanged
from thresher.planning import Plan, agree_on_schema, check_apart, make_plan
from thresher.run import Listener, Run, open_run
from thresher.splitting.assignment import Split
from thresher.splitting.values import ANY, NO_VALUE
from thresher.stage import MapStage, Receipt, stage_key
from thresher.steps.attributes import AttributeProbe, Attributes, ComparedReader
from thresher.steps.compared import Compared
from thresher.steps.first_read import FirstRead, first_read
from thresher.steps.split_log import encode_schema
from thresher.steps.split_noting import (
    MAX_STRATA,
    Noted,
    Strata,
    TieProbe,
    ages_of,
    stratum_order,
    too_many_strata,
)
from thresher.steps.split_probe import SplitProbe
from thresher.steps.split_writing import SplitRows, WriteSplits, write_splits, written
from thresher_jobs import split_report
from thresher_jobs.dedup_stages import check_ids
from thresher_jobs.dedup_state import CODE_VERSION, State, attribute_params
from thresher_jobs.dedup_texts import choose_compared
from thresher_jobs.detecting import peek_formats
from thresher_jobs.first_pass import (
    check_found,
    check_quarantined,
    first_pass,
    found_schemas,
    rows_of,
)
from thresher_jobs.split_deciding import Decision, Wish, decide_split
from thresher_jobs.split_params import SplitParams

logger = logging.getLogger(__name__)
SHOWN_VALUES = 10
SPLIT_VERSION = "split-2"  # raised when the same rows and parameters give other bytes


def split(
    addresses: Sequence[str],
    out: str,
    params: SplitParams,
    options: EngineOptions,
    listener: Listener | None = None,
    *,
    run: Run | None = None,
) -> dict[str, Any]:
    """Run the job and return its report.

    Args:
        addresses: Inputs.
        out: The folder to write.
        params: How many rows go where, and what may not be torn apart.
        options: Where to run.
        listener: Called as work goes on.
        run: A prepared run (other engines, tests); made from `out` and `options` if absent.

    Raises:
        ThresherError: One of its classes; the exit code says which kind.
    """
    run = run or open_run(out, options, listener)
    with run.guard():
        return _split(addresses, params, options, run)


def _split(
    addresses: Sequence[str], params: SplitParams, options: EngineOptions, run: Run
) -> dict[str, Any]:
    begin = time.monotonic()
    plan = make_plan(
        addresses, split_bytes=params.split_bytes, skip_unreadable=params.skip_unreadable
    )
    _check_columns(plan, params)
    check_apart(plan, run.store.root)
    if run.claim(identity(plan, params)):
        logger.info("%s is complete already; nothing to do", run.store.root)
        report: dict[str, Any] = run.store.get_json("report.json")
        return report
    run.state("running")
    plan, compared, told = choose_compared(run, plan, params.copies)
    probe, notes = make_probe(run, plan, params, compared)
    reader = ComparedReader(compared)
    read = FirstRead(reader, (probe,), params.skip_unreadable, params.max_doc_bytes)
    state, folder = _read(run, plan, params, read, probe, compared, options.driver_rows)
    state.facts |= told
    if params.id_column:
        check_ids(run, state, params.copies)
    kept, decision = decide(run, state, params, probe, folder)
    how = WriteSplits(
        split_rows(state, params, kept, decision),
        read,
        tuple(tuple(r.facts["fingerprints"]) for r in state.receipts),
        encode_schema(_schema(state)),
    )
    done = _write(run, state, params, how)
    for file in state.plan.inputs.files:
        check_unchanged(file)
    outcome = split_report.Outcome(params, state, probe, kept, decision, how.where, done, notes)
    return split_report.publish(run, outcome, begin)


def identity(plan: Plan, params: SplitParams) -> dict[str, Any]:
    """Return what makes this run this run; the output folder belongs to it."""
    return {
        "job": "split",
        "version": thresher.__version__,
        "params": params.model_dump(mode="json"),
        "inputs": plan.pins(),
    }


def named_columns(params: SplitParams) -> list[tuple[str, str]]:
    """List the columns that the user named, with the flags."""
    named = [(name, "--group-by") for name in params.group_by]
    if params.stratify not in (None, "source"):
        named.append((str(params.stratify), "--stratify"))
    for name, flag in (
        (params.id_column, "--id-column"),
        (params.by, "--by"),
        (params.age_column, "--newest or --after"),
    ):
        if name:
            named.append((name, flag))
    return named


def _check_columns(plan: Plan, params: SplitParams) -> None:
    """Check what footers tell, before anything is read or written."""
    if plan.schemas and len(plan.schemas) == len({s.file for s in plan.splits()}):
        agree_on_schema(
            plan.inputs,
            plan.schemas,
            params.copies.compared,
            named_columns(params),
            params.union_columns,
        )


def make_probe(
    run: Run, plan: Plan, params: SplitParams, compared: Compared
) -> tuple[SplitProbe, list[str]]:
    """Return what is noted of every row, and what the user should know of it.

    Where columns are compared, rows have prompts if their formats can be told.
    """
    formats: Mapping[int, tuple[str, ...]] | None = None
    notes: list[str] = []
    if params.group_prompts and compared.on is not None:
        formats = compared.formats
    elif params.group_prompts:
        try:
            found = peek_formats(
                run, plan, params.format, params.min_confidence, params.max_doc_bytes
            )
            formats = {file: known.formats for file, known in found.items()}
        except (InputError, ConfigError) as error:
            if params.format is not None:
                raise
            notes.append(f"prompts tie no rows, since no format is certain: {error.message}")
    return split_probe(params, compared, formats), notes


def split_probe(
    params: SplitParams,
    compared: Compared,
    formats: Mapping[int, tuple[str, ...]] | None,
    name: str = "split",
) -> SplitProbe:
    """Return what is noted of every row; `formats` are those by which prompts are read."""
    ties = TieProbe(
        formats,
        params.group_by,
        None if params.stratify == "source" else params.stratify,
        params.age_column,
        params.by,
        params.pins if params.by else {},
    )
    return SplitProbe(AttributeProbe(attribute_params(params.copies, compared)), ties, name)


def decide(
    run: Run,
    state: State,
    params: SplitParams,
    probe: SplitProbe,
    folder: str,
) -> tuple[Noted, Decision]:
    """Decide where rows go, once all are read; return it with what was noted of them.

    Args:
        run: Where to run.
        state: The rows, with the attributes that copies are found by and the columns' types.
        params: What is wanted.
        probe: What was noted of the rows.
        folder: Of the pass that noted it.

    Raises:
        InputError: The column that names splits holds other values.
        LimitError: More rows are wanted than there are, or no group fits a split.
    """
    if params.by is not None:
        _check_values(params.by, params, probe.facts(state.receipts))
    kept = Noted(probe.ties_in(folder), probe.ties.kinds, _strata(state, params, probe))
    return kept, decide_split(run, state, _wish(state, params, probe), kept)


def _check_values(by: str, params: SplitParams, facts: Sequence[Mapping[str, Any]]) -> None:
    """Refuse values that name no split: in training data they would be held-out rows that leak.

    Raises:
        InputError: Naming them with their rows.
    """
    found: Counter[str] = Counter()
    for one in facts:
        found += Counter(dict(one["unnamed"]))
    if not found:
        return
    most = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{_value(value)} ({rows:,} rows)" for value, rows in most[:SHOWN_VALUES])
    more = ", ..." if len(most) > SHOWN_VALUES else ""
    raise InputError(
        f"column '{by}' does not name a split in all rows: {told}{more}; known are "
        f"{', '.join(params.pins)}",
        remedy="say what they mean with --set train_values=a,b, --set validation_values=c or "
        f"--set test_values=d; {NO_VALUE} stands for rows without a value, {ANY} for all others",
    )


def _value(value: str) -> str:
    return "no value" if value == NO_VALUE else f"'{value[:80]}'"


def split_rows(
    state: State, params: SplitParams, noted: Noted, decision: Decision, name: str = "split"
) -> SplitRows:
    """Return where rows go and why, for the stage that writes them."""
    border = int(decision.walked.oldest[Split.TEST]) if params.age_column else None
    return SplitRows(
        state.compared,
        state.attributes,
        decision.placed,
        decision.home,
        noted,
        border,
        written(decision.walked.rows.sum(axis=1).tolist()),
        state.row_map,
        params.id_column is not None,
        name,
    )


def _read(
    run: Run,
    plan: Plan,
    params: SplitParams,
    read: FirstRead,
    probe: SplitProbe,
    compared: Compared,
    driver_rows: int,
) -> tuple[State, str]:
    """Read all rows once; return what is known of them, and the folder of the pass."""

    def stage_of(plan: Plan) -> MapStage:
        made_of = [CODE_VERSION, SPLIT_VERSION, thresher.__version__, plan.digest()]
        key = stage_key(*made_of, probe.attributes.params.digest(), repr(probe.ties))
        return MapStage("read", key, partial(first_read, read), plan.tasks)

    plan, stage, receipts = first_pass(run, plan, stage_of, params.split_bytes)
    kept = Attributes(probe.attributes_in(stage.folder))
    state = State(plan, stage.key, driver_rows, compared, kept, receipts)
    named = params.copies.compared, named_columns(params), params.union_columns
    check_found(plan, receipts, *named)
    check_quarantined(read, plan, receipts, params.max_quarantined_fraction, probe.unjudged)
    state.schema = agree_on_schema(plan.inputs, found_schemas(plan, receipts), *named)
    state.rows = rows_of(plan, receipts)
    return state, stage.folder


def _schema(state: State) -> pa.Schema:
    assert state.schema is not None
    return state.schema


def _strata(state: State, params: SplitParams, probe: SplitProbe) -> Strata:
    """Number the strata: sources in their order, values of a column sorted.

    Raises:
        LimitError: The column has too many values.
    """
    if params.stratify is None:
        return Strata(None, (None,))
    if params.stratify == "source":
        return Strata("source", tuple(s.name for s in state.plan.inputs.sources))
    values = {v for facts in probe.facts(state.receipts) for v in facts["strata"]}
    if len(values) > MAX_STRATA:
        raise too_many_strata(params.stratify)
    known = sorted(values - {None}, key=stratum_order)
    return Strata(params.stratify, (*known, None))


def _wish(state: State, params: SplitParams, probe: SplitProbe) -> Wish:
    if params.age_column is None:
        return Wish(params)
    known = [facts["ages"] for facts in probe.facts(state.receipts) if facts["ages"]]
    if not known:
        raise InputError(f"column '{params.age_column}' is null in all rows")
    ages = (min(young for young, _ in known), max(old for _, old in known))
    border = None
    if params.border is not None:
        border = _border(params, _schema(state).field(params.age_column).type)
    return Wish(params, border, ages)


def _border(params: SplitParams, kind: pa.DataType) -> int:
    """Return the age of the point in time that the user named, on the scale of the column.

    Raises:
        ConfigError: It cannot be read as a value of this column.
    """
    text = pa.array([params.border])
    try:
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        value = pc.cast(text, pa.float64()) if numeric else text
        return int(ages_of(value, str(params.age_column), None)[0])
    except (InputError, pa.ArrowInvalid) as error:
        raise ConfigError(
            f"--after {params.after}: '{params.border}' is no value of a column of {kind}",
            remedy="a time like 2024-06-01 or 2024-06-01T12:00, or a number",
        ) from error


def _write(run: Run, state: State, params: SplitParams, how: WriteSplits) -> list[Receipt]:
    key = state.stage_key("write", how.where.placed.held, how.where.ties.folder, how.schema_text)
    run.begin_output()
    return run.execute(MapStage("write", key, partial(write_splits, how), state.plan.tasks))


__all__ = [
    "decide",
    "identity",
    "make_probe",
    "named_columns",
    "split",
    "split_probe",
    "split_rows",
]
