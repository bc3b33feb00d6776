"""Runs the job in children that are killed (SIGKILL) at their k-th change of the output folder.

    python -m tests.faults.crash INPUT BASE POINT...

A point is `before:k` or `after:k`: the moment before or after the k-th time that a file gets its
name or loses it. The child of a point writes BASE/<point>; `count` runs to the end and prints how
many points there are. Children are forked before any thread has started, so each costs a fraction
of a fresh process.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from tests.faults.settings import PARAMS
from tests.jobs import runs
from thresher.text.sketch import sketch


class Killer:
    """Counts the calls that change which names exist, and kills this process at the chosen one."""

    def __init__(self, moment: str, number: int) -> None:
        self.moment, self.number, self.count = moment, number, 0

    def watch(self, module: Any, name: str) -> None:
        """Count the calls of one function."""
        call: Callable[..., Any] = getattr(module, name)

        def counted(*args: Any, **more: Any) -> Any:
            self.count += 1
            mine = self.count == self.number
            if mine and self.moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = call(*args, **more)
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(module, name, counted)


def child(source: str, base: str, point: str) -> None:
    """Run the job until the point is reached."""
    moment, _, number = point.partition(":")
    killer = Killer(moment, int(number or 0))
    os.fsync = lambda fd: None
    for name in ("replace", "link", "unlink"):
        killer.watch(os, name)
    killer.watch(shutil, "rmtree")
    runs.run(source, os.path.join(base, point), **PARAMS)
    print(killer.count, flush=True)


def main() -> None:
    """Fork one child a point, one after the other."""
    source, base, *points = sys.argv[1:]
    sketch(pa.array(["load the kernels"]), n=5)
    for point in points:
        pid = os.fork()
        if pid == 0:
            child(source, base, point)
            os._exit(0)
        _, state = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(state) not in (0, -signal.SIGKILL):
            sys.exit(f"{point}: ended with state {state}")


if __name__ == "__main__":
    main()
