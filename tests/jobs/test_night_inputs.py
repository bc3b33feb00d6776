"""Files that were copied, touched or checked out anew are known by their bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.histories import History

STEPS: list[dict[str, Any]] = [{"dedup": {"on": "conversation", "threshold": 0.6, "ngram": 2}}]


def touched(path: Path) -> None:
    """Give a file another time."""
    at = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(at, at))


@pytest.mark.slow
@pytest.mark.parametrize("order", ["arrival", "content"])
def test_files_with_the_bytes_they_had_are_no_news(order: str, tmp_path: Path) -> None:
    history = History(tmp_path, 1, STEPS, order, split_bytes=4096)
    one, two = history.add(90, "one"), history.add(90, "two")
    assert history.night().changed
    touched(one)
    data = two.read_bytes()
    two.unlink()
    two.write_bytes(data)
    assert not history.night().changed
    history.add(5, "three")
    night = history.night()
    sizes = {path.name: path.stat().st_size for path in history.inputs.iterdir()}
    assert night.cost["input_bytes_hashed"] == sum(sizes.values())  # two have other times
    assert night.changes.added == ("three.jsonl",) and not night.changes.changed
    assert night.cost["tasks_read"] <= 2 < night.cost["tasks"]
    history.same_as_from_scratch()
    assert not history.night().changed
    touched(one)
    assert not history.night().changed


@pytest.mark.slow
def test_other_bytes_of_the_same_number_are_news(tmp_path: Path) -> None:
    history = History(tmp_path, 2, STEPS, split_bytes=4096)
    one, _ = history.add(90, "one"), history.add(90, "two")
    history.night()
    data = one.read_bytes()
    one.write_bytes(data.replace(b"What 1", b"What 2"))
    assert one.stat().st_size == len(data) and one.read_bytes() != data
    touched(one)
    night = history.night()
    assert (
        night.changes.changed == ("one.jsonl",) and night.cost["tasks_read"] < night.cost["tasks"]
    )
    history.same_as_from_scratch()
    one.write_bytes(data)
    touched(one)
    assert history.night().changes.changed == ("one.jsonl",)
    history.same_as_from_scratch()
