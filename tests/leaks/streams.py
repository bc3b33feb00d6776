"""Random tokens, as kernels and as the oracle take them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.leaks.oracle import Item, Words
from thresher.leaks.index import Items, Numbers
from thresher.leaks.numbers import value_key
from thresher.leaks.tokens import Tokens
from thresher.text.kernel import kernel

Found = Sequence[Sequence[tuple[int, int]]]  # of each text: places and values of its numbers
_HASHES = np.random.default_rng(5).integers(0, 2**63, 4096, np.uint64) * np.uint64(2)


@kernel
def _key(value: Any) -> Any:
    return value_key(value, np.int64(1))


def tokens_of(texts: Sequence[Words]) -> Tokens:
    """Return texts of small whole numbers as tokens; one byte a token, and one between."""
    offsets = np.cumsum([0, *(len(text) for text in texts)]).astype(np.int64)
    flat = np.array([word for text in texts for word in text], np.int64)
    starts = np.array([2 * place for text in texts for place in range(len(text))], np.int64)
    return Tokens(offsets, _HASHES[flat], starts, starts + 1)


def numbers_of(found: Found) -> Numbers:
    """Return the numbers of texts as kernels take them."""
    offsets = np.cumsum([0, *(len(numbers) for numbers in found)]).astype(np.int64)
    places = np.array([place for numbers in found for place, _ in numbers], np.int64)
    keys = np.array([_key(value) for numbers in found for _, value in numbers], np.uint64)
    return Numbers(offsets, places, keys)


def items_of(items: Sequence[Item]) -> Items:
    """Return items as `build` takes them."""
    numbers = numbers_of([[(0, value) for value in item.numbers] for item in items])
    return Items(
        tokens_of([item.words for item in items]),
        np.array([item.bench for item in items], np.int32),
        np.zeros(len(items), np.int8),
        np.array([item.uid for item in items], np.int64),
        numbers,
    )


def random_items(rng: random.Random, num: int, words: int, longest: int) -> list[Item]:
    """Return items that share stretches, texts and numbers, in up to three benchmarks."""
    items: list[Item] = []
    for _ in range(num):
        own: list[int] = [rng.randrange(words) for _ in range(rng.randrange(longest + 1))]
        if items and rng.random() < 0.5:
            other = [int(str(word)) for word in rng.choice(items).words]
            cut = rng.randrange(len(other) + 1)
            own = [*other[cut:], *own] if rng.random() < 0.8 else list(other)
        numbers = tuple(rng.randrange(7) for _ in range(rng.randrange(14)))
        bench, uid = rng.randrange(3), rng.randrange(num)
        if items and rng.random() < 0.2:
            bench, uid = items[-1].bench, items[-1].uid
            own = [*map(int, map(str, items[-1].words)), *own[:5]]
        items.append(Item(tuple(own), bench, uid, numbers))
    return items


def random_texts(
    rng: random.Random, items: Sequence[Item], num: int, words: int, longest: int
) -> tuple[list[list[int]], list[list[tuple[int, int]]]]:
    """Return texts with parts of items, edited, and their numbers."""
    texts, found = [], []
    for _ in range(num):
        text: list[int] = []
        numbers: list[tuple[int, int]] = []
        while rng.random() < 0.8 and len(text) < longest:
            text += [rng.randrange(words) for _ in range(rng.choice([0, 2, 9, 30]))]
            item = rng.choice(items)
            part = [int(str(word)) for word in item.words]
            if rng.random() < 0.7:
                part = part[rng.randrange(len(part) + 1) :]
            edits = rng.choice([0.0, 0.0, 0.1, 0.3])
            part = [rng.randrange(words) if rng.random() < edits else word for word in part]
            values = [v for v in item.numbers if rng.random() < 0.95]
            if rng.random() < 0.5:
                rng.shuffle(values)
            start = len(text)
            text += part
            places = sorted(rng.randrange(start, len(text)) for _ in values) if part else []
            numbers += list(zip(dict.fromkeys(places), values, strict=False))
        texts.append(text)
        found.append(numbers)
    return texts, found
