"""The canonical form as Arrow, and the texts that other jobs compare."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tests.formats.batches import Row, batch
from thresher.formats.arrays import join_columns
from thresher.formats.catalogue import FORMATS
from thresher.formats.rows import CANONICAL, to_batch
from thresher.formats.texts import Part, batch_texts

SHARE: Row = {
    "conversations": [
        {"from": "system", "value": "s"},
        {"from": "human", "value": "a"},
        {"from": "function_call", "value": '{"name": "f", "arguments": {}}'},
        {"from": "observation", "value": "o"},
        {"from": "gpt", "value": "b"},
    ],
    "tools": "[]",
}
CALL = '{"name": "f", "arguments": {}}'


@pytest.mark.parametrize(
    ("name", "row", "part", "text"),
    [
        ("sharegpt", SHARE, "prompt", f"s\na\n{CALL}\no"),
        ("sharegpt", SHARE, "response", "b"),
        ("sharegpt", SHARE, "conversation", f"s\na\n{CALL}\no\nb"),
        ("sharegpt", SHARE, "all", f"[]\ns\na\n{CALL}\no\nb"),
        ("alpaca", {"instruction": "a", "input": "i", "output": ""}, "prompt", "a\ni"),
        ("alpaca", {"instruction": "a", "input": "i", "output": ""}, "response", ""),
        ("preference", {"prompt": "a", "chosen": "b", "rejected": "c"}, "response", "b\nc"),
        ("preference", {"prompt": "a", "chosen": "b", "rejected": "c"}, "all", "a\nb\nc"),
        ("text", {"text": "a"}, "all", "a"),
        ("text", {"text": "a"}, "response", None),
        ("prompt", {"prompt": "a"}, "response", None),
        ("ranked", {"prompt": "a", "answers": [{"answer": "b", "rank": 1}]}, "response", "b"),
        ("stepwise", {"prompt": "a", "completions": ["b", "c"], "labels": [True, True]},
         "conversation", "a\nb\nc"),
        ("kto", {"prompt": "a", "completion": "b", "label": False}, "conversation", "a\nb"),
    ],
)  # fmt: skip
def test_the_text_of_a_part_is_its_turns(name: str, row: Row, part: Part, text: str | None) -> None:
    found = batch_texts(batch(row, row), name, part)
    assert found.text.to_pylist() == [text, text]
    assert found.faults.good.all()


def test_a_broken_row_has_no_text() -> None:
    row = {"instruction": "a", "input": "", "output": "b"}
    found = batch_texts(batch(row, {**row, "output": None}), "alpaca", "all")
    assert found.text.to_pylist() == ["a\nb", None]
    assert not found.faults.good[1]


def test_the_canonical_form_is_arrow_with_coded_roles() -> None:
    made = to_batch(FORMATS["sharegpt"].read(batch(SHARE)).rows)
    assert all(made.schema.field(n).type == CANONICAL.field(n).type for n in made.schema.names)
    (row,) = made.to_pylist()
    roles = [message["role"] for message in row["messages"]]
    assert roles == ["system", "user", "call", "tool", "assistant"]
    assert row["tools"] == "[]"


def test_rows_without_any_text_stay_in_place_when_columns_are_joined() -> None:
    left, right = pa.array(["a", None, None, "d"]), pa.array([None, None, "c", "e"])
    assert join_columns([left, right], ", ").to_pylist() == ["a", None, "c", "d, e"]
