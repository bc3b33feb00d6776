"""Verdicts: each clause begins at its threshold, and more evidence never weighs less."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from tests.leaks.made_figures import VERBATIM, judge, numbers, rare, verdict
from tests.leaks.plain_decide import columns, match, random_matches
from thresher.leaks.decide import (
    CLEAN,
    CONTAMINATED,
    MATCH_KINDS,
    SIDES,
    SUSPECT,
    VERDICTS,
    decide,
    decide_rows,
)
from thresher.leaks.presets import PRESETS

RISING = (
    "matched5", "matched8", "longest", "lcs", "widf_num", "num_equal", "templated8", "covered_13",
    "grams_7", "options_found", "own_num",
)  # fmt: skip


FLAGS = ("exact", "answer_found")


PROBLEM: dict[str, Any] = {"L": 30, "lcs": 11, "kind": "math"}


SIDES_OF_EACH_CLAUSE = [
    # exact
    ({"L": 8, "exact": True}, 2),
    ({"L": 7, "exact": True}, 0),
    ({"L": 7, "exact": True, "segment_tokens": 13}, 2),
    ({"L": 7, "exact": True, "segment_tokens": 14}, 0),
    ({"L": 3, "exact": True, "answer_found": True}, 2),
    ({"L": 2, "exact": True, "answer_found": True}, 0),
    ({"L": 2, "exact": True, "segment_tokens": 2}, 0),
    ({"L": 2, "exact": True, "segment_tokens": 2, "answer_found": True}, 2),
    # cover of 8-grams
    ({"L": 20, "matched8": 10}, 2),
    ({"L": 20, "matched8": 9}, 1),
    ({"L": 14, "matched8": 11}, 2),
    ({"L": 14, "matched8": 10}, 1),
    ({"L": 40, "matched8": 10}, 1),
    ({"L": 40, "matched8": 9}, 0),
    # cover of 5-grams
    ({"L": 30, "matched5": 18}, 2),
    ({"L": 30, "matched5": 17}, 0),
    ({"L": 21, "matched5": 17}, 2),
    ({"L": 21, "matched5": 16}, 0),
    ({"L": 12, "matched5": 12}, 2),
    ({"L": 12, "matched5": 11}, 0),
    ({"L": 7, "matched5": 7}, 0),
    # longest span
    ({"L": 26, "longest": 13}, 2),
    ({"L": 24, "longest": 12}, 0),
    ({"L": 40, "longest": 20}, 2),
    ({"L": 40, "longest": 19}, 0),
    # rare words in one window
    ({"L": 30, **rare(0.70)}, 2),
    ({"L": 30, **rare(0.69)}, 1),
    ({"L": 30, **rare(0.60)}, 1),
    ({"L": 30, **rare(0.59)}, 0),
    ({"L": 21, **rare(0.85)}, 2),
    ({"L": 21, **rare(0.84)}, 1),
    ({"L": 12, **rare(1.00)}, 2),
    ({"L": 12, **rare(0.99)}, 1),
    ({"L": 11, **rare(1.00)}, 0),
    ({"L": 112, "segment_tokens": 747, **rare(0.70)}, 2),
    ({"L": 112, "segment_tokens": 748, **rare(0.70)}, 1),
    ({"L": 112, "segment_tokens": 748, **rare(0.72)}, 2),
    ({"L": 112, "segment_tokens": 1496, **rare(0.73)}, 1),
    ({"L": 112, "segment_tokens": 10**9, **rare(0.99)}, 1),
    # numbers
    ({**PROBLEM, **numbers(3, 3), **rare(0.50)}, 2),
    ({**PROBLEM, **numbers(3, 3), **rare(0.49)}, 1),
    ({**PROBLEM, **numbers(3, 3), **rare(0.50), "lcs": 10}, 1),
    ({**PROBLEM, **numbers(3, 3), **rare(0.50), "segment_tokens": 224}, 1),
    ({**PROBLEM, **numbers(3, 3), **rare(0.54), "segment_tokens": 224}, 2),
    ({**PROBLEM, **numbers(3, 3), **rare(0.60), "L": 27}, 2),
    ({**PROBLEM, **numbers(3, 3), **rare(0.59), "L": 27}, 1),
    ({"L": 15, "lcs": 15, "kind": "math", **numbers(3, 3), **rare(1.00), "own_num": 0}, 1),
    ({**PROBLEM, **numbers(3, 3), **rare(0.50), "kind": "generic"}, 1),
    ({**PROBLEM, **numbers(3, 3), **rare(0.50), "kind": "code"}, 1),
    ({**PROBLEM, **numbers(2, 2), **rare(0.50)}, 2),
    ({**PROBLEM, **numbers(2, 2), **rare(0.50), "kind": "generic"}, 0),
    ({**PROBLEM, **numbers(0, 0), **rare(0.50)}, 0),
    ({**PROBLEM, **numbers(3, 3, 1), **rare(0.50)}, 2),
    ({**PROBLEM, **numbers(3, 3, 2), **rare(0.50)}, 1),
    ({**PROBLEM, **numbers(9, 9, 3), **rare(0.50)}, 2),
    ({**PROBLEM, **numbers(9, 9, 4), **rare(0.50)}, 1),
    ({**PROBLEM, **numbers(1, 1, 1), **rare(0.50)}, 2),
    ({**PROBLEM, **numbers(1, 1, 2), **rare(0.50)}, 1),
    ({"L": 15, **numbers(3, 4), **rare(0.45)}, 1),
    ({"L": 15, **numbers(3, 4), **rare(0.44)}, 0),
    ({"L": 14, **numbers(3, 4), **rare(0.45)}, 0),
    ({"L": 15, **numbers(2, 3), **rare(0.45)}, 0),
    # the same but for numbers
    ({"L": 20, "templated8": 10}, 1),
    ({"L": 20, "templated8": 9}, 0),
]


@pytest.mark.parametrize(("figures", "expected"), SIDES_OF_EACH_CLAUSE)
def test_each_clause_begins_at_its_threshold(figures: dict[str, Any], expected: int) -> None:
    assert verdict(**figures) == expected


def test_strict_and_audit_move_the_weak_rules() -> None:
    assert verdict("strict", L=30, **rare(0.74)) == SUSPECT
    assert verdict("strict", L=30, **rare(0.75)) == CONTAMINATED
    assert verdict("audit", L=30, **rare(0.60)) == CONTAMINATED
    assert verdict("audit", L=30, **rare(0.50)) == SUSPECT
    assert verdict("audit", L=15, **numbers(3, 3), **rare(0.30), kind="math") == CONTAMINATED
    assert verdict("strict", L=30, matched5=30) == CLEAN


def test_codes_are_those_of_the_matches_table() -> None:
    assert VERDICTS == ("clean", "suspect", "contaminated")
    assert MATCH_KINDS[-1] == "none"
    assert SIDES == ("input_only", "label_only", "input_and_label")


@pytest.mark.parametrize("preset", PRESETS)
def test_raising_a_figure_never_lowers_a_verdict(preset: str) -> None:
    rng = random.Random(preset)
    rows = random_matches(11, 300)
    evidence, items, around = columns(rows)
    before = decide(evidence, items, PRESETS[preset], around).verdict
    for name in (*RISING, *FLAGS):
        raised = [dict(row) for row in rows]
        for row in raised:
            if rng.random() < 0.4:
                row[name] = True if name in FLAGS else row[name] + rng.randrange(1, 12)
        after = decide(*columns(raised)[:2], PRESETS[preset], columns(raised)[2]).verdict
        assert (after >= before).all(), name


def test_the_order_of_matches_and_other_benchmarks_do_not_matter() -> None:
    rows = random_matches(5, 400)
    whole = judge(*rows)
    order = list(range(len(rows)))
    random.Random(1).shuffle(order)
    shuffled = judge(*(rows[i] for i in order))
    assert [whole[i] for i in order] == shuffled
    alone = [i for i, row in enumerate(rows) if row["bench"] == 0]
    assert judge(*(rows[i] for i in alone)) == [whole[i] for i in alone]


def test_no_matches_give_no_verdicts() -> None:
    evidence, items, around = columns([])
    found = decide(evidence, items, PRESETS["default"], around)
    assert [len(column) for column in found] == [0, 0, 0]
    assert found.verdict.dtype == np.uint8
    assert len(decide_rows(found, items, around).row) == 0
    assert len(decide(evidence, items, [PRESETS["default"]], around).verdict) == 0


# Kinds of benchmarks


def test_a_short_question_with_options_needs_two_of_them_or_the_answer() -> None:
    question: dict[str, Any] = {"kind": "mcq", "L": 19, "exact": True}
    assert judge(match(**question)) == [("suspect", "exact", "exact")]
    assert verdict(**question, options_found=1) == SUSPECT
    assert verdict(**question, options_found=2) == CONTAMINATED
    assert verdict(**question, answer_found=True) == CONTAMINATED
    assert verdict(**(question | {"L": 20})) == CONTAMINATED
    assert verdict(**(question | {"kind": "generic"})) == CONTAMINATED


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([(119, 125), (120, 125)], "contaminated"),
        ([(119, 125), (121, 125)], "suspect"),
        ([(119, 125)], "suspect"),
    ],
)
def test_options_count_within_a_window_of_the_question(
    places: list[tuple[int, int]], expected: str
) -> None:
    question = match(kind="mcq", L=19, exact=True, first=2, last=20)
    options = [
        match(kind="mcq", field="option", L=6, exact=True, first=first, last=last)
        for first, last in places
    ]
    assert judge(question, *options)[0][0] == expected


def test_options_of_other_items_segments_and_benchmarks_do_not_count() -> None:
    question = match(kind="mcq", L=19, exact=True)
    one = match(kind="mcq", field="option", L=6, exact=True)
    for other in ({"uid": 1}, {"segment": 1}, {"bench": 1}):
        assert judge(question, one, one | other)[0][0] == "suspect"
    assert judge(question, one, dict(one))[0][0] == "contaminated"


def test_a_question_with_an_option_needs_the_question() -> None:
    joined = match(kind="mcq", field="question_option", L=30, matched8=30)
    question = match(kind="mcq", L=10, **rare(0.59))
    assert judge(joined)[0] == ("suspect", "ngram_ratio", "options_only")
    assert judge(joined | {"answer_found": True}, question)[0][2] == "options_only"
    seen = question | rare(0.60)
    assert judge(joined, seen)[0] == ("suspect", "ngram_ratio", "near_verbatim")
    assert judge(joined | {"answer_found": True}, seen)[0][0] == "contaminated"
    assert judge(joined, seen | {"L": 20})[0][0] == "contaminated"
    assert judge(joined | {"exact": True})[0] == ("contaminated", "exact", "exact")


@pytest.mark.parametrize("kind", ["math", "mcq"])
def test_a_problem_with_another_number_is_a_template(kind: str) -> None:
    told = match(kind=kind, **(VERBATIM | {"exact": False}), num_changed=1)
    assert judge(told) == [("suspect", "ngram_ratio", "templated")]
    assert judge(told | {"num_changed": 0})[0][0] == "contaminated"
    assert judge(told | {"exact": True})[0][0] == "contaminated"
    assert judge(told | {"kind": "generic"})[0][0] == "contaminated"


def test_a_worked_answer_with_few_of_its_numbers_is_another_one() -> None:
    worked = match(kind="math", field="answer", matched8=40, **numbers(2, 5))
    assert judge(worked) == [("suspect", "ngram_ratio", "answer_only")]
    assert judge(worked | numbers(3, 5))[0][0] == "contaminated"
    assert judge(worked | {"field": "question"})[0][0] == "contaminated"


@pytest.mark.parametrize(
    ("figures", "least"),
    [
        ({"matched8": 20}, 50),
        ({"matched5": 24}, 60),
        ({"longest": 20}, 50),
        ({**rare(0.75)}, 70),
        ({**rare(0.75), "own_len": 21}, 85),
        ({**rare(0.75), "own_len": 12}, 100),
        ({**rare(0.60), "kind": "math", "lcs": 20, **numbers(4, 4)}, 50),
    ],
)
def test_of_its_own_words_an_item_needs_what_it_needs_of_all(
    figures: dict[str, Any], least: int
) -> None:
    assert verdict(**figures, own_den=100, own_num=least) == CONTAMINATED
    assert verdict(**figures, own_den=100, own_num=least - 1) == SUSPECT
    assert verdict("audit", **figures, own_den=100, own_num=0) == CONTAMINATED


def test_an_item_without_words_of_its_own_must_be_there_nearly_whole() -> None:
    common: dict[str, Any] = {"own_den": 0, "own_num": 0, "own_len": 0}
    assert verdict(matched8=35, **common) == SUSPECT
    assert verdict(matched8=36, **common) == CONTAMINATED
    assert verdict(**VERBATIM, **common) == CONTAMINATED


def test_a_short_question_with_its_option_counts_as_a_message_of_its_own() -> None:
    joined: dict[str, Any] = {"kind": "mcq", "field": "question_option", "L": 4, "exact": True}
    beside: dict[str, Any] = {"answer_found": True, "options_found": 2}
    assert verdict(**joined, **beside) == CLEAN
    assert verdict(**joined, **beside, segment_tokens=10) == CONTAMINATED
    assert verdict(**joined, **beside, segment_tokens=10, asked=False) == CLEAN


def test_code_in_other_words_is_suspect_at_most() -> None:
    reworded = match(kind="code", L=60, matched8=14, **rare(0.95))
    assert judge(reworded) == [("suspect", "fuzzy_idf", "paraphrase")]
    assert judge(reworded | {"kind": "generic"})[0][0] == "contaminated"
    assert judge(match(kind="code", matched8=20))[0][0] == "contaminated"


def test_a_trivial_solution_counts_beside_its_question_only() -> None:
    solution = match(kind="code", field="solution", L=5, exact=True, segment_tokens=6, segment=1)
    prompt = match(kind="code", **VERBATIM)
    assert judge(solution) == [("clean", "none", "none")]
    assert judge(solution, prompt)[0] == ("contaminated", "exact", "exact")
    assert judge(solution, prompt | {"uid": 1})[0][0] == "clean"
    assert judge(solution, prompt | {"row": 1})[0][0] == "clean"
    assert judge(solution | {"L": 6})[0] == ("contaminated", "exact", "answer_only")


def test_answers_without_the_question_are_named_so() -> None:
    answer = match(field="answer", segment=1, asked=False, **VERBATIM)
    assert judge(answer) == [("contaminated", "exact", "answer_only")]
    assert judge(answer, match(**VERBATIM))[0] == ("contaminated", "exact", "exact")
    assert judge(answer, match(row=1, **VERBATIM))[0][2] == "answer_only"


def test_passages_and_options_are_kept() -> None:
    for field, kind in (("passage", "passage_only"), ("option", "options_only")):
        assert judge(match(field=field, **VERBATIM)) == [("suspect", "exact", kind)]


def test_what_is_contained_whole_is_exact_whichever_rule_found_it() -> None:
    copied = match(covered_13=40, **VERBATIM)
    assert judge(copied, preset="gpt3") == [("contaminated", "ngram_any", "exact")]
    assert judge(copied | {"exact": False}, preset="gpt3")[0][2] == "near_verbatim"


def test_rewording_with_other_numbers_is_templated() -> None:
    reworded = match(L=40, **rare(0.9), **numbers(0, 4, 4))
    assert judge(reworded) == [("contaminated", "fuzzy_idf", "paraphrase")]
    assert judge(reworded | {"templated8": 40}) == [("contaminated", "fuzzy_idf", "templated")]
    assert judge(match(templated8=40)) == [("suspect", "templated", "templated")]


def test_the_templated_figure_may_be_unknown() -> None:
    evidence, items, around = columns([match(templated8=40), match(**VERBATIM)])
    del evidence["templated8"]
    assert decide(evidence, items, PRESETS["default"], around).verdict.tolist() == [0, 2]


# Known answers


def test_an_option_list_that_two_questions_share_is_kept() -> None:
    lists = [
        match(kind="mcq", field="option", L=6, exact=True, uid=uid, first=at)
        for uid in (1, 2)
        for at in (0, 7, 14, 21)
    ]
    short = [
        match(kind="mcq", field="question_option", L=20, uid=uid, options_found=4, matched5=5)
        for uid in (1, 2)
    ]
    found = judge(*lists, *short)
    assert set(found[:8]) == {("suspect", "option_list", "options_only")}
    assert set(found[8:]) == {("clean", "none", "none")}


def test_a_single_option_of_a_few_tokens_is_everyones() -> None:
    assert verdict(kind="mcq", field="option", L=6, exact=True, segment_tokens=6) == CLEAN


def test_a_short_question_counts_as_a_message_with_its_answer() -> None:
    asked: dict[str, Any] = {"kind": "math", "L": 4, "exact": True}
    assert verdict(**asked, segment_tokens=500) == CLEAN
    assert verdict(**asked, segment_tokens=4, answer_found=True) == CONTAMINATED


def test_the_letter_of_an_answer_is_clean() -> None:
    letter = match(kind="mcq", field="answer", L=1, exact=True, segment_tokens=1, answer_found=True)
    assert judge(letter) == [("clean", "none", "none")]


def test_a_passage_of_an_encyclopedia_is_kept() -> None:
    passage = match(kind="retrieval", field="passage", **(VERBATIM | {"L": 120, "longest": 120}))
    assert judge(passage) == [("suspect", "exact", "passage_only")]


def test_returning_a_sum_is_clean_alone() -> None:
    solution = match(kind="code", field="solution", L=3, exact=True, segment_tokens=3)
    assert judge(solution) == [("clean", "none", "none")]


def test_code_with_renamed_variables_is_suspect_at_most() -> None:
    renamed = match(kind="code", L=60, matched5=30, matched8=16, longest=20, **rare(0.8))
    assert judge(renamed)[0][0] == "suspect"


def test_much_the_same_words_as_in_an_answer_are_the_same_topic() -> None:
    reworded = match(L=60, matched8=14, **rare(0.95))
    assert judge(reworded | {"kind": "generic", "field": "question"})[0][0] == "contaminated"
    assert judge(reworded | {"kind": "generic", "field": "answer"})[0][0] == "suspect"
    assert judge(reworded | {"kind": "math", "field": "answer"})[0][0] == "contaminated"
