"""The numbers of texts: digits, decimals, fractions and number words, by value.

A number is a token of ASCII digits (commas and apostrophes between them are left out), two of them
with a point between (a decimal) or a slash (a fraction), or a number word: zero to twelve, the
teens, the tens with or without a unit, half and twice. Hundred, thousand, million and dozen
multiply the number right before them, and count alone otherwise. Keys are made of the reduced
fraction, so 0.5 = 1/2 = half and 1,000 = 1000 = one thousand. Numbers of more than 17 digits are
compared as tokens.

Shapes: R texts, T tokens, N numbers.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher.leaks.items import Numbers
from thresher.leaks.keys import mixed, room, set_token_bit, token_bit
from thresher.signals.spans import spans
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import i64_at, set_i64, set_u8, u8_at, u64_at
from thresher.text.scratch import address

if TYPE_CHECKING:
    from thresher.leaks.tokens import Tokens

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64

UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
UNITS += " fifteen sixteen seventeen eighteen nineteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
FACTORS = {"dozen": 12, "hundred": 100, "thousand": 1_000, "million": 1_000_000}
OTHERS = {"half": (1, 2), "twice": (2, 1)}
_UNIT, _TEN, _FACTOR, _OTHER, _DIGITS = range(1, 6)
_MOST_DIGITS = 17
_LARGEST = 10**17
BEGINS, ENDS, WORD = 1, 2, 4  # marks of a token: with a digit, and maybe a number word
LEAST_TELLING = 2  # different numbers besides 0, 1 and 2, for a set of numbers to be looked for


def number_words() -> dict[str, tuple[int, int, int]]:
    """Return the kind, numerator and denominator of each number word."""
    words = {word: (_UNIT, value, 1) for value, word in enumerate(UNITS.split())}
    words |= {word: (_TEN, 20 + 10 * rank, 1) for rank, word in enumerate(TENS.split())}
    words |= {word: (_FACTOR, value, 1) for word, value in FACTORS.items()}
    return words | {word: (_OTHER, *value) for word, value in OTHERS.items()}


@kernel
def _enter_words(rows: Column, bits: Column) -> None:
    for row in range(rows.shape[0]):
        set_token_bit(bits, rows[row, 0])


@cache
def _word_table() -> tuple[Column, Column, Column]:
    """Return number words by hash: a table of places + 1, rows (hash, kind, value), a bitmap."""
    from thresher.leaks.tokens import token_hash

    words = number_words()
    rows = np.array([(token_hash(word), *value) for word, value in words.items()], np.uint64)
    slots = np.zeros(room(len(rows), 16.0), np.uint8)
    for place, row in enumerate(rows):
        slot = int(row[0]) % len(slots)
        while slots[slot]:
            slot = (slot + 1) % len(slots)
        slots[slot] = place + 1
    bits = np.zeros(room(len(rows), 64.0) // 64, np.uint64)
    _enter_words(rows, bits)
    return slots, rows, bits


@inlined
def value_key(numerator: Any, denominator: Any) -> Any:
    """Return the key of a fraction, the same for all ways to write it."""
    a, b = numerator, denominator
    while b != 0:
        a, b = b, a % b
    a = max(a, 1)
    return mixed(_U(numerator // a) * _U(0x9E3779B97F4A7C15) + _U(denominator // a))


@inlined
def _parse(data: Any, begin: Any, end: Any) -> tuple[Any, Any]:
    """Return (digits, value) of a token of digits; 0 digits where it is none."""
    value, digits = _I(0), _I(0)
    for place in range(begin, end):
        byte = _I(data[place])
        if 48 <= byte <= 57:
            digits += 1
            if digits <= _MOST_DIGITS:
                value = value * 10 + byte - 48
        elif (byte != 44 and byte != 39) or place == end - 1:
            return _I(0), value
    return digits, value


class Told(NamedTuple):
    """Tokens of a block that may be numbers or parts of them.

    Attributes:
        places: (M,) int64 tokens, ascending.
        marks: (M,) uint8 BEGINS, ENDS and WORD.
    """

    places: Column
    marks: Column


@inlined
def _is_digit(byte: Any) -> Any:
    return _U(byte - 48) < _U(10)


@inlined
def _has_digit(text: Any, size: Any) -> Any:
    num = _U(0)
    for place in range(size):  # to the end, so that it is done many at once
        num += _U(_is_digit(u8_at(text, place)))
    return num > _U(0)


class _Telling(NamedTuple):
    """Addresses of what is read and written."""

    data: int
    row_starts: int
    row_ends: int
    offsets: int
    hashes: int
    starts: int
    stops: int
    places: int
    marks: int


@kernel
def _tell(at: Any, num_rows: Any, words: Column) -> Any:
    """Collect tokens that begin or end with a digit, or may be number words; return how many."""
    num = _I(0)
    for row in range(num_rows):
        base, end = at.data + i64_at(at.row_starts, row), at.data + i64_at(at.row_ends, row)
        digits = _has_digit(base, end - base)
        for token in range(i64_at(at.offsets, row), i64_at(at.offsets, row + 1)):
            mark = _I(token_bit(words, u64_at(at.hashes, token))) * WORD
            if digits:
                first = u8_at(base, i64_at(at.starts, token))
                last = u8_at(base, i64_at(at.stops, token) - 1)
                mark |= _I(_is_digit(first)) * BEGINS | _I(_is_digit(last)) * ENDS
            set_i64(at.places, num, token)
            set_u8(at.marks, num, mark)
            num += _I(mark != 0)
    return num


def tell_numbers(texts: pa.Array, tokens: Tokens) -> Told:
    """Return which tokens of texts may be numbers: a few nanoseconds a token."""
    where = spans(texts)
    room = len(tokens.hashes) + 1
    told = Told(np.empty(room, np.int64), np.empty(room, np.uint8))
    read = (*where, tokens.offsets, tokens.hashes, tokens.starts, tokens.stops)
    num = int(_tell(_Telling(*map(address, (*read, *told))), len(texts), _word_table()[2]))
    return Told(told.places[:num], told.marks[:num])


@kernel
def _find(
    data: Column,
    row_starts: Column,
    offsets: Column,
    told: Any,
    hashes: Column,
    starts: Column,
    stops: Column,
    slots: Column,
    words: Column,
    found_offsets: Column,
    places: Column,
    keys: Column,
) -> Any:
    count = 0
    size, hit = _I(slots.shape[0]), _I(0)
    for row in range(offsets.shape[0] - 1):
        base = row_starts[row]
        num: Any = _I(0)  # the number before: its value, kind and last token
        den: Any = _I(1)
        kind: Any = _I(0)
        last: Any = _I(-9)
        while hit < told.places.shape[0] and told.places[hit] < offsets[row + 1]:
            token, mark = told.places[hit], told.marks[hit]
            hit += 1
            if mark & (BEGINS | WORD) == 0:
                continue
            begin, end = base + starts[token], base + stops[token]
            digits: Any = _I(0)
            value: Any = _I(0)
            if mark & BEGINS:
                digits, value = _parse(data, begin, end)
            adjacent = last == token - 1
            if digits > 0:
                gap = _I(0)
                if adjacent and kind == _DIGITS and base + stops[token - 1] + 1 == begin:
                    gap = _I(data[begin - 1])
                power: Any = _I(1)
                for _ in range(digits if digits < 18 else 18):
                    power *= 10
                whole = den == 1 and digits <= _MOST_DIGITS
                if gap == 46 and whole and num < _LARGEST // power:
                    num, den, kind = num * power + value, power, _OTHER
                    keys[count - 1] = value_key(num, den)
                elif gap == 47 and whole and value > 0:
                    den, kind = value, _OTHER
                    keys[count - 1] = value_key(num, den)
                else:
                    num, den = value, _I(1)
                    kind = _DIGITS if digits <= _MOST_DIGITS else _OTHER
                    places[count] = token - offsets[row]
                    keys[count] = value_key(num, den) if kind == _DIGITS else hashes[token]
                    count += 1
                last = token
                continue
            value_hash = hashes[token]
            slot = _I(value_hash & _U(size - 1))
            while slots[slot] != 0 and words[slots[slot] - 1, 0] != value_hash:
                slot = (slot + 1) & (size - 1)
            if slots[slot] == 0:
                continue
            word = _I(slots[slot]) - 1
            new = _I(words[word, 1])
            value = _I(words[word, 2])
            if new == _FACTOR and adjacent and 0 < num < _LARGEST // value:
                num *= value
                keys[count - 1] = value_key(num, den)
                kind = _FACTOR
            elif new == _UNIT and adjacent and kind == _TEN and 0 < value < 10:
                num += value
                keys[count - 1] = value_key(num, den)
                kind = _UNIT
            else:
                num, den, kind = value, _I(words[word, 3]), new
                places[count] = token - offsets[row]
                keys[count] = value_key(num, den)
                count += 1
            last = token
        found_offsets[row + 1] = count
    return count


def find_numbers(texts: pa.Array, tokens: Tokens, told: Told | None = None) -> Numbers:
    """Return the numbers of texts, given their tokens and perhaps `tell_numbers` of them."""
    told = tell_numbers(texts, tokens) if told is None else told
    where = spans(texts)
    data = where.data if len(where.data) else np.zeros(1, np.uint8)
    offsets = np.zeros(len(tokens.offsets), np.int64)
    places, keys = np.empty(len(told.places), np.int64), np.empty(len(told.places), np.uint64)
    slots, words, _ = _word_table()
    count = _find(
        data,
        where.starts,
        tokens.offsets,
        told,
        tokens.hashes,
        tokens.starts,
        tokens.stops,
        slots,
        words,
        offsets,
        places,
        keys,
    )
    return Numbers(offsets, places[:count].copy(), keys[:count].copy())


@kernel
def _count_telling(offsets: Column, keys: Column, found: Column) -> None:
    zero, one, two = value_key(_I(0), _I(1)), value_key(_I(1), _I(1)), value_key(_I(2), _I(1))
    for row in range(found.shape[0]):
        for place in range(offsets[row], offsets[row + 1]):
            key = keys[place]
            fresh = place == offsets[row] or keys[place - 1] != key
            found[row] += fresh and key != zero and key != one and key != two


def telling_numbers(offsets: Column, keys: Column) -> Column:
    """(R,) different numbers of each text, besides 0, 1 and 2; `keys` are sorted in each text."""
    found = np.zeros(len(offsets) - 1, np.int64)
    _count_telling(offsets, keys, found)
    return found
