"""The engines that must give one answer: three kinds, each calm, and each misbehaving on purpose.

A `Setting` names one. `make` builds a fresh engine of it: a test may need several, since a stopped
run is resumed by another. Cluster engines join the one small cluster of their kind that this
process starts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.conformance.cases import CASES
from thresher.engines.local import LocalEngine
from thresher.engines.options import EngineOptions
from thresher.stage import Engine
from thresher.testing.chaos import Flaky, Shuffled, Twice


def _ray(workers: int) -> Engine:
    from tests.conformance import on_ray

    return on_ray.ENGINES[f"ray-{workers}"]()


def _spark(workers: int) -> Engine:
    from tests.conformance import on_spark

    return on_spark.ENGINES[f"spark-{workers}"]()


KINDS: dict[str, Callable[[int], Engine]] = {"local": LocalEngine, "ray": _ray, "spark": _spark}
WORKERS = (1, 2, 4)
CHAOS: dict[str, Callable[[Engine], Engine]] = {
    "calm": lambda engine: engine,
    "shuffled": lambda engine: Shuffled(engine, seed=11),
    "twice": Twice,
    "flaky": Flaky,
}
JOINS = {"driver": 1 << 30, "stages": 100}


def marks(kind: str, soak: bool = False) -> list[pytest.MarkDecorator]:
    """Return how a setting is marked: clusters are slow, and CI runs some of them."""
    return [pytest.mark.slow] * (kind != "local") + [pytest.mark.soak] * soak


class Setting(NamedTuple):
    """One engine, one configuration of the job."""

    kind: str
    workers: int
    chaos: str
    joins: str
    case: str

    def make(self) -> Engine:
        """Build a fresh engine."""
        return CHAOS[self.chaos](KINDS[self.kind](self.workers))

    @property
    def options(self) -> EngineOptions:
        """Where rows are joined."""
        return EngineOptions(driver_rows=JOINS[self.joins])

    def __str__(self) -> str:
        return f"{self.kind}-{self.workers}-{self.chaos}-{self.joins}-{self.case}"


def every() -> list[Setting]:
    """Return all settings: what the soak runs."""
    factors = (KINDS, WORKERS, CHAOS, JOINS, CASES)
    return [Setting(*values) for values in itertools.product(*factors)]


def pairwise() -> list[Setting]:
    """Choose settings in which every two values of different factors meet, the soak included.

    Greedy: always the setting that adds the most new pairs, the first of equals.
    """
    left = every()
    missing = {pair for setting in left for pair in _pairs(setting)}
    chosen = []
    while missing:
        best = max(left, key=lambda setting: len(missing & _pairs(setting)))
        chosen.append(best)
        missing -= _pairs(best)
    return chosen


def _pairs(setting: Setting) -> set[Any]:
    return set(itertools.combinations(enumerate(setting), 2))
