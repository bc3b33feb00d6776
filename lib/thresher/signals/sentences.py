"""Paragraphs and sentences that an answer says again and again.

Paragraphs end at blank lines; sentences at `.`, `!`, `?` before white space, at their Chinese
forms, and with the line. Lines of code blocks belong to none. What lists, formulas and code repeat
for good reason weighs less: copies are divided by 2, 3 or 4 where open-instruct's filter of
repetitions multiplies its limits.

Shapes: T texts, U units (paragraphs or sentences) of one text.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.signals.spans import Spans
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import i64_at, set_i64, set_u64, u8_at, u64_at
from thresher.text.scratch import address

Column = np.ndarray[Any, Any]
MIN_SENTENCE, MIN_COUNTED, MIN_PARAGRAPH = 5, 10, 20  # bytes; shorter ones do not count
LISTED, SYMBOLS, LINED = 3, 2, 4  # what divides the copies
APART = 2  # copies that never stand next to each other weigh half
MOST_APART = 3  # and no less than a third for it
_U, _I = np.uint64, np.int64
_SEED, _PRIME, _FOLD = _U(0xCBF29CE484222325), _U(0x100000001B3), _U(29)
_NEWLINE, _SPACE, _DOT, _HASH_ROOM = 10, 32, 46, 2
_MATHS = np.zeros(256, np.uint8)
_MATHS[[ord(c) for c in "=+-*/^()[]{}<>|&~!@#$%\\"]] = 1


class Repeats(NamedTuple):
    """(T,) copies of the unit that a text repeats most, divided by what its kind allows.

    Args:
        paragraphs: Copies of a paragraph.
        sentence_run: Copies of a sentence, one after the other.
        sentences: Copies of a sentence anywhere.
    """

    paragraphs: Column
    sentence_run: Column
    sentences: Column


class _Table(NamedTuple):
    """Addresses of a hash table of units; a slot whose owner is another text is free.

    Numba counts references to arrays at every call, so that kernels take addresses.
    """

    keys: int  # uint64
    owners: int  # int64: of which text, and which units of it
    counts: int  # int64: copies
    lasts: int  # int64: the place of the last copy
    runs: int  # int64: copies in a row up to it
    mask: int
    maths: int  # (256,) uint8: signs of formulas and code


def read_repeats(texts: Spans) -> Repeats:
    """Count the repeats of each text, in time linear in its length."""
    found = np.zeros((3, len(texts.starts)), np.int64)
    units = int(texts.lengths.max(initial=0)) // MIN_SENTENCE + 2
    size = 1 << (_HASH_ROOM * units).bit_length()
    keys, owners = np.zeros(size, np.uint64), np.full(size, -1, np.int64)
    counts, lasts, runs = np.zeros((3, size), np.int64)
    table = _Table(
        address(keys), address(owners), address(counts), address(lasts), address(runs),
        size - 1, address(_MATHS),
    )  # fmt: skip
    paragraphs, sentence_run, sentences = found
    _count(address(texts.data), texts.starts, texts.ends, table, *found)
    return Repeats(paragraphs, sentence_run, sentences)


@inlined
def _is_space(byte: Any) -> Any:
    return byte == _SPACE or (byte >= 9 and byte <= 13)


@inlined
def _trim(data: Any, begin: Any, end: Any) -> Any:
    while begin < end and _is_space(u8_at(data, begin)):
        begin += 1
    while end > begin and _is_space(u8_at(data, end - 1)):
        end -= 1
    return begin, end


@inlined
def _line_end(data: Any, at: Any, stop: Any) -> Any:
    while at < stop and u8_at(data, at) != _NEWLINE:
        at += 1
    return at


@inlined
def _is_fence(data: Any, begin: Any, end: Any) -> Any:
    if end - begin < 3:
        return False
    first = u8_at(data, begin)
    if first != 96 and first != 126:
        return False
    return u8_at(data, begin + 1) == first and u8_at(data, begin + 2) == first


@inlined
def _item(data: Any, begin: Any, end: Any) -> Any:
    """1 for a numbered line, 2 for one with a bullet, 0 for another."""
    if end - begin < 3:
        return 0
    first, second = u8_at(data, begin), u8_at(data, begin + 1)
    if (first == 45 or first == 42) and second == _SPACE:
        return 2
    if first == 0xE2 and second == 0x80 and u8_at(data, begin + 2) == 0xA2:
        return 2
    digits = begin
    while digits < end and digits < begin + 4 and 48 <= u8_at(data, digits) <= 57:
        digits += 1
    if digits == begin or digits + 1 >= end or u8_at(data, digits) != _DOT:
        return 0
    return 1 if u8_at(data, digits + 1) == _SPACE else 0


@kernel
def _listed(data: Any, begin: Any, stop: Any) -> Any:
    """Tell whether a text has two numbered lines or two with bullets."""
    numbers, bullets = 0, 0
    while begin < stop and numbers < 2 and bullets < 2:
        end = _line_end(data, begin, stop)
        inner, _ = _trim(data, begin, end)
        kind = _item(data, inner, end)
        numbers += 1 if kind == 1 else 0
        bullets += 1 if kind == 2 else 0
        begin = end + 1
    return numbers == 2 or bullets == 2


@kernel
def _add(data: Any, begin: Any, end: Any, place: Any, owner: Any, table: Any) -> Any:
    """Note a unit at its place among the text's units; return its slot."""
    key = _SEED
    for at in range(begin, end):
        key = (key ^ _U(u8_at(data, at))) * _PRIME
    key ^= key >> _FOLD
    slot = _I(key) & table.mask
    while i64_at(table.owners, slot) == owner and u64_at(table.keys, slot) != key:
        slot = (slot + 1) & table.mask
    if i64_at(table.owners, slot) != owner:
        set_i64(table.owners, slot, owner)
        set_u64(table.keys, slot, key)
        set_i64(table.counts, slot, 0)
        set_i64(table.lasts, slot, -2)
    follows = i64_at(table.lasts, slot) == place - 1
    set_i64(table.runs, slot, i64_at(table.runs, slot) + 1 if follows else 1)
    set_i64(table.lasts, slot, place)
    set_i64(table.counts, slot, i64_at(table.counts, slot) + 1)
    return slot


@kernel
def _divisor(data: Any, begin: Any, end: Any, listed: Any, maths: Any) -> Any:
    if listed:
        return LISTED
    for at in range(begin, end):
        if u8_at(maths, u8_at(data, at)):
            return SYMBOLS
    return 1


@inlined
def _ends(data: Any, at: Any, end: Any) -> Any:
    """Return the bytes of a mark that ends a sentence here; 0 for none."""
    byte = u8_at(data, at)
    if byte == _DOT or byte == 33 or byte == 63:
        return 1 if at + 1 < end and _is_space(u8_at(data, at + 1)) else 0
    if byte < 0xE3 or at + 2 >= end:
        return 0
    second, third = u8_at(data, at + 1), u8_at(data, at + 2)
    if byte == 0xE3:
        return 3 if second == 0x80 and third == 0x82 else 0
    if byte == 0xEF and second == 0xBC:
        return 3 if third == 0x81 or third == 0x9F else 0
    return 0


@inlined
def _is_sentence(data: Any, begin: Any, end: Any) -> Any:
    """0 for what is too short or a single word, 1 for a short phrase, 2 for more."""
    words, wide = 1, False
    after_space = False
    for at in range(begin, end):
        byte = u8_at(data, at)
        space = _is_space(byte)
        if after_space and not space:
            words += 1
        after_space = space
        wide = wide or byte >= 128
    if end - begin < MIN_SENTENCE or (words < 2 and not wide):
        return 0
    return 1 if words < 3 and end - begin < MIN_COUNTED else 2


@kernel
def _sentences(data: Any, begin: Any, stop: Any, owner: Any, listed: Any, table: Any) -> Any:
    """Return a text's longest run of one sentence, and most copies of one."""
    place, longest, most = 0, 0, 0
    fenced = False
    while begin < stop:
        end = _line_end(data, begin, stop)
        head, last = _trim(data, begin, end)
        fence = _is_fence(data, head, last)
        hidden = fenced or fence
        fenced = fenced != fence
        at = head
        while at < last and not hidden:
            width = 0
            while at < last and width == 0:
                width = _ends(data, at, last)
                at += max(width, 1)
            first, final = _trim(data, head, at)
            head = at
            size = _is_sentence(data, first, final)
            place += 1 if first < final else 0  # what does not count still stands between two
            if size == 0:
                continue
            slot = _add(data, first, final, place, owner, table)
            copies, run, divisor = i64_at(table.counts, slot), i64_at(table.runs, slot), 1
            if copies > 1:
                divisor = _divisor(data, first, final, listed, table.maths)
            longest = max(longest, run // (divisor * (2 if size == 1 else 1)), 1)
            most = max(most, copies // divisor if size == 2 else 1, 1)
        begin = end + 1
    return longest, most


@kernel
def _paragraphs(data: Any, begin: Any, stop: Any, owner: Any, listed: Any, table: Any) -> Any:
    """Return the most copies of one paragraph of a text."""
    place, most, lines = 0, 0, 0
    opened, closed = begin, begin
    fenced = False
    while begin <= stop:
        end = _line_end(data, begin, stop)
        head, last = _trim(data, begin, end)
        fence = _is_fence(data, head, last)
        hidden = fenced or fence
        fenced = fenced != fence
        if not hidden and head < last:
            opened = head if lines == 0 else opened
            closed = last
            lines += 1
        if hidden or head == last or end >= stop:
            place += 1 if lines else 0
            if lines and closed - opened >= MIN_PARAGRAPH:
                slot = _add(data, opened, closed, place, owner, table)
                divisor = (
                    LINED if lines > 1 else _divisor(data, opened, closed, listed, table.maths)
                )
                if i64_at(table.runs, slot) == 1:  # the last copy, if any, stands elsewhere
                    divisor = max(divisor, min(divisor * APART, MOST_APART))
                most = max(most, i64_at(table.counts, slot) // divisor, 1)
            lines = 0
        begin = end + 1
    return most


@kernel
def _count(
    data: Any, starts: Any, ends: Any, table: Any, paragraphs: Any, runs: Any, sentences: Any
) -> None:
    for text in range(len(starts)):
        begin, end = starts[text], ends[text]
        listed = _listed(data, begin, end)
        paragraphs[text] = _paragraphs(data, begin, end, 2 * text, listed, table)
        runs[text], sentences[text] = _sentences(data, begin, end, 2 * text + 1, listed, table)
