"""The scan finds what the plain definition finds, and nothing else."""

from __future__ import annotations

import random

import pytest

from tests.leaks.oracle import Oracle
from tests.leaks.streams import items_of, numbers_of, random_items, random_texts, tokens_of
from thresher.leaks.index import Index, IndexOptions, build
from thresher.leaks.scan import scan


def found(index: Index, texts: list[list[int]], numbers: object = None) -> list[tuple[int, int]]:
    pairs = scan(index, tokens_of(texts), numbers)  # type: ignore[arg-type]
    return list(zip(pairs.segments.tolist(), pairs.items.tolist(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [*range(20), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(20, 60))]
)
def test_candidates_are_those_of_the_plain_definition(seed: int) -> None:
    rng = random.Random(seed)
    words = rng.choice([2, 3, 6, 20, 60, 400])
    items = random_items(rng, rng.choice([1, 3, 12, 40]), words, rng.choice([4, 12, 30]))
    texts, numbers = random_texts(rng, items, 25, words, 80)
    ngrams = rng.choice([(5, 8), (5,), (3, 4, 6), (5, 7, 8, 10, 13)])
    common, share = rng.choice([(10, 200), (None, 200), (1, 2), (4, 5)])
    floors, bits = rng.choice([(10, 10), (45, 30), (30, 60)]), rng.choice([64, 64, 2, 9])
    cut = [int(str(w)) for w in rng.choice(items).words[:10]]
    allowed = [cut, [0, 1, 0, 1, 1]] if rng.random() < 0.5 else []
    options = IndexOptions(
        ngrams=ngrams,
        common_items=common,
        common_share=share,
        pairs_floor=floors[0],
        numbers_floor=floors[1],
        hash_bits=bits,
    )
    index = build(items_of(items), options, tokens_of(allowed) if allowed else None)
    oracle = Oracle(items, ngrams, common, share, floors, allowed)
    assert found(index, texts, numbers_of(numbers)) == oracle.scan(texts, numbers)
    assert found(index, texts) == oracle.scan(texts)
