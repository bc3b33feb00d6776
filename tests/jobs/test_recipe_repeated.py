"""Steps of one kind that stand twice in a recipe are both told, each by its name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.jobs.recipes import run, write
from tests.jobs.runs import jsonl, rows_of
from tests.jobs.sentences import sentence, with_tail
from thresher.report import Report
from thresher.report.runs_diff import compare_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions, two of which are items of a first benchmark and one of a second; copies of whole
    rows, and near copies of answers."""
    folder = tmp_path_factory.mktemp("asked")
    rows = [{"instruction": sentence(n, 20), "output": sentence(30 + n)} for n in range(20)]
    jsonl(folder / "one.jsonl", [{"question": sentence(n, 20)} for n in (3, 4, 70)])
    jsonl(folder / "two.jsonl", [{"question": sentence(n, 20)} for n in (5, 71)])
    near = {"instruction": sentence(60, 20), "output": with_tail(36, 38, 2)}
    jsonl(folder / "rows.jsonl", [*rows, rows[0], rows[1], near])
    return folder


def _steps(asked: Path) -> list[dict[str, Any]]:
    return [
        {"dedup": {"on": "conversation"}},
        {"decontaminate": {"against": [f"first={asked / 'one.jsonl'}"]}},
        {"decontaminate": {"against": [f"second={asked / 'two.jsonl'}"], "name": "late"}},
        {"dedup": {"on": "response", "ngram": 2}},
    ]


@pytest.fixture(scope="module")
def done(asked: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("out") / "out"
    recipe = write(out.with_name("r.yaml"), [asked / "rows.jsonl"], _steps(asked))
    return out, run(recipe, out)


def test_the_report_tells_every_step_by_its_name(done: tuple[Path, dict[str, Any]]) -> None:
    out, value = done
    report = Report.model_validate(value)
    leaks = report.searched
    assert {step: found.rows for step, found in leaks.items()} == {"decontaminate": 2, "late": 1}
    assert [b.name for found in leaks.values() for b in found.benchmarks] == ["first", "second"]
    assert [sum(s.rows_in for s in found.sources) for found in leaks.values()] == [21, 19]
    copies = report.copies
    assert [c.removed_id for c in copies["dedup-2"].least_similar] == ["rows.jsonl:22"]
    sizes = {step: [(c.size, c.clusters) for c in found.cluster_sizes if c.size > 1]
             for step, found in copies.items()}  # fmt: skip
    assert sizes == {"dedup": [(2, 2)], "dedup-2": [(2, 1)]}
    assert all(found.recall is not None for found in copies.values())
    assert {row["benchmark"] for row in rows_of(out, "matches")} == {"first", "second"}


def test_the_page_has_a_section_for_every_step_and_no_id_twice(
    done: tuple[Path, dict[str, Any]],
) -> None:
    page = (done[0] / "report.html").read_text()
    for step in ("decontaminate", "late"):
        assert f'id="leaks-{step}"' in page and f'href="#leaks-{step}"' in page
        assert f"Test items found in the training data by {step}" in page
    for step in ("dedup", "dedup-2"):
        assert f'id="recall-{step}"' in page and f'href="#similarity-{step}"' in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_the_record_covers_every_step(done: tuple[Path, dict[str, Any]]) -> None:
    records = list(yaml.safe_load_all((done[0] / "decontamination.yaml").read_text()))
    found = [record["decontamination"] for record in records]
    assert [one["step"] for one in found] == ["decontaminate", "late"]
    assert [one["benchmarks"][0]["name"] for one in found] == ["first", "second"]
    assert [one["rows"]["searched"] for one in found] == [21, 19]
    card = (done[0] / "README.md").read_text()
    assert card.count("index_hash") == 2


def test_two_runs_are_compared_step_by_step(
    done: tuple[Path, dict[str, Any]], asked: Path, tmp_path: Path
) -> None:
    jsonl(tmp_path / "rows.jsonl", [*rows_of(done[0], "data"), {"instruction": sentence(5, 20)}])
    later = run(
        write(tmp_path / "r.yaml", [tmp_path / "rows.jsonl"], _steps(asked)), tmp_path / "o"
    )
    told = "\n".join(compare_runs(done[1], later))
    first, _, second = told.partition("step decontaminate:")[2].partition("step late:")
    assert "first: items leaked 2 → 0" in first
    assert "second: items leaked 1" in second and "2 → 0" not in second
