"""The closer look: an item's own words, and numbers that stand as others."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.leaks.oracle import Item
from tests.leaks.streams import items_of, random_items, tokens_of
from thresher.leaks.index import IndexOptions, build
from thresher.leaks.items import Numbers
from thresher.leaks.numbers import find_numbers
from thresher.leaks.other_numbers import count_others
from thresher.leaks.own_words import find_own
from thresher.leaks.scan import Pairs
from thresher.leaks.tokens import Tokens, tokenise

N = 3


def own_of(items: Sequence[Item], which: int, text: Sequence[int], idf: Sequence[int]) -> Any:
    """Return own tokens, their weight, and the weight that is in a text, by definition."""
    item = items[which]
    grams = [item.words[i : i + N] for i in range(len(item.words) - N + 1)]
    shared = [False] * len(item.words)
    for other in items:
        size = min(len(other.words), len(item.words))
        copy = other.words[:size] == item.words[:size]
        if other.bench != item.bench or other.uid == item.uid or copy:
            continue
        theirs = {other.words[i : i + N] for i in range(len(other.words) - N + 1)}
        for i, gram in enumerate(grams):
            if gram in theirs:
                shared[i : i + N] = [True] * N
    common = {word for word, is_shared in zip(item.words, shared, strict=True) if is_shared}
    own = {word: idf[i] for i, word in enumerate(item.words) if word not in common}
    there = [weight for word, weight in own.items() if word in text]
    return shared.count(False), sum(own.values()), sum(there)


@pytest.mark.parametrize("seed", range(8))
def test_own_words_are_those_that_no_other_item_has(seed: int) -> None:
    rng = random.Random(seed)
    items = random_items(rng, 40, 60, 30)
    index = build(items_of(items), IndexOptions(ngrams=(N, 5), common_items=None))
    texts = [[rng.randrange(60) for _ in range(rng.randrange(1, 50))] for _ in range(60)]
    which = np.array([rng.randrange(len(items)) for _ in texts])
    firsts = np.array([rng.randrange(len(text)) for text in texts])
    lasts = np.array([rng.randrange(first, len(t)) for first, t in zip(firsts, texts, strict=True)])
    pairs = Pairs(np.arange(len(texts)), which)
    found = find_own(index, tokens_of(texts), pairs, firsts, lasts)
    for row, item in enumerate(which.tolist()):
        begin, end = index["offsets"][item : item + 2]
        idf = index["idf"][index["terms"][begin:end]].tolist()
        window = texts[row][firsts[row] : lasts[row] + 1]
        assert tuple(int(c[row]) for c in found) == own_of(items, item, window, idf)


def test_a_copy_of_an_item_leaves_it_its_words() -> None:
    words = tuple(range(12))
    items = [Item(words, 0, 0, ()), Item(words, 0, 1, ()), Item((*words, 12, 13), 0, 2, ())]
    index = build(items_of(items), IndexOptions(ngrams=(N, 5), common_items=None))
    pairs = Pairs(np.zeros(1, np.int64), np.zeros(1, np.int64))
    found = find_own(index, tokens_of([list(words)]), pairs, np.zeros(1, int), np.full(1, 11))
    assert found.tokens[0] == 12 and found.found[0] == found.weight[0] > 0


def others(item: str, text: str) -> int:
    """Count the numbers of an item that stand in a text as others."""

    def read(one: str) -> tuple[Tokens, Numbers]:
        array = pa.array([one], pa.large_string())
        tokens = tokenise(array)
        return tokens, find_numbers(array, tokens)

    tokens, numbers = read(text)
    none = np.zeros(1, np.int64)
    last = np.array([len(tokens.hashes) - 1])
    return int(count_others(*read(item), tokens, numbers, Pairs(none, none), none, last)[0])


FRIENDS = "There were 8 friends in a game when 2 more came. Each had 3.5 lives, how many in all?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FRIENDS, 0),
        (f"Solve this with 7 steps: {FRIENDS} Give 2 digits.", 0),
        (FRIENDS.replace("8", "5"), 1),
        (FRIENDS.replace("8", "five").replace("2", "9"), 2),
        (FRIENDS.replace("8", "x").replace(" 2 ", " 8 ").replace("x", "2"), 2),
        (FRIENDS.replace("3.5", "4.5"), 1),
        (FRIENDS.replace("3.5", "3.7"), 1),
        (FRIENDS.replace("8", "eight").replace(" 2 ", " two "), 0),
        (FRIENDS.replace("8 ", ""), 0),
        (FRIENDS.replace("8", "some"), 0),
        (FRIENDS.replace("friends", "6 friends"), 0),
        (FRIENDS.replace("friends", "people").replace("8", "6"), 1),
        ("Each of 8 friends in a game has 3.5 lives; 2 more came. How many have all of them?", 0),
        ("nothing", 0),
    ],
)
def test_numbers_in_the_place_of_others_are_counted(text: str, expected: int) -> None:
    assert others(FRIENDS, text) == expected


@pytest.mark.parametrize("seed", range(3))
def test_only_numbers_that_were_replaced_by_numbers_count(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(30):
        parts = [rng.choice(["fig", "plum", "pear", "date"]) + str(i) for i in range(40)]
        values = rng.sample(range(10, 99), 8)
        places = rng.sample(range(1, 39, 2), 8)
        item = list(parts)
        for place, number in zip(places, values, strict=True):
            item[place] = str(number)
        text, changed = list(item), 0
        for place in places:
            what = rng.choice(["same", "same", "other", "gone", "word"])
            if what == "other":
                text[place], changed = str(rng.randrange(100, 999)), changed + 1
            elif what != "same":
                text[place] = "" if what == "gone" else "lemon"
        assert others(" ".join(item), " ".join(text)) == changed
