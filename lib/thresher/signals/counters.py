"""What the text kernels count for a row, and the scratch that they count in.

Everything is an integer until the ratios at the end, so no figure depends on the order of sums.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.text.digests import KEEP
from thresher.text.kernel import inlined
from thresher.text.machine import i64_at, set_i64, u64_at
from thresher.text.scratch import Held, address

COUNTERS = (
    *("CHARACTERS", "FOREIGN", "LETTERS", "UPPER", "DIGITS", "NUMBERS", "MARKS", "SPACES"),
    *("PUNCTUATION", "CJK", "URL_CHARS", "ROUND", "SQUARE", "CURLY", "OPEN_CURLY", "HASHES"),
    *("ELLIPSES", "LOREM", "RUN", "NEWLINES", "HITS", "SENTENCES"),
    *("WORDS", "WORD_CHARS", "LONGEST_WORD", "MEDIAN_TWICE", "DISTINCT", "ENTROPY", "ALPHABETIC"),
    *("CAPITALS", "WORDY", "WORDY_CHARS", "STOPS", "DISTINCT_STOPS", "HASH_WORDS"),
    *("ELLIPSIS_WORDS", "SYMBOL_WORDS", "BAD_WORDS"),
    *("LINES", "LINE_CHARS", "LONGEST_LINE", "LONG_LINES", "BULLETS", "ELLIPSIS_ENDS", "FILLED"),
    *("TERMINAL_ENDS", "SHORT_LINES", "REPEATED_CHARS", "SETS", "SET_LINES", "DUPLICATE_LINES"),
    *("SET_CHARS", "DUPLICATE_CHARS", "BAD_LINE_WORDS", "C4_LINES", "C4_SENTENCES"),
    *("JAVASCRIPT_LINES", "POLICY_LINES"),
    *("PARAGRAPHS", "PARAGRAPH_CHARS", "DUPLICATE_PARAGRAPHS", "DUPLICATE_PARAGRAPH_CHARS"),
    *("TOP", "TOP_3", "TOP_4"),
    *("REPEATED", "REPEATED_6", "REPEATED_7", "REPEATED_8", "REPEATED_9", "REPEATED_10"),
    *("GRAMS", "GRAMS_6", "GRAMS_7", "GRAMS_8", "GRAMS_9", "GRAMS_10"),
    *("REPEATED_WORDS", "CHARACTER_GRAMS", "REPEATED_CHARACTERS"),
)
INDEX = {name: number for number, name in enumerate(COUNTERS)}
NUM_COUNTERS = len(COUNTERS)
MARGIN = 64  # bytes around the copy of a text that vector steps may read
PLANES = (
    *("WORD", "SPACE", "CAPITAL", "DIGIT", "NEWLINE", "END", "INNER"),
    *("TAIL", "LONE", "QUOTE", "START", "LETTERED"),
)
(WORD, SPACE, CAPITAL, DIGIT, NEWLINE, END, INNER, TAIL, LONE, QUOTE, START, LETTERED) = range(
    len(PLANES)
)
_ONE = np.uint64(1)


class Room(NamedTuple):
    """Scratch of one call, for its longest row; parts are touched as far as rows need them."""

    text: int  # (MARGIN + L + 2 * MARGIN,) uint8: copy of the row; this is where it begins
    planes: int  # (PLANES, stride) uint64: one bit a byte of the row
    stride: int
    slots: int  # uint64 pairs: (key, generation << 32 | number) of open-addressing tables
    generation: int  # (1,) int64
    begins: int  # int32: of each word
    ends: int  # int32
    ids: int  # int32: of each word, equal words having one
    sums: int  # int32: characters of the words before each
    counts: int  # int32: words with an id
    chars: int  # int32: characters of an id
    traits: int  # int32: flags of an id
    lowered_hash: int  # uint64: hash of an id in lower case
    positions: int  # int32: where n-grams are still repeated
    groups: int  # int32: their numbers
    fresh: int  # int32: their numbers one n later
    tally: int  # int32: how often each occurs; also histograms
    hits: int  # int32: position * 2 + kind of each phrase found
    buffer: int  # uint8: a word in lower case, or a phrase
    filter: int  # uint8: two bitmaps of hashes
    keep: int  # (32,) uint8: `thresher.text.digests.KEEP`


def make_room(longest: int) -> Held[Room]:
    """Allocate scratch for rows of up to `longest` bytes."""
    words = longest // 2 + 16
    stride = longest // 64 + 4
    slots = 64
    while slots < 2 * longest + 64:
        slots *= 2
    text = np.empty(longest + 4 * MARGIN, np.uint8)
    text[:MARGIN] = 0
    arrays: list[Any] = [
        text,
        np.empty(len(PLANES) * stride, np.uint64),
        np.zeros(2 * slots, np.uint64),
        np.zeros(1, np.int64),
        *(np.empty(words, np.int32) for _ in range(7)),
        np.empty(words, np.uint64),
        *(np.empty(longest + 64, np.int32) for _ in range(4)),
        np.empty(words, np.int32),
        np.empty(3 * longest // 2 + 4 * MARGIN, np.uint8),
        np.empty(8 * (longest + 64), np.uint8),
        KEEP.copy(),
    ]
    places = [address(array) for array in arrays]
    places[0] += MARGIN
    return Held(Room._make([*places[:2], stride, *places[2:]]), tuple(arrays))


@inlined
def add(tally: Any, counter: Any, value: Any) -> None:
    """Add to a counter of the row."""
    set_i64(tally, counter, i64_at(tally, counter) + value)


@inlined
def plane(room: Any, number: Any) -> Any:
    """Return the address of a plane of bits."""
    return room.planes + 8 * number * room.stride


@inlined
def bit(bits: Any, position: Any) -> Any:
    """Return one bit of a plane."""
    return np.int64(u64_at(bits, position >> 6) >> np.uint64(position & 63)) & 1


@inlined
def next_generation(room: Any) -> Any:
    """Empty the table: what it holds from here on is of a new generation, which is returned."""
    generation = i64_at(room.generation, 0) + 1
    set_i64(room.generation, 0, generation)
    return generation


@inlined
def seek(slots: Any, mask: Any, generation: Any, key: Any, start: Any) -> Any:
    """Return (slot, number) of a key; number -1 where the slot is free for it."""
    at = start & mask
    while True:
        entry = u64_at(slots, 2 * at + 1)
        if np.int64(entry >> np.uint64(32)) != generation:
            return at, np.int64(-1)
        if u64_at(slots, 2 * at) == key:
            return at, np.int64(entry & np.uint64(0xFFFFFFFF))
        at = (at + 1) & mask


@inlined
def table_mask(entries: Any) -> Any:
    """Return the mask of a table with room for `entries`."""
    size = np.int64(16)
    while size < 2 * entries:
        size *= 2
    return size - 1
