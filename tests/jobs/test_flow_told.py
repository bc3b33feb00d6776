"""The flow of rows that a recipe tells adds up, line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.chats import messages
from tests.jobs.mixes import numbered
from tests.jobs.mixes import run as mix
from tests.jobs.recipes import run, write
from tests.jobs.runs import Row, jsonl
from thresher_jobs.mix_report import result_lines
from thresher_jobs.recipe_summary import print_summary


def test_rows_added_and_rows_quarantined_have_figures_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good: list[Row] = [messages(f"Question {n} of ten?", f"It is number {n}.") for n in range(10)]
    alone: Row = {"messages": [{"role": "user", "content": "Who answers?"}]}
    few = jsonl(tmp_path / "few.jsonl", [*good[:4], alone])
    many = jsonl(tmp_path / "many.jsonl", good[4:])
    sources = [{"path": str(few), "weight": 1}, {"path": str(many), "weight": 1}]
    steps = [
        {"dedup": {"on": "prompt", "threshold": 1.0}},
        {"mix": {"total": 12, "max_repeats": 2}},
    ]
    report = run(write(tmp_path / "r.yaml", sources, steps), tmp_path / "out")
    print_summary(report, "out")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["source", "rows", "in", "dedup", "mix", "added", "rows", "out"]
    assert lines[1] == ["few.jsonl", "5", "-1", "0", "+2", "6"]
    assert lines[2] == ["many.jsonl", "6", "0", "0", "+0", "6"]
    assert lines[3] == ["all", "11", "-1", "0", "+2", "12"]
    assert ["quarantined", "1", "see", "out/quarantine", "(dedup", "1)"] in lines
    page = (tmp_path / "out" / "report.html").read_text()
    assert "quarantined: dedup 1." in page and "of rows in and added" in page


def test_a_mixture_of_categories_is_headed_so(tmp_path: Path) -> None:
    rows = [row | {"kind": "xy"[n % 2]} for n, row in enumerate(numbered("a", 40))]
    report = mix(jsonl(tmp_path / "a.jsonl", rows), tmp_path / "out", category_column="kind")
    assert result_lines(report["plan"]["mixture"])[0].split()[0] == "category"


def test_a_step_that_leaves_nothing_of_a_source_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = numbered("a", 4)
    both = [jsonl(tmp_path / f"{name}.jsonl", rows) for name in ("first", "again")]
    run(write(tmp_path / "r.yaml", both, ["dedup"], text_column="text"), tmp_path / "out")
    assert "step dedup leaves no row of source 'again.jsonl'" in caplog.messages
