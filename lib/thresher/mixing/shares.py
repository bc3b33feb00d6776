"""From weights to whole numbers: shares by temperature, caps, and the division of a total.

A total is divided as if it were handed out one by one, each to the part whose weight divided by
2 s + 1 is largest, where s is what it already has, and never beyond its cap (the method of Webster
and Sainte-Laguë). So a larger total never takes anything from a part: what is drawn for a smaller
mixture is drawn for a larger one too. The method of largest remainders, which is closer to the
exact shares by less than one, lacks that: a part can lose a row when the total grows.

All of it is exact: weights are fractions, and ties go to the larger weight, then by name.

Shapes: P parts.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from fractions import Fraction

_FINE = 1 << 48
Cap = int | None


def as_fraction(weight: float) -> Fraction:
    """Return a weight as it was written: 0.1 is a tenth."""
    return Fraction(str(weight))


def tempered(sizes: Sequence[int], temperature: float) -> list[Fraction]:
    """Return (P,) weights proportional to the sizes to the power of 1 / temperature.

    1 is proportional to the sizes; the higher, the more alike the weights. A part of nothing weighs
    nothing. As in multilingual pre-training (Conneau et al. 2019, with alpha = 1 / temperature;
    Raffel et al. 2019 with sizes cut at a cap).

    Raises:
        ValueError: The temperature is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"a temperature is positive, not {temperature}")
    if temperature == 1:
        return [Fraction(size) for size in sizes]
    most = max(sizes, default=0)
    return [
        Fraction(round((size / most) ** (1 / temperature) * _FINE), _FINE) if size else Fraction(0)
        for size in sizes
    ]


def water_level(total: Fraction, weights: Sequence[Fraction], caps: Sequence[Cap]) -> Fraction:
    """Return the level at which the parts hold the total: each min(cap, level * weight).

    Raises:
        ValueError: The caps do not allow so much.
    """
    limited = sorted(
        (Fraction(cap) / weight, cap, weight)
        for cap, weight in zip(caps, weights, strict=True)
        if cap is not None and weight
    )
    free = sum(weights, Fraction(0))
    full = Fraction(0)
    for level, cap, weight in limited:
        if full + level * free >= total:
            break
        full += cap
        free -= weight
    if not free and total > full:
        raise ValueError(f"{total} is more than caps and weights allow")
    return (total - full) / free if free else Fraction(0)


def most_within(
    weights: Sequence[Fraction], caps: Sequence[Cap], limits: Sequence[int]
) -> Fraction:
    """Return the largest total of which every part can hold its share.

    A part whose limit lies below its cap is scarce: the first of them to be exhausted ends the
    growth. One that reaches its cap stays there while the others grow.
    """
    parts = [
        (Fraction(limit), None if cap is None else Fraction(cap), weight)
        for weight, cap, limit in zip(weights, caps, limits, strict=True)
        if weight
    ]
    scarce = [limit / weight for limit, cap, weight in parts if cap is None or cap > limit]
    if not scarce:
        return sum((cap for _, cap, _ in parts if cap is not None), Fraction(0))
    level = min(scarce)
    grown = (level * weight for _, _, weight in parts)
    held = [g if p[1] is None else min(g, p[1]) for g, p in zip(grown, parts, strict=True)]
    return sum(held, Fraction(0))


def divide(
    total: int,
    weights: Sequence[Fraction],
    caps: Sequence[Cap] | None = None,
    names: Sequence[str] | None = None,
) -> list[int]:
    """Divide a total into (P,) whole numbers by weight, none above its cap.

    Where caps allow less than the total, every part with a weight is at its cap.

    Args:
        total: 0 or more.
        weights: 0 or more each.
        caps: The most a part may get; None for any number.
        names: Unique; ties of equal weights go to the first by name. The order given if None.
    """
    caps = [None] * len(weights) if caps is None else caps
    ranks = {name: rank for rank, name in enumerate(sorted(names))} if names else None
    wanted = [n for n, weight in enumerate(weights) if weight > 0]
    tight = [cap for n in wanted if (cap := caps[n]) is not None]
    if len(tight) == len(wanted) and sum(tight) <= total:
        return [caps[n] or 0 if weights[n] > 0 else 0 for n in range(len(weights))]
    held = _below(total, weights, caps)
    # Of equal weights the first by name is served first; so is a larger weight at an equal claim.
    order = {n: ranks[names[n]] if ranks is not None and names is not None else n for n in wanted}
    queue = [
        (-weights[n] / (2 * held[n] + 1), -weights[n], order[n], n)
        for n in wanted
        if _has_room(held[n], caps[n])
    ]
    heapq.heapify(queue)
    for _ in range(total - sum(held)):
        *_, n = heapq.heappop(queue)
        held[n] += 1
        if _has_room(held[n], caps[n]):
            heapq.heappush(queue, (-weights[n] / (2 * held[n] + 1), -weights[n], order[n], n))
    return held


def _below(total: int, weights: Sequence[Fraction], caps: Sequence[Cap]) -> list[int]:
    """Return where handing out stands after not quite the total: every part is at its share of a
    level, rounded, which is what it has when all claims above some height are served."""
    start = Fraction(max(total - len(weights), 0))
    level = water_level(start, weights, caps)
    half = Fraction(1, 2)
    rounded = [int(level * weight + half) for weight in weights]
    return [r if cap is None else min(r, cap) for r, cap in zip(rounded, caps, strict=True)]


def _has_room(held: int, cap: Cap) -> bool:
    return cap is None or held < cap
