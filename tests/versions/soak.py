"""Nightly runs, rollbacks and clean-ups at once, killed (SIGKILL) at random moments, and readers.

    python -m tests.versions.soak STORE ROUNDS SEED

A round starts a few processes; some are killed after a random time. Readers run all the while. In
the end the history has to read as if all that was committed had been done one after the other. A
line of JSON tells what happened. Processes are forked before any thread or connection exists, and
killed by their number.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from tests.versions.stores import at, made
from thresher.errors import ConfigError, ThresherError
from thresher.versions.collecting import Retention, collect
from thresher.versions.history import History, open_history
from thresher.versions.reading import Version
from thresher.versions.writing import Writer, roll_back, write

DONE, NOTHING = 0, 3
RETENTION = Retention(keep=3, keep_days=0, grace_s=0)
READERS = 2


def night(history: History, who: str) -> None:
    """Commit what `who` makes, and its name after those of all that came before."""

    def plan(writer: Writer) -> Version:
        log = writer.base.read("log").decode() if writer.base else ""
        for name, data in made(who).items():
            writer.put(name, data)
        writer.put("log", f"{log}{who}\n".encode())
        return writer.commit(note=who)

    write(history, lambda: at(random.uniform(-50, 50)), plan)


def back(history: History, who: str) -> None:
    """Roll back to a version that can be read."""
    newest = history.resolve()
    number = random.randint(newest.manifest.first, newest.number)
    try:
        roll_back(history, number, at, who)
    except ConfigError:  # in force, or taken meanwhile
        sys.exit(NOTHING)


def clean(history: History, who: str) -> None:
    """Take away whatever can be."""
    collect(history, RETENTION, at())


def check(version: Version) -> None:
    """Check that a version is one night's, whole."""
    found = {name: version.read(name) for name in version.files}
    log = found.pop("log").decode().split()
    assert found == made(log[-1]), f"version {version.number} mixes nights"


def read(history: History, stop: str) -> None:
    """Resolve and check versions until told to stop; only what a clean-up gave up may be gone."""
    checked = excused = 0
    while not os.path.exists(stop):
        version = None
        try:
            version = history.resolve()
            if random.random() < 0.3:
                version = history.resolve(random.randint(version.manifest.first, version.number))
            check(version)
            checked += 1
        except ThresherError as error:
            head = history.head()
            gone = version is not None and head is not None and version.number < head.first
            if not (gone or isinstance(error, ConfigError)):
                raise
            excused += 1
    with open(f"{stop}.{os.getpid()}", "w") as file:
        json.dump([checked, excused], file)


def forked(work: Callable[..., None], *arguments: object) -> int:
    """Run something in a child; an error is its exit code 1, told on standard error."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        random.seed()
        os.fsync = lambda fd: None
        work(*arguments)
        code = DONE
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException as error:  # noqa: BLE001 - the parent is told
        print(f"{work.__name__}{arguments[1:]}: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def round_of(history: History, number: int, span: float, counts: Counter[str]) -> list[str]:
    """Start some processes, kill some of them; returns the nights that ended well."""
    works = [night, random.choice([night, night, clean, back])]
    works += [clean] if number % 5 == 0 else []
    started: dict[int, tuple[Callable[..., None], str, bool]] = {}
    for place, work in enumerate(works):
        who = f"{work.__name__}-{number}-{place}"
        started[forked(work, history, who)] = (work, who, random.random() < 0.6)
    begun = time.monotonic()
    for moment, pid in sorted((random.uniform(0, span), p) for p, x in started.items() if x[2]):
        time.sleep(max(0.0, begun + moment - time.monotonic()))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    ended = []
    for pid, (work, who, _) in started.items():
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in (DONE, NOTHING, -signal.SIGKILL), f"{who} ended with {code}"
        counts[f"{work.__name__} {'killed' if code < 0 else 'ended'}"] += 1
        if work is night and code == DONE:
            ended.append(who)
    return ended


def serial(history: History, ended: list[str]) -> dict[str, int]:
    """Check that the history reads as if all had been done one after the other."""
    records = history.records()
    names: Counter[str] = Counter()
    standing, first = 0, 1
    for number, record in enumerate(records, 1):
        assert record.version == number
        assert record.parent == standing, f"record {number} was planned on {record.parent}"
        assert record.first >= first
        first = record.first
        standing = record.content
        if record.kind == "data":
            names[record.note] += 1
    assert max(names.values()) == 1, "one night was committed twice"
    assert set(ended) <= set(names), "a night ended well and is in no version"
    for record in records:
        if record.kind != "gc" and record.version >= first:
            check(history.resolve(record.version))
    logs = {r.version: r for r in records if r.kind == "data" and r.version >= first}
    for number, record in logs.items():
        if record.parent >= first:
            before = history.resolve(record.parent).read("log")
            mine = history.resolve(number).read("log")
            assert mine == before + f"{record.note}\n".encode()
    left = collect(history, Retention(1, -1, -1e9), at())
    named = {file.path for file in history.resolve().manifest.files}
    assert {entry.name for entry in history.objects.entries("files")} == named
    check(history.resolve())
    return {
        "records": len(records),
        "landed though killed": len(set(names) - set(ended)),
        "left over": len(left.files),
    }


def main() -> None:
    """Run the rounds and tell what happened."""
    address, rounds, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    random.seed(seed)
    history = open_history(address)
    stop = os.path.join(os.environ["SOAK_FOLDER"], "stop")
    if address.startswith("s3://"):
        import s3fs  # noqa: F401 - once, for all children
    begun = time.monotonic()
    os.waitpid(forked(night, history, "first"), 0)
    span = 1.5 * (time.monotonic() - begun)
    readers = [forked(read, history, stop) for _ in range(READERS)]
    counts: Counter[str] = Counter()
    ended = ["first"]
    for number in range(rounds):
        ended += round_of(history, number, span, counts)
    with open(stop, "w"):
        pass
    states = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in readers]
    assert states == [DONE] * READERS, f"readers ended with {states}"
    for pid in readers:
        with open(f"{stop}.{pid}") as file:
            checked, excused = json.load(file)
        counts["reads checked"] += checked
        counts["reads of what was given up"] += excused
    print(json.dumps({**counts, **serial(history, ended)}))


if __name__ == "__main__":
    main()
