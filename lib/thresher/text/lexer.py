"""Find the words of a text and write them in lower case: the tokeniser's state machine over UTF-8.

Text goes 64 bytes a step: lower case and a mask of word characters, to which the tables add those
that are not ASCII; the mask's edges are the words. Only characters that are words of their own, or
change their length in lower case, go one by one. Words come out as pairs of edges, positions in
the lower-case copy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.text import tables as t
from thresher.text.composition import stays_composed
from thresher.text.kernel import inlined
from thresher.text.machine import (
    i32_at,
    i64_at,
    lower_ascii_block,
    set_i64,
    set_u8,
    set_u32,
    trailing_zeros,
    u8_at,
)
from thresher.text.utf8 import decode, encode

MORE, DONE, ILL_FORMED, NOT_COMPOSED = 0, 1, 2, 3
# Fields of the state array.
POSITION, WRITTEN, KIND, NUM_EDGES, STARTER, LAST_CLASS, NUM_WORDS, STATUS, STATE_SIZE = range(9)
FULL = (
    1024  # edges; a step that begins below may add 64, close one word and leave one slot of slack
)
EDGES_ROOM = FULL + 72
BLOCK = 64
PADDING = BLOCK + 16  # bytes after the lower-case copy that steps may write and hashes may read

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_DOT_BYTES = 0x87CC
# What each class does to a word of each kind (none, run, unspaced): 1 ends it, 2 starts one, new
# kind << 2. Four bits each, four classes a kind.
_ENDS, _STARTS, _RUN, _LONE = 1, 2, 1 << 2, 2 << 2
_ACTIONS = np.int64(
    sum(
        action << 4 * index
        for index, action in enumerate(
            (
                *(0, _STARTS | _RUN, _STARTS | _LONE, _STARTS | _RUN),
                *(_ENDS, _RUN, _ENDS | _STARTS | _LONE, _RUN),
                *(_ENDS, _ENDS | _STARTS | _RUN, _ENDS | _STARTS | _LONE, _LONE),
            )
        )
    )
)


@inlined
def lex(
    tables: Any, source: Any, length: Any, readable: Any, lowered: Any, work: Any, check: Any
) -> Any:
    """Advance through a text until it ends or FULL edges are found.

    Args:
        tables: Addresses of the Unicode tables.
        source: Address of the text.
        length: Its bytes.
        readable: Bytes that may be read from `source`, at least `length`.
        lowered: Address of room for 1.5 * `length` + PADDING bytes.
        work: Addresses of scratch; its state as the call before left it, zeroed (STARTER -1) at
            first.
        check: Whether to stop with NOT_COMPOSED at a character that may not be in NFC.
    """
    state, edges = work.state, work.edges
    position, written = i64_at(state, POSITION), i64_at(state, WRITTEN)
    kind, count = i64_at(state, KIND), i64_at(state, NUM_EDGES)
    starter, last_class = i64_at(state, STARTER), i64_at(state, LAST_CLASS)
    status = np.int64(MORE)
    end = source + length
    while position < length and count < FULL and status == MORE:
        block = source + position
        if readable - position < BLOCK:
            block = work.tail
            for index in range(min(length - position, BLOCK)):
                set_u8(block, index, u8_at(source, position + index))
        not_ascii, word = lower_ascii_block(block, lowered + written)
        taken = min(length - position, BLOCK)
        pending = not_ascii & (_ALL >> np.uint64(64 - taken))
        covered = np.int64(0)  # end of the last character that was not ASCII
        lone = False  # whether the character after `taken` needs the slow loop
        while pending:
            at = trailing_zeros(pending)
            address = source + position + at
            code_point, width, _ = decode(address, end)
            if width == 0:
                status = np.int64(ILL_FORMED)
                break
            if at + width > taken:
                taken = at
                break
            info = u8_at(tables.info, code_point)
            char_class = info & t.CLASS_MASK
            lone = char_class == t.CLASS_UNSPACED
            lone |= char_class == t.CLASS_EXTEND and kind == 2 and at == 0
            if info & t.HAS_LOWER and not lone:
                raw, lower_width = encode(i32_at(tables.lower, code_point))
                lone = lower_width != width or code_point == t.DOTTED_CAPITAL_I
                for index in range(0 if lone else width):
                    set_u8(lowered + written, at + index, raw >> 8 * index)
            if lone:
                taken = at
                break
            if info & t.NFC_MASK:
                if at != covered:
                    starter, last_class = u8_at(address, -1), np.int64(0)
                if check and not stays_composed(tables, code_point, info, starter, last_class):
                    status = np.int64(NOT_COMPOSED)
                    break
                last_class = u8_at(tables.combining, code_point)
                if last_class == 0:
                    starter = code_point
            else:
                starter, last_class = code_point, np.int64(0)
            bits = (_ONE << np.uint64(width)) - _ONE << np.uint64(at)
            pending &= ~bits
            if char_class != t.CLASS_SEP:
                word |= bits
            covered = at + width
        if status != MORE:
            break
        if taken > 0:
            valid = _ALL >> np.uint64(64 - taken)
            word &= valid
            if kind == 2:
                set_i64(edges, count, written)
                count += 1
                kind = np.int64(0)
            found = (word ^ (word << _ONE | np.uint64(kind))) & valid
            while found:
                set_i64(edges, count, written + trailing_zeros(found))
                count += 1
                found &= found - _ONE
            kind = np.int64(word >> np.uint64(taken - 1))
            position += taken
            written += taken
            if taken != covered:
                starter, last_class = u8_at(source, position - 1), np.int64(0)
        while lone and position < length and count < FULL:
            address = source + position
            code_point, width, raw = decode(address, end)
            if width == 1 and (position + 1 == length or u8_at(address, 1) < 0x80):
                break
            if width == 0:
                status = np.int64(ILL_FORMED)
                break
            info = u8_at(tables.info, code_point)
            if info & t.NFC_MASK:
                if check and not stays_composed(tables, code_point, info, starter, last_class):
                    status = np.int64(NOT_COMPOSED)
                    break
                last_class = u8_at(tables.combining, code_point)
                if last_class == 0:
                    starter = code_point
            else:
                starter, last_class = code_point, np.int64(0)
            action = _ACTIONS >> (kind << 4 | (info & t.CLASS_MASK) << 2)
            set_i64(edges, count, written)
            count += action & 1
            set_i64(edges, count, written)
            count += action >> 1 & 1
            kind = action >> 2 & 3
            lone = width == 1 or kind != 1
            position += width
            if info & t.HAS_LOWER:
                raw, width = encode(i32_at(tables.lower, code_point))
                if code_point == t.DOTTED_CAPITAL_I:
                    raw |= _DOT_BYTES << 8
                    width = np.int64(3)
            set_u32(lowered + written, 0, raw)
            written += width
    if position == length and status == MORE:
        status = np.int64(DONE)
        set_i64(edges, count, written)
        count += kind != 0
    set_i64(state, POSITION, position)
    set_i64(state, WRITTEN, written)
    set_i64(state, KIND, kind)
    set_i64(state, NUM_EDGES, count)
    set_i64(state, STARTER, starter)
    set_i64(state, LAST_CLASS, last_class)
    set_i64(state, STATUS, status)
