"""Evidence is what the plain definitions say it is."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.leaks.oracle import Oracle, Words
from tests.leaks.streams import items_of, numbers_of, random_items, random_texts, tokens_of
from thresher.leaks.evidence import Evidence, evidence, occurs
from thresher.leaks.index import Index, IndexOptions, build
from thresher.leaks.scan import Pairs, scan


def all_pairs(num_texts: int, num_items: int) -> Pairs:
    """Return every text with every item."""
    return Pairs(
        np.repeat(np.arange(num_texts), num_items), np.tile(np.arange(num_items), num_texts)
    )


def measured(index: Index, texts: list[list[int]], pairs: Pairs | None = None) -> Evidence:
    """Return the evidence of candidates, or of given pairs."""
    tokens = tokens_of(texts)
    return evidence(index, tokens, scan(index, tokens) if pairs is None else pairs)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_every_figure_is_that_of_the_plain_definition(seed: int) -> None:
    rng = random.Random(seed)
    words = rng.choice([2, 3, 6, 20, 60, 400])
    items = random_items(rng, rng.choice([1, 3, 8]), words, rng.choice([4, 12, 30, 70]))
    texts, numbers = random_texts(rng, items, 8, words, rng.choice([30, 80, 400]))
    ngrams = rng.choice([(5, 8), (5,), (3, 4, 6), (5, 7, 13)])
    common, share, bits = rng.choice([10, None, 1]), 200, rng.choice([64, 64, 2])
    options = IndexOptions(ngrams=ngrams, common_items=common, common_share=share, hash_bits=bits)
    index, oracle = build(items_of(items), options), Oracle(items, ngrams, common, share)
    pairs = all_pairs(len(texts), len(items))
    found = evidence(index, tokens_of(texts), pairs, numbers_of(numbers))
    for pair, (row, which) in enumerate(zip(*pairs, strict=True)):
        text, item = texts[row], items[which]
        if not item.words:
            assert found.first[pair] == -1 and found.longest[pair] == 0
            continue
        for at, n in enumerate(ngrams):
            figures = (found.covered, found.distinctive, found.shared)
            assert tuple(int(f[pair, at]) for f in figures) == oracle.cover(text, item, n)
        place = oracle.exact(text, item)
        assert bool(found.exact[pair]) == (place >= 0)
        assert (found.longest[pair], found.span_first[pair]) == oracle.longest(text, item)
        weight, first, last = oracle.weight(text, item)
        assert (found.weight[pair], found.first[pair], found.last[pair]) == (weight, first, last)
        assert found.total_weight[pair] == oracle.total(item)
        assert found.lcs[pair] == oracle.lcs(text, item, last)
        compared = (found.numbers_equal[pair], found.numbers_extra[pair])
        assert compared == oracle.numbers(item, numbers[row], first, last)
        low, high = rng.randrange(-1, len(text) + 1), rng.randrange(len(text) + 2)
        places = occurs(
            index, tokens_of([text]), Pairs(np.array([0]), np.array([which])),
            np.array([low]), np.array([high]),
        )  # fmt: skip
        part: Words = text[max(low, 0) : max(high, 0)]
        inside = oracle.exact(part, item)
        assert places[0] == (inside + max(low, 0) if inside >= 0 else -1)
