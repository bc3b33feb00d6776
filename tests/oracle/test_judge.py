"""The judge passes the exact answer and finds each way in which an answer can be wrong."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from thresher.text import reference

from .exact_join import jaccard
from .judge import Removed, Truth, Words, exact_answer, judge

THRESHOLD = Fraction(7, 10)


def corpus() -> list[str]:
    """Made-up texts: fresh ones, edited copies, other spellings, texts without words."""
    rng = random.Random(11)
    texts = ["", "?!", "", "..."]
    for _ in range(60):
        words = [rng.choice("abcdefghijklmnopqrstuvwxyz") * rng.randint(1, 3) for _ in range(40)]
        if len(texts) > 4 and rng.random() < 0.6:
            words = rng.choice(texts[4:]).split()
            for _ in range(rng.randint(0, 2)):
                words[rng.randrange(len(words))] = "edited"
        texts.append(rng.choice([" ", ", "]).join(words))
    return texts


TEXTS = corpus()


@pytest.fixture(scope="module")
def truth() -> Truth:
    """The exact answer for the corpus."""
    return exact_answer(TEXTS, Words(), 5, THRESHOLD)


def answer(truth: Truth) -> dict[int, Removed]:
    """What a flawless job would say."""
    removed = {}
    for row, leader in enumerate(truth.leader):
        pair = truth.removed.get(leader)
        if pair:
            removed[row] = Removed(pair.left + pair.right - leader, pair.shared / pair.union)
        elif leader != row:
            removed[row] = Removed(leader, 1.0)
    return removed


def verdict(removed: dict[int, Removed], truth: Truth) -> dict[str, Any]:
    """Judge an answer at the usual threshold."""
    return judge(removed, truth, THRESHOLD)


def test_the_exact_answer_is_found_flawless(truth: Truth) -> None:
    result = verdict(answer(truth), truth)
    assert result["exact_walk_removes"] >= 10
    assert result["rows"] - result["after_collapse"] > 3
    assert result["partner_is_earliest"] == result["removed_near"] == result["exact_walk_removes"]
    zeros = ("unsound", "missed", "removed_beyond_exact_walk", "kept_with_earlier_kept_similar")
    assert [result[name] for name in zeros] == [0, 0, 0, 0]


def test_texts_without_words_collapse_by_their_bytes_only(truth: Truth) -> None:
    assert truth.leader[:4] == [0, 1, 0, 3]
    assert not any(row in truth.removed for row in range(4))


def test_a_row_that_was_left_is_counted_as_missed(truth: Truth) -> None:
    removed = answer(truth)
    alone = next(row for row in truth.removed if truth.leader.count(row) == 1)
    del removed[alone]
    result = verdict(removed, truth)
    assert (result["missed"], result["unsound"]) == (1, 0)
    assert result["kept_with_earlier_kept_similar"] >= 1


def test_a_kept_copy_is_unsound(truth: Truth) -> None:
    removed = answer(truth)
    del removed[2]
    assert verdict(removed, truth)["unsound_examples"] == [
        "row 2: kept, though row 0 comes first and has the same words"
    ]


def test_a_removal_for_an_unlike_row_is_unsound(truth: Truth) -> None:
    removed = answer(truth)
    kept = [row for row in truth.order if row not in removed]
    removed[kept[-1]] = Removed(kept[0], 0.7)
    assert "the similarity to row" in "".join(verdict(removed, truth)["unsound_examples"])


def test_a_partner_that_was_removed_itself_is_unsound(truth: Truth) -> None:
    removed = answer(truth)
    first, second = list(truth.removed)[:2]
    removed[first] = Removed(second, 1.0)
    assert f"row {first}: row {second} was not kept" in verdict(removed, truth)["unsound_examples"]


def test_a_score_that_is_not_the_counted_one_is_unsound(truth: Truth) -> None:
    removed = answer(truth)
    row = next(iter(truth.removed))
    removed[row] = removed[row]._replace(score=0.7001)
    assert verdict(removed, truth)["unsound"] == 1


def test_shingles_of_the_judge_have_the_similarities_of_the_reference() -> None:
    words = Words()
    for left, right in zip(TEXTS, reversed(TEXTS), strict=True):
        ours = jaccard(words.shingles(left, 5), words.shingles(right, 5))
        theirs = reference.jaccard(
            reference.shingle_hashes(left, 5), reference.shingle_hashes(right, 5)
        )
        assert ours == theirs
