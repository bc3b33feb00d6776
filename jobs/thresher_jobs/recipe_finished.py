"""Whether a recipe was run already, with the same settings over the same files.

The same identity is compared as when a run claims its folder, made without loading what steps work
with: benchmarks are listed and not read. Whatever differs, is gone or cannot be told leaves the
decision to the run itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import thresher
from thresher.errors import ThresherError
from thresher.planning import pins
from thresher.run import IDENTITY, MANIFEST
from thresher.stage import WORK
from thresher.store import Store
from thresher.whole import is_whole
from thresher_jobs.recipe import Recipe, Step, list_sources, resolved, with_languages

NO_FILES = ("dedup", "split", "convert")


def finished(recipe: Recipe, steps: Sequence[Step], out: str) -> dict[str, Any] | None:
    """Return the report of the finished run; None where there is none, or something differs."""
    store = Store(str(Path(out).absolute()))
    if not store.exists(IDENTITY) or not store.exists(MANIFEST):
        return None
    try:
        made_of = identity(recipe, steps)
    except ThresherError:
        return None  # the run says what is wrong
    if made_of is None or store.get_json(IDENTITY) != json.loads(json.dumps(made_of, default=str)):
        return None
    if store.names(WORK) != [IDENTITY] or not is_whole(store, MANIFEST):
        return None
    report: dict[str, Any] = store.get_json("report.json")
    return report


def identity(recipe: Recipe, steps: Sequence[Step]) -> dict[str, Any] | None:
    """Return what a run of the recipe claims its folder with; None where only a run can tell.

    Raises:
        ThresherError: Something cannot be listed or read.
    """
    known = {step.name: files_of(step, recipe) for step in steps if step.kind != "convert"}
    if any(files is None for files in known.values()):
        return None
    inputs = list_sources(recipe)
    recipe = with_languages(recipe, sum(file.bytes for file in inputs.files))
    return identity_of(resolved(recipe, steps), known, pins(inputs))


def identity_of(
    recipe: Mapping[str, Any], files: Mapping[str, Any], pinned: list[list[Any]]
) -> dict[str, Any]:
    """Return what a run claims its folder with.

    Args:
        recipe: With all settings.
        files: By step, what it needs beside the rows.
        pinned: `pins` of the inputs.
    """
    version = thresher.__version__
    return {"job": "run", "version": version, "recipe": recipe, "files": files, "inputs": pinned}


def files_of(step: Step, recipe: Recipe) -> dict[str, Any] | None:
    """Return what a step says of files that it needs, as its `check` does; None where that takes
    more than looking."""
    params: Any = step.params
    if step.kind in NO_FILES:
        return {}
    if step.kind == "decontaminate":
        from thresher_jobs import leak_named

        return {one.name: [list(map(str, file)) for file in leak_named.files_of(one)]
                for one in leak_named.describe(params.against)}  # fmt: skip
    if step.kind == "score":
        from thresher_jobs.score_files import digest_of_asset, read_assets, wanted_profile

        wanted = wanted_profile(params, texts=recipe.text_column is not None)
        assets = sorted(read_assets(params, wanted).items())
        return {
            "profile": None if wanted is None else wanted.model_dump(mode="json", by_alias=True),
            "assets": {name: digest_of_asset(content) for name, content in assets},
        }
    return {} if step.kind == "mix" and params.tokenizer is None else None
