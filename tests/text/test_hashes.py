"""The hashes mix well: no collisions on millions of words, and half the bits flip."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from thresher.text import reference
from thresher.text.sketch import shingles, sketch

pytestmark = pytest.mark.slow


def _word_shingles(words: list[str]) -> npt.NDArray[np.uint64]:
    return shingles(pa.array([" ".join(words)], pa.large_string()), n=1)[1]


def _families(count: int) -> dict[str, list[str]]:
    return {
        "numbers": [str(index) for index in range(count)],
        "padded numbers": [f"{index:020d}" for index in range(count)],
        "spaced numbers": [str(index * 1024) for index in range(count)],
        "identifiers": [f"user_{index}_id" for index in range(count)],
        "long words": [f"{index:x}{'z' * 30}" for index in range(count)],
        "lengths": ["a" * length for length in range(1, 3000)],
        "accented": [f"é{index}à" for index in range(count)],
    }


@pytest.mark.parametrize("family", list(_families(1)))
def test_structured_words_do_not_collide(family: str) -> None:
    words = _families(200_000)[family]
    hashes = _word_shingles(words)
    assert len(hashes) == len(words)
    # The 32 bits that MinHash sees collide as random ones would: about m^2 / 2^33 pairs.
    expected = len(words) ** 2 / 2**33
    collided = len(words) - len(np.unique(hashes >> np.uint64(32)))
    assert collided <= expected + 5 * expected**0.5 + 3


@pytest.mark.slow
def test_millions_of_words_do_not_collide() -> None:
    count = 2_000_000
    words = [f"{prefix}{index}" for prefix in ("", "x", "token") for index in range(count)]
    assert len(_word_shingles(words)) == len(words)


@pytest.mark.parametrize("length", [1, 4, 8, 9, 16, 17, 40])
def test_one_bit_of_a_word_flips_half_of_each_hash(length: int) -> None:
    generator = np.random.default_rng(length)
    flips = np.zeros(2)
    trials = 400
    for _ in range(trials):
        word = generator.integers(97, 112, length, dtype=np.uint8)
        other = word.copy()
        other[generator.integers(length)] ^= 1 << int(generator.integers(4))
        pair = [reference.word_hashes(bytes(w).decode()) for w in (word, other)]
        flips += [(a ^ b).bit_count() for a, b in zip(*pair, strict=True)]
    assert np.all(np.abs(flips / trials - 32) < 1.5)


@pytest.mark.parametrize("length", [1, 15, 16, 17, 32, 33, 100])
def test_one_bit_of_the_bytes_flips_half_of_each_hash(length: int) -> None:
    generator = np.random.default_rng(length)
    flips = np.zeros(2)
    trials = 400
    for _ in range(trials):
        data = generator.integers(0, 256, length, dtype=np.uint8)
        other = data.copy()
        other[generator.integers(length)] ^= 1 << int(generator.integers(8))
        pair = [reference.bytes_hash(bytes(d)) for d in (data, other)]
        flips += [(a ^ b).bit_count() for a, b in zip(*pair, strict=True)]
    assert np.all(np.abs(flips / trials - 32) < 1.5)


def test_texts_of_one_repeated_byte_do_not_collide() -> None:
    rows = [bytes([byte]) * length for byte in (0, 32, 97, 255) for length in range(1, 2000)]
    found = sketch(pa.array(rows, pa.binary()), with_words=False).bytes_hash
    assert len(np.unique(found[:, 0])) == len(np.unique(found[:, 1])) == len(rows)


def test_sequence_hashes_tell_orders_and_thue_morse_texts_apart() -> None:
    bits = [index.bit_count() & 1 for index in range(4096)]
    texts = [" ".join("ab"[bit ^ flip] for bit in bits) for flip in (0, 1)]
    texts += ["one two", "two one", "one two one", "onetwo", "one", "two", "one one"]
    found = sketch(pa.array(texts)).sequence_hash
    assert len(np.unique(found[:, 0])) == len(np.unique(found[:, 1])) == len(texts)


def test_equal_words_have_equal_sequence_hashes_and_wordless_texts_match_by_bytes() -> None:
    found = sketch(pa.array(["One, TWO!", "one two", "--", "--", "- -", ""])).sequence_hash
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[2], found[3])
    assert len(np.unique(found, axis=0)) == 4
