"""What a scan leaves out is what no rule could have called suspect, and whole items."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.leaks.streams import items_of, numbers_of, random_items, random_texts, tokens_of
from thresher.leaks.evidence import evidence
from thresher.leaks.firing import Around, fired
from thresher.leaks.index import Index, IndexOptions, build
from thresher.leaks.needs import SECTION
from thresher.leaks.presets import find_preset
from thresher.leaks.scan import Pairs, scan
from thresher.leaks.search import figures_of


@pytest.mark.slow
@pytest.mark.parametrize("name", ["default", "audit"])
@pytest.mark.parametrize("long", [False, True])
def test_only_items_that_no_rule_speaks_of_are_left_out(name: str, long: bool) -> None:
    preset = find_preset(name)
    left_out = spoken_of = 0
    for seed in range(40 if not long else 12):
        rng = random.Random(seed)
        words = rng.choice([6, 40, 400])
        items = random_items(rng, 40, words, rng.choice([12, 40]))
        items.sort(key=lambda item: (item.bench, item.uid))
        items = [item._replace(uid=item.uid + 1000 * item.bench) for item in items]
        texts, numbers = random_texts(rng, items, 20, words, 90)
        if long:
            texts = [text + rng.choices(range(words), k=3 * SECTION) for text in texts[:6]]
            numbers = numbers[:6]
        common = rng.choice([10, 2])
        options = IndexOptions(common_items=common, common_share=rng.choice([200, 5]))
        index, tokens = build(items_of(items), options), tokens_of(texts)
        found = numbers_of(numbers)
        presets = [preset] * 3
        everything, kept = scan(index, tokens, found), scan(index, tokens, found, presets)
        codes, own = (pairs.segments * 10_000 + pairs.items for pairs in (everything, kept))
        assert np.isin(own, codes).all()
        there = np.isin(codes, own)
        of_item = everything.segments * 10_000 + index["uid"][everything.items]
        assert not np.isin(of_item[there], of_item[~there]).any()
        figures = figures_of(evidence(index, tokens, everything, found), presets)
        speaks = np.zeros(len(codes), bool)
        for _, (hit, weak) in fired(figures, about(everything), preset, around(everything, texts)):
            speaks |= hit | weak
        speaks |= figures["exact"]
        assert not (speaks & ~there).any()
        left_out += int((~there).sum())
        spoken_of += int(speaks.sum())
    assert left_out > 100
    assert spoken_of > 100


def about(pairs: Pairs) -> dict[str, np.ndarray]:
    """Return what rules want to know of sub-items: those of math, whose numbers count alone."""
    zeros = np.zeros(len(pairs.items), np.int64)
    return {"kind": zeros + 2, "field": zeros, "bench": zeros, "uid": zeros}


def around(pairs: Pairs, texts: list[list[int]]) -> Around:
    """Return the text around matches that makes most of them count."""
    ones = np.ones(len(pairs.items), bool)
    lengths = np.array([len(texts[row]) for row in pairs.segments.tolist()], np.int64)
    return Around(pairs.segments, pairs.segments, lengths, ones, ones, ones * 4, ones)


def test_what_was_scanned_before_changes_nothing() -> None:
    rng = random.Random(5)
    items = random_items(rng, 40, 40, 30)
    items = [item._replace(bench=0, uid=number) for number, item in enumerate(items)]
    texts, numbers = random_texts(rng, items, 60, 40, 90)
    texts[40] = texts[40] + rng.choices(range(40), k=12 * SECTION)
    presets = [find_preset("default")]

    def found(index: Index, rows: range) -> list[tuple[int, int]]:
        tokens = tokens_of([texts[row] for row in rows])
        pairs = scan(index, tokens, numbers_of([numbers[row] for row in rows]), presets)
        return list(zip(pairs.segments.tolist(), pairs.items.tolist(), strict=True))

    used = build(items_of(items))
    blocks = [range(first, first + 20) for first in (0, 20, 40, 20, 0)]
    for block in blocks:
        assert found(used, block) == found(build(items_of(items)), block)
    assert any(found(used, block) for block in blocks)


@pytest.mark.parametrize("at", [0, 16, 1023, 64 * SECTION - 30, 64 * SECTION, 65 * SECTION - 5])
def test_the_words_of_an_item_are_found_wherever_a_long_text_has_them(at: int) -> None:
    rng = random.Random(at)
    items = random_items(rng, 60, 400, 40)
    items = [item._replace(bench=0, uid=number) for number, item in enumerate(items)]
    index, presets = build(items_of(items)), [find_preset("default")]
    texts: list[list[int]] = []
    wanted: set[tuple[int, int]] = set()
    for number, item in enumerate(items):
        words = [int(str(word)) for word in item.words]
        if len(words) < 20 or len(set(words)) < 15:
            continue
        text = rng.choices(range(1000, 3000), k=70 * SECTION)
        text[5000:5005] = words[:5]  # what leads to it
        rng.shuffle(words)
        text[at : at + len(words)] = words
        wanted.add((len(texts), number))
        texts.append(text)
        if len(texts) == 3:
            break
    tokens = tokens_of(texts)
    everything, kept = (_pairs(scan(index, tokens, None, some)) for some in (None, presets))
    assert kept >= everything & wanted != set()


def _pairs(found: Pairs) -> set[tuple[int, int]]:
    return set(zip(found.segments.tolist(), found.items.tolist(), strict=True))
