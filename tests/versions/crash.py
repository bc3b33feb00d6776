"""Kills a commit (SIGKILL) before and after each of its changes of the folder, one child a point.

    python -m tests.versions.crash FOLDER

After each, the store holds the old version or the new one, whole; the next night commits on top;
a clean-up leaves what is named and nothing else. Prints how many points there were.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.faults.crash import Killer
from tests.versions.soak import check, forked, night, serial
from tests.versions.stores import at
from thresher.versions.collecting import Retention, collect
from thresher.versions.history import History, open_history

WATCHED = ("replace", "link", "unlink")


def broken(history: History, moment: str, number: int, counted: str) -> None:
    """Commit, then clean up, until the point is reached; else tell how many points there are."""
    killer = Killer(moment, number)
    for name in WATCHED:
        killer.watch(os, name)
    night(history, "second")
    collect(history, Retention(1, 0, 0), at())
    Path(counted).write_text(str(killer.count))


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def point(folder: Path, moment: str, number: int) -> int:
    """Try one point; returns how many there are, when it was not reached."""
    folder.mkdir()
    history = open_history(str(folder / "store"))
    counted = folder / "count"
    assert ended(forked(night, history, "first")) == 0
    code = ended(forked(broken, history, moment, number, str(counted)))
    assert code in (0, -signal.SIGKILL), code
    check(history.resolve())
    log = history.resolve().read("log").decode().split()
    assert log in (["first"], ["first", "second"]), log
    assert ended(forked(night, history, "third")) == 0
    assert history.resolve().read("log").decode().split() == [*log, "third"]
    serial(history, ["first", "third"])
    return int(counted.read_text()) if code == 0 else 0


def main() -> None:
    """Try every point."""
    folder = Path(sys.argv[1])
    count = point(folder / "count", "before", 0)
    for number in range(1, count + 1):
        for moment in ("before", "after"):
            assert point(folder / f"{moment}-{number}", moment, number) == 0
    print(count)


if __name__ == "__main__":
    main()
