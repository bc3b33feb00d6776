"""Rows whose text is a number, a list or an object are quarantined in every job, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.jobs import leaks, mixes, recipes, runs, scores, splits
from tests.jobs.sentences import sentence
from thresher.engines.local import LocalEngine
from thresher.testing.chaos import Shuffled
from thresher_jobs.verify import verify

ODD: dict[int, tuple[Any, str]] = {
    3: (5, "column 'instruction' is a number, not text"),
    7: (["a", "b"], "column 'instruction' is a list, not text"),
    11: ({"a": "b"}, "column 'instruction' is an object, not text"),
}
"""By row, what stands there and what is said of it."""


@pytest.fixture(scope="module")
def alpaca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"instruction": sentence(n), "output": f"{sentence(30 + n)}."} for n in range(24)]
    for number, (value, _) in ODD.items():
        rows[number] = {**rows[number], "instruction": value}
    return runs.jsonl(tmp_path_factory.mktemp("types") / "a.jsonl", rows)


def _recipe(file: Path, out: Path) -> dict[str, Any]:
    steps = [{"dedup": {"on": "prompt"}}, {"score": {"profile": "sft"}}]
    steps.append({"convert": {"to": "messages"}})
    return recipes.run(recipes.write(out.with_suffix(".yaml"), [file], steps), out)


JOBS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "dedup": lambda file, out: runs.run(file, out, columns=("instruction", "output")),
    "dedup on": lambda file, out: runs.run(file, out, on="conversation"),
    "score": lambda file, out: scores.run(file, out, profile="sft"),
    "decontaminate": lambda file, out: leaks.run(file, out, _items(file.parent)),
    "mix": lambda file, out: mixes.run(file, out, by="tokens", total=900),
    "split": lambda file, out: splits.run(file, out, test=0.2),
    "run": _recipe,
}


def _items(folder: Path) -> Path:
    rows = [{"question": sentence(60 + n), "answer": str(n)} for n in range(3)]
    return runs.jsonl(folder / "items.jsonl", rows)


@pytest.mark.parametrize(
    "job",
    ["dedup on", *(pytest.param(j, marks=pytest.mark.slow) for j in JOBS if j != "dedup on")],
)
def test_a_row_whose_text_is_none_is_quarantined_and_the_others_go_on(
    alpaca: Path, tmp_path: Path, job: str
) -> None:
    report = JOBS[job](alpaca, tmp_path / "out")
    told = {row["_row_id"]: row["error"] for row in runs.rows_of(tmp_path / "out", "quarantine")}
    assert told == {f"a.jsonl:{row}": error for row, (_, error) in ODD.items()}
    assert report["rows_in"] == 24
    assert report["rows_kept"] + report["rows_removed"] + report["rows_quarantined"] == 24
    assert list(verify(str(tmp_path / "out")))


@pytest.mark.slow
def test_rows_of_other_types_are_the_same_however_the_work_is_cut(
    alpaca: Path, tmp_path: Path
) -> None:
    whole = runs.run(alpaca, tmp_path / "whole", on="conversation")
    cut = runs.run(
        alpaca,
        tmp_path / "cut",
        on="conversation",
        split_bytes=700,
        engine=Shuffled(LocalEngine(2)),
    )
    assert whole["rows_quarantined"] == cut["rows_quarantined"] == len(ODD)
    assert runs.kept_texts(tmp_path / "whole", "instruction") == runs.kept_texts(
        tmp_path / "cut", "instruction"
    )


@pytest.mark.slow
def test_select_finds_the_same_rows_again(alpaca: Path, tmp_path: Path) -> None:
    scores.run(alpaca, tmp_path / "scored", profile="sft")
    again = scores.again(tmp_path / "scored", tmp_path / "again")
    assert again["rows_quarantined"] == len(ODD)
