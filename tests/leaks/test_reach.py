"""Pairs that are left out early are those that no rule could have called suspect."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.leaks.streams import items_of, numbers_of, random_items, random_texts, tokens_of
from thresher.leaks.evidence import evidence
from thresher.leaks.index import build
from thresher.leaks.presets import find_preset
from thresher.leaks.reach import SHORT_TEXT, within_reach
from thresher.leaks.reach import _bound as bound
from thresher.leaks.scan import scan


@pytest.mark.parametrize("long", [False, True])
def test_no_figure_exceeds_its_bound(long: bool) -> None:
    looked_at = 0
    for seed in range(6):
        rng = random.Random(seed)
        words = rng.choice([6, 60, 400])
        items = random_items(rng, 40, words, 30)
        texts, _ = random_texts(rng, items, 20, words, 90)
        if long:
            texts = [text + rng.choices(range(words), k=SHORT_TEXT) for text in texts[:4]]
        index, tokens = build(items_of(items)), tokens_of(texts)
        pairs = scan(index, tokens)
        preset = find_preset("audit")
        found = evidence(index, tokens, pairs)
        least = preset.number_match.suspect
        bounds = bound(index, tokens, pairs, least)
        light = found.weight * least.denominator < found.total_weight * least.numerator
        assert (found.covered <= bounds.covered).all()
        assert ((found.longest <= bounds.longest) | (found.length < 5)).all()
        assert ((found.weight <= bounds.weight) | light).all()
        assert (found.exact <= bounds.whole).all()
        looked_at += len(pairs.items)
    assert looked_at > 200


def test_pairs_of_one_item_and_text_stay_together() -> None:
    rng = random.Random(3)
    items = sorted(random_items(rng, 40, 400, 40), key=lambda item: (item.uid, item.bench))
    texts, numbers = random_texts(rng, items, 40, 400, 90)
    index, tokens = build(items_of(items)), tokens_of(texts)
    pairs = scan(index, tokens, numbers_of(numbers))
    kept = within_reach(index, [find_preset("default")] * 3, tokens, pairs)
    codes = pairs.segments * 1000 + index["uid"][pairs.items]
    assert 0 < len(kept) < len(pairs.items)
    assert not np.isin(np.delete(codes, kept), codes[kept]).any()
    everything = within_reach(index, [find_preset("gpt3")] * 3, tokens, pairs)
    assert len(everything) == len(pairs.items)
