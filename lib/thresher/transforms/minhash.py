"""MinHash permutations, signatures and estimates: those of datasketch's `affine32`, bit for bit.

A 32-bit shingle hash h is mixed once, x = fmix32(h), then permutation k gives a_k * x + b_k modulo
2^32 (a_k odd, hence a bijection), and the signature holds the least value over all shingles. An
empty set has 0xFFFFFFFF everywhere.

Shapes: P permutations, S shingles.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from thresher.errors import EngineError

EMPTY_MINIMUM = 0xFFFFFFFF
_BLOCK = 4096  # shingles permuted at a time, so that the product stays in cache


class Permutations(NamedTuple):
    """The parameters of P affine permutations of the 32-bit integers.

    Attributes:
        a: (P,) uint32, all odd.
        b: (P,) uint32.
    """

    a: npt.NDArray[np.uint32]
    b: npt.NDArray[np.uint32]


def permutations(num_perm: int, seed: int = 1) -> Permutations:
    """Draw permutations exactly as `datasketch.MinHash(num_perm, seed, scheme="affine32")` does.

    Raises:
        ValueError: When `num_perm` is not positive.
    """
    if num_perm < 1:
        raise ValueError(f"num_perm must be positive, not {num_perm}")
    generator = np.random.RandomState(seed)
    halves = generator.randint(0, 1 << 31, num_perm, dtype=np.uint32)
    b = generator.randint(0, 1 << 32, num_perm, dtype=np.uint32)
    return Permutations(halves * np.uint32(2) + np.uint32(1), b)


def signature(
    hashes32: npt.NDArray[np.uint32], permutations: Permutations
) -> npt.NDArray[np.uint32]:
    """Return the (P,) signature of a set of 32-bit shingle hashes (S,); repeats do not matter.

    The plain form, for one set at a time; `thresher.text.sketch.sketch` computes the same over
    whole batches.
    """
    minima = np.full(len(permutations.a), EMPTY_MINIMUM, np.uint32)
    mixed = _fmix32(np.asarray(hashes32, np.uint32))
    for start in range(0, len(mixed), _BLOCK):
        block = mixed[start : start + _BLOCK, None] * permutations.a + permutations.b
        np.minimum(minima, block.min(axis=0), out=minima)
    return minima


def estimate(left: npt.NDArray[np.uint32], right: npt.NDArray[np.uint32]) -> float:
    """Estimate the Jaccard similarity of two sets: the share of equal minima in their signatures.

    Raises:
        ValueError: When the signatures have different lengths.
    """
    if left.shape != right.shape:
        raise ValueError(f"signatures of {left.shape} and {right.shape} minima do not compare")
    return int(np.count_nonzero(left == right)) / len(left)


def to_datasketch(minima: npt.NDArray[np.uint32], seed: int = 1) -> Any:
    """Return a signature that `permutations(P, seed)` gave as a `datasketch.MinHash`.

    Raises:
        EngineError: When datasketch is not installed.
    """
    minhash = _datasketch().MinHash
    return minhash(len(minima), seed=seed, hashvalues=minima.copy(), scheme="affine32")


def from_datasketch(minhash: Any) -> npt.NDArray[np.uint32]:
    """Return the signature of a `datasketch.MinHash`.

    Raises:
        ValueError: When it has another scheme than `affine32`; its minima mean something else.
    """
    scheme = getattr(minhash, "scheme", "legacy")
    if scheme != "affine32":
        raise ValueError(f"expected scheme 'affine32', not {scheme!r}")
    return np.array(minhash.hashvalues, np.uint32)


def _datasketch() -> Any:
    try:
        import datasketch
    except ImportError as error:
        raise EngineError(
            "datasketch is not installed", remedy="pip install 'thresher[datasketch]'"
        ) from error
    return datasketch


def _fmix32(values: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    values = (values ^ (values >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))
