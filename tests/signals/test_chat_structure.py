"""Figures of structure, reasoning, tools and overlap, on rows whose answer is known."""

from __future__ import annotations

from typing import Any

import pytest

from tests.formats.batches import Row
from tests.signals.dialogues import asked, chat, figures, of_answers, read, values
from thresher.signals.chat import SIGNALS
from thresher.text.reference import shingle_hashes, word_hash, words

GOOD = chat(("system", "Be brief."), ("user", "Hi there"), ("assistant", "Hello you two."))
CALL = {"type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
TOOLS = '[{"type": "function", "function": {"name": "f"}}]'


def called(*calls: Any, answer: bool = True, tools: str | None = TOOLS) -> Row:
    messages: list[Any] = [
        {"role": "user", "content": "a", "tool_calls": None},
        {"role": "assistant", "content": "", "tool_calls": list(calls)},
    ]
    if answer:
        messages.append({"role": "tool", "content": "r", "tool_calls": None})
    messages.append({"role": "assistant", "content": "b", "tool_calls": None})
    return {"messages": messages, "tools": tools}


@pytest.mark.parametrize(
    ("signal", "row", "expected"),
    [
        ("turns", GOOD, 3),
        ("system_turns", GOOD, 1),
        ("user_turns", GOOD, 1),
        ("assistant_turns", GOOD, 1),
        ("tool_turns", called(CALL), 1),
        ("prompt_words", GOOD, 2),
        ("instruction_words", GOOD, 2),
        ("prompt_characters", GOOD, 8),
        ("context_words", GOOD, 4),
        ("context_characters", GOOD, 17),
        ("response_words", GOOD, 3),
        ("response_characters", GOOD, 14),
        ("last_role", GOOD, "assistant"),
        ("last_role", chat(), None),
        ("last_role", chat(("user", "a"), ("narrator", "b")), "unknown"),
        ("unknown_roles", chat(("user", "a"), ("narrator", "b")), 1),
        ("roles_out_of_order", GOOD, False),
        ("roles_out_of_order", chat(("user", "a"), ("user", "b"), ("assistant", "c")), True),
        ("roles_out_of_order", chat(("user", "a"), ("narrator", "b")), True),
        ("repeated_roles", chat(("user", "a"), ("user", "b"), ("assistant", "c")), 1),
        ("repeated_roles", GOOD, 0),
        ("starts_with_assistant", chat(("system", "s"), ("assistant", "a"), ("user", "b")), True),
        ("starts_with_assistant", GOOD, False),
        ("ends_with_user", chat(("user", "a"), ("assistant", "b"), ("user", "c")), True),
        ("ends_with_user", GOOD, False),
        ("no_assistant_turn", chat(("user", "a")), True),
        ("no_assistant_turn", GOOD, False),
        ("empty_turns", chat(("user", "\u00a0\n"), ("assistant", "")), 2),
        ("empty_turns", chat(("user", "a"), ("assistant", None)), 1),
        ("empty_turns", called(CALL), 0),
        ("empty_response", asked(" "), True),
        ("empty_response", asked(None), True),
        ("empty_response", chat(("user", "a")), None),
        ("response_words", chat(("user", "a")), None),
        ("response_words", chat(("user", "a"), ("assistant", "b c"), ("user", "d")), 2),
        ("context_words", chat(("user", "a"), ("assistant", "b c"), ("user", "d")), 1),
        ("tool_calls", called(CALL), 1),
        ("invalid_tool_calls", called(CALL), 0),
        ("invalid_tool_calls", called({"function": {"name": "f", "arguments": "{x"}}), 1),
        ("invalid_tool_calls", called({"function": {"name": " ", "arguments": "{}"}}), 1),
        ("invalid_tool_calls", called({"function": {"name": "f", "arguments": None}}), 0),
        ("undeclared_tool_calls", called(CALL), 0),
        ("undeclared_tool_calls", called({"function": {"name": "g", "arguments": "1"}}), 1),
        ("undeclared_tool_calls", called(CALL, tools=None), 0),
        ("unanswered_tool_calls", called(CALL), 0),
        ("unanswered_tool_calls", called(CALL, answer=False), 1),
        ("declared_tools", called(CALL), 1),
        ("declared_tools", called(CALL, tools=None), 0),
        ("declared_tools", called(CALL, tools="[{"), None),
        ("invalid_tools", called(CALL), False),
        ("invalid_tools", called(CALL, tools="[{"), True),
        ("invalid_tools", called(CALL, tools='[{"type": "function"}]'), True),
        ("invalid_tools", called(CALL, tools='[{"name": "f"}]'), False),
        ("invalid_tools", called(CALL, tools="[" * 100_000), True),
        ("invalid_tools", called(CALL, tools=None), None),
        ("boxed_missing", asked("It is 1.", "Answer in \\boxed{}."), True),
        ("boxed_missing", asked("\\boxed{1}", "Answer in \\boxed{}."), False),
        ("response_equals_prompt", asked(" Say it. ", "Say it."), True),
        ("response_equals_prompt", asked("Say it!", "Say it."), False),
        ("prompt_ends_with_colon", asked("a", "Say this:"), True),
        ("prompt_ends_with_colon", asked("a", "Say: this"), False),
        ("prompt_starts_oddly", asked("a", "(say it)"), True),
        ("prompt_starts_oddly", asked("a", "Écoute"), True),
        ("prompt_starts_oddly", asked("a", "Say it"), False),
        ("url_only_prompt", asked("a", " https://example.org/x?y "), True),
        ("url_only_prompt", asked("a", "https://example.org is it"), False),
        ("prompt_copied_share", asked("one 2 three four five", "one 2 three four five six"), 0.5),
        ("prompt_copied_share", asked("one two", "one two"), None),
        ("prompt_response_overlap", asked("a b c d", "A, B"), 0.5),
    ],
)  # fmt: skip
def test_rows_have_the_known_figure(signal: str, row: Row, expected: object) -> None:
    assert values("messages", signal, row) == [expected]


def test_a_call_written_as_text_is_read_as_one() -> None:
    turns = [("human", "a"), ("function_call", '{"name": "f", "arguments": {"x": 1}}')]
    broken = [("human", "a"), ("function_call", '{"name": '), ("gpt", "b")]
    rows = [{"conversations": [{"from": r, "value": v} for r, v in t]} for t in (turns, broken)]
    assert values("sharegpt", "invalid_tool_calls", *rows) == [0, 1]
    assert values("sharegpt", "unanswered_tool_calls", *rows) == [0, 1]
    assert values("sharegpt", "response_words", *rows) == [None, 1]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("<think>a b</think>c", {"reasoning_words": 2, "reasoning_share": 3 / 19}),
        ("<think>a b", {"unclosed_reasoning": 1, "malformed_reasoning": 1, "reasoning_words": 2}),
        ("a b</think>c", {"malformed_reasoning": 1, "reasoning_words": 2}),
        ("x <think>a</think>c", {"malformed_reasoning": 1}),
        ("<think>a</think>b<think>c</think>d", {"malformed_reasoning": 1}),
        ("</think>a<think>", {"malformed_reasoning": 1, "reasoning_words": 0}),
        ("<think> \n</think>c", {"empty_reasoning": 1}),
        ("<think>a</think> \n", {"unanswered_reasoning": 1}),
        ("<answer>a", {"unbalanced_answer_tags": 1}),
        ("<answer>a</answer>", {"unbalanced_answer_tags": 0}),
        ("I rethink> it", {}),
        ("No tags.", {"reasoning_words": 0, "reasoning_share": 0.0}),
        ("", {}),
    ],
)
def test_reasoning_has_the_known_figures(answer: str, expected: dict[str, object]) -> None:
    known = {"unclosed_reasoning": 0, "malformed_reasoning": 0, "empty_reasoning": 0,
             "unanswered_reasoning": 0, "unbalanced_answer_tags": 0}  # fmt: skip
    for signal, value in {**known, **expected}.items():
        assert of_answers(signal, answer, "No tags.")[0] == value, signal


def test_reasoning_of_a_field_counts_as_well() -> None:
    thought = {"role": "assistant", "content": "", "reasoning_content": "a b"}
    said = {"role": "assistant", "content": "c d", "reasoning_content": "a b c"}
    rows = [{"messages": [{"role": "user", "content": "q"}, turn]} for turn in (thought, said)]
    assert values("messages", "unanswered_reasoning", *rows) == [1, 0]
    assert values("messages", "reasoning_words", *rows) == [2, 3]
    assert values("messages", "reasoning_share", *rows) == [1.0, 5 / 8]


def test_alpaca_rows_are_judged_by_their_own_columns() -> None:
    rows = [
        {"instruction": "Repeat:", "input": "this text", "output": "this text"},
        {"instruction": "Say it", "input": "", "output": "Say it"},
        {"instruction": "Sum it up", "input": "http://a.b/c", "output": "Good"},
    ]
    assert values("alpaca", "response_equals_input", *rows) == [True, None, False]
    assert values("alpaca", "response_equals_prompt", *rows) == [False, True, False]
    assert values("alpaca", "prompt_ends_with_colon", *rows) == [True, False, False]
    assert values("alpaca", "url_only_prompt", *rows) == [False, False, True]
    assert values("alpaca", "instruction_words", *rows) == [1, 2, 3]


def test_words_and_shares_are_those_of_the_reference() -> None:
    prompt = "Ünder der Brücke 走 über die Straße, THE cat the hat the mat"
    answer = "der brücke 走 über die straße the CAT sat"
    row = asked(answer, prompt)
    mine, theirs = shingle_hashes(prompt), shingle_hashes(answer)
    assert values("messages", "prompt_copied_share", row) == [len(mine & theirs) / len(mine)]
    asked_words, told_words = ({word_hash(w) for w in words(text)} for text in (prompt, answer))
    share = len(asked_words & told_words) / len(told_words)
    assert values("messages", "prompt_response_overlap", row) == [share]
    assert values("messages", "prompt_words", row) == [len(words(prompt))]


def test_plain_text_and_prompts_lack_what_they_cannot_have() -> None:
    text = figures(read("text", {"text": "a"}, {"text": None}))
    assert all(found.null_count == 2 for found in text.values())
    prompt = figures(read("prompt", {"prompt": "Say it:"}))
    assert prompt["prompt_ends_with_colon"].to_pylist() == [True]
    assert prompt["response_words"].to_pylist() == [None]
    assert prompt["no_assistant_turn"].to_pylist() == [None]


def test_names_of_signals_are_unique_and_types_are_theirs() -> None:
    assert len({signal.name for signal in SIGNALS}) == len(SIGNALS)
    found = figures(read("messages", GOOD))
    for signal in SIGNALS:
        assert found[signal.name].type == signal.kind.type, signal.name
