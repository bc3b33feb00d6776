"""Reading record by record gives the rows that typed reading gives, whatever stands beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.jobs.converts import CHAT, facts, run
from tests.jobs.runs import jsonl, rows_of
from thresher.formats.loose import loosen

word = st.text(st.characters(codec="utf-8"), max_size=8)
value = st.one_of(word, st.integers(-(2**40), 2**40), st.booleans(), st.none())
ODD = {"messages": "a lone text", "instruction": None}


@pytest.mark.slow
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(word, word, word), min_size=1, max_size=6))
def test_one_odd_row_changes_no_other(tmp_path: Path, made: list[tuple[str, str, str]]) -> None:
    number = len(list(tmp_path.iterdir()))
    rows: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": a}, {"role": "assistant", "content": b}], "id": c}
        for a, b, c in made
    ]
    plain, mixed = tmp_path / f"{number}-plain", tmp_path / f"{number}-mixed"
    run(jsonl(plain / "in.jsonl", rows), plain / "out", to="messages")
    report = run(
        jsonl(mixed / "in.jsonl", [*rows, ODD]), mixed / "out", to="messages",
        min_confidence=0, max_quarantined_fraction=1,
    )  # fmt: skip
    assert rows_of(mixed / "out", "data") == rows_of(plain / "out", "data")
    assert report["rows_quarantined"] == 1


@given(st.dictionaries(word, st.one_of(value, st.lists(value, max_size=3)), max_size=4))
def test_loosening_keeps_every_value(record: dict[str, Any]) -> None:
    _, made = loosen(record)
    for name, kept in made.items():
        assert kept == record[name] or json.loads(kept) == record[name]


def test_content_of_two_kinds_in_one_row_is_text_in_parts() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "What?"}]
    row = {"messages": [{"role": "user", "content": parts}, CHAT[1]]}
    group, made = loosen(row)
    assert made["messages"][1]["content"] == [{"type": "text", "text": "Hello"}]
    assert group == loosen(json.loads(json.dumps(row)))[0]


@pytest.mark.parametrize("name", ["in.jsonl", "in.json", "in.jsonl.gz"])
def test_mixed_files_of_every_kind_are_read(tmp_path: Path, name: str) -> None:
    rows: list[Any] = [
        {"messages": CHAT, "tools": [{"name": "f"}]},
        {"messages": CHAT, "tools": "[]"},
    ]
    path = tmp_path / name
    path.write_text(json.dumps(rows)) if name == "in.json" else jsonl(path, rows)
    report = run(path, tmp_path / "out", to="trl-sft")
    assert [r["tools"] for r in rows_of(tmp_path / "out", "data")] == ['[{"name": "f"}]', "[]"]
    assert not facts(report)["losses"]


@pytest.mark.slow
def test_a_long_mixed_file_is_cut_into_tasks_that_agree(tmp_path: Path) -> None:
    rows: list[Any] = []
    for number in range(300):
        content: Any = f"{number} " * 20
        if number % 3 == 0:
            content = [{"type": "text", "text": content}]
        rows.append({"messages": [{"role": "user", "content": content}, CHAT[1]]})
    path = jsonl(tmp_path / "in.jsonl", rows)
    report = run(path, tmp_path / "out", to="sharegpt", split_bytes=20_000)
    assert report["plan"]["tasks"] > 2
    said = [r["conversations"][0]["value"] for r in rows_of(tmp_path / "out", "data")]
    assert said == [f"{number} " * 20 for number in range(300)]
    ledger = rows_of(tmp_path / "out", "ledger")
    assert [line["row"] for line in ledger] == list(range(300))
