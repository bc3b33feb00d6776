"""`thresher train-classifier`: a small classifier of texts from good and bad ones, for `score`.

Inputs are read once, as a stream; what is kept of them is a sample bounded by `max_documents`. The
model depends on the texts and the parameters alone.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pydantic import Field

from thresher.errors import ConfigError, InputError
from thresher.inputs import list_inputs
from thresher.planning import expecting_texts, plan_inputs
from thresher.signals.classifier import ClassifierParams, load
from thresher.signals.training import Sample, train_on
from thresher.splits import Unreadable
from thresher.stage import Task
from thresher.steps.reading import (
    ReadTask,
    compared_text,
    read_task,
    require_column,
    require_strings,
)
from thresher.store import Store
from thresher_jobs.read_params import ReadParams

logger = logging.getLogger(__name__)


class TrainParams(ReadParams, ClassifierParams):
    """What texts a classifier is trained on, and how."""

    text_column: str = Field("text", description="Column that holds the texts.")

    def classifier(self) -> ClassifierParams:
        """Return what the model keeps of them."""
        return ClassifierParams.model_validate(
            self.model_dump(include=set(ClassifierParams.model_fields))
        )


def train_classifier(
    good: Sequence[str], bad: Sequence[str], out: str, params: TrainParams
) -> dict[str, Any]:
    """Train a classifier and write its file.

    Args:
        good: Files, folders, globs or addresses of texts that are wanted.
        bad: The same of texts that are not.
        out: The model file to write, .npz; an earlier model is replaced.
        params: What to read, and how to train.

    Returns:
        What was read and measured; the file holds the measures too.

    Raises:
        ThresherError: One of its classes; the exit code says which kind.
    """
    begin = time.monotonic()
    store, name = _place(out)
    sides = {
        side: _read(side, addresses, params) for side, addresses in (("good", good), ("bad", bad))
    }
    model = train_on(sides["good"][0], sides["bad"][0], params.classifier())
    written = store.put(name, model.save())
    logger.info("%s: AUC %.4f on held-out texts", out, model.report["auc"])
    return {
        "model": written.name,
        "model_bytes": written.bytes,
        "digest": model.digest,
        "params": params.model_dump(mode="json"),
        "inputs": {side: facts for side, (_, facts) in sides.items()},
        **model.report,
        "seconds": round(time.monotonic() - begin, 3),
    }


def _place(out: str) -> tuple[Store, str]:
    """Return where the model goes, before anything is read for it."""
    folder, name = os.path.split(os.path.abspath(out))
    if not name.endswith(".npz"):
        raise ConfigError("a classifier's file ends in .npz", path=out, remedy="name it so")
    store = Store(folder)
    if store.path(name).is_dir():
        raise ConfigError("is a folder; a classifier is a file", path=out)
    if store.exists(name):
        try:
            load(store.get(name), out)
        except ConfigError as error:
            raise ConfigError(
                "is there already and holds something else than a classifier",
                path=out,
                remedy="name another file",
            ) from error
    return store, name


def _read(
    side: str, addresses: Sequence[str], params: TrainParams
) -> tuple[Sample, dict[str, Any]]:
    """Return a sample of one side, and what was read."""
    if not addresses:
        raise ConfigError(f"no {side} texts", remedy=f"name some with --{side}")
    inputs = list_inputs(addresses)
    without: list[Unreadable] = []
    while True:
        plan = plan_inputs(
            inputs,
            split_bytes=params.split_bytes,
            skip_unreadable=params.skip_unreadable,
            without=without,
        )
        plan = expecting_texts(plan, [params.text_column])
        for number, schema in plan.schemas.items():
            _require(params, schema, plan.inputs.files[number].path)
        reading = _Reading(params)
        try:
            for task in plan.tasks:
                reading.read(task)
        except InputError as error:
            if not (params.skip_unreadable and error.skippable and error.path):
                raise
            without.append(Unreadable(error.path, error.message))
            continue
        for path, schema in reading.lacking.items():
            _require(params, schema, path)
        facts = {
            "files": len(plan.inputs.files) - len(plan.unreadable),
            **reading.counts,
            "unreadable_files": [list(file) for file in plan.unreadable],
        }
        return reading.sample, facts


def _require(params: TrainParams, schema: pa.Schema, path: str) -> None:
    require_column(params.text_column, schema, path, "--text-column")
    require_strings(params.text_column, schema.field(params.text_column).type, path)


class _Reading:
    """One side as it is read.

    `lacking` holds, by path, what columns a file has in none of whose rows the texts' column was
    found: a JSON record may lack a field that others have.
    """

    def __init__(self, params: TrainParams) -> None:
        self.sample = Sample(params.classifier())
        self.counts = {"rows": 0, "null_texts": 0, "unreadable_rows": 0}
        self.lacking: dict[str, pa.Schema] = {}
        self._having: set[str] = set()
        self._params = params

    def read(self, task: Task) -> None:
        """Take in the texts of one task."""
        read: ReadTask = task.payload
        column = self._params.text_column
        stated = all(file.format in ("parquet", "arrow") for file in read.files)
        wanted = [column] if stated else None
        for block in read_task(read, wanted, None, self._params.max_doc_bytes):
            path = read.files[block.split].path
            if column in block.batch.schema.names:
                self._having.add(path)
                self.lacking.pop(path, None)
            elif len(block.batch) and path not in self._having:
                self.lacking[path] = block.batch.schema
            text = compared_text(block.batch, [column], path)
            self.sample.add(text)
            self.counts["rows"] += len(text) + len(block.bad)
            self.counts["null_texts"] += text.null_count
            self.counts["unreadable_rows"] += len(block.bad)


def print_training(found: dict[str, Any], out: str) -> None:
    """Print what was read and how well held-out texts are told apart."""
    for side, facts in found["inputs"].items():
        print(f"{side:<12} {facts['rows']:>12,} rows in {facts['files']} files")
    held_out = found["held_out_good"] + found["held_out_bad"]
    print(f"held out     {held_out:>12,} texts")
    print(f"AUC          {found['auc']:>12.4f}  1 tells all pairs apart, 0.5 is chance")
    print(f"accuracy     {found['accuracy']:>12.4f}  balanced, at 0.5")
    print(f"time         {found['seconds']:.1f} s")
    print(f"use          thresher score INPUT --out DIR --scorer {out}")
