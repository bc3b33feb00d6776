"""Unicode composition inside kernels: does a character stay in NFC, and the NFC of a whole text.

`stays_composed` may say no to a text that is in NFC already (then composing it changes nothing),
never yes to one that is not. `compose_text` works from one boundary to the next: a character that
neither joins nor reorders with what is before it. `tables` holds addresses of the arrays of
`thresher.text.tables.Tables`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.text import tables as t
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import i32_at, i64_at, set_u32, u8_at, u16_at
from thresher.text.utf8 import decode, encode

_S, _L, _V, _T, _N = 0xAC00, 0x1100, 0x1161, 0x11A7, 11172
_NONE = np.int64(-1)
_MAX_INSERTION = (
    24  # marks; longer runs are sorted class by class, so that no text takes quadratic time
)
_NUM_CLASSES = 256


@kernel
def compose_pair(tables: Any, first: Any, second: Any) -> Any:
    """Return the primary composite of two code points, or -1."""
    if _L <= first < _L + 19 and _V <= second < _V + 21:
        return _S + ((first - _L) * 21 + second - _V) * 28
    if _S <= first < _S + _N and (first - _S) % 28 == 0 and _T < second < _T + 28:
        return first + second - _T
    key = first << 21 | second
    low, high = np.int64(0), tables.num_pairs
    while low < high:
        middle = (low + high) >> 1
        if i64_at(tables.pair_keys, middle) < key:
            low = middle + 1
        else:
            high = middle
    if low < tables.num_pairs and i64_at(tables.pair_keys, low) == key:
        return i32_at(tables.pair_values, low)
    return _NONE


@inlined
def stays_composed(tables: Any, code_point: Any, flags: Any, starter: Any, last_class: Any) -> Any:
    """Tell whether a character with NFC flags surely stays as it is after `starter` (or -1)."""
    combining = u8_at(tables.combining, code_point)
    if flags & t.NOT_NFC or (combining and last_class > combining):
        return False
    if flags & t.BLOCKS_BACK and combining == 0:
        return False
    if flags & t.JOINS_BACK and starter >= 0:
        if (flags | u8_at(tables.info, starter)) & t.COMPOSITE:
            return False
        return compose_pair(tables, starter, code_point) < 0
    return True


@kernel
def _append_decomposed(tables: Any, code_point: Any, parts: Any, count: Any) -> Any:
    if _S <= code_point < _S + _N:
        index = code_point - _S
        tail = index % 28
        set_u32(parts, count, _L + index // 588)
        set_u32(parts, count + 1, _V + index % 588 // 28)
        set_u32(parts, count + 2, _T + tail)
        return count + (3 if tail else 2)
    entry = u16_at(tables.decomposition, code_point)
    if entry == 0:
        set_u32(parts, count, code_point)
        return count + 1
    begin, end = i32_at(tables.parts_start, entry), i32_at(tables.parts_start, entry + 1)
    for index in range(end - begin):
        set_u32(parts, count + index, i32_at(tables.parts, begin + index))
    return count + end - begin


@kernel
def _sort_marks(tables: Any, parts: Any, first: Any, end: Any, spare: Any) -> None:
    """Sort parts first to end, all marks, by class, stably; `spare` is as much free room."""
    if end - first <= _MAX_INSERTION:
        for index in range(first + 1, end):
            mark = i32_at(parts, index)
            mark_class = u8_at(tables.combining, mark)
            place = index
            while place > first and u8_at(tables.combining, i32_at(parts, place - 1)) > mark_class:
                set_u32(parts, place, i32_at(parts, place - 1))
                place -= 1
            set_u32(parts, place, mark)
        return
    for index in range(end - first):
        set_u32(spare, index, i32_at(parts, first + index))
    place = first
    for mark_class in range(1, _NUM_CLASSES):
        for index in range(end - first):
            mark = i32_at(spare, index)
            if u8_at(tables.combining, mark) == mark_class:
                set_u32(parts, place, mark)
                place += 1


@kernel
def _compose_parts(tables: Any, parts: Any, count: Any) -> Any:
    """Order and compose a decomposed segment in place; return its new length."""
    index = np.int64(0)
    while index < count:
        begin = index
        while index < count and u8_at(tables.combining, i32_at(parts, index)):
            index += 1
        if index - begin > 1:
            _sort_marks(tables, parts, begin, index, parts + 4 * count)
        index += 1
    kept, last_class = np.int64(0), np.int64(0)
    starter = _NONE
    for source in range(count):
        code_point = i32_at(parts, source)
        combining = u8_at(tables.combining, code_point)
        if starter >= 0 and (starter == kept - 1 or last_class < combining):
            joined = compose_pair(tables, i32_at(parts, starter), code_point)
            if joined >= 0:
                set_u32(parts, starter, joined)
                continue
        if combining == 0:
            starter = kept
        last_class = combining
        set_u32(parts, kept, code_point)
        kept += 1
    return kept


@kernel
def compose_text(tables: Any, address: Any, length: Any, target: Any, parts: Any) -> Any:
    """Write the NFC of a text to `target`; return its bytes, or -1 where it is not UTF-8.

    Args:
        tables: Addresses of the Unicode tables.
        address: The text.
        length: Its bytes.
        target: Room for 3 * `length` + 4 bytes.
        parts: Room for 3 * `length` + 8 code points.
    """
    end = address + length
    begin = target
    count = np.int64(0)  # of decomposed parts in the segment
    lone = _NONE  # a boundary character that nothing has joined yet
    while True:
        code_point, width = _NONE, np.int64(0)
        if address < end:
            code_point, width, _ = decode(address, end)
            if width == 0:
                return _NONE
            address += width
        if code_point >= 0 and u8_at(tables.info, code_point) & t.NFC_MASK:
            if lone >= 0:
                count = _append_decomposed(tables, lone, parts, count)
                lone = _NONE
            count = _append_decomposed(tables, code_point, parts, count)
            continue
        if lone >= 0:
            set_u32(parts, 0, lone)
            count = np.int64(1)
        elif count:
            count = _compose_parts(tables, parts, count)
        for index in range(count):
            raw, width = encode(i32_at(parts, index))
            set_u32(target, 0, raw)
            target += width
        count = np.int64(0)
        lone = code_point
        if code_point < 0:
            return target - begin
