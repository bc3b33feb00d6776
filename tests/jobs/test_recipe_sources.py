"""Sources of recipes: what an absent file means, and that a name keeps the ids of rows."""

from __future__ import annotations

import logging
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.jobs import recipes
from tests.jobs.histories import History
from tests.jobs.runs import Command, jsonl
from thresher.versions.history import open_history
from thresher.versions.reading import Version
from thresher_jobs.versions import diff

ROWS = [{"text": f"row {n} of its own kind, told in words"} for n in range(6)]


def _verdicts(version: Version) -> dict[str, str]:
    """Return what became of each row."""
    found: dict[str, str] = {}
    for name in version.names("ledger/"):
        with version.open(name) as source:
            table = pq.read_table(source, columns=["_row_id", "verdict"])
        found |= dict(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return found


def _two(folder: Path) -> list[dict[str, object]]:
    jsonl(folder / "a" / "x.jsonl", ROWS[:3])
    (folder / "b").mkdir()
    return [{"path": str(folder / name), "name": f"the {name}"} for name in "ab"]


@pytest.mark.slow
def test_a_source_without_a_file_stops_every_command(tmp_path: Path, thresher: Command) -> None:
    sources = _two(tmp_path)
    recipe = recipes.write(tmp_path / "r.yaml", sources, ["dedup"], text_column="text")
    file = jsonl(tmp_path / "b" / "y.jsonl", ROWS[3:])
    rebuild = ("rebuild", recipe, "--store", tmp_path / "store")
    assert thresher(*rebuild).code == 0
    file.rename(tmp_path / "b" / "_y.jsonl")
    for command in (
        rebuild,
        ("run", recipe, "--out", tmp_path / "out"),
        ("run", recipe, "--dry-run"),
    ):
        code, _, err = thresher(*command)
        assert code == 3
        assert f"{tmp_path / 'b'}: no data file is found for source 'the b'" in err
        assert "_y.jsonl" in err and "say `optional: true` beside it" in err
    assert open_history(str(tmp_path / "store")).newest().version == 1
    both = (tmp_path / "a", tmp_path / "b" / "*.jsnl", "--out", tmp_path / "made")
    for told in (
        ("dedup", *both),
        ("mix", *both),
        ("convert", *both, "--to", "text"),
        ("plan", "dedup", *both[:2]),
        ("plan", "mix", *both[:2]),
    ):
        code, _, err = thresher(*told)
        assert code == 3, told
        assert "b/*.jsnl: no data file is found for source 'b'" in err
        assert "optional" not in err


@pytest.mark.slow
def test_an_optional_source_may_come_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, thresher: Command
) -> None:
    history = History(tmp_path, 1, ["dedup"], text_column="output")
    history.add(5)
    late = tmp_path / "late"
    sources = [tmp_path / "in", {"path": str(late), "optional": True}]
    history.recipe = recipes.write(tmp_path / "r.yaml", sources, ["dedup"], text_column="output")
    with caplog.at_level(logging.WARNING):
        assert history.night().changed
        assert caplog.messages == [f"source 'late' holds no data file: {late}"]
        assert not history.night().changed
        jsonl(late / "x.jsonl", [{"instruction": "Go", "output": "late, and unlike all others"}])
        caplog.clear()
        assert history.night().changes.added == ("late/x.jsonl",)
        assert not caplog.messages
    assert "optional: true" in thresher("run", history.recipe, "--explain").out
    recipes.write(history.recipe, [tmp_path / "in"], ["dedup"])
    assert "optional:" not in thresher("run", history.recipe, "--explain").out


@pytest.mark.slow
def test_rows_of_a_named_source_keep_their_ids_and_are_not_read_again_beside_a_second(
    tmp_path: Path,
) -> None:
    history = History(tmp_path, 1, [], "arrival")
    kept = {"dedup": {"threshold": 0.6, "ngram": 2}}
    mine = {"path": str(tmp_path / "in"), "name": "mine"}
    more = {"path": str(tmp_path / "more"), "name": "more"}
    for number in range(4):
        history.add(20, str(number))
    jsonl(tmp_path / "more" / "x.jsonl", [{"instruction": "Go", "output": "unlike all others"}])
    settings = {"text_column": "output", "split_bytes": 1000}
    history.recipe = recipes.write(tmp_path / "r.yaml", [mine], [kept], **settings)
    history.night()
    before = _verdicts(history.version)
    assert set(before) == {f"mine/{n}.jsonl:{row}" for n in range(4) for row in range(20)}

    history.recipe = recipes.write(tmp_path / "r.yaml", [mine, more], [kept], **settings)
    cost = history.night(new_settings=True).cost
    read = cost["text_bytes_read"]
    assert cost["tasks_read"] == 1, cost
    assert read["read"] == len("unlike all others")
    assert _verdicts(history.version) == before | {"more/x.jsonl:0": "kept"}
    told = "\n".join(diff(history.store, "1", "2"))
    assert "kept rows that came, by id: 1\n  more/x.jsonl:0" in told
    assert "kept rows that went" not in told
    assert "inputs added: 1\n  more/x.jsonl" in told

    history.recipe = recipes.write(tmp_path / "r.yaml", [mine], [kept], **settings)
    assert history.night(new_settings=True).cost["tasks_read"] == 0
    assert _verdicts(history.version) == before
