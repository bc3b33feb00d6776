"""Which rows of a leaf are drawn: the first in an order that only seed and content decide.

A row's key is 192 bits: 128 of its content, hashed with the seed, then its document id, so that
copies are drawn one by one. The rows drawn are those whose keys lie below a bound, so a smaller
draw is part of a larger one. The bound is found digit by digit: counts of rows and tokens by a few
bits of the key say inside which digit it lies, until the rows that share all digits so far are few.

Shapes: R rows, B digits that occur.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.mixing.content import mixed, salts

Column = np.ndarray[Any, Any]
Key = tuple[int, int, int]
_U = np.uint64
FIRST_BITS, NEXT_BITS = 8, 14  # 8 + 4 * 14 = 64: a digit never spans two words
_SHIFTS = (56, 42, 28, 14, 0)
NUM_DIGITS = 3 * len(_SHIFTS)


def drawing_keys(content: Column, ids: Column, seed: int) -> Column:
    """Return the (R, 3) uint64 keys of rows.

    Args:
        content: (R, 2) uint64 hashes of the rows' content.
        ids: (R,) uint64 document ids.
        seed: Other seeds, other orders.
    """
    keys = np.empty((len(ids), 3), _U)
    keys[:, :2] = mixed(content + np.array(salts(f"seed {seed}"), _U))
    keys[:, 2] = ids
    return keys


def below(keys: Column, bound: Key) -> Column:
    """(R,) whether keys lie below a bound, word by word."""
    first, second, third = (keys[:, word] for word in range(3))
    a, b, c = (_U(word) for word in bound)
    found: Column = (first < a) | ((first == a) & ((second < b) | ((second == b) & (third < c))))
    return found


class Prefix(NamedTuple):
    """The first digits of keys.

    Args:
        digits: How many.
        key: Their bits, all others 0.
    """

    digits: int = 0
    key: Key = (0, 0, 0)

    def then(self, digit: int) -> Prefix:
        """Return the prefix with one digit more."""
        word, place = divmod(self.digits, len(_SHIFTS))
        words = list(self.key)
        words[word] |= digit << _SHIFTS[place]
        return Prefix(self.digits + 1, (words[0], words[1], words[2]))

    def begins(self, keys: Column) -> Column:
        """(R,) whether keys begin with it."""
        found: Column = np.ones(len(keys), bool)
        for number, word in enumerate(self.key):
            known = min(max(self.digits - number * len(_SHIFTS), 0), len(_SHIFTS))
            if known:
                shift = _U(_SHIFTS[known - 1])
                found &= keys[:, number] >> shift == _U(word) >> shift
        return found


def digit_of(keys: Column, digits: int) -> Column:
    """Return the (R,) int64 digit of keys that comes after so many."""
    word, place = divmod(digits, len(_SHIFTS))
    bits = FIRST_BITS if place == 0 else NEXT_BITS
    return ((keys[:, word] >> _U(_SHIFTS[place])) & _U((1 << bits) - 1)).astype(np.int64)


class Border(NamedTuple):
    """Where a draw ends.

    Args:
        digit: The digit inside which it does.
        rows: Rows below that digit.
        tokens: Their tokens.
        inside: Rows of the digit.
    """

    digit: int
    rows: int
    tokens: int
    inside: int


def find_border(digits: Column, rows: Column, tokens: Column, amount: Column, rest: int) -> Border:
    """Find the digit in which the largest prefix that does not exceed `rest` ends.

    Args:
        digits: (B,) the digits that occur, ascending.
        rows: (B,) rows of each.
        tokens: (B,) their tokens.
        amount: `rows` or `tokens`, which the draw counts by.
        rest: Less than all.
    """
    place = int(np.searchsorted(np.cumsum(amount), rest, side="right"))
    before = slice(0, place)
    return Border(
        int(digits[place]), int(rows[before].sum()), int(tokens[before].sum()), int(rows[place])
    )


class Drawn(NamedTuple):
    """The end of a draw: the first key that is not drawn, and what lies below it."""

    bound: Key
    rows: int
    tokens: int


def draw(keys: Column, tokens: Column, by_tokens: bool, rest: int) -> Drawn:
    """Draw the largest prefix of some rows, by their keys, that does not exceed `rest`.

    Args:
        keys: (R, 3) uint64.
        tokens: (R,) int64 tokens of each row.
        by_tokens: Whether `rest` counts tokens; else it counts rows.
        rest: Less than all.
    """
    order = np.lexsort((keys[:, 2], keys[:, 1], keys[:, 0]))
    if by_tokens:
        taken = int(np.searchsorted(np.cumsum(tokens[order]), rest, side="right"))
    else:
        taken = rest
    first, second, third = (int(word) for word in keys[order[taken]])
    return Drawn((first, second, third), taken, int(tokens[order[:taken]].sum()))
