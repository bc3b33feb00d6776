"""Rows of every kind are cut into the texts that are searched, with their roles."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from thresher.formats.catalogue import FORMATS
from thresher.leaks.segments import JOINED, ROLES, segments

TURNS = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "b", "reasoning_content": "t"},
    {"role": "user", "content": "c"},
    {"role": "assistant", "content": "d"},
]
CASES: dict[str, tuple[str, dict[str, Any], list[tuple[int, str, str]]]] = {
    "text": ("text", {"text": "a"}, [(0, "text", "a")]),
    "alpaca": (
        "alpaca",
        {"instruction": "a", "input": "", "output": "b", "system": "s"},
        [(0, "system", "s"), (1, "user", "a"), (2, "assistant", "b")],
    ),
    "messages": (
        "messages",
        {"messages": TURNS},
        [(0, "system", "s"), (1, "user", "a"), (2, "assistant", "b"), (3, "user", "c"),
         (4, "assistant", "d"), (5, "assistant", "t")],
    ),
    "preference": (
        "preference",
        {"prompt": "a", "chosen": "b", "rejected": "c"},
        [(0, "user", "a"), (1, "chosen", "b"), (2, "rejected", "c")],
    ),
    "kto": (
        "kto",
        {"prompt": "a", "completion": "b", "label": True},
        [(0, "user", "a"), (1, "assistant", "b")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_text_of_a_row_is_a_segment_with_its_role(case: str) -> None:
    name, row, expected = CASES[case]
    found = segments(FORMATS[name].read_all(pa.RecordBatch.from_pylist([row, row])).rows)
    got = [
        (number, ROLES[role], text)
        for number, role, text in zip(
            found.numbers.tolist(), found.roles.tolist(), found.texts.to_pylist(), strict=True
        )
    ]
    assert got == expected * 2
    assert found.rows.tolist() == [0] * len(expected) + [1] * len(expected)


def test_the_turns_of_the_user_are_joined_on_request() -> None:
    rows = FORMATS["messages"].read_all(pa.RecordBatch.from_pylist([{"messages": TURNS}])).rows
    found = segments(rows, join_user_turns=True)
    joined = found.numbers.tolist().index(JOINED)
    assert found.texts[joined].as_py() == "a\nc" and ROLES[found.roles[joined]] == "user"


def test_a_null_text_is_no_segment() -> None:
    batch = pa.RecordBatch.from_pylist([{"text": "a"}, {"text": None}, {"text": "b"}])
    found = segments(FORMATS["text"].read_all(batch).rows)
    assert found.rows.tolist() == [0, 2] and found.texts.to_pylist() == ["a", "b"]
