"""Keys of n-grams, pairs and sets of numbers, and the tables that map keys to entries.

An entry is a place in the stored tokens: `position << 2 | distance`, distance 0 for the n-gram that
begins there, 1 for one that counts only where its whole sub-item follows; for pairs, how far
behind the first token the second is, 1 to 3. A table has four
arrays: `slots` (open addressing: 0 is free, else where the key's postings begin, plus 1), `tags`
(8 bits of each slot's key, 0 where it is free), `postings` (`entry << 1 | last`: the last one of a
key is marked) and `bloom` (two bits of one word a key). The bloom ends most look-ups and the tags
nearly all others, so that stored tokens are read for true hits only. Keys are not stored: a key is
compared by the tokens of its first entry, so two keys of one hash never mix.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.text.kernel import inlined

_U, _I = np.uint64, np.int64
BASE = 0x9E3779B97F4A7C15  # odd: of the polynomial over an n-gram's token hashes
_BASE, _MIX_A, _MIX_B = _U(BASE), _U(0xD6E8FEB86659FD93), _U(0xC2B2AE3D27D4EB4F)
_PAIR, _SIX, _63, _LOW = _U(0x27D4EB2F165667C5), _U(6), _U(63), _U(0xFFFFFFFF)
_64, _TOKEN_SHIFT = _U(64), _U(20)
GONE = 0xFFFFFFFF  # of a slot, while a table is made: a key without postings
_TAG_SHIFT, _TAG_MASK = _U(12), _U(0xFF)  # above the bits that choose those of the bloom
REACH = 3  # tokens between the first and the second of a pair, at most
TOKENS_LIMIT = 1 << 29  # an entry and its mark fit in 32 bits


def power(n: int) -> np.uint64:
    """Return BASE^n, which removes the oldest of n tokens from a rolling sum."""
    return np.uint64(pow(BASE, n, 1 << 64))


@inlined
def roll(total: Any, value: Any) -> Any:
    """Take one more token hash into a rolling sum."""
    return total * _BASE + value


@inlined
def mixed(total: Any) -> Any:
    """Spread a rolling sum (or a sum of hashes) over 64 bits."""
    total = (total ^ (total >> _U(32))) * _MIX_A
    return total ^ (total >> _U(29))


@inlined
def spread(value: Any) -> Any:
    """Return a token hash as it goes into the key of a pair: the sum of two is mixed."""
    return (value ^ (value >> _U(31))) * _PAIR


@inlined
def pair_key(a: Any, b: Any) -> Any:
    """Return the same key for (a, b) and (b, a)."""
    return mixed(spread(a) + spread(b))


@inlined
def slot_of(key: Any, num_slots: Any) -> Any:
    """Return where a key's search begins."""
    value = key * _MIX_B
    value = (value ^ (value >> _U(32))) & _LOW
    return _I((value * _U(num_slots)) >> _U(32))


@inlined
def tag_of(key: Any) -> Any:
    """Return a few bits of a key, never 0, that tell most others of its slots apart."""
    tag = (key >> _TAG_SHIFT) & _TAG_MASK
    return np.uint8(tag if tag != 0 else 1)


@inlined
def slot_after(slot: Any, num_slots: Any) -> Any:
    """Return where a search goes on."""
    return slot + 1 if slot + 1 < num_slots else 0


@inlined
def _word_of(bloom: Any, key: Any) -> Any:
    return ((key >> _U(32)) * _U(bloom.shape[0])) >> _U(32)


@inlined
def maybe(bloom: Any, key: Any) -> Any:
    """Tell whether a key may be in a table."""
    word = bloom[_word_of(bloom, key)]
    return (word >> (key & _63)) & (word >> ((key >> _SIX) & _63)) & _U(1) != _U(0)


@inlined
def mark(bloom: Any, key: Any) -> None:
    """Enter a key."""
    bits = (_U(1) << (key & _63)) | (_U(1) << ((key >> _SIX) & _63))
    place = _word_of(bloom, key)
    bloom[place] = bloom[place] | bits


@inlined
def _bit_of(bits: Any, value: Any) -> Any:
    return (value >> _TOKEN_SHIFT) & (_U(bits.shape[0]) * _64 - _U(1))


@inlined
def token_bit(bits: Any, value: Any) -> Any:
    """Return the bit of a token in a bitmap of tokens, a power of two of words."""
    bit = _bit_of(bits, value)
    return (bits[bit >> _SIX] >> (bit & _63)) & _U(1)


@inlined
def set_token_bit(bits: Any, value: Any) -> None:
    """Enter a token into a bitmap of tokens."""
    bit = _bit_of(bits, value)
    bits[bit >> _SIX] |= _U(1) << (bit & _63)


@inlined
def item_at(position: Any, blocks: Any, offsets: Any) -> Any:
    """Return the item that a stored token belongs to."""
    item = _I(blocks[position >> 5])
    while offsets[item + 1] <= position:
        item += 1
    return item


@inlined
def same_gram(terms: Any, term_hash: Any, position: Any, hashes: Any, start: Any, n: Any) -> Any:
    """Tell whether n stored tokens are those of a text."""
    for k in range(n):
        if term_hash[terms[position + k]] != hashes[start + k]:
            return False
    return True


def room(count: int, per_key: float, least: int = 16) -> int:
    """Return the power of two that is at least `count * per_key`."""
    return 1 << max(least.bit_length() - 1, int(np.ceil(np.log2(max(count * per_key, 1)))))
