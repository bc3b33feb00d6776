"""What the section on a mixture shows: the plan before, the ratios after, in tables and bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from thresher.report import charts
from thresher.report.figures import share
from thresher.report.mixture import MixedLeaf, Mixture, label_of

_MOST_LEAVES, _MOST_SEGMENTS = 200, 12
_COLOURS = ("kept", "exact", "near", "other", "same", "bad")


@dataclass(frozen=True)
class Line:
    """One line of the table: amounts as the mixture counts them, and the share asked for."""

    leaf: MixedLeaf
    name: str
    inside: str | None
    there: int
    given: int
    asked: float
    repeats: str


def mixture_context(mixture: Mixture) -> dict[str, Any]:
    """Return what the template needs."""
    lines = [
        _line(mixture, leaf, asked)
        for leaf, asked in zip(mixture.leaves, mixture.asked, strict=True)
    ]
    return {
        "mixture": mixture,
        "mix_lines": lines[:_MOST_LEAVES],
        "mix_totals": {
            "there": sum(line.there for line in lines),
            "given": sum(line.given for line in lines),
            "rows": sum(line.leaf.rows for line in lines),
            "tokens": sum(line.leaf.tokens for line in lines),
            "target": sum(line.leaf.target for line in lines),
            "short": sum(line.leaf.short for line in lines),
        },
        "mix_bars": _bars(mixture, lines),
        "mix_left_out": mixture.left_out[:_MOST_LEAVES],
        "mix_weighed": any(leaf.weight is not None for leaf in mixture.leaves),
        "mix_capped": any(leaf.cap is not None for leaf in mixture.leaves),
    }


def _line(mixture: Mixture, leaf: MixedLeaf, asked: float) -> Line:
    there, given = mixture.amounts(leaf)
    name = leaf.source if leaf.source is not None else leaf.category
    inside = leaf.category if leaf.source is not None else None
    return Line(leaf, name or "", inside, there, given, asked, repeats_of(leaf))


def repeats_of(leaf: MixedLeaf) -> str:
    """Say how often rows of a leaf are written."""
    return say_rounds(leaf.rounds, leaf.bound is not None)


def say_rounds(rounds: int, part: bool) -> str:
    """Say how often every row is written, and whether part of them are once more."""
    if not rounds:
        return "part" if part else "none"
    return f"{times(rounds)} and part" if part else times(rounds)


def times(count: int) -> str:
    """Say how often."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _bars(
    mixture: Mixture, lines: Sequence[Line]
) -> list[tuple[str, list[charts.Segment], str, list[tuple[str, str, int]]]]:
    """Return bars of shares, before, as asked and after; small parts are shown as one."""
    largest = sorted(lines, key=lambda line: (-line.there - line.given, line.name))
    shown = {id(line) for line in largest[:_MOST_SEGMENTS]}
    bars = []
    amounts = {
        "Available": [line.there for line in lines],
        "Asked for": [round(line.asked * mixture.total) for line in lines],
        "Written": [line.given for line in lines],
    }
    for label, values in amounts.items():
        pairs = list(zip(lines, values, strict=True))
        parts = [
            (label_of(line.leaf), _COLOURS[n % len(_COLOURS)], value)
            for n, (line, value) in enumerate(pair for pair in pairs if id(pair[0]) in shown)
        ]
        rest = sum(value for line, value in pairs if id(line) not in shown)
        parts += [("others", "soft", rest)] if rest else []
        total = sum(value for _, _, value in parts)
        said = "; ".join(f"{name} {share(value, total)}" for name, _, value in parts if value)
        bars.append((label, charts.stacked(parts), said, parts))
    return bars
