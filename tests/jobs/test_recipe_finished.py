"""A recipe that was run already is known by the same identity, without loading what does the work;
whatever has changed is left to the run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.recipes import run, write
from tests.jobs.runs import jsonl
from tests.jobs.sentences import sentence
from thresher.run import IDENTITY
from thresher_jobs.recipe import load_recipe, typed_steps
from thresher_jobs.recipe_finished import finished, identity

pytestmark = pytest.mark.slow
ROWS = [{"instruction": sentence(n, 12), "output": f"{sentence(30 + n, 12)}."} for n in range(12)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sources, benchmark, recipe and its result."""
    folder = tmp_path_factory.mktemp("made")
    jsonl(folder / "rows.jsonl", ROWS)
    jsonl(folder / "bench.jsonl", [{"question": sentence(3, 12)}, {"question": sentence(90, 12)}])
    steps: list[Any] = [
        {"dedup": {"on": "prompt"}},
        {"decontaminate": {"against": [f"bench={folder / 'bench.jsonl'}"]}},
        {"score": {"profile": "sft", "max_removed_fraction": 1.0}},
        {"mix": {"total": 3, "allow_short": True}},
    ]
    recipe = write(folder / "r.yaml", [folder / "rows.jsonl"], steps)
    run(recipe, folder / "out")
    return folder


def _told(folder: Path, settings: tuple[str, ...] = ()) -> dict[str, Any] | None:
    recipe = load_recipe(str(folder / "r.yaml"), settings)
    return finished(recipe, typed_steps(recipe), str(folder / "out"))


def test_the_identity_is_that_of_the_run(made: Path) -> None:
    recipe = load_recipe(str(made / "r.yaml"))
    claimed = json.loads((made / "out" / IDENTITY).read_text())
    mine = identity(recipe, typed_steps(recipe))
    assert json.loads(json.dumps(mine, default=str)) == claimed
    assert _told(made) == json.loads((made / "out" / "report.json").read_text())


def _touch(path: Path) -> None:
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


def _shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


CHANGES: dict[str, Callable[[Path], Any]] = {
    "a source": lambda made: _touch(made / "rows.jsonl"),
    "a source is gone": lambda made: (made / "rows.jsonl").unlink(),
    "a benchmark": lambda made: _touch(made / "bench.jsonl"),
    "a benchmark is gone": lambda made: (made / "bench.jsonl").unlink(),
    "a part is cut": lambda made: _shorten(next((made / "out" / "data").iterdir())),
    "a part is gone": lambda made: next((made / "out" / "removed").iterdir()).unlink(),
    "the report is gone": lambda made: (made / "out" / "report.json").unlink(),
    "the manifest is gone": lambda made: (made / "out" / "manifest.json").unlink(),
    "work was left": lambda made: (made / "out" / IDENTITY).with_name("more.json").touch(),
    "the result": lambda made: shutil.rmtree(made / "out"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_left_to_the_run(made: Path, change: str) -> None:
    kept = made.with_name(f"{made.name}-kept")
    shutil.copytree(made, kept)
    try:
        CHANGES[change](made)
        assert _told(made) is None
    finally:
        shutil.rmtree(made)
        kept.rename(made)
    assert _told(made) is not None


def test_another_setting_is_left_to_the_run(made: Path) -> None:
    assert _told(made, ("dedup.threshold=0.9",)) is None
    assert _told(made, ("split_bytes=1000",)) is None


def test_a_finished_recipe_is_told_without_loading_kernels(made: Path) -> None:
    code = (
        "import sys; from thresher_jobs import cli; "
        f"code = cli.run(['run', {str(made / 'r.yaml')!r}, '--out', {str(made / 'out')!r}]); "
        "sys.exit(code or 2 * ('numba' in sys.modules or 'jinja2' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "already done" in done.stderr and "rows out" in done.stdout
