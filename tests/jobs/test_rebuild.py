"""Nights: every version equals a run of the recipe from the inputs alone."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.jobs import recipes
from tests.jobs.runs import Command, Row, jsonl, tree
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, LimitError
from thresher.params import digest_of
from thresher.versions.history import open_history
from thresher.versions.lease import Holder
from thresher_jobs.night_place import alone_in
from thresher_jobs.rebuild import Night, rebuild, waiting
from thresher_jobs.recipe import load_recipe
from thresher_jobs.versions import export

STEPS: list[dict[str, Any]] = [
    {"dedup": {"on": "conversation", "threshold": 0.6, "ngram": 2}},
    {"score": {"profile": "sft", "rules": {"short": {"signal": "response_words", "min": 4}}}},
]
WORDS = ["sow", "reap", "bind", "cart", "thresh", "winnow", "sieve", "sack", "mill", "bake"]


def _rows(rng: random.Random, count: int) -> list[Row]:
    return [
        {"instruction": f"What {rng.randrange(30)}?", "output": " ".join(rng.choices(WORDS, k=8))}
        for _ in range(count)
    ]


def _night(recipe: Path, store: Path, **more: Any) -> Night:
    return rebuild(load_recipe(str(recipe)), str(store), EngineOptions(), **more)


def _same_as_from_scratch(recipe: Path, store: Path, folder: Path) -> None:
    recipes.run(recipe, folder / "scratch")
    export(str(store), "latest", str(folder / "exported"))
    made = tree(folder / "scratch")
    kept = tree(folder / "exported")
    assert {n: h for n, h in kept.items() if n in made} == made


@pytest.mark.slow
def test_every_night_equals_a_run_from_scratch(tmp_path: Path) -> None:
    rng = random.Random(3)
    inputs = tmp_path / "inputs"
    recipe = recipes.write(tmp_path / "r.yaml", [inputs], STEPS, split_bytes=2048)
    jsonl(inputs / "a.jsonl", _rows(rng, 60))
    for number in range(6):
        files = sorted(inputs.iterdir())
        change = rng.choice(["add", "change", "delete"]) if number else "add"
        if change == "add" or len(files) == 1:
            jsonl(inputs / f"n{number}.jsonl", _rows(rng, 20))
        elif change == "change":
            jsonl(rng.choice(files), _rows(rng, 30))
        else:
            rng.choice(files).unlink()
        night = _night(recipe, tmp_path / "store", order="content")
        assert night.changed and night.version.number == number + 1
        _same_as_from_scratch(recipe, tmp_path / "store", tmp_path / f"night-{number}")


@pytest.mark.slow
def test_a_night_without_news_commits_nothing_and_one_with_news_writes_only_what_is_new(
    tmp_path: Path,
) -> None:
    rng = random.Random(4)
    for name in "abcd":
        jsonl(tmp_path / "inputs" / f"{name}.jsonl", _rows(rng, 40))
    recipe = recipes.write(tmp_path / "r.yaml", [tmp_path / "inputs"], STEPS, split_bytes=2048)
    first = _night(recipe, tmp_path / "store")
    again = _night(recipe, tmp_path / "store")
    assert (first.changed, again.changed) == (True, False)
    assert again.version.number == first.version.number == 1
    jsonl(tmp_path / "inputs" / "e.jsonl", _rows(rng, 2))
    third = _night(recipe, tmp_path / "store")
    assert third.changes.added == ("e.jsonl",) and not third.changes.changed
    assert 0 < third.new_bytes < first.new_bytes
    assert not (tmp_path / "store.work").exists()


@pytest.mark.slow
def test_another_recipe_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", _rows(random.Random(5), 30))
    recipe = recipes.write(tmp_path / "r.yaml", [tmp_path / "a.jsonl"], STEPS)
    _night(recipe, tmp_path / "store")
    other = recipes.write(tmp_path / "o.yaml", [tmp_path / "a.jsonl"], STEPS[:1])
    with pytest.raises(ConfigError, match=r"settings:\n  .*steps.score was.*\n .*--new-settings"):
        _night(other, tmp_path / "store")
    assert _night(other, tmp_path / "store", new_settings=True).version.number == 2


@pytest.mark.slow
def test_a_night_that_fails_commits_nothing_and_the_next_one_goes_on(tmp_path: Path) -> None:
    rows = [{"instruction": "Which?", "output": "one"}] * 9 + _rows(random.Random(6), 3)
    jsonl(tmp_path / "a.jsonl", rows)
    strict = [{"score": {**STEPS[1]["score"], "max_removed_fraction": 0.1}}]
    recipe = recipes.write(tmp_path / "r.yaml", [tmp_path / "a.jsonl"], strict)
    with pytest.raises(LimitError):
        _night(recipe, tmp_path / "store")
    assert open_history(str(tmp_path / "store")).records() == []
    jsonl(tmp_path / "a.jsonl", _rows(random.Random(7), 20))
    assert _night(recipe, tmp_path / "store").version.number == 1


@pytest.mark.slow
def test_two_nights_at_once_end_as_if_one_after_the_other(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", _rows(random.Random(8), 40))
    recipe = recipes.write(tmp_path / "r.yaml", [tmp_path / "a.jsonl"], STEPS)
    nights: list[Night] = []

    def one(number: int) -> None:
        work = str(tmp_path / f"work-{number}")
        nights.append(_night(recipe, tmp_path / "store", work=work, wait=False))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(night.changed for night in nights) == [False, True]
    assert [r.version for r in open_history(str(tmp_path / "store")).records()] == [1]


@pytest.mark.slow
def test_a_comparison_names_the_rows_that_came_and_went_and_no_part_that_only_moved(
    tmp_path: Path, thresher: Command
) -> None:
    rng = random.Random(14)
    for name in "bcd":
        jsonl(tmp_path / "in" / f"{name}.jsonl", _rows(rng, 40))
    recipe = recipes.write(tmp_path / "r.yaml", [tmp_path / "in"], STEPS[1:], split_bytes=2048)
    _night(recipe, tmp_path / "store")
    jsonl(tmp_path / "in" / "a.jsonl", _rows(rng, 3))
    (tmp_path / "in" / "d.jsonl").unlink()
    _night(recipe, tmp_path / "store")
    code, out, _ = thresher("diff", tmp_path / "store", 1, 2)
    assert code == 0
    assert "kept rows that came, by id: 3\n  a.jsonl:0\n  a.jsonl:1\n  a.jsonl:2\n" in out
    assert "kept rows that went, by id: 40\n  d.jsonl:0\n" in out
    assert "  d.jsonl:19\n  ... and 20 more\n" in out
    assert "files renumbered, their bytes as before: " in out
    assert "data/part-00000.parquet" in out and "data/part-00001.parquet" not in out


@pytest.mark.slow
def test_a_night_that_does_not_wait_needs_a_folder_of_its_own(
    tmp_path: Path, thresher: Command
) -> None:
    jsonl(tmp_path / "a.jsonl", _rows(random.Random(11), 20))
    recipe = recipes.write(tmp_path / "r.yaml", [tmp_path / "a.jsonl"], STEPS[:1])
    command = ("rebuild", recipe, "--store", tmp_path / "store", "--no-wait")
    place = tmp_path / "store.work" / f"night-{digest_of(str(tmp_path / 'store'))[:12]}"
    left = place / "of-the-first" / "file"
    with alone_in(place, wait=True):
        left.parent.mkdir()
        left.write_text("")
        code, _, err = thresher(*command)
        assert code == 2 and "another night of this store works in this folder" in err
        assert "--work DIR" in err and left.exists()
        assert not (tmp_path / "store" / "LEASE").exists()
        assert thresher(*command, "--work", tmp_path / "mine").code == 0
        assert left.exists()
    assert thresher(*command).code == 0
    assert not (tmp_path / "store.work").exists()


def test_a_place_where_no_folder_can_be_made_is_told(tmp_path: Path, thresher: Command) -> None:
    jsonl(tmp_path / "a.jsonl", _rows(random.Random(1), 2))
    recipe = recipes.write(tmp_path / "r.yaml", [tmp_path / "a.jsonl"], STEPS[:1])
    code, _, err = thresher("rebuild", recipe, "--store", tmp_path / "st", "--work", "/proc/none")
    assert code == 7 and err.startswith("StorageError: /proc/none/night-") and "--work DIR" in err


def test_a_night_says_once_for_whom_it_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("thresher_jobs.rebuild.PAUSE_S", 0)
    wait, when = waiting(), datetime(2026, 11, 20, tzinfo=UTC)
    for owner in "aab":
        assert wait(Holder(owner, "host", 1, when, when))
    assert len(caplog.messages) == 2 and "--work" in caplog.messages[0]


@pytest.mark.slow
def test_a_night_after_a_rollback_says_that_it_is_undone(tmp_path: Path, thresher: Command) -> None:
    jsonl(tmp_path / "in" / "a.jsonl", _rows(random.Random(12), 20))
    recipe = recipes.write(tmp_path / "r.yaml", [tmp_path / "in"], STEPS[:1])
    _night(recipe, tmp_path / "store")
    jsonl(tmp_path / "in" / "b.jsonl", _rows(random.Random(13), 5))
    assert _night(recipe, tmp_path / "store").undone is None
    assert thresher("rollback", tmp_path / "store", 1).code == 0
    said = thresher("rebuild", recipe, "--store", tmp_path / "store")
    assert said.code == 0 and "version 3 was a rollback to version 1; this one is made" in said.out


@pytest.mark.slow
def test_the_command_tells_the_night_and_its_versions(tmp_path: Path, thresher: Command) -> None:
    jsonl(tmp_path / "a.jsonl", _rows(random.Random(9), 40))
    recipe = recipes.write(tmp_path / "r.yaml", [tmp_path / "a.jsonl"], STEPS)
    store = str(tmp_path / "store")
    said = thresher("rebuild", str(recipe), "--store", store)
    assert said.code == 0 and "version      1" in said.out and "1 new" in said.out
    said = thresher("rebuild", str(recipe), "--store", store)
    assert said.code == 0 and "nothing changed: version 1 stays in force" in said.out
    said = thresher("versions", store, "--verify")
    assert said.code == 0 and "whole" in said.out
    said = thresher("rebuild", str(recipe), "--store", "s3://nowhere/at-all")
    assert said.code == 2 and "--work DIR" in said.err


@pytest.mark.slow
def test_a_folder_to_work_in_loses_only_what_the_night_made(tmp_path: Path) -> None:
    jsonl(tmp_path / "inputs" / "a.jsonl", _rows(random.Random(7), 20))
    recipe = recipes.write(tmp_path / "r.yaml", [tmp_path / "inputs"], STEPS)
    mine = tmp_path / "scratch" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")
    assert _night(recipe, tmp_path / "store", work=str(mine.parent)).changed
    assert [path.name for path in mine.parent.iterdir()] == ["thesis.txt"]
    jsonl(tmp_path / "inputs" / "b.jsonl", _rows(random.Random(8), 20))
    assert _night(recipe, tmp_path / "store").changed
    assert not (tmp_path / "store.work").exists()


@pytest.mark.slow
def test_the_command_of_the_night_loads_no_large_package_in_vain(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a row of some words that stands alone"}\n')
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"sources: [{{path: {tmp_path / 'rows.jsonl'}}}]\ntext_column: text\nsteps: [dedup]\n"
    )
    script = (
        "import sys; from thresher_jobs.cli import run; print(run(alone=True),"
        "*{'pandas', 'scipy', 'cffi', 'thresher_jobs.recipe_leaks'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", script, "rebuild", str(recipe), "--quiet"]
    done = subprocess.run(
        [*command, "--store", str(tmp_path / "store")], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "0"
