"""`thresher versions`, `diff`, `rollback`, `gc`, `export`: what they do, told line by line."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from thresher.errors import InputError, ThresherError
from thresher.store import Published, Store
from thresher.versions.collecting import Retention, collect
from thresher.versions.comparing import compare
from thresher.versions.exporting import CARD, SUMS, publish
from thresher.versions.history import LATEST, open_history
from thresher.versions.lease import holder
from thresher.versions.local_objects import LocalObjects
from thresher.versions.manifest import Manifest, for_nights
from thresher.versions.objects import Objects, open_objects
from thresher.versions.probing import require
from thresher.versions.reading import Version
from thresher.versions.writing import roll_back

NAMED = 20  # files that are named one by one
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def now() -> datetime:
    """Return the time that versions made by a command state."""
    return datetime.now(UTC)


def list_versions(store: str, *, verify: bool = False) -> Iterator[str]:
    """Yield a line a record, the newest last; with `verify`, read all files of what can be read.

    Raises:
        ConfigError: There are none.
        InputError: A version is not whole; after all lines.
    """
    history = open_history(store)
    history.newest()
    records = history.records()
    first = records[-1].first
    damaged: list[int] = []
    for record in records:
        told = ""
        if verify and record.kind != "gc" and record.version >= first:
            told = _verified(Version(history.objects, record))
            if told:
                damaged.append(record.version)
            told = f"  {'DAMAGED: ' + told if told else 'whole'}"
        yield _line(record, first, records[-1].content) + told
    at_work = holder(history.objects, now())
    if at_work is not None:
        yield f"at work now: {at_work}"
    if damaged:
        raise InputError(
            f"versions that are not whole: {', '.join(map(str, damaged))}",
            path=history.objects.address,
            remedy="roll back to one that is",
        )


def _verified(version: Version) -> str:
    try:
        version.verify()
    except ThresherError as error:
        return str(error)
    return ""


def _line(record: Manifest, first: int, current: int) -> str:
    when = f"{record.when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    start = f"{record.version:>6}  {when}  "
    if record.kind == "gc":
        took = "" if record.forgotten else f": {_count(len(record.removed), 'object')} taken"
        return f"{start}clean-up{took}; readable from {record.first} on"
    rows = ", ".join(f"{count:,} {name}" for name, count in record.rows.items())
    parts = [rows] if rows else []
    if record.version < first:
        parts.append("removed by gc")
    else:
        parts.append(f"{_count(len(record.files), 'file')}, {size(record.total_bytes)}")
    changed = _changes(record)
    parts += [f"inputs {changed}"] if changed else []
    parts += [f"content of {record.of}"] if record.of is not None else []
    parts += [record.note] if record.note else []
    return start + "; ".join(parts) + ("  <- latest" if record.version == current else "")


def _changes(record: Manifest) -> str:
    inputs = record.inputs
    signs = (("+", inputs.added), ("~", inputs.changed), ("-", inputs.removed))
    return " ".join(f"{sign}{len(names)}" for sign, names in signs if names)


def diff(store: str, first: str, second: str) -> Iterator[str]:
    """Yield how the second version differs from the first."""
    from thresher_jobs.version_files import files_changed

    history = open_history(store)
    a, b = history.resolve(first), history.resolve(second)
    found = compare(history, a, b)
    yield f"from version {a.number} to version {b.number}"
    for name, (old, new) in found.rows.items():
        yield f"rows {name}: {old:,} -> {new:,} ({new - old:+,})"
    yield from _row_lines(a, b)
    for told, names in (
        ("added", found.inputs.added),
        ("changed", found.inputs.changed),
        ("removed", found.inputs.removed),
    ):
        yield from _named(f"inputs {told}", [f"  {name}" for name in names])
    for line in found.settings:
        yield f"settings: {line}"
    yield from files_changed(a, b)
    added = [f for f in found.added if not for_nights(f.name)]
    changed = [(x, y) for x, y in found.changed if not for_nights(x.name)]
    removed = [f for f in found.removed if not for_nights(f.name)]
    for told, lines in (
        ("added", [f"  {f.name}  {size(f.bytes)}" for f in added]),
        ("changed", [f"  {x.name}  {size(x.bytes)} -> {size(y.bytes)}" for x, y in changed]),
        ("removed", [f"  {f.name}  {size(f.bytes)}" for f in removed]),
    ):
        yield from _named(f"files {told}", lines)
    renamed = [y for _, y in found.renamed if not for_nights(y.name)]
    if renamed:
        yield f"files renumbered, their bytes as before: {len(renamed):,}"
    if not (added or changed or removed or renamed):
        yield "the files are the same"
    brought = [*found.added, *(y for _, y in found.changed)]
    index = [f.bytes for f in brought if for_nights(f.name)]
    if index:
        yield f"kept for the next night: {_count(len(index), 'new file')}, {size(sum(index))}"


def _row_lines(a: Version, b: Version) -> Iterator[str]:
    """Say which kept rows came and went, by their ids."""
    from thresher_jobs.version_rows import MOST_BYTES, rows_changed

    found = rows_changed(a, b)
    if found is None:
        yield f"rows are not compared one by one: ledgers of more than {size(MOST_BYTES)} differ"
        return
    for told, ids in (("came", found.came), ("went", found.went)):
        if len(ids):
            yield f"kept rows that {told}, by id: {len(ids):,}"
        yield from (f"  {name}" for name in ids.slice(0, NAMED).to_pylist())
        if len(ids) > NAMED:
            yield f"  ... and {len(ids) - NAMED:,} more"


def _named(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"{title}: {len(lines):,}"
    yield from lines[:NAMED]
    if len(lines) > NAMED:
        yield f"  ... and {len(lines) - NAMED:,} more"


def rollback(store: str, as_of: str, note: str, *, single_writer: bool = False) -> str:
    """Commit a new version with the content of an older one; return what to tell."""
    history = open_history(store, single_writer=single_writer)
    version = roll_back(history, as_of, now, note)
    return (
        f"version {version.number} has the content of version {version.manifest.of}\n"
        "the next 'thresher rebuild' makes a version of what the sources hold then"
    )


def clean(
    store: str, retention: Retention, *, dry_run: bool, single_writer: bool = False
) -> Iterator[str]:
    """Take away what is not kept, or say what would go.

    Raises:
        ConfigError: There are no versions: a schedule that cleans the wrong place shall notice.
    """
    history = open_history(store, single_writer=single_writer)
    history.newest()
    found = collect(history, retention, now(), dry_run=dry_run)
    will = "would be removed" if dry_run else "removed"
    if found.versions:
        yield f"versions {will}: {', '.join(map(str, found.versions))}"
    yield f"{_count(len(found.files), 'object')} {will}, {size(found.bytes)}"
    if found.later:
        yield f"{_count(found.later, 'object')} left for the next time: run the command again"
    if found.young:
        told = size(sum(entry.bytes for entry in found.young))
        yield f"{_count(len(found.young), 'object')} of no version left, too young, {told}"
    yield f"readable from version {found.first} on"
    for entry in found.files[:NAMED] if dry_run else ():
        yield f"would remove  {entry.name}  {size(entry.bytes)}"
    if dry_run and len(found.files) > NAMED:
        yield f"  ... and {len(found.files) - NAMED:,} more"


def export(store: str, as_of: str, out: str) -> str:
    """Copy one version's files under their names, all or none of them to be seen; return what to
    tell. What the version keeps for the nights to come stays in the store.

    Args:
        store: Of the versions.
        as_of: Which of them.
        out: A new folder, or `s3://bucket/prefix`.

    Raises:
        ConfigError: Something else is there already.
    """
    version = open_history(store).resolve(as_of or LATEST)
    small = {CARD: version.read(CARD)} if CARD in version.files else {}
    parts = [
        Published(name, file.bytes, file.sha256)
        for name, file in version.files.items()
        if name not in (CARD, SUMS) and not for_nights(name)
    ]

    def put(objects: Objects) -> None:
        if isinstance(objects, LocalObjects):
            for part in parts:
                version.fetch(part.name, Store(objects.root))
            return
        with tempfile.TemporaryDirectory() as folder:
            for part in parts:
                version.fetch(part.name, Store(folder))
                objects.put_file(part.name, Path(folder, part.name), move=True)

    done = publish(out, parts, small, put)
    files = [file for name, file in version.files.items() if not for_nights(name)]
    told = size(sum(file.bytes for file in files))
    there = "in" if done else "already in"
    return f"version {version.number}: {_count(len(files), 'file')}, {told} {there} {out}"


def examine_store(store: str, *, single_writer: bool = False) -> Iterator[str]:
    """Yield what a store can do.

    Raises:
        StorageError: It cannot hold versions; after all lines.
    """
    objects = open_objects(store, single_writer=single_writer)
    yield f"store       {objects.address}"
    for finding in require(objects, single_writer=single_writer):
        held = "yes" if finding.holds else "NO" if finding.needed else "no"
        yield f"  {finding.what:<22} {held:<4} {finding.told}"


def size(count: float) -> str:
    """Say a number of bytes."""
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} {_UNITS[-1]}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
