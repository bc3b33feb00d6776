"""Clusters of single-core nodes on one machine: node k runs on core k, the driver on the first.

Each `CLUSTERS[engine](folder, count)` gives a profile and the environment of a driver while the
cluster is there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.faults.on_ray import Nodes
from tests.faults.on_spark import Cluster

NODE_MEMORY = "4g"
Driver = tuple[dict[str, Any], dict[str, str]]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Let what is started inside run on one core only."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[core]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@contextmanager
def ray_nodes(folder: Path, count: int) -> Iterator[Driver]:
    """A Ray cluster: a head that runs no tasks, and so many nodes of one core."""
    with on_core(0):
        nodes = Nodes()
    try:
        for core in range(count):
            with on_core(core):
                nodes.add(cpus=1)
        profile = {"engine": "ray", "ray": {"address": nodes.address}}
        yield profile, nodes.env
    finally:
        nodes.end()


@contextmanager
def spark_nodes(folder: Path, count: int) -> Iterator[Driver]:
    """A standalone Spark cluster of so many workers of one core."""
    cluster = Cluster(folder)
    try:
        with on_core(0):
            cluster.start_master()
        for core in range(count):
            with on_core(core):
                cluster.add_worker(cores=1, memory=NODE_MEMORY)
        profile = {
            "engine": "spark",
            "spark": {"master": cluster.url, "conf": {"spark.executor.memory": "2g"}},
        }
        yield profile, cluster.environment
    finally:
        cluster.stop()


CLUSTERS: dict[str, Callable[[Path, int], AbstractContextManager[Driver]]] = {
    "ray": ray_nodes,
    "spark": spark_nodes,
}
