"""Where a job knows which columns hold text, a JSON record with anything else is put aside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from thresher.formats.expected import expected_of
from thresher.inputs import list_inputs
from thresher.readers import BadRow, read_split
from thresher.splits import cut

ODD: list[Any] = [5, 2.5, True, ["a"], {"k": 1}, 10**30, []]
TOLD = ["a number", "a number", "true or false", "a list", "an object", "a number", "a list"]


def _read(
    path: Path, rows: list[Any], expected: tuple[tuple[str, str], ...], size: int
) -> tuple[list[dict[str, Any]], list[BadRow]]:
    text = [json.dumps(row) for row in rows]
    joined = "[" + ",".join(text) + "]" if path.suffix == ".json" else "\n".join(text)
    path.write_text(joined, encoding="utf-8")
    inputs = list_inputs([str(path)])
    file = inputs.files[0]._replace(expected=expected)
    good: list[dict[str, Any]] = []
    bad: list[BadRow] = []
    for split in cut(inputs).splits:
        for block in read_split(file, split, batch_bytes=size):
            good += block.batch.to_pylist()
            bad += block.bad
    return good, bad


@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_what_is_no_text_costs_its_row_alone_whatever_stands_beside_it(
    tmp_path: Path, name: str, size: int
) -> None:
    rows: list[Any] = [{"n": 0, "t": "a"}, {"n": 1, "t": None}]
    rows += [{"n": len(rows) + i, "t": value} for i, value in enumerate(ODD)]
    rows += [{"n": len(rows), "t": "b"}]
    good, bad = _read(tmp_path / name, rows, (("t", "text"),), size)
    assert [row["n"] for row in good] == [0, 1, len(rows) - 1]
    assert [b.row for b in bad] == list(range(2, len(rows) - 1))
    assert [b.error for b in bad] == [f"column 't' is {told}, not text" for told in TOLD]
    assert [json.loads(b.raw) for b in bad] == rows[2:-1]


def test_a_file_of_nothing_but_numbers_has_no_text(tmp_path: Path) -> None:
    good, bad = _read(tmp_path / "x.jsonl", [{"t": 1}, {"t": 2}], (("t", "text"),), 1 << 20)
    assert (good, len(bad)) == ([], 2)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("hello", "column 'messages' is text, not a list of messages"),
        ({"role": "user"}, "column 'messages' is an object, not a list of messages"),
        ([{"role": "user", "content": "a"}, 7], "message 1 of column 'messages' is a number"),
        ([{"role": "user", "content": 7}], "'content' in message 0 of column 'messages' is a num"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}]}], "is a list, not text"),
        ([{"role": 1, "content": "a"}], "'role' in message 0 of column 'messages' is a number"),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_messages_that_are_none_cost_their_row_alone(
    tmp_path: Path, value: Any, error: str, size: int
) -> None:
    fine = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": None}]}
    rows = [fine, {"messages": value}, {"messages": []}, fine]
    good, bad = _read(tmp_path / "x.jsonl", rows, expected_of(["messages"]), size)
    assert [row["messages"] for row in good] == [fine["messages"], [], fine["messages"]]
    assert [b.row for b in bad] == [1]
    assert error in bad[0].error


def test_formats_that_differ_about_a_column_leave_it_to_their_readers() -> None:
    assert dict(expected_of(["messages"]))["messages"] == "messages:role"
    assert "messages" not in dict(expected_of(["messages", "messages-parts"]))
    assert "prompt" not in dict(expected_of(["preference", "preference-chat"]))
    alpaca = {"instruction": "text", "input": "text", "output": "text", "system": "text"}
    assert dict(expected_of(["alpaca"])) == alpaca
