"""Candidates that are found in other ways than by the words themselves, and what speaks for them.

The question with other numbers, and texts of much the same runs of three tokens. A pair that only
such a way finds is a match where the rule that asked for it fires, and for no other reason: what
the words themselves say is judged of pairs alone that the scan found, so that another way never
changes a verdict of theirs. A figure is 0 where its way did not find the pair.

Shapes: C pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher.leaks.firing import guarded, similar
from thresher.leaks.fuzzy import Shared, find_similar
from thresher.leaks.indexed import Part
from thresher.leaks.numbers import Told
from thresher.leaks.presets import Preset, alike
from thresher.leaks.scan import Pairs
from thresher.leaks.templates import find_templates
from thresher.leaks.tokens import Tokens

Column = np.ndarray[Any, Any]
_WORDS = ("longest", "lcs", "widf_num")  # figures of the words, beside covers and n-grams
_SHINGLES = ("shingles", "shingles_item", "shingles_text")  # in the order of `Shared`


class Candidates(NamedTuple):
    """Pairs from all ways.

    Attributes:
        pairs: All pairs, ascending.
        scanned: (C,) bool, whether the scan found it.
        figures: By name, those of the other ways that the part is prepared for.
    """

    pairs: Pairs
    scanned: Column
    figures: dict[str, Column]

    def take(self, places: Column) -> Candidates:
        """Return some of the pairs."""
        pairs = Pairs(self.pairs.segments[places], self.pairs.items[places])
        figures = {name: column[places] for name, column in self.figures.items()}
        return Candidates(pairs, self.scanned[places], figures)


class Found(NamedTuple):
    """What one other way found.

    Attributes:
        pairs: Pairs of segments and sub-items.
        fires: (C,) bool, whether the rule that asked for it says something.
        figures: (C,) each.
    """

    pairs: Pairs
    fires: Column
    figures: dict[str, Column]


def find_others(
    part: Part, presets: Sequence[Preset], texts: pa.Array, tokens: Tokens, told: Told
) -> list[Found]:
    """Return what other ways find.

    Args:
        part: What is searched for.
        presets: The rules, by benchmark.
        texts, tokens: What is searched.
        told: `tell_numbers` of the tokens.
    """
    more = []
    if part.templates is not None:
        found, covered = find_templates(part.templates, texts, tokens, told)
        fires = _templated(part, presets, found, covered)
        more.append(Found(found, fires, {"templated8": covered}))
    if part.sketches is not None:
        count = max(part.index.num_items, 1)
        found, shared = find_similar(part.sketches, part.index.stored, count, tokens)
        fires = _similar(part, presets, found, shared)
        more.append(Found(found, fires, dict(zip(_SHINGLES, shared, strict=True))))
    return more


def fired(others: Sequence[Found]) -> Pairs:
    """Return the pairs of which a rule says something for what other ways found."""
    nothing = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    some = [Pairs(*(column[one.fires] for column in one.pairs)) for one in others]
    return Pairs(*(np.concatenate(columns) for columns in zip(nothing, *some, strict=True)))


def with_channels(part: Part, others: Sequence[Found], pairs: Pairs) -> Candidates:
    """Add what other ways find to the pairs that the scan found.

    Args:
        part: What is searched for.
        others: What other ways found.
        pairs: What the scan found, ascending.
    """
    count = max(part.index.num_items, 1)
    codes = pairs.segments * count + pairs.items
    more = [_worth(codes, count, one) for one in others]
    if any(len(own) for own, _ in more):
        new = np.unique(np.concatenate([codes, *(own for own, _ in more)]))
    else:
        new = codes
    columns = {}
    for own, figures in more:
        places = np.searchsorted(new, own)
        for name, figure in figures.items():
            columns[name] = np.zeros(len(new), np.int64)
            columns[name][places] = figure
    if len(new) == len(codes):
        return Candidates(pairs, np.ones(len(codes), bool), columns)
    return Candidates(Pairs(*np.divmod(new, count)), np.isin(new, codes), columns)


def judged_figures(figures: dict[str, Column], found: Candidates) -> dict[str, Column]:
    """Return the figures that verdicts are made of: the words' own count where the scan found a
    pair."""
    figures = figures | found.figures
    if found.scanned.all():
        return figures
    scored = {
        name: np.where(found.scanned, column, 0).astype(column.dtype)
        for name, column in figures.items()
        if name in _WORDS or name.startswith(("matched", "covered", "grams"))
    }
    return figures | scored


def _worth(codes: Column, count: int, found: Found) -> tuple[Column, dict[str, Column]]:
    """Leave out pairs that the scan did not find, unless a rule fires."""
    own = found.pairs.segments * count + found.pairs.items
    kept = found.fires | np.isin(own, codes)
    return own[kept], {name: figure[kept] for name, figure in found.figures.items()}


def _templated(part: Part, presets: Sequence[Preset], found: Pairs, covered: Column) -> Column:
    lengths, bench = part.index.lengths[found.items], part.index["bench"][found.items]
    fires = np.zeros(len(covered), bool)
    for preset, numbers in alike(presets):
        if preset.templated.enabled:
            hit, weak = guarded(preset.templated, covered, lengths, lengths)
            fires |= np.isin(bench, numbers) & (hit | weak)
    return fires


def _similar(part: Part, presets: Sequence[Preset], found: Pairs, shared: Shared) -> Column:
    bench = part.index["bench"][found.items]
    evidence = dict(zip(_SHINGLES, shared, strict=True)) | {"L": part.index.lengths[found.items]}
    fires = np.zeros(len(bench), bool)
    for preset, numbers in alike(presets):
        if preset.minhash.enabled:
            fires |= np.isin(bench, numbers) & similar(preset.minhash, evidence)
    return fires
