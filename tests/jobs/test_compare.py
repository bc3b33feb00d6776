"""Two runs of one job are told apart by their rows, settings and leaked items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.jobs import leaks, runs, scores
from tests.jobs.runs import Command, jsonl, texts
from thresher.errors import ConfigError
from thresher_jobs.compare import compare

QUESTION = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in "
    "May. How many clips did Natalia sell altogether in April and May?"
)
CLEAN = "The harvest began early that year, and the barns were full before the first rain came."
WORDS = " ".join(f"word{i}" for i in range(60))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two searches for one benchmark: the second finds what was added, and tags it."""
    folder = tmp_path_factory.mktemp("searched")
    rows: list[Any] = [{"question": QUESTION, "answer": "#### 72"}]
    bench = f"gsm8k={jsonl(folder / 'bench.jsonl', rows)}"
    leaks.run(texts(folder / "one.parquet", [CLEAN, CLEAN + "!"]), folder / "a", bench)
    more = texts(folder / "two.parquet", [CLEAN, QUESTION])
    leaks.run([folder / "one.parquet", more], folder / "b", bench, action="tag")
    return folder


def lines(folder: Path, first: str, second: str) -> list[str]:
    return compare(str(folder / first), str(folder / second))


def test_leaked_items_of_two_searches_are_compared_one_by_one(searched: Path) -> None:
    said = lines(searched, "a", "b")
    assert said[:4] == [
        "rows in      2 → 4",
        "kept         2 → 4",
        "removed      0",
        "quarantined  0",
    ]
    assert "rows with leaks 0 → 1, suspect 0, of 2 → 4" in said
    assert "  not hit → leaked: 1 item: bench.jsonl:0" in said
    assert said.count("action: drop → tag") == 1
    assert not any(line.startswith("setting      action") for line in said)
    (new,) = (line for line in said if line.startswith("source "))
    assert "two.parquet: only in the second run, 2 rows" in new


def test_a_run_does_not_differ_from_itself(searched: Path) -> None:
    assert not any("→" in line for line in lines(searched, "b", "b"))


def test_a_report_does_for_its_folder(searched: Path) -> None:
    assert lines(searched, "a", "b") == lines(searched, "a/report.json", "b/report.json")


def test_runs_of_every_job_are_compared_by_rows_reasons_and_settings(tmp_path: Path) -> None:
    near = WORDS.replace("word7 ", "other ")
    source = texts(tmp_path / "in.parquet", [WORDS, WORDS, near, CLEAN])
    runs.run(source, tmp_path / "a")
    runs.run(source, tmp_path / "b", threshold=0.99, recall=0.9)
    said = lines(tmp_path, "a", "b")
    assert "removed      2 → 1" in said
    assert "removed by   exact_copy: 0 → 1" in said and "removed by   near_copy: 2 → 0" in said
    assert any("in.parquet: kept 2 → 3, removed 2 → 1" in line for line in said)
    settings = [line for line in said if line.startswith("setting ")]
    assert settings == ["setting      threshold: 0.7 → 0.99", "setting      recall: 0.99 → 0.9"]


def test_runs_of_two_jobs_are_not_compared(searched: Path, tmp_path: Path) -> None:
    runs.run(texts(tmp_path / "in.parquet", [CLEAN]), tmp_path / "copies")
    with pytest.raises(ConfigError, match=r"is a run of dedup, .* one of decontaminate"):
        compare(str(tmp_path / "copies"), str(searched / "a"))


def test_what_is_no_report_is_said(searched: Path, tmp_path: Path, thresher: Command) -> None:
    (tmp_path / "notes.json").write_text('{"job": "decontaminate"}')
    (tmp_path / "text.json").write_text("no JSON")
    (tmp_path / "folder").mkdir()
    for wrong, told in {
        "notes.json": "not a report of a run that this version can read",
        "text.json": "not a report of a run",
        "folder": "no result here",
        "absent": "no such file or folder",
    }.items():
        outcome = thresher("compare", searched / "a", tmp_path / wrong)
        assert outcome.code == 2 and told in outcome.err and wrong in outcome.err


@pytest.mark.slow
def test_profiles_of_scores_are_compared(tmp_path: Path, thresher: Command) -> None:
    rows = [scores.chat("What is rye?", CLEAN), scores.chat("And oats?", "Yes.")]
    scores.run(jsonl(tmp_path / "in.jsonl", rows), tmp_path / "a")
    scores.run(tmp_path / "in.jsonl", tmp_path / "b", annotate=True)
    outcome = thresher("compare", tmp_path / "a", tmp_path / "b")
    assert outcome.code == 0 and "setting      annotate: false → true" in outcome.out
