"""What a store can do: put-if-absent, reading what was just written, listing, telling the time.

All of it is tried with objects that are removed again. Put-if-absent is tried one after the other,
and by several at once, because a driver that looks first and puts then passes the first trial.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import NamedTuple

from thresher.errors import StorageError
from thresher.versions.objects import UNKNOWN_TIME, Objects

RACERS = 8
RACES = 6
FOLDER = "probe"
_SKEW_S = 60


class Finding(NamedTuple):
    """One thing that was tried: whether it holds, whether a store needs it, and the words."""

    what: str
    holds: bool
    needed: bool
    told: str


def probe(objects: Objects) -> Iterator[Finding]:
    """Try a store.

    Raises:
        StorageError: Nothing can be written there at all.
    """
    folder = f"{FOLDER}/{uuid.uuid4().hex}"
    names: list[str] = []
    try:
        yield from _probe(objects, folder, names)
    finally:
        objects.delete(names)


def _probe(objects: Objects, folder: str, names: list[str]) -> Iterator[Finding]:
    first = f"{folder}/first"
    names.append(first)
    objects.put(first, b"1")
    seen = objects.get(first) == b"1" and objects.size(first) == 1
    objects.put(first, b"22")
    seen = seen and objects.get(first) == b"22" and objects.get(f"{folder}/absent") is None
    yield Finding("read-after-write", seen, True, "what was written is read")
    once = f"{folder}/once"
    names.append(once)
    won = objects.put_if_absent(once, b"1"), objects.put_if_absent(once, b"2")
    holds = won == (True, False) and objects.get(once) == b"1"
    yield Finding("put-if-absent", holds, True, "a second put of a name fails")
    if holds:
        winners = [_race(objects, f"{folder}/race-{n}", names) for n in range(RACES)]
        worst = max(winners)
        told = f"{RACERS} at once, {RACES} times: one of them wins"
        if set(winners) != {1}:
            told = f"of {RACERS} at once {worst} won: it looks first and puts then"
        yield Finding("put-if-absent, raced", set(winners) == {1}, True, told)
    listed = {entry.name for entry in objects.entries(folder)}
    missing = set(names) - listed
    told = "shows what was just written" if not missing else f"lags: {len(missing)} not shown yet"
    yield Finding("listing", not missing, False, told)
    yield _clock(objects)
    objects.delete(names)
    gone = all(objects.get(name) is None for name in names)
    yield Finding("deletion", gone, True, "what was deleted is gone")


def _race(objects: Objects, name: str, names: list[str]) -> int:
    """Let several put one name at once; returns how many were told that they won."""
    names.append(name)
    start = Barrier(RACERS)

    def put(number: int) -> bool:
        start.wait()
        return objects.put_if_absent(name, str(number).encode())

    with ThreadPoolExecutor(RACERS) as pool:
        return sum(pool.map(put, range(RACERS)))


def _clock(objects: Objects) -> Finding:
    told = objects.clock()
    if told == UNKNOWN_TIME:
        return Finding("clock", False, False, "not told: 'thresher gc' keeps what no version names")
    skew = told - time.time()
    if abs(skew) < _SKEW_S:
        return Finding("clock", True, False, "agrees with this machine's")
    return Finding("clock", True, False, f"is {skew:+.0f} s off this machine's; no harm")


def require(objects: Objects, *, single_writer: bool) -> Iterator[Finding]:
    """Try a store and yield what was found.

    Raises:
        StorageError: It cannot hold a versioned data set; after all findings.
    """
    lacking: list[str] = []
    for finding in probe(objects):
        yield finding
        raced = finding.what == "put-if-absent, raced"
        if finding.needed and not finding.holds and not (raced and single_writer):
            lacking.append(finding.what)
    if lacking:
        alone = all(what.startswith("put-if-absent") for what in lacking)
        raise StorageError(
            f"this store does not have: {', '.join(lacking)}",
            path=objects.address,
            remedy="use another store"
            + (", or --single-writer if one run at a time is certain" if alone else ""),
        )
