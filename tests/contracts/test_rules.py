"""The rules of the house, checked by the tools that know them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent


def run(*command: str) -> None:
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.slow
def test_lint_finds_nothing() -> None:
    run(str(TOOLS / "ruff"), "check", "--no-cache", ".")


def test_everything_is_formatted() -> None:
    run(str(TOOLS / "ruff"), "format", "--no-cache", "--check", ".")


@pytest.mark.slow
def test_types_hold() -> None:
    run(str(TOOLS / "mypy"), "--cache-dir", "/dev/null")


@pytest.mark.slow
def test_imports_obey_the_rules() -> None:
    run(str(TOOLS / "lint-imports"), "--no-cache")


def test_importing_thresher_loads_no_engine_and_no_kernel() -> None:
    code = (
        "import sys, thresher; "
        "bad = {'ray', 'pyspark', 'datasets', 'numba', 'datasketch'} & set(sys.modules); "
        "sys.exit(str(bad) if bad else 0)"
    )
    run(sys.executable, "-c", code)


def test_only_the_storage_modules_touch_fsspec_and_parquet() -> None:
    allowed = {"inputs.py", "splits.py", "parquet.py"}
    for path in (ROOT / "lib" / "thresher").rglob("*.py"):
        if path.name in allowed or path.parent.name in ("readers", "versions"):
            continue
        text = path.read_text(encoding="utf-8")
        for name in ("import fsspec", "from fsspec", "import pyarrow.parquet", "import pq"):
            assert name not in text, f"{path.name} holds {name!r}"


def test_modules_stay_small() -> None:
    for root in ("lib", "jobs"):
        for path in (ROOT / root).rglob("*.py"):
            length = len(path.read_text(encoding="utf-8").splitlines())
            assert length <= 400, f"{path.name} has {length} lines"


def test_the_top_level_holds_what_the_card_allows() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    tops = {name.split("/")[0] for name in listed.stdout.splitlines()}
    allowed = {"pyproject.toml", "README.md", "LICENSE"}
    allowed |= {"jobs", "lib", "cluster", "tests", "benchmarks"}
    assert {name for name in tops if not name.startswith(".")} <= allowed
