"""Figures of preferences and judged answers, keys of prompts and answers, and phrases by row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats.batches import Row
from tests.signals.dialogues import asked, chat, figures, pair, read, values
from thresher.signals.finals import final_answer
from thresher.signals.keys import answer_keys, collapsed, prompt_keys
from thresher.signals.phrases import parse_phrases
from thresher.signals.preference import SIGNALS as PREFERENCE
from thresher.signals.spans import spans
from thresher.signals.turn_phrases import phrase_catalogue, phrase_signals
from thresher.signals.unpaired import SIGNALS as UNPAIRED

RATED: Row = {**pair("a", "b"), "chosen-rating": 5, "rejected-rating": 1}
LISTED = "- one\n- two\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signal", "row", "expected"),
    [
        ("chosen_equals_rejected", pair("a  b\n", "a b"), True),
        ("chosen_equals_rejected", pair("a b.", "a b"), False),
        ("chosen_equals_rejected", pair("1 + 1", "1 - 1"), False),
        ("answers_jaccard", pair("a b c", "B c d a"), 0.75),
        ("answers_jaccard", pair("", ""), None),
        ("empty_answers", pair(" ", ""), 2),
        ("empty_answers", pair("a", ""), 1),
        ("missing_prompt", pair("a", "b", " "), True),
        ("missing_prompt", pair("a", "b"), False),
        ("prompt_in_answers", pair("Say it in five words. Now", "No", "Say it in five words."), 1),
        ("prompt_in_answers", pair("Yes it is", "Yes", "Yes"), 0),
        ("identity_leaks", pair("Response A is much better than B.", "b"), 1),
        ("identity_leaks", pair("[[A]]", "The chosen response wins."), 2),
        ("identity_leaks", pair("Option A is better than B.", "Plan B"), 0),
        ("chosen_words", pair("a b", "c"), 2),
        ("rejected_words", pair("a b", "c"), 1),
        ("length_log_ratio", pair("abcd", "ab"), math.log(4) - math.log(2)),
        ("length_log_ratio", pair("abcd", ""), None),
        ("refusing_side", pair("Sure.", "I cannot help with that."), "rejected"),
        ("refusing_side", pair("I'm sorry, I can't assist.", "Sure."), "chosen"),
        ("refusing_side", pair("Sure.", "Fine."), "none"),
        ("formatted_side", pair(LISTED, "one and two"), "chosen"),
        ("formatted_side", pair("**a** b", "# Head\ntext"), "both"),
        ("formatted_side", pair("a - b * c", "```\nx\n```"), "rejected"),
        ("same_final_answer", pair("\\boxed{\\frac{1}{2}}.", "So \\boxed{ \\frac{1}{2} }"), True),
        ("same_final_answer", pair("x\n#### 1,000", "The answer is 1000."), True),
        ("same_final_answer", pair("x\n#### 1", "y\n#### 2\n"), False),
        ("same_final_answer", pair("#### Head\nx", "y\n#### 2\n"), None),
        ("score_margin", pair("a", "b", score_chosen=3, score_rejected=1.5), 1.5),
        ("score_margin", pair("a", "b", chosen_score=1, rejected_score=1), 0.0),
        ("score_margin", pair("a", "b", chosen_avg_rating=1.0, rejected_avg_rating=2.0), -1.0),
        ("score_margin", pair("a", "b", margin=2), 2.0),
        ("score_margin", pair("a", "b", chosen_tokens=2, rejected_tokens=1), None),
        ("score_margin", pair("a", "b", chosen_score=float("nan"), rejected_score=1.0), None),
        ("chosen_score", RATED, 5.0),
        ("rejected_score", RATED, 1.0),
    ],
)  # fmt: skip
def test_pairs_have_the_known_figure(signal: str, row: Row, expected: object) -> None:
    assert values("preference", signal, row) == [expected]


def test_sides_of_several_turns_are_told_apart() -> None:
    def side(*turns: tuple[str, str]) -> list[dict[str, str]]:
        return [{"role": role, "content": text} for role, text in turns]

    row = {
        "prompt": side(("user", "q")),
        "chosen": side(("assistant", "a"), ("user", "b"), ("assistant", "c")),
        "rejected": side(("assistant", "a"), ("user", "b")),
    }
    assert values("preference-chat", "answers_with_user_turns", row) == [2]
    assert values("preference-chat", "answers_without_assistant", row) == [1]
    assert values("preference-chat", "chosen_words", row) == [2]


@pytest.mark.parametrize(
    ("signal", "row", "expected"),
    [
        ("desirable", {"prompt": "a", "completion": "b", "label": True}, True),
        ("desirable", {"prompt": "a", "completion": "b", "label": None}, None),
        ("label_missing", {"prompt": "a", "completion": "b", "label": None}, True),
        ("completion_empty", {"prompt": "a", "completion": " ", "label": True}, True),
        ("completion_without_prompt", {"prompt": "", "completion": "b", "label": True}, True),
        ("prompt_in_completion",
         {"prompt": "one two three four five", "completion": "One.", "label": True}, False),
        ("prompt_in_completion",
         {"prompt": "one two three four five", "completion": "one two three four five six",
          "label": True}, True),
    ],
)  # fmt: skip
def test_judged_answers_have_the_known_figure(signal: str, row: Row, expected: object) -> None:
    good = {"prompt": "a", "completion": "b", "label": False}
    assert values("kto", signal, row, good)[0] == expected


def test_a_completion_that_ends_with_the_user_is_marked() -> None:
    turns = [{"role": "user", "content": "b"}]
    row = {"prompt": turns, "completion": turns, "label": True}
    assert values("kto-chat", "completion_without_assistant", row) == [True]
    assert values("kto-chat", "completion_with_user_turns", row) == [True]


def test_other_kinds_of_rows_have_no_such_figures() -> None:
    found = figures(read("messages", asked("a")))
    for signal in (*PREFERENCE, *UNPAIRED):
        assert found[signal.name].null_count == 1
        assert found[signal.name].type == signal.kind.type


@given(st.lists(st.text(alphabet=" \t\n\u00a0\u3000\u2003\x1fab走\u2028", max_size=12), max_size=4))
def test_white_space_collapses_as_python_splits(texts: list[str]) -> None:
    assert collapsed(pa.array(texts, pa.string())).to_pylist() == [
        " ".join(t.split()) for t in texts
    ]


def test_keys_tell_prompts_and_answers_apart() -> None:
    rows = read("preference", pair("a", "b"), pair(" a\n", "c"), pair("b", "a", "Another one?"))
    prompts = prompt_keys(rows)
    chosen, rejected = answer_keys(rows, "chosen"), answer_keys(rows, "rejected")
    assert (prompts[0] == prompts[1]).all() and (prompts[0] != prompts[2]).any()
    assert (chosen[0] == chosen[1]).all() and (chosen[0] == rejected[2]).all()
    assert (chosen[0] != rejected[0]).any()
    assert prompts.dtype == np.uint64 and prompts.shape == (3, 2)


def test_keys_are_the_same_for_every_kind_of_row() -> None:
    judged = read("kto", {"prompt": "p q", "completion": "a", "label": True})
    talk = read("messages", chat(("user", "p q"), ("assistant", "a")))
    both = read("preference", pair("a", "b", "p q"))
    ranked = read("ranked", {"prompt": "p q", "answers": [{"answer": "a", "rank": 1}]})
    for rows in (talk, ranked):
        assert (prompt_keys(rows) == prompt_keys(judged)).all()
        assert (answer_keys(rows) == answer_keys(judged)).all()
    assert (prompt_keys(both) == prompt_keys(judged)).all()
    assert (answer_keys(both, "chosen") == answer_keys(judged)).all()


def test_roles_system_and_tools_are_part_of_a_key() -> None:
    rows = [
        chat(("user", "a"), ("assistant", "b")),
        chat(("system", "a"), ("assistant", "b")),
        chat(("system", "s"), ("user", "a"), ("assistant", "b")),
    ]
    keys = prompt_keys(read("messages", *rows, {**rows[0], "tools": "[]"}))
    assert len({tuple(key) for key in keys.tolist()}) == 4


def test_what_has_no_prompt_or_answer_has_no_key() -> None:
    with pytest.raises(ValueError, match="no prompt"):
        prompt_keys(read("text", {"text": "a"}))
    with pytest.raises(ValueError, match="name the side"):
        answer_keys(read("preference", pair("a", "b")))
    with pytest.raises(ValueError, match="no answer"):
        answer_keys(read("prompt", {"prompt": "a"}))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 3. Done.", "3"),
        ("the answer is: $3.50", "3.50"),
        ("Answer: B\nwhy", "b"),
        ("\\boxed{1} then \\boxed{2}", "2"),
        ("\\boxed{", None),
        ("The answer is " + "long " * 100, None),
        ("No mark.", None),
    ],
)
def test_final_answers_are_read_where_they_are_marked(text: str, answer: str | None) -> None:
    assert final_answer(text) == answer


def test_phrases_are_counted_over_the_turns_of_their_scope() -> None:
    def listing(name: str, scope: str) -> Any:
        return parse_phrases(f"# scope: {scope}\n\\bboo\\b", name, "x.txt")

    lists = [listing(scope, scope) for scope in ("answer", "prompt", "turn", "text")]
    row = chat(("system", "boo"), ("user", "boo"), ("assistant", "boo"), ("user", "x"),
               ("assistant", "boo boo"))  # fmt: skip
    found = phrase_signals(read("messages", row, chat(("user", "x"))), lists)
    assert {name: array.to_pylist() for name, array in found.items()} == {
        "answer": [2, None], "prompt": [1, 0], "turn": [4, 0], "text": [4, 0]
    }  # fmt: skip
    assert [signal.name for signal in phrase_catalogue(lists)] == list(found)
    both = phrase_signals(read("preference", pair("boo", "boo", "boo")), lists)
    assert [array[0].as_py() for array in both.values()] == [2, 1, 3, 3]
    plain = phrase_signals(read("text", {"text": "boo"}, {"text": None}), lists)
    assert all(array.to_pylist() == [1, None] for array in plain.values())


def test_lists_with_one_signal_add_up() -> None:
    lists = [parse_phrases(f"# signal: noise\n{word}", word, "x.txt") for word in ("boo", "bah")]
    found = phrase_signals(read("messages", asked("boo bah"), asked("bah"), asked("no")), lists)
    assert found["noise"].to_pylist() == [2, 1, 0]


def test_spans_of_sliced_and_null_texts_are_right() -> None:
    for kind in (pa.string(), pa.large_string()):
        held = spans(pa.array(["ab", None, "c", ""], kind).slice(1))
        assert held.lengths.tolist() == [0, 1, 0]
    assert spans(pa.nulls(2)).lengths.tolist() == [0, 0]
