"""Where the words of a scanned text begin and end, 64 bytes at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.signals import counters as n
from thresher.signals.counters import bit, plane
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import set_u32, set_u64, trailing_zeros, u8_at, u64_at

_U, _I = np.uint64, np.int64
_ONE, _NONE = _U(1), _U(0)


@inlined
def _mark(bits: Any, position: Any, width: Any) -> None:
    for index in range(position, position + width):
        set_u64(bits, index >> 6, u64_at(bits, index >> 6) | _ONE << _U(index & 63))


@kernel
def join_apostrophes(room: Any, num_blocks: Any) -> None:
    """Make apostrophes between word characters part of the word."""
    word, quote = plane(room, n.WORD), plane(room, n.QUOTE)
    tail, lone = plane(room, n.TAIL), plane(room, n.LONE)
    for block in range(num_blocks):
        quotes = u64_at(quote, block)
        while quotes:
            position = (block << 6) + trailing_zeros(quotes)
            quotes &= quotes - _ONE
            following = position + (1 if u8_at(room.text, position) < 0x80 else 3)
            if (
                position > 0
                and bit(word, position - 1)
                and not bit(tail, position)
                and bit(word, following)
                and not bit(lone, following)
            ):
                _mark(word, position, following - position)


@kernel
def find_words(room: Any, num_blocks: Any) -> Any:
    """Write where words begin and end, and the plane of beginnings; return their number."""
    word, start = plane(room, n.WORD), plane(room, n.START)
    tail, lone = plane(room, n.TAIL), plane(room, n.LONE)
    num_begins, num_ends, carry = _I(0), _I(0), _NONE
    for block in range(num_blocks + 1):
        bits = u64_at(word, block) if block < num_blocks else _NONE
        inside = bits << _ONE | carry
        split = _NONE
        if block < num_blocks:
            split = (u64_at(tail, block) & bits | u64_at(lone, block)) & inside
        carry = bits >> _U(63)
        begins = bits & ~inside | split
        set_u64(start, block, begins)
        while begins:
            set_u32(room.begins, num_begins, (block << 6) + trailing_zeros(begins))
            num_begins += 1
            begins &= begins - _ONE
        ends = ~bits & inside | split
        while ends:
            set_u32(room.ends, num_ends, (block << 6) + trailing_zeros(ends))
            num_ends += 1
            ends &= ends - _ONE
    return num_begins
