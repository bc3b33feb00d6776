"""What the output folder holds, how its figures add up, and when it is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs import runs
from tests.jobs.sentences import BASE, CLOSE, sentence
from tests.spine.report_pages import EMPTY
from thresher.errors import ConfigError
from thresher.report import Report
from thresher.testing.planted import Planted
from thresher_jobs.card import dataset_card

COUNTS = ("rows_kept", "rows_removed", "rows_quarantined")


def test_a_card_has_no_brackets_where_nothing_was_removed() -> None:
    assert ", 0 removed, 0 quarantined." in dataset_card(Report.model_validate(EMPTY))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, garden: Planted) -> list[Path]:
    """Two sources, three files, a few rows that cannot be judged."""
    folder = tmp_path_factory.mktemp("in")
    rows = garden.table.to_pylist()
    lines: list[Any] = [*rows[200:300], b'{"text": "cut', {**rows[0], "text": None}]
    runs.parquet(folder / "first" / "a.parquet", rows[:200], 50)
    runs.jsonl(folder / "first" / "deep" / "b.jsonl", lines)
    runs.parquet(folder / "second.parquet", rows[300:])
    return [folder / "first", folder / "second.parquet"]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, inputs: list[Path]) -> Path:
    """A finished run over the inputs, without an id column."""
    folder = tmp_path_factory.mktemp("done") / "out"
    runs.run(inputs, folder, split_bytes=64 << 10)
    return folder


@pytest.fixture(scope="module")
def report(out: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((out / "report.json").read_bytes())
    return value


@pytest.mark.slow
def test_the_folder_holds_what_is_documented(out: Path) -> None:
    assert sorted(p.name for p in out.iterdir()) == [
        ".thresher",
        "README.md",
        "data",
        "ledger",
        "manifest.json",
        "quarantine",
        "removed",
        "report.html",
        "report.json",
        "status.json",
    ]


def test_rows_balance_by_file_by_source_and_in_sum(report: dict[str, Any], out: Path) -> None:
    assert report["rows_in"] == 402
    for part in (report, *report["files"], *report["sources"]):
        assert part["rows_in"] + part.get("rows_added", 0) == sum(part[c] for c in COUNTS)
    for key in ("rows_in", *COUNTS):
        assert report[key] == sum(f[key] for f in report["files"])
        assert report[key] == sum(s[key] for s in report["sources"])
    assert list(report)[:5] == ["rows_in", "rows_added", *COUNTS]
    folders = ("data", "removed", "quarantine")
    assert [len(runs.rows_of(out, f)) for f in folders] == [report[c] for c in COUNTS]


def test_removals_balance_by_reason(report: dict[str, Any], out: Path) -> None:
    rows = runs.rows_of(out, "removed")
    counted = {r: sum(row["_reason"] == r for row in rows) for r in report["removed_by"]}
    assert counted == report["removed_by"]
    assert min(counted.values()) > 0
    for source in report["sources"]:
        reasons = ("removed_exact", "removed_same_words", "removed_near")
        assert source["rows_removed"] == sum(source[r] for r in reasons)


def test_text_bytes_balance(report: dict[str, Any], out: Path) -> None:
    kept = sum(len(t.encode()) for t in runs.kept_texts(out))
    assert report["text_bytes_kept"] == kept
    parts = ("text_bytes_kept", "text_bytes_removed", "text_bytes_quarantined")
    assert report["text_bytes_in"] == sum(report[p] for p in parts)


def test_row_ids_are_file_and_row_number(out: Path, inputs: list[Path]) -> None:
    ledger = runs.rows_of(out, "ledger")
    names = ("first/a.parquet", "first/deep/b.jsonl", "second.parquet")
    sizes = (200, 102, 100)
    expected = [f"{n}:{row}" for n, size in zip(names, sizes, strict=True) for row in range(size)]
    assert [line["_row_id"] for line in ledger] == expected
    for line in ledger:
        assert line["_row_id"] == f"{line['file']}:{line['row']}"


def test_removed_rows_carry_their_proof(out: Path) -> None:
    kept = {x["_row_id"] for x in runs.rows_of(out, "ledger") if x["verdict"] == "kept"}
    for row in runs.rows_of(out, "removed"):
        assert row["_matched_id"] in kept
        assert row["_removed_by"] == "dedup"
        if row["_reason"] == "near_copy":
            assert 0.7 <= row["_score"] < 1
        else:
            assert row["_score"] == 1


def test_columns_their_order_and_types_are_those_of_the_input(tmp_path: Path) -> None:
    table = pa.table(
        {
            "z": pa.array([[1], [2], None], pa.list_(pa.int16())),
            "text": ["a", "a", "b"],
            "when": pa.array([0, 1, None], pa.timestamp("ms", "UTC")),
            "meta": [{"k": 1, "v": "x"}, None, {"k": None, "v": "y"}],
            "label": pa.array(["p", "q", None]).dictionary_encode(),
            "blob": [b"\xff", b"", None],
        }
    )
    runs.run(runs.parquet(tmp_path / "in.parquet", table), tmp_path / "out")
    (part,) = (tmp_path / "out" / "data").iterdir()
    schema = pq.read_schema(part)
    assert schema.names == table.schema.names
    assert schema.field("z").type.value_type == pa.int16()
    assert runs.rows_of(tmp_path / "out", "data") == table.slice(0, 1).to_pylist() + (
        table.slice(2).to_pylist()
    )
    proof = ["_row_id", "_removed_by", "_reason", "_matched_id", "_score"]
    (part,) = (tmp_path / "out" / "removed").iterdir()
    assert pq.read_schema(part).names == [*table.schema.names, *proof]


def test_quarantined_rows_say_where_why_and_what(out: Path) -> None:
    cut, null = runs.rows_of(out, "quarantine")
    assert (cut["file"], cut["row"]) == ("first/deep/b.jsonl", 100)
    assert cut["raw"] == b'{"text": "cut'
    assert json.loads(null["raw"])["text"] is None
    assert (null["_row_id"], null["error"]) == (
        "first/deep/b.jsonl:101",
        "the compared text is null",
    )


def test_the_manifest_names_every_file_with_its_hash(out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_bytes())
    stated = {name: sha for name, _, sha in manifest["files"]}
    found = runs.tree(out)
    assert {k: v for k, v in stated.items() if k != "README.md"} == {
        k: v for k, v in found.items() if k != "manifest.json"
    }
    assert sum(i["rows_in"] for i in manifest["inputs"]) == 402


def test_the_status_tells_done(out: Path) -> None:
    status = runs.status(out)
    assert (status["state"], status["exit_code"]) == ("done", 0)
    assert status["stages"][0]["name"] == "attributes"


def test_datasets_loads_the_card(out: Path, report: dict[str, Any], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    for name, key in ((None, "rows_kept"), ("removed", "rows_removed")):
        rows = datasets.load_dataset(str(out), name, split="train", cache_dir=str(tmp_path))
        assert len(rows) == report[key]
        assert "text" in rows.column_names


@pytest.mark.slow
def test_datasets_never_gives_the_rows_of_another_run_of_that_name(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    for place, words in (("first", "one"), ("second", "two")):
        path = runs.texts(tmp_path / place / "x.parquet", [f"a row of {words}"])
        out = tmp_path / place / "clean"
        runs.run([path], out)
        rows = datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
        assert rows["text"][:] == [f"a row of {words}"]


def test_the_same_command_again_does_nothing(inputs: list[Path], out: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    again = runs.run(inputs, out, split_bytes=64 << 10)
    assert again["rows_in"] == 402
    assert before == {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}


def test_another_configuration_in_the_same_folder_is_refused(inputs: list[Path], out: Path) -> None:
    before = runs.tree(out)
    with pytest.raises(ConfigError, match=r"params\.threshold was 0\.7, is now 0\.8"):
        runs.run(inputs, out, split_bytes=64 << 10, threshold=0.8)
    assert runs.tree(out) == before
    assert runs.status(out)["state"] == "done"


def test_an_output_inside_the_input_leaves_nothing_there(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in" / "a.parquet", ["a"])
    with pytest.raises(ConfigError, match="lies inside the input"):
        runs.run(file.parent, file.parent / "out")
    assert list(file.parent.iterdir()) == [file]


def test_another_input_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["a", "b"])
    runs.run(file, tmp_path / "out")
    runs.texts(file, ["a", "c", "d"])
    with pytest.raises(ConfigError, match="belongs to another run: inputs differs"):
        runs.run(file, tmp_path / "out")


@pytest.mark.parametrize("name", ["notes.txt", "data", ".hidden"])
def test_a_folder_with_something_else_in_it_is_left_alone(name: str, tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["a"])
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(ConfigError, match="not empty and not one of ours"):
        runs.run(file, out)
    assert [p.name for p in out.iterdir()] == [name]


def test_a_file_in_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["a"])
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigError, match="a file, not a folder"):
        runs.run(file, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_the_result_does_not_depend_on_where_the_inputs_lie(tmp_path: Path) -> None:
    found = []
    for place in ("here", "there/deeper"):
        file = runs.texts(tmp_path / place / "in.parquet", [BASE, CLOSE, sentence(3), BASE])
        os.utime(file, ns=(1, hash(place) % 10**9))
        runs.run(file, tmp_path / place / "out")
        found.append(runs.tree(tmp_path / place / "out"))
    assert found[0] == found[1]


def test_a_report_page_shows_the_pair_and_runs_nothing(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> <img src=http://example.com/x onerror=alert(2)>"
    file = runs.texts(tmp_path / "in.parquet", [f"{BASE} {evil}", f"{CLOSE} {evil}", sentence(3)])
    assert runs.run(file, tmp_path / "out")["rows_removed"] == 1
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in page
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    assert "<img" not in page


@pytest.mark.slow
def test_a_giant_piece_is_announced(tmp_path: Path) -> None:
    """A chain of rows, each like the next, is one piece: the report says how much it holds."""
    words = [f"w{i}" for i in range(14_000)]
    chain = [" ".join(words[i : i + 60]) for i in range(13_000)]
    file = runs.texts(tmp_path / "in.parquet", chain)
    report = runs.run(file, tmp_path / "out", audit_rows=0, max_removed_fraction=1.0)
    assert report["plan"]["largest_piece"] > 10_000
    assert any("one piece of similar rows holds" in note for note in report["notes"])
