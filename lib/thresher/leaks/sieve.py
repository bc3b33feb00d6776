"""The sieve that most places of a text fall through: runs of three tokens that entries have.

A bitmap, small enough for a core's own cache, tells which runs of TRIPLE tokens the entries of
tables have. An n-gram can be an entry only where all its runs are in the bitmap.

Shapes: T tokens of texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from thresher.leaks.keys import mixed, roll, room, set_token_bit, token_bit
from thresher.leaks.tables import LEAST_WHOLE, Stored
from thresher.text.kernel import kernel
from thresher.text.machine import trailing_zeros

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
_ONE, _63, _64 = _U(1), _U(63), _U(64)
TRIPLE = LEAST_WHOLE  # tokens that a text must share with an entry before any table is read
_MOST_BITS = 1 << 23  # a megabyte
_AT_ONCE = 1024  # places; their keys fit the nearest cache


@kernel
def _mark_triples(stored: Any, postings: Column, count: Any, bits: Column) -> None:
    """Enter the first `count` runs of TRIPLE tokens of entries into a bitmap."""
    for posting in postings:
        position = _I(posting) >> 3
        for k in range(position, position + count):
            total = _U(0)
            for token in range(k, k + TRIPLE):
                total = roll(total, stored.term_hash[stored.terms[token]])
            set_token_bit(bits, mixed(total))


def triples_of(stored: Stored, postings: Sequence[Column], count: int, bits_each: float) -> Column:
    """Return a bitmap of runs of TRIPLE tokens of entries, small enough for a core's own cache.

    Args:
        stored: The tokens.
        postings: The entries.
        count: The first so many runs of each.
        bits_each: Of the bitmap for each entry: more let fewer other runs pass.
    """
    bits = np.zeros(min(room(sum(map(len, postings)), bits_each, 64), _MOST_BITS) // 64, np.uint64)
    for some in postings:
        _mark_triples(stored, some, count, bits)
    return bits


@kernel
def _sift(
    hashes: Column, triples: Column, openings: Column, keys: Column, found: Column, opened: Column
) -> None:
    """Note the places at which runs of TRIPLE tokens begin that entries have, a bit each."""
    num = hashes.shape[0] - TRIPLE + 1
    for begin in range(0, num, keys.shape[0]):
        size = min(keys.shape[0], num - begin)
        first, second, third = hashes[begin:], hashes[begin + 1 :], hashes[begin + 2 :]
        for index in range(size):  # a loop of its own, so that it is done several at once
            keys[index] = mixed(roll(roll(first[index], second[index]), third[index]))
        for low in range(0, size, 64):
            # Shifted in from above, which keeps the compiler from gathers: they are slow.
            own, opening = _U(0), _U(0)
            for index in range(low, min(low + 64, size)):
                own = own >> _ONE | token_bit(triples, keys[index]) << _63
                opening = opening >> _ONE | token_bit(openings, keys[index]) << _63
            empty, word = _U(64 - min(64, size - low)), (begin + low) >> 6
            found[word], opened[word] = own >> empty, opening >> empty


def sift(hashes: Column, triples: Column, openings: Column, n: int) -> tuple[Column, Column]:
    """Return at which places of texts runs of entries begin.

    Args:
        hashes: (T,) uint64 tokens.
        triples, openings: Two bitmaps of runs.
        n: What is read of the result is up to so many places ahead.

    Returns:
        For each bitmap, words of a bit a place, and zeros behind them.
    """
    found, opened = np.zeros((2, (len(hashes) + 63) // 64 + n // 64 + 2), np.uint64)
    if len(hashes) >= TRIPLE:
        _sift(hashes, triples, openings, np.empty(_AT_ONCE, np.uint64), found, opened)
    return found, opened


@kernel
def in_a_row(bits: Column, count: Any, places: Column) -> Any:
    """Collect the places from which on `count` bits are set; return how many.

    Args:
        bits: Longer than what is read, by zeros.
    """
    num = _I(0)
    for word in range(bits.shape[0] - (count >> 6) - 1):
        own = bits[word]
        for ahead in range(1, count):
            if own == _U(0):
                break
            at, shift = word + (ahead >> 6), _U(ahead & 63)
            own &= bits[at] >> shift | (bits[at + 1] << (_64 - shift) if shift > _U(0) else _U(0))
        while own != _U(0):
            places[num] = (word << 6) + trailing_zeros(own)
            num += 1
            own &= own - _U(1)
    return num
