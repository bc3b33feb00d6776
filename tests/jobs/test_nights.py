"""Nights in the field: what other tools' incremental runs get wrong, and what happens to stores at
night."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.jobs import recipes
from tests.jobs.runs import Command, Row, jsonl, tree
from tests.jobs.sentences import sentence
from thresher.engines.options import EngineOptions
from thresher.errors import InputError
from thresher.run import Event
from thresher.versions.history import open_history
from thresher_jobs.rebuild import rebuild
from thresher_jobs.recipe import load_recipe
from thresher_jobs.versions import export

STEPS = [{"dedup": {"threshold": 0.6, "ngram": 2}}]
ROOT = Path(__file__).parents[2]


def _recipe(folder: Path) -> Path:
    return recipes.write(
        folder / "r.yaml", [folder / "in"], STEPS, text_column="text", split_bytes=2048
    )


def _night(folder: Path) -> Counter[str]:
    """Rebuild; return the texts in force."""
    rebuild(load_recipe(str(_recipe(folder))), str(folder / "store"), EngineOptions())
    return _texts(folder / "store", folder)


def _texts(store: Path, folder: Path) -> Counter[str]:
    out = folder / f"seen-{len(list(folder.glob('seen-*')))}"
    export(str(store), "latest", str(out))
    found: Counter[str] = Counter()
    for part in sorted((out / "data").glob("*.parquet")):
        found += Counter(pq.read_table(part).column("text").to_pylist())
    return found


@pytest.mark.slow
def test_figures_of_the_store_are_left_for_prometheus(
    tmp_path: Path, thresher: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    jsonl(tmp_path / "in" / "a.jsonl", _rows([n % 25 for n in range(60)]))
    monkeypatch.chdir(tmp_path)  # the store goes by its absolute address, however it is given
    told = tmp_path / "store.prom"
    for number in range(2):
        store = ("store", str(tmp_path / "store"))[number]
        said = thresher("rebuild", str(_recipe(tmp_path)), "--store", store, "--metrics", str(told))
        assert said.code == 0
        lines = [line for line in told.read_text().splitlines() if not line.startswith("#")]
        figures = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}
        mine = f'store="{tmp_path / "store"}"'
        assert figures[f"thresher_store_version{{{mine}}}"] == 1
        assert figures[f"thresher_store_changed{{{mine}}}"] == 1 - number
        assert figures[f'thresher_store_rows{{{mine},fate="kept"}}'] == 25
        assert figures[f'thresher_store_inputs{{{mine},change="added"}}'] == 1 - number
    assert [path.name for path in tmp_path.glob("*.prom*")] == ["store.prom"]


def _rows(numbers: range | list[int]) -> list[Row]:
    return [{"text": sentence(n)} for n in numbers]


@pytest.mark.slow
def test_three_new_copies_of_a_row_of_an_earlier_night_all_go(tmp_path: Path) -> None:
    jsonl(tmp_path / "in" / "b.jsonl", _rows(range(20)))
    _night(tmp_path)
    jsonl(tmp_path / "in" / "a.jsonl", _rows([3, 3, 3, 30]))
    assert _night(tmp_path) == Counter(sentence(n) for n in [*range(20), 30])


@pytest.mark.slow
@pytest.mark.parametrize("change", ["add", "reorder", "reshard"])
def test_the_next_night_goes_by_row_not_by_position(change: str, tmp_path: Path) -> None:
    rows = _rows([n % 15 for n in range(40)])
    jsonl(tmp_path / "in" / "b.jsonl", rows)
    before = _night(tmp_path)
    if change == "add":
        jsonl(tmp_path / "in" / "a.jsonl", _rows(range(50, 55)))
    elif change == "reorder":
        jsonl(tmp_path / "in" / "b.jsonl", random.Random(1).sample(rows, len(rows)))
    else:
        for number in range(4):
            jsonl(tmp_path / "in" / f"{number}.jsonl", rows[number::4])
        (tmp_path / "in" / "b.jsonl").unlink()
    new = Counter(sentence(n) for n in range(50, 55)) if change == "add" else Counter()
    assert _night(tmp_path) == before + new


@pytest.mark.slow
def test_an_input_that_changes_during_the_night_is_named_and_nothing_is_committed(
    tmp_path: Path,
) -> None:
    changed = jsonl(tmp_path / "in" / "a.jsonl", _rows(range(30)))
    _night(tmp_path)
    jsonl(tmp_path / "in" / "b.jsonl", _rows(range(30, 60)))

    def change(event: Event) -> None:
        if event.stage == "write":
            jsonl(changed, _rows(range(70, 99)))

    recipe = load_recipe(str(_recipe(tmp_path)))
    with pytest.raises(InputError, match=r"a\.jsonl|inputs changed"):
        rebuild(recipe, str(tmp_path / "store"), EngineOptions(), change)
    assert [r.version for r in open_history(str(tmp_path / "store")).records()] == [1]
    assert _night(tmp_path) == Counter(sentence(n) for n in [*range(70, 99), *range(30, 60)])


def _start(folder: Path, store: str, *flags: str) -> subprocess.Popen[bytes]:
    script = "import sys; from thresher_jobs.cli import main; sys.exit(main())"
    command = ["rebuild", str(_recipe(folder)), "--store", str(folder / store), *flags]
    return subprocess.Popen(
        [sys.executable, "-c", script, *command, "--quiet"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'lib'}:{ROOT / 'jobs'}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    told = process.communicate()[1].decode()
    assert process.returncode == 0, told


@pytest.mark.slow
def test_nights_killed_at_random_moments_end_in_the_version_of_an_unbroken_one(
    tmp_path: Path,
) -> None:
    rng = random.Random(11)
    killed = 0
    for night in range(2):
        jsonl(tmp_path / "in" / f"{night}.jsonl", _rows([(n * 7) % 90 for n in range(60)]))
        begin = time.monotonic()
        _end(_start(tmp_path, "whole"))
        usual = time.monotonic() - begin
        for _ in range(2):
            process = _start(tmp_path, "broken")
            try:
                process.wait(timeout=rng.uniform(0.3, 0.95) * usual)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                killed += 1
            process.communicate()
        _end(_start(tmp_path, "broken"))
        trees = []
        for store in ("whole", "broken"):
            export(str(tmp_path / store), "latest", str(tmp_path / f"{store}-{night}"))
            trees.append(tree(tmp_path / f"{store}-{night}"))
        assert trees[0] == trees[1]
    assert killed > 1
    numbers = [r.version for r in open_history(str(tmp_path / "broken")).records()]
    assert numbers == [1, 2]


@pytest.mark.slow
def test_two_commands_at_once_end_as_if_one_after_the_other(tmp_path: Path) -> None:
    jsonl(tmp_path / "in" / "a.jsonl", _rows([n % 25 for n in range(60)]))
    both = [
        _start(tmp_path, "store", "--no-wait", "--work", str(tmp_path / f"work-{n}"))
        for n in range(2)
    ]
    told = [process.communicate()[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert [r.version for r in open_history(str(tmp_path / "store")).records()] == [1]
    assert _texts(tmp_path / "store", tmp_path) == Counter(sentence(n) for n in range(25))


@pytest.mark.slow
def test_readers_get_the_data_and_not_what_nights_keep(tmp_path: Path, thresher: Command) -> None:
    jsonl(tmp_path / "in" / "a.jsonl", _rows([n % 25 for n in range(60)]))
    _night(tmp_path)
    jsonl(tmp_path / "in" / "b.jsonl", _rows(range(20, 40)))
    _night(tmp_path)
    store, out = str(tmp_path / "store"), tmp_path / "out"
    assert thresher("export", store, "--out", str(out)).code == 0
    found = sorted(path.name for path in out.iterdir())
    made = ["README.md", "SHA256SUMS", "data", "ledger", "manifest.json", "quarantine"]
    assert found == [*made, "recipe.yaml", "removed", "report.html", "report.json"]
    assert thresher("verify", str(out)).code == 0
    said = thresher("diff", store, "1", "2").out
    assert "index/" not in said and "kept for the next night: " in said


@pytest.mark.slow
def test_the_report_of_a_night_balances(tmp_path: Path) -> None:
    jsonl(tmp_path / "in" / "a.jsonl", _rows([n % 25 for n in range(60)]))
    _night(tmp_path)
    report = json.loads(next(tmp_path.glob("seen-*/report.json")).read_text())
    left = report["rows_kept"] + report["rows_removed"] + report["rows_quarantined"]
    assert report["rows_in"] + report["rows_added"] == left == 60
