"""Engines that misbehave on purpose, within what an engine is allowed to do.

Real clusters run tasks in any order, run the same task twice (speculation, lost acknowledgements)
and lose first attempts half-way. A job that writes the same bytes under all three may run anywhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from threading import Lock
from typing import TypeVar

from thresher.engines.local import LocalEngine
from thresher.stage import Receipt

T = TypeVar("T")


class ShuffledEngine(LocalEngine):
    """Starts tasks and reducers in a random order.

    Args:
        workers: Tasks at once.
        seed: Of the order.
    """

    name = "shuffled"

    def __init__(self, workers: int = 1, seed: int = 0) -> None:
        super().__init__(workers)
        self._random = random.Random(seed)

    def _ordered(self, items: Sequence[T]) -> list[T]:
        return self._random.sample(list(items), len(items))


class TwiceEngine(LocalEngine):
    """Runs every task and every reducer twice; the second attempt must not change anything."""

    name = "twice"

    def _attempt(self, work: Callable[[T], Receipt], item: T) -> Receipt:
        work(item)
        return work(item)


class ChaosError(Exception):
    """The failure that `FlakyEngine` plants after a task has written its files."""


class FlakyEngine(LocalEngine):
    """Every unit of work is done, then its acknowledgement is lost, `failures` times, before it
    succeeds.

    Args:
        workers: Tasks at once.
        failures: Attempts that fail a task.
    """

    name = "flaky"

    def __init__(self, workers: int = 1, failures: int = 2) -> None:
        super().__init__(workers)
        self.failures = failures
        self.failed = 0
        self._lock = Lock()

    def _attempt(self, work: Callable[[T], Receipt], item: T) -> Receipt:
        for _ in range(self.failures):
            try:
                work(item)
                raise ChaosError("acknowledgement lost")
            except ChaosError:
                with self._lock:
                    self.failed += 1
        return work(item)
