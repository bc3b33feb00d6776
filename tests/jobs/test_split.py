"""`thresher split`: whole groups, wanted sizes, nothing similar across a border."""

from __future__ import annotations

import hashlib
import json
import random
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import thresher
from tests.jobs.runs import Row, jsonl, parquet, resumed, rows_of, tree
from tests.jobs.scores import chat
from tests.jobs.splits import by_split, run, sizes, split_of, torn
from tests.oracle.exact_join import exact_join
from thresher.engines.local import LocalEngine
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, InputError, LimitError, Stopped
from thresher.params import build
from thresher.run import Event, Run
from thresher.store import Store
from thresher_jobs.cli import run as cli
from thresher_jobs.explain import explain
from thresher_jobs.split import split
from thresher_jobs.split_params import SplitParams
from thresher_jobs.verify import verify

WORDS = [f"word{n}" for n in range(400)]


def prose(seed: int, length: int = 60) -> str:
    """Return words that share nothing with those of other seeds."""
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def versions(count: int, each: int) -> list[Row]:
    """Pages with some versions that differ in a word here and there: chains of near copies."""
    rows = []
    for page in range(count):
        words = prose(page).split()
        for version in range(each):
            words[(version * 9) % len(words)] = f"change{version}"
            rows.append(
                {
                    "id": f"{page}-{version}",
                    "page": page,
                    "version": version,
                    "year": 2010 + version,
                    "kind": "abc"[page % 3],
                    "text": " ".join(words),
                }
            )
    return rows


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Twenty pages in four versions and two hundred pages in one."""
    alone: list[Row] = [
        {
            "id": f"x{n}",
            "page": 1000 + n,
            "version": 0,
            "year": 2010 + n % 8,
            "kind": "abc"[n % 3],
            "text": prose(5000 + n),
        }
        for n in range(200)
    ]
    parquet(tmp_path / "in" / "a.parquet", [*versions(20, 4), *alone], 40)
    return tmp_path / "in"


def test_every_row_is_there_once_and_sizes_are_as_wanted(pages: Path, tmp_path: Path) -> None:
    report = run(pages, tmp_path / "out", test=0.1, validation=14)
    assert sizes(report) == {"train": 238, "validation": 14, "test": 28}
    assert report["rows_in"] == report["rows_kept"] == 280
    rows = [row for rows in by_split(tmp_path / "out").values() for row in rows]
    given = pq.read_table(pages / "a.parquet").to_pylist()
    assert sorted(rows, key=lambda r: r["id"]) == sorted(given, key=lambda r: r["id"])
    assert report["notes"] == []


def test_near_copies_and_chains_of_them_never_straddle(pages: Path, tmp_path: Path) -> None:
    report = run(pages, tmp_path / "out", test=0.3, validation=0.2)
    assert torn(tmp_path / "out", "page") == set()
    found = report["plan"]["split"]
    rows = pq.read_table(pages / "a.parquet").to_pylist()
    sets = []
    for row in rows:
        words = row["text"].split()
        sets.append({hash(tuple(words[i : i + 5])) for i in range(len(words) - 4)})
    pairs = exact_join(sets, 7, 10)
    where = split_of(tmp_path / "out", "id")
    assert not [p for p in pairs if where[rows[p.left]["id"]] != where[rows[p.right]["id"]]]
    assert found["leaks"]["pairs"] == len(pairs) > 40
    assert found["leaks"]["torn"] == found["leaks"]["left"] == 0
    assert found["leaks"]["torn_at_random"] > 0.5 * len(pairs)
    assert found["num_groups"] == 220


@pytest.mark.slow
def test_pairs_that_no_band_brought_together_are_found_by_the_check_and_tied(
    pages: Path, tmp_path: Path
) -> None:
    report = run(pages, tmp_path / "out", test=0.3, validation=0.2, recall=0.001)
    assert torn(tmp_path / "out", "page") == set()
    leaks = report["plan"]["split"]["leaks"]
    assert leaks["rounds"] > 1 and leaks["found"] > 0 and leaks["left"] == 0
    blind = run(pages, tmp_path / "no", test=0.3, validation=0.2, recall=0.001, check_rows=0)
    assert blind["plan"]["split"]["leaks"]["checked_rows"] == 0
    assert torn(tmp_path / "no", "page")


def test_the_split_does_not_depend_on_order_files_or_partitions(
    pages: Path, tmp_path: Path
) -> None:
    run(pages, tmp_path / "one", test=0.1, validation=0.05, stratify="kind")
    rows = pq.read_table(pages / "a.parquet").to_pylist()
    random.Random(3).shuffle(rows)
    jsonl(tmp_path / "again" / "z.jsonl", rows[:100])
    parquet(tmp_path / "again" / "b.parquet", rows[100:], 7)
    run(
        tmp_path / "again", tmp_path / "two", test=0.1, validation=0.05, stratify="kind",
        split_bytes=24_000, options=EngineOptions(driver_rows=10),
    )  # fmt: skip
    assert split_of(tmp_path / "one", "id") == split_of(tmp_path / "two", "id")


def test_another_seed_holds_out_other_groups(pages: Path, tmp_path: Path) -> None:
    run(pages, tmp_path / "one", test=0.1)
    run(pages, tmp_path / "two", test=0.1, seed=2)
    assert split_of(tmp_path / "one", "id") != split_of(tmp_path / "two", "id")


def test_added_rows_leave_the_order_of_the_others(pages: Path, tmp_path: Path) -> None:
    run(pages, tmp_path / "one", test=0.1)
    rows = pq.read_table(pages / "a.parquet").to_pylist()
    more = [
        {**rows[0], "id": f"new{n}", "page": 9000 + n, "text": prose(90_000 + n)} for n in range(28)
    ]
    parquet(tmp_path / "more" / "a.parquet", [*rows, *more])
    run(tmp_path / "more", tmp_path / "two", test=0.1)
    before, after = split_of(tmp_path / "one", "id"), split_of(tmp_path / "two", "id")
    moved = [i for i, split in before.items() if split != after[i]]
    assert len(moved) <= 8


def test_strata_give_their_shares(pages: Path, tmp_path: Path) -> None:
    report = run(pages, tmp_path / "out", test=0.2, validation=0.1, stratify="kind")
    strata = report["plan"]["split"]["strata"]
    assert [s["name"] for s in strata] == ["a", "b", "c"]
    for stratum in strata:
        assert stratum["achieved"] == stratum["wanted"]
        assert abs(stratum["achieved"][2] - 0.2 * stratum["rows"]) <= 1
    kinds = [row["kind"] for row in by_split(tmp_path / "out")["test"]]
    assert [kinds.count(k) for k in "abc"] == [s["achieved"][2] for s in strata]


def test_sources_can_be_the_strata(pages: Path, tmp_path: Path) -> None:
    parquet(tmp_path / "other" / "b.parquet", [{"text": prose(70_000 + n)} for n in range(40)])
    report = run(
        [pages, tmp_path / "other"], tmp_path / "out", test=0.1, stratify="source",
        text_column="text", union_columns=True,
    )  # fmt: skip
    strata = report["plan"]["split"]["strata"]
    assert [(s["rows"], s["achieved"][2]) for s in strata] == [(280, 28), (40, 4)]


def test_rows_with_one_prompt_stay_together(tmp_path: Path) -> None:
    rows = [chat(f"Question  {n % 50}?\n", prose(n, 30), n=n) for n in range(300)]
    rows += [chat(f"Question {n}?", prose(900 + n, 30), n=1000 + n) for n in range(50)]
    jsonl(tmp_path / "in.jsonl", rows)
    report = run(tmp_path / "in.jsonl", tmp_path / "out", test=0.2)
    asked: dict[str, set[str]] = {}
    for name, found in by_split(tmp_path / "out").items():
        for row in found:
            question = " ".join(row["messages"][0]["content"].split())
            asked.setdefault(question, set()).add(name)
    assert len(asked) == 50
    assert all(len(splits) == 1 for splits in asked.values())
    (key,) = report["plan"]["split"]["keys"]
    assert (key["kind"], key["keys"], key["rows"], key["torn"]) == ("prompt", 50, 350, 0)
    assert key["torn_at_random"] > 30
    apart = run(tmp_path / "in.jsonl", tmp_path / "apart", test=0.2, group_prompts=False)
    assert apart["plan"]["split"]["keys"] == []
    assert apart["plan"]["split"]["num_groups"] == 350


def test_rows_without_a_prompt_are_not_tied(tmp_path: Path) -> None:
    rows = [{"instruction": "", "input": "", "output": prose(n, 20)} for n in range(60)]
    jsonl(tmp_path / "in.jsonl", rows)
    report = run(tmp_path / "in.jsonl", tmp_path / "out", test=0.1)
    assert report["plan"]["split"]["num_groups"] == 60


def test_named_columns_tie_rows_and_ties_of_all_kinds_add_up(tmp_path: Path) -> None:
    # a-b by a column, b-c as near copies, c-d by another column; null ties nothing
    text = prose(1)
    rows: list[Row] = [
        {"id": "a", "doc": "1", "thread": None, "text": prose(2)},
        {"id": "b", "doc": "1", "thread": None, "text": text},
        {"id": "c", "doc": None, "thread": "7", "text": text + " and more"},
        {"id": "d", "doc": None, "thread": "7", "text": prose(3)},
    ]
    rows += [{"id": f"x{n}", "doc": None, "thread": None, "text": prose(n)} for n in range(10, 60)]
    parquet(tmp_path / "in.parquet", rows)
    report = run(tmp_path / "in.parquet", tmp_path / "out", test=0.5, group_by=("doc", "thread"))
    where = split_of(tmp_path / "out", "id")
    assert len({where[name] for name in "abcd"}) == 1
    assert report["plan"]["split"]["largest_rows"] == 4
    assert report["plan"]["split"]["num_groups"] == 51


def test_the_newest_groups_are_held_out_and_a_group_is_as_old_as_its_oldest_row(
    pages: Path, tmp_path: Path
) -> None:
    report = run(pages, tmp_path / "out", newest="year", test=0.05, validation=0.05)
    years = {name: [r["year"] for r in rows] for name, rows in by_split(tmp_path / "out").items()}
    assert min(years["test"]) >= max(years["validation"])
    rows = by_split(tmp_path / "out")
    assert all(row["page"] >= 1000 for row in rows["test"])  # pages in versions begin in 2010
    assert torn(tmp_path / "out", "page") == set()
    assert report["plan"]["split"]["newer_in_train"] == sum(
        year >= min(years["test"]) for year in years["train"]
    )


def test_a_point_in_time_is_a_border(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"id": str(n), "seen": f"2024-{1 + n % 12:02d}-15", "text": prose(n)} for n in range(120)
    ]
    rows += [{"id": f"copy{n}", "seen": "2024-12-31", "text": prose(n)} for n in range(5)]
    rows += [{"id": "null", "seen": None, "text": prose(7777)}]
    parquet(tmp_path / "in.parquet", rows)
    report = run(tmp_path / "in.parquet", tmp_path / "out", after="seen=2024-07-01", validation=6)
    found = by_split(tmp_path / "out")
    assert {r["seen"] >= "2024-07-01" for r in found["test"]} == {True}
    assert len(found["test"]) == 60 and len(found["validation"]) == 6
    assert {r["seen"] for r in found["validation"]} == {"2024-06-15"}
    train = {r["id"] for r in found["train"]}
    assert {f"copy{n}" for n in range(5)} | {"null"} <= train
    told = report["plan"]["split"]
    assert (told["newer_in_train"], told["ageless"]) == (5, 1)


def test_a_column_can_name_the_splits(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"id": str(n), "part": ["train", "dev", "test", None][n % 4], "text": prose(n)}
        for n in range(100)
    ]
    rows.append({"id": "copy", "part": "train", "text": prose(2)})
    parquet(tmp_path / "in.parquet", rows)
    report = run(tmp_path / "in.parquet", tmp_path / "out", by="part")
    where = split_of(tmp_path / "out", "id")
    assert where["2"] == where["copy"] == "train"
    assert (where["1"], where["3"], where["6"]) == ("validation", "train", "test")
    assert report["plan"]["split"]["moved"] == {"test to train": 1}
    assert sizes(report) == {"train": 52, "validation": 25, "test": 24}
    with pytest.raises(LimitError, match="no group of rows lies wholly"):
        run(tmp_path / "in.parquet", tmp_path / "no", by="part", test_values="x",
            validation_values="y")  # fmt: skip


def test_a_group_larger_than_test_goes_to_train_and_no_group_that_fits_is_an_error(
    tmp_path: Path,
) -> None:
    rows = [{"id": str(n), "doc": str(n // 50), "text": prose(n)} for n in range(100)]
    parquet(tmp_path / "in.parquet", rows)
    with pytest.raises(LimitError, match="no group of rows that belong together fits") as caught:
        run(tmp_path / "in.parquet", tmp_path / "out", group_by="doc", test=0.1)
    assert caught.value.exit_code == 4 and "--test" in str(caught.value)
    rows += [{"id": f"x{n}", "doc": None, "text": prose(1000 + n)} for n in range(4)]
    parquet(tmp_path / "more.parquet", rows)
    report = run(tmp_path / "more.parquet", tmp_path / "more", group_by="doc", test=10)
    assert sizes(report)["test"] == 4
    assert any("test has 4 of 10 wanted rows" in note for note in report["notes"])
    assert any("one group holds 50 of 104 rows" in note for note in report["notes"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"test": 0.6, "validation": 0.5}, "leave nothing to train on"),
        ({"test": 0, "validation": 0}, "neither test nor validation"),
        ({"by": "a", "test": 0.1}, "exclude each other"),
        ({"newest": "a", "after": "a=1"}, "exclude each other"),
        ({"after": "2024-01-01"}, "COLUMN=TIME"),
        ({"on": "all", "columns": "a"}, "exclude each other"),
        ({"test": 1.5}, "neither a fraction"),
        ({"tset": 0.1}, "did you mean 'test'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(SplitParams, settings)


def test_bad_columns_and_counts_are_clear_errors(pages: Path, tmp_path: Path) -> None:
    for settings, error, message in (
        ({"test": 0.1, "stratify": "kidn"}, InputError, "did you mean 'kind'"),
        ({"newest": "kind"}, InputError, "holds no times"),
        ({"after": "year=soon"}, ConfigError, "is no value of a column of int64"),
        ({"after": "year=2030"}, LimitError, "is from 2030 on"),
        ({"test": 281}, LimitError, "wants 281 rows, there are 280"),
        ({"test": 280}, LimitError, "nothing is left to train on"),
    ):
        with pytest.raises(error, match=message):  # type: ignore[call-overload]
            run(pages, tmp_path / "out", **settings)


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


def test_explain_names_split_group_and_ties(pages: Path, tmp_path: Path) -> None:
    run(pages, tmp_path / "out", test=0.1, id_column="id")
    told = "\n".join(explain(str(tmp_path / "out"), "3-2"))
    assert f"split     {split_of(tmp_path / 'out', 'id')['3-2']}" in told
    assert "group     3-0, 4 rows" in told
    assert "tied to   3-1: near copy, similarity 0." in told
    alone = "\n".join(explain(str(tmp_path / "out"), "x5"))
    assert "group     of its own" in alone


def test_the_hub_package_loads_the_splits_by_name(pages: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    run(pages, tmp_path / "out", test=0.1, validation=0.05)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in loaded.items()} == {
        "train": 238, "validation": 14, "test": 28,
    }  # fmt: skip
    assert loaded["train"].column_names == ["id", "page", "version", "year", "kind", "text"]


def test_python_gives_the_splits_by_name(pages: Path) -> None:
    table = pq.read_table(pages / "a.parquet")
    result = thresher.split(table, test=0.1)
    assert {name: len(rows) for name, rows in result.kept.items()} == {"train": 252, "test": 28}
    assert isinstance(result.kept["test"], pa.Table)
    assert result.kept["test"].schema == table.schema
    datasets = pytest.importorskip("datasets")
    made = thresher.split(datasets.Dataset.from_dict(table.to_pydict()), test=0.1)
    assert isinstance(made.kept, datasets.DatasetDict)


def test_a_finished_split_is_not_made_again_and_another_is_refused(
    pages: Path, tmp_path: Path
) -> None:
    first = run(pages, tmp_path / "out", test=0.1)
    again = run(pages, tmp_path / "out", test=0.1)
    assert again["wall_seconds"] == first["wall_seconds"]
    with pytest.raises(ConfigError, match="belongs to another run"):
        run(pages, tmp_path / "out", test=0.2)


def test_the_page_shows_sizes_and_the_leak_check(pages: Path, tmp_path: Path) -> None:
    run(pages, tmp_path / "out", test=0.1, stratify="kind")
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'id="splits"' in page and 'id="borders"' in page
    assert "Pairs of near copies, similarity from 0.7 on" in page
    assert "All 28 held-out texts were compared exactly with all others" in page


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
