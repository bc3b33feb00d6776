"""MinHash names candidates; what they share is counted exactly."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.leaks.streams import tokens_of
from thresher.leaks import fuzzy
from thresher.leaks.keys import BASE
from thresher.leaks.scan import Pairs
from thresher.leaks.tables import Stored, blocks_of
from thresher.leaks.tokens import Tokens
from thresher.leaks.vocabulary import find_vocabulary
from thresher.transforms.minhash import permutations, signature

Text = list[int]


def stored_of(tokens: Tokens) -> Stored:
    """Return items as the index stores them."""
    count = len(tokens.offsets) - 1
    words = find_vocabulary(tokens.hashes, tokens.offsets, np.zeros(count, np.int32))
    places = tokens.offsets, blocks_of(tokens.offsets)
    return Stored(words.terms, words.term_hash, *places, count, np.uint64(0xFFFFFFFFFFFFFFFF))


def shingles(text: Text) -> set[tuple[int, ...]]:
    """Return the different runs of three tokens."""
    return {tuple(text[i : i + 3]) for i in range(len(text) - 2)}


def edited(rng: random.Random, text: Text, share: float) -> Text:
    """Return a text with other words in some places."""
    return [rng.randrange(4000) if rng.random() < share else word for word in text]


def found_in(items: list[Text], texts: list[Text]) -> dict[tuple[int, int], tuple[int, int, int]]:
    own, tokens = tokens_of(items), tokens_of(texts)
    sketches = fuzzy.build_sketches(own, np.ones(len(items), bool))
    pairs, shared = fuzzy.find_similar(sketches, stored_of(own), len(items), tokens)
    keys = zip(pairs.segments.tolist(), pairs.items.tolist(), strict=True)
    counts = zip(*(column.tolist() for column in shared), strict=True)
    return dict(zip(keys, counts, strict=True))


def test_signatures_are_those_of_dedup() -> None:
    rng = random.Random(1)
    tokens = tokens_of([[rng.randrange(50) for _ in range(size)] for size in (3, 4, 30, 200)])
    made = fuzzy.sign(tokens, np.arange(4))
    for row in range(4):
        own = tokens.hashes[tokens.offsets[row] : tokens.offsets[row + 1]].tolist()
        hashes = []
        for i in range(len(own) - 2):
            total = sum(h * pow(BASE, 2 - k, 1 << 64) for k, h in enumerate(own[i : i + 3]))
            total &= (1 << 64) - 1
            total = (total ^ (total >> 32)) * 0xD6E8FEB86659FD93 & ((1 << 64) - 1)
            hashes.append((total ^ (total >> 29)) >> 32)
        drawn = permutations(fuzzy.BANDING.permutations)
        assert (made[row] == signature(np.array(hashes, np.uint32), drawn)).all()


@pytest.mark.parametrize("seed", range(12))
def test_what_pairs_share_is_counted_without_a_sketch(seed: int) -> None:
    rng = random.Random(seed)
    words = rng.choice([2, 5, 40, 2000])
    items = [[rng.randrange(words) for _ in range(rng.randrange(8, 60))] for _ in range(9)]
    texts = [edited(rng, rng.choice(items), rng.choice([0, 0.1, 0.6])) for _ in range(20)]
    texts += [[], [1], [1, 2], [1, 2, 3]]
    own, tokens = tokens_of(items), tokens_of(texts)
    pairs = Pairs(np.repeat(np.arange(len(texts)), 9), np.tile(np.arange(9), len(texts)))
    shared = fuzzy.compare(stored_of(own), tokens, pairs)
    for at, (row, which) in enumerate(zip(*pairs, strict=True)):
        left, right = shingles(items[which]), shingles(texts[row])
        counts = tuple(int(column[at]) for column in shared)
        assert counts == (len(left & right), len(left), len(right))


def test_of_pairs_at_the_threshold_99_in_100_are_found() -> None:
    assert fuzzy.BANDING.probability(fuzzy.TUNED_TO) >= fuzzy.RECALL
    assert fuzzy.BANDING.permutations <= 128
    rng = random.Random(7)
    items = [[rng.randrange(4000) for _ in range(rng.randrange(20, 120))] for _ in range(1500)]
    texts = [edited(rng, item, 0.11) for item in items]
    found = found_in(items, texts)
    similar, missed = 0, 0
    for row, (item, text) in enumerate(zip(items, texts, strict=True)):
        left, right = shingles(item), shingles(text)
        if 2 * len(left & right) >= len(left | right):
            similar += 1
            missed += (row, row) not in found
    assert similar > 500 and missed <= 0.01 * similar
    assert len(found) < 2 * len(items)


def test_a_copy_is_always_found_and_a_long_text_is_left_to_other_rules() -> None:
    rng = random.Random(3)
    item = [rng.randrange(4000) for _ in range(20)]
    longer = [rng.randrange(4000) for _ in range(61)]
    found = found_in([item], [item, item + longer[:60], item + longer, item * 4, item[:4]])
    assert found[0, 0] == (18, 18, 18)
    assert (2, 0) not in found and (4, 0) not in found


def test_short_items_are_not_sketched() -> None:
    assert found_in([[1, 2, 3, 4, 5, 6, 7]], [[1, 2, 3, 4, 5, 6, 7]]) == {}
    assert found_in([[1, 2, 3, 4, 5, 6, 7, 8]], []) == {}
