"""Which numbers of a problem stand as others in a text.

The words of a sub-item and of the window that holds most of them are laid side by side (a longest
common subsequence). Between two neighbouring common words, a number of the sub-item that the text
does not have there, where the text has one that the sub-item does not have, is another number: 5
friends where the problem has 8. One that is left out, put in or replaced by a word is not.

Shapes: C pairs, L tokens of a sub-item, W tokens of a window, N numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thresher.leaks.items import Numbers
from thresher.leaks.scan import frozen
from thresher.text.kernel import inlined, kernel

if TYPE_CHECKING:
    from thresher.leaks.scan import Pairs
    from thresher.leaks.tokens import Tokens

Column = np.ndarray[Any, Any]
_I = np.int64
_UP, _LEFT, _SAME = 0, 1, 2


@kernel
def align(own: Column, text: Column, best: Column, steps: Column, places: Column) -> None:
    """Lay two texts side by side; L x W steps.

    Args:
        own, text: (L,) and (W,) token hashes.
        best: (W + 1,) scratch.
        steps: (L * W,) scratch.
        places: (L,) gets the place in `text` of each token of `own`, -1 for none; ascending.
    """
    num, size = own.shape[0], text.shape[0]
    best[: size + 1] = 0
    for i in range(num):
        diagonal = _I(0)
        for j in range(size):
            above = best[j + 1]
            if own[i] == text[j]:
                best[j + 1] = diagonal + 1
                steps[i * size + j] = _SAME
            elif above >= best[j]:
                steps[i * size + j] = _UP
            else:
                best[j + 1] = best[j]
                steps[i * size + j] = _LEFT
            diagonal = above
    places[:num] = -1
    i, j = num - 1, size - 1
    while i >= 0 and j >= 0:
        step = steps[i * size + j]
        if step == _SAME:
            places[i] = j
            i, j = i - 1, j - 1
        elif step == _UP:
            i -= 1
        else:
            j -= 1


@inlined
def _others(own: Any, begin: Any, end: Any, keys: Any, start: Any, stop: Any, used: Any) -> Any:
    """Count numbers of a sub-item that a stretch lacks and has others for."""
    used[: stop - start] = 0
    missing, equal = end - begin, _I(0)
    for a in range(begin, end):
        for b in range(stop - start):
            if not used[b] and keys[start + b] == own[a]:
                used[b] = 1
                equal += 1
                break
    return min(missing, stop - start) - equal


@kernel
def _count(
    own: Any,
    own_numbers: Any,
    items: Column,
    tokens: Any,
    numbers: Any,
    segments: Column,
    firsts: Column,
    lasts: Column,
    best: Column,
    steps: Column,
    places: Column,
    used: Column,
    found: Column,
) -> None:
    for pair in range(items.shape[0]):
        item, segment, first = items[pair], segments[pair], firsts[pair]
        words = own.hashes[own.offsets[item] : own.offsets[item + 1]]
        base = tokens.offsets[segment]
        text = tokens.hashes[base + first : base + lasts[pair] + 1]
        align(words, text, best, steps, places)
        at, stop = own_numbers.offsets[item], own_numbers.offsets[item + 1]
        other, end = numbers.offsets[segment], numbers.offsets[segment + 1]
        while other < end and numbers.places[other] < first:
            other += 1
        while end > other and numbers.places[end - 1] > lasts[pair]:
            end -= 1
        for i in range(words.shape[0] + 1):
            if i < words.shape[0] and places[i] < 0:
                continue
            border = places[i] if i < words.shape[0] else text.shape[0]
            next_at, next_other = at, other
            while next_at < stop and own_numbers.places[next_at] <= i:
                next_at += 1
            while next_other < end and numbers.places[next_other] - first <= border:
                next_other += 1
            found[pair] += _others(
                own_numbers.keys, at, next_at, numbers.keys, other, next_other, used
            )
            at, other = next_at, next_other


def count_others(
    own: Tokens,
    own_numbers: Numbers,
    tokens: Tokens,
    numbers: Numbers,
    pairs: Pairs,
    firsts: Column,
    lasts: Column,
) -> Column:
    """(C,) numbers of each sub-item in whose place the text has another one.

    Args:
        own, own_numbers: Of the sub-items, as `pairs` number them.
        tokens, numbers: Of the texts.
        pairs: (C,) texts and sub-items.
        firsts, lasts: (C,) the window: first and last token within the text.
    """
    found = np.zeros(len(firsts), np.int64)
    if not len(firsts):
        return found
    sizes, lengths = lasts - firsts + 1, np.diff(own.offsets)[pairs.items]
    in_text = int(np.diff(numbers.offsets)[pairs.segments].max())
    _count(
        type(own)(*(frozen(column) for column in own)),
        Numbers(*(frozen(column) for column in own_numbers)),
        frozen(pairs.items),
        type(tokens)(*(frozen(column) for column in tokens)),
        Numbers(*(frozen(column) for column in numbers)),
        frozen(pairs.segments),
        frozen(firsts),
        frozen(lasts),
        np.empty(int(sizes.max()) + 1, np.int64),
        np.empty(int((lengths * sizes).max()), np.uint8),
        np.empty(int(lengths.max()), np.int64),
        np.empty(in_text, np.uint8),
        found,
    )
    return found
