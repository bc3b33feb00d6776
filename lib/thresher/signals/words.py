"""The words of a scanned text: where they are, which are equal, and what each distinct one is.

A word is looked at once, when it is first seen: its length, letters, capitals and whether it is a
stop word. All else is a sum over the distinct words.
"""

from __future__ import annotations

from math import log
from typing import Any, NamedTuple

import numpy as np

from thresher.signals import characters as c
from thresher.signals import counters as n
from thresher.signals.blocks import popcount
from thresher.signals.counters import INDEX, add, next_generation, plane, seek, table_mask
from thresher.signals.word_bounds import find_words, join_apostrophes
from thresher.text.digests import hash_word
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import (
    i32_at,
    i64_at,
    set_i64,
    set_u8,
    set_u32,
    set_u64,
    u8_at,
    u16_at,
    u64_at,
)
from thresher.text.utf8 import decode, encode

ALPHABETIC, CAPITALS, WORDY, STOP, BAD, HASH, ELLIPSIS, SYMBOL = (1 << bit for bit in range(8))
ENTROPY_UNIT = 1 << 32
NUM_TERMS = 1024
_U, _I = np.uint64, np.int64
_ONE, _ALL, _NONE, _ODD = _U(1), _U(0xFFFFFFFFFFFFFFFF), _U(0), _U(0x9E3779B97F4A7C15)
_EACH, _HIGH = _U(0x0101010101010101), _U(0x8080808080808080)
_WORDS, _WORD_CHARS = INDEX["WORDS"], INDEX["WORD_CHARS"]
_LONGEST_WORD, _MEDIAN_TWICE = INDEX["LONGEST_WORD"], INDEX["MEDIAN_TWICE"]
_DISTINCT, _ENTROPY, _ALPHABETIC = INDEX["DISTINCT"], INDEX["ENTROPY"], INDEX["ALPHABETIC"]
_CAPITALS, _WORDY, _WORDY_CHARS = INDEX["CAPITALS"], INDEX["WORDY"], INDEX["WORDY_CHARS"]
_STOPS, _DISTINCT_STOPS = INDEX["STOPS"], INDEX["DISTINCT_STOPS"]
_HASH_WORDS, _ELLIPSIS_WORDS = INDEX["HASH_WORDS"], INDEX["ELLIPSIS_WORDS"]
_SYMBOL_WORDS, _BAD_WORDS = INDEX["SYMBOL_WORDS"], INDEX["BAD_WORDS"]


class Lexicon(NamedTuple):
    """What words are looked up in, by the hash of the word or of its lower case."""

    kinds: int  # (NUM_CODE_POINTS,) uint16
    lower: int  # (NUM_CODE_POINTS,) int32
    whitespace: int  # whether words are what whitespace parts
    folded: int  # whether words are equal in lower case
    folded_stops: int  # whether stop words are looked up in lower case
    any_symbol: int  # whether one # or … makes a word a symbol
    stops: int  # (num_stops,) uint64: hashes, sorted
    num_stops: int
    stop_filter: np.uint64  # bit h % 64 for each of their hashes
    terms: int  # (NUM_TERMS,) int64: of the entropy, for small counts
    bad_starts: int  # (num_bad + 1,) int64: where each phrase begins in `bad`
    bad: int  # uint64: hashes of their words in lower case
    num_bad: int


@inlined
def count_bits(bits: Any, begin: Any, end: Any) -> Any:
    """Count the bits of a plane from `begin` to `end`."""
    if begin >= end:
        return _I(0)
    first, last = begin >> 6, (end - 1) >> 6
    head = _ALL << _U(begin & 63)
    rest = _ALL >> _U(63 - ((end - 1) & 63))
    if first == last:
        return popcount(u64_at(bits, first) & head & rest)
    found = popcount(u64_at(bits, first) & head) + popcount(u64_at(bits, last) & rest)
    for index in range(first + 1, last):
        found += popcount(u64_at(bits, index))
    return found


@kernel
def lower_word(lexicon: Any, text: Any, length: Any, target: Any) -> Any:
    """Write a word in lower case, code point by code point; return its bytes."""
    written, position = _I(0), _I(0)
    while position < length:
        byte = u8_at(text, position)
        if byte < 0x80:
            set_u8(target, written, byte + 32 if 65 <= byte <= 90 else byte)
            written += 1
            position += 1
            continue
        point, width, _ = decode(text + position, text + length)
        if width == 0:
            point, width = _I(0xFFFD), _I(1)
        raw, size = encode(i32_at(lexicon.lower, point))
        for index in range(size):
            set_u8(target, written + index, raw >> 8 * index)
        written += size
        position += width
    return written


@kernel
def traits_of(lexicon: Any, text: Any, length: Any) -> Any:
    """Return the flags of a word that its characters decide."""
    every, small, wordy, hashes, chars, dots = _I(0), False, False, _I(0), _I(0), _I(0)
    ellipsis = False
    position = _I(0)
    while position < length:
        point, width = u8_at(text, position), _I(1)
        if point >= 0x80:
            point, width, _ = decode(text + position, text + length)
            if width == 0:
                point, width = _I(0xFFFD), _I(1)
        kind = u16_at(lexicon.kinds, point)
        every |= kind
        small |= (kind & (c.CASED | c.UPPER)) == c.CASED
        wordy |= (kind & (c.PUNCTUATION | c.CONTROL | c.TERMINAL)) == 0
        hashes += point == 35
        dots += point == 46
        ellipsis |= point == 0x2026
        chars += 1
        position += width
    first, last = u8_at(text, 0), u8_at(text, length - 1)
    framed = (first == 40 and last == 41) or (first == 91 and last == 93)
    bare = chars - 2 if framed else chars
    symbol = 2 * hashes > chars or (bare == 3 and dots == 3) or (bare == 1 and ellipsis)
    if lexicon.any_symbol:
        symbol = hashes > 0 or ellipsis
    return (
        ALPHABETIC * ((every & c.LETTER) != 0)
        + CAPITALS * ((every & c.UPPER) != 0 and not small)
        + WORDY * wordy
        + HASH * (hashes > 0)
        + ELLIPSIS * ellipsis
        + SYMBOL * symbol
    )


@inlined
def _within(chunk: Any, first: Any, last: Any) -> Any:
    """Return the high bit of each of 8 ASCII bytes that is between two characters."""
    at_least = chunk + _EACH * _U(128 - first)
    beyond = chunk + _EACH * _U(127 - last)
    return (at_least ^ beyond) & _HIGH


@inlined
def _plain_traits(lexicon: Any, room: Any, text: Any, length: Any) -> Any:
    """Return (flags, whether it has capitals, lower case in two parts) of a short ASCII word.

    The flags are -1 where the word is another: long, not ASCII, or with punctuation that matters.
    """
    if length > 16:
        return _I(-1), False, _NONE, _NONE
    keep = room.keep + 16 - length
    first, second = u64_at(text, 0) & u64_at(keep, 0), u64_at(text, 1) & u64_at(keep, 1)
    if (first | second) & _HIGH:
        return _I(-1), False, _NONE, _NONE
    upper_a, upper_b = _within(first, 65, 90), _within(second, 65, 90)
    first, second = first | upper_a >> _U(2), second | upper_b >> _U(2)
    letters_a, letters_b = _within(first, 97, 122), _within(second, 97, 122)
    digits_a, digits_b = _within(first, 48, 57), _within(second, 48, 57)
    if lexicon.whitespace and length > popcount(letters_a | digits_a) + popcount(
        letters_b | digits_b
    ):
        return _I(-1), False, _NONE, _NONE
    upper = (upper_a | upper_b) != _NONE
    letters = (letters_a | letters_b) != _NONE
    small = (letters_a & ~upper_a | letters_b & ~upper_b) != _NONE
    digits = (digits_a | digits_b) != _NONE
    traits = ALPHABETIC * letters + CAPITALS * (upper and not small) + WORDY * (letters or digits)
    return _I(traits), upper, first, second


@inlined
def _contains(sorted_hashes: Any, count: Any, value: Any) -> Any:
    low, high = _I(0), _I(count)
    while low < high:
        middle = (low + high) >> 1
        if u64_at(sorted_hashes, middle) < value:
            low = middle + 1
        else:
            high = middle
    return low < count and u64_at(sorted_hashes, low) == value


@inlined
def describe_word(lexicon: Any, room: Any, number: Any, begin: Any, length: Any, own: Any) -> None:
    """Fill in what a distinct word is; `own` is the hash that it is known by."""
    text, chars = room.text + begin, length
    traits, upper, first, second = _plain_traits(lexicon, room, text, length)
    lowered = own
    if traits < 0:
        traits = traits_of(lexicon, text, length)
        size = lower_word(lexicon, text, length, room.buffer)
        lowered, _ = hash_word(room.buffer, size, room.keep + 16)
        chars -= count_bits(plane(room, n.INNER), begin, begin + length)
    elif upper and not lexicon.folded:
        set_u64(room.buffer, 0, first)
        set_u64(room.buffer, 1, second)
        lowered, _ = hash_word(room.buffer, length, room.keep + 16)
    set_u64(room.lowered_hash, number, lowered)
    wanted = lowered if lexicon.folded_stops else own
    if (lexicon.stop_filter >> (wanted & _U(63))) & _ONE and _contains(
        lexicon.stops, lexicon.num_stops, wanted
    ):
        traits |= STOP
    for phrase in range(lexicon.num_bad):
        if u64_at(lexicon.bad, i64_at(lexicon.bad_starts, phrase)) == lowered:
            traits |= BAD
    set_u32(room.traits, number, traits)
    set_u32(room.chars, number, chars)


@kernel
def number_words(lexicon: Any, room: Any, num_words: Any) -> Any:
    """Give equal words one number, in order of first appearance; return how many there are."""
    generation = next_generation(room)
    mask = table_mask(num_words)
    stamp = _U(generation) << _U(32)
    distinct, chars = _I(0), _I(0)
    for word in range(num_words):
        begin = i32_at(room.begins, word)
        length = i32_at(room.ends, word) - begin
        text, size = room.text + begin, length
        if lexicon.folded:
            size = lower_word(lexicon, text, length, room.buffer)
            text = room.buffer
        hashed, _ = hash_word(text, size, room.keep + 16)
        at, number = seek(room.slots, mask, generation, hashed, _I(hashed >> _U(8)))
        if number < 0:
            number = distinct
            distinct += 1
            set_u64(room.slots, 2 * at, hashed)
            set_u64(room.slots, 2 * at + 1, stamp | _U(number))
            set_u32(room.counts, number, 1)
            describe_word(lexicon, room, number, begin, length, hashed)
        else:
            set_u32(room.counts, number, i32_at(room.counts, number) + 1)
        set_u32(room.ids, word, number)
        set_u32(room.sums, word, chars)
        chars += i32_at(room.chars, number)
    set_u32(room.sums, num_words, chars)
    return distinct


@inlined
def _entropy_term(lexicon: Any, count: Any) -> Any:
    """Return count * ln(count) in units of 2^-32."""
    if count < NUM_TERMS:
        return i64_at(lexicon.terms, count)
    return _I(np.rint(count * log(count) * ENTROPY_UNIT))


@kernel
def sum_words(lexicon: Any, room: Any, num_words: Any, distinct: Any, tally: Any) -> None:
    """Count words by their traits, and take the median of their lengths."""
    longest, bad, entropy = _I(0), False, _I(0)
    for number in range(distinct):
        count, traits = i32_at(room.counts, number), i32_at(room.traits, number)
        chars = i32_at(room.chars, number)
        entropy += _entropy_term(lexicon, count)
        longest = max(longest, chars)
        bad |= (traits & BAD) != 0
        if traits & ALPHABETIC:
            add(tally, _ALPHABETIC, count)
        if traits & CAPITALS:
            add(tally, _CAPITALS, count)
        if traits & WORDY:
            add(tally, _WORDY, count)
            add(tally, _WORDY_CHARS, count * chars)
        if traits & STOP:
            add(tally, _STOPS, count)
            add(tally, _DISTINCT_STOPS, 1)
        if traits & (HASH | ELLIPSIS | SYMBOL):
            add(tally, _HASH_WORDS, count * ((traits & HASH) != 0))
            add(tally, _ELLIPSIS_WORDS, count * ((traits & ELLIPSIS) != 0))
            add(tally, _SYMBOL_WORDS, count * ((traits & SYMBOL) != 0))
    set_i64(tally, _WORDS, num_words)
    set_i64(tally, _WORD_CHARS, i32_at(room.sums, num_words))
    set_i64(tally, _LONGEST_WORD, longest)
    set_i64(tally, _DISTINCT, distinct)
    set_i64(tally, _ENTROPY, entropy)
    if num_words:
        set_i64(tally, _MEDIAN_TWICE, _median_twice(room, num_words, distinct, longest))
    if bad:
        set_i64(tally, _BAD_WORDS, -1)


@kernel
def _median_twice(room: Any, num_words: Any, distinct: Any, longest: Any) -> Any:
    """Return twice the median of the words' lengths, from their histogram."""
    for length in range(longest + 1):
        set_u32(room.tally, length, 0)
    for number in range(distinct):
        chars = i32_at(room.chars, number)
        set_u32(room.tally, chars, i32_at(room.tally, chars) + i32_at(room.counts, number))
    lower, upper = (num_words - 1) // 2, num_words // 2
    passed: Any = _I(0)
    found: Any = _I(0)
    size: Any = _I(0)
    while passed <= upper:
        following = passed + i32_at(room.tally, size)
        found += size * ((passed <= lower < following) + (passed <= upper < following))
        passed = following
        size += 1
    return found


@kernel
def count_bad_words(lexicon: Any, room: Any, num_words: Any) -> Any:
    """Count the places where one of the bad phrases begins, each phrase for itself."""
    found = _I(0)
    for word in range(num_words):
        if not i32_at(room.traits, i32_at(room.ids, word)) & BAD:
            continue
        for phrase in range(lexicon.num_bad):
            begin = i64_at(lexicon.bad_starts, phrase)
            size = i64_at(lexicon.bad_starts, phrase + 1) - begin
            same = word + size <= num_words
            for index in range(size if same else 0):
                hashed = u64_at(room.lowered_hash, i32_at(room.ids, word + index))
                same = same and hashed == u64_at(lexicon.bad, begin + index)
            found += same
    return found


@kernel
def count_capitals(lexicon: Any, room: Any, num_words: Any) -> Any:
    """Count words in capitals where equal words may be written differently."""
    found = _I(0)
    for word in range(num_words):
        begin, end = i32_at(room.begins, word), i32_at(room.ends, word)
        found += (traits_of(lexicon, room.text + begin, end - begin) & CAPITALS) != 0
    return found


@kernel
def measure_words(lexicon: Any, room: Any, length: Any, whitespace: Any, tally: Any) -> Any:
    """Find, number and count the words of the scanned row; return (words, distinct words)."""
    num_blocks = (length + 63) >> 6
    if not whitespace:
        join_apostrophes(room, num_blocks)
    num_words = find_words(room, num_blocks)
    distinct = number_words(lexicon, room, num_words)
    sum_words(lexicon, room, num_words, distinct, tally)
    if lexicon.folded:
        set_i64(tally, _CAPITALS, count_capitals(lexicon, room, num_words))
    if i64_at(tally, _BAD_WORDS) < 0:
        set_i64(tally, _BAD_WORDS, count_bad_words(lexicon, room, num_words))
    return num_words, distinct
