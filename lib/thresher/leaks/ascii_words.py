"""Find the tokens of ASCII text, and of simple characters among it, 64 bytes a step.

Nothing reaches across white space: not a composed character, a deleted apostrophe, a comma between
digits or a command. So a text is worked off in chunks that end behind white space. A character is
simple if it folds to one of as many bytes, whatever is beside it, or parts words; where one is not,
what stands with it between white space is a region, which `thresher.leaks.folded_words` reads.

Positions are those of the row's bytes; edges and holes count from the chunk's begin.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.leaks import folding as f
from thresher.leaks.blocks import BLOCK, read_block
from thresher.text import tables as t
from thresher.text.digests import hash_word
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import (
    i32_at,
    i64_at,
    set_i64,
    set_u8,
    set_u64,
    trailing_zeros,
    u8_at,
    u64_at,
)
from thresher.text.utf8 import decode, encode

_I, _U = np.int64, np.uint64
_ONE, _ALL, _NONE = _U(1), _U(0xFFFFFFFFFFFFFFFF), _U(0)
SPACE, APOSTROPHE, COMMA, ZERO = ord(" "), ord("'"), ord(","), ord("0")
BACKSLASH, UNDERSCORE, BANG = ord("\\"), ord("_"), ord("!")
OPENING, CLOSING = ord("{"), ord("}")
_LONGEST_COMMAND = 8


@inlined
def is_digit(byte: Any) -> Any:
    """Tell whether a character is an ASCII digit."""
    return ZERO <= byte <= ZERO + 9


@inlined
def is_command(tables: Any, text: Any, size: Any) -> Any:
    """Tell whether a word is a command that only sets type or space; 8 bytes are read."""
    found = False
    if size <= _LONGEST_COMMAND:
        letters = u64_at(text, 0) & u64_at(tables.keep - size, 0)
        for command in range(tables.num_commands):
            found |= letters == u64_at(tables.commands, command)
    return found


@inlined
def _letter_follows(tables: Any, source: Any, at: Any, length: Any) -> Any:
    """Tell whether a letter begins at `at`, that nothing before it changes."""
    byte = u8_at(source, at) if at < length else SPACE
    if byte < 0x80:
        return ord("a") <= (byte | 0x20) <= ord("z")
    point, width, _ = decode(source + at, source + length)
    action = i32_at(tables.actions, point) if width else _I(f.MANY)
    info = u8_at(tables.info, action & f.VALUE)
    return not action & (f.MANY | f.JOINS) and info & (t.CLASS_MASK | t.JOINS_BACK) == t.CLASS_RUN


@inlined
def _parting(source: Any, at: Any, length: Any) -> Any:
    """Return how many bytes part thousands at a comma, a backslash or a brace."""
    sign = u8_at(source, at)
    if not is_digit(u8_at(source, at - 1)) or at + 4 > length:
        return _I(0)
    size = _I(1)
    if sign == BACKSLASH:
        size = _I(2) if u8_at(source, at + 1) == COMMA else _I(0)
    elif sign == OPENING:
        closed = u8_at(source, at + 1) == COMMA and u8_at(source, at + 2) == CLOSING
        size = _I(3) if closed else _I(0)
    elif u8_at(source, at + 1) == BACKSLASH and u8_at(source, at + 2) == BANG:
        size = _I(3)
    if size == 0 or at + size + 3 > length:
        return _I(0)
    digits = is_digit(u8_at(source, at + size)) and is_digit(u8_at(source, at + size + 1))
    return size if digits and is_digit(u8_at(source, at + size + 2)) else _I(0)


@inlined
def _stays_simple(point: Any, width: Any, action: Any, info: Any) -> Any:
    """Tell whether a character folds to one as wide, or parts words and is no sign that counts."""
    value = action & f.VALUE
    char_class = info & t.CLASS_MASK
    if width == 0 or action & (f.JOINS | f.MANY) or char_class == t.CLASS_UNSPACED:
        return False
    if char_class == t.CLASS_SEP:
        return value >= 0x80 or value in (SPACE, APOSTROPHE)
    return encode(value)[1] == width


@kernel
def find_words(
    tables: Any,
    options: Any,
    room: Any,
    source: Any,
    begin: Any,
    end: Any,
    length: Any,
    readable: Any,
) -> Any:
    """Find the words of a row from `begin`, behind white space, towards `end`.

    Args:
        tables: What is only read.
        options: How the text is read.
        room: Scratch; the lower case, the edges of words and the holes in them go there.
        source: Address of the row.
        begin: Where to begin.
        end: Where to stop, at most the chunk's size behind it.
        length: Bytes of the row.
        readable: Bytes that may be read from `source`.

    Returns:
        Where it stopped; whether at a character that is not simple; edges; holes; whether any word
        may differ from its bytes in lower case.
    """
    at, count, num_holes = begin, _I(0), _I(0)
    open_word, filled, unusual = _NONE, _I(0), _NONE  # `filled`: bytes of a hole still to come
    stop, foreign = end, False
    while at < stop:
        block, lowered = source + at, room.lowered + at - begin
        if readable - at < BLOCK:
            block = room.tail
            for index in range(min(length - at, BLOCK)):
                set_u8(block, index, u8_at(source, at + index))
        taken = min(end - at, _I(BLOCK))
        valid = _ALL >> _U(BLOCK - taken)
        not_ascii, word, underscore, signs, backslash = read_block(block, lowered)
        pending = not_ascii
        if not options.code:
            word |= underscore
            unusual |= underscore & valid
            pending |= signs
            if filled:
                word |= (_ONE << _U(filled)) - _ONE
                filled = _I(0)
        unusual |= backslash & valid
        pending &= valid
        while pending:
            bit = trailing_zeros(pending)
            pending &= pending - _ONE
            place, size, sign = at + bit, _I(0), u8_at(source, at + bit)
            if sign >= 0x80:
                point, width, _ = decode(source + place, source + length)
                action = i32_at(tables.actions, point)
                info = u8_at(tables.info, action & f.VALUE)
                if bit + width > taken or not _stays_simple(point, width, action, info):
                    foreign = bit + width <= taken or width == 0
                    taken = bit
                    if foreign or at + BLOCK >= end:
                        stop = place
                    break
                bits = ((_ONE << _U(width)) - _ONE) << _U(bit)
                pending &= ~bits
                sign = action & f.VALUE
                if info & t.CLASS_MASK != t.CLASS_SEP:
                    word |= bits
                    if sign != point:
                        raw, _ = encode(sign)
                        for index in range(width):
                            set_u8(lowered, bit + index, raw >> 8 * index)
                    continue
                if sign != APOSTROPHE or options.code:
                    continue
                size = width
            if sign == APOSTROPHE:
                before = word >> _U(bit - 1) if bit else open_word
                size = max(size, _I(1))
                inside = before & _ONE != _NONE and u8_at(source, place - 1) != UNDERSCORE
                if not inside or not _letter_follows(tables, source, place + size, length):
                    size = _I(0)
            elif place > begin:
                size = _parting(source, place, length)
            if size:
                set_i64(room.holes, 2 * num_holes, place - begin)
                set_i64(room.holes, 2 * num_holes + 1, place + size - begin)
                num_holes += 1
                word |= ((_ONE << _U(size)) - _ONE) << _U(bit)
                filled = max(bit + size - BLOCK, _I(0))
        if taken == 0:
            break
        valid = _ALL >> _U(BLOCK - taken)
        word &= valid
        edges = (word ^ (word << _ONE | open_word)) & valid
        while edges:
            set_i64(room.edges, count, at - begin + trailing_zeros(edges))
            count += 1
            edges &= edges - _ONE
        open_word = word >> _U(taken - 1)
        at += taken
    if open_word:
        set_i64(room.edges, count, at - begin)
        count += 1
    return at, foreign, count, num_holes, unusual != _NONE or num_holes > 0


@kernel
def close_words(room: Any, count: Any, size: Any) -> Any:
    """Return how many of the edges lie in the first `size` bytes of the chunk, a whole number of
    words: behind these bytes a word begins or nothing does."""
    while count and i64_at(room.edges, count - 2) >= size:
        count -= 2
    return count


@kernel
def emit_words(
    tables: Any, room: Any, outputs: Any, begin: Any, num_words: Any, count: Any
) -> None:
    """Write words that are what their bytes in lower case are, as tokens from number `count` on."""
    for word in range(num_words):
        first, last = i64_at(room.edges, 2 * word), i64_at(room.edges, 2 * word + 1)
        hashed, _ = hash_word(room.lowered + first, last - first, tables.keep)
        set_u64(outputs.hashes, count + word, hashed)
        set_i64(outputs.starts, count + word, begin + first)
        set_i64(outputs.stops, count + word, begin + last)


@kernel
def emit_unusual_words(
    tables: Any,
    options: Any,
    room: Any,
    outputs: Any,
    source: Any,
    begin: Any,
    num_words: Any,
    num_holes: Any,
    count: Any,
) -> Any:
    """Write words with underscores, holes, commands or digits to fold; return the tokens."""
    hole = _I(0)
    for word in range(num_words):
        first, last = i64_at(room.edges, 2 * word), i64_at(room.edges, 2 * word + 1)
        while first < last and u8_at(room.lowered, first) == UNDERSCORE:
            first += 1
        while first < last and u8_at(room.lowered, last - 1) == UNDERSCORE:
            last -= 1
        if first == last:
            continue
        text, size = room.lowered + first, last - first
        while hole < num_holes and i64_at(room.holes, 2 * hole) < first:
            hole += 1
        if options.fold_digits or (hole < num_holes and i64_at(room.holes, 2 * hole) < last):
            size, hole = _join(options, room, first, last, hole, num_holes)
            text = room.word
        wrapped = begin + first > 0 and u8_at(source, begin + first - 1) == BACKSLASH
        if wrapped and is_command(tables, text, size):
            continue
        hashed, _ = hash_word(text, size, tables.keep)
        set_u64(outputs.hashes, count, hashed)
        set_i64(outputs.starts, count, begin + first)
        set_i64(outputs.stops, count, begin + last)
        count += 1
    return count


@inlined
def _join(options: Any, room: Any, first: Any, last: Any, hole: Any, num_holes: Any) -> Any:
    """Copy a word without its holes, digits folded; return its bytes and the next hole."""
    size, at, digit = _I(0), first, False
    while at < last:
        if hole < num_holes and i64_at(room.holes, 2 * hole) == at:
            at = i64_at(room.holes, 2 * hole + 1)
            hole += 1
            continue
        byte = u8_at(room.lowered, at)
        at += 1
        if options.fold_digits and is_digit(byte):
            if digit:
                continue
            byte = _I(ZERO)
            digit = True
        else:
            digit = False
        set_u8(room.word, size, byte)
        size += 1
    return size, hole
