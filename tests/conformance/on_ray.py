"""The `ray` engine of the conformance suite: one small cluster a test process.

The first engine starts the cluster in a folder of its own and connects this process to it, so that
workers stay warm from test to test; both end with the process. Engines find the connection and
leave it alone.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from functools import cache, partial

from thresher.engines.options import EngineOptions
from thresher.engines.ray import RayEngine, load_ray
from thresher.engines.ray_cluster import join
from thresher.params import build
from thresher.stage import Engine

CPUS = 4


def ray_options(workers: int, **ray: object) -> EngineOptions:
    """Return the profile of a Ray engine."""
    return build(EngineOptions, {"engine": "ray", "workers": workers, "ray": ray})


@cache
def connect() -> None:
    """Start the cluster of this process, unless there is a connection."""
    link = join(ray_options(CPUS, object_store_bytes=256 << 20), load_ray)
    atexit.register(link.leave)


def engine(workers: int) -> Engine:
    """Return an engine on the cluster of this process."""
    connect()
    return RayEngine(ray_options(workers))


ENGINES: dict[str, Callable[[], Engine]] = {
    "ray-1": partial(engine, 1),
    "ray-2": partial(engine, 2),
    "ray-4": partial(engine, 4),
}
