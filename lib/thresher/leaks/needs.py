"""What a text must have of a sub-item at least, for any rule to call it suspect.

Nearly all sub-items that share an n-gram with a text share nothing else. Each rule is turned into
what it cannot do without: shared n-grams that cover enough, a run, a span, weight. Of all that a
sub-item leads, what needs least counts.

Shapes: I sub-items, F heavy tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thresher.leaks.presets import Preset, alike
from thresher.leaks.rules import Exact, FuzzyIdf, LongestSpan, NgramRatio, NumberMatch
from thresher.leaks.tables import get_bit
from thresher.leaks.weak import window_of
from thresher.text.kernel import allocating, inlined, kernel

if TYPE_CHECKING:
    from thresher.leaks.index import Index

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
SKIPS = 4  # tokens that may differ within a span
RAN = 1  # a state: such a run was found
NEVER = 1 << 30
APART = NEVER >> 1  # of a sub-item that says too little of those that it leads
_TOO_MUCH = 1 << 60
SECTION = 1024  # tokens; of a long text, bitmaps are of a section and the one behind it
SHORT_TEXT = 8192  # tokens of a text that one bitmap holds
PRESENT_WORDS = 256
UNIT = 1 << 15  # of weights: all that a sub-item weighs
_HEAVY = UNIT * 7 // 8  # so much of it is kept
_TELLING = UNIT * 7 // 10  # what leads may miss no more
BY_OTHER_FIGURES = ("templated", "minhash")


# Columns of `Needs.records`
(LEAD, GROUP, REACH, TOUCHES, RUN_TOUCHES, SPAN, LOOSE, MISSING, OWN, HEAVY, HEAVY_END) = range(11)
NUM_COLUMNS = 11


class Needs(NamedTuple):
    """What a sub-item needs at least, or any that it leads.

    Attributes:
        records: (I, NUM_COLUMNS) int32, one line of the processor's cache each: the sub-item that
            leads it; the number of its item; tokens by which the longest that it leads is longer;
            shared n-grams that cover enough; the same for longer n-grams, of which a run is needed;
            tokens of a span; tokens of a span around over-common n-grams, which may be anywhere,
            NEVER where there are none; units of weight that may be missing, -1 where no weight is
            enough, NEVER where that is not asked, APART where each is weighed by its own tokens;
            units that it may miss itself; where its heavy tokens begin and end.
        heavy: (F,) uint32 `weight << 16 | place in a bitmap` of tokens, the heaviest first.
        needed: (I,) int64 the weight that must be there, of a sub-item for itself.
        run: Tokens of that run.
    """

    records: Column
    heavy: Column
    needed: Column
    run: int


def bounded(preset: Preset) -> bool:
    """Tell whether all rules of a preset go by figures that can be bounded."""
    return preset.by_kind and all(
        name in BY_OTHER_FIGURES
        or isinstance(rule, Exact | LongestSpan | FuzzyIdf | NumberMatch)
        or (isinstance(rule, NgramRatio) and rule.of == "tokens" and not rule.answer_weight)
        for name, rule in preset.modes.items()
    )


def needs_of(index: Index, presets: Sequence[Preset]) -> Needs | None:
    """Return what is needed of each sub-item; None where some rule has no bound.

    Args:
        index: The items.
        presets: The rules, by benchmark.
    """
    key = tuple(map(id, presets))
    if key not in index.needs:
        useful = index.uids_ascend and all(map(bounded, presets))
        # With the presets: their ids are theirs while they live.
        index.needs[key] = tuple(presets), _needs(index, presets) if useful else None
    found: Needs | None = index.needs[key][1]
    return found


def _needs(index: Index, presets: Sequence[Preset]) -> Needs:
    """Return what each sub-item and those that it leads need."""
    count = index.num_items
    lead = np.empty(count, np.int64)
    lead[index["led_items"]] = np.repeat(np.arange(count), np.diff(index["led_starts"]))
    own = _own_needs(index, presets)
    longest = index.lengths.astype(np.int64)
    np.maximum.at(longest, lead, index.lengths)
    change = np.diff(index["uid"]) != 0
    records = np.empty((count, NUM_COLUMNS), np.int32)
    records[:, LEAD] = lead
    records[:, GROUP] = np.cumsum(np.concatenate([np.zeros(min(count, 1), bool), change]))
    records[:, REACH] = longest - index.lengths
    for column, name in _LEAST.items():
        least = own[name].copy()
        np.minimum.at(least, lead, own[name])
        records[:, column] = least
    # What is missing of a leader is missing of all that it leads.
    missing = own["missing"].copy()
    np.maximum.at(missing, lead, own["missing"])
    records[:, OWN] = _units(own["missing"], index["total"])
    units = _units(missing, index["total"])
    # A window, or a span, that one bitmap does not hold
    wide = np.maximum(window_of(longest), 2 * longest) > SECTION
    wide &= (missing >= 0) | (records[:, LOOSE] < NEVER)
    apart = (units > _TELLING) & (np.bincount(lead, minlength=count) > 1)
    records[:, MISSING] = np.where(wide, NEVER, np.where(apart, APART, units))
    weighed = ((lead == np.arange(count)) | apart[lead]) & (missing >= 0) & ~wide
    ends, heavy = _heavy(index, weighed)
    records[:, HEAVY], records[:, HEAVY_END] = ends[:-1], ends[1:]
    needed = np.where(own["missing"] >= 0, index["total"] - own["missing"], _TOO_MUCH)
    longer = [m.n for p in presets for m in p.modes.values() if isinstance(m, NgramRatio)]
    run = min((n for n in longer if n > index.ngrams[0]), default=NEVER)
    return Needs(records, heavy, needed, run)


def _units(missing: Column, total: Column) -> Column:
    """Return what may be missing in units of `UNIT`, rounded up; -1 where nothing is enough."""
    share = np.minimum(missing / np.maximum(total, 1), 1.0)
    units: Column = np.where(missing >= 0, np.ceil(share * UNIT) + 1, -1)
    return units


_LEAST = {TOUCHES: "touches", RUN_TOUCHES: "run_touches", SPAN: "span", LOOSE: "loose"}


def _own_needs(index: Index, presets: Sequence[Preset]) -> dict[str, Column]:
    """Return what each sub-item needs for itself; `missing` in the weights of the index."""
    count, n = index.num_items, index.ngrams[0]
    lengths, total = index.lengths.astype(np.int64), index["total"]
    numbers = np.diff(index["number_offsets"]) > 0
    found = {
        "touches": np.full(count, NEVER, np.int64),
        "run_touches": np.full(count, NEVER, np.int64),
        "span": np.full(count, NEVER, np.int64),
        "missing": np.full(count, -1, np.int64),
    }
    for preset, benches in alike(presets):
        mine = np.isin(index["bench"], benches)
        for rule in preset.modes.values():
            if isinstance(rule, NgramRatio):
                tokens = _required(rule, lengths)
                name = "touches" if rule.n == n else "run_touches"
                # A shared n-gram stands beside one of the shortest, which it covers with what is
                # on either side.
                wide = 2 * rule.n - n
                _lower(found[name], mine & (tokens < NEVER), -(-tokens // wide))
            elif isinstance(rule, LongestSpan):
                share = rule.threshold
                tokens = -(-lengths * share.numerator // share.denominator)
                _lower(found["span"], mine, np.maximum(tokens, rule.least))
            elif isinstance(rule, FuzzyIdf):
                share = rule.threshold if rule.suspect is None else rule.suspect
                where = mine & (lengths >= rule.off_below)
                _raise(found["missing"], where, _may_miss(total, share))
            elif isinstance(rule, NumberMatch):
                share = rule.threshold
                if rule.suspect_share is not None:
                    share = min(share, rule.suspect)
                where = mine & numbers & (lengths >= rule.least_tokens)
                _raise(found["missing"], where, _may_miss(total, share))
    # Around over-common n-grams, which are no part of a span, at most so many tokens are.
    around = n * SKIPS
    common = _has_common(index, n) & (found["span"] <= around)
    found["loose"] = np.where(common, found["span"] + n, NEVER)
    return found


def _lower(column: Column, where: Column, values: Column) -> None:
    column[where] = np.minimum(column, values)[where]


def _raise(column: Column, where: Column, values: Column) -> None:
    column[where] = np.maximum(column, values)[where]


def _may_miss(total: Column, share: Fraction) -> Column:
    missing: Column = total - -(-total * share.numerator // share.denominator)
    return missing


def _required(rule: NgramRatio, lengths: Column) -> Column:
    """Return the tokens without which a rule says nothing of a sub-item."""
    distinct, places = np.unique(lengths, return_inverse=True)
    tokens = []
    for length in distinct.tolist():
        share = rule.required(length)
        if share is None:
            tokens.append(NEVER)
            continue
        share = share if rule.suspect is None else min(share, rule.suspect)
        tokens.append(-(-length * share.numerator // share.denominator))
    found: Column = np.array(tokens, np.int64)[places]
    return found


def _has_common(index: Index, n: int) -> Column:
    """(I,) whether each sub-item has an over-common n-gram."""
    found = np.zeros(index.num_items, np.int64)
    _count_common(index["offsets"], index[f"common{n}"], n, found)
    return found > 0


@kernel
def _count_common(offsets: Column, common: Column, n: Any, found: Column) -> None:
    for item in range(found.shape[0]):
        for position in range(offsets[item], offsets[item + 1] - n + 1):
            found[item] += get_bit(common, position)


def _heavy(index: Index, weighed: Column) -> tuple[Column, Column]:
    """Return the heaviest tokens of the sub-items that are weighed, and where each one's begin."""
    starts = np.zeros(index.num_items + 1, np.int64)
    starts[1:] = np.cumsum(np.where(weighed, index.lengths, 0))
    heavy = np.empty(int(starts[-1]), np.uint32)
    order = np.argsort(-index["idf"], kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    counts = np.zeros(index.num_items, np.int64)
    _collect_heavy(
        index.stored, index["idf"], index["fresh"], index["total"], weighed, rank, order,
        np.empty(int(index.lengths.max(initial=1)), np.int64), starts, heavy, counts,
    )  # fmt: skip
    own = np.arange(len(heavy)) - np.repeat(starts[:-1], np.diff(starts))
    kept = own < np.repeat(counts, np.diff(starts))
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]), heavy[kept]


@allocating
def _collect_heavy(
    stored: Any,
    idf: Column,
    fresh: Column,
    total: Column,
    weighed: Column,
    rank: Column,
    order: Column,
    ranks: Column,
    starts: Column,
    heavy: Column,
    counts: Column,
) -> None:
    for item in range(weighed.shape[0]):
        if not weighed[item]:
            continue
        num = 0
        for position in range(stored.offsets[item], stored.offsets[item + 1]):
            if get_bit(fresh, position) != 0:
                ranks[num] = rank[stored.terms[position]]
                num += 1
        ranks[:num].sort()
        sum_of, at = _I(0), _I(0)
        while at < num and sum_of < _HEAVY:
            term = order[ranks[at]]
            weight = min(_I(0xFFFF), (idf[term] << 15) // total[item])
            heavy[starts[item] + at] = weight << 16 | present_bit(stored.term_hash[term])
            sum_of += weight
            at += 1
        counts[item] = at


@inlined
def present_bit(value: Any) -> Any:
    """Return a token's place in a bitmap of PRESENT_WORDS words."""
    return _I((value >> _U(20)) & _U(64 * PRESENT_WORDS - 1))
