"""What a split leaves: quarantine, ledger, page, card; and how it goes on after a stop."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import thresher
from tests.jobs.runs import Row, jsonl, parquet, resumed, rows_of, tree
from tests.jobs.splits import (
    prose,
    run,
    sizes,
    split_of,
    write_pages,
)
from thresher.engines.local import LocalEngine
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, InputError, LimitError, Stopped
from thresher.run import Event, Run
from thresher.store import Store
from thresher_jobs.cli import run as cli
from thresher_jobs.explain import explain
from thresher_jobs.split import split
from thresher_jobs.split_params import SplitParams
from thresher_jobs.verify import verify


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    return write_pages(tmp_path / "in")


def test_bad_rows_are_quarantined_and_the_balance_holds(tmp_path: Path) -> None:
    rows: list[Row | bytes] = [{"id": str(n), "text": prose(n)} for n in range(50)]
    rows[7] = b'{"id": "cut", "text": "it ends in'
    rows[9] = {"id": "null", "text": None}
    jsonl(tmp_path / "in.jsonl", rows)
    report = run(tmp_path / "in.jsonl", tmp_path / "out", test=0.1, text_column="text")
    assert (report["rows_in"], report["rows_kept"], report["rows_quarantined"]) == (50, 48, 2)
    assert sizes(report) == {"train": 43, "validation": 0, "test": 5}
    ledger = rows_of(tmp_path / "out", "ledger")
    assert [line["verdict"] for line in ledger].count("quarantined") == 2
    assert {line["reason"] for line in ledger} == {"train", "test", None}
    assert not (tmp_path / "out" / "data" / "validation").exists()
    assert len(list(verify(str(tmp_path / "out")))) == 5


@pytest.mark.slow
def test_verify_finds_a_row_that_was_moved(pages: Path, tmp_path: Path) -> None:
    run(pages, tmp_path / "out", test=0.3)
    assert "no pair from 0.7 on" in list(verify(str(tmp_path / "out")))[-1]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    part = tmp_path / "out" / "data" / "test" / "part-00000.parquet"
    table = pq.read_table(part)
    pq.write_table(table.slice(1), part)
    with pytest.raises(InputError, match="differs from the manifest"):
        list(verify(str(tmp_path / "out")))
    manifest["files"] = [
        [n, part.stat().st_size, hashlib.sha256(part.read_bytes()).hexdigest()]
        if n == "data/test/part-00000.parquet"
        else [n, size, digest]
        for n, size, digest in manifest["files"]
    ]
    (tmp_path / "out" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="in the ledger"):
        list(verify(str(tmp_path / "out")))


@pytest.mark.slow
def test_explain_names_split_group_and_ties(pages: Path, tmp_path: Path) -> None:
    run(pages, tmp_path / "out", test=0.1, id_column="id")
    told = "\n".join(explain(str(tmp_path / "out"), "3-2"))
    assert f"split     {split_of(tmp_path / 'out', 'id')['3-2']}" in told
    assert "group     3-0, 4 rows" in told
    assert "tied to   3-1: near copy, similarity 0." in told
    alone = "\n".join(explain(str(tmp_path / "out"), "x5"))
    assert "group     of its own" in alone


@pytest.mark.slow
def test_the_hub_package_loads_the_splits_by_name(pages: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    run(pages, tmp_path / "out", test=0.1, validation=0.05)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in loaded.items()} == {
        "train": 238, "validation": 14, "test": 28,
    }  # fmt: skip
    assert loaded["train"].column_names == ["id", "page", "version", "year", "kind", "text"]


@pytest.mark.slow
def test_python_gives_the_splits_by_name(pages: Path) -> None:
    table = pq.read_table(pages / "a.parquet")
    result = thresher.split(table, test=0.1)
    assert {name: len(rows) for name, rows in result.kept.items()} == {"train": 252, "test": 28}
    assert isinstance(result.kept["test"], pa.Table)
    assert result.kept["test"].schema == table.schema
    datasets = pytest.importorskip("datasets")
    made = thresher.split(datasets.Dataset.from_dict(table.to_pydict()), test=0.1)
    assert isinstance(made.kept, datasets.DatasetDict)


@pytest.mark.slow
def test_a_finished_split_is_not_made_again_and_another_is_refused(
    pages: Path, tmp_path: Path
) -> None:
    first = run(pages, tmp_path / "out", test=0.1)
    again = run(pages, tmp_path / "out", test=0.1)
    assert again["wall_seconds"] == first["wall_seconds"]
    with pytest.raises(ConfigError, match="belongs to another run"):
        run(pages, tmp_path / "out", test=0.2)


@pytest.mark.slow
def test_the_page_shows_sizes_and_the_leak_check(pages: Path, tmp_path: Path) -> None:
    run(pages, tmp_path / "out", test=0.1, stratify="kind")
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'id="splits"' in page and 'id="borders"' in page
    assert "Pairs of near copies, similarity from 0.7 on" in page
    assert "All 28 held-out texts were compared exactly with all others" in page


@pytest.mark.slow
def test_the_command_says_what_was_split_and_what_was_found(
    pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["split", str(pages), "--out", str(out), "--test", "0.1", "--validation", "14"]
    assert cli([*words, "--group-by", "page", "--stratify", "kind", "--workers", "1"]) == 0
    told = capsys.readouterr().out
    assert "test                   28  of 28 wanted" in told
    assert re.search(r"near copies +0  of \d+ pairs across a border; at random \d+", told)
    assert "same page" in told
    assert cli(["split", str(pages), "--out", str(tmp_path / "no"), "--test", "1000"]) == 4


def test_texts_of_the_data_are_inert_in_the_page(tmp_path: Path) -> None:
    rows = [{"text": prose(n), "kind": "<script>alert(1)</script>"} for n in range(40)]
    parquet(tmp_path / "in.parquet", rows)
    run(tmp_path / "in.parquet", tmp_path / "out", test=0.1, stratify="kind")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page


@pytest.mark.slow
def test_a_broken_off_split_is_resumed_to_the_same_bytes(pages: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"test": 0.2, "stratify": "kind", "split_bytes": 24_000}
    run(pages, tmp_path / "whole", **settings)

    def stop(event: Event) -> None:
        if event.stage == "members" and event.kind == "end":
            raise KeyboardInterrupt

    broken = Run(Store(str(tmp_path / "out")), LocalEngine(1), stop)
    with pytest.raises(Stopped):
        split(
            [str(pages)],
            str(tmp_path / "out"),
            SplitParams(**settings),
            EngineOptions(),
            run=broken,
        )
    report = run(pages, tmp_path / "out", **settings)
    done = resumed(report)
    assert done["read"] == report["plan"]["tasks"] and done["members"] == 1
    folders = ("data/train", "data/test", "groups")
    assert tree(tmp_path / "out", *folders) == tree(tmp_path / "whole", *folders)


@pytest.mark.slow
def test_other_settings_after_a_refusal_take_nothing_from_before(
    pages: Path, tmp_path: Path
) -> None:
    with pytest.raises(LimitError):
        run(pages, tmp_path / "out", test=281)
    run(pages, tmp_path / "out", test=0.2, threshold=0.95, stratify="source")
    run(pages, tmp_path / "fresh", test=0.2, threshold=0.95, stratify="source")
    folders = ("data/train", "data/test", "groups")
    assert tree(tmp_path / "out", *folders) == tree(tmp_path / "fresh", *folders)
