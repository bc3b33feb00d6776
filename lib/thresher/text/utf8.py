"""UTF-8 inside kernels: decode one character with full checks, encode one, and check a whole text.

A decoded character is (code point, bytes, raw bytes as a little-endian integer); zero bytes mean
ill-formed: overlong forms, surrogates, stray or missing continuation bytes, and anything above
U+10FFFF. Nothing beyond `end` is ever read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.text.kernel import inlined
from thresher.text.machine import trailing_zeros, u8_at, u64_at

_HIGH_BITS = np.uint64(0x8080808080808080)
_NONE = np.uint64(0)


@inlined
def decode(address: Any, end: Any) -> Any:
    """Decode the character at `address`, of a text that ends before `end`."""
    b0 = u8_at(address, 0)
    if b0 < 0x80:
        return b0, 1, b0
    if b0 >= 0xE0 and b0 < 0xF0:
        if address + 3 > end:
            return 0, 0, 0
        b1, b2 = u8_at(address, 1), u8_at(address, 2)
        code_point = (b0 & 0x0F) << 12 | (b1 & 0x3F) << 6 | (b2 & 0x3F)
        continued = (b1 & 0xC0) == 0x80 and (b2 & 0xC0) == 0x80
        if not continued or code_point < 0x800 or (code_point & 0xF800) == 0xD800:
            return 0, 0, 0
        return code_point, 3, b0 | b1 << 8 | b2 << 16
    if b0 < 0xE0:
        if b0 < 0xC2 or address + 2 > end:
            return 0, 0, 0
        b1 = u8_at(address, 1)
        if (b1 & 0xC0) != 0x80:
            return 0, 0, 0
        return (b0 & 0x1F) << 6 | (b1 & 0x3F), 2, b0 | b1 << 8
    if b0 >= 0xF5 or address + 4 > end:
        return 0, 0, 0
    b1, b2, b3 = u8_at(address, 1), u8_at(address, 2), u8_at(address, 3)
    code_point = (b0 & 0x07) << 18 | (b1 & 0x3F) << 12 | (b2 & 0x3F) << 6 | (b3 & 0x3F)
    continued = (b1 & 0xC0) == 0x80 and (b2 & 0xC0) == 0x80 and (b3 & 0xC0) == 0x80
    if not continued or code_point < 0x10000 or code_point > 0x10FFFF:
        return 0, 0, 0
    return code_point, 4, b0 | b1 << 8 | b2 << 16 | b3 << 24


@inlined
def encode(code_point: Any) -> Any:
    """Return (raw bytes as a little-endian integer, bytes) of a code point."""
    if code_point < 0x80:
        return code_point, 1
    tail = 0x80 | (code_point & 0x3F)
    if code_point < 0x800:
        return 0xC0 | code_point >> 6 | tail << 8, 2
    middle = 0x80 | (code_point >> 6 & 0x3F)
    if code_point < 0x10000:
        return 0xE0 | code_point >> 12 | middle << 8 | tail << 16, 3
    upper = 0x80 | (code_point >> 12 & 0x3F)
    return 0xF0 | code_point >> 18 | upper << 8 | middle << 16 | tail << 24, 4


@inlined
def well_formed(address: Any, length: Any) -> Any:
    """Tell whether a text is well-formed UTF-8."""
    end = address + length
    while address < end:
        if address + 8 <= end:
            high = u64_at(address, 0) & _HIGH_BITS
            while high == _NONE and address + 40 <= end:
                address += 32
                first, second = u64_at(address, -3) | u64_at(address, -2), u64_at(address, -1)
                if (first | second) & _HIGH_BITS:
                    address -= 24
                high = u64_at(address, 0) & _HIGH_BITS
            address += trailing_zeros(high) >> 3
            if high == _NONE:
                continue
        _, width, _ = decode(address, end)
        if width == 0:
            return False
        address += width
    return True
