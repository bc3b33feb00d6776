"""`thresher rebuild`: a night. A recipe is run over what the sources hold now, and the result is
committed as a numbered version.

In the order `arrival` what came first stays: a version equals a run of the recipe from its inputs
and the ledger of the version before. In the order `content` it equals a run from its inputs alone,
whatever the nights before were. A night without a changed input commits nothing. Text whose files
are those of the version before is not read again, and parts whose rows fare as before are not
written again (`planting`). Of two nights at once one commits; the other looks again at the inputs
and plans on top.
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
from types import MappingProxyType
from typing import Any, NamedTuple

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, InputError, InternalError, ThresherError
from thresher.params import digest_of
from thresher.planning import nightly_split_bytes
from thresher.run import Listener, open_run
from thresher.spared import begin_to_compile
from thresher.store import Store
from thresher.versions.history import open_history
from thresher.versions.lease import Holder, at_work
from thresher.versions.manifest import Changes
from thresher.versions.reading import Version
from thresher.versions.writing import Writer, check_settings, write
from thresher_jobs.arrival import Arriving
from thresher_jobs.committing import Committing, drop_unusable
from thresher_jobs.night_inputs import NightInputs
from thresher_jobs.night_place import alone_in
from thresher_jobs.planting import Planter
from thresher_jobs.recipe import Recipe, list_sources, resolved, typed_steps, with_languages
from thresher_jobs.recipe_advice import advised
from thresher_jobs.recipe_looking import inputs_of, pins_of
from thresher_jobs.run_recipe import plan_of, run_recipe
from thresher_jobs.version_files import files_changed, inputs_of_version
from thresher_jobs.versions import now

logger = logging.getLogger(__name__)
PAUSE_S = 5.0
STAGES_TOLD = 6
CONTENT, ARRIVAL = "content", "arrival"


class Night(NamedTuple):
    """What a night came to.

    Attributes:
        version: What is in force after it.
        changed: Whether it committed.
        rows: Rows of the data, by what became of them.
        changes: Inputs added, changed and removed.
        new_bytes: Bytes of files that the version before did not have.
        cost: What was read and written, and how long it took; empty if nothing was.
        undone: The rollback that it was made on, if it was: (its number, whose content it had).
        files: Which files of the steps changed, in lines.
    """

    version: Version
    changed: bool
    rows: Mapping[str, int]
    changes: Changes
    new_bytes: int
    cost: Mapping[str, Any] = MappingProxyType({})
    undone: tuple[int, int] | None = None
    files: tuple[str, ...] = ()


def rebuild(
    recipe: Recipe,
    store: str,
    options: EngineOptions,
    listener: Listener | None = None,
    *,
    work: str | None = None,
    wait: bool = True,
    order: str = ARRIVAL,
    new_settings: bool = False,
    anew: bool = False,
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
        wait: Whether to wait while another night is at work; else a `work` of its own is needed.
        order: `arrival` or `content`.
        new_settings: Allow another recipe or order than that of the version before.
        anew: Take nothing over from the version before but its ledger, also if no input changed.
        single_writer: Allow a store without put-if-absent.
        clock: What the version says of its time.

    Raises:
        ThresherError: One of its classes; nothing is committed.
    """
    if order not in (CONTENT, ARRIVAL):
        raise ConfigError(f"order {order!r} is neither {ARRIVAL} nor {CONTENT}")
    exports = [step.name for step in typed_steps(recipe) if step.kind == "export"]
    if exports:
        raise ConfigError(
            f"step {exports[0]}: a night commits a version, which no step can publish",
            remedy="take the step out; versions are exported by 'thresher export'",
        )
    address = store.rstrip("/") if "://" in store else str(Path(store).absolute())
    folder_of_store = _work_folder(store, work)
    place = folder_of_store / f"night-{digest_of(address)[:12]}"
    fetched = Store(str(folder_of_store / f"fetched-{digest_of(address)[:12]}"))
    history = open_history(store, single_writer=single_writer)
    made: list[Night] = []
    memo: dict[Any, Any] = {}

    def plan(writer: Writer) -> Version | None:
        before = writer.base
        cut = _as_before(recipe, before)
        settings = {
            "order": order,
            "thresher": thresher.__version__,
            "recipe": resolved(cut, typed_steps(cut)),
        }
        if before is not None and not new_settings:
            check_settings(before, settings, ["thresher"])
        with advised(cut):
            looked_at = plan_of(cut)
        found, files = _plain([looked_at.pins(), inputs_of(cut, looked_at, memo)])
        known = inputs_of_version(before)
        night_inputs = NightInputs(known.get("seen", {}), looked_at.inputs.files)
        pins = _plain(night_inputs.pins())
        same = before is not None and not (_settings_differ(before, settings))
        same = same and [known.get("pins"), known.get("files")] == [pins, files]
        if before is not None and same and not anew:
            made.append(Night(before, False, before.manifest.rows, Changes(), 0))
            return None
        begin_to_compile()
        number = before.number if before is not None else 0
        arriving = Arriving(before, number + 1) if order == ARRIVAL else None
        made_of = [settings, found, files, anew, number if arriving else 0]
        folder = place / digest_of(made_of)
        _clear(place, folder)
        if anew:
            writer.distrust()
        planter = Planter(None if anew else before, fetched, cut.max_doc_bytes, arriving)
        planter.memo, planter.plan, planter.known_as = memo, looked_at, night_inputs.known_as
        run = open_run(str(folder), options, listener)
        drop_unusable(run.store, planter.version)
        report = run_recipe(cut, str(folder), options, listener, run=run, planter=planter)
        seen = night_inputs.noted()
        if _plain([pins_of(cut), inputs_of(cut, looked_at, memo)]) != [found, files]:
            raise InputError(
                "inputs changed between the run and its commit", remedy="run the command again"
            )
        seconds = {record.name: round(record.seconds, 3) for record in run.records}
        files_of = Committing(writer, run.store, fetched)
        files_of.put_result()
        files_of.put_index()
        cost = files_of.put_cost(seconds, night_inputs.hashed_bytes)
        version = files_of.commit(
            {"pins": pins, "files": files, "seen": seen}, settings, report, _changes(known, pins)
        )
        rows, changes = version.manifest.rows, version.manifest.inputs
        back_to = before.manifest.of if before is not None else None
        undone = None if back_to is None else (number, back_to)
        files_told = _files_told(before, version)
        new_bytes = files_of.new_bytes
        made.append(Night(version, True, rows, changes, new_bytes, cost, undone, files_told))
        return version

    lease = at_work(history.objects, clock, waiting() if wait else _going_on)
    taken = alone_in(place, wait=wait)
    with contextlib.ExitStack() as stack:
        # Who waits says for whom; who does not is refused before it says that it is at work.
        for one in (lease, taken) if wait else (taken, lease):
            stack.enter_context(one)
        write(history, clock, plan)
        _clear(place)
    if not made:
        raise InternalError("a night came to nothing")
    return made[-1]


def waiting() -> Callable[[Holder], bool]:
    """Return what waits for other nights, and says of each once that it does."""
    told: set[str] = set()

    def wait(holder: Holder) -> bool:
        if holder.owner not in told:
            logger.warning(
                "waiting: %s is at work; --no-wait goes on beside it, in a --work of its own",
                holder,
            )
        told.add(holder.owner)
        time.sleep(PAUSE_S)
        return True

    return wait


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
    one run."""
    for left in sorted(place.iterdir()) if place.is_dir() else []:
        if left != but:
            shutil.rmtree(left, ignore_errors=True)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    return json.loads(json.dumps(value))


def _settings_differ(version: Version, settings: Mapping[str, Any]) -> bool:
    return digest_of(version.manifest.settings) != digest_of(settings)


def _files_told(before: Version | None, version: Version) -> tuple[str, ...]:
    with contextlib.suppress(ThresherError):  # the version is committed, whatever is said of it
        return () if before is None else tuple(files_changed(before, version))
    return ()


def _as_before(recipe: Recipe, before: Version | None) -> Recipe:
    """Return the recipe with what the first night chose by the size of its inputs, where it says
    none: neither cuts nor notes may change as the inputs grow."""
    known = {} if before is None else before.manifest.settings.get("recipe", {})
    chosen = {
        "split_bytes": recipe.split_bytes or known.get("split_bytes", 0),
        "languages": known.get("languages") if recipe.languages is None else recipe.languages,
    }
    recipe = recipe.model_copy(update=chosen)
    if recipe.split_bytes and recipe.languages is not None:
        return recipe
    inputs = list_sources(recipe)
    split_bytes = recipe.split_bytes or nightly_split_bytes(inputs)
    recipe = recipe.model_copy(update={"split_bytes": split_bytes})
    return with_languages(recipe, sum(file.bytes for file in inputs.files))


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
        *(f"changed      {line}" for line in night.files),
        f"rows         {rows}",
        f"new          {night.new_bytes:,} bytes that the version before did not have",
        *_cost_lines(night.cost),
        *_undone_lines(night.undone),
    ]


def _undone_lines(undone: tuple[int, int] | None) -> list[str]:
    if undone is None:
        return []
    number, back_to = undone
    return [
        f"note         version {number} was a rollback to version {back_to}; this one is made of "
        "what the sources hold now"
    ]


def _cost_lines(cost: Mapping[str, Any]) -> list[str]:
    """Return what a night read and how long it took."""
    read = {stage: size for stage, size in cost["text_bytes_read"].items() if size}
    total, whole = sum(read.values()), max(1, cost["text_bytes"])
    by = ", ".join(f"{stage} {size:,}" for stage, size in read.items())
    spent = sorted(cost["seconds"].items(), key=lambda item: -item[1])[:STAGES_TOLD]
    return [
        f"text         {total:,} bytes read, {total / whole:.1%} of one pass over {whole:,}"
        + (f": {by}" if by else ""),
        f"files        {cost['input_bytes_hashed']:,} bytes hashed, to know them again",
        f"tasks        {cost['tasks']:,}: {cost['tasks_read']:,} read, "
        f"{cost['tasks_written']:,} written",
        f"index        {cost['index_bytes_read']:,} bytes read, "
        f"{cost['index_bytes_mapped']:,} mapped, {cost['index_bytes_written']:,} written",
        "seconds      " + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in spent),
    ]
