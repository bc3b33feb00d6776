"""Who is at work on a store: advice for people and schedulers, on which no result depends.

A run writes its name and a time until which it may be believed, and moves that time on while it
works. A second run is told who is there and since when. Both may go on: commits decide.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from thresher.errors import ThresherError
from thresher.versions.objects import Objects

NAME = "LEASE"
SPAN_S = 300.0  # for which a lease is believed; a run that was killed is in nobody's way for longer
RENEWED = 3  # times in a span


@dataclass(frozen=True)
class Holder:
    """Who holds the lease.

    Attributes:
        owner: Unique to a run.
        host: Where it runs.
        process: Its process there.
        since: When it began, by its clock.
        until: Until when it is believed.
    """

    owner: str
    host: str
    process: int
    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since:%Y-%m-%d %H:%M:%S %Z}"


def holder(objects: Objects, now: datetime) -> Holder | None:
    """Return who is at work; None when nobody is, or the lease ran out, or cannot be read."""
    try:
        value = json.loads(objects.get(NAME) or b"null")
        found = Holder(
            str(value["owner"]),
            str(value["host"]),
            int(value["process"]),
            datetime.fromisoformat(value["since"]),
            datetime.fromisoformat(value["until"]),
        )
        over = found.until <= now or found.until - now > timedelta(seconds=2 * SPAN_S)
    except (ThresherError, ValueError, KeyError, TypeError):
        return None
    return None if over or _ended(found) else found


def _ended(found: Holder) -> bool:
    """Say whether the holder ran on this machine and is gone."""
    if found.host != socket.gethostname():
        return False
    try:
        os.kill(found.process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@dataclass
class Lease:
    """Says, while it is entered, that this run is at work; renewed by a thread of its own.

    Args:
        objects: The store.
        clock: The caller's clock, with zone.
        span_s: For how long a word is believed.
    """

    objects: Objects
    clock: Callable[[], datetime]
    span_s: float = SPAN_S
    owner: str = field(default_factory=lambda: uuid.uuid4().hex[:16])

    def __enter__(self) -> Lease:
        self._since = self.clock().astimezone(UTC)
        self._done = threading.Event()
        self._tell()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        found = holder(self.objects, self.clock())
        if found is not None and found.owner == self.owner:
            with contextlib.suppress(ThresherError):
                self.objects.delete([NAME])

    def _renew(self) -> None:
        while not self._done.wait(self.span_s / RENEWED):
            self._tell()

    def _tell(self) -> None:
        value: dict[str, Any] = {
            "owner": self.owner,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "since": self._since.isoformat(),
            "until": (self.clock().astimezone(UTC) + timedelta(seconds=self.span_s)).isoformat(),
        }
        with contextlib.suppress(ThresherError):  # advice: a store that will not take it is no harm
            self.objects.put(NAME, json.dumps(value).encode())


@contextlib.contextmanager
def at_work(
    objects: Objects,
    clock: Callable[[], datetime],
    wait: Callable[[Holder], bool],
    span_s: float = SPAN_S,
) -> Iterator[Holder | None]:
    """Take the lease, after others if the caller wants to wait.

    Args:
        objects: The store.
        clock: The caller's clock, with zone.
        wait: Called with who is at work, again and again; pauses and returns True to look again,
            or False to go on at once (`--no-wait`).
        span_s: For how long a word is believed.

    Yields:
        Who is at work as well, if anybody.
    """
    other = holder(objects, clock())
    while other is not None and wait(other):
        other = holder(objects, clock())
    with Lease(objects, clock, span_s):
        yield other
