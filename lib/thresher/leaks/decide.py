"""Verdicts: what the figures of a match mean.

A match is a segment of a row and a sub-item of a benchmark. First each rule of the preset looks at
the figures of the match alone (`thresher.leaks.firing`); then, where the preset goes by the kind of
benchmark, at what else of the same item is in the segment or row:

* a passage or an option alone is suspect at most; two options of an item make a list of options;
* a short question with options needs two of them, or its answer, beside it; a question with an
  option behind it needs the same, and enough of the question, unless it is contained whole;
* a problem with other numbers is a template, and suspect at most; one with the same numbers in
  other words counts where a question is asked;
* what an item shares with others of its benchmark does not count: of its own words there must be
  as much as of all;
* code in other words is suspect at most, and a trivial solution counts beside its question only.

Raising a figure never lowers a verdict. No Python object is made for a match.

Shapes: C matches, G groups of matches, R rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from thresher.leaks import matches
from thresher.leaks.benchmarks import KINDS
from thresher.leaks.firing import (
    Around,
    Column,
    Columns,
    Fired,
    fired,
    guarded,
    reaches,
    same_template,
)
from thresher.leaks.items import FIELDS
from thresher.leaks.presets import Preset, alike
from thresher.leaks.rules import FuzzyIdf

VERDICTS = ("clean", *matches.VERDICTS)
CLEAN, SUSPECT, CONTAMINATED = range(3)
MATCH_KINDS = (*matches.MATCH_KINDS, "none")
MODES = (
    "exact",
    "ngram_any",
    "ngram_ratio",
    "short_ngram_ratio",
    "longest_span",
    "lcs",
    "fuzzy_idf",
    "number_match",
    "minhash",
    "templated",
    "option_list",
    "none",
)
SIDES = matches.SIDES[:3]
_KIND = {name: code for code, name in enumerate(MATCH_KINDS)}
_MODE = {name: code for code, name in enumerate(MODES)}
_REWORDED = (_MODE["fuzzy_idf"], _MODE["number_match"])
(_QUESTION, _ANSWER, _OPTION, _QUESTION_OPTION, _PASSAGE, _SOLUTION, _TESTS, _TURN) = range(
    len(FIELDS)
)
_LABELS = (_ANSWER, _SOLUTION, _TESTS)
_ASKED = (_QUESTION, _QUESTION_OPTION, _TURN)
_SPEAKING = (*_ASKED, _SOLUTION, _TESTS)  # a few tokens of these can give an item away
_GENERIC, _MCQ, _CODE, _MATH = map(KINDS.index, ("generic", "mcq", "code", "math"))
_FAR = np.iinfo(np.int64).max // 4  # no token is so far out


class Decision(NamedTuple):
    """What was decided of each match.

    Attributes:
        verdict: (C,) uint8, a place in `VERDICTS`.
        mode: (C,) uint8, a place in `MODES`: the first rule that gave the verdict, before it was
            lowered for what else of the item was missing.
        kind: (C,) uint8, a place in `MATCH_KINDS`.
    """

    verdict: Column
    mode: Column
    kind: Column


class RowVerdicts(NamedTuple):
    """What was decided of the rows that have matches, by row.

    Attributes:
        row: (R,) int64.
        verdict: (R,) uint8, the gravest of its matches.
        match: (R,) int64, the match that decides; of equal ones the first by benchmark and item.
        side: (R,) uint8, a place in `SIDES`: whether an item with the row's verdict was found with
            both what is asked and its answer, else which of the two. Clean rows have 0.
    """

    row: Column
    verdict: Column
    match: Column
    side: Column


def decide(
    evidence: Columns, items: Columns, presets: Preset | Sequence[Preset], around: Around
) -> Decision:
    """Judge matches.

    Args:
        evidence: Integers L, matched5, matched8, grams8, longest, lcs, widf_num, widf_den,
            num_count, num_equal, num_extra, first and last (tokens of the segment); exact (bool);
            `needed_columns` of the presets; own_len, own_den, own_num and num_changed of
            `thresher.leaks.closer`; templated8 (tokens covered once digits are 0) if known.
        items: kind (into `KINDS`), field (into `FIELDS`), bench and uid of the sub-items.
        presets: One for all, or by number of the benchmark.
        around: The text around the matches.

    All matches of a row and benchmark must come in one call; their order does not matter.
    """
    if isinstance(presets, Preset):
        return _decide(evidence, items, presets, around)
    bench = items["bench"]
    found = Decision(*(np.zeros(len(bench), np.uint8) for _ in Decision._fields))
    for preset, numbers in alike(presets):
        at = np.flatnonzero(np.isin(bench, numbers))
        if not len(at):
            continue
        part = _decide(
            {name: column[at] for name, column in evidence.items()},
            {name: column[at] for name, column in items.items()},
            preset,
            Around(*(column[at] for column in around)),
        )
        for whole, some in zip(found, part, strict=True):
            whole[at] = some
    return found


def _decide(evidence: Columns, items: Columns, preset: Preset, around: Around) -> Decision:
    verdict, mode = _by_figures(evidence, items, preset, around)
    unasked = np.zeros(len(verdict), bool)
    if preset.by_kind:
        verdict, mode, unasked = _by_item(verdict, mode, evidence, items, preset, around)
    mode[verdict == CLEAN] = _MODE["none"]
    kind = _kinds(verdict, mode, unasked, evidence, items, preset, around)
    return Decision(verdict, mode, kind)


def _by_figures(
    evidence: Columns, items: Columns, preset: Preset, around: Around
) -> tuple[Column, Column]:
    """Return verdicts and modes by the figures of each match alone."""
    admitted = ~np.isin(items["kind"], [KINDS.index(kind) for kind in preset.skip_kinds])
    if preset.fields:
        admitted &= np.isin(items["field"], [FIELDS.index(name) for name in preset.fields])
    if preset.asked_only:
        admitted &= around.asked
    verdict = np.zeros(len(admitted), np.uint8)
    mode = np.full(len(admitted), _MODE["none"], np.uint8)
    rules = [
        (
            _MODE[name],
            *(_by_kind(name, found, evidence, items, preset, around) if preset.by_kind else found),
        )
        for name, found in fired(evidence, items, preset, around)
    ]
    for level in (SUSPECT, CONTAMINATED):
        for code, hit, weak in rules:
            here = (hit if level == CONTAMINATED else weak) & admitted & (verdict < level)
            verdict[here], mode[here] = level, code
    return verdict, mode


def _by_kind(
    name: str,
    found: Fired,
    evidence: Columns,
    items: Columns,
    preset: Preset,
    around: Around,
) -> Fired:
    """Return what a rule says once the kind of the benchmark and the field are known."""
    hit, weak = found
    if name == "exact":
        # Short answers and options stand anywhere: the letter of an answer, none of the above.
        # With an option, a question brings its answer along: -4 + (-3) = -7 is in many lists.
        long = evidence["L"] >= preset.exact.certain
        alone = around.asked & (around.segment_tokens <= evidence["L"] + preset.exact.slack)
        speaks = np.isin(items["field"], _SPEAKING)
        speaks &= (items["field"] != _QUESTION_OPTION) | alone
        return hit & (long | speaks), weak
    if preset.own_words:
        own = has_own(preset, name, evidence)
        hit, weak = hit & own, weak | (hit & ~own)
    if name == "fuzzy_idf":
        # Much the same words as in an answer are the same topic where nothing says which kind.
        topic = (items["kind"] == _GENERIC) & (items["field"] == _ANSWER)
        loose = topic | (items["kind"] == _CODE)
        return hit & ~loose, weak | (hit & loose)
    if name == "number_match":
        # Lists, sums and worked answers have the same small numbers by chance.
        asks = (items["kind"] == _MATH) & (items["field"] == _QUESTION) & around.asked
        return hit & asks, weak | (hit & ~asks)
    return hit, weak


def has_own(preset: Preset, name: str, evidence: Columns) -> Column:
    """Tell where the words that no other item has make the share a rule asks of all of them.

    What items share says nothing about which of them a text has: of 6,718 questions of MMLU 129
    matched others by the instruction that all moral scenarios begin with, and 70 more by their
    stems; and 26 rows of Alpaca matched a test of MBPP by the quick brown fox (2026-11). Few words
    of its own are a short item, so the guard of `fuzzy_idf` goes by them. An item that has none
    must be there nearly whole.
    """
    rule = preset.modes[name]
    part, whole, length = evidence["own_num"], evidence["own_den"], evidence["L"]
    if isinstance(rule, FuzzyIdf):
        always = rule.model_copy(update={"off_below": 0})
        found, _ = guarded(always, part, whole, evidence["own_len"])
    else:
        found = reaches(part, whole, getattr(rule, "threshold", Fraction(1, 2)))
    for cover in ("matched5", "matched8"):
        found |= (whole == 0) & reaches(evidence[cover], length, preset.common_cover)
    return found


def _by_item(
    verdict: Column,
    mode: Column,
    evidence: Columns,
    items: Columns,
    preset: Preset,
    around: Around,
) -> tuple[Column, Column, Column]:
    """Return verdicts and modes by what else of each item was found, and who lacks the question."""
    kind, field = items["kind"], items["field"]
    exact = evidence["exact"].astype(bool)
    in_segment = groups(around.segment, items["bench"], items["uid"])
    unasked, lacking = _choices(in_segment, evidence, items, preset, around)
    capped = np.isin(field, (_OPTION, _PASSAGE)) | lacking | retold(evidence, items, preset)
    verdict = np.where(capped, np.minimum(verdict, SUSPECT), verdict).astype(np.uint8)

    listed = (field == _OPTION) & exact
    listed &= _counts(in_segment, listed) >= preset.choices.options
    mode = np.where(listed & (verdict == CLEAN), _MODE["option_list"], mode).astype(np.uint8)
    verdict = np.where(listed, SUSPECT, verdict).astype(np.uint8)

    in_row = groups(around.row, items["bench"], items["uid"])
    asked = _counts(in_row, np.isin(field, _ASKED) & (verdict > CLEAN)) > 0
    trivial = (kind == _CODE) & (field == _SOLUTION) & (evidence["L"] < preset.trivial_below)
    return np.where(trivial & ~asked, CLEAN, verdict).astype(np.uint8), mode, unasked


def retold(evidence: Columns, items: Columns, preset: Preset) -> Column:
    """Tell which problems have other numbers: the same template is another problem.

    Of 772 problems that a training set does not hold, a quarter share their template with one that
    it does, and 56 of them matched one by all but a number or two (2026-11, the six test sets of
    LLM-Adapters). Numbers that are left out or put in are no others: edits do that. But a worked
    answer of which fewer than half of the numbers are there is another one in the usual words.
    """
    count, math = evidence["num_count"], items["kind"] == _MATH
    others = evidence["num_changed"] >= preset.least_changed
    others &= math | (items["kind"] == _MCQ)
    worked = math & np.isin(items["field"], _LABELS)
    others |= worked & (count >= 2) & (2 * evidence["num_equal"] < count)
    found: Column = others & ~evidence["exact"].astype(bool)
    return found


def _choices(
    in_segment: Groups, evidence: Columns, items: Columns, preset: Preset, around: Around
) -> tuple[Column, Column]:
    """Tell which questions with an option match by the option, and which lack options or answer."""
    rule, field, length = preset.choices, items["field"], evidence["L"]
    exact, mcq = evidence["exact"].astype(bool), items["kind"] == _MCQ
    asks = field == _QUESTION
    first, last = _reach(in_segment, asks, evidence["first"], evidence["last"])
    near = (evidence["last"] >= first - rule.window) & (evidence["first"] <= last + rule.window)
    options = _counts(in_segment, (field == _OPTION) & exact & near)
    bare = np.maximum(options, around.options_found) < rule.options
    bare &= ~around.answer_found
    seen = exact | reaches(evidence["widf_num"], evidence["widf_den"], rule.question)
    joined = mcq & (field == _QUESTION_OPTION) & ~exact
    unasked = joined & (_counts(in_segment, asks & seen) == 0)
    long = _counts(in_segment, asks & (length >= rule.below)) > 0
    short = (asks & mcq & (length < rule.below)) | (joined & ~long)
    return unasked, unasked | (short & bare)


def _reach(in_segment: Groups, mask: Column, first: Column, last: Column) -> tuple[Column, Column]:
    """Return for each match from where to where the marked ones of its group reach."""
    begin = np.full(in_segment.size, _FAR, np.int64)
    end = np.full(in_segment.size, -_FAR, np.int64)
    np.minimum.at(begin, in_segment.ids[mask], first[mask])
    np.maximum.at(end, in_segment.ids[mask], last[mask])
    return begin[in_segment.ids], end[in_segment.ids]


def _kinds(
    verdict: Column,
    mode: Column,
    unasked: Column,
    evidence: Columns,
    items: Columns,
    preset: Preset,
    around: Around,
) -> Column:
    """Return what kind of match each is; clean ones are none."""
    field = items["field"]
    kind = np.full(len(verdict), _KIND["near_verbatim"], np.uint8)
    reworded = np.isin(mode, _REWORDED)
    if preset.by_kind:
        kind[retold(evidence, items, preset)] = _KIND["templated"]
        reworded &= ~retold(evidence, items, preset)
    template, _ = same_template(preset, evidence)
    kind[reworded] = _KIND["paraphrase"]
    kind[(reworded & template) | (mode == _MODE["templated"])] = _KIND["templated"]
    kind[evidence["exact"].astype(bool)] = _KIND["exact"]
    in_row = groups(around.row, items["bench"], items["uid"])
    asked = _counts(in_row, np.isin(field, _ASKED) & ~unasked & (verdict > CLEAN)) > 0
    kind[np.isin(field, _LABELS) & ~asked] = _KIND["answer_only"]
    kind[field == _PASSAGE] = _KIND["passage_only"]
    kind[(field == _OPTION) | unasked] = _KIND["options_only"]
    kind[verdict == CLEAN] = _KIND["none"]
    return kind


def decide_rows(decision: Decision, items: Columns, around: Around) -> RowVerdicts:
    """Judge rows by their matches.

    The result does not depend on the order of the matches, except for the number of the match that
    decides where one item matches several times with one verdict: it is the first of them.
    """
    bench, uid, verdict = items["bench"], items["uid"], decision.verdict
    order = np.lexsort((uid, bench, CONTAMINATED - verdict.astype(np.int64), around.row))
    row = around.row[order]
    begins = np.flatnonzero(np.concatenate([[True], row[1:] != row[:-1]])[: len(row)])
    match = order[begins]
    in_row = groups(around.row)
    gravest = verdict[match][in_row.ids]
    graver = (verdict == gravest) & (verdict > CLEAN)
    of_item = groups(around.row, bench, uid)
    decides = _counts(of_item, graver) > 0  # matches of items with the row's verdict
    label = np.isin(items["field"], _LABELS) & (verdict > CLEAN)
    given = _counts(of_item, (verdict > CLEAN) & ~label) > 0
    told = _counts(of_item, label | around.answer_found) > 0
    both = _counts(in_row, decides & given & told)[match] > 0
    asked = _counts(in_row, decides & given)[match] > 0
    answered = _counts(in_row, decides & told)[match] > 0
    side = np.where(both, 2, np.where(answered & ~asked, 1, 0)).astype(np.uint8)
    return RowVerdicts(row[begins], verdict[match], match, side)


def discountable(evidence: Columns, preset: Preset) -> Column:
    """Tell which matches may be discounted if their n-grams are common among training texts.

    Those that cover nearly all of an item never are: a real leak is repeated too.
    """
    length = evidence["L"]
    covers = [
        reaches(evidence[name], length, preset.common_cover) for name in ("matched5", "matched8")
    ]
    free: Column = ~(covers[0] | covers[1] | evidence["exact"].astype(bool))
    return free


class Groups(NamedTuple):
    """Matches that belong together: `ids` (C,) int64 below `size`."""

    ids: Column
    size: int


def groups(*keys: Column) -> Groups:
    """Number matches so that those with equal keys share a number."""
    order = np.lexsort(keys[::-1])
    ids = np.zeros(len(order), np.int64)
    if not len(order):
        return Groups(ids, 0)
    new = np.zeros(len(order), bool)
    for key in keys:
        new[1:] |= key[order][1:] != key[order][:-1]
    ids[order] = np.cumsum(new)
    return Groups(ids, int(new.sum()) + 1)


def _counts(in_group: Groups, mask: Column) -> Column:
    """Count for each match the marked ones of its group."""
    counts: Column = np.bincount(in_group.ids[mask], minlength=in_group.size)
    return counts[in_group.ids]
