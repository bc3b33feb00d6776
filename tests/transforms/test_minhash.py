"""MinHash signatures are datasketch's, bit for bit."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pytest

from tests.text.samples import SAMPLES
from thresher.errors import EngineError
from thresher.text import reference
from thresher.text.sketch import sketch
from thresher.transforms.minhash import (
    estimate,
    from_datasketch,
    permutations,
    signature,
    to_datasketch,
)

datasketch = pytest.importorskip("datasketch")


@pytest.mark.parametrize("num_perm", [1, 16, 112, 128, 130, 256])
@pytest.mark.parametrize("seed", [1, 42])
def test_permutations_are_datasketchs(num_perm: int, seed: int) -> None:
    theirs = datasketch.MinHash(num_perm, seed=seed, scheme="affine32").permutations
    ours = permutations(num_perm, seed)
    assert np.array_equal(ours.a, theirs[0])
    assert np.array_equal(ours.b, theirs[1])


@pytest.mark.parametrize("num_perm", [1, 128, 130])
def test_sketches_are_datasketchs_on_the_same_shingles(num_perm: int) -> None:
    found = sketch(pa.array(SAMPLES), n=3, permutations=permutations(num_perm, 9)).signatures
    for text, minima in zip(SAMPLES, found, strict=True):
        minhash = datasketch.MinHash(num_perm, seed=9, scheme="affine32", hashfunc=int)
        shingles = reference.shingle_hashes(text, 3)
        minhash.update_batch([reference.shingle_hash32(shingle) for shingle in shingles])
        assert np.array_equal(minima, minhash.hashvalues)
        assert minima.dtype == minhash.hashvalues.dtype


def test_the_plain_signature_is_the_same_for_large_sets_and_empty_ones() -> None:
    drawn = permutations(32, 3)
    hashes = np.random.default_rng(0).integers(0, 1 << 32, 10_000, dtype=np.uint32)
    minhash = datasketch.MinHash(32, seed=3, scheme="affine32", hashfunc=int)
    assert np.array_equal(signature(hashes[:0], drawn), minhash.hashvalues)
    minhash.update_batch(hashes.tolist())
    assert np.array_equal(signature(hashes, drawn), minhash.hashvalues)


def test_signatures_travel_to_datasketch_and_back() -> None:
    drawn = permutations(64, 5)
    left, right = (
        sketch(pa.array([text]), permutations=drawn).signatures[0] for text in ("a b", "a c")
    )
    theirs = to_datasketch(left, seed=5)
    assert theirs.jaccard(to_datasketch(right, seed=5)) == estimate(left, right)
    assert np.array_equal(from_datasketch(theirs), left)
    fresh = datasketch.MinHash(64, seed=5, scheme="affine32", hashfunc=int)
    fresh.update(reference.shingle_hash32(next(iter(reference.shingle_hashes("a b")))))
    assert fresh.jaccard(theirs) == 1.0


def test_another_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="affine32"):
        from_datasketch(datasketch.MinHash(8, scheme="legacy"))


def test_a_missing_datasketch_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasketch", None)
    with pytest.raises(EngineError, match=r"thresher\[datasketch\]"):
        to_datasketch(np.zeros(4, np.uint32))


def test_estimates_come_near_the_exact_similarity() -> None:
    words = [f"w{index}" for index in range(600)]
    texts = [" ".join(words[:500]), " ".join(words[100:])]
    exact = float(reference.jaccard(*(reference.shingle_hashes(text) for text in texts)))
    left, right = sketch(pa.array(texts), permutations=permutations(1024)).signatures
    assert abs(estimate(left, right) - exact) < 4 * (exact * (1 - exact) / 1024) ** 0.5


def test_misuse_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="positive"):
        permutations(0)
    with pytest.raises(ValueError, match="do not compare"):
        estimate(np.zeros(4, np.uint32), np.zeros(8, np.uint32))
