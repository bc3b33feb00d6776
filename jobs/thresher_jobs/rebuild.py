"""`thresher rebuild`: a night. A recipe is run over what the sources hold now, and the result is
committed as a numbered version.

The order is `content`: a version equals a run of the recipe from its inputs alone, whatever the
nights before were. A night without a changed input commits nothing. Files whose bytes are those of
the version before are not written again. Of two nights at once one commits; the other looks again
at the inputs and plans on top.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, InputError, InternalError
from thresher.params import digest_of
from thresher.run import Listener
from thresher.store import Store
from thresher.versions.history import open_history
from thresher.versions.lease import Holder, at_work
from thresher.versions.manifest import Changes
from thresher.versions.reading import Version
from thresher.versions.writing import Writer, check_settings, write
from thresher_jobs.recipe import Recipe, resolved, typed_steps
from thresher_jobs.run_recipe import inputs_of, run_recipe
from thresher_jobs.versions import now

logger = logging.getLogger(__name__)
PAUSE_S = 5.0
INPUTS = "inputs.json"
MANIFEST = "manifest.json"
LOCAL = ("report.json", "report.html")  # told by the clock: new every night


class Night(NamedTuple):
    """What a night came to.

    Attributes:
        version: What is in force after it.
        changed: Whether it committed.
        rows: Rows of the data, by what became of them.
        changes: Inputs added, changed and removed.
        new_bytes: Bytes of files that the version before did not have.
    """

    version: Version
    changed: bool
    rows: Mapping[str, int]
    changes: Changes
    new_bytes: int


def rebuild(
    recipe: Recipe,
    store: str,
    options: EngineOptions,
    listener: Listener | None = None,
    *,
    work: str | None = None,
    wait: bool = True,
    new_settings: bool = False,
    single_writer: bool = False,
    clock: Callable[[], datetime] = now,
) -> Night:
    """Run the recipe if something changed, and commit the result.

    Args:
        recipe: Sources and steps.
        store: A folder or `s3://bucket/prefix`.
        options: Where to run.
        listener: Called as work goes on.
        work: A local folder to run in; `STORE.work` for a store that is one. A night that was
            stopped goes on there. Only what nights of this store made there is removed.
        wait: Whether to wait while another night is at work.
        new_settings: Allow another recipe than that of the version before.
        single_writer: Allow a store without put-if-absent.
        clock: What the version says of its time.

    Raises:
        ThresherError: One of its classes; nothing is committed.
    """
    address = store.rstrip("/") if "://" in store else str(Path(store).absolute())
    place = _work_folder(store, work) / f"night-{digest_of(address)[:12]}"
    history = open_history(store, single_writer=single_writer)
    settings = {
        "order": "content",
        "thresher": thresher.__version__,
        "recipe": resolved(recipe, typed_steps(recipe)),
    }
    made: list[Night] = []

    def plan(writer: Writer) -> Version | None:
        before = writer.base
        if before is not None and not new_settings:
            check_settings(before, settings, ["thresher"])
        pins, files = _plain(inputs_of(recipe))
        known = _inputs(before)
        same = before is not None and not (_settings_differ(before, settings))
        if before is not None and same and known == {"pins": pins, "files": files}:
            made.append(Night(before, False, before.manifest.rows, Changes(), 0))
            return None
        folder = place / digest_of([settings, pins, files])
        _clear(place, folder)
        report = run_recipe(recipe, str(folder), options, listener)
        if _plain(inputs_of(recipe)) != [pins, files]:
            raise InputError(
                "inputs changed between the run and its commit", remedy="run the command again"
            )
        version, new_bytes = _commit(writer, folder, settings, report, pins, files, known)
        rows = version.manifest.rows
        made.append(Night(version, True, rows, version.manifest.inputs, new_bytes))
        return version

    with at_work(history.objects, clock, _waiting if wait else _going_on):
        write(history, clock, plan)
    if not made:
        raise InternalError("a night came to nothing")
    _clear(place)
    return made[-1]


def _waiting(holder: Holder) -> bool:
    """Wait for another night."""
    logger.warning("waiting: %s is at work; --no-wait goes on beside it", holder)
    time.sleep(PAUSE_S)
    return True


def _going_on(holder: Holder) -> bool:
    logger.warning("%s is at work as well", holder)
    return False


def _work_folder(store: str, work: str | None) -> Path:
    if work is not None:
        return Path(work).absolute()
    if "://" in store:
        raise ConfigError(
            f"--store {store}: say where to work before the commit",
            remedy="--work DIR, a local folder that all workers see",
        )
    return Path(f"{store.rstrip('/')}.work").absolute()


def _clear(place: Path, but: Path | None = None) -> None:
    """Remove what nights of one store left in its own folder inside the folder to work in, but for
    one run; the folder to work in goes if nothing else is in it."""
    for left in sorted(place.iterdir()) if place.is_dir() else []:
        if left != but:
            shutil.rmtree(left, ignore_errors=True)
    if but is None:
        for folder in (place, place.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    return json.loads(json.dumps(value))


def _settings_differ(version: Version, settings: Mapping[str, Any]) -> bool:
    return digest_of(version.manifest.settings) != digest_of(settings)


def _inputs(version: Version | None) -> dict[str, Any]:
    """Return pins and files that a version was made of."""
    if version is None or INPUTS not in version.files:
        return {}
    found: dict[str, Any] = json.loads(version.read(INPUTS))
    return found


def _commit(
    writer: Writer,
    folder: Path,
    settings: dict[str, Any],
    report: Mapping[str, Any],
    pins: list[list[Any]],
    files: dict[str, Any],
    known: Mapping[str, Any],
) -> tuple[Version, int]:
    """Write the files of a run and commit them."""
    result = Store(str(folder))
    had = {file.sha256 for file in writer.base.manifest.files} if writer.base else set()
    new_bytes = 0
    for name, size, sha256 in result.get_json(MANIFEST)["files"]:
        writer.put(name, result.path(name))
        new_bytes += 0 if sha256 in had else size
    for name in (MANIFEST, *LOCAL):
        writer.put(name, result.path(name))
    writer.put(INPUTS, json.dumps({"pins": pins, "files": files}, sort_keys=True).encode())
    rows = {key: int(report[f"rows_{key}"]) for key in ("in", "added", "kept", "removed")}
    rows["quarantined"] = int(report["rows_quarantined"])
    version = writer.commit(settings=settings, rows=rows, inputs=_changes(known, pins))
    return version, new_bytes


def _changes(known: Mapping[str, Any], pins: list[list[Any]]) -> Changes:
    """Say which inputs are new, other, or gone."""
    before = {name: rest for name, *rest in known.get("pins", [])}
    after = {name: rest for name, *rest in pins}
    return Changes(
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted(n for n in after.keys() & before.keys() if after[n] != before[n])),
        removed=tuple(sorted(before.keys() - after.keys())),
    )


def night_lines(night: Night) -> list[str]:
    """Return what a night came to, in lines to print."""
    number = night.version.number
    if not night.changed:
        return [f"nothing changed: version {number} stays in force"]
    told = [
        f"{len(names)} {word}"
        for names, word in zip(
            night.changes.model_dump().values(), ("new", "changed", "gone"), strict=True
        )
        if names
    ]
    rows = ", ".join(f"{count:,} {name}" for name, count in night.rows.items() if count)
    return [
        f"version      {number}",
        f"inputs       {', '.join(told) or 'as before'}",
        f"rows         {rows}",
        f"new          {night.new_bytes:,} bytes that the version before did not have",
    ]
