"""The engines that must give one answer. A new engine joins the suite by one line here.

Values make a fresh engine: a test may need several, since a stopped run is resumed by another.
Cluster engines join the one small cluster of their kind that this process starts.
"""

from __future__ import annotations

from collections.abc import Callable

from thresher.engines.local import LocalEngine
from thresher.stage import Engine
from thresher.testing.chaos import FlakyEngine, ShuffledEngine, TwiceEngine

ENGINES: dict[str, Callable[[], Engine]] = {
    "local-1": lambda: LocalEngine(1),
    "local-2": lambda: LocalEngine(2),
    "local-4": lambda: LocalEngine(4),
    "shuffled-1": lambda: ShuffledEngine(1, seed=11),
    "shuffled-4": lambda: ShuffledEngine(4, seed=12),
    "twice": lambda: TwiceEngine(2),
    "flaky": lambda: FlakyEngine(2, failures=2),
}
