"""Whatever comes: odd rows of every kind give figures, and each row's depend on that row alone."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.formats.batches import Row, batch
from tests.signals.dialogues import chat, figures, read
from thresher.formats.catalogue import FORMATS
from thresher.formats.rows import Rows
from thresher.signals.keys import answer_keys, prompt_keys
from thresher.signals.phrases import parse_phrases
from thresher.signals.turn_phrases import phrase_signals

LIST = parse_phrases("# scope: turn\nsorry", "sorry", "x.txt")
TEXT = st.sampled_from(
    ["", " ", "a", "a b. a b. a b.", "\x00", "\ufffd", "\r", "```py\n```", "<think>x</think>",
     '{"a"', "I am sorry: I cannot help", "1. a\n1. b", "好好好", "\u0301", "word " * 60]
)  # fmt: skip
MAYBE = st.none() | TEXT
TURN = st.fixed_dictionaries(
    {
        "role": st.sampled_from(
            ["system", "user", "assistant", "tool", "function_call", "?", None]
        ),
        "content": MAYBE,
        "reasoning_content": st.none() | TEXT,
        "tool_calls": st.none()
        | st.lists(
            st.fixed_dictionaries(
                {"function": st.fixed_dictionaries({"name": MAYBE, "arguments": MAYBE})}
            ),
            max_size=2,
        ),
    }
)
TURNS = st.none() | st.lists(st.none() | TURN, max_size=6)
ROWS: dict[str, st.SearchStrategy[Row]] = {
    "messages": st.fixed_dictionaries({"messages": TURNS, "tools": MAYBE}),
    "alpaca": st.fixed_dictionaries({"instruction": MAYBE, "input": MAYBE, "output": MAYBE}),
    "preference": st.fixed_dictionaries(
        {"prompt": MAYBE, "chosen": MAYBE, "rejected": MAYBE, "system": MAYBE}
    ),
    "preference-chat": st.fixed_dictionaries({"prompt": TURNS, "chosen": TURNS, "rejected": TURNS}),
    "kto": st.fixed_dictionaries(
        {"prompt": MAYBE, "completion": MAYBE, "label": st.none() | st.booleans()}
    ),
    "ranked": st.fixed_dictionaries(
        {
            "prompt": MAYBE,
            "answers": st.none()
            | st.lists(
                st.fixed_dictionaries({"answer": MAYBE, "rank": st.none() | st.integers(0, 2)}),
                max_size=3,
            ),
        }
    ),
    "stepwise": st.fixed_dictionaries(
        {
            "prompt": MAYBE,
            "completions": st.none() | st.lists(MAYBE, max_size=3),
            "labels": st.none() | st.lists(st.booleans(), max_size=3),
        }
    ),
    "prompt": st.fixed_dictionaries({"prompt": MAYBE}),
    "text": st.fixed_dictionaries({"text": MAYBE}),
}
_CALL = pa.struct([("function", pa.struct([("name", pa.string()), ("arguments", pa.string())]))])
_TURN = pa.struct(
    [("role", pa.string()), ("content", pa.string()), ("reasoning_content", pa.string()),
     ("tool_calls", pa.list_(_CALL))]
)  # fmt: skip
_ANSWER = pa.struct([("answer", pa.string()), ("rank", pa.int64())])
_LISTS = {"messages": _TURN, "answers": _ANSWER, "completions": pa.string(), "labels": pa.bool_()}


def table(name: str, rows: list[Row]) -> pa.RecordBatch:
    """Return rows as a batch whose types do not depend on the values."""
    fields: dict[str, pa.DataType] = {}
    for column in rows[0]:
        if name == "preference-chat":
            fields[column] = pa.list_(_TURN)
        elif column in _LISTS:
            fields[column] = pa.list_(_LISTS[column])
        else:
            fields[column] = pa.bool_() if column == "label" else pa.string()
    return batch(*rows, **fields)


def everything(rows: Rows) -> dict[str, list[Any]]:
    """Return all that can be known of rows, as Python values."""
    found = figures(rows) | phrase_signals(rows, [LIST])
    known = {name: array.to_pylist() for name, array in found.items()}
    if rows.kind != "text":
        known["prompt key"] = prompt_keys(rows).tolist()
    if rows.kind == "preference":
        known["chosen key"] = answer_keys(rows, "chosen").tolist()
        known["rejected key"] = answer_keys(rows, "rejected").tolist()
    elif rows.kind not in ("text", "prompt"):
        known["answer key"] = answer_keys(rows).tolist()
    return known


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
@examples(8)
@given(data=st.data())
def test_a_row_has_the_same_figures_in_any_batch(name: str, data: st.DataObject) -> None:
    made = table(name, data.draw(st.lists(ROWS[name], min_size=1, max_size=5)))
    whole = everything(FORMATS[name].read_all(made).rows)
    for row in range(len(made)):
        alone = everything(FORMATS[name].read_all(made.slice(row, 1)).rows)
        assert alone == {signal: [found[row]] for signal, found in whole.items()}


@pytest.mark.parametrize("name", ROWS)
def test_no_rows_have_no_figures(name: str) -> None:
    rows = read(name, *_one(name)).take(np.zeros(0, np.int64))
    found = figures(rows) | phrase_signals(rows, [LIST])
    assert all(len(array) == 0 for array in found.values())


def _one(name: str) -> list[Row]:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    rows: dict[str, Row] = {
        "messages": {"messages": turns},
        "alpaca": {"instruction": "a", "input": "", "output": "b"},
        "preference": {"prompt": "a", "chosen": "b", "rejected": "c"},
        "preference-chat": {"prompt": turns[:1], "chosen": turns[1:], "rejected": turns[1:]},
        "kto": {"prompt": "a", "completion": "b", "label": True},
        "ranked": {"prompt": "a", "answers": [{"answer": "b", "rank": 1}]},
        "stepwise": {"prompt": "a", "completions": ["b"], "labels": [True]},
        "prompt": {"prompt": "a"},
        "text": {"text": "a"},
    }
    return [rows[name]]


def test_a_long_conversation_takes_time_in_proportion() -> None:
    def seconds(turns: int) -> float:
        talk = chat(*[("user", "Go on."), ("assistant", "It went on and on. " * 3)] * (turns // 2))
        rows = read("messages", talk)
        begin = time.perf_counter()
        found = figures(rows)
        assert found["turns"].to_pylist() == [turns]
        return time.perf_counter() - begin

    seconds(10)
    short, long = min(seconds(1_000) for _ in range(3)), min(seconds(10_000) for _ in range(3))
    assert long < 60 * short


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["a" * 2_000_000, "a " * 1_000_000, "[" * 1_000_000, "```\n" * 300_000, "<think>" * 200_000,
     "。" * 500_000, "\\boxed{" * 200_000, "1. a\n" * 300_000, "\n\n" * 500_000]
)  # fmt: skip
def test_degenerate_answers_take_linear_time(text: str) -> None:
    figures(read("messages", chat(("user", "a"), ("assistant", "b"))))
    begin = time.perf_counter()
    figures(read("messages", chat(("user", text), ("assistant", text))))
    figures(read("preference", {"prompt": text, "chosen": text, "rejected": f"{text}b"}))
    assert time.perf_counter() - begin < 10


def test_parts_and_arguments_of_any_type_are_read() -> None:
    parts = [{"type": "image_url", "text": None}, {"type": "text", "text": "what is it?"}]
    picture = [{"type": "image_url", "text": None}]
    rows = [
        {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": said}]}
        for content, said in ((parts, [{"type": "text", "text": "A cat."}]), (picture, parts))
    ]
    found = figures(read("messages-parts", *rows))
    assert found["empty_turns"].to_pylist() == [0, 0]
    assert found["prompt_words"].to_pylist() == [3, 0]
    arguments = [{"a": 1}, {"a": 2}]
    functions = [{"function": {"name": "f", "arguments": a}} for a in arguments]
    calls = [{"role": "assistant", "content": None, "tool_calls": [f]} for f in functions]
    made = [{"messages": [{"role": "user", "content": "x", "tool_calls": None}, c]} for c in calls]
    found = figures(read("messages", *made))
    assert found["invalid_tool_calls"].to_pylist() == [0, 0]
    assert found["tool_calls"].to_pylist() == [1, 1]
