"""The step `dedup` remembers the night before, and decides as if it did not."""

from __future__ import annotations

import random
from pathlib import Path

from tests.jobs.dedup_nights import night
from tests.jobs.sentences import WORDS as LEXICON

WORDS = LEXICON[:12]


def near_texts(rng: random.Random, count: int) -> list[str | None]:
    """Return texts of which many are near copies of each other, by chains of small changes."""
    found = [" ".join(rng.choices(WORDS, k=12)) for _ in range(max(1, count // 8))]
    while len(found) < count:
        words = rng.choice(found).split()
        words[rng.randrange(len(words))] = rng.choice(WORDS)
        found.append(" ".join(words))
    return [*found]


def test_noted_shingles_decide_as_the_text_does(tmp_path: Path) -> None:
    rng = random.Random(1)
    sources = [{"a": [*near_texts(rng, 90), None, "one"], "b": near_texts(rng, 80)}]
    by_text = night(tmp_path / "text", sources, remember=False, audit_rows=50, threshold=0.5)
    noted = night(
        tmp_path / "noted", sources, remember=False, shingles=True, audit_rows=50, threshold=0.5
    )
    assert noted.verdicts.equals(by_text.verdicts)
    assert noted.facts == by_text.facts
    assert len(noted.verdicts) > 30
