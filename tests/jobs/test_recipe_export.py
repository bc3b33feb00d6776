"""The published form of a recipe's data: all of it or nothing, the same however often."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.jobs.recipes import run, write
from tests.jobs.runs import Command, Row, jsonl, rows_of
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, StorageError
from thresher.steps.publishing import as_line
from thresher.store import Published, hash_file
from thresher.versions.exporting import SUMS, publish
from thresher.versions.objects import Objects
from thresher_jobs.profiles import load_profile
from thresher_jobs.rebuild import rebuild
from thresher_jobs.recipe import load_recipe

SPLIT = {"split": {"test": 0.2}}


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions in two files."""
    folder = tmp_path_factory.mktemp("chats")
    rows: list[Row] = [
        {"id": n, "instruction": f"Which {n}?", "output": f"The {n * 7}th, {'so ' * (n % 9)}"}
        for n in range(60)
    ]
    jsonl(folder / "a.jsonl", rows[:40])
    jsonl(folder / "b.jsonl", rows[40:])
    items = [{"question": rows[3]["instruction"], "answer": rows[3]["output"]}]
    jsonl(folder / "bench" / "bench.jsonl", items)
    return folder


def recipe_of(chats: Path, place: str | Path, *steps: Any, **export: Any) -> Path:
    sources = [
        {"path": str(chats / "a.jsonl"), "licence": "mit"},
        {"path": str(chats / "b.jsonl"), "licence": "cc-by-4.0"},
    ]
    steps = (*steps, {"export": {"to": str(place), **export}})
    path = Path(place).with_suffix(".yaml") if "://" not in str(place) else chats / "s3.yaml"
    return write(path, sources, steps, split_bytes=1024, about="Questions.")


@pytest.mark.slow
def test_the_published_form_is_whole_and_says_what_it_is(chats: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    place = tmp_path / "published"
    leaks = {"decontaminate": {"against": [f"bench={chats / 'bench' / 'bench.jsonl'}"]}}
    recipe = recipe_of(chats, place, leaks, SPLIT, {"convert": {"to": "messages"}})
    run(recipe, tmp_path / "out")
    subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=place, check=True)
    names = {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()}
    assert {"README.md", "recipe.yaml", "decontamination.yaml", SUMS} < names
    assert not any(name.startswith(("removed", "ledger", "quarantine")) for name in names)
    for split in ("train", "test"):
        assert rows_of(place, f"data/{split}") == rows_of(tmp_path / "out", f"data/{split}")
    found = datasets.load_dataset(str(place), cache_dir=str(tmp_path / "cache"))
    assert {name: rows.num_rows for name, rows in found.items()} == {
        name: len(rows_of(place, f"data/{name}")) for name in ("train", "test")
    }
    card = (place / "README.md").read_text()
    assert card.startswith('---\nlicense:\n  - "cc-by-4.0"\n  - "mit"\nconfigs:')
    assert "index_hash" in card and "## Composition" in card and "## Splits" in card
    assert "to:" not in (place / "recipe.yaml").read_text().partition("convert:")[0]


@pytest.mark.slow
def test_a_reader_finds_the_rules_and_the_hash_of_what_was_looked_for(
    chats: Path, tmp_path: Path
) -> None:
    (tmp_path / "words.txt").write_text("so so so so so\n")
    mine = {
        "text": "response",
        "groups": ["text", "chat", "phrases"],
        "phrases": {"sos": str(tmp_path / "words.txt")},
        "rules": {"long": {"signal": "response_words", "max": 40}},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    bench = chats / "bench" / "bench.jsonl"
    score = {"profile": str(tmp_path / "mine.yaml"), "rules": {"long": {"max": 5}}}
    steps: list[dict[str, Any]] = [
        {"decontaminate": {"against": [f"bench={bench}"]}},
        {"score": score},
        {"score": {"name": "usual", "profile": "sft"}},
    ]
    place = tmp_path / "published"
    report = run(recipe_of(chats, place, *steps), tmp_path / "out")
    assert report["removed_by"]["score: long"]
    subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=place, check=True)
    judged = load_profile(str(place / "profile-score.yaml"))
    assert judged.rules["long"].max == 5 and judged.phrases == mine["phrases"]
    _, words = hash_file(tmp_path / "words.txt")
    assert f'# sha256 of "sos": {words}' in (place / "profile-score.yaml").read_text()
    assert load_profile(str(place / "profile-usual.yaml")).rules == load_profile("sft").rules
    record = yaml.safe_load((place / "decontamination.yaml").read_text())["decontamination"]
    _, items = hash_file(bench)
    assert record["benchmarks"][0]["sha256"] == {"bench.jsonl": items}
    card = (place / "README.md").read_text()
    assert "`profile-score.yaml` by which rules" in card and items in card
    again = run(place / "recipe.yaml", tmp_path / "again")
    assert again["removed_by"] == report["removed_by"]
    score["profile"] = str(place / "profile-score.yaml")
    by_rules = run(recipe_of(chats, tmp_path / "other", *steps), tmp_path / "by-rules")
    assert by_rules["removed_by"] == report["removed_by"]


@pytest.mark.slow
def test_json_lines_hold_the_same_rows(chats: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    for form in ("parquet", "jsonl"):
        steps = [SPLIT, {"convert": {"to": "messages"}}]
        run(recipe_of(chats, tmp_path / form, *steps, form=form), tmp_path / f"out-{form}")
    lines = [
        json.loads(line)
        for path in sorted((tmp_path / "jsonl" / "data" / "train").glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    assert lines == rows_of(tmp_path / "parquet", "data/train")
    found = datasets.load_dataset(str(tmp_path / "jsonl"), cache_dir=str(tmp_path / "cache"))
    assert found["train"].num_rows == len(lines)
    assert "path: data/test/*.jsonl" in (tmp_path / "jsonl" / "README.md").read_text()


@pytest.mark.slow
def test_the_same_again_changes_nothing_and_another_place_needs_no_run(
    chats: Path, tmp_path: Path
) -> None:
    run(recipe_of(chats, tmp_path / "here", SPLIT), tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "here").rglob("*")}
    run(recipe_of(chats, tmp_path / "here", SPLIT), tmp_path / "out")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "here").rglob("*")} == before
    written = (tmp_path / "out" / "manifest.json").stat().st_mtime_ns
    run(recipe_of(chats, tmp_path / "there", SPLIT), tmp_path / "out")
    assert (tmp_path / "out" / "manifest.json").stat().st_mtime_ns == written
    sums = [(tmp_path / place / SUMS).read_bytes() for place in ("here", "there")]
    assert sums[0] == sums[1]
    assert not list(tmp_path.glob(".tmp-*"))


@pytest.mark.slow
def test_what_is_there_is_not_replaced(chats: Path, tmp_path: Path) -> None:
    place = tmp_path / "full"
    place.mkdir()
    (place / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other data"):
        run(recipe_of(chats, place, SPLIT), tmp_path / "out")
    assert [p.name for p in place.iterdir()] == ["mine.txt"]
    (place / "mine.txt").unlink()
    run(recipe_of(chats, place, SPLIT), tmp_path / "out")
    assert (place / SUMS).exists()
    with pytest.raises(ConfigError, match="inside the output folder"):
        run(recipe_of(chats, tmp_path / "out" / "x", SPLIT), tmp_path / "out")


def test_a_place_with_other_data_is_refused_before_anything_is_read(
    tmp_path: Path, thresher: Command
) -> None:
    jsonl(tmp_path / "in.jsonl", [{"text": "one row"}])

    def of(**dedup: Any) -> Path:
        steps: list[Any] = [{"dedup": dedup}, {"export": {"to": str(tmp_path / "place")}}]
        return write(tmp_path / "r.yaml", [tmp_path / "in.jsonl"], steps, text_column="text")

    assert thresher("run", of(), "--out", tmp_path / "first").code == 0
    assert thresher("run", of(), "--dry-run").code == 0  # it may hold this very data
    for end in (["--dry-run"], ["--out", tmp_path / "second"]):
        said = thresher("run", of(threshold=0.9), *end)
        assert said.code == 2 and "place: is not empty, and holds other data" in said.err
    assert not (tmp_path / "second" / "data").exists()
    assert "read" not in said.out + said.err.partition("Error")[0]
    (tmp_path / "place" / SUMS).unlink()
    assert thresher("run", of(), "--dry-run").code == 2


def test_a_half_written_folder_is_not_seen_and_is_gone_on_with(tmp_path: Path) -> None:
    data = tmp_path / "part"
    data.write_bytes(b"rows")
    part = Published("data/part", 4, hash_file(data)[1])
    texts = {"README.md": b"card"}

    def fail(objects: Objects) -> None:
        objects.put_file("data/part", data)
        raise StorageError("the disk is full")

    with pytest.raises(StorageError):
        publish(str(tmp_path / "place"), [part], texts, fail)
    assert not (tmp_path / "place").exists()
    with pytest.raises(StorageError, match="has None bytes of 4"):
        publish(str(tmp_path / "other"), [part], texts, lambda objects: None)
    assert publish(str(tmp_path / "place"), [part], texts, lambda objects: None)
    assert (tmp_path / "place" / "data" / "part").read_bytes() == b"rows"
    assert not publish(str(tmp_path / "place"), [part], texts, fail)


def test_an_object_store_has_the_card_last_and_nothing_of_another(tmp_path: Path) -> None:
    data = tmp_path / "part"
    data.write_bytes(b"rows")
    part = Published("data/part", 4, hash_file(data)[1])
    place = f"memory://bucket/{tmp_path.name}"

    def fail(objects: Objects) -> None:
        raise StorageError("no answer")

    def put(objects: Objects) -> None:
        objects.put_file("data/part", data)
        assert objects.get("README.md") is None

    with pytest.raises(StorageError):
        publish(place, [part], {"README.md": b"card"}, fail)
    with pytest.raises(ConfigError, match="holds other data"):
        publish(place, [part], {"README.md": b"another"}, put)
    assert publish(place, [part], {"README.md": b"card"}, put)
    assert not publish(place, [part], {"README.md": b"card"}, fail)
    with pytest.raises(ConfigError, match="holds other data"):
        publish(f"memory://bucket/{tmp_path.name}/", [], {"README.md": b"card"}, put)


def test_a_night_does_not_export(chats: Path, tmp_path: Path) -> None:
    recipe = load_recipe(str(recipe_of(chats, tmp_path / "place", SPLIT)))
    with pytest.raises(ConfigError, match="versions are exported by 'thresher export'"):
        rebuild(recipe, str(tmp_path / "store"), EngineOptions())


def test_bytes_have_no_lines_and_numbers_without_end_are_null(tmp_path: Path) -> None:
    row = {"a": float("nan"), "b": [1.5, float("inf")]}
    assert as_line(row) == b'{"a": null, "b": [1.5, null]}\n'
    table = pa.table({"text": ["a", "b"], "picture": [b"x", b"y"]})
    pq.write_table(table, tmp_path / "in.parquet")
    steps: list[Any]
    steps = [{"dedup": {}}, {"export": {"to": str(tmp_path / "place"), "form": "jsonl"}}]
    recipe = write(tmp_path / "r.yaml", [tmp_path / "in.parquet"], steps, text_column="text")
    with pytest.raises(ConfigError, match="column 'picture' holds bytes"):
        run(recipe, tmp_path / "out")
    assert not (tmp_path / "place").exists()


@pytest.mark.slow
def test_the_command_says_where_it_is(chats: Path, tmp_path: Path, thresher: Command) -> None:
    recipe = recipe_of(chats, tmp_path / "place", SPLIT)
    said = thresher("run", recipe, "--out", tmp_path / "out", "--set", "export.form=jsonl")
    assert said.code == 0 and f"published    {tmp_path / 'place'}" in said.out
    assert (tmp_path / "place" / "data" / "test").exists()
