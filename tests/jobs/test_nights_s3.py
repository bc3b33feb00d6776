"""Nights of a store on `s3://`, end to end: index files are fetched once and kept at hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.histories import History
from tests.jobs.runs import Command
from tests.versions.server import ACCESS, BUCKET, serving
from thresher.versions import remote_objects

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")
boto3 = pytest.importorskip("boto3")
STEPS: list[dict[str, Any]] = [{"dedup": {"threshold": 0.6, "ngram": 2}}]


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    with serving() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        remote_objects._connect.cache_clear()
        yield f"s3://{BUCKET}/nights"
        remote_objects._connect.cache_clear()


def _fetched(folder: Path) -> list[Path]:
    return sorted((folder / "work").glob("fetched-*/*"))


@pytest.mark.slow
def test_nights_on_s3_equal_runs_from_scratch_and_fetch_their_index_once(
    address: str, tmp_path: Path, thresher: Command
) -> None:
    history = History(tmp_path, 1, STEPS, split_bytes=4096, text_column="output")
    history.store = address
    for _ in range(4):
        history.add(15)
    work = str(tmp_path / "work")
    command = ("rebuild", str(history.recipe), "--store", address, "--work", work)
    command += ("--order", history.order)
    assert thresher(*command).code == 0
    history.same_as_from_scratch()
    for night in range(3):
        if night == 1:
            shutil.rmtree(work)
        known = {path: path.stat().st_ino for path in _fetched(tmp_path)}
        history.add(5)
        said = thresher(*command)
        assert said.code == 0 and f"version      {night + 2}" in said.out
        cost = json.loads(history.version.read("night.json"))
        assert cost["tasks_read"] < cost["tasks"]
        history.same_as_from_scratch()
        still = {p: p.stat().st_ino for p in _fetched(tmp_path)}
        index = {f.sha256 for f in history.version.files.values() if f.name.startswith("index/")}
        assert {path.name for path in still} <= index
        assert all(still[path] == node for path, node in known.items() if path in still)
    mapped = {f.sha256 for f in history.version.files.values() if "/shingles/" in f.name}
    for path in [path for path in _fetched(tmp_path) if path.name not in mapped]:
        path.write_bytes(bytes(path.stat().st_size))
    history.add(5)
    assert history.night(work=work).changed, "what was fetched is damaged, and fetched again"
    history.same_as_from_scratch()
