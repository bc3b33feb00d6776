"""Kernels over rows of text: sketches, sorted shingle sets, fingerprints.

A row is worked off in chunks of words, so that its scratch stays in the first-level cache however
long it is: find words, hash them, roll the shingle hashes, then permute or collect.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.text import hashing as h
from thresher.text import lexer as x
from thresher.text.composition import compose_text
from thresher.text.digests import fmix64, fold_row, hash_bytes, hash_word, wordless
from thresher.text.kernel import inlined, kernel
from thresher.text.lexer import lex
from thresher.text.machine import (
    i32_at,
    i64_at,
    minimum_16,
    minimum_64,
    rotl,
    set_i64,
    set_u8,
    set_u32,
    set_u64,
    u8_at,
    u64_at,
)
from thresher.text.scratch import MIXED_STEP
from thresher.text.utf8 import well_formed
from thresher.transforms.pictures import PICTURE_WORDS

LANES = 16  # permutations a vector step; parameter arrays are padded to a multiple
WIDE_LANES = 64
EMPTY_MINIMUM = 0xFFFFFFFF

_U, _U32, _I = np.uint64, np.uint32, np.int64
_SHINGLE_BASE, _SHINGLE_LENGTH = _U(h.SHINGLE_BASE), _U(h.SHINGLE_LENGTH)
_SEQUENCE_BASE_A, _SEQUENCE_BASE_B = _U(h.SEQUENCE_BASE_A), _U(h.SEQUENCE_BASE_B)
_SEQUENCE_LENGTH = _U(h.SEQUENCE_LENGTH)
_FINGERPRINT_NULL = _U(h.FINGERPRINT_NULL)
_FMIX32_A, _FMIX32_B = (_U32(factor) for factor in h.FMIX32)
_ROLLING, _SEQUENCE_A, _SEQUENCE_B = range(3)
_SMALL = 24  # values: below, insertion sort alone is fastest


class Batch(NamedTuple):
    """Rows in one buffer: row i is the bytes from `starts[i]` to `ends[i]`."""

    data: int
    size: int
    starts: int  # (num_rows,) int64
    ends: int  # (num_rows,) int64
    nulls: int  # (num_rows,) uint8, or 0 for none
    num_rows: int


class Plan(NamedTuple):
    """What to compute."""

    with_words: int
    n: int
    last_power: np.uint64  # SHINGLE_BASE^n, which removes the oldest word
    num_permutations: int
    num_padded: int
    factors: int  # (num_padded,) uint32
    terms: int  # (num_padded,) uint32


class Outputs(NamedTuple):
    """Where results go; `pictures` and `values` may be 0: none are wanted."""

    ok: int
    num_words: int
    bytes_hash: int
    sequence_hash: int
    signatures: int
    pictures: int
    offsets: int
    values: int


@inlined
def _begin(plan: Any, work: Any) -> None:
    for field in range(x.STATE_SIZE):
        set_i64(work.state, field, 0)
    set_i64(work.state, x.STARTER, -1)
    for index in range(3):
        set_i64(work.sums, index, 0)
    for index in range(plan.num_padded):
        set_u32(work.minima, index, EMPTY_MINIMUM)


@inlined
def _hash_words(work: Any, lowered: Any, n: Any) -> Any:
    """Hash the words that have both edges, behind the last `n` hashes; return their number."""
    edges, keep = work.edges, work.keep + 16
    num_edges = i64_at(work.state, x.NUM_EDGES)
    num_words = num_edges >> 1
    hashes = work.hashes + 8 * n
    a, b = u64_at(work.sums, _SEQUENCE_A), u64_at(work.sums, _SEQUENCE_B)
    for word in range(num_words):
        begin, end = i64_at(edges, 2 * word), i64_at(edges, 2 * word + 1)
        first, second = hash_word(lowered + begin, end - begin, keep)
        set_u64(hashes, word, first)
        a = (rotl(a, 27) ^ first) * _SEQUENCE_BASE_A
        b = (rotl(b, 31) + second) * _SEQUENCE_BASE_B
    set_u64(work.sums, _SEQUENCE_A, a)
    set_u64(work.sums, _SEQUENCE_B, b)
    set_i64(edges, 0, i64_at(edges, num_edges & ~1))
    set_i64(work.state, x.NUM_EDGES, num_edges & 1)
    return num_words


@inlined
def _roll(work: Any, num_words: Any, n: Any, last_power: Any) -> Any:
    """Write the shingle hashes that the chunk's words complete; return their number."""
    hashes, shingles = work.hashes, work.shingles
    before = i64_at(work.state, x.NUM_WORDS)
    rolling = u64_at(work.sums, _ROLLING)
    scaled = _U(n) * _SHINGLE_LENGTH
    warm = min(max(n - before, 0), num_words)
    for word in range(warm):
        rolling = rolling * _SHINGLE_BASE + u64_at(hashes, n + word)
    count = _I(0)
    if warm > 0 and before + warm == n:
        set_u64(shingles, 0, fmix64(rolling + scaled))
        count = _I(1)
    for word in range(warm, num_words):
        change = u64_at(hashes, n + word) - u64_at(hashes, word) * last_power
        rolling = rolling * _SHINGLE_BASE + change
        set_u64(shingles, count, fmix64(rolling + scaled))
        count += 1
    for word in range(n):
        set_u64(hashes, word, u64_at(hashes, num_words + word))
    total = before + num_words
    if i64_at(work.state, x.STATUS) == x.DONE and 0 < total < n:
        set_u64(shingles, 0, fmix64(rolling + _U(total) * _SHINGLE_LENGTH))
        count = _I(1)
    set_i64(work.state, x.NUM_WORDS, total)
    set_u64(work.sums, _ROLLING, rolling)
    return count


@inlined
def _permute(plan: Any, work: Any, count: Any) -> None:
    """Lower the row's minima by `count` shingle hashes, as datasketch's affine32 scheme does."""
    for index in range((count + MIXED_STEP - 1) & -MIXED_STEP):
        # numba widens uint32 products to 64 bits: cut every step back
        value = _U32(u64_at(work.shingles, index) >> _U(32))
        value = _U32(_U32(value ^ (value >> _U32(16))) * _FMIX32_A)
        value = _U32(_U32(value ^ (value >> _U32(13))) * _FMIX32_B)
        set_u32(work.mixed, index, value ^ (value >> _U32(16)))
    size = 4 * plan.num_padded
    wide = size & -(4 * WIDE_LANES)
    for at in range(0, wide, 4 * WIDE_LANES):
        minimum_64(work.mixed, count, plan.factors + at, plan.terms + at, work.minima + at)
    for at in range(wide, size, 4 * LANES):
        minimum_16(work.mixed, count, plan.factors + at, plan.terms + at, work.minima + at)


@inlined
def _draw(work: Any, picture: Any, count: Any) -> None:
    """Set one of the picture's 512 bits for each of `count` shingle hashes."""
    for index in range(count):
        value = u64_at(work.shingles, index)
        word = _I(value & _U(PICTURE_WORDS - 1))
        bit = _U(1) << ((value >> _U(3)) & _U(63))
        set_u64(picture, word, u64_at(picture, word) | bit)


@inlined
def _blank(picture: Any) -> None:
    for word in range(PICTURE_WORDS):
        set_u64(picture, word, _U(0))


@kernel
def process_rows(
    batch: Any, plan: Any, tables: Any, work: Any, outputs: Any, row: Any, end: Any
) -> Any:
    """Fill the outputs from `row` on, `end` shingle values being collected already.

    Returns:
        (row, end) reached: short of the last row where one needs NFC and `work` has no room for
        it; call again with room.
    """
    while row < batch.num_rows:
        source = batch.data + i64_at(batch.starts, row)
        length = i64_at(batch.ends, row) - i64_at(batch.starts, row)
        first, second = hash_bytes(source, length)
        set_u64(outputs.bytes_hash, 2 * row, first)
        set_u64(outputs.bytes_hash, 2 * row + 1, second)
        if not plan.with_words:
            set_u8(outputs.ok, row, well_formed(source, length))
            row += 1
            continue
        readable = batch.data + batch.size - source
        picture = outputs.pictures + 8 * PICTURE_WORDS * row
        check = _I(1)
        begin = end
        _begin(plan, work)
        status = _I(x.MORE)
        while status == x.MORE:
            lex(tables, source, length, readable, work.lowered, work, check)
            status = i64_at(work.state, x.STATUS)
            if status == x.NOT_COMPOSED:
                if work.composed == 0:
                    return row, begin
                length = compose_text(tables, source, length, work.composed, work.parts)
                source, readable, check = work.composed, length + x.BLOCK, _I(0)
                end = begin
                if outputs.pictures:
                    _blank(picture)
                _begin(plan, work)
                status = _I(x.MORE if length >= 0 else x.ILL_FORMED)
            elif status != x.ILL_FORMED:
                num_words = _hash_words(work, work.lowered, plan.n)
                count = _roll(work, num_words, plan.n, plan.last_power)
                if outputs.values:
                    for index in range(count):
                        set_u64(outputs.values, end + index, u64_at(work.shingles, index))
                    end += count
                if outputs.pictures:
                    _draw(work, picture, count)
                if plan.num_padded:
                    _permute(plan, work, count)
        total = i64_at(work.state, x.NUM_WORDS)
        if status == x.ILL_FORMED:
            total = _I(0)
            end = begin
            if outputs.pictures:
                _blank(picture)
            _begin(plan, work)
        if outputs.values:
            end = _sort_unique(outputs.values, begin, end, work.sorting)
            set_i64(outputs.offsets, row + 1, end)
        if total:
            scaled = _U(total) * _SEQUENCE_LENGTH
            first = fmix64(u64_at(work.sums, _SEQUENCE_A) ^ scaled)
            second = fmix64(u64_at(work.sums, _SEQUENCE_B) + scaled)
        else:
            first, second = wordless(first, second)
        set_u64(outputs.sequence_hash, 2 * row, first)
        set_u64(outputs.sequence_hash, 2 * row + 1, second)
        set_u8(outputs.ok, row, status == x.DONE)
        set_u32(outputs.num_words, row, total)
        target = outputs.signatures + 4 * row * plan.num_permutations
        for index in range(plan.num_permutations):
            set_u32(target, index, i32_at(work.minima, index))
        row += 1
    return row, end


@inlined
def _insertion_sort(values: Any, begin: Any, end: Any) -> None:
    for index in range(begin + 1, end):
        value = u64_at(values, index)
        place = index
        while place > begin and u64_at(values, place - 1) > value:
            set_u64(values, place, u64_at(values, place - 1))
            place -= 1
        set_u64(values, place, value)


@kernel
def _sort_unique(values: Any, begin: Any, end: Any, sorting: Any) -> Any:
    """Sort values begin to end, drop repeats, return the new end. Linear: the values are hashes."""
    count = end - begin
    if count > _SMALL:
        bits = 1
        while (1 << bits) < count:
            bits += 1
        num_buckets = 1 << bits
        shift = _U(64 - bits)
        places = sorting + 8 * count
        for bucket in range(num_buckets + 1):
            set_i64(places, bucket, 0)
        for index in range(count):
            value = u64_at(values, begin + index)
            set_u64(sorting, index, value)
            following = _I(value >> shift) + 1
            set_i64(places, following, i64_at(places, following) + 1)
        for bucket in range(num_buckets):
            set_i64(places, bucket + 1, i64_at(places, bucket + 1) + i64_at(places, bucket))
        for index in range(count):
            value = u64_at(sorting, index)
            home = _I(value >> shift)
            place = i64_at(places, home)
            set_u64(values, begin + place, value)
            set_i64(places, home, place + 1)
    _insertion_sort(values, begin, end)
    kept = begin
    for index in range(begin, end):
        if index == begin or u64_at(values, index) != u64_at(values, kept - 1):
            set_u64(values, kept, u64_at(values, index))
            kept += 1
    return kept


@kernel
def fingerprint_rows(batch: Any, state: Any) -> Any:
    """Fold the rows' bytes hashes into one fingerprint."""
    for row in range(batch.num_rows):
        start = i64_at(batch.starts, row)
        first, second = hash_bytes(batch.data + start, i64_at(batch.ends, row) - start)
        if batch.nulls and u8_at(batch.nulls, row):
            first, second = _FINGERPRINT_NULL, _U(0)
        state = fold_row(state, first, second)
    return state
