"""Repetition inside an answer, whatever its units: runs of words, and what could be copied.

Shapes: T texts, W words.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.signals.spans import Spans
from thresher.text import tables as t
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import i32_at, i64_at, set_i64, set_u64, u8_at, u64_at
from thresher.text.scratch import address, table_addresses

Column = np.ndarray[Any, Any]
MAX_PERIOD = 8  # words of the longest n-gram whose runs are found
MIN_COPY, COPY_COST, COPY_STEP = 4, 3, 255  # bytes: see `copied`
TABLE_BITS = 16
_U = np.uint64
_PRIME, _SEED = _U(0x100000001B3), _U(0xCBF29CE484222325)
COPY_FACTOR = 2654435761  # spreads 4 bytes over the table


class Echoes(NamedTuple):
    """(T,) figures of each text.

    Args:
        ngram_run: Most copies of one n-gram (1 to 8 words) in a row; 0 for a text without words.
        ngram_run_words: Words of the longest such run of two or more copies.
        copy_cost: Bytes after replacing repeats by references: see `copied`.
        longest_copy: Bytes of the longest stretch that stood earlier in the text.
    """

    ngram_run: Column
    ngram_run_words: Column
    copy_cost: Column
    longest_copy: Column


def read_echoes(texts: Spans) -> Echoes:
    """Find the repeats of each text, in time linear in its length."""
    count = len(texts.starts)
    found = np.zeros((4, count), np.int64)
    run, run_words, cost, longest = found
    tables = table_addresses()
    words = np.empty(int(texts.lengths.max(initial=0)) + 2, np.uint64)
    data = address(texts.data)
    info, lower = tables.addresses.info, tables.addresses.lower
    _runs(data, texts.starts, texts.ends, info, lower, address(words), run, run_words)
    table = np.full(1 << TABLE_BITS, -1, np.int64)
    _copies(data, texts.starts, texts.ends, address(table), cost, longest)
    return Echoes(run, run_words, cost, longest)


@inlined
def _decode(data: Any, at: Any) -> Any:
    """Return the code point at `at` of well-formed UTF-8, and its bytes."""
    first = u8_at(data, at)
    if first < 0x80:
        return first, 1
    second = u8_at(data, at + 1) & 0x3F
    if first < 0xE0:
        return (first & 0x1F) << 6 | second, 2
    third = u8_at(data, at + 2) & 0x3F
    if first < 0xF0:
        return (first & 0x0F) << 12 | second << 6 | third, 3
    return (first & 0x07) << 18 | second << 12 | third << 6 | u8_at(data, at + 3) & 0x3F, 4


@kernel
def _read_words(data: Any, begin: Any, end: Any, info: Any, lower: Any, words: Any) -> Any:
    """Write the hashes of a text's words, in lower case; return their number."""
    count = np.int64(0)
    kind = np.int64(t.CLASS_SEP)
    hashed = _SEED
    while begin < end:
        code_point, width = _decode(data, begin)
        begin += width
        char_class = u8_at(info, code_point) & t.CLASS_MASK
        if char_class == t.CLASS_SEP:
            kind = np.int64(t.CLASS_SEP)
            continue
        starts = char_class == t.CLASS_UNSPACED or kind == t.CLASS_SEP
        if starts or (char_class == t.CLASS_RUN and kind == t.CLASS_UNSPACED):
            kind = np.int64(t.CLASS_RUN)
            if char_class == t.CLASS_UNSPACED:
                kind = np.int64(t.CLASS_UNSPACED)
            hashed = _SEED
            count += 1
        hashed = (hashed ^ _U(i32_at(lower, code_point))) * _PRIME
        set_u64(words, count - 1, hashed)
    return count


@kernel
def _runs(
    data: Any, starts: Any, ends: Any, info: Any, lower: Any, words: Any, runs: Any, widths: Any
) -> None:
    for text in range(len(starts)):
        count = _read_words(data, starts[text], ends[text], info, lower, words)
        most, widest = min(count, 1), np.int64(0)
        for period in range(1, min(MAX_PERIOD, count - 1) + 1):
            same = np.int64(0)
            for place in range(period, count):
                if u64_at(words, place) != u64_at(words, place - period):
                    same = np.int64(0)
                    continue
                same += 1
                if same >= period:
                    most = max(most, same // period + 1)
                    widest = max(widest, same + period)
        runs[text], widths[text] = most, widest


@kernel
def _copies(data: Any, starts: Any, ends: Any, table: Any, costs: Any, copies: Any) -> None:
    """Replace, from left to right, each stretch of 4 bytes or more by a reference to where its
    beginning stood last: a reference costs 3 bytes and one more for every 255, the rest itself."""
    for text in range(len(starts)):
        begin, end = starts[text], ends[text]
        cost, longest = np.int64(0), np.int64(0)
        at = begin
        while at < end:
            length = np.int64(0)
            if at + MIN_COPY <= end:
                slot = _slot(data, at)
                source = i64_at(table, slot)
                set_i64(table, slot, at)
                if source >= begin:  # else it is of an earlier text
                    while at + length < end and u8_at(data, source + length) == u8_at(
                        data, at + length
                    ):
                        length += 1
            if length < MIN_COPY:
                cost += 1
                at += 1
                continue
            cost += COPY_COST + length // COPY_STEP
            longest = max(longest, length)
            for place in range(at + 1, min(at + length, end - MIN_COPY + 1)):
                set_i64(table, _slot(data, place), place)
            at += length
        costs[text] = min(cost, end - begin)
        copies[text] = longest


@inlined
def _slot(data: Any, at: Any) -> Any:
    word = u8_at(data, at) | u8_at(data, at + 1) << 8 | u8_at(data, at + 2) << 16
    word |= u8_at(data, at + 3) << 24
    return (word * COPY_FACTOR) >> (32 - TABLE_BITS) & ((1 << TABLE_BITS) - 1)
