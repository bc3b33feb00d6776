"""The rules of C4 and RefinedWeb for one stripped line that is not blank."""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.signals import counters as n
from thresher.signals.counters import bit, plane
from thresher.signals.words import count_bits
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import u8_at, u64_at

COUNTER_NOUNS = (
    *("likes", "shares", "comments", "retweets", "reposts", "quotes", "bookmarks", "upvotes"),
    *("downvotes", "downloads", "views", "followers"),
)
_NOUN_BYTES = 16
_I, _U = np.int64, np.uint64
SHORT_LINE_WORDS = 10  # a longer line is no button, whatever it says


def _packed(text: str) -> tuple[int, int]:
    data = text.encode().ljust(_NOUN_BYTES, b"\0")
    return int.from_bytes(data[:8], "little"), int.from_bytes(data[8:], "little")


_PACKED = tuple((len(noun), *map(np.uint64, _packed(noun))) for noun in COUNTER_NOUNS)
_ITEMS_IN_CART = tuple(b"items in cart")
_READ_MORE = tuple(b"read more...")
_SIGN_IN = tuple(b"sign-in")
_EDIT = tuple(b"[edit]")
_CITATION_NEEDED = tuple(b"[citation needed]")


@inlined
def _folded(byte: Any) -> Any:
    return byte + 32 if 65 <= byte <= 90 else byte


@inlined
def _says(text: Any, begin: Any, end: Any, phrase: Any) -> Any:
    """Tell whether a phrase is at `begin`, in any (ASCII) case."""
    if begin < 0 or begin + len(phrase) > end:
        return False
    for index in range(len(phrase)):
        if _folded(u8_at(text, begin + index)) != phrase[index]:
            return False
    return True


@kernel
def is_counter(text: Any, begin: Any, end: Any) -> Any:
    """Tell whether a line is a number and what it counts, such as `3.4K likes`."""
    at = begin
    if not 48 <= u8_at(text, at) <= 57:
        return False
    while at < end:
        byte = _folded(u8_at(text, at))
        if not (48 <= byte <= 57 or byte in (44, 46, 98, 107, 109)):
            break
        at += 1
    word = at
    while word < end and u8_at(text, word) in (32, 9):
        word += 1
    size = end - word
    if word == at or size < 5 or size > 9:
        return False
    low, high = _U(0), _U(0)
    for index in range(size):
        byte = _U(_folded(u8_at(text, word + index)))
        if index < 8:
            low |= byte << _U(8 * index)
        else:
            high |= byte << _U(8 * (index - 8))
    for length, first, second in _PACKED:
        if size == length and low == first and high == second:
            return True
    return False


@kernel
def is_button(text: Any, begin: Any, end: Any) -> Any:
    """Tell whether a short line is a shop's, a teaser's or a sign-in's."""
    if _says(text, begin, end, _SIGN_IN):
        return True
    if _says(text, max(end - len(_READ_MORE), begin), end, _READ_MORE):
        return True
    for at in range(begin, end - len(_ITEMS_IN_CART) + 1):
        if _says(text, at, end, _ITEMS_IN_CART):
            return True
    return False


@kernel
def is_bad_line(room: Any, begin: Any, end: Any, chars: Any, words: Any) -> Any:
    """Tell whether RefinedWeb's line rules drop a line."""
    if words < 2:
        return True
    if 2 * count_bits(plane(room, n.CAPITAL), begin, end) > chars:
        return True
    if count_bits(plane(room, n.DIGIT), begin, end) == chars:
        return True
    if words <= SHORT_LINE_WORDS:
        return is_counter(room.text, begin, end) or is_button(room.text, begin, end)
    return False


@kernel
def citation_end(text: Any, begin: Any, end: Any) -> Any:
    """Return where the citation that begins here ends, or -1: [12], [edit], [citation needed]."""
    if u8_at(text, begin) != 91:
        return _I(-1)
    at = begin + 1
    while at < end and 48 <= u8_at(text, at) <= 57:
        at += 1
    if at < end and u8_at(text, at) == 93:
        return _I(at + 1)
    for phrase in (_EDIT,):
        size = len(phrase)
        if begin + size <= end:
            same = True
            for index in range(size):
                same = same and u8_at(text, begin + index) == phrase[index]
            if same:
                return _I(begin + size)
    size = len(_CITATION_NEEDED)
    if begin + size <= end:
        for index in range(size):
            if u8_at(text, begin + index) != _CITATION_NEEDED[index]:
                return _I(-1)
        return _I(begin + size)
    return _I(-1)


@kernel
def _before_citations(text: Any, begin: Any, end: Any) -> Any:
    """Return where the text ends that citations at its end follow."""
    while end > begin and u8_at(text, end - 1) == 93:
        opening = end - 1
        while opening > begin and u8_at(text, opening) != 91:
            opening -= 1
            if u8_at(text, opening) == 93:
                return end
        if citation_end(text, opening, end) != end:
            return end
        end = opening
    return end


@kernel
def passes_c4_end(text: Any, begin: Any, end: Any) -> Any:
    """Tell whether a line, without citations, ends in . ? ! " or ' and not in an ellipsis."""
    end = _before_citations(text, begin, end)
    if end <= begin or u8_at(text, end - 1) not in (46, 63, 33, 34, 39):
        return False
    for _ in range(3):
        end = _before_citations(text, begin, end)
        if end <= begin or u8_at(text, end - 1) != 46:
            return True
        end -= 1
    return False


@kernel
def c4_sentences(room: Any, begin: Any, end: Any, citations: Any) -> Any:
    """Count the sentences of a line without its citations."""
    ends, word = plane(room, n.END), plane(room, n.LETTERED)
    found, open_ = _I(0), False
    first, last = begin >> 6, (end - 1) >> 6
    if not citations:
        for block in range(first, last + 1):
            keep = _U(0xFFFFFFFFFFFFFFFF)
            if block == first:
                keep <<= _U(begin & 63)
            if block == last:
                keep &= _U(0xFFFFFFFFFFFFFFFF) >> _U(63 - ((end - 1) & 63))
            bits = u64_at(ends, block) & keep
            words = u64_at(word, block) & keep & ~bits
            while bits:
                below = (bits & (~bits + _U(1))) - _U(1)
                open_ |= (words & below) != _U(0)
                found += open_
                open_ = False
                words &= ~below
                bits &= bits - _U(1)
            open_ |= words != _U(0)
        return found + open_
    at = begin
    while at < end:
        skipped = citation_end(room.text, at, end)
        if skipped > 0:
            at = skipped
            continue
        if bit(ends, at):
            found += open_
            open_ = False
        elif bit(word, at):
            open_ = True
        at += 1
    return found + open_
