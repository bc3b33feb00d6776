"""`thresher split`: whole groups, wanted sizes, nothing similar across a border."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.jobs.runs import Row, jsonl, parquet
from tests.jobs.scores import chat
from tests.jobs.splits import (
    by_split,
    prose,
    run,
    sizes,
    split_of,
    torn,
    write_pages,
)
from tests.oracle.exact_join import exact_join
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, InputError, LimitError
from thresher.params import build
from thresher_jobs.split_params import SplitParams


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    return write_pages(tmp_path / "in")


@pytest.mark.slow
def test_every_row_is_there_once_and_sizes_are_as_wanted(pages: Path, tmp_path: Path) -> None:
    report = run(pages, tmp_path / "out", test=0.1, validation=14)
    assert sizes(report) == {"train": 238, "validation": 14, "test": 28}
    assert report["rows_in"] == report["rows_kept"] == 280
    rows = [row for rows in by_split(tmp_path / "out").values() for row in rows]
    given = pq.read_table(pages / "a.parquet").to_pylist()
    assert sorted(rows, key=lambda r: r["id"]) == sorted(given, key=lambda r: r["id"])
    assert report["notes"] == []


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_another_seed_holds_out_other_groups(pages: Path, tmp_path: Path) -> None:
    run(pages, tmp_path / "one", test=0.1)
    run(pages, tmp_path / "two", test=0.1, seed=2)
    assert split_of(tmp_path / "one", "id") != split_of(tmp_path / "two", "id")


@pytest.mark.slow
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


@pytest.mark.slow
def test_strata_give_their_shares(pages: Path, tmp_path: Path) -> None:
    report = run(pages, tmp_path / "out", test=0.2, validation=0.1, stratify="kind")
    strata = report["plan"]["split"]["strata"]
    assert [s["name"] for s in strata] == ["a", "b", "c"]
    for stratum in strata:
        assert stratum["achieved"] == stratum["wanted"]
        assert abs(stratum["achieved"][2] - 0.2 * stratum["rows"]) <= 1
    kinds = [row["kind"] for row in by_split(tmp_path / "out")["test"]]
    assert [kinds.count(k) for k in "abc"] == [s["achieved"][2] for s in strata]


@pytest.mark.slow
def test_sources_can_be_the_strata(pages: Path, tmp_path: Path) -> None:
    parquet(tmp_path / "other" / "b.parquet", [{"text": prose(70_000 + n)} for n in range(40)])
    report = run(
        [pages, tmp_path / "other"], tmp_path / "out", test=0.1, stratify="source",
        text_column="text", union_columns=True,
    )  # fmt: skip
    strata = report["plan"]["split"]["strata"]
    assert [(s["rows"], s["achieved"][2]) for s in strata] == [(280, 28), (40, 4)]


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert "1 rows without a time in 'seen' count as old: look at them" in report["notes"]


def test_a_column_can_name_the_splits(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"id": str(n), "part": ["train", "dev", " Test", "TRAIN"][n % 4], "text": prose(n)}
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
        run(tmp_path / "in.parquet", tmp_path / "no", by="part", train_values="*",
            test_values="x", validation_values="y")  # fmt: skip


def test_a_value_that_names_no_split_is_an_error_until_it_is_said_what_it_means(
    tmp_path: Path,
) -> None:
    named = ["train", "tset", "test", None, "eval", "eval", ""]
    rows: list[Row] = [{"id": str(n), "part": named[n % 7], "text": prose(n)} for n in range(70)]
    parquet(tmp_path / "a.parquet", rows[:40])
    parquet(tmp_path / "b.parquet", rows[40:])
    inputs = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    with pytest.raises(
        InputError, match=r"'eval' \(20 rows\), no value \(20 rows\), 'tset' \(10 rows\);"
    ):
        run(inputs, tmp_path / "out", by="part")
    said = {"test_values": ["test", "TSET"], "validation_values": "eval"}
    with pytest.raises(InputError, match=r"no value \(20 rows\); .*null stands for"):
        run(inputs, tmp_path / "null", by="part", **said)
    report = run(inputs, tmp_path / "all", by="part", train_values=["train", None], **said)
    assert sizes(report) == {"train": 30, "validation": 20, "test": 20}
    report = run(inputs, tmp_path / "any", by="part", train_values="*")
    assert sizes(report) == {"train": 60, "validation": 0, "test": 10}


def test_a_group_larger_than_test_goes_to_train_and_no_group_that_fits_is_an_error(
    tmp_path: Path,
) -> None:
    rows = [{"id": str(n), "doc": str(n // 50), "text": prose(n)} for n in range(100)]
    parquet(tmp_path / "in.parquet", rows)
    with pytest.raises(LimitError, match="no group of rows that belong together fits") as caught:
        run(tmp_path / "in.parquet", tmp_path / "out", group_by="doc", test=0.1)
    assert caught.value.exit_code == 4 and "--test" in str(caught.value)
    assert "ties rows with equal values: 98 by 'doc'" in str(caught.value)
    assert "fewer columns in --group-by (any of them ties rows)" in str(caught.value)
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
        ({"by": "a", "test_values": "Dev"}, "'dev' is in validation_values and test_values"),
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
