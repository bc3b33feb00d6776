"""The reference for text in plain Python: what a word, a shingle and their hashes are.

Nothing here is fast, and every kernel equals it on every input (`tests/text`). Normalisation is
Unicode NFC, then lower case code point by code point, by the shipped tables alone. The word rules
are those of `thresher.text.tables`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache

from thresher.text import hashing as h
from thresher.text import tables as t

_S, _L, _V, _T, _N = 0xAC00, 0x1100, 0x1161, 0x11A7, 11172  # Hangul syllables, by arithmetic


def normalise(text: str) -> str:
    """Return `text` in NFC and then in lower case, code point by code point."""
    lower = t.load_tables().lower
    parts = []
    for char in nfc(text):
        parts.append(chr(lower[ord(char)]))
        if ord(char) == t.DOTTED_CAPITAL_I:
            parts.append(chr(t.DOT_ABOVE))
    return "".join(parts)


def nfc(text: str) -> str:
    """Return `text` in Unicode normalisation form C."""
    if text.isascii():
        return text
    composed: list[int] = []
    starter = -1  # position in `composed`
    last_class = 0  # class of the character after the starter that was kept last
    for code_point in _ordered(text):
        combining = int(t.load_tables().combining[code_point])
        blocked = starter < 0 or (last_class >= combining and starter != len(composed) - 1)
        joined = -1 if blocked else _compose(composed[starter], code_point)
        if joined >= 0:
            composed[starter] = joined
            continue
        if combining == 0:
            starter = len(composed)
        last_class = combining
        composed.append(code_point)
    return "".join(map(chr, composed))


def _ordered(text: str) -> list[int]:
    """Decompose canonically and sort each run of marks by combining class, stably."""
    combining = t.load_tables().combining
    ordered: list[int] = []
    marks: list[int] = []
    for char in text:
        for code_point in _decompose(ord(char)):
            if combining[code_point] == 0:
                ordered += sorted(marks, key=lambda c: int(combining[c]))
                ordered.append(code_point)
                marks = []
            else:
                marks.append(code_point)
    return ordered + sorted(marks, key=lambda c: int(combining[c]))


def _decompose(code_point: int) -> list[int]:
    if _S <= code_point < _S + _N:
        lead, rest = divmod(code_point - _S, 588)
        vowel, tail = divmod(rest, 28)
        return [_L + lead, _V + vowel] + ([_T + tail] if tail else [])
    tables = t.load_tables()
    index = int(tables.decomposition[code_point])
    if index == 0:
        return [code_point]
    return [int(c) for c in tables.parts[tables.parts_start[index] : tables.parts_start[index + 1]]]


def _compose(first: int, second: int) -> int:
    """Return the primary composite of two code points, or -1."""
    if _L <= first < _L + 19 and _V <= second < _V + 21:
        return _S + ((first - _L) * 21 + second - _V) * 28
    if _S <= first < _S + _N and (first - _S) % 28 == 0 and _T < second < _T + 28:
        return first + second - _T
    tables = t.load_tables()
    key = first << 21 | second
    index = bisect_left(tables.pair_keys, key)
    found = index < len(tables.pair_keys) and tables.pair_keys[index] == key
    return int(tables.pair_values[index]) if found else -1


def words(text: str) -> list[str]:
    """Return the words of `text`, normalised, in order."""
    info = t.load_tables().info
    found: list[str] = []
    kind = t.CLASS_SEP  # of the word being read: none, RUN or UNSPACED
    for char in normalise(text):
        char_class = int(info[ord(char)]) & t.CLASS_MASK
        if char_class == t.CLASS_SEP:
            kind = t.CLASS_SEP
        elif char_class == t.CLASS_UNSPACED or kind == t.CLASS_SEP:
            kind = t.CLASS_UNSPACED if char_class == t.CLASS_UNSPACED else t.CLASS_RUN
            found.append(char)
        elif char_class == t.CLASS_RUN and kind == t.CLASS_UNSPACED:
            kind = t.CLASS_RUN
            found.append(char)
        else:
            found[-1] += char
    return found


@lru_cache(maxsize=1 << 16)
def word_hashes(word: str) -> tuple[int, int]:
    """Return the two independent 64-bit hashes of a normalised word."""
    data = word.encode()
    *head, last = _blocks(data)
    a, b = h.WORD_LEFT, h.WORD_RIGHT
    for w0, w1 in head:
        a, b = _fold(w0 ^ a, w1 ^ h.WORD_KEY_A), _fold(w0 ^ h.WORD_KEY_B, w1 ^ b)
    product = (last[0] ^ a) * (last[1] ^ b)
    low, high = product & h.MASK64, product >> 64
    first = _fold(low ^ h.WORD_FIRST_A ^ len(data), high ^ h.WORD_FIRST_B)
    second = _fold(low ^ h.WORD_SECOND_A, high ^ h.WORD_SECOND_B ^ len(data))
    return first, second


def word_hash(word: str) -> int:
    """Return the 64-bit hash of a normalised, non-empty word."""
    return word_hashes(word)[0]


def shingle_hash(shingle: Iterable[str]) -> int:
    """Return the 64-bit hash of a run of normalised words."""
    total = length = 0
    for word in shingle:
        total = total * h.SHINGLE_BASE + word_hash(word)
        length += 1
    return _fmix64(total + length * h.SHINGLE_LENGTH)


def shingle_hashes(text: str, n: int = 5) -> set[int]:
    """Return the hashes of all runs of `n` words; one of all words where there are fewer."""
    tokens = words(text)
    if not tokens:
        return set()
    last = max(len(tokens) - n, 0)
    return {shingle_hash(tokens[start : start + n]) for start in range(last + 1)}


def shingle_hash32(shingle: int) -> int:
    """Return the 32 bits of a 64-bit shingle hash that MinHash sees."""
    return shingle >> 32


def picture(shingles: Iterable[int]) -> list[int]:
    """Return the 8 words of 64 bits in which each shingle hash sets one bit."""
    drawn = [0] * 8
    for value in shingles:
        drawn[value & 7] |= 1 << (value >> 3 & 63)
    return drawn


def sequence_hash(text: str) -> tuple[int, int]:
    """Return the 128-bit hash of the sequence of words; of the bytes where there are none."""
    tokens = words(text)
    if not tokens:
        return wordless_hash(bytes_hash(text.encode()))
    a = b = 0
    for word in tokens:
        first, second = word_hashes(word)
        a = (_rotl(a, 27) ^ first) * h.SEQUENCE_BASE_A & h.MASK64
        b = (_rotl(b, 31) + second) * h.SEQUENCE_BASE_B & h.MASK64
    length = len(tokens) * h.SEQUENCE_LENGTH & h.MASK64
    return _fmix64(a ^ length), _fmix64(b + length)


def wordless_hash(hashed_bytes: tuple[int, int]) -> tuple[int, int]:
    """Return the sequence hash of a text without words, or that is not UTF-8."""
    return _fmix64(hashed_bytes[0] ^ h.WORDLESS_A), _fmix64(hashed_bytes[1] ^ h.WORDLESS_B)


def bytes_hash(data: bytes) -> tuple[int, int]:
    """Return the 128-bit hash of raw bytes."""
    lanes = [list(h.BYTES_SEEDS[:2]), list(h.BYTES_SEEDS[2:])]
    for index, (w0, w1) in enumerate(_blocks(data)):
        lane = lanes[index & 1]
        lane[0] = _fold(w0 ^ h.BYTES_LEFT, w1 ^ lane[0])
        lane[1] = _fold(w0 ^ lane[1], w1 ^ h.BYTES_RIGHT)
    (a0, b0), (a1, b1) = lanes
    return (
        _fold(a0 ^ h.BYTES_FINAL_A ^ len(data), a1 ^ h.BYTES_FINAL_B),
        _fold(b0 ^ h.BYTES_FINAL_B ^ len(data), b1 ^ h.BYTES_FINAL_C),
    )


def fingerprint(rows: Iterable[bytes | None], start: int = h.FINGERPRINT_START) -> int:
    """Return the order-dependent 64-bit fingerprint of rows, continuing from `start`."""
    state = start
    for row in rows:
        first, second = (h.FINGERPRINT_NULL, 0) if row is None else bytes_hash(row)
        state = ((_rotl(state, 29) ^ first) * h.FINGERPRINT_BASE + second) & h.MASK64
    return state


def jaccard(left: set[int], right: set[int]) -> Fraction:
    """Return the exact Jaccard similarity; 0 where both are empty: such texts match by bytes."""
    union = len(left | right)
    return Fraction(len(left & right), union) if union else Fraction(0)


def _blocks(data: bytes) -> Iterator[tuple[int, int]]:
    for start in range(0, len(data), 16):
        block = data[start : start + 16].ljust(16, b"\0")
        yield int.from_bytes(block[:8], "little"), int.from_bytes(block[8:], "little")


def _fold(a: int, b: int) -> int:
    product = a * b
    return (product ^ product >> 64) & h.MASK64


def _rotl(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & h.MASK64


def _fmix64(value: int) -> int:
    value &= h.MASK64
    value = (value ^ value >> 33) * h.FMIX64[0] & h.MASK64
    value = (value ^ value >> 33) * h.FMIX64[1] & h.MASK64
    return value ^ value >> 33
