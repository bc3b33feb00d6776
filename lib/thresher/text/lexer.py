"""Find the words of a text and write them in lower case: the tokeniser's state machine over UTF-8.

ASCII goes 64 bytes a step: lower case, a mask of word characters, and the mask's edges are the words. Other characters go one
by one through the tables. Words come out as pairs of edges, positions in the lower-case copy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.text import tables as t
from thresher.text.composition import stays_composed
from thresher.text.kernel import address_of, inlined
from thresher.text.machine import load_u8, lower_ascii_block, store_u32, trailing_zeros
from thresher.text.utf8 import decode, encode

MORE, DONE, ILL_FORMED, NOT_COMPOSED = 0, 1, 2, 3
# Fields of the state array.
POSITION, WRITTEN, KIND, NUM_EDGES, STARTER, LAST_CLASS, NUM_WORDS, STATUS, STATE_SIZE = range(9)
EDGES_A_STEP = 66  # one ASCII step finds at most 64 edges and closes one word
BLOCK = 64
PADDING = BLOCK + 16  # bytes after the lower-case copy that steps may write and hashes may read

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_DOT_BYTES = 0x87CC
# What each class does to a word of each kind (none, run, unspaced): 1 ends it, 2 starts one, new kind << 2.
_ACTIONS = np.array(
    [
        [0, 2 | 1 << 2, 2 | 2 << 2, 2 | 1 << 2],
        [1, 1 << 2, 3 | 2 << 2, 1 << 2],
        [1, 3 | 1 << 2, 3 | 2 << 2, 2 << 2],
    ],
    np.int64,
).reshape(-1)


@inlined
def lex(
    tables: Any, source: Any, length: Any, readable: Any, lowered: Any, work: Any, check: Any
) -> Any:
    """Advance through a text until it ends or the edges fill `work.edges`.

    Args:
        tables: `thresher.text.tables.Tables`.
        source: Address of the text.
        length: Its bytes.
        readable: Bytes that may be read from `source`, at least `length`.
        lowered: Address of room for 1.5 * `length` + PADDING bytes.
        work: `Work`: `state` as left by the call before, zeroed (STARTER -1) at first.
        check: Whether to stop with NOT_COMPOSED at a character that may not be in NFC.
    """
    state, edges = work.state, work.edges
    position, written, kind = state[POSITION], state[WRITTEN], state[KIND]
    count, starter, last_class = state[NUM_EDGES], state[STARTER], state[LAST_CLASS]
    end = source + length
    limit = edges.size - EDGES_A_STEP
    while position < length and count < limit:
        block = source + position
        if readable - position < BLOCK:
            block = address_of(work.tail)
            for index in range(min(length - position, BLOCK)):
                work.tail[index] = load_u8(source + position + index)
        not_ascii, word = lower_ascii_block(block, lowered + written)
        taken = min(trailing_zeros(not_ascii), length - position)
        if taken > 0:
            valid = _ALL >> np.uint64(64 - taken)
            word &= valid
            if kind == 2:
                edges[count] = written
                count += 1
                kind = 0
            found = (word ^ (word << _ONE | np.uint64(kind))) & valid
            while found:
                edges[count] = written + trailing_zeros(found)
                count += 1
                found &= found - _ONE
            kind = np.int64(word >> np.uint64(taken - 1))
            position += taken
            written += taken
            starter = load_u8(source + position - 1)
            last_class = np.int64(0)
            if taken == BLOCK:
                continue
        while position < length and count < limit:
            address = source + position
            code_point, width, raw = decode(address, end)
            if width == 1 and (position + 1 == length or load_u8(address + 1) < 0x80):
                break
            if width == 0:
                state[STATUS] = ILL_FORMED
                return
            info = np.int64(tables.info[code_point])
            if info & t.NFC_MASK:
                if check and not stays_composed(tables, code_point, info, starter, last_class):
                    state[STATUS] = NOT_COMPOSED
                    return
                last_class = np.int64(tables.combining[code_point])
                if last_class == 0:
                    starter = code_point
            else:
                starter = code_point
                last_class = np.int64(0)
            action = _ACTIONS[kind * 4 + (info & t.CLASS_MASK)]
            edges[count] = written
            count += action & 1
            edges[count] = written
            count += action >> 1 & 1
            kind = action >> 2
            position += width
            if info & t.HAS_LOWER:
                raw, width = encode(np.int64(tables.lower[code_point]))
                if code_point == t.DOTTED_CAPITAL_I:
                    raw |= _DOT_BYTES << 8
                    width = 3
            store_u32(lowered + written, raw)
            written += width
    state[STATUS] = MORE
    if position == length:
        state[STATUS] = DONE
        if kind:
            edges[count] = written
            count += 1
            kind = 0
    state[POSITION], state[WRITTEN], state[KIND] = position, written, kind
    state[NUM_EDGES], state[STARTER], state[LAST_CLASS] = count, starter, last_class
