"""Kernels over rows of text: sketches, sorted shingle sets, fingerprints.

A row is worked off in chunks of words, so that its scratch stays in the first-level cache however long it is: find words,
hash them, roll the shingle hashes, then permute or collect. Rows are (`starts`, `ends`) into one buffer of `size` bytes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from thresher.text import hashing as h
from thresher.text import lexer as x
from thresher.text.composition import compose_text
from thresher.text.digests import fmix64, fold_row, hash_bytes, hash_word, rotl, wordless
from thresher.text.kernel import address_of, inlined, kernel
from thresher.text.lexer import lex
from thresher.text.machine import minimum_16
from thresher.text.utf8 import well_formed

CHUNK_WORDS = 512
LANES = 16  # permutations a vector step; parameter arrays are padded to a multiple
EMPTY_MINIMUM = 0xFFFFFFFF

_U, _U32 = np.uint64, np.uint32
_SHINGLE_BASE, _SHINGLE_LENGTH = _U(h.SHINGLE_BASE), _U(h.SHINGLE_LENGTH)
_SEQUENCE_BASE_A, _SEQUENCE_BASE_B = _U(h.SEQUENCE_BASE_A), _U(h.SEQUENCE_BASE_B)
_SEQUENCE_LENGTH = _U(h.SEQUENCE_LENGTH)
_FINGERPRINT_NULL = _U(h.FINGERPRINT_NULL)
_FMIX32_A, _FMIX32_B = (_U32(factor) for factor in h.FMIX32)
_ROLLING, _SEQUENCE_A, _SEQUENCE_B, _ACCUMULATORS = range(4)
_SMALL = 24  # values: below, insertion sort alone is fastest


class Work(NamedTuple):
    """Scratch of one call, private to its thread."""

    state: npt.NDArray[np.int64]
    sums: npt.NDArray[np.uint64]
    tail: npt.NDArray[np.uint8]
    edges: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]  # of the n words before the chunk, then of the chunk
    shingles: npt.NDArray[np.uint64]
    mixed: npt.NDArray[np.uint32]
    lowered: npt.NDArray[np.uint8]


def make_work(n: int, longest: int) -> Work:
    """Allocate scratch for shingles of `n` words and rows of at most `longest` bytes."""
    num_edges = 2 * CHUNK_WORDS + x.EDGES_A_STEP
    return Work(
        state=np.zeros(x.STATE_SIZE, np.int64),
        sums=np.zeros(_ACCUMULATORS, np.uint64),
        tail=np.zeros(x.BLOCK, np.uint8),
        edges=np.zeros(num_edges + 2, np.int64),
        hashes=np.zeros(num_edges // 2 + 1 + n, np.uint64),
        shingles=np.zeros(num_edges // 2 + 2, np.uint64),
        mixed=np.zeros(num_edges // 2 + 2, np.uint32),
        lowered=np.empty(longest + longest // 2 + x.PADDING, np.uint8),
    )


@inlined
def _begin(work: Any) -> None:
    work.state[:] = 0
    work.state[x.STARTER] = -1
    work.sums[:] = 0


@inlined
def _hash_words(work: Any, lowered: Any, n: Any) -> Any:
    """Hash the words whose edges are complete, after the last `n` of the chunk before; return their number."""
    edges, hashes, sums = work.edges, work.hashes, work.sums
    num_edges = work.state[x.NUM_EDGES]
    num_words = num_edges >> 1
    a, b = sums[_SEQUENCE_A], sums[_SEQUENCE_B]
    for word in range(num_words):
        begin = edges[2 * word]
        first, second = hash_word(lowered + begin, edges[2 * word + 1] - begin)
        hashes[n + word] = first
        a = (rotl(a, 27) ^ first) * _SEQUENCE_BASE_A
        b = (rotl(b, 31) + second) * _SEQUENCE_BASE_B
    sums[_SEQUENCE_A], sums[_SEQUENCE_B] = a, b
    edges[0] = edges[num_edges - (num_edges & 1)]
    work.state[x.NUM_EDGES] = num_edges & 1
    return num_words


@inlined
def _roll(work: Any, num_words: Any, n: Any, last_power: Any) -> Any:
    """Write the shingle hashes that the chunk's words complete; return their number."""
    hashes, shingles = work.hashes, work.shingles
    before = work.state[x.NUM_WORDS]
    rolling = work.sums[_ROLLING]
    length = _U(n) * _SHINGLE_LENGTH
    warm = min(max(n - before, 0), num_words)
    for word in range(warm):
        rolling = rolling * _SHINGLE_BASE + hashes[n + word]
    count = 0
    if warm > 0 and before + warm == n:
        shingles[0] = fmix64(rolling + length)
        count = 1
    for word in range(warm, num_words):
        rolling = rolling * _SHINGLE_BASE + (hashes[n + word] - hashes[word] * last_power)
        shingles[count] = fmix64(rolling + length)
        count += 1
    for word in range(n):
        hashes[word] = hashes[num_words + word]
    total = before + num_words
    if work.state[x.STATUS] == x.DONE and 0 < total < n:
        shingles[0] = fmix64(rolling + _U(total) * _SHINGLE_LENGTH)
        count = 1
    work.state[x.NUM_WORDS] = total
    work.sums[_ROLLING] = rolling
    return count


@kernel
def advance(
    tables: Any,
    source: Any,
    length: Any,
    readable: Any,
    lowered: Any,
    work: Any,
    n: Any,
    last_power: Any,
    check: Any,
) -> Any:
    """Work off one chunk of a row; return how many hashes `work.shingles` holds."""
    lex(tables, source, length, readable, lowered, work, check)
    if work.state[x.STATUS] >= x.ILL_FORMED:
        return 0
    num_words = _hash_words(work, lowered, n)
    return _roll(work, num_words, n, last_power)


@kernel
def compose_row(tables: Any, source: Any, length: Any) -> Any:
    """Return (NFC of a row, its bytes or -1, room for its lower case)."""
    composed = np.empty(3 * length + 4 + x.PADDING, np.uint8)
    parts = np.empty(2 * length + 8, np.int32)
    size = compose_text(tables, source, length, address_of(composed), parts)
    room = np.empty(max(size, 0) * 3 // 2 + x.PADDING, np.uint8)
    return composed, size, room


@inlined
def _permute(work: Any, count: Any, factors: Any, terms: Any, minima: Any) -> None:
    """Lower the minima by `count` shingle hashes, as datasketch's affine32 scheme does."""
    shingles, mixed = work.shingles, work.mixed
    for index in range(count):
        # numba widens uint32 products to 64 bits: cut every step back
        value = _U32(shingles[index] >> _U(32))
        value = _U32(_U32(value ^ (value >> _U32(16))) * _FMIX32_A)
        value = _U32(_U32(value ^ (value >> _U32(13))) * _FMIX32_B)
        mixed[index] = value ^ (value >> _U32(16))
    for start in range(0, factors.size, LANES):
        minimum_16(
            address_of(mixed),
            count,
            address_of(factors) + 4 * start,
            address_of(terms) + 4 * start,
            address_of(minima) + 4 * start,
        )


@kernel
def sketch_rows(
    data: Any,
    size: Any,
    starts: Any,
    ends: Any,
    with_words: Any,
    n: Any,
    last_power: Any,
    tables: Any,
    work: Any,
    factors: Any,
    terms: Any,
    minima: Any,
    ok: Any,
    num_words: Any,
    bytes_hash: Any,
    sequence_hash: Any,
    signatures: Any,
) -> None:
    """Fill the five outputs of `thresher.text.sketch.sketch` for every row."""
    for row in range(starts.size):
        source, length = data + starts[row], ends[row] - starts[row]
        first, second = hash_bytes(source, length)
        bytes_hash[row, 0], bytes_hash[row, 1] = first, second
        if not with_words:
            ok[row] = well_formed(source, length)
            continue
        readable, check = size - starts[row], True
        lowered = address_of(work.lowered)
        composed = work.lowered
        room = work.lowered
        _begin(work)
        minima[:] = EMPTY_MINIMUM
        while work.state[x.STATUS] == x.MORE:
            count = advance(
                tables, source, length, readable, lowered, work, n, last_power, check
            )
            if work.state[x.STATUS] == x.NOT_COMPOSED:
                composed, length, room = compose_row(tables, source, length)
                _begin(work)
                minima[:] = EMPTY_MINIMUM
                if length < 0:
                    work.state[x.STATUS] = x.ILL_FORMED
                    continue
                source, readable, check = address_of(composed), composed.size, False
                lowered = address_of(room)
                continue
            _permute(work, count, factors, terms, minima)
        well = work.state[x.STATUS] == x.DONE
        total = work.state[x.NUM_WORDS]
        if well and total > 0:
            scaled = _U(total) * _SEQUENCE_LENGTH
            sequence_hash[row, 0] = fmix64(work.sums[_SEQUENCE_A] ^ scaled)
            sequence_hash[row, 1] = fmix64(work.sums[_SEQUENCE_B] + scaled)
        else:
            sequence_hash[row, 0], sequence_hash[row, 1] = wordless(first, second)
            total = 0
            minima[:] = EMPTY_MINIMUM
        ok[row] = well
        num_words[row] = total
        signatures[row, :] = minima[: signatures.shape[1]]


@inlined
def _insertion_sort(values: Any, begin: Any, end: Any) -> None:
    for index in range(begin + 1, end):
        value = values[index]
        place = index
        while place > begin and values[place - 1] > value:
            values[place] = values[place - 1]
            place -= 1
        values[place] = value


@inlined
def _sort_unique(values: Any, begin: Any, end: Any) -> Any:
    """Sort values[begin:end] and drop repeats; return the new end. Linear, since the values are hashes."""
    count = end - begin
    if count > _SMALL:
        bits = 1
        while (1 << bits) < count:
            bits += 1
        shift = _U(64 - bits)
        places = np.zeros((1 << bits) + 1, np.int64)
        for index in range(begin, end):
            places[np.int64(values[index] >> shift) + 1] += 1
        for bucket in range(1 << bits):
            places[bucket + 1] += places[bucket]
        unsorted = values[begin:end].copy()
        for index in range(count):
            bucket = np.int64(unsorted[index] >> shift)
            values[begin + places[bucket]] = unsorted[index]
            places[bucket] += 1
    _insertion_sort(values, begin, end)
    kept = begin
    for index in range(begin, end):
        if index == begin or values[index] != values[index - 1]:
            values[kept] = values[index]
            kept += 1
    return kept


@kernel
def shingle_rows(
    data: Any,
    size: Any,
    starts: Any,
    ends: Any,
    n: Any,
    last_power: Any,
    tables: Any,
    work: Any,
    offsets: Any,
    values: Any,
) -> None:
    """Fill the sorted, unique shingle hashes of every row; `values` has room for (bytes + 1) // 2 a row."""
    end = 0
    for row in range(starts.size):
        source, length = data + starts[row], ends[row] - starts[row]
        readable, check = size - starts[row], True
        lowered = address_of(work.lowered)
        composed = work.lowered
        room = work.lowered
        begin = end
        _begin(work)
        while work.state[x.STATUS] == x.MORE:
            count = advance(
                tables, source, length, readable, lowered, work, n, last_power, check
            )
            if work.state[x.STATUS] == x.NOT_COMPOSED:
                composed, length, room = compose_row(tables, source, length)
                _begin(work)
                end = begin
                if length < 0:
                    work.state[x.STATUS] = x.ILL_FORMED
                    continue
                source, readable, check = address_of(composed), composed.size, False
                lowered = address_of(room)
                continue
            for index in range(count):
                values[end] = work.shingles[index]
                end += 1
        if work.state[x.STATUS] != x.DONE:
            end = begin
        end = _sort_unique(values, begin, end)
        offsets[row + 1] = end


@kernel
def fingerprint_rows(data: Any, starts: Any, ends: Any, nulls: Any, start: Any) -> Any:
    """Fold the rows' bytes hashes into one fingerprint."""
    state = start
    for row in range(starts.size):
        if nulls.size > 0 and nulls[row]:
            first, second = _FINGERPRINT_NULL, _U(0)
        else:
            first, second = hash_bytes(data + starts[row], ends[row] - starts[row])
        state = fold_row(state, first, second)
    return state


def last_power(n: int) -> np.uint64:
    """Return SHINGLE_BASE^n, the factor that removes the oldest word."""
    return np.uint64(pow(h.SHINGLE_BASE, n, 1 << 64))

