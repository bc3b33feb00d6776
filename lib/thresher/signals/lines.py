"""The lines and paragraphs of a scanned text: repeated ones, and what line rules say of each.

A line ends at LF. Which lines count, and whether white space around them does, is the flavor's
(`text_options`); the rules of C4 and RefinedWeb look at lines that are not blank, stripped.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.signals import characters as c
from thresher.signals import counters as n
from thresher.signals.counters import INDEX, add, bit, next_generation, plane, seek, table_mask
from thresher.signals.line_rules import c4_sentences, is_bad_line, passes_c4_end
from thresher.signals.repetition import DATATROVE, DCLM, DOLMA, NEMO
from thresher.signals.scanning import JAVASCRIPT
from thresher.signals.words import count_bits
from thresher.text.digests import hash_bytes
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import (
    i32_at,
    i64_at,
    set_i64,
    set_u64,
    trailing_zeros,
    u8_at,
    u16_at,
    u64_at,
)
from thresher.text.utf8 import decode

SHORT_LINE, LONG_LINE, LONG_WORD = 30, 200, 1000
BULLETS = {
    "dclm": "●•*-",
    "datatrove": "•-",
    "dolma": "*-",
    "rpv2": "●•*-‣▶◀◦■□▪▫–",
    "nemo": "●•*-‣▶◀◦■□▪▫–",
}
_U, _I = np.uint64, np.int64
_ONE, _LOW = _U(1), _U(0xFFFFFFFF)
_LINES, _LINE_CHARS = INDEX["LINES"], INDEX["LINE_CHARS"]
_LONGEST_LINE, _LONG_LINES = INDEX["LONGEST_LINE"], INDEX["LONG_LINES"]
_BULLETS, _ELLIPSIS_ENDS = INDEX["BULLETS"], INDEX["ELLIPSIS_ENDS"]
_FILLED, _TERMINAL_ENDS, _SHORT_LINES = (
    INDEX["FILLED"],
    INDEX["TERMINAL_ENDS"],
    INDEX["SHORT_LINES"],
)
_REPEATED_CHARS, _SETS = INDEX["REPEATED_CHARS"], INDEX["SETS"]
_SET_LINES, _DUPLICATE_LINES = INDEX["SET_LINES"], INDEX["DUPLICATE_LINES"]
_SET_CHARS, _DUPLICATE_CHARS = INDEX["SET_CHARS"], INDEX["DUPLICATE_CHARS"]
_BAD_LINE_WORDS, _HITS = INDEX["BAD_LINE_WORDS"], INDEX["HITS"]
_C4_LINES, _C4_SENTENCES = INDEX["C4_LINES"], INDEX["C4_SENTENCES"]
_JAVASCRIPT_LINES, _POLICY_LINES = INDEX["JAVASCRIPT_LINES"], INDEX["POLICY_LINES"]
_PARAGRAPHS, _PARAGRAPH_CHARS = INDEX["PARAGRAPHS"], INDEX["PARAGRAPH_CHARS"]
_DUPLICATE_PARAGRAPHS = INDEX["DUPLICATE_PARAGRAPHS"]
_DUPLICATE_PARAGRAPH_CHARS = INDEX["DUPLICATE_PARAGRAPH_CHARS"]
_NEWLINES, _LONGEST_WORD, _SENTENCES = (
    INDEX["NEWLINES"],
    INDEX["LONGEST_WORD"],
    INDEX["SENTENCES"],
)
_SQUARE = INDEX["SQUARE"]


class LineRules(NamedTuple):
    """What lines are judged by."""

    flavor: int
    kinds: int  # (NUM_CODE_POINTS,) uint16
    bullets: int  # (num_bullets,) int32: code points
    num_bullets: int
    c4_terminal: int
    c4_min_words: int


@inlined
def strip(space: Any, begin: Any, end: Any) -> Any:
    """Return (begin, end) without white space at both ends; two equal numbers where all is."""
    while begin < end and bit(space, begin):
        begin += 1
    while end > begin and bit(space, end - 1):
        end -= 1
    return begin, end


@inlined
def _last_point(text: Any, begin: Any, end: Any) -> Any:
    """Return the last code point of a part of the text that is not empty."""
    at = end - 1
    while at > begin and (u8_at(text, at) & 0xC0) == 0x80:
        at -= 1
    point, _, _ = decode(text + at, text + end)
    return point


@inlined
def _ends_in_ellipsis(text: Any, begin: Any, end: Any, flavor: Any) -> Any:
    if end - begin >= 3:
        first, middle, last = u8_at(text, end - 3), u8_at(text, end - 2), u8_at(text, end - 1)
        if (first, middle, last) == (0xE2, 0x80, 0xA6):
            return True
        if flavor != DOLMA and (first, middle, last) == (46, 46, 46):
            return True
        if flavor == DCLM and end - begin >= 5 and (first, middle, last) == (46, 32, 46):
            return u8_at(text, end - 5) == 46 and u8_at(text, end - 4) == 32
    return False


@inlined
def _is_bullet(rules: Any, text: Any, begin: Any, end: Any) -> Any:
    if begin >= end:
        return False
    first = u8_at(text, begin)
    if first != 42 and first != 45 and first != 0xE2:  # all others are U+2xxx
        return False
    point, _, _ = decode(text + begin, text + end)
    for index in range(rules.num_bullets):
        if i32_at(rules.bullets, index) == point:
            return True
    return False


@kernel
def enter(room: Any, mask: Any, generation: Any, begin: Any, size: Any) -> Any:
    """Enter a piece of text into a set; return how often it was there before."""
    first, second = hash_bytes(room.text + begin, size)
    at, times = seek(room.slots, mask, generation, first, _I(second & _LOW))
    if times < 0:
        set_u64(room.slots, 2 * at, first)
        times = _I(0)
    set_u64(room.slots, 2 * at + 1, _U(generation) << _U(32) | _U(times + 1))
    return times


@inlined
def _duplicates(times: Any, chars: Any, all_copies: Any) -> Any:
    """Return (pieces, characters) that a piece adds, which was there `times` times before."""
    if times == 0:
        return _I(0), _I(0)
    if all_copies and times == 1:
        return _I(2), 2 * chars
    return _I(1), chars


@kernel
def judge_line(
    rules: Any,
    room: Any,
    begin: Any,
    end: Any,
    chars: Any,
    word: Any,
    words: Any,
    marks: Any,
    tally: Any,
) -> None:
    """Apply the rules of C4 and RefinedWeb to a stripped line that is not blank.

    Args:
        rules: What lines are judged by.
        room: Scratch, with the row scanned and its words found.
        begin: First byte of the line.
        end: Where it ends.
        chars: Its characters.
        word: Its first word.
        words: How many it has.
        marks: 1 where it names javascript, 2 where it has a policy phrase.
        tally: Address of the row's counters.
    """
    if is_bad_line(room, begin, end, chars, words):
        add(tally, _BAD_LINE_WORDS, words)
    add(tally, _JAVASCRIPT_LINES, marks & 1)
    add(tally, _POLICY_LINES, marks >> 1)
    if marks or words < rules.c4_min_words:
        return
    if rules.c4_terminal and not passes_c4_end(room.text, begin, end):
        return
    if i64_at(tally, _LONGEST_WORD) > LONG_WORD:
        for index in range(word, word + words):
            if i32_at(room.chars, i32_at(room.ids, index)) > LONG_WORD:
                return
    add(tally, _C4_LINES, 1)
    add(tally, _C4_SENTENCES, c4_sentences(room, begin, end, i64_at(tally, _SQUARE) > 0))


@kernel
def measure_line(
    rules: Any, room: Any, begin: Any, end: Any, filled: Any, kept: Any, times: Any, tally: Any
) -> Any:
    """Count a line of the flavor, `times` equal ones being before it; return its characters."""
    flavor, text = rules.flavor, room.text
    chars = end - begin - count_bits(plane(room, n.INNER), begin, end)
    if kept:
        all_copies = flavor not in (DATATROVE, NEMO)
        pieces, size = _duplicates(times, chars, all_copies)
        add(tally, _SET_LINES, 1)
        add(tally, _SET_CHARS, chars)
        add(tally, _DUPLICATE_LINES, pieces)
        add(tally, _DUPLICATE_CHARS, size)
    add(tally, _LINES, 1)
    add(tally, _LINE_CHARS, chars)
    set_i64(tally, _LONGEST_LINE, max(i64_at(tally, _LONGEST_LINE), chars))
    add(tally, _LONG_LINES, chars >= LONG_LINE)
    if filled:
        add(tally, _FILLED, 1)
        add(tally, _SHORT_LINES, chars <= SHORT_LINE)
        add(tally, _REPEATED_CHARS, chars if times else 0)
        kind = u16_at(rules.kinds, _last_point(text, begin, end))
        add(tally, _TERMINAL_ENDS, (kind & c.TERMINAL) != 0)
    return chars


@kernel
def measure_lines(rules: Any, room: Any, length: Any, tally: Any) -> None:
    """Go through the lines of the row."""
    flavor, text = rules.flavor, room.text
    newline, space, start = plane(room, n.NEWLINE), plane(room, n.SPACE), plane(room, n.START)
    raw = flavor in (DATATROVE, DOLMA)
    generation, mask = next_generation(room), table_mask(i64_at(tally, _NEWLINES) + 1)
    num_blocks, block, bits = (length + 63) >> 6, _I(-1), _U(0)
    begin, word, hit = _I(0), _I(0), _I(0)
    num_hits = i64_at(tally, _HITS)
    while begin <= length:
        while bits == _U(0) and block < num_blocks:
            block += 1
            bits = u64_at(newline, block) if block < num_blocks else _U(0)
        end = _I(length)
        if block < num_blocks:
            end = (block << 6) + trailing_zeros(bits)
            bits &= bits - _ONE
        first, last = strip(space, begin, end)
        filled = first < last
        if raw:
            counted = flavor == DOLMA or begin < length
            kept = flavor == DOLMA or begin < end
            left, right = begin, end
        else:
            counted = kept = filled
            left, right = first, last
        words = count_bits(start, begin, end)
        if counted:
            times = enter(room, mask, generation, left, right - left) if kept else _I(0)
            chars = measure_line(rules, room, left, right, filled, kept, times, tally)
            where = begin if flavor == DOLMA else first
            add(tally, _BULLETS, _is_bullet(rules, text, where, end))
            until = end if flavor == DOLMA else last
            add(tally, _ELLIPSIS_ENDS, _ends_in_ellipsis(text, first, until, flavor))
            if filled:
                marks = _I(0)
                while hit < num_hits and i32_at(room.hits, hit) >> 1 < end:
                    marks |= 1 if (i32_at(room.hits, hit) & 1) == JAVASCRIPT else 2
                    hit += 1
                if raw:
                    chars = last - first - count_bits(plane(room, n.INNER), first, last)
                judge_line(rules, room, first, last, chars, word, words, marks, tally)
        word += words
        begin = end + 1
    if flavor == DATATROVE:  # `\n+` parts the text: an empty line before the first, after the last
        empty = (u8_at(text, 0) == 10) + (u8_at(text, length - 1) == 10)
        add(tally, _SET_LINES, empty)
        add(tally, _DUPLICATE_LINES, empty == 2)


@kernel
def measure_paragraphs(rules: Any, room: Any, length: Any, tally: Any) -> None:
    """Go through the paragraphs of the row: two or more LF part them."""
    flavor, text = rules.flavor, room.text
    newline, space = plane(room, n.NEWLINE), plane(room, n.SPACE)
    raw = flavor in (DATATROVE, DOLMA)
    all_copies = flavor not in (DATATROVE, NEMO)
    generation, mask = next_generation(room), table_mask(i64_at(tally, _NEWLINES) + 1)
    begin, stop = strip(space, 0, length)
    if begin == stop:
        return
    block = begin >> 6
    bits = u64_at(newline, block) & ~((_ONE << _U(begin & 63)) - _ONE)
    last_block = (stop - 1) >> 6
    while begin < stop:
        end = _I(-1)
        while end < 0:
            while bits == _U(0) and block < last_block:
                block += 1
                bits = u64_at(newline, block)
            if bits == _U(0):
                end = _I(stop)
                break
            at = (block << 6) + trailing_zeros(bits)
            bits &= bits - _ONE
            if at >= stop:
                end = _I(stop)
            elif u8_at(text, at + 1) == 10:
                end = at
        first, last = begin, end
        if not raw:
            first, last = strip(space, begin, end)
        if first < last:
            chars = last - first - count_bits(plane(room, n.INNER), first, last)
            times = enter(room, mask, generation, first, last - first)
            pieces, size = _duplicates(times, chars, all_copies)
            add(tally, _PARAGRAPHS, 1)
            add(tally, _PARAGRAPH_CHARS, chars)
            add(tally, _DUPLICATE_PARAGRAPHS, pieces)
            add(tally, _DUPLICATE_PARAGRAPH_CHARS, size)
        begin = end
        while begin < stop and u8_at(text, begin) == 10:
            begin += 1
        if begin < stop:
            block = begin >> 6
            bits = u64_at(newline, block) & ~((_ONE << _U(begin & 63)) - _ONE)


@kernel
def count_sentences(room: Any, length: Any) -> Any:
    """Count the stretches between sentence ends that have a word character."""
    ends, word = plane(room, n.END), plane(room, n.LETTERED)
    found, open_ = _I(0), False
    for block in range((length + 63) >> 6):
        bits, words = u64_at(ends, block), u64_at(word, block)
        words &= ~bits
        while bits:
            below = (bits & (~bits + _ONE)) - _ONE
            open_ |= (words & below) != _U(0)
            found += open_
            open_ = False
            words &= ~below
            bits &= bits - _ONE
        open_ |= words != _U(0)
    return found + open_


@kernel
def measure_shape(rules: Any, room: Any, length: Any, tally: Any) -> None:
    """Go through lines, paragraphs and sentences of a row that is not empty."""
    set_i64(tally, _SENTENCES, count_sentences(room, length))
    measure_lines(rules, room, length, tally)
    measure_paragraphs(rules, room, length, tally)
