"""Judge a near-duplicate removal against the exact answer, from texts and removed rows alone.

Words come from the plain reference (`thresher.text.reference`), shingles are tuples of words,
similarities are fractions; nothing is sketched, and no shingle is hashed. The exact answer
collapses equal word sequences, joins the rest exactly and walks it in the job's default order: the
128-bit hash of the compared bytes, then the input position.

Rows are positions in the input.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from thresher.text import reference

from .exact_join import Pair, exact_join, greedy, jaccard, transitive

BAND = Fraction(5, 100)  # "near the threshold": at most this much above it
EXAMPLES = 5


class Removed(NamedTuple):
    """Why a row went: the row that was kept instead, at the stated similarity."""

    matched: int
    score: float | None


class Truth(NamedTuple):
    """The exact answer.

    Args:
        leader: The row each row collapses into; itself if it is the first of its word sequence.
        shingles: The shingle set of every leader, empty elsewhere.
        order: The leaders in the job's order.
        pairs: All pairs of leaders at or above the threshold.
        removed: What the exact greedy walk removes, and by which pair.
    """

    leader: list[int]
    shingles: list[set[int]]
    order: list[int]
    pairs: list[Pair]
    removed: dict[int, Pair]


class Words:
    """The reference's words as numbers, remembered by text; shingles are runs of them, numbered."""

    def __init__(self) -> None:
        self._by_text: dict[str, tuple[int, ...]] = {}
        self._words: dict[str, int] = {}
        self._shingles: dict[tuple[int, ...], int] = {}

    def of(self, text: str) -> tuple[int, ...]:
        """Return the words of a text; equal words have equal numbers."""
        if text not in self._by_text:
            numbers = self._words
            found = reference.words(text)
            self._by_text[text] = tuple(numbers.setdefault(w, len(numbers)) for w in found)
        return self._by_text[text]

    def shingles(self, text: str, n: int) -> set[int]:
        """Return the set of runs of `n` words, or the one run of fewer."""
        words, numbers = self.of(text), self._shingles
        runs = (words[i : i + n] for i in range(max(len(words) - n, 0) + 1)) if words else ()
        return {numbers.setdefault(run, len(numbers)) for run in runs}


def exact_answer(texts: list[str], words: Words, ngram: int, threshold: Fraction) -> Truth:
    """Collapse equal word sequences, join the rest exactly, and walk it in the job's order."""
    ordered = sorted(range(len(texts)), key=lambda row: reference.bytes_hash(texts[row].encode()))
    first: dict[object, int] = {}
    for row in ordered:
        first.setdefault(_sequence(texts[row], words), row)
    leader = [first[_sequence(text, words)] for text in texts]
    order = [row for row in ordered if leader[row] == row]
    shingles: list[set[int]] = [set() for _ in texts]
    for row in order:
        shingles[row] = words.shingles(texts[row], ngram)
    pairs = exact_join(shingles, threshold.numerator, threshold.denominator)
    return Truth(leader, shingles, order, pairs, greedy(order, pairs))


def _sequence(text: str, words: Words) -> object:
    return words.of(text) or text  # without words only the same text is equal


def unsound(removed: dict[int, Removed], truth: Truth, threshold: Fraction) -> Iterator[str]:
    """Say what is wrong with each removal, and with each copy that did not collapse."""
    for row, (matched, score) in removed.items():
        if matched in removed:
            yield f"row {row}: row {matched} was not kept"
            continue
        similarity = _similarity(row, matched, truth)
        if similarity < threshold:
            yield f"row {row}: the similarity to row {matched} is {float(similarity):.4f}"
        elif score != similarity.numerator / similarity.denominator:
            yield f"row {row}: score {score} is stated, {float(similarity)} counted"
    for row, leader in enumerate(truth.leader):
        if row != leader and row not in removed:
            yield f"row {row}: kept, though row {leader} comes first and has the same words"


def _similarity(row: int, other: int, truth: Truth) -> Fraction:
    row, other = truth.leader[row], truth.leader[other]
    return Fraction(1) if row == other else jaccard(truth.shingles[row], truth.shingles[other])


def judge(removed: dict[int, Removed], truth: Truth, threshold: Fraction) -> dict[str, Any]:
    """Compare a job's answer with the exact one.

    Returns:
        Counts, and a few examples. `missed` are rows the exact walk removes and the job kept;
        `near_threshold` counts those whose best earlier kept row is at most 0.05 above the
        threshold; `kept_with_earlier_kept_similar` are rows that the job left beside an earlier
        kept row at or above the threshold, whatever the exact walk says.
    """
    wrong = list(unsound(removed, truth, threshold))
    kept = [row for row in truth.order if row not in removed]
    near = [row for row in truth.order if row in removed]
    earlier = _earlier_kept(kept, truth)
    best = _best_earlier(truth)
    close = [row for row in truth.removed if best[row] <= threshold + BAND]
    clusters = Counter(r.matched for r in removed.values())
    components = Counter(transitive(truth.order, truth.pairs).values())
    return {
        "rows": len(truth.leader),
        "after_collapse": len(truth.order),
        "removed": len(removed),
        "removed_near": len(near),
        "unsound": len(wrong),
        "unsound_examples": wrong[:EXAMPLES],
        "exact_walk_removes": len(truth.removed),
        "missed": sum(row not in removed for row in truth.removed),
        "exact_walk_removes_near_threshold": len(close),
        "missed_near_threshold": sum(row not in removed for row in close),
        "removed_beyond_exact_walk": sum(row not in truth.removed for row in near),
        "kept": len(kept),
        "kept_with_earlier_kept_similar": sum(row in earlier for row in kept),
        "partner_is_earliest": sum(removed[row].matched == earlier.get(row) for row in near),
        "largest_clusters": [size + 1 for _, size in clusters.most_common(EXAMPLES)],
        "largest_components": [size + 1 for _, size in components.most_common(EXAMPLES)],
        "transitive_removes": sum(components.values()),
    }


def _earlier_kept(kept: list[int], truth: Truth) -> dict[int, int]:
    """Return for each row the earliest similar row before it among those that the job kept."""
    position = {row: i for i, row in enumerate(truth.order)}
    stays = set(kept)
    found: dict[int, int] = {}
    for pair in truth.pairs:
        early, late = sorted((pair.left, pair.right), key=position.__getitem__)
        if early in stays:
            found[late] = min(found.get(late, early), early, key=position.__getitem__)
    return found


def _best_earlier(truth: Truth) -> dict[int, Fraction]:
    """Return the highest similarity of each row the exact walk removes to an earlier kept row."""
    position = {row: i for i, row in enumerate(truth.order)}
    best: dict[int, Fraction] = defaultdict(Fraction)
    for pair in truth.pairs:
        early, late = sorted((pair.left, pair.right), key=position.__getitem__)
        if late in truth.removed and early not in truth.removed:
            best[late] = max(best[late], pair.similarity)
    return best
