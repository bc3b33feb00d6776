"""Every parameter of the job does something a user can see; one without a test is an error."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.jobs import runs
from tests.jobs.sentences import BASE, CLOSE, FAR, WORDS, sentence, with_tail
from thresher.errors import ConfigError, InputError, LimitError
from thresher.params import build
from thresher.transforms.minhash import estimate
from thresher_jobs.dedup_params import DedupParams


def ids(out: Path, column: str = "id") -> list[Any]:
    return sorted(runs.kept_texts(out, column))


def test_every_parameter_is_tested_here_or_in_test_order_or_test_on() -> None:
    others = ("test_order.py", "test_on.py")
    files = (Path(__file__), *(Path(__file__).with_name(name) for name in others))
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    names = [n.name for tree in trees for n in tree.body if isinstance(n, ast.FunctionDef)]
    missing = [
        p for p in DedupParams.model_fields if f"test_{p}" not in {n.split("__")[0] for n in names}
    ]
    assert not missing


def test_text_column__names_what_is_compared(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": "a", "body": BASE}, {"id": 2, "text": "b", "body": BASE}]
    file = runs.parquet(tmp_path / "in.parquet", rows)
    assert runs.run(file, tmp_path / "a")["rows_kept"] == 2
    assert runs.run(file, tmp_path / "b", text_column="body")["rows_kept"] == 1


def test_columns__are_compared_as_one_text(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "q": "one two", "a": "three"},
        {"id": 2, "q": "one", "a": "two three"},
        {"id": 3, "q": "one two", "a": "four"},
        {"id": 4, "q": "one two", "a": None},
        {"id": 5, "q": "one two", "a": ""},
    ]
    file = runs.parquet(tmp_path / "in.parquet", rows)
    runs.run(file, tmp_path / "out", columns=("q", "a"), method="exact")
    assert len(ids(tmp_path / "out")) == 4
    assert set(ids(tmp_path / "out")) > {1, 2, 3}
    runs.run(file, tmp_path / "words", columns=("q", "a"))
    assert runs.kept_texts(tmp_path / "words", "id").count(3) == 1
    assert len(ids(tmp_path / "words")) == 3


def test_columns__are_joined_in_the_given_order(tmp_path: Path) -> None:
    file = runs.parquet(tmp_path / "in.parquet", [{"q": "a", "a": "b"}, {"q": "b", "a": "a"}])
    assert runs.run(file, tmp_path / "out", columns=("a", "q"), method="exact")["rows_kept"] == 2


def test_columns__whose_values_are_all_null_are_null(tmp_path: Path) -> None:
    rows = [{"q": None, "a": None}, {"q": "x", "a": None}, {"q": "y", "a": "z"}]
    file = runs.parquet(tmp_path / "in.parquet", rows)
    assert runs.run(file, tmp_path / "out", columns=("q", "a"))["rows_quarantined"] == 1


def test_id_column__names_rows_in_all_outputs(tmp_path: Path) -> None:
    rows = [{"key": f"k{n}", "text": BASE if n < 2 else sentence(n)} for n in range(4)]
    file = runs.parquet(tmp_path / "in.parquet", rows)
    runs.run(file, tmp_path / "out", id_column="key")
    ((gone, kept),) = runs.partners(tmp_path / "out").items()
    assert {gone, kept} == {"k0", "k1"}
    assert [r["_row_id"] for r in runs.rows_of(tmp_path / "out", "ledger")] == [
        "k0",
        "k1",
        "k2",
        "k3",
    ]


def test_id_column__of_numbers_is_written_as_text(tmp_path: Path) -> None:
    file = runs.parquet(tmp_path / "in.parquet", [{"n": 7, "text": "a"}, {"n": 8, "text": "a"}])
    runs.run(file, tmp_path / "out", id_column="n")
    assert runs.partners(tmp_path / "out") == {"8": "7"}


@pytest.mark.parametrize(
    ("values", "message"), [([1, None], "null in 1 rows"), ([1, 1], "not unique")]
)
def test_id_column__must_be_unique_and_without_nulls(
    values: list[int | None], message: str, tmp_path: Path
) -> None:
    rows = [{"key": v, "text": str(n)} for n, v in enumerate(values)]
    file = runs.parquet(tmp_path / "in.parquet", rows)
    with pytest.raises(InputError, match=message):
        runs.run(file, tmp_path / "out", id_column="key")


def test_method__decides_what_a_copy_is(tmp_path: Path) -> None:
    rows = [BASE, BASE, BASE.upper(), CLOSE, sentence(2)]
    file = runs.texts(tmp_path / "in.parquet", rows)
    kept = {
        m: runs.run(file, tmp_path / m, method=m, filter_bytes=4096)["rows_kept"]
        for m in ("minhash", "exact", "bloom")
    }
    assert kept == {"minhash": 2, "exact": 4, "bloom": 4}


def test_exact_on__bytes_or_words(tmp_path: Path) -> None:
    file = runs.texts(
        tmp_path / "in.parquet", ["One  two.", "one two", "one two", "one-two!", "two one"]
    )
    for method in ("exact", "bloom"):
        by = {
            on: runs.run(
                file, tmp_path / f"{method}-{on}", method=method, exact_on=on, filter_bytes=4096
            )
            for on in ("bytes", "words")
        }
        assert (by["bytes"]["rows_kept"], by["words"]["rows_kept"]) == (4, 2)
    assert by["words"]["removed_by"]["same_words"] + by["words"]["removed_by"]["exact_copy"] == 3


@pytest.mark.slow
def test_threshold__moves_the_border(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", [BASE, CLOSE, FAR])
    pairs = {"0.6": 2, "0.7": 1, "0.85": 0}
    for threshold, least in pairs.items():
        report = runs.run(file, tmp_path / threshold, threshold=float(threshold))
        assert report["rows_removed"] == least, threshold


def test_threshold__is_compared_exactly(tmp_path: Path) -> None:
    left, right = sentence(1, 54), with_tail(1, 54, 10)  # 50 of 60 shingles: 5 / 6
    file = runs.texts(tmp_path / "in.parquet", [left, right])
    for threshold, removed in ((0.833333, 1), (0.833334, 0)):
        report = runs.run(file, tmp_path / str(threshold), threshold=threshold)
        assert report["rows_removed"] == removed


def test_ngram__sets_the_words_of_a_shingle(tmp_path: Path) -> None:
    every_fifth = " ".join(w if n % 5 else "odd" for n, w in enumerate(BASE.split()))
    file = runs.texts(tmp_path / "in.parquet", [BASE, every_fifth])
    kept = {n: runs.run(file, tmp_path / str(n), ngram=n)["rows_kept"] for n in (1, 5)}
    assert kept == {1: 1, 5: 2}


def test_recall__chooses_the_bands(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", [BASE])
    low, high = (runs.run(file, tmp_path / str(r), recall=r)["recall"] for r in (0.9, 0.999))
    assert 0.9 <= low["expected_at_threshold"] < 0.999 <= high["expected_at_threshold"]
    assert low["bands"] < high["bands"]


def test_recall__out_of_reach_is_refused() -> None:
    with pytest.raises(ConfigError):
        build(DedupParams, {"threshold": 0.01, "recall": 0.999999})


@pytest.mark.slow
def test_seed__changes_signatures_but_not_a_sound_result(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", [BASE, CLOSE, sentence(2)])
    found = [runs.run(file, tmp_path / str(s), seed=s, export_signatures=True) for s in (1, 2)]
    assert [r["rows_kept"] for r in found] == [2, 2]
    signatures = [runs.rows_of(tmp_path / str(s), "signatures") for s in (1, 2)]
    assert signatures[0] != signatures[1]


def test_clusters__greedy_keeps_the_ends_of_a_chain(tmp_path: Path) -> None:
    words = WORDS[2000:2090]
    chain = [" ".join(words[s : s + 60]) for s in (0, 7, 14)]  # neighbours 0.78, ends 0.6
    rows = [{"id": n, "text": t, "rank": 9 - n} for n, t in enumerate(chain)]
    file = runs.parquet(tmp_path / "in.parquet", rows)
    for clusters, kept in (("greedy", [0, 2]), ("transitive", [0])):
        runs.run(file, tmp_path / clusters, clusters=clusters, keep="best:rank")
        assert ids(tmp_path / clusters) == kept


def test_null_text__is_quarantined_or_kept(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["a", None, "b", None, ""])
    report = runs.run(file, tmp_path / "a")
    assert (report["rows_kept"], report["rows_quarantined"]) == (3, 2)
    errors = {row["error"] for row in runs.rows_of(tmp_path / "a", "quarantine")}
    assert errors == {"the compared text is null"}
    report = runs.run(file, tmp_path / "b", null_text="keep")
    assert (report["rows_kept"], report["rows_quarantined"]) == (5, 0)
    assert runs.kept_texts(tmp_path / "b") == ["a", None, "b", None, ""]


def test_max_removed_fraction__stops_before_the_manifest(tmp_path: Path) -> None:
    rows = [f"{BASE} {WORDS[20000 + n]}" for n in range(9)] + [sentence(2)]
    file = runs.texts(tmp_path / "in.parquet", rows)
    with pytest.raises(LimitError, match=r"8 of 10 rows of source 'in\.parquet'"):
        runs.run(file, tmp_path / "out", max_removed_fraction=0.79)
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert runs.run(file, tmp_path / "fine", max_removed_fraction=0.8)["rows_removed"] == 8


def test_max_removed_fraction__does_not_count_exact_copies(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", [BASE] * 10)
    assert runs.run(file, tmp_path / "out", max_removed_fraction=0)["rows_kept"] == 1


def test_max_quarantined_fraction__stops_the_run(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["a", None, None, "b"])
    assert runs.run(file, tmp_path / "fine")["rows_quarantined"] == 2
    with pytest.raises(
        LimitError,
        match=r"2 of 4 rows of source 'in\.parquet' cannot be judged, .* 0\.49; the first, "
        r"in\.parquet:1: the compared text is null",
    ):
        runs.run(file, tmp_path / "out", max_quarantined_fraction=0.49)


@pytest.mark.parametrize("settings", [{}, {"text_column": "txt"}, {"columns": ["txt", "other"]}])
def test_text_column__is_there_or_named_as_missing(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    file = runs.jsonl(tmp_path / "in.jsonl", [{"instruction": "a", "output": "b"}])
    with pytest.raises(InputError, match="no column 't"):
        runs.run(file, tmp_path / "out", **settings)


def test_max_quarantined_fraction__says_what_reads_lists_of_two_types(tmp_path: Path) -> None:
    rows = [{"text": "a", "from": [["SVAMP", 1]]}] * 3
    with pytest.raises(LimitError, match=r"the first, in\.jsonl:0: a list of two types") as told:
        runs.run(runs.jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out")
    assert "'thresher convert' alone reads" in str(told.value)


def test_max_doc_bytes__quarantines_larger_rows(tmp_path: Path) -> None:
    big = "x" * 5000
    for name, file in (
        ("p", runs.parquet(tmp_path / "in.parquet", [{"text": t} for t in ("a", big, "b")])),
        ("j", runs.jsonl(tmp_path / "in.jsonl", [{"text": t} for t in ("a", big, "b")])),
    ):
        report = runs.run(file, tmp_path / name, max_doc_bytes=2000)
        assert (report["rows_kept"], report["rows_quarantined"]) == (2, 1)
        (row,) = runs.rows_of(tmp_path / name, "quarantine")
        assert "max_doc_bytes" in row["error"]
        assert row["row"] == 1
        assert len(row["raw"]) <= 2000


def test_skip_unreadable__leaves_a_damaged_file_out_and_names_it(tmp_path: Path) -> None:
    runs.texts(tmp_path / "in" / "good.parquet", ["a", "b"])
    (tmp_path / "in" / "bad.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"bad\.parquet"):
        runs.run(tmp_path / "in", tmp_path / "out")
    report = runs.run(tmp_path / "in", tmp_path / "out2", skip_unreadable=True)
    assert [Path(f["path"]).name for f in report["unreadable_files"]] == ["bad.parquet"]
    assert report["rows_kept"] == 2


def test_union_columns__fills_missing_columns_with_nulls(tmp_path: Path) -> None:
    runs.parquet(tmp_path / "in" / "a.parquet", [{"text": "a", "extra": 1}])
    runs.parquet(tmp_path / "in" / "b.parquet", [{"text": "b"}])
    with pytest.raises(InputError, match="extra"):
        runs.run(tmp_path / "in", tmp_path / "out")
    runs.run(tmp_path / "in", tmp_path / "out2", union_columns=True)
    assert runs.rows_of(tmp_path / "out2", "data") == [
        {"text": "a", "extra": 1},
        {"text": "b", "extra": None},
    ]


@pytest.mark.slow
def test_split_bytes__cuts_the_input_into_tasks_without_changing_rows(tmp_path: Path) -> None:
    rows = [{"text": sentence(n)} for n in range(60)]
    file = runs.jsonl(tmp_path / "in.jsonl", [*rows, *rows])
    small = runs.run(file, tmp_path / "a", split_bytes=4096)
    large = runs.run(file, tmp_path / "b")
    assert small["plan"]["tasks"] > 5
    assert large["plan"]["tasks"] == 1
    assert runs.kept_texts(tmp_path / "a") == runs.kept_texts(tmp_path / "b")
    assert runs.partners(tmp_path / "a") == runs.partners(tmp_path / "b")


def test_filter_bytes__trades_memory_for_rows_looked_at_twice(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", [f"text {n}" for n in range(6000)] + ["text 5"])
    looked_at = {}
    for size in (1024, 1 << 20):
        report = runs.run(file, tmp_path / str(size), method="bloom", filter_bytes=size)
        assert report["rows_removed"] == 1
        looked_at[size] = report["plan"]["exact_looked_at"]
    assert looked_at[1 << 20] < 20 < looked_at[1024]


@pytest.mark.slow
def test_audit_rows__are_the_sample_that_measures_recall(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", [*(sentence(n) for n in range(2, 51)), BASE, CLOSE])
    for rows in (0, 10, 1000):
        recall = runs.run(file, tmp_path / str(rows), audit_rows=rows)["recall"]
        assert recall["sampled_rows"] == min(rows, 50)
        assert (recall["estimate"] is None) == (rows == 0)


@pytest.mark.slow
def test_audit_bytes__bounds_what_the_sample_is_compared_with(tmp_path: Path) -> None:
    rows = [{"text": sentence(n)} for n in range(100)]
    file = runs.parquet(tmp_path / "in.parquet", rows, 10)
    compared = {
        size: runs.run(file, tmp_path / str(size), split_bytes=2048, audit_bytes=size)["recall"]
        for size in (1, 1 << 20)
    }
    assert compared[1 << 20]["compared_rows"] == 100
    assert compared[1]["compared_rows"] < 50


def test_export_signatures__are_one_a_row_and_need_minhash(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", [BASE, None, CLOSE, BASE, "short"])
    report = runs.run(file, tmp_path / "out", export_signatures=True)
    rows = runs.rows_of(tmp_path / "out", "signatures")
    assert [row["_row_id"].rpartition(":")[2] for row in rows] == ["0", "2", "3", "4"]
    first, close, again, _ = (np.array(row["signature"], np.uint32) for row in rows)
    assert (first == again).all()
    assert 0.5 < estimate(first, close) < 1
    assert len(first) == report["recall"]["bands"] * report["recall"]["rows_per_band"]
    with pytest.raises(ConfigError, match="export_signatures needs method minhash"):
        build(DedupParams, {"method": "exact", "export_signatures": True})


def test_a_misspelt_parameter_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'threshold'"):
        build(DedupParams, {"treshold": 0.5})


def test_the_report_states_the_whole_configuration(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", ["a"])
    report = runs.run(file, tmp_path / "out", ngram=3)
    assert report["config"] == json.loads(build(DedupParams, {"ngram": 3}).model_dump_json())
