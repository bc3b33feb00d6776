"""`thresher mix`: a weighted mixture of sources.

formats   map       what every file holds, by its first rows
contents  map       a hash, the tokens and the category of every row
count ... exchange  how much each source gives, and where its draw ends (see mix_decide)
write     map       rows go to data, as often as they are drawn, and to removed
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, InputError
from thresher.formats.detection import Detected
from thresher.inputs import check_unchanged
from thresher.mixing.targets import columns_of
from thresher.planning import Plan, agree_on_schema, check_apart, make_plan
from thresher.run import Listener, Run, open_run
from thresher.signals.tokens import TokenizerFile
from thresher.stage import WORK, MapStage, Receipt, stage_key
from thresher.steps.first_read import FirstRead, counted, first_read, noted
from thresher.steps.mix_probe import AllStrings, MixProbe, MixStep
from thresher.steps.mix_writing import MixWrite, write_mixture
from thresher.steps.row_texts import RowReader
from thresher.steps.split_log import encode_schema
from thresher_jobs import mix_report
from thresher_jobs.detecting import peek_readable
from thresher_jobs.first_pass import (
    check_line_ids,
    check_quarantined,
    check_text_column,
    first_pass,
    found_schemas,
    rows_of,
)
from thresher_jobs.mix_decide import CODE_VERSION, Mixture, decide
from thresher_jobs.mix_params import MixParams, addresses_of, names_of, shares_of

logger = logging.getLogger(__name__)
MOST_TOKENIZER_BYTES = 1 << 30


def mix(
    inputs: Sequence[str],
    out: str,
    params: MixParams,
    options: EngineOptions,
    listener: Listener | None = None,
    *,
    run: Run | None = None,
) -> dict[str, Any]:
    """Run the job and return its report.

    Args:
        inputs: The sources, where `params` names none.
        out: The folder to write.
        params: What to mix, and how.
        options: Where to run.
        listener: Called as work goes on.
        run: A prepared run (other engines, tests); made from `out` and `options` if absent.

    Raises:
        ThresherError: One of its classes; the exit code says which kind.
    """
    run = run or open_run(out, options, listener)
    with run.guard():
        return _mix(addresses_of(params, inputs), params, run)


def _mix(addresses: Sequence[str], params: MixParams, run: Run) -> dict[str, Any]:
    begin = time.monotonic()
    tokenizer = read_tokenizer(params.tokenizer)
    plan = make_plan(
        addresses, split_bytes=params.split_bytes, skip_unreadable=params.skip_unreadable
    )
    check_apart(plan, run.store.root)
    names = names_of(params, plan.inputs)
    columns = columns_of(params, shares_of(params, names))
    if run.claim(identity(plan, params, tokenizer)):
        logger.info("%s is complete already; nothing to do", run.store.root)
        report: dict[str, Any] = run.store.get_json("report.json")
        return report
    run.state("running")
    plan, reader, notes = choose_reader(run, plan, params)
    step = MixStep(
        reader,
        keep_tokenizer(run, tokenizer),
        columns,
        params.id_column,
        params.by == "tokens",
    )
    probe = MixProbe(step)
    read = FirstRead(step.reader, (probe,), params.skip_unreadable, params.max_doc_bytes)
    plan, stage, receipts = first_pass(run, plan, partial(_stage, step, read), params.split_bytes)
    _check(run, plan, receipts, params, stage, probe)
    schema = _schema(plan, receipts, params, columns)
    shares = shares_of(params, names)
    lines = noted(stage.folder, probe)
    mixture = decide(run, plan, lines, params, shares, names, params.seed, (), stage.key)
    written = _write(run, plan, params, step, mixture, receipts, schema, stage.key)
    counter = step.counter(run.store)
    return mix_report.publish(
        run,
        mix_report.Mixed(params, plan, receipts, written, mixture, names, counter, columns),
        notes,
        begin,
    )


def read_tokenizer(path: str | None) -> bytes | None:
    """Read the file that counts tokens, and check that it does.

    Raises:
        ConfigError: It cannot be read, or is none.
        EngineError: The package that reads it is not installed.
    """
    if path is None:
        return None
    try:
        size = Path(path).stat().st_size
        content = Path(path).read_bytes() if size <= MOST_TOKENIZER_BYTES else None
    except OSError as error:
        raise ConfigError(f"cannot be read ({error})", path=path) from error
    if content is None:
        raise ConfigError(f"is larger than {MOST_TOKENIZER_BYTES >> 20} MiB", path=path)
    TokenizerFile(content, path)
    return content


def keep_tokenizer(run: Run, content: bytes | None) -> str | None:
    """Put the tokenizer where every worker can read it; return its name."""
    if content is None:
        return None
    name = f"{WORK}/assets/{_digest(content)[:32]}"
    run.store.put(name, content)
    return name


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def identity(plan: Plan, params: MixParams, tokenizer: bytes | None) -> dict[str, Any]:
    """Return what makes this run this run; the output folder belongs to it."""
    return {
        "job": "mix",
        "version": thresher.__version__,
        "params": params.model_dump(mode="json"),
        "tokenizer": None if tokenizer is None else _digest(tokenizer),
        "inputs": plan.pins(),
    }


def choose_reader(
    run: Run, plan: Plan, params: MixParams
) -> tuple[Plan, RowReader | AllStrings, list[str]]:
    """Return how rows are read as text, and what the user should know of it.

    Raises:
        InputError: A file is of no known format, and tokens decide.
        ConfigError: It may be of several.
    """
    if params.text_column is not None:
        return plan, RowReader(None, params.text_column), []
    strict = params.by == "tokens" or params.format is not None
    try:
        plan, detected = peek_readable(run, plan, params)
    except (InputError, ConfigError) as error:
        if strict:
            raise
        note = f"tokens are those of all columns of strings: {error.path}: {error.message}"
        return plan, AllStrings(), [note]
    return plan, RowReader(_formats(detected), "text"), []


def _formats(detected: Mapping[int, Detected]) -> dict[int, tuple[str, ...]]:
    return {file: found.formats for file, found in detected.items()}


def _stage(step: MixStep, read: FirstRead, plan: Plan) -> MapStage:
    reader = step.reader
    formats = reader.formats if isinstance(reader, RowReader) else None
    column = reader.text_column if isinstance(reader, RowReader) else None
    made_of = [
        CODE_VERSION,
        thresher.__version__,
        plan.digest(),
        type(reader).__name__,
        str(None if formats is None else sorted(formats.items())),
        str((column, step.tokenizer, step.categories, step.id_column, step.counted)),
        str(read.max_doc_bytes),
    ]
    return MapStage("contents", stage_key(*made_of), partial(first_read, read), plan.tasks)


def _check(
    run: Run,
    plan: Plan,
    receipts: Sequence[Receipt],
    params: MixParams,
    stage: MapStage,
    probe: MixProbe,
) -> None:
    if params.text_column is not None and not params.union_columns:
        check_text_column(plan, receipts, params.text_column)
    if params.id_column:
        lines = noted(stage.folder, probe)
        check_line_ids(run, plan, receipts, lines, stage.key, params.id_column)
    check_quarantined(
        plan,
        receipts,
        params.max_quarantined_fraction,
        lambda receipt: int(counted(receipt, probe.name)["unjudged"]),
    )


def _schema(
    plan: Plan, receipts: Sequence[Receipt], params: MixParams, columns: Sequence[str | None]
) -> pa.Schema:
    """Return the one schema of the output."""
    text = [] if params.text_column is None else [params.text_column]
    named = [(params.id_column, "--id-column")] if params.id_column else []
    named += [(c, "--category-column") for c in sorted({c for c in columns if c is not None})]
    schemas = found_schemas(plan, receipts)
    return agree_on_schema(plan.inputs, schemas, text, named, params.union_columns)


def _write(
    run: Run,
    plan: Plan,
    params: MixParams,
    step: MixStep,
    mixture: Mixture,
    receipts: Sequence[Receipt],
    schema: pa.Schema,
    key: str,
) -> list[Receipt]:
    how = MixWrite(
        step.reader,
        mixture.draws,
        rows_of(plan, receipts),
        tuple(tuple(receipt.facts["fingerprints"]) for receipt in receipts),
        encode_schema(schema),
        params.max_doc_bytes,
    )
    made_of = (CODE_VERSION, key, repr(mixture.draws), how.schema_text)
    run.begin_output()
    stage = MapStage("write", stage_key(*made_of), partial(write_mixture, how), plan.tasks)
    written = run.execute(stage)
    for file in plan.inputs.files:
        check_unchanged(file)
    return written
