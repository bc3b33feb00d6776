"""Clean-up: which versions are kept, which files no kept version names, and taking those away.

Kept are the newest versions by number, those in force within some days, and those replaced within
the grace period, so that their readers can end; what lies between them is kept too. A file that no
kept version names goes if a version that is given up named it, or if it is older than the grace
period: a younger one may belong to a commit that is under way. Ages are told by the store's own
clock.

Clocks decide what is worth taking, never what is safe to take. A clean-up first commits a record
that lists what it takes, by the same put-if-absent as versions. A writer that began before has to
step over that record and sees whether a file of its own is listed; one that begins later names its
files by its own id. So nothing that a version names is ever taken, whatever clocks and killed or
sleeping processes do.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from thresher.versions.history import History
from thresher.versions.manifest import FILES, FOLDER, Manifest, encode, record_name, record_number
from thresher.versions.objects import Entry
from thresher.versions.writing import ROUNDS, Conflict, put_record

DAY_S = 86_400
AT_ONCE = 20_000  # files a record lists, so that a record stays small


class Retention(NamedTuple):
    """What stays.

    Attributes:
        keep: The newest versions, by number; at least one.
        keep_days: Versions that were in force within so many days.
        grace_s: How long what is not, or no longer, in force is left alone.
    """

    keep: int = 7
    keep_days: float = 30
    grace_s: float = DAY_S


class Cleanup(NamedTuple):
    """What a clean-up takes, or would take.

    Attributes:
        versions: The versions that can no longer be read.
        first: The oldest that can be read.
        files: The objects that go.
        young: Objects that no version names and that are too young to go.
        later: How many more go the next time, where there are too many for one record.
        record: The record that says so; None for a dry run, or when there was nothing to take.
    """

    versions: tuple[int, ...]
    first: int
    files: tuple[Entry, ...]
    young: tuple[Entry, ...]
    record: int | None = None
    later: int = 0

    @property
    def bytes(self) -> int:
        """Bytes of the objects that go."""
        return sum(entry.bytes for entry in self.files)


def collect(
    history: History, retention: Retention, time: datetime, *, dry_run: bool = False
) -> Cleanup:
    """Take away what is not kept.

    Args:
        history: The store.
        retention: What stays.
        time: The caller's time, told in the record.
        dry_run: Whether to say only what would go.

    Raises:
        Conflict: Others commit faster than a clean-up can be planned.
    """
    if retention.keep < 1:
        raise ValueError("at least one version is kept")
    number = 0
    for _ in range(ROUNDS):
        head = history.head()
        if head is None:
            return Cleanup((), 1, (), ())
        number = head.version
        plan = _plan(history, head, retention)
        if dry_run or not (plan.files or plan.versions):
            return plan
        done = _take(history, head, plan, time)
        if done is not None:
            return done
    raise Conflict(number)


def _plan(history: History, head: Manifest, retention: Retention) -> Cleanup:
    records = {n: history.record(n) for n in range(head.first, head.version)}
    records[head.version] = head
    read = {n: r for n, r in records.items() if r is not None and r.kind != "gc"}
    modified = {record_number(e.name): e.modified for e in history.objects.entries(FOLDER)}
    now = history.objects.clock()
    first = _first(sorted(read), modified, now, retention)
    named = {file.path for n, r in read.items() if n >= first for file in r.files}
    given_up = {file.path for n, r in read.items() if n < first for file in r.files}
    files: list[Entry] = []
    young: list[Entry] = []
    for entry in [*history.objects.entries(FILES), *_strays(history)]:
        if entry.name in named:
            continue
        old = now - entry.modified > retention.grace_s
        (files if entry.name in given_up or old else young).append(entry)
    versions = tuple(n for n in sorted(read) if n < first)
    return Cleanup(versions, first, tuple(sorted(files)), tuple(sorted(young)))


def _first(numbers: list[int], modified: dict[int, float], now: float, retention: Retention) -> int:
    """Return the oldest version that is kept. A version whose age is not known is kept."""
    first = numbers[-retention.keep] if len(numbers) > retention.keep else numbers[0]
    limit = max(retention.keep_days * DAY_S, retention.grace_s)
    for number, successor in pairwise(numbers):
        replaced = modified.get(successor, now)
        if now - replaced < limit:
            return min(first, number)
    return first


def _strays(history: History) -> list[Entry]:
    """Return what killed writers left among the records: temporary files, on local disks."""
    return [e for e in history.objects.entries(FOLDER) if not record_number(e.name)]


def _take(history: History, head: Manifest, plan: Cleanup, time: datetime) -> Cleanup | None:
    """Commit what goes, then let it go; None when another writer was faster."""
    removed = plan.files[:AT_ONCE]
    record = Manifest(
        version=head.version + 1,
        kind="gc",
        writer=uuid.uuid4().hex[:16],
        time=time.astimezone(UTC).isoformat(),
        parent=head.content,
        first=plan.first,
        removed=tuple(entry.name for entry in removed),
    )
    if put_record(history, record) is not None:
        return None
    for number in range(head.first, plan.first):
        _forget(history, number)
    history.objects.delete(entry.name for entry in removed)
    later = len(plan.files) - len(removed)
    return plan._replace(files=removed, record=record.version, later=later)


def _forget(history: History, number: int) -> None:
    """Let a record that can no longer be read forget its files; its number stays taken."""
    known = history.record(number)
    if known is not None and not known.forgotten:
        history.objects.put(record_name(number), encode(known.forget()))
