"""Unicode composition inside kernels: is a character in place for NFC, and the NFC of a text that is not.

`stays_composed` may say no to a text that is in NFC already (then composing it changes nothing), never yes to one that is not.
`compose_text` works from one boundary to the next: a character that neither joins nor reorders with what is before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.text import tables as t
from thresher.text.kernel import inlined
from thresher.text.machine import store_u32
from thresher.text.utf8 import decode, encode

_S, _L, _V, _T, _N = 0xAC00, 0x1100, 0x1161, 0x11A7, 11172
_MAX_INSERTION = 24  # marks; longer runs are sorted by counting, so that no text takes quadratic time


@inlined
def _pair(tables: Any, first: Any, second: Any) -> Any:
    """Return the primary composite of two code points, or -1."""
    if _L <= first < _L + 19 and _V <= second < _V + 21:
        return _S + ((first - _L) * 21 + second - _V) * 28
    if _S <= first < _S + _N and (first - _S) % 28 == 0 and _T < second < _T + 28:
        return first + second - _T
    key = first << 21 | second
    low, high = 0, tables.pair_keys.size
    while low < high:
        middle = (low + high) >> 1
        if tables.pair_keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    if low < tables.pair_keys.size and tables.pair_keys[low] == key:
        return np.int64(tables.pair_values[low])
    return np.int64(-1)


@inlined
def stays_composed(tables: Any, code_point: Any, flags: Any, starter: Any, last_class: Any) -> Any:
    """Tell whether a character with NFC flags surely stays as it is after `starter` (-1: none) and marks."""
    combining = np.int64(tables.combining[code_point])
    if flags & t.NOT_NFC or (combining and last_class > combining):
        return False
    if flags & t.BLOCKS_BACK and combining == 0:
        return False
    if flags & t.JOINS_BACK and starter >= 0:
        if (flags | tables.info[starter]) & t.COMPOSITE:
            return False
        return _pair(tables, starter, code_point) < 0
    return True


@inlined
def _append_decomposed(tables: Any, code_point: Any, parts: Any, count: Any) -> Any:
    if _S <= code_point < _S + _N:
        index = code_point - _S
        parts[count] = _L + index // 588
        parts[count + 1] = _V + index % 588 // 28
        parts[count + 2] = _T + index % 28
        return count + 2 + (index % 28 != 0)
    entry = tables.decomposition[code_point]
    if entry == 0:
        parts[count] = code_point
        return count + 1
    for source in range(tables.parts_start[entry], tables.parts_start[entry + 1]):
        parts[count] = tables.parts[source]
        count += 1
    return count


@inlined
def _sort_marks(tables: Any, parts: Any, first: Any, end: Any) -> Any:
    """Sort parts[first:end], all marks, by combining class, stably."""
    combining = tables.combining
    if end - first <= _MAX_INSERTION:
        for index in range(first + 1, end):
            mark = parts[index]
            place = index
            while place > first and combining[parts[place - 1]] > combining[mark]:
                parts[place] = parts[place - 1]
                place -= 1
            parts[place] = mark
        return
    places = np.zeros(257, np.int64)
    for index in range(first, end):
        places[np.int64(combining[parts[index]]) + 1] += 1
    for index in range(256):
        places[index + 1] += places[index]
    unsorted = parts[first:end].copy()
    for index in range(unsorted.size):
        mark_class = np.int64(combining[unsorted[index]])
        parts[first + places[mark_class]] = unsorted[index]
        places[mark_class] += 1


@inlined
def _compose_parts(tables: Any, parts: Any, count: Any) -> Any:
    """Order and compose a decomposed segment in place; return its new length."""
    index = 0
    while index < count:
        begin = index
        while index < count and tables.combining[parts[index]]:
            index += 1
        if index - begin > 1:
            _sort_marks(tables, parts, begin, index)
        index += 1
    kept = 0
    starter = np.int64(-1)
    last_class = np.int64(0)
    for source in range(count):
        code_point = np.int64(parts[source])
        combining = np.int64(tables.combining[code_point])
        if starter >= 0 and (starter == kept - 1 or last_class < combining):
            joined = _pair(tables, np.int64(parts[starter]), code_point)
            if joined >= 0:
                parts[starter] = joined
                continue
        if combining == 0:
            starter = kept
        last_class = combining
        parts[kept] = code_point
        kept += 1
    return kept


@inlined
def compose_text(tables: Any, address: Any, length: Any, target: Any, parts: Any) -> Any:
    """Write the NFC of a text to `target`; return its bytes, or -1 where it is not UTF-8.

    Args:
        tables: `thresher.text.tables.Tables`.
        address: The text.
        length: Its bytes.
        target: Room for 3 * `length` + 4 bytes.
        parts: Room for 2 * `length` + 8 code points.
    """
    end = address + length
    begin = target
    count = 0  # of decomposed parts in the segment
    lone = np.int64(-1)  # a boundary character that nothing has joined yet
    while True:
        code_point, width = np.int64(-1), 0
        if address < end:
            code_point, width, _ = decode(address, end)
            if width == 0:
                return -1
            address += width
        if code_point < 0 or (tables.info[code_point] & t.NFC_MASK) == 0:
            if lone >= 0:
                raw, width = encode(lone)
                store_u32(target, raw)
                target += width
            count = _compose_parts(tables, parts, count)
            for index in range(count):
                raw, width = encode(np.int64(parts[index]))
                store_u32(target, raw)
                target += width
            count = 0
            lone = code_point
            if code_point < 0:
                return target - begin
            continue
        if lone >= 0:
            count = _append_decomposed(tables, lone, parts, count)
            lone = np.int64(-1)
        count = _append_decomposed(tables, code_point, parts, count)
