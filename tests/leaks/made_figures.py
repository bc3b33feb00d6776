"""Figures of matches at a distance from every threshold, and verdicts on them."""

from __future__ import annotations

from typing import Any

from tests.leaks.plain_decide import UNIT, columns, match
from thresher.leaks.decide import (
    MATCH_KINDS,
    MODES,
    VERDICTS,
    decide,
)
from thresher.leaks.presets import PRESETS

VERBATIM = {"exact": True, "matched5": 40, "matched8": 40, "longest": 40, "widf_num": 100 * UNIT}


def judge(*rows: dict[str, Any], preset: str = "default") -> list[tuple[str, str, str]]:
    evidence, items, around = columns(list(rows))
    found = decide(evidence, items, PRESETS[preset], around)
    return [
        (VERDICTS[v], MODES[m], MATCH_KINDS[k])
        for v, m, k in zip(found.verdict, found.mode, found.kind, strict=True)
    ]


def verdict(preset: str = "default", **figures: Any) -> int:
    return VERDICTS.index(judge(match(**figures), preset=preset)[0][0])


def rare(share: float) -> dict[str, int]:
    """Return the figures of a match with a share of an item's rare words, of 100."""
    return {"widf_num": round(share * 100) * UNIT, "widf_den": 100 * UNIT}


def numbers(equal: int, count: int, extra: int = 0) -> dict[str, int]:
    return {"num_equal": equal, "num_count": count, "num_extra": extra}
