"""First look at a text: what each byte is, 64 bytes a step.

Writes one bit a byte and plane (`counters.PLANES`), and what can be counted on the way. Characters
that are not ASCII go one by one. A character's first byte stands for it in the planes CAPITAL,
DIGIT, NEWLINE, END, QUOTE and LETTERED; INNER has the bytes that continue a character.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.signals import characters as c
from thresher.signals import counters as n
from thresher.signals.blocks import block_masks, leading_zeros, popcount
from thresher.signals.counters import add, bit, plane
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import (
    i64_at,
    set_i64,
    set_u8,
    set_u32,
    set_u64,
    trailing_zeros,
    u8_at,
    u16_at,
    u64_at,
)
from thresher.text.tables import CLASS_EXTEND, CLASS_MASK, CLASS_UNSPACED
from thresher.text.utf8 import decode

JAVASCRIPT, POLICY = 0, 1
# Phrase, where one of `blocks.ANCHORS` is in it, what it is.
PHRASES = (
    ("javascript", 2, JAVASCRIPT),
    ("privacy policy", 3, POLICY),
    ("terms of use", 3, POLICY),
    ("cookie policy", 2, POLICY),
    ("uses cookies", 7, POLICY),
    ("use of cookies", 9, POLICY),
    ("use cookies", 6, POLICY),
    ("lorem ipsum", 7, 2),
)
_PHRASE_BYTES = 16
PHRASE_TABLE = np.frombuffer(
    b"".join(
        text.encode().ljust(_PHRASE_BYTES - 2, b"\0") + bytes([offset, kind])
        for text, offset, kind in PHRASES
    ),
    np.uint8,
).copy()
_NUM_PHRASES = len(PHRASES)
_ELLIPSIS, _QUOTE = 0x2026, 0x2019
_U, _I = np.uint64, np.int64
_ONE, _ALL, _NONE = _U(1), _U(0xFFFFFFFFFFFFFFFF), _U(0)
(
    _CHARACTERS,
    _FOREIGN,
    _LETTERS,
    _UPPER,
    _DIGITS,
    _NUMBERS,
    _MARKS,
    _SPACES,
    _PUNCTUATION,
    _CJK,
    _URL_CHARS,
    _ROUND,
    _SQUARE,
    _CURLY,
    _OPEN_CURLY,
    _HASHES,
    _ELLIPSES,
    _LOREM,
    _RUN,
    _NEWLINES,
    _HITS,
) = range(21)
assert n.COUNTERS[20] == "HITS" and n.COUNTERS[12] == "SQUARE"


@inlined
def copy_text(room: Any, source: Any, length: Any) -> None:
    """Copy a row to where steps may read beyond its end."""
    whole = length >> 3
    for index in range(whole):
        set_u64(room.text, index, u64_at(source, index))
    for index in range(8 * whole, length):
        set_u8(room.text, index, u8_at(source, index))
    for index in range(2 * n.MARGIN):
        set_u8(room.text + length, index, 0)


@inlined
def _mark(bits: Any, position: Any, width: Any) -> None:
    """Set the bits of one character, which may end in the next word."""
    word, at = position >> 6, position & 63
    ones = (_ONE << _U(width)) - _ONE
    set_u64(bits, word, u64_at(bits, word) | ones << _U(at))
    if at + width > 64:
        set_u64(bits, word + 1, u64_at(bits, word + 1) | ones >> _U(64 - at))


@inlined
def _is_phrase(text: Any, phrase: Any) -> Any:
    """Tell whether a phrase is at `text`, in any (ASCII) case."""
    for index in range(_PHRASE_BYTES - 2):
        wanted = u8_at(phrase, index)
        if wanted == 0:
            return True
        if (u8_at(text, index) | (0 if wanted == 32 else 32)) != wanted:
            return False
    return True


@kernel
def find_phrases(room: Any, phrases: Any, position: Any, tally: Any) -> None:
    """Note each phrase that has its anchor at `position`."""
    for number in range(_NUM_PHRASES):
        phrase = phrases + _PHRASE_BYTES * number
        begin = position - u8_at(phrase, _PHRASE_BYTES - 2)
        if begin >= 0 and _is_phrase(room.text + begin, phrase):
            kind = u8_at(phrase, _PHRASE_BYTES - 1)
            if kind == 2:
                set_i64(tally, _LOREM, 1)
            else:
                hits = i64_at(tally, _HITS)
                set_u32(room.hits, hits, 2 * position + kind)
                set_i64(tally, _HITS, hits + 1)


@kernel
def scheme_begin(text: Any, colon: Any) -> Any:
    """Return where `http://` or `https://` with this colon begins, or -1."""
    if u8_at(text, colon + 2) != 47:
        return _I(-1)
    begin = colon
    if begin > 0 and (u8_at(text, begin - 1) | 32) == 115:
        begin -= 1
    if begin < 4:
        return _I(-1)
    first = u8_at(text, begin - 4) | 32, u8_at(text, begin - 3) | 32
    second = u8_at(text, begin - 2) | 32, u8_at(text, begin - 1) | 32
    if first != (104, 116) or second != (116, 112):
        return _I(-1)
    return _I(begin - 4)


@kernel
def scan_foreign(
    kinds: Any, room: Any, length: Any, base: Any, pending: Any, state: Any, tally: Any
) -> None:
    """Enter the characters of one block that are not ASCII; `state` is (covered, point, run)."""
    text, end = room.text, room.text + length
    covered, last, run = i64_at(state, 0), i64_at(state, 1), i64_at(state, 2)
    if covered > base:
        pending &= _ALL << _U(covered - base)
    lone, tail = plane(room, n.LONE), plane(room, n.TAIL)
    while pending:
        at = trailing_zeros(pending)
        position = base + at
        point, width, _ = decode(text + position, end)
        if width == 0:
            point, width = _I(0xFFFD), _I(1)
        pending &= ~(((_ONE << _U(width)) - _ONE) << _U(at))
        kind = u16_at(kinds, point)
        char_class = kind & CLASS_MASK
        if char_class != 0:
            _mark(plane(room, n.WORD), position, width)
            if char_class == CLASS_UNSPACED:
                _mark(lone, position, 1)
                _mark(tail, position + width, 1)
            elif char_class == CLASS_EXTEND and bit(tail, position):
                word = position >> 6
                cleared = u64_at(tail, word) & ~(_ONE << _U(position & 63))
                set_u64(tail, word, cleared)
                _mark(tail, position + width, 1)
        _mark(plane(room, n.INNER), position + 1, width - 1)
        if kind & c.SPACE:
            _mark(plane(room, n.SPACE), position, width)
        if kind & (c.LETTER | c.NUMBER | c.MARK):
            _mark(plane(room, n.LETTERED), position, 1)
        if kind & c.UPPER:
            _mark(plane(room, n.CAPITAL), position, 1)
        if kind & c.DIGIT:
            _mark(plane(room, n.DIGIT), position, 1)
        if kind & c.TERMINAL:
            _mark(plane(room, n.END), position, 1)
        if point == _QUOTE:
            _mark(plane(room, n.QUOTE), position, 1)
        add(tally, _ELLIPSES, point == _ELLIPSIS)
        add(tally, _CHARACTERS, 1 - width)
        add(tally, _FOREIGN, 1)
        add(tally, _LETTERS, (kind & c.LETTER) != 0)
        add(tally, _UPPER, (kind & c.UPPER) != 0)
        add(tally, _DIGITS, (kind & c.DIGIT) != 0)
        add(tally, _NUMBERS, (kind & c.NUMBER) != 0)
        add(tally, _MARKS, (kind & c.MARK) != 0)
        add(tally, _SPACES, (kind & c.SPACE) != 0)
        add(tally, _PUNCTUATION, (kind & c.PUNCTUATION) != 0)
        add(tally, _CJK, (kind & c.CJK) != 0)
        run = run + 1 if point == last and covered == position else _I(1)
        set_i64(tally, _RUN, max(i64_at(tally, _RUN), run))
        last, covered = _I(point), position + width
    set_i64(state, 0, covered)
    set_i64(state, 1, last)
    set_i64(state, 2, run)


@kernel
def count_dots(dots: Any, run: Any) -> Any:
    """Return (times `...` in the runs of dots that end in this block, dots still running)."""
    found = _I(0)
    for index in range(64):
        if (dots >> _U(index)) & _ONE:
            run += 1
        else:
            found += run // 3
            run = _I(0)
    return found, run


@kernel
def scan(
    kinds: Any,
    phrases: Any,
    room: Any,
    length: Any,
    whitespace: Any,
    spaced: Any,
    tally: Any,
    state: Any,
) -> None:
    """Fill the planes of the row that `room` holds, and count.

    Args:
        kinds: Address of `characters.kinds`.
        phrases: Address of `PHRASE_TABLE`.
        room: Scratch.
        length: Bytes of the row.
        whitespace: Whether words are what whitespace parts.
        spaced: Whether `. . .` is an ellipsis as well.
        tally: Address of the row's counters, all zero.
        state: (3,) int64 of scratch.
    """
    word, space = plane(room, n.WORD), plane(room, n.SPACE)
    capital, digit = plane(room, n.CAPITAL), plane(room, n.DIGIT)
    newline, end = plane(room, n.NEWLINE), plane(room, n.END)
    quote = plane(room, n.QUOTE)
    foreign_planes = (word, space, capital, digit, end, plane(room, n.INNER), plane(room, n.TAIL))
    lettered = plane(room, n.LETTERED)
    lone_plane = plane(room, n.LONE)
    for index in range(3):
        set_i64(state, index, 0)
    for bits in foreign_planes:
        set_u64(bits, 0, _NONE)
    set_u64(lone_plane, 0, _NONE)
    set_u64(lettered, 0, _NONE)
    set_u64(quote, 0, _NONE)
    letters, uppers, digits, spaces, punctuation = _I(0), _I(0), _I(0), _I(0), _I(0)
    hashes, rounds, squares, curlies, newlines = _I(0), _I(0), _I(0), _I(0), _I(0)
    ellipses, dot_run, spaced_end, url_end, url_chars = _I(0), _I(0), _I(0), _I(0), _I(0)
    run, longest_run = _I(0), _I(0)
    before = _NONE  # dots of the block before
    num_blocks = (length + 63) >> 6
    set_i64(tally, _CHARACTERS, length)
    for block in range(num_blocks):
        base = block << 6
        valid = _ALL if length - base >= 64 else (_ONE << _U(length - base)) - _ONE
        (
            foreign,
            alnum,
            upper,
            number,
            white,
            line,
            ends,
            dots,
            control,
            underscore,
            apostrophe,
            hash_signs,
            round_,
            square,
            curly,
            scheme,
            anchor,
            same,
        ) = block_masks(room.text + base)
        control &= valid
        for bits in foreign_planes:
            set_u64(bits, block + 1, _NONE)
        set_u64(lone_plane, block + 1, _NONE)
        set_u64(lettered, block, alnum | underscore)
        set_u64(quote, block + 1, _NONE)
        words = valid & ~white & ~foreign if whitespace else alnum | underscore
        set_u64(word, block, u64_at(word, block) | words)
        set_u64(space, block, u64_at(space, block) | white)
        set_u64(capital, block, u64_at(capital, block) | upper)
        set_u64(digit, block, u64_at(digit, block) | number)
        set_u64(end, block, u64_at(end, block) | ends)
        set_u64(quote, block, u64_at(quote, block) | apostrophe)
        set_u64(newline, block, line)
        uppers += popcount(upper)
        digits += popcount(number)
        letters += popcount(alnum)
        spaces += popcount(white)
        newlines += popcount(line)
        punctuation += popcount(valid & ~(foreign | alnum | white | control))
        hashes += popcount(hash_signs)
        rounds += popcount(round_)
        squares += popcount(square)
        if curly:
            curlies += popcount(curly)
            while curly:
                if u8_at(room.text, base + trailing_zeros(curly)) == 123:
                    add(tally, _OPEN_CURLY, 1)
                curly &= curly - _ONE
        if (dots & (dots << _ONE)) == _NONE and not (dot_run and dots & _ONE):
            ellipses += dot_run // 3
            dot_run = _I(dots >> _U(63))
        else:
            found, dot_run = count_dots(dots, dot_run)
            ellipses += found
        if spaced:
            pairs = dots & (dots << _U(2) | before >> _U(62))
            before = dots
            while pairs:
                position = base + trailing_zeros(pairs)
                pairs &= pairs - _ONE
                first = position - 4
                if (
                    first >= spaced_end
                    and u8_at(room.text, first) == 46
                    and u8_at(room.text, first + 1) == 32
                    and u8_at(room.text, first + 2) == 46
                    and u8_at(room.text, first + 3) == 32
                ):
                    ellipses += 1
                    spaced_end = position + 1
        while scheme:
            colon = base + trailing_zeros(scheme)
            scheme &= scheme - _ONE
            begin = scheme_begin(room.text, colon) if colon >= url_end else _I(-1)
            if begin >= 0:
                url_end = colon
                while 33 <= u8_at(room.text, url_end) <= 126:
                    url_end += 1
                url_chars += url_end - begin
        while anchor:
            find_phrases(room, phrases, base + trailing_zeros(anchor), tally)
            anchor &= anchor - _ONE
        same &= valid & ~foreign
        if block == 0:
            same &= ~_ONE
        if same:
            low = trailing_zeros(~same)
            longest_run = max(longest_run, run + low)
            if low == 64:
                run += 64
            else:
                run = leading_zeros(~same)
                ones, rest = _I(0), same
                while rest:
                    rest &= rest << _ONE
                    ones += 1
                longest_run = max(longest_run, ones)
        else:
            run = _I(0)
        if foreign:
            scan_foreign(kinds, room, length, base, foreign, state, tally)
    ellipses += dot_run // 3
    for bits in foreign_planes:
        set_u64(bits, num_blocks + 1, _NONE)
    set_u64(newline, num_blocks, _NONE)
    add(tally, _LETTERS, letters - digits)
    add(tally, _UPPER, uppers)
    add(tally, _DIGITS, digits)
    add(tally, _NUMBERS, digits)
    add(tally, _SPACES, spaces)
    add(tally, _PUNCTUATION, punctuation)
    add(tally, _ROUND, rounds)
    add(tally, _SQUARE, squares)
    add(tally, _CURLY, curlies)
    add(tally, _HASHES, hashes)
    add(tally, _ELLIPSES, ellipses)
    add(tally, _NEWLINES, newlines)
    add(tally, _URL_CHARS, url_chars)
    if length:
        set_i64(tally, _RUN, max(i64_at(tally, _RUN), longest_run + 1))
