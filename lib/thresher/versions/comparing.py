"""How two versions differ: files, rows, inputs, settings; from their records alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from thresher.versions.history import History
from thresher.versions.manifest import Changes, File
from thresher.versions.reading import Version
from thresher.versions.settings import differing


class Difference(NamedTuple):
    """What version B has that A has not, and the other way round.

    Attributes:
        added: Files of B whose name A has not.
        changed: Files of both with other bytes, as (A's, B's).
        removed: Files of A whose name B has not.
        renamed: Files of one folder and the same bytes under another name, as (A's, B's): parts
            are numbered by what lies before them. They are among none of the others.
        rows: Counts as (A's, B's), by name, of those that differ.
        inputs: What changed in the inputs from A to B, where the records between say so.
        settings: How the settings differ, a line a key.
    """

    added: tuple[File, ...]
    changed: tuple[tuple[File, File], ...]
    removed: tuple[File, ...]
    renamed: tuple[tuple[File, File], ...]
    rows: dict[str, tuple[int, int]]
    inputs: Changes
    settings: tuple[str, ...]


def compare(history: History, a: Version, b: Version) -> Difference:
    """Compare two versions, in the order they are given."""
    renamed = _renamed(a, b)
    old = _but(a, {x.name for x, _ in renamed})
    new = _but(b, {y.name for _, y in renamed})
    both = [name for name in old if name in new]
    counted = sorted({*a.manifest.rows, *b.manifest.rows})
    rows = {n: (a.manifest.rows.get(n, 0), b.manifest.rows.get(n, 0)) for n in counted}
    return Difference(
        tuple(file for name, file in new.items() if name not in old),
        tuple((old[n], new[n]) for n in both if old[n].sha256 != new[n].sha256),
        tuple(file for name, file in old.items() if name not in new),
        renamed,
        {name: pair for name, pair in rows.items() if pair[0] != pair[1]},
        _inputs(history, a.number, b.number),
        tuple(differing(a.manifest.settings, b.manifest.settings)),
    )


def _renamed(a: Version, b: Version) -> tuple[tuple[File, File], ...]:
    """Return files that stand in one folder under another name with the same bytes."""
    same = {n for n, file in a.files.items() if n in b.files and b.file(n).sha256 == file.sha256}
    old, new = _by_content(_but(a, same)), _by_content(_but(b, same))
    return tuple(
        pair for key in old if key in new for pair in zip(old[key], new[key], strict=False)
    )


def _but(version: Version, names: set[str]) -> dict[str, File]:
    return {name: file for name, file in version.files.items() if name not in names}


def _by_content(files: dict[str, File]) -> dict[tuple[str, str], list[File]]:
    """Group files by folder and bytes."""
    found: dict[tuple[str, str], list[File]] = {}
    for name, file in files.items():
        found.setdefault((name.rpartition("/")[0], file.sha256), []).append(file)
    return found


def _inputs(history: History, a: int, b: int) -> Changes:
    """Put together what happened from one version to the other: back to where their ways part, and
    on from there. A rollback stands where the version stands whose content it took."""
    back: list[Changes] = []
    ahead: list[Changes] = []
    while a != b:
        record = history.record(max(a, b))
        before = 0 if record is None else record.parent if record.of is None else record.of
        inputs = Changes() if record is None else record.inputs
        if a > b:
            undone = {"added": inputs.removed, "changed": inputs.changed, "removed": inputs.added}
            back.append(Changes(**undone))
            a = before
        else:
            ahead.append(inputs)
            b = before
    return fold([*back, *reversed(ahead)])


def fold(steps: Iterable[Changes]) -> Changes:
    """Put changes that follow one another together: added and removed again is nothing."""
    state: dict[str, str] = {}
    for step in steps:
        for name in step.added:
            state[name] = "changed" if state.get(name) == "removed" else "added"
        for name in step.changed:
            state.setdefault(name, "changed")
        for name in step.removed:
            if state.get(name) == "added":
                del state[name]
            else:
                state[name] = "removed"
    kinds = ("added", "changed", "removed")
    return Changes(**{kind: tuple(sorted(n for n in state if state[n] == kind)) for kind in kinds})
