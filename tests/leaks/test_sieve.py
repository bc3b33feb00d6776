"""What the sieve lets through: all places that the index can have, whatever it stops."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from thresher.leaks.numbers import BEGINS, ENDS, WORD, number_words, tell_numbers
from thresher.leaks.sieve import in_a_row, sift, triples_of
from thresher.leaks.tables import Stored, blocks_of
from thresher.leaks.tokens import tokenise


@given(st.data())
def test_runs_of_set_bits_are_those_that_are_counted_one_by_one(data: st.DataObject) -> None:
    num, count = data.draw(st.integers(0, 300)), data.draw(st.integers(1, 140))
    most = data.draw(st.sampled_from([2, 40, 400]))  # one in so many is not set
    marks = np.array(data.draw(st.lists(st.integers(0, most), min_size=num, max_size=num))) > 0
    words = np.zeros((num + 63) // 64 + count // 64 + 3, np.uint64)
    for place in np.flatnonzero(marks):
        words[place // 64] |= np.uint64(1) << np.uint64(place % 64)
    places = np.empty(num + 1, np.int64)
    found = places[: int(in_a_row(words, count, places))]
    assert found.tolist() == [
        place for place in range(num - count + 1) if marks[place : place + count].all()
    ]


@given(st.lists(st.integers(0, 30), min_size=8, max_size=200), st.integers(3, 8))
def test_no_place_of_an_entry_falls_through(tokens: list[int], n: int) -> None:
    term_hash = np.arange(31, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    terms = np.array(tokens, np.uint32)
    offsets = np.array([0, len(terms)])
    stored = Stored(terms, term_hash, offsets, blocks_of(offsets), 1, np.uint64(2**64 - 1))
    entry = len(terms) - n
    bits = triples_of(stored, [np.array([entry << 3], np.uint32)], n - 2, 4.0 * n)
    found, _ = sift(term_hash[terms], bits, bits, n)
    places = np.empty(len(terms) + 1, np.int64)
    assert entry in places[: int(in_a_row(found, n - 2, places))]


@given(st.lists(st.sampled_from(["a1", "7", "x", "twelve", "3b", "half", "no", "٣", "1,000"])))
def test_tokens_with_digits_and_number_words_are_told(words: list[str]) -> None:
    tokens = tokenise(pa.array([" ".join(words)]))
    told = tell_numbers(pa.array([" ".join(words)]), tokens)
    marks = dict(zip(told.places.tolist(), told.marks.tolist(), strict=True))
    assert len(tokens.hashes) == len(words)
    for place, word in enumerate(words):
        mark = marks.get(place, 0)
        assert (mark & BEGINS > 0, mark & ENDS > 0) == (word[0] in "137", word[-1] in "1370")
        assert mark & WORD or word not in number_words()
