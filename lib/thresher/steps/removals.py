"""What the removals of a run amount to: counts, the largest clusters, the least similar pairs.

Counts of parts add up to the counts of the whole, as long as the removals of one kept row lie in
one part. Ties fall by id, so equal results show equal rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from thresher import docid
from thresher.steps.verdicts import NEAR, REASONS, Verdicts

Column = np.ndarray[Any, Any]
NUM_CLUSTERS = 12
NUM_MEMBERS = 5
NUM_PAIRS = 20
NUM_BLAMED = 5
BINS = 50


class Removal(NamedTuple):
    """One removed row: its id, that of the row kept instead, why, and how similar they are."""

    id: int
    kept: int
    reason: int
    shared: int
    union: int

    @property
    def score(self) -> float:
        """The similarity; rows that the exact collapse removed count as equal."""
        return self.shared / self.union if self.union else 1.0


class Cluster(NamedTuple):
    """A kept row, the rows of its cluster with itself, and its least similar members."""

    kept: int
    size: int
    members: tuple[Removal, ...]


@dataclass(frozen=True)
class Sources:
    """How many sources a run has, and the source of each task."""

    num: int
    of_task: tuple[int, ...]


class RemovalCounts(BaseModel):
    """Counts of removals, and the few that a report shows.

    Args:
        by_source: For each source, removals by reason.
        walked: For each source, removals as near copies that are nobody's exact copy.
        histogram: Near copies by similarity, in BINS bins of [0, 1].
        lowest: The smallest similarity of a near copy; 1 if there is none.
        bordering: Near copies whose similarity is at most the border.
        sizes: (size, clusters of this size), ascending.
        clusters: The largest clusters.
        pairs: The least similar near copies.
        blamed: For each source, (kept row, near copies of it in this source), largest first.
    """

    model_config = ConfigDict(frozen=True)

    by_source: list[list[int]]
    walked: list[int]
    histogram: list[int]
    lowest: float
    bordering: int
    sizes: list[tuple[int, int]]
    clusters: list[Cluster]
    pairs: list[Removal]
    blamed: list[list[tuple[int, int]]]

    def by_reason(self) -> list[int]:
        """Return removals by reason, over all sources."""
        return [sum(column) for column in zip(*self.by_source, strict=True)]

    def shown(self) -> Column:
        """Return the ids of the rows that a report shows, sorted, as uint64."""
        ids = {r.id for r in self.pairs} | {r.kept for r in self.pairs}
        for cluster in self.clusters:
            ids |= {cluster.kept, *(member.id for member in cluster.members)}
        return np.array(sorted(ids), dtype=np.uint64)


def count_removals(verdicts: Verdicts, sources: Sources, border: float) -> RemovalCounts:
    """Count one part's removals.

    Args:
        verdicts: Sorted by id.
        sources: Source of each task.
        border: Similarity up to which near copies count as bordering.
    """
    num = sources.num
    source = np.array(sources.of_task, np.int64)[docid.task_of(verdicts.ids)]
    by_source = np.zeros((num, len(REASONS)), np.int64)
    np.add.at(by_source, (source, verdicts.reason.astype(np.int64)), 1)
    scores = verdicts.scores()
    near = verdicts.reason == NEAR
    walked = ~verdicts.copied.astype(bool)
    kept, inverse, counts = np.unique(verdicts.kept, return_inverse=True, return_counts=True)
    sizes, clusters = np.unique(counts + 1, return_counts=True)
    histogram, _ = np.histogram(scores[near], np.arange(BINS + 1) / BINS)
    top = np.argsort(-counts, kind="stable")[:NUM_CLUSTERS]

    def removals(places: Column) -> tuple[Removal, ...]:
        columns = [column[places].tolist() for column in verdicts[:5]]
        return tuple(Removal(*line) for line in zip(*columns, strict=True))

    def least_similar(places: Column, num: int) -> Column:
        return places[np.argsort(scores[places], kind="stable")[:num]]

    return RemovalCounts(
        by_source=by_source.tolist(),
        walked=np.bincount(source[walked], minlength=num).tolist(),
        histogram=histogram.tolist(),
        lowest=float(scores[near].min()) if near.any() else 1.0,
        bordering=int((near & (scores <= border)).sum()),
        sizes=list(zip(sizes.tolist(), clusters.tolist(), strict=True)),
        clusters=[
            Cluster(
                int(kept[k]),
                int(counts[k]) + 1,
                removals(least_similar(np.flatnonzero(inverse == k), NUM_MEMBERS)),
            )
            for k in top.tolist()
        ],
        pairs=list(removals(least_similar(np.flatnonzero(near), NUM_PAIRS))),
        blamed=[_blamed(verdicts.kept[walked & (source == s)]) for s in range(num)],
    )


def _blamed(kept: Column) -> list[tuple[int, int]]:
    leaders, counts = np.unique(kept, return_counts=True)
    top = np.argsort(-counts, kind="stable")[:NUM_BLAMED]
    return list(zip(leaders[top].tolist(), counts[top].tolist(), strict=True))


def add_counts(parts: Iterable[RemovalCounts]) -> RemovalCounts:
    """Add the counts of parts; at least one."""
    every = list(parts)
    sizes: dict[int, int] = {}
    for part in every:
        for size, clusters in part.sizes:
            sizes[size] = sizes.get(size, 0) + clusters
    by_source = np.sum([np.array(p.by_source, np.int64) for p in every], axis=0)
    return RemovalCounts(
        by_source=by_source.tolist(),
        walked=np.sum([p.walked for p in every], axis=0).tolist(),
        histogram=np.sum([p.histogram for p in every], axis=0).tolist(),
        lowest=min(p.lowest for p in every),
        bordering=sum(p.bordering for p in every),
        sizes=sorted(sizes.items()),
        clusters=sorted((c for p in every for c in p.clusters), key=lambda c: (-c.size, c.kept))[
            :NUM_CLUSTERS
        ],
        pairs=sorted((r for p in every for r in p.pairs), key=lambda r: (r.score, r.id))[
            :NUM_PAIRS
        ],
        blamed=[
            sorted((pair for p in every for pair in p.blamed[s]), key=lambda x: (-x[1], x[0]))[
                :NUM_BLAMED
            ]
            for s in range(len(every[0].blamed))
        ],
    )
