"""Find the tokens of a region of text that is not all ASCII: fold it, compose it, then walk it.

A region begins and ends at white space or at the ends of its row; a long one, wherever nothing
reaches across. What is composed is what
`thresher.text.composition` composes: the characters from one that nothing joins to the next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.leaks import folding as f
from thresher.leaks.ascii_words import (
    APOSTROPHE,
    BACKSLASH,
    BANG,
    CLOSING,
    COMMA,
    OPENING,
    SPACE,
    UNDERSCORE,
    ZERO,
    is_command,
    is_digit,
)
from thresher.leaks.room import LONGEST_EXPANSION
from thresher.text import tables as t
from thresher.text.composition import compose_pair
from thresher.text.digests import hash_word
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import i32_at, i64_at, set_i64, set_u32, set_u64, u8_at, u16_at, u64_at
from thresher.text.utf8 import decode, encode

_I, _U = np.int64, np.uint64
_HANGUL, _NUM_HANGUL = 0xAC00, 11172
_LONGEST_REGION = 4096  # bytes, unless there is no white space
_AHEAD = 8  # a region goes on while so many bytes behind white space are not all ASCII
_HIGH_BITS = _U(0x8080808080808080)
_MAX_INSERTION = 24  # marks; longer runs are sorted by counting, so that no text is quadratic
_NONE = _I(-1)


@inlined
def _put(room: Any, at: Any, point: Any, first: Any, last: Any) -> None:
    set_u32(room.points, at, point)
    set_i64(room.firsts, at, first)
    set_i64(room.lasts, at, last)


@inlined
def _move(room: Any, source: Any, target: Any) -> None:
    first, last = i64_at(room.firsts, source), i64_at(room.lasts, source)
    _put(room, target, i32_at(room.points, source), first, last)


@kernel
def _put_decomposed(tables: Any, room: Any, count: Any, point: Any, first: Any, last: Any) -> Any:
    if _HANGUL <= point < _HANGUL + _NUM_HANGUL:
        index = point - _HANGUL
        _put(room, count, 0x1100 + index // 588, first, last)
        _put(room, count + 1, 0x1161 + index % 588 // 28, first, last)
        _put(room, count + 2, 0x11A7 + index % 28, first, last)
        return count + (3 if index % 28 else 2)
    entry = u16_at(tables.entries, point)
    if entry == 0:
        _put(room, count, point, first, last)
        return count + 1
    begin, end = i32_at(tables.parts_start, entry), i32_at(tables.parts_start, entry + 1)
    for index in range(end - begin):
        _put(room, count + index, i32_at(tables.parts, begin + index), first, last)
    return count + end - begin


@kernel
def _put_alone(tables: Any, room: Any, count: Any, point: Any, first: Any, last: Any) -> Any:
    """Write what a character folds to, composed, where nothing joins it; return the new count."""
    action = i32_at(tables.actions, point)
    value = action & f.VALUE
    if not action & f.MANY:
        _put(room, count, value, first, last)
        return count + 1
    begin, end = i32_at(tables.composed_start, value), i32_at(tables.composed_start, value + 1)
    for index in range(end - begin):
        _put(room, count + index, i32_at(tables.composed, begin + index), first, last)
    return count + end - begin


@inlined
def _class_at(tables: Any, room: Any, at: Any) -> Any:
    return u8_at(tables.combining, i32_at(room.points, at))


@kernel
def _sort_marks(tables: Any, room: Any, begin: Any, end: Any, spare: Any) -> None:
    """Sort marks by class, stably; as many places from `spare` on, and one more, are free."""
    if end - begin <= _MAX_INSERTION:
        for index in range(begin + 1, end):
            _move(room, index, spare)
            place, mark_class = index, _class_at(tables, room, spare)
            while place > begin and _class_at(tables, room, place - 1) > mark_class:
                _move(room, place - 1, place)
                place -= 1
            _move(room, spare, place)
        return
    for mark_class in range(257):
        set_i64(room.classes, mark_class, 0)
    for index in range(begin, end):
        following = _class_at(tables, room, index) + 1
        set_i64(room.classes, following, i64_at(room.classes, following) + 1)
        _move(room, index, spare + index - begin)
    for mark_class in range(256):
        below = i64_at(room.classes, mark_class)
        set_i64(room.classes, mark_class + 1, i64_at(room.classes, mark_class + 1) + below)
    for index in range(spare, spare + end - begin):
        mark_class = _class_at(tables, room, index)
        place = i64_at(room.classes, mark_class)
        _move(room, index, begin + place)
        set_i64(room.classes, mark_class, place + 1)


@kernel
def _compose(tables: Any, room: Any, begin: Any, end: Any) -> Any:
    """Order and compose the characters from `begin` in place; return their new end."""
    index = begin
    while index < end:
        marks = index
        while index < end and _class_at(tables, room, index):
            index += 1
        if index - marks > 1:
            _sort_marks(tables, room, marks, index, end)
        index += 1
    kept, starter, last_class = begin, _NONE, _I(0)
    for source in range(begin, end):
        point, combining = i32_at(room.points, source), _class_at(tables, room, source)
        first, last = i64_at(room.firsts, source), i64_at(room.lasts, source)
        if starter >= 0 and (starter == kept - 1 or last_class < combining):
            joined = compose_pair(tables, i32_at(room.points, starter), point)
            if joined >= 0:
                first = min(first, i64_at(room.firsts, starter))
                _put(room, starter, joined, first, max(last, i64_at(room.lasts, starter)))
                continue
        if combining == 0:
            starter = kept
        last_class = combining
        _put(room, kept, point, first, last)
        kept += 1
    return kept


@inlined
def _ends_region(source: Any, at: Any, length: Any) -> Any:
    """Tell whether a region may end behind the white space before `at`."""
    if at + _AHEAD <= length:
        return (u64_at(source + at, 0) & _HIGH_BITS) == _U(0)
    ascii_only = True
    for index in range(at, length):
        ascii_only &= u8_at(source, index) < 0x80
    return ascii_only


@inlined
def _parts(tables: Any, action: Any, following: Any) -> Any:
    """Tell whether nothing reaches from one character to the next, given what they fold to."""
    value = action & f.VALUE
    before = u8_at(tables.info, value) & t.CLASS_MASK
    after = u8_at(tables.info, following & f.VALUE) & t.CLASS_MASK
    parted = before == t.CLASS_UNSPACED or (before == t.CLASS_SEP and value >= 0x80)
    simple = not (action | following) & (f.MANY | f.JOINS)
    return simple and parted and after != t.CLASS_EXTEND


@kernel
def fold_region(tables: Any, room: Any, source: Any, begin: Any, until: Any, length: Any) -> Any:
    """Fold and compose a row from `begin` to where a region may end behind `until`.

    Bytes that are not UTF-8 count as spaces.

    Returns:
        The number of characters, or -1 where there is too little room; where the region ends.
    """
    at, count, joined = begin, _I(0), _NONE  # `joined`: where the characters to compose begin
    action = _I(0)
    lone, first, last = _NONE, _I(0), _I(0)  # a character that nothing has joined yet
    while at < length:
        spare = count - joined if joined >= 0 else _I(0)
        if count + spare + 2 * LONGEST_EXPANSION > room.folded:
            return _NONE, at
        point, width, _ = decode(source + at, source + length)
        if width == 0:
            point, width = _I(SPACE), _I(1)
        following = i32_at(tables.actions, point)
        if at - begin >= _LONGEST_REGION and lone >= 0 and _parts(tables, action, following):
            break
        if following & f.JOINS:
            if joined < 0:
                joined = count
                if lone >= 0:
                    count = _put_decomposed(tables, room, count, lone, first, last)
                lone = _NONE
            count = _put_decomposed(tables, room, count, point, at, at + width)
        else:
            if joined >= 0:
                count = _compose(tables, room, joined, count)
                joined = _NONE
            elif lone >= 0:
                if action & f.MANY:
                    count = _put_alone(tables, room, count, lone, first, last)
                else:
                    _put(room, count, action & f.VALUE, first, last)
                    count += 1
            action = following
            lone, first, last = point, at, at + width
        at += width
        if (
            point <= SPACE
            and at > until
            and (at - begin >= _LONGEST_REGION or _ends_region(source, at, length))
        ):
            break
    if joined >= 0:
        count = _compose(tables, room, joined, count)
    elif lone >= 0:
        count = _put_alone(tables, room, count, lone, first, last)
    return count, at


@inlined
def _point(room: Any, at: Any, count: Any) -> Any:
    return i32_at(room.points, at) if at < count else _I(SPACE)


@inlined
def _deleted(tables: Any, room: Any, at: Any, count: Any, before: Any) -> Any:
    """Return how many characters are deleted at one that stands right after part of a word."""
    sign, following = i32_at(room.points, at), _point(room, at + 1, count)
    if sign == APOSTROPHE:
        info = u8_at(tables.info, following)
        starts = info & t.CLASS_MASK == t.CLASS_RUN and not info & t.JOINS_BACK
        starts &= before != UNDERSCORE and following != UNDERSCORE and not is_digit(following)
        return _I(starts)
    third = _point(room, at + 2, count)
    size = _I(0)
    if sign == COMMA:
        size = _I(3) if following == BACKSLASH and third == BANG else _I(1)
    elif sign == OPENING and following == COMMA and third == CLOSING:
        size = _I(3)
    elif sign == BACKSLASH and following == COMMA:
        size = _I(2)
    if size == 0 or not is_digit(before):
        return _I(0)
    digits = is_digit(_point(room, at + size, count))
    digits &= is_digit(_point(room, at + size + 1, count))
    return size if digits and is_digit(_point(room, at + size + 2, count)) else _I(0)


@kernel
def _emit(
    tables: Any, options: Any, room: Any, outputs: Any, begin: Any, end: Any, count: Any
) -> Any:
    """Write the word of the characters `begin` to `end` as a token; return the tokens."""
    while begin < end and i32_at(room.points, begin) == UNDERSCORE:
        begin += 1
    while begin < end and i32_at(room.points, end - 1) == UNDERSCORE:
        end -= 1
    if begin == end:
        return count
    size, digit = _I(0), False
    start, stop = i64_at(room.firsts, begin), i64_at(room.lasts, begin)
    for index in range(begin, end):
        point = i32_at(room.points, index)
        if point < 0:
            continue
        start = min(start, i64_at(room.firsts, index))
        stop = max(stop, i64_at(room.lasts, index))
        if options.fold_digits:
            repeated = digit
            digit = is_digit(point)
            if digit:
                if repeated:
                    continue
                point = _I(ZERO)
        raw, width = encode(point)
        set_u32(room.word + size, 0, raw)
        size += width
    wrapped = begin > 0 and i32_at(room.points, begin - 1) == BACKSLASH
    if wrapped and is_command(tables, room.word, size):
        return count
    hashed, _ = hash_word(room.word, size, tables.keep)
    set_u64(outputs.hashes, count, hashed)
    set_i64(outputs.starts, count, start)
    set_i64(outputs.stops, count, stop)
    return count + 1


@kernel
def emit_region(
    tables: Any, options: Any, room: Any, outputs: Any, num_points: Any, count: Any
) -> Any:
    """Write the words of a folded region as tokens from number `count` on; return the tokens."""
    kind, begin, before, at = _I(t.CLASS_SEP), _I(0), _I(SPACE), _I(0)
    while at < num_points:
        point = i32_at(room.points, at)
        char_class = u8_at(tables.info, point) & t.CLASS_MASK
        if kind == t.CLASS_RUN and char_class == t.CLASS_SEP and not options.code:
            size = _deleted(tables, room, at, num_points, before)
            for index in range(size):
                set_u32(room.points, at + index, -1)
            if size:
                at += size
                continue
        if point == UNDERSCORE and options.code:
            char_class = _I(t.CLASS_SEP)
        extends = char_class == t.CLASS_EXTEND or (
            char_class == t.CLASS_RUN and kind == t.CLASS_RUN
        )
        if kind == t.CLASS_SEP or not extends:
            if kind != t.CLASS_SEP:
                count = _emit(tables, options, room, outputs, begin, at, count)
            begin = at
            kind = _I(t.CLASS_RUN) if char_class == t.CLASS_EXTEND else char_class
        before = point
        at += 1
    if kind != t.CLASS_SEP:
        count = _emit(tables, options, room, outputs, begin, num_points, count)
    return count
