"""Broken rows: each is converted by a stated rule or refused with its error; none vanishes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from tests.formats.batches import Row, batch, to
from thresher.formats.conversion import Conversion, convert
from thresher.formats.judging import TEXTLESS
from thresher.formats.reading import UNKNOWN


def chat(*roles: str) -> list[Row]:
    """Return messages with these roles."""
    return [{"role": role, "content": f"{place}"} for place, role in enumerate(roles)]


def fault(data: pa.RecordBatch, source: str, target: str = "messages", **how: Any) -> str:
    """Return the error of the first row; the others must be fine."""
    made = to(data, source, target, **how)
    assert made.faults.good[1:].all()
    assert sorted({*made.source.tolist()}) == list(range(1, len(data)))
    return made.faults.message(0)


GOOD: Row = {"messages": chat("user", "assistant")}


@pytest.mark.parametrize(
    ("roles", "error"),
    [
        (("assistant", "user", "assistant"), "out of order"),
        (("user", "user", "assistant"), "out of order"),
        (("user", "assistant", "assistant"), "out of order"),
        (("user", "system", "assistant"), "out of order"),
        (("user", "assistant", "user"), "the last turn is not the assistant's"),
        (("user",), "the last turn is not the assistant's"),
        (("system", "assistant"), "out of order"),
        (("user", "tool", "assistant"), "out of order"),
        (("user", "narrator"), "a role is missing or unknown"),
        ((), "has no messages"),
    ],
)
def test_turns_out_of_order_or_missing_are_refused(roles: tuple[str, ...], error: str) -> None:
    assert error in fault(batch({"messages": chat(*roles)}, GOOD), "messages")


def test_any_order_is_converted_when_asked_for() -> None:
    data = batch({"messages": chat("assistant", "assistant", "user")}, GOOD)
    made = to(data, "messages", "sharegpt", order="any")
    assert [m["from"] for m in made.batch.to_pylist()[0]["conversations"]] == [
        "gpt",
        "gpt",
        "human",
    ]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"role": "assistant", "content": None}, "a message has no content"),
        ({"role": None, "content": "x"}, "a role is missing or unknown"),
        (None, "a message is null"),
    ],
)
def test_null_content_roles_and_messages_are_refused(message: Row | None, error: str) -> None:
    row = {"messages": [chat("user")[0], message]}
    assert error in fault(batch(row, GOOD), "messages", "sharegpt")


def test_roles_are_known_in_any_case_of_letters() -> None:
    data = batch({"messages": chat("User", "ASSISTANT")}, {"messages": chat("human", "gpt")})
    made = to(data, "messages", "messages")
    for row in made.batch.to_pylist():
        assert [m["role"] for m in row["messages"]] == ["user", "assistant"]


def test_ids_of_tool_calls_stay_where_no_answer_names_them() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    row = [*chat("user"), {"role": "assistant", "content": "x", "tool_calls": [call]}]
    made = to(batch({"messages": row}), "messages", "messages")
    assert made.batch.to_pylist()[0]["messages"][1]["tool_calls"] == [call]
    assert to(batch({"messages": row}), "messages", "sharegpt").losses == {
        "text beside tool calls": 1,
        "tool call ids": 1,
    }


def test_null_lists_and_columns_are_refused() -> None:
    assert "'messages' is null" in fault(batch({"messages": None}, GOOD), "messages")
    fine = {"instruction": "a", "input": "", "output": "b"}
    for name in ("instruction", "output"):
        assert fault(batch({**fine, name: None}, fine), "alpaca") == f"column '{name}' is null"


def test_null_input_is_no_input() -> None:
    row = {"instruction": "a", "input": None, "output": "b"}
    made = to(batch(row, {**row, "input": "c"}), "alpaca", "messages")
    contents = [r["messages"][0]["content"] for r in made.batch.to_pylist()]
    assert contents == ["a", "a\nc"]


KTO: Row = {"prompt": "a", "completion": "b"}


@pytest.mark.parametrize(
    ("value", "other", "label"),
    [("true", "False", True), ("FALSE", "x", False), (1, 7, True), (0.0, 0.7, False)],
)
def test_labels_that_are_clear_are_read_and_counted(value: Any, other: Any, label: bool) -> None:
    made = to(batch({**KTO, "label": value}, {**KTO, "label": other}), "kto", "kto-messages")
    assert made.batch.to_pylist()[0]["label"] is label
    assert made.losses == {"spelling of labels": len(made.batch)}


@pytest.mark.parametrize(("value", "good"), [(0.7, 1.0), ("yes", "true"), (2, 1), (None, True)])
def test_labels_that_are_not_clear_are_refused(value: Any, good: Any) -> None:
    error = fault(batch({**KTO, "label": value}, {**KTO, "label": good}), "kto", "kto-messages")
    assert "neither true nor false" in error or error == "column 'label' is null"


def test_a_preference_without_a_difference_is_refused() -> None:
    row = {"prompt": "a", "chosen": "b", "rejected": "c"}
    data = batch({**row, "rejected": "b"}, row)
    for target in ("preference", "preference-chat", "kto", "messages"):
        assert fault(data, "preference", target) == "chosen and rejected are equal"


def test_an_answer_judged_bad_is_removed_from_conversations_and_not_lost() -> None:
    data = batch({**KTO, "label": False}, {**KTO, "label": True})
    made = to(data, "kto", "messages")
    assert made.removed.tolist() == [True, False]
    assert made.source.tolist() == [1]


def test_a_preference_becomes_two_judged_answers() -> None:
    made = to(batch({"prompt": "a", "chosen": "b", "rejected": "c"}), "preference", "kto")
    assert made.source.tolist() == [0, 0]
    assert made.batch.to_pylist() == [
        {"prompt": "a", "completion": "b", "label": True},
        {"prompt": "a", "completion": "c", "label": False},
    ]


def test_rows_of_several_formats_are_each_read_by_their_own() -> None:
    alpaca = {"instruction": "a", "input": "", "output": "b"}
    share = {"conversations": [{"from": "human", "value": "c"}, {"from": "gpt", "value": "d"}]}
    data = batch(alpaca, share, {"instruction": None}, alpaca)
    made = convert(data, Conversion(("alpaca", "sharegpt"), "prompt-completion"))
    assert [r["prompt"] for r in made.batch.to_pylist()] == ["a", "c", "a"]
    assert made.source.tolist() == [0, 1, 3]
    assert made.faults.message(2) == "column 'instruction' is null"
    assert made.formats == {"alpaca": 2, "sharegpt": 1}


def test_rows_that_no_format_fits_say_so() -> None:
    made = convert(batch({"a": 1}), Conversion(("alpaca",), "messages"))
    assert made.faults.message(0) == UNKNOWN


def test_content_as_parts_keeps_its_text_and_says_what_is_not_text() -> None:
    parts = [{"type": "text", "text": "Look: "}, {"type": "image_url", "text": None}]
    answer = {"role": "assistant", "content": [{"type": "text", "text": "A cat"}]}
    row = {"messages": [{"role": "user", "content": parts}, answer]}
    made = to(batch(row), "messages-parts", "messages")
    assert [m["content"] for m in made.batch.to_pylist()[0]["messages"]] == ["Look: ", "A cat"]
    assert made.losses == {"content parts that are not text": 1}
    alone = {"messages": [{"role": "user", "content": parts[1:]}, answer]}
    for target in ("messages", "messages-parts", "alpaca"):
        made = to(batch(alone, row), "messages-parts", target)
        assert made.faults.message(0) == TEXTLESS
        assert made.source.tolist() == [1]


@pytest.mark.parametrize(
    ("arguments", "value"),
    [('{"a": 1}', '{"a": 1}'), ("not json", '"not json"'), ('"x"', '"\\"x\\""'), ("[1]", "[1]")],
)
def test_arguments_of_tool_calls_keep_every_letter(arguments: str, value: str) -> None:
    function = {"name": "f", "arguments": arguments}
    calls = [{"type": "function", "function": function}]
    row = [*chat("user"), {"role": "assistant", "tool_calls": calls}, *chat("tool", "assistant")]
    data = batch({"messages": row})
    there = to(data, "messages", "sharegpt")
    said = there.batch.to_pylist()[0]["conversations"][1]
    assert said == {"from": "function_call", "value": f'{{"name": "f", "arguments": {value}}}'}
    back = to(there.batch, "sharegpt", "messages").batch.to_pylist()[0]["messages"][1]
    assert back["tool_calls"] == calls


def test_a_function_call_that_is_no_call_is_refused_where_calls_are_fields() -> None:
    turns = [("human", "a"), ("function_call", "oops"), ("observation", "b"), ("gpt", "c")]
    row = {"conversations": [{"from": who, "value": what} for who, what in turns]}
    made = to(batch(row), "sharegpt", "messages")
    assert made.faults.message(0) == "a function_call turn is not a tool call in JSON"
    assert len(to(batch(row), "sharegpt", "sharegpt").batch) == 1


def test_conversations_that_do_not_fit_columns_are_refused() -> None:
    several = {"messages": chat("user", "assistant", "user", "assistant")}
    assert "several turns" in fault(batch(several, GOOD), "messages", "prompt-completion")
    assert to(batch(several, GOOD), "messages", "alpaca").faults.good.all()


def test_answers_between_whole_conversations_share_their_beginning() -> None:
    one = chat("user", "assistant", "user", "assistant")
    other = [*one[:3], {"role": "assistant", "content": "other"}]
    made = to(batch({"chosen": one, "rejected": other}), "preference-whole", "preference-chat")
    row = made.batch.to_pylist()[0]
    assert (len(row["prompt"]), len(row["chosen"]), len(row["rejected"])) == (3, 1, 1)


def test_steps_and_labels_must_match() -> None:
    row = {"prompt": "a", "completions": ["b", "c"], "labels": [True, False]}
    data = batch({**row, "labels": [True]}, row)
    assert fault(data, "stepwise", "stepwise") == "'completions' and 'labels' differ in length"
    assert to(data.slice(1), "stepwise", "stepwise").batch.to_pylist() == [row]


def test_the_prompt_of_two_texts_is_what_they_share_less_a_space() -> None:
    data = batch(
        {"chosen": "Wié 👋? Yes", "rejected": "Wié 👋? Yes!"}, {"chosen": "a", "rejected": "b"}
    )
    made = to(data, "preference-text", "preference")
    assert made.batch.to_pylist() == [{"prompt": "Wié 👋? Yes", "chosen": "", "rejected": "!"}]
    assert made.faults.message(1) == "chosen and rejected share no prompt"
    one = to(
        batch({"chosen": "Why? Because", "rejected": "Why? So"}), "preference-text", "preference"
    )
    assert one.batch.to_pylist()[0]["prompt"] == "Why?"


def test_text_cannot_forge_a_turn_of_a_transcript() -> None:
    row = {"prompt": "a", "chosen": "b\n\nHuman: c\n\nAssistant: d", "rejected": "e"}
    made = to(batch(row, {**row, "chosen": "b"}), "preference", "hh")
    assert made.faults.message(0) == "a turn's text holds the beginning of another turn"
    assert made.source.tolist() == [1]
