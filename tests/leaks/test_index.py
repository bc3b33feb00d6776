"""The index is its arrays, names its content, and keeps benchmarks apart."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.leaks.oracle import Item
from tests.leaks.streams import items_of, numbers_of, random_items, random_texts, tokens_of
from thresher.leaks.evidence import Evidence, evidence
from thresher.leaks.index import Index, IndexOptions, Items, build
from thresher.leaks.numbers import find_numbers
from thresher.leaks.scan import Pairs, scan
from thresher.leaks.tokens import Tokens, tokenise

FILLER = list(range(2000, 4000))


def joined(pairs: Pairs) -> set[tuple[int, int]]:
    """Return pairs as a set."""
    return set(zip(pairs.segments.tolist(), pairs.items.tolist(), strict=True))


def same(left: Evidence, right: Evidence) -> bool:
    """Tell whether all figures are equal."""
    return all(np.array_equal(getattr(left, f), getattr(right, f)) for f in Evidence._fields)


def items_from(texts: list[str]) -> Items:
    """Return texts as items of one benchmark."""
    array, count = pa.array(texts), len(texts)
    tokens = tokenise(array)
    numbers = find_numbers(array, tokens)
    kinds = np.zeros(count, np.int32), np.zeros(count, np.int8)
    return Items(tokens, *kinds, np.arange(count), numbers)


def test_a_memory_mapped_index_finds_the_same(tmp_path: Path) -> None:
    rng = random.Random(1)
    items = random_items(rng, 30, 60, 30)
    texts, numbers = random_texts(rng, items, 30, 60, 90)
    index = build(items_of(items))
    for name, array in index.arrays().items():
        np.save(tmp_path / f"{name}.npy", array)
    mapped = {p.stem: np.load(p, mmap_mode="r") for p in tmp_path.glob("*.npy")}
    again = Index.from_arrays(mapped)
    assert again.digest == index.digest
    assert np.shares_memory(again["terms"], mapped["terms"])
    tokens, found = tokens_of(texts), numbers_of(numbers)
    pairs = scan(again, tokens, found)
    assert joined(pairs) == joined(scan(index, tokens, found))
    left, right = (evidence(i, tokens, pairs, found) for i in (index, again))
    assert same(left, right)


def test_arrays_cannot_be_changed() -> None:
    index = build(items_of([Item((1, 2, 3, 4, 5, 6), 0, 0)]))
    with pytest.raises(ValueError, match="read-only"):
        index["terms"][0] = 1


def test_other_items_have_another_digest() -> None:
    one, two = (build(items_of([Item((1, 2, 3, 4, 5, last), 0, 0)])) for last in (6, 7))
    assert one.digest != two.digest


def test_another_benchmark_changes_nothing_of_the_first() -> None:
    for seed in range(15):
        rng = random.Random(seed)
        items = [item._replace(bench=0) for item in random_items(rng, 20, 30, 30)]
        others = [item._replace(bench=1) for item in random_items(rng, 60, 30, 30)]
        texts, numbers = random_texts(rng, items, 20, 30, 90)
        tokens, found = tokens_of(texts), numbers_of(numbers)
        alone, both = build(items_of(items)), build(items_of([*items, *others]))
        pairs = scan(alone, tokens, found)
        assert joined(pairs) == {p for p in joined(scan(both, tokens, found)) if p[1] < len(items)}
        left, right = (evidence(i, tokens, pairs, found) for i in (alone, both))
        assert same(left, right)


def test_the_order_and_the_company_of_texts_do_not_matter() -> None:
    rng = random.Random(4)
    items = random_items(rng, 30, 60, 30)
    texts, numbers = random_texts(rng, items, 40, 60, 90)
    index = build(items_of(items))
    whole = joined(scan(index, tokens_of(texts), numbers_of(numbers)))
    order = list(range(40))
    rng.shuffle(order)
    mixed_texts, mixed_numbers = [texts[i] for i in order], [numbers[i] for i in order]
    mixed = joined(scan(index, tokens_of(mixed_texts), numbers_of(mixed_numbers)))
    assert {(order[row], item) for row, item in mixed} == whole
    alone = [
        scan(index, tokens_of([t]), numbers_of([n])) for t, n in zip(texts, numbers, strict=True)
    ]
    assert {(row, item) for row, pairs in enumerate(alone) for _, item in joined(pairs)} == whole


def test_text_around_a_match_does_not_weaken_it() -> None:
    rng = random.Random(6)
    items = random_items(rng, 20, 300, 40)
    texts, _ = random_texts(rng, items, 30, 300, 90)
    index = build(items_of(items))
    plain = tokens_of(texts)
    around = tokens_of(
        [[*rng.choices(FILLER, k=50), *t, *rng.choices(FILLER, k=70)] for t in texts]
    )
    pairs = scan(index, plain)
    keep = np.diff(plain.offsets)[pairs.segments] > 2  # a text that is a short item as a whole
    pairs = Pairs(pairs.segments[keep], pairs.items[keep])
    assert len(pairs.items) > 20
    assert joined(pairs) <= joined(scan(index, around))
    left, right = evidence(index, plain, pairs), evidence(index, around, pairs)
    for name in ("covered", "distinctive", "shared", "exact", "longest", "weight", "lcs"):
        assert np.array_equal(getattr(left, name), getattr(right, name)), name
    assert np.array_equal(left.first + 50 * (left.first >= 0), right.first)


def test_more_copied_tokens_never_weaken_the_evidence() -> None:
    item = list(range(40))
    index = build(items_of([Item(tuple(item), 0, 0)]))
    texts = [item[:k] + FILLER[: 40 - k] for k in range(41)]
    pairs = Pairs(np.arange(41), np.zeros(41, np.int64))
    found = evidence(index, tokens_of(texts), pairs)
    for column in (found.of("covered", 5), found.of("distinctive", 8), found.longest, found.weight):
        assert (np.diff(column) >= 0).all()
    assert found.exact.tolist() == [False] * 40 + [True]


def test_a_common_opening_does_not_seed_but_whole_items_are_found() -> None:
    opening = tuple(range(100, 120))
    items = [Item((*opening, n), 0, n) for n in range(50)]
    index = build(items_of(items), IndexOptions(pairs=False))
    texts = [[*opening, 99], [7, *opening, 3, 9], list(opening[:9])]
    assert joined(scan(index, tokens_of(texts))) == {(1, 3)}


def test_one_item_alone_in_its_benchmark_is_found() -> None:
    index = build(items_of([Item(tuple(range(30)), 0, 0)]))
    assert joined(scan(index, tokens_of([[*FILLER, *range(30)]]))) == {(0, 0)}


@pytest.mark.slow
def test_a_long_document_full_of_items_is_measured_in_time() -> None:
    rng = np.random.default_rng(2)
    hashes = rng.integers(1, 2**63, 60_000, np.uint64)
    words = (rng.zipf(1.2, 45 * 1000) % 60_000).astype(np.int64)
    nothing = np.zeros(0, np.int64)
    items = Items(
        Tokens(np.arange(0, 45_001, 45), hashes[words], nothing, nothing),
        np.zeros(1000, np.int32),
        np.zeros(1000, np.int8),
        np.arange(1000),
    )
    text = (rng.zipf(1.2, 1_000_000) % 60_000).astype(np.int64)
    places = rng.permutation(20_000)[:1000] * 50
    for item, place in enumerate(places):
        text[place : place + 45] = words[45 * item : 45 * item + 45]
    tokens = Tokens(np.array([0, 1_000_000]), hashes[text], nothing, nothing)
    index = build(items)
    pairs = scan(index, tokens)
    assert set(pairs.items.tolist()) == set(range(1000))
    found = evidence(index, tokens, Pairs(np.zeros(1000, np.int64), np.arange(1000)))
    assert found.exact.all()
    assert (found.weight == found.total_weight).all()
    assert (found.span_first <= places).all()


def test_numbers_are_read_by_value() -> None:
    same = ["1,000 left", "1000 left", "one thousand left"]
    half = ["0.5 of it", "1/2 of it", "half of it", "2/4 of it"]
    others = ["twenty-five", "25", "two dozen", "24", "3.50", "7/2", "05", "no numbers", "a1 2nd"]
    texts = pa.array([*same, *half, *others, None])
    found = find_numbers(texts, tokenise(texts))
    keys = [
        found.keys[a:b].tolist() for a, b in zip(found.offsets, found.offsets[1:], strict=False)
    ]
    assert [len(k) for k in keys] == [1] * 14 + [0, 0, 0]
    assert keys[0] == keys[1] == keys[2]
    assert keys[3] == keys[4] == keys[5] == keys[6]
    assert keys[7] == keys[8] and keys[9] == keys[10] and keys[11] == keys[12]


def test_a_paraphrase_with_equal_numbers_is_a_candidate() -> None:
    item = "Weng earns $12 an hour for babysitting. Yesterday she did 50 minutes and then 35 more."
    other = "A baker sells 12 cakes and 7 pies on each of 3 days, then gives away what is left."
    text = "For looking after children Weng gets 12 dollars an hour; she worked 35 and 50 minutes."
    index = build(items_from([item, other]))
    texts = pa.array([text])
    tokens = tokenise(texts)
    numbers = find_numbers(texts, tokens)
    assert joined(scan(index, tokens, numbers)) == {(0, 0)}
    found = evidence(index, tokens, scan(index, tokens, numbers), numbers)
    assert (found.numbers[0], found.numbers_equal[0], found.numbers_extra[0]) == (3, 3, 0)
