"""Which files that steps depend on hold other things in one version than in another: profiles,
phrase lists, tokenizers, models, benchmarks. Settings name such files and say nothing of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from thresher.report.figures import visible
from thresher.versions.reading import Version

INPUTS, REPORT = "inputs.json", "report.json"


def inputs_of_version(version: Version | None) -> dict[str, Any]:
    """Return the inputs and files that a version was made of."""
    if version is None or INPUTS not in version.files:
        return {}
    found: dict[str, Any] = json.loads(version.read(INPUTS))
    return found


def files_changed(a: Version, b: Version) -> Iterator[str]:
    """Yield a line for each step of both versions whose files changed, and for each benchmark."""
    old, new = (inputs_of_version(version).get("files", {}) for version in (a, b))
    before, after = _steps(a), _steps(b)
    for name, (kind, said) in after.items():
        mine, theirs = old.get(name), new.get(name)
        if name not in before or mine is None or theirs is None or mine == theirs:
            continue
        if kind == "decontaminate":
            yield from _benchmarks(_searched(a, name), _searched(b, name))
            continue
        same = before[name] == after[name]
        known = _flat(mine, said, same), _flat(theirs, said, same)
        names = [file for file in known[1] if known[0].get(file, "") != known[1][file]]
        if names:
            yield f"files of step {name} changed: {', '.join(map(visible, names))}"


def _steps(version: Version) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return kind and settings of each step by its name."""
    steps = version.manifest.settings.get("recipe", {}).get("steps", [])
    return {said["name"]: (kind, said) for step in steps for kind, said in step.items()}


def _flat(known: Mapping[str, Any], said: Mapping[str, Any], same: bool) -> dict[str, Any]:
    """Return what is known of each file by its path; of the profile only where the settings, which
    change its rules, are the same."""
    if "assets" not in known:
        return {str(said.get(key, key)): value for key, value in known.items()}
    phrases = (known["profile"] or {}).get("phrases", {})
    paths = {"tokenizer": said.get("tokenizer") or "tokenizer", **phrases}
    found = {said["profile"]: known["profile"]} if same else {}
    return found | {str(paths.get(key, key)): value for key, value in known["assets"].items()}


def _searched(version: Version, step: str) -> dict[str, dict[str, Any]]:
    """Return what the report says of each benchmark of a step, by its name."""
    plan = json.loads(version.read(REPORT))["plan"] if REPORT in version.files else {}
    leaks = plan.get("leaks") or plan.get("leaks_by_step", {}).get(step, {})
    return {one["name"]: one for one in leaks.get("benchmarks", [])}


def _benchmarks(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, one in new.items():
        was, title = old.get(name), visible(name)
        if was is None:
            yield f"benchmark {title}: new, {one['items']:,} items"
        elif was["items"] != one["items"]:
            yield f"benchmark {title}: {was['items']:,} -> {one['items']:,} items"
        elif was["files"] != one["files"]:
            yield f"benchmark {title}: its content changed, {one['items']:,} items as before"
    for name in old.keys() - new.keys():
        yield f"benchmark {visible(name)}: gone"
