"""Kernels of the byte and word hashes that `thresher.text.hashing` defines.

Every function takes addresses. `hash_bytes` reads exactly `length` bytes; `hash_word` may read 15
bytes past the word, so words are hashed in a padded scratch buffer, never in the user's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.text import hashing as h
from thresher.text.kernel import inlined
from thresher.text.machine import fold, i32_at, mul_wide, rotl, u8_at, u64_at

_U = np.uint64
_ZERO, _LOW_32 = _U(0), _U(0xFFFFFFFF)
_WORD_LEFT, _WORD_RIGHT = _U(h.WORD_LEFT), _U(h.WORD_RIGHT)
_KEY_A, _KEY_B = _U(h.WORD_KEY_A), _U(h.WORD_KEY_B)
_FIRST_A, _FIRST_B = _U(h.WORD_FIRST_A), _U(h.WORD_FIRST_B)
_SECOND_A, _SECOND_B = _U(h.WORD_SECOND_A), _U(h.WORD_SECOND_B)
_BYTES_LEFT, _BYTES_RIGHT = _U(h.BYTES_LEFT), _U(h.BYTES_RIGHT)
_A0, _B0, _A1, _B1 = (_U(seed) for seed in h.BYTES_SEEDS)
_FINAL_A, _FINAL_B, _FINAL_C = _U(h.BYTES_FINAL_A), _U(h.BYTES_FINAL_B), _U(h.BYTES_FINAL_C)
_FMIX_A, _FMIX_B = (_U(factor) for factor in h.FMIX64)
_WORDLESS_A, _WORDLESS_B = _U(h.WORDLESS_A), _U(h.WORDLESS_B)
_FINGERPRINT_BASE = _U(h.FINGERPRINT_BASE)

# From byte 16 - k on, this keeps k bytes of 16. Kernels get its address: a constant is slower.
KEEP = np.repeat(np.array([0xFF, 0], np.uint8), 16)


@inlined
def fmix64(value: Any) -> Any:
    """Apply the 64-bit finaliser of MurmurHash3, a bijection."""
    value = (value ^ (value >> _U(33))) * _FMIX_A
    value = (value ^ (value >> _U(33))) * _FMIX_B
    return value ^ (value >> _U(33))


@inlined
def _load_part(address: Any, length: Any) -> Any:
    """Load up to 8 of `length` bytes as one chunk padded with zeros, reading no other byte."""
    if length >= 8:
        return u64_at(address, 0)
    if length >= 4:
        low = _U(i32_at(address, 0)) & _LOW_32
        high = _U(i32_at(address + length - 4, 0)) & _LOW_32
        return low | high << _U(8 * (length - 4))
    if length <= 0:
        return _ZERO
    half = length >> 1
    first, middle = _U(u8_at(address, 0)), _U(u8_at(address, half))
    last = _U(u8_at(address, length - 1))
    return first | middle << _U(8 * half) | last << _U(8 * (length - 1))


@inlined
def hash_bytes(address: Any, length: Any) -> Any:
    """Return the 128-bit hash of `length` bytes."""
    a0, b0, a1, b1 = _A0, _B0, _A1, _B1
    rest = length
    while rest >= 32:
        w0, w1 = u64_at(address, 0), u64_at(address, 1)
        w2, w3 = u64_at(address, 2), u64_at(address, 3)
        a0, b0 = fold(w0 ^ _BYTES_LEFT, w1 ^ a0), fold(w0 ^ b0, w1 ^ _BYTES_RIGHT)
        a1, b1 = fold(w2 ^ _BYTES_LEFT, w3 ^ a1), fold(w2 ^ b1, w3 ^ _BYTES_RIGHT)
        address += 32
        rest -= 32
    if rest > 0:
        w0, w1 = _load_part(address, rest), _load_part(address + 8, rest - 8)
        a0, b0 = fold(w0 ^ _BYTES_LEFT, w1 ^ a0), fold(w0 ^ b0, w1 ^ _BYTES_RIGHT)
    if rest > 16:
        w2, w3 = _load_part(address + 16, rest - 16), _load_part(address + 24, rest - 24)
        a1, b1 = fold(w2 ^ _BYTES_LEFT, w3 ^ a1), fold(w2 ^ b1, w3 ^ _BYTES_RIGHT)
    size = _U(length)
    return fold(a0 ^ _FINAL_A ^ size, a1 ^ _FINAL_B), fold(b0 ^ _FINAL_B ^ size, b1 ^ _FINAL_C)


@inlined
def hash_word(address: Any, length: Any, keep: Any) -> Any:
    """Return both hashes of the word of `length` >= 1 bytes; `keep` is the address of KEEP + 16."""
    a, b = _WORD_LEFT, _WORD_RIGHT
    rest = length
    while rest > 16:
        w0, w1 = u64_at(address, 0), u64_at(address, 1)
        a, b = fold(w0 ^ a, w1 ^ _KEY_A), fold(w0 ^ _KEY_B, w1 ^ b)
        address += 16
        rest -= 16
    w0 = u64_at(address, 0) & u64_at(keep - rest, 0)
    w1 = u64_at(address, 1) & u64_at(keep - rest, 1)
    low, high = mul_wide(w0 ^ a, w1 ^ b)
    size = _U(length)
    first = fold(low ^ _FIRST_A ^ size, high ^ _FIRST_B)
    return first, fold(low ^ _SECOND_A, high ^ _SECOND_B ^ size)


@inlined
def wordless(first: Any, second: Any) -> Any:
    """Turn a bytes hash into the sequence hash of a text without words."""
    return fmix64(first ^ _WORDLESS_A), fmix64(second ^ _WORDLESS_B)


@inlined
def fold_row(state: Any, first: Any, second: Any) -> Any:
    """Fold one row's bytes hash into a fingerprint."""
    return (rotl(state, 29) ^ first) * _FINGERPRINT_BASE + second
