"""A run killed at any moment is resumed: same bytes, finished tasks not done again."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.settings import PARAMS
from tests.jobs import runs
from thresher.testing.planted import Planted

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, garden: Planted) -> Path:
    return runs.parquet(tmp_path_factory.mktemp("in") / "rows.parquet", garden.table, 100)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, source: Path) -> dict[str, str]:
    out = tmp_path_factory.mktemp("unbroken") / "out"
    report = runs.run(source, out, **PARAMS)
    assert report["plan"]["tasks"] > 2
    return runs.tree(out)


def crash(source: Path, base: Path, points: list[str]) -> str:
    """Run and kill the job at each point; returns what the children printed."""
    command = [sys.executable, "-m", "tests.faults.crash", str(source), str(base), *points]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def finish(source: Path, out: Path, unbroken: dict[str, str]) -> None:
    """Finish a killed run, and check that nothing differs and nothing is left over."""
    found = (out / ".thresher").glob("*/receipt-*.json")
    receipts = Counter(path.parent.name.rpartition("-")[0] for path in found)
    complete = (out / "manifest.json").exists()
    report = runs.run(source, out, **PARAMS)
    assert complete or {s: n for s, n in runs.resumed(report).items() if n} == {
        stage: n for stage, n in receipts.items() if not stage.endswith("-spool")
    }
    assert runs.tree(out) == unbroken
    assert runs.status(out)["exit_code"] == 0
    assert not [path for path in out.rglob("*") if path.name.startswith(".tmp-")]
    assert [p.name for p in (out / ".thresher").iterdir()] == ["run.json"]


def test_a_killed_run_resumes_to_the_bytes_of_an_unbroken_one(
    source: Path, unbroken: dict[str, str], tmp_path: Path
) -> None:
    points = ["before:1", "after:30"]
    crash(source, tmp_path, points)
    for point in points:
        finish(source, tmp_path / point, unbroken)


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.soak)])
def test_a_run_killed_at_any_moment_resumes(
    every: int, source: Path, unbroken: dict[str, str], tmp_path: Path
) -> None:
    count = int(crash(source, tmp_path, ["count"]))
    points = [f"{('before', 'after')[k % 2]}:{k}" for k in range(1, count + 1, every)]
    crash(source, tmp_path, points)
    for point in points:
        finish(source, tmp_path / point, unbroken)
