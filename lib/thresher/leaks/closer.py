"""A closer look at what the figures call a leak: is it this item, or one much like it?

Questions come in families: one template with other numbers, one instruction for a hundred formulas,
one scenario in forty pairs. Only for matches that would count, and are not the whole item, the
words that no other item has are looked for (`own_words`), and numbers that stand as others
(`other_numbers`). The look lowers verdicts; it never raises one.

Shapes: C pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from thresher.leaks.decide import CONTAMINATED, Decision, decide
from thresher.leaks.numbers import find_numbers
from thresher.leaks.other_numbers import count_others
from thresher.leaks.own_words import find_own
from thresher.leaks.presets import Preset
from thresher.leaks.scan import Pairs
from thresher.leaks.tokens import tokenise

if TYPE_CHECKING:
    from thresher.leaks.evidence import Evidence
    from thresher.leaks.firing import Around
    from thresher.leaks.indexed import Part
    from thresher.leaks.items import Numbers
    from thresher.leaks.tokens import Tokens

Column = np.ndarray[Any, Any]


def judge(
    part: Part,
    presets: Sequence[Preset],
    tokens: Tokens,
    numbers: Numbers,
    pairs: Pairs,
    found: Evidence,
    figures: Mapping[str, Column],
    items: Mapping[str, Column],
    around: Around,
) -> tuple[dict[str, Column], Decision]:
    """Judge pairs, those that would count after a closer look.

    Args:
        part, presets: What is searched for, by which rules.
        tokens, numbers: What is searched.
        pairs, found: The candidates, and where their words are.
        figures, items, around: What `decide` takes.

    Returns:
        All figures that the verdict stands on, and the verdict.
    """
    seen = dict(figures) | unseen(figures)
    decision = decide(seen, items, presets, around)
    whole = np.asarray(figures["exact"]).astype(bool)
    ours = np.array([preset.by_kind for preset in presets])[items["bench"]]
    at = np.flatnonzero((decision.verdict == CONTAMINATED) & ~whole & ours & (found.last >= 0))
    if not len(at):
        return seen, decision
    chosen = Pairs(pairs.segments[at], pairs.items[at])
    firsts, lasts = found.first[at], found.last[at]
    own = find_own(part.index, tokens, chosen, firsts, lasts)
    seen["own_len"][at], seen["own_den"][at], seen["own_num"][at] = own
    with_numbers = at[found.numbers[at] > 0]
    seen["num_changed"][with_numbers] = _changed(part, tokens, numbers, pairs, found, with_numbers)
    return seen, decide(seen, items, presets, around)


def unseen(figures: Mapping[str, Column]) -> dict[str, Column]:
    """Return the figures of a closer look as if all were well."""
    length = np.asarray(figures["L"]).astype(np.int64)
    return {
        "own_len": length.copy(),
        "own_den": np.ones_like(length),
        "own_num": np.ones_like(length),
        "num_changed": np.zeros_like(length),
    }


def _changed(
    part: Part, tokens: Tokens, numbers: Numbers, pairs: Pairs, found: Evidence, at: Column
) -> Column:
    """(some of C,) numbers that stand as others; the index does not hold where numbers are."""
    items, which = np.unique(pairs.items[at], return_inverse=True)
    texts = part.texts.take(pa.array(items))
    own = tokenise(texts, code=part.code)
    chosen = Pairs(pairs.segments[at], which.astype(np.int64))
    return count_others(
        own, find_numbers(texts, own), tokens, numbers, chosen, found.first[at], found.last[at]
    )
