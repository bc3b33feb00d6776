"""The flow of rows that a recipe tells adds up, line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.jobs.chats import messages
from tests.jobs.mixes import numbered
from tests.jobs.mixes import run as mix
from tests.jobs.recipes import run, write
from tests.jobs.runs import Row, jsonl
from thresher_jobs.explain import explain
from thresher_jobs.mix_report import result_lines
from thresher_jobs.recipe import load_recipe, typed_steps
from thresher_jobs.recipe_looking import dry_lines
from thresher_jobs.recipe_summary import print_summary


def test_rows_added_and_rows_quarantined_have_figures_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good: list[Row] = [messages(f"Question {n} of ten?", f"It is number {n}.") for n in range(10)]
    alone: Row = {"messages": [{"role": "user", "content": "Who answers?"}]}
    few = jsonl(tmp_path / "few.jsonl", [*good[:4], alone])
    many = jsonl(tmp_path / "many.jsonl", good[4:])
    sources = [{"path": str(few), "weight": 1}, {"path": str(many), "weight": 1}]
    steps: list[dict[str, Any]] = [
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
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| source | rows in | added | kept | removed | quarantined |" in card
    assert "| few.jsonl | 5 | 2 | 6 | 0 | 1 |" in card
    assert "| source | rows in | read | dedup | mix | added | rows out |" in card
    assert "| few.jsonl | 5 | 0 | -1 | 0 | 2 | 6 |" in card


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


def test_a_recipe_tells_leaks_and_losses_as_the_commands_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    items = [f"How many of the {n} apples does the farmer sell in the end?" for n in range(4)]
    bench = jsonl(tmp_path / "bench.jsonl", [{"question": text} for text in items])
    rows: list[Row] = [{"instruction": items[0], "output": "None."}]
    rows += [{"instruction": f"Name {n}", "output": f"It is {n}.", "source": "x"} for n in range(4)]
    recipe = write(
        tmp_path / "r.yaml",
        [jsonl(tmp_path / "a.jsonl", rows)],
        [{"decontaminate": {"against": [str(bench)]}}, {"convert": {"to": "trl-sft"}}],
    )
    with caplog.at_level("INFO"):
        report = run(recipe, tmp_path / "out")
    told = next(line for line in caplog.messages if line.startswith("benchmark bench: 4 of 4"))
    assert "question, by name" in told
    print_summary(report, "out")
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["bench", "1", "of", "4", "items", "leaked"] in [line[:6] for line in shown]
    assert ["lost", "4", "extra", "column", "'source'"] in shown
    assert "| extra column 'source' | 4 |" in (tmp_path / "out" / "README.md").read_text()
    why = [line for line in explain(str(tmp_path / "out"), "a.jsonl:0") if "bench:" in line]
    assert why[1] == "contaminated bench:bench.jsonl:0  (question, exact)"
    read = load_recipe(str(recipe))
    assert told in list(dry_lines(read, typed_steps(read)))
