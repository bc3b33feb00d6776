"""Figures of answers: cut off, empty, repeating; and that kernels agree with plain Python."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.signals import plain_chat_signals as plain
from tests.signals.dialogues import asked, of_answers, values
from thresher.signals.echoes import read_echoes
from thresher.signals.markup import read_markup
from thresher.signals.sentences import read_repeats
from thresher.signals.spans import spans

PIECES = st.sampled_from(
    ["```", "```py", "~~~", "````", "\n", "\n\n", " ", "> ", "a", "b c", "x = 1", "1. ", "- ", "• ",
     "That is it. ", "Yes! ", "这是什么。", "好", "111", "22", "ha ", "ha ha ", "é", "É", "\u0301",
     "😀", "no no no ", "One fine day it rained.", "\r", "\t", "`x`", "$$", "\\[", "\\",
     "\x00", "ｱ"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=80)


@given(st.lists(TEXTS, max_size=4))
@example(["\\0", "\\一"])
@example(["```py\n```", "```\nx", "```", "~~~\nx", "a ```` b", "```` \n```\n````"])
def test_code_blocks_digits_and_chinese_are_those_of_plain_python(texts: list[str]) -> None:
    found = read_markup(spans(pa.array(texts, pa.string())))
    for row, text in enumerate(texts):
        blocks, empty, is_open = plain.fences(text)
        assert (found.blocks[row], found.empty_blocks[row]) == (blocks, empty)
        assert bool(found.open_fence[row]) == is_open
        assert found.digit_run[row] == plain.digit_run(text)
        assert found.chinese[row] == plain.chinese(text)


@pytest.mark.slow
@given(st.lists(TEXTS, max_size=4))
@example(["no no no no", "a b a b a b c", "", "ha", "这这这", "É é É"])
def test_runs_and_copies_are_those_of_plain_python(texts: list[str]) -> None:
    found = read_echoes(spans(pa.array(texts, pa.string())))
    for row, text in enumerate(texts):
        assert (found.ngram_run[row], found.ngram_run_words[row]) == plain.ngram_runs(text)
        assert (found.copy_cost[row], found.longest_copy[row]) == plain.copies(text)


@given(st.lists(TEXTS, max_size=4))
@example(["That is it. That is it.\n\nThat is it.", "1. a b c\n2. a b c\n\nx y z a b c\n\nx y z"])
def test_repeats_are_those_of_plain_python(texts: list[str]) -> None:
    found = read_repeats(spans(pa.array(texts, pa.string())))
    for row, text in enumerate(texts):
        figures = (found.paragraphs[row], found.sentence_run[row], found.sentences[row])
        assert figures == plain.repeats(text)


@pytest.mark.parametrize(
    ("signal", "answer", "expected"),
    [
        ("unfinished_response", "It is", True),
        ("unfinished_response", "It is,  \n", True),
        ("unfinished_response", "It is.", False),
        ("unfinished_response", "它是", True),
        ("unfinished_response", "它是。", False),
        ("unfinished_response", "", False),
        ("response_ends_with_colon", "Here it is: ", True),
        ("response_ends_with_colon", "如下：", True),
        ("response_ends_with_colon", "Here: it is", False),
        ("unclosed_code_blocks", "Take\n```py\nx = 1", 1),
        ("unclosed_code_blocks", "Take\n```py\nx = 1\n```\n", 0),
        ("unclosed_code_blocks", "Take\n```py\nx = 1```", 0),
        ("unclosed_code_blocks", "All of it.\n```", 0),
        ("unclosed_formulas", "So\n\\[ x = 1", 1),
        ("unclosed_formulas", "So\n\\[ x = 1 \\]", 0),
        ("unclosed_formulas", "So\n$$ x", 1),
        ("unclosed_formulas", "He pays $$60", 0),
        ("unclosed_formulas", "`\\[` opens it, \\\\[4pt] does not", 0),
        ("unclosed_json", '{"a": [1, 2', 1),
        ("unclosed_json", '{"a": "}', 1),
        ("unclosed_json", '{"a": 1} is it', 0),
        ("unclosed_json", "[Verse 1]", 0),
        ("invalid_json", '{"a": 1,}', 1),
        ("invalid_json", '{"a": ' + "9" * 5000 + "}", 0),
        ("invalid_json", "{name} is it", 0),
        ("empty_code_blocks", "```python\n\n```", 1),
        ("empty_code_blocks", "```\n\n```", 0),
        ("code_blocks", "```a\nb\n```\nx\n~~~\ny\n~~~", 2),
        ("restarted_lists", "So:\n1. a\n1. b", 1),
        ("restarted_lists", "So:\n1. a\n2. b\n\n1. c", 0),
        ("digit_run", "1 11 1111 2", 4),
        ("response_chinese_share", "好 ok", 0.25),
        ("repeated_paragraphs", "\n\n".join(["This is what it says."] * 10), 10),
        ("repeated_paragraphs", "\n\n".join(["This is x = 1 to it."] * 10), 5),
        ("repeated_paragraphs", "\n\n".join(["This is what it\nsays."] * 10), 2),
        ("repeated_paragraphs", "\n\n".join(["This is what it says.", "No."] * 10), 5),
        ("sentence_run", "It is so. " * 4, 4),
        ("sentence_run", "It is so. No! " * 4, 1),
        ("sentence_run", "No way. " * 4, 2),
        ("sentence_run", "```\n" + "It is so. " * 9 + "\n```", 0),
        ("repeated_sentences", "It is so now. And why? " * 4, 4),
        ("ngram_run", "a b c a b c a b c d", 3),
        ("ngram_run_words", "a b c a b c a b c d", 9),
        ("compressed_share", "short", None),
        ("copied_share", "ab" * 500, 0.998),
    ],
)
def test_answers_have_the_known_figure(signal: str, answer: str, expected: object) -> None:
    assert of_answers(signal, answer) == [expected]


def test_a_loop_leaves_little_and_prose_much() -> None:
    prose = " ".join(f"Word {n} of {n * n} says {n % 7}." for n in range(200))
    loop, free = of_answers("compressed_share", "Again and again it goes. " * 400, prose)
    assert loop < 0.02
    assert 0.3 < free < 1


def test_counts_are_of_all_answers_and_shares_of_the_worst() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "```py\nx"},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "```py\ny"},
        ]
    }
    assert values("messages", "unclosed_code_blocks", row) == [2]
    ranked = {
        "prompt": "p",
        "answers": [{"answer": t, "rank": r} for t, r in (("x", 2), ("y z", 1))],
    }
    assert values("ranked", "response_words", ranked) == [2]
    assert values("ranked", "longest_answer_words", ranked) == [2]
    assert values("ranked", "shortest_answer_words", ranked) == [1]


def test_turns_without_loss_are_no_answers() -> None:
    row = asked("```py\nx")
    row["messages"][1]["weight"] = 0.0
    assert values("messages", "unclosed_code_blocks", row, asked("```py\nx")) == [None, 1]
