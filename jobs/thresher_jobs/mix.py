"""`thresher mix`: a weighted mixture of sources.

formats   map       what every file holds, by its first rows
contents  map       a hash, the tokens and the category of every row
count ... exchange  how much each source gives, and where its draw ends (see mix_decide)
write     map       rows go to data, as often as they are drawn, and to removed
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import pyarrow as pa

import thresher
from thresher.engines.options import EngineOptions
from thresher.inputs import check_unchanged
from thresher.mixing.targets import columns_of
from thresher.planning import Plan, agree_on_schema, check_apart, make_plan
from thresher.run import Listener, Run, open_run
from thresher.stage import MapStage, Receipt, stage_key
from thresher.steps.mix_writing import MixWrite, write_mixture
from thresher.steps.split_log import encode_schema
from thresher_jobs import mix_report
from thresher_jobs.first_pass import found_schemas, rows_of
from thresher_jobs.mix_decide import CODE_VERSION, Mixture, decide
from thresher_jobs.mix_params import MixParams, addresses_of, names_of, shares_of
from thresher_jobs.mix_reading import ReadSources, digest_of_file, read_sources, read_tokenizer

logger = logging.getLogger(__name__)


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
    read = read_sources(run, plan, params, columns, tokenizer)
    schema = _schema(read, params, columns)
    mixture = decide(
        run, read.plan, read.source(params.seed), params, shares_of(params, names), names, read.key
    )
    written = _write(run, read, params, mixture, schema)
    counter = read.step.counter(run.store)
    return mix_report.publish(
        run,
        mix_report.Mixed(params, read.plan, read.receipts, written, mixture, names, counter),
        read.notes,
        begin,
    )


def identity(plan: Plan, params: MixParams, tokenizer: bytes | None) -> dict[str, Any]:
    """Return what makes this run this run; the output folder belongs to it."""
    return {
        "job": "mix",
        "version": thresher.__version__,
        "params": params.model_dump(mode="json"),
        "tokenizer": None if tokenizer is None else digest_of_file(tokenizer),
        "inputs": plan.pins(),
    }


def _schema(read: ReadSources, params: MixParams, columns: Sequence[str | None]) -> pa.Schema:
    """Return the one schema of the output."""
    text = [] if params.text_column is None else [params.text_column]
    named = [(params.id_column, "--id-column")] if params.id_column else []
    named += [(c, "--category-column") for c in sorted({c for c in columns if c is not None})]
    schemas = found_schemas(read.plan, read.receipts)
    return agree_on_schema(read.plan.inputs, schemas, text, named, params.union_columns)


def _write(
    run: Run, read: ReadSources, params: MixParams, mixture: Mixture, schema: pa.Schema
) -> list[Receipt]:
    how = MixWrite(
        read.step.reader,
        mixture.draws,
        rows_of(read.plan, read.receipts),
        tuple(tuple(receipt.facts["fingerprints"]) for receipt in read.receipts),
        encode_schema(schema),
        params.max_doc_bytes,
    )
    made_of = (CODE_VERSION, read.key, repr(mixture.draws), how.schema_text)
    run.begin_output()
    stage = MapStage("write", stage_key(*made_of), partial(write_mixture, how), read.plan.tasks)
    written = run.execute(stage)
    for file in read.plan.inputs.files:
        check_unchanged(file)
    return written
