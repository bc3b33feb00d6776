"""`export`, the last step of a recipe: the data in its published form, in a folder or on an object
store.

Parquet as it was written, or JSON lines for trainers; the card with configs and splits, the recipe
and its rules, the decontamination record, checksums. Workers copy parts; the driver sees names and
hashes.
"""

from __future__ import annotations

import fnmatch
import json
import logging
import os
from collections.abc import Sequence
from functools import partial

import yaml

from thresher.errors import ConfigError
from thresher.params import digest_of
from thresher.report import Report
from thresher.result import Result, open_result
from thresher.run import Run
from thresher.stage import MapStage, Task, stage_key
from thresher.steps.publishing import copy_parts, write_lines
from thresher.steps.split_writing import split_folder
from thresher.store import Published
from thresher.versions.exporting import CARD, REMEDY, SUMS, publish
from thresher.versions.objects import Objects, open_objects
from thresher_jobs.export_params import ExportParams
from thresher_jobs.recipe import Recipe, Step, resolved
from thresher_jobs.recipe_card import RECORD, RULES, published_card

logger = logging.getLogger(__name__)
CODE_VERSION = "export-1"  # raised when the same result gives other lines
RECIPE = "recipe.yaml"


def without_exports(typed: Sequence[Step], out: str) -> tuple[tuple[Step, ...], list[ExportParams]]:
    """Return the steps that make a result, and what publishes it. The place is no part of the
    result: another one needs no other run.

    Args:
        typed: The steps.
        out: The folder of the result.

    Raises:
        ConfigError: A place lies inside that folder, or its protocol cannot be written.
        EngineError: The protocol's package is missing.
    """
    steps, exports = [], []
    for step in typed:
        if isinstance(step.params, ExportParams):
            _check_place(step.name, step.params.to, out)
            exports.append(step.params)
        else:
            steps.append(step)
    return tuple(steps), exports


def _check_place(name: str, to: str, out: str) -> None:
    objects = open_objects(to)
    if "://" in objects.address:
        return
    place = os.path.join(os.path.realpath(objects.address), "")
    if place.startswith(os.path.join(os.path.realpath(out), "")):
        raise ConfigError(
            f"step {name}: the place lies inside the output folder",
            path=to,
            remedy="name a folder beside it",
        )


def check_free(params: ExportParams, recipe: Recipe, steps: Sequence[Step]) -> None:
    """Refuse a place that holds what this recipe does not make, before anything is read. What the
    same recipe made of other rows is only told apart once the rows are there.

    Args:
        params: Where.
        recipe: What makes the data.
        steps: Those that make it.

    Raises:
        ConfigError: Something else is there.
        StorageError: The place cannot be read.
    """
    objects = open_objects(params.to)
    if next(iter(objects.entries("")), None) is None:
        return
    there = objects.get(RECIPE)
    if objects.get(SUMS) is None or not (there is None or _makes(recipe, steps, there)):
        raise ConfigError("is not empty, and holds other data", path=objects.address, remedy=REMEDY)


def _makes(recipe: Recipe, steps: Sequence[Step], published: bytes) -> bool:
    """Tell whether a published recipe is this one."""
    try:
        there = yaml.safe_load(published)
    except yaml.YAMLError:
        return False
    if recipe.languages is None and isinstance(there, dict):
        recipe = recipe.model_copy(update={"languages": there.get("languages")})  # follows the rows
    return bool(there == json.loads(json.dumps(resolved(recipe, steps))))


def export_result(run: Run, params: ExportParams) -> bool:
    """Publish a finished result, unless that is done already; say whether this call did.

    Args:
        run: Of the result.
        params: Where, and in which form.

    Raises:
        ConfigError: Something else is there, or rows cannot be written as JSON.
        StorageError: The place cannot be written.
    """
    result = open_result(run.store.root)
    made = _parts(result)
    key = stage_key(CODE_VERSION, digest_of(result.manifest["files"]))
    lines = ""
    if params.form == "jsonl":
        stage = MapStage("lines", key, write_lines, _tasks(made))
        lines = stage.folder
        made = [[_named_below(lines, f) for f in r.files] for r in run.execute(stage)]
    parts = [file for files in made for file in files]

    def put(objects: Objects) -> None:
        copy = partial(copy_parts, objects, lines)
        stage = MapStage("export", stage_key(key, objects.address, lines), copy, _tasks(made))
        run.store.remove(stage.folder)  # its receipts know nothing of what is there by now
        run.execute(stage)
        run.store.remove(stage.folder)

    done = publish(params.to, parts, _texts(result, parts, params.form), put)
    if lines:
        run.store.remove(lines)
    run.state("done")
    logger.info("%s %s", params.to, "is published" if done else "holds this very data already")
    return done


def _parts(result: Result) -> list[list[Published]]:
    """Return by part the files of the data."""
    splits = result.manifest["splits"]
    folders = tuple(f"{split_folder(name)}/" for name in splits) or ("data/",)
    found: list[list[Published]] = [[] for _ in range(result.num_parts)]
    for name, size, sha256 in result.manifest["files"]:
        if name.startswith(folders):
            number = int(name.removesuffix(".parquet").rpartition("-")[2])
            found[number].append(Published(name, size, sha256))
    return found


def _tasks(made: list[list[Published]]) -> tuple[Task, ...]:
    return tuple(Task(n, [file.name for file in files]) for n, files in enumerate(made))


def _named_below(folder: str, file: Published) -> Published:
    return Published(file.name.removeprefix(f"{folder}/"), file.bytes, file.sha256)


def _texts(result: Result, parts: list[Published], form: str) -> dict[str, bytes]:
    """Return card, recipe, rules and record."""
    report = Report.model_validate(result.report())
    recipe = Recipe.model_validate(result.manifest["params"])
    names = [name for name, _, _ in result.manifest["files"]]
    rules = fnmatch.filter(names, RULES.format("*"))
    texts = {name: result.store.get(name) for name in (RECIPE, *rules, RECORD) if name in names}
    splits = [
        str(split)
        for split in result.manifest["splits"]
        if any(file.name.startswith(f"{split_folder(split)}/") for file in parts)
    ]
    record = texts.get(RECORD, b"").decode()
    texts[CARD] = published_card(report, recipe, splits, form, record, rules).encode()
    return texts
