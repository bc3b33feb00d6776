"""How files of tests are dealt to processes: what shares a cluster together, the longest first.

A file goes to one process. Files that use one cluster go there together, so that each cluster is
started once and its workers stay warm. What is long comes first, or one process would be left with
it in the end.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# Both clusters of the conformance suite; then one of each for the files that break them.
SHARED = {
    "tests/jobs/test_api_clusters.py": "conformance",
    "tests/faults/test_ray.py": "ray",
    "tests/jobs/test_ray.py": "ray",
    "tests/faults/test_spark.py": "spark",
    "tests/jobs/test_spark.py": "spark",
}
LONGEST = ("conformance", "spark", "ray")
SLOW = 20  # times as long as other tests


def unit(nodeid: str) -> str:
    """Return what a test is dealt with: a cluster, or its file."""
    file = nodeid.partition("::")[0]
    if PurePosixPath(file).parent.name == "conformance":
        return "conformance"
    return SHARED.get(file, file)


def order(items: list[pytest.Item]) -> None:
    """Sort tests by the length of their units, files as they were."""
    length: Counter[str] = Counter()
    for item in items:
        length[unit(item.nodeid)] += SLOW if item.get_closest_marker("slow") else 1
    ranks = {name: -number for number, name in enumerate(reversed(LONGEST), 1)}
    items.sort(key=lambda item: _place(unit(item.nodeid), ranks, length))


def _place(name: str, ranks: dict[str, int], length: Counter[str]) -> tuple[int, int, str]:
    return ranks.get(name, 0), -length[name], name


class Dealing(LoadScopeScheduling):  # type: ignore[misc]
    """Deals units in the order of the tests; `--no-loadscope-reorder` leaves it."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)
