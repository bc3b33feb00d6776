"""Runs killed at random moments, hundreds of them, while readers check every version they see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.versions.server import ACCESS, BUCKET, serving

ROOT = Path(__file__).parents[2]


def soak(store: str, folder: Path, rounds: int, **environ: str) -> dict[str, int]:
    command = [sys.executable, "-m", "tests.versions.soak", store, str(rounds), "1"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "SOAK_FOLDER": str(folder), **environ},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    print(told)
    assert told["reads checked"] > rounds
    return told


@pytest.mark.slow
def test_a_commit_or_clean_up_killed_at_any_change_of_the_folder_leaves_a_whole_store(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "tests.versions.crash", str(tmp_path / "points")]
    (tmp_path / "points").mkdir()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 15


@pytest.mark.slow
def test_killed_runs_leave_whole_versions(tmp_path: Path) -> None:
    told = soak(str(tmp_path / "store"), tmp_path, 40)
    assert told["night killed"] > 5
    assert told["night ended"] > 5


@pytest.mark.slow
@pytest.mark.soak
def test_hundreds_of_killed_runs_leave_whole_versions(tmp_path: Path) -> None:
    told = soak(str(tmp_path / "store"), tmp_path, 300)
    assert told["night killed"] > 100
    assert told["night ended"] > 100


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [4, pytest.param(20, marks=pytest.mark.soak)])
def test_killed_runs_on_s3_leave_whole_versions(rounds: int, tmp_path: Path) -> None:
    pytest.importorskip("moto.server")
    with serving() as endpoint:
        soak(f"s3://{BUCKET}/soak", tmp_path, rounds, AWS_ENDPOINT_URL=endpoint, **ACCESS)
