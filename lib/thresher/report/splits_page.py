"""What the section on a split shows: sizes, leaks beside chance, strata, groups by size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from thresher.report import charts
from thresher.report.splits import GroupSize, LeakCheck, Splits

_MOST_STRATA = 200
_COLOURS = {"train": "kept", "validation": "same", "test": "near"}


@dataclass(frozen=True)
class Border:
    """One line of the leak check: what may lie across a border, how much does, and at random."""

    name: str
    all: int
    at_least: bool
    torn: int
    at_random: float


@dataclass(frozen=True)
class StratumLine:
    """One stratum: wanted and achieved rows of the splits that want any, and a bar."""

    name: str | None
    rows: int
    cells: list[tuple[int, int, bool]]
    segments: list[charts.Segment]


def splits_context(splits: Splits) -> dict[str, Any]:
    """Return what the template needs."""
    shown = [s for s in splits.splits if s.rows or s.wanted]
    places = [splits.splits.index(s) for s in shown]
    return {
        "splits": splits,
        "split_sizes": shown,
        "split_colours": _COLOURS,
        "split_total": sum(s.rows for s in splits.splits),
        "split_segments": charts.stacked([(s.name, _COLOURS[s.name], s.rows) for s in shown]),
        "split_borders": _borders(splits),
        "split_strata": [
            StratumLine(
                s.name,
                s.rows,
                [
                    (s.wanted[at], s.achieved[at], abs(s.wanted[at] - s.achieved[at]) > 1)
                    for at in places
                ],
                charts.stacked(
                    [
                        (splits.splits[at].name, _COLOURS[splits.splits[at].name], s.achieved[at])
                        for at in places
                    ]
                ),
            )
            for s in splits.strata[:_MOST_STRATA]
        ],
        "split_group_rows": _group_rows(splits.group_sizes),
        "split_check": _check(splits.leaks),
    }


def _borders(splits: Splits) -> list[Border]:
    leaks = splits.leaks
    near = Border(
        f"Pairs of near copies, similarity from {splits.threshold} on",
        leaks.pairs,
        not leaks.whole,
        leaks.torn + leaks.left,
        leaks.torn_at_random,
    )
    keys = (
        Border(f"Values of {key.kind} that several rows have", key.keys, False, key.torn,
               key.torn_at_random)
        for key in splits.keys
    )  # fmt: skip
    return [near, *keys]


def _check(leaks: LeakCheck) -> str:
    """Say in a sentence what was compared."""
    if not leaks.checked_rows:
        return "No held-out rows were compared with the others."
    which = "All" if leaks.checked_rows == leaks.held_rows else f"{leaks.checked_rows:,} of"
    against = "all" if leaks.all_compared else f"{leaks.compared_rows:,}"
    told = (
        f"{which} {leaks.held_rows:,} held-out texts were compared exactly with {against} others, "
        f"whether a band had brought them together or not: {leaks.left:,} pairs across a border."
    )
    if leaks.found:
        told += (
            f" Earlier rounds of this check found {leaks.found:,}; they were tied, and the split "
            "was made again."
        )
    return told


def _group_rows(sizes: Sequence[GroupSize]) -> list[tuple[str, int, float]]:
    """Return groups by size in powers of two: label, groups, length of the bar in per cent."""
    bins: dict[int, int] = {}
    for size in sizes:
        place = (size.rows - 1).bit_length()
        bins[place] = bins.get(place, 0) + size.groups
    most = max((count.bit_length() for count in bins.values()), default=1)
    return [
        (_range(place), count, round(100 * count.bit_length() / most, 1))
        for place, count in sorted(bins.items())
    ]


def _range(place: int) -> str:
    low, high = (1 << place >> 1) + 1, 1 << place
    return "1" if place == 0 else str(high) if low == high else f"{low:,} – {high:,}"
