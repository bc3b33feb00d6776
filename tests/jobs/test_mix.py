"""`thresher mix`: weights, repeats, caps, categories and tokens decide what is drawn."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs import recipes
from tests.jobs.mixes import leaves, numbered, run, shares, write_two, written
from tests.jobs.runs import jsonl, parquet, rows_of, status, tree
from thresher.engines.local import LocalEngine
from thresher.errors import LimitError
from thresher.signals.estimate import estimated_tokens
from thresher.testing.chaos import Flaky, Shuffled, Twice
from thresher_jobs import mix_search
from thresher_jobs.cli import run as command
from thresher_jobs.verify import verify


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return write_two(tmp_path)


def test_weights_decide_how_many_rows_of_each_source_are_written(
    two: list[Path], tmp_path: Path
) -> None:
    report = run(two, tmp_path / "out", weights={"large": 3, "small": 1}, total=120)
    assert shares(tmp_path / "out") == {"large": 90, "small": 30}
    assert set(written(tmp_path / "out").values()) == {1}
    assert report["removed_by"] == {"not_drawn": 240}
    gone = rows_of(tmp_path / "out", "removed")
    assert len(gone) == 240
    assert {(r["_removed_by"], r["_reason"]) for r in gone} == {("mix", "not_drawn")}
    assert (report["rows_in"], report["rows_added"], report["rows_kept"]) == (360, 0, 120)
    list(verify(str(tmp_path / "out")))


def test_the_scarcest_source_decides_where_no_total_is_given(
    two: list[Path], tmp_path: Path
) -> None:
    run(two, tmp_path / "out", weights={"large": 1, "small": 1})
    assert shares(tmp_path / "out") == {"large": 60, "small": 60}


@pytest.mark.slow
def test_a_smaller_mixture_is_part_of_a_larger_one(two: list[Path], tmp_path: Path) -> None:
    before: set[str] = set()
    for total in (7, 40, 41, 43, 77, 120):
        out = tmp_path / str(total)
        run(two, out, weights={"large": 3, "small": 1}, total=total)
        drawn = set(written(out))
        assert len(drawn) == total
        assert before <= drawn
        before = drawn


@pytest.mark.slow
def test_other_seeds_draw_other_rows(two: list[Path], tmp_path: Path) -> None:
    for seed in (0, 1):
        run(two, tmp_path / str(seed), total=100, seed=seed)
    common = set(written(tmp_path / "0")) & set(written(tmp_path / "1"))
    assert 10 < len(common) < 60


@pytest.mark.slow
def test_files_their_format_and_their_order_make_no_difference(tmp_path: Path) -> None:
    rows = numbered("row", 200) + numbered("row", 20)  # some rows are there twice
    other = numbered("other", 50)
    parquet(tmp_path / "one" / "a.parquet", rows)
    jsonl(tmp_path / "one-other.jsonl", other)
    random.Random(5).shuffle(rows)
    jsonl(tmp_path / "two" / "x" / "1.jsonl.gz", rows[:90])
    parquet(tmp_path / "two" / "z.parquet", rows[90:], 11)
    parquet(tmp_path / "two-other.parquet", other[::-1])
    for name, sizes in (("one", 0), ("two", 1)):
        sources = [
            {"path": str(tmp_path / name), "name": "rows", "weight": 4},
            {
                "path": str(next(tmp_path.glob(f"{name}-other*"))),
                "name": "other",
                "weight": 1,
            },
        ]
        run([], tmp_path / f"out-{name}", sources=sources, total=175, split_bytes=sizes)
    assert written(tmp_path / "out-one") == written(tmp_path / "out-two")


def test_of_equal_rows_as_many_are_drawn_as_are_wanted(tmp_path: Path) -> None:
    parquet(tmp_path / "copies.parquet", [{"text": "the same"}] * 500, 50)
    report = run(tmp_path / "copies.parquet", tmp_path / "out", total=123)
    assert report["rows_kept"] == 123
    list(verify(str(tmp_path / "out")))


def test_rows_are_written_again_round_by_round_and_count_as_added(
    two: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    report = run(two, out, weights={"large": 1, "small": 1}, total=300, max_repeats=3)
    counts = written(out)
    small = {text: n for text, n in counts.items() if text.startswith("small")}
    assert sorted(set(small.values())) == [2, 3] and sum(small.values()) == 150
    assert report["rows_added"] == 90
    assert report["rows_in"] + 90 == report["rows_kept"] + report["rows_removed"]
    (part,) = [
        p for p in sorted(out.glob("data/*")) if pq.read_table(p)["text"][0].as_py()[0] == "s"
    ]
    texts = pq.read_table(part).column("text").to_pylist()
    rounds = [texts[:60], texts[60:120], texts[120:]]
    assert rounds[0] == rounds[1] == [row["text"] for row in numbered("small", 60)]
    assert all(len(set(texts)) == len(texts) for texts in rounds)
    ledger = [line for line in rows_of(out, "ledger") if line["reason"] == "added"]
    assert len(ledger) == 90
    own = {line["_row_id"]: (line["file"], line["row"]) for line in rows_of(out, "ledger")}
    assert all((line["file"], line["row"]) == own[line["matched_id"]] for line in ledger)
    assert {line["_row_id"].rsplit("#")[1] for line in ledger} == {"2", "3"}
    list(verify(str(out)))


def test_a_share_beyond_the_repeats_allowed_stops_with_exit_4(
    two: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(LimitError, match=r"source 'small.jsonl' is to give 150 rows but has 60"):
        run(two, tmp_path / "out", weights={"large": 1, "small": 1}, total=300, max_repeats=2)
    assert status(tmp_path / "out")["exit_code"] == 4
    assert not (tmp_path / "out" / "data").exists()
    report = run(
        two,
        tmp_path / "out",
        weights={"large": 1, "small": 1},
        total=300,
        max_repeats=2,
        allow_short=True,
    )
    assert leaves(report)["small.jsonl"]["rows"] == 120
    assert leaves(report)["large"]["rows"] == 150
    assert report["notes"] == [
        "small.jsonl: 30 rows fewer than asked for",
        "shares are not those asked for: large 55.56 % instead of 50.00 %, small.jsonl 44.44 % "
        "instead of 50.00 %",
    ]
    assert "30 rows short" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_by_tokens_the_largest_prefix_that_fits_is_drawn(two: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = run(two, out, by="tokens", weights={"large": 2, "small": 1}, total=600)
    data = pa.array(list(written(out).elements()))
    assert int(estimated_tokens(data).sum()) == sum(x["tokens"] for x in leaves(report).values())
    for name, target in (("large", 400), ("small.jsonl", 200)):
        leaf = leaves(report)[name]
        assert leaf["target"] == target
        assert target - 20 < leaf["tokens"] <= target
    list(verify(str(out)))
    larger = run(two, tmp_path / "larger", by="tokens", weights={"large": 2, "small": 1}, total=603)
    assert leaves(larger)["large"]["target"] == 402
    assert written(out) <= written(tmp_path / "larger")


@pytest.mark.slow
def test_tokens_are_counted_with_a_tokenizer(two: list[Path], tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.save(str(tmp_path / "words.json"))
    out = tmp_path / "out"
    report = run(two, out, by="tokens", total=500, tokenizer=str(tmp_path / "words.json"))
    count = sum(len(text.split()) for text in written(out).elements())
    assert count == sum(leaf["tokens"] for leaf in leaves(report).values())
    assert report["plan"]["mixture"]["exact"]
    assert "tokenizers" in report["plan"]["mixture"]["counter"]
    assert "counted by" in (out / "report.html").read_text()


@pytest.mark.slow
def test_caps_hold_in_either_unit(two: list[Path], tmp_path: Path) -> None:
    report = run(two, tmp_path / "rows", max_rows=70)
    assert shares(tmp_path / "rows") == {"large": 70, "small": 60}
    assert leaves(report)["large"]["cap"] == 70
    report = run(two, tmp_path / "tokens", max_tokens=500)
    leaf = leaves(report)["large"]
    assert 480 < leaf["tokens"] <= 500 and leaf["rows"] == leaf["cap"]
    report = run(two, tmp_path / "crossed", by="tokens", max_rows=70)
    assert shares(tmp_path / "crossed") == {"large": 70, "small": 60}
    assert written(tmp_path / "crossed") == written(tmp_path / "rows")


@pytest.mark.slow
def test_caps_that_change_the_weights_are_told_beside_what_was_asked(
    two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs, flags = [str(path) for path in two], ["--weight", "large=4", "--weight", "small=1"]
    flags += ["--max-rows", "60"]
    assert command(["mix", *inputs, "--out", str(tmp_path / "out"), *flags]) == 0
    told = capsys.readouterr().out
    note = "caps change the proportions: large 50.00 % instead of 80.00 %"
    assert f"note         {note}" in told and "; with a total of 75 rows none would" in told
    line = next(line for line in told.splitlines() if line.startswith("  large")).split()
    assert line == ["large", "300", "80.0", "%", "60", "60", "80.00", "%", "part", "60",
                    "50.00", "%"]  # fmt: skip
    page = (tmp_path / "out" / "report.html").read_text()
    assert note in page and "<td>80.00 %</td><td>50.00 %</td>" in page
    assert command(["plan", "mix", *inputs, *flags]) == 0
    assert note in capsys.readouterr().out
    run(two, tmp_path / "kept", weights={"large": 4, "small": 1}, max_rows=60, total=75)
    assert shares(tmp_path / "kept") == {"large": 60, "small": 15}


@pytest.mark.slow
def test_a_share_that_large_rows_miss_is_told(tmp_path: Path) -> None:
    jsonl(tmp_path / "short.jsonl", numbered("short", 300))
    jsonl(tmp_path / "long.jsonl", [{"text": f"{n} " + "grain " * 3000} for n in range(3)])
    inputs = [tmp_path / "short.jsonl", tmp_path / "long.jsonl"]
    weights = {"short": 1, "long": 1}
    report = run(inputs, tmp_path / "out", by="tokens", weights=weights, total=2000)
    (note,) = report["notes"]
    assert "long.jsonl 0.00 % instead of 50.00 %" in note and "rows are written whole" in note
    assert note in (tmp_path / "out" / "report.html").read_text()
    recipe = recipes.write(
        tmp_path / "r.yaml",
        [{"path": str(path), "weight": 1} for path in inputs],
        [{"mix": {"by": "tokens", "total": 2000}}],
        text_column="text",
    )
    assert note in recipes.run(recipe, tmp_path / "run")["notes"]


@pytest.mark.slow
def test_a_ratio_of_categories_is_met_whatever_the_sources(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kinds = ["math", "code", "chat", "chat", None]
    rows = [row | {"kind": kinds[n % 5]} for n, row in enumerate(numbered("a", 400))]
    jsonl(tmp_path / "a.jsonl", rows[:250])
    jsonl(tmp_path / "b.jsonl", rows[250:])
    out = tmp_path / "out"
    report = run(
        [tmp_path / "a.jsonl", tmp_path / "b.jsonl"],
        out,
        category_column="kind",
        categories={"math": 0.5, "code": 0.25},
        total=90,
    )
    assert written(out, "kind") == {"math": 60, "code": 30}
    assert report["removed_by"] == {"not_drawn": 70, "no_category": 80, "other_category": 160}
    assert leaves(report)["math"]["source"] is None
    left = report["plan"]["mixture"]["left_out"]
    assert sum(entry["rows"] for entry in left) == 240
    said = "100 rows of 'a.jsonl' are not drawn: no weight for their category ('chat')"
    assert said in caplog.messages
    assert "50 rows of 'a.jsonl' without a category are not drawn" in caplog.messages
    list(verify(str(out)))
    with pytest.raises(LimitError, match="category 'code' is to give"):
        run(
            [tmp_path / "a.jsonl", tmp_path / "b.jsonl"],
            tmp_path / "more",
            category_column="kind",
            categories={"math": 0.5, "code": 0.5},
            total=170,
        )


@pytest.mark.slow
def test_categories_divide_the_share_of_a_weighed_source(tmp_path: Path) -> None:
    for name in ("a", "b"):
        rows = [row | {"kind": "xyz"[n % 3]} for n, row in enumerate(numbered(name, 300))]
        parquet(tmp_path / f"{name}.parquet", rows, 50)
    out = tmp_path / "out"
    sources = [
        {"path": str(tmp_path / "a.parquet"), "name": "a", "weight": 2, "category_column": "kind",
         "categories": {"x": 3, "y": 1}},
        {"path": str(tmp_path / "b.parquet"), "name": "b", "weight": 1},
    ]  # fmt: skip
    report = run([], out, sources=sources, total=120)
    found = {(row["text"][0], row["kind"]): 0 for row in rows_of(out, "data")}
    for row in rows_of(out, "data"):
        found[row["text"][0], row["kind"]] += 1
    assert (found["a", "x"], found["a", "y"]) == (60, 20)
    assert sum(n for (source, _), n in found.items() if source == "b") == 40
    assert ("a", "z") not in found
    assert set(leaves(report)) == {"a/x", "a/y", "b"}
    assert [source["name"] for source in report["sources"]] == ["a", "b"]


@pytest.mark.slow
def test_large_buckets_are_searched_digit_by_digit(
    two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(two, tmp_path / "out", total=100)
    parquet(tmp_path / "copies.parquet", [{"text": "the same"}] * 90 + numbered("x", 9), 20)
    for name, inputs, by in (
        ("again", two, "rows"),
        ("rows", [tmp_path / "copies.parquet"], "rows"),
        ("tokens", [tmp_path / "copies.parquet"], "tokens"),
    ):
        monkeypatch.setattr(mix_search, "BORDER_ROWS", 1)
        deep = run(inputs, tmp_path / name, total=100 if name == "again" else 40, by=by)
        assert any(stage["name"].startswith("refine-") for stage in deep["stages"])
        monkeypatch.undo()
        list(verify(str(tmp_path / name)))
        run(inputs, tmp_path / f"{name}-plain", total=100 if name == "again" else 40, by=by)
        assert tree(tmp_path / name, "draws") == tree(tmp_path / f"{name}-plain", "draws")
    assert written(tmp_path / "again") == written(tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize(
    "chaos",
    [
        Flaky,
        pytest.param(Twice, marks=pytest.mark.slow),
        pytest.param(lambda engine: Shuffled(engine, seed=3), marks=pytest.mark.slow),
    ],
)
def test_engines_that_misbehave_give_the_same_bytes(
    two: list[Path], tmp_path: Path, chaos: Any
) -> None:
    settings: dict[str, Any] = {"weights": {"large": 1, "small": 2}, "max_repeats": 4, "total": 333}
    run(two, tmp_path / "one", split_bytes=4 << 10, **settings)
    run(two, tmp_path / "two", split_bytes=4 << 10, engine=chaos(LocalEngine(3)), **settings)
    assert tree(tmp_path / "two", "draws") == tree(tmp_path / "one", "draws")
