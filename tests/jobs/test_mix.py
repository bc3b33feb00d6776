from __future__ import annotations

import gzip
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import thresher
from tests.jobs.mixes import leaves, numbered, run, written
from tests.jobs.runs import Row, jsonl, parquet, rows_of, status, tree
from thresher.engines.local import LocalEngine
from thresher.errors import ConfigError, InputError, LimitError
from thresher.signals.estimate import estimated_tokens
from thresher.testing.chaos import Flaky, Shuffled, Twice
from thresher_jobs import mix_search
from thresher_jobs.cli import run as command
from thresher_jobs.explain import explain
from thresher_jobs.verify import verify

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    """Two sources: 300 rows in two files, and 60."""
    rows = numbered("large", 300)
    parquet(tmp_path / "large" / "a.parquet", rows[:200], 40)
    jsonl(tmp_path / "large" / "b.jsonl", rows[200:])
    jsonl(tmp_path / "small.jsonl", numbered("small", 60))
    return [tmp_path / "large", tmp_path / "small.jsonl"]


def shares(out: Path) -> dict[str, int]:
    """Rows of the data by the first word of their text."""
    found: dict[str, int] = {}
    for text, count in written(out).items():
        word = text.split()[0]
        found[word] = found.get(word, 0) + count
    return found


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


def test_other_seeds_draw_other_rows(two: list[Path], tmp_path: Path) -> None:
    for seed in (0, 1):
        run(two, tmp_path / str(seed), total=100, seed=seed)
    common = set(written(tmp_path / "0")) & set(written(tmp_path / "1"))
    assert 10 < len(common) < 60


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
    assert all(line["file"] is None for line in ledger)
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
    assert report["notes"] == ["small.jsonl: 30 rows fewer than asked for"]
    assert "30 rows short" in (tmp_path / "out" / "report.html").read_text()


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


def test_a_ratio_of_categories_is_met_whatever_the_sources(tmp_path: Path) -> None:
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
    list(verify(str(out)))
    with pytest.raises(LimitError, match="category 'code' is to give"):
        run(
            [tmp_path / "a.jsonl", tmp_path / "b.jsonl"],
            tmp_path / "more",
            category_column="kind",
            categories={"math": 0.5, "code": 0.5},
            total=170,
        )


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


def test_rows_that_cannot_be_read_are_quarantined_and_take_no_part(tmp_path: Path) -> None:
    rows: list[Row | bytes] = [
        *numbered("row", 30),
        b'{"text": "it ends in the mid',
        {"text": None},
    ]
    jsonl(tmp_path / "a.jsonl", rows)
    report = run(tmp_path / "a.jsonl", tmp_path / "rows")
    assert (report["rows_kept"], report["rows_quarantined"]) == (31, 1)
    report = run(tmp_path / "a.jsonl", tmp_path / "tokens", by="tokens")
    assert (report["rows_kept"], report["rows_quarantined"]) == (30, 2)
    list(verify(str(tmp_path / "tokens")))


def test_rows_of_no_known_format_are_mixed_by_rows_and_refused_by_tokens(tmp_path: Path) -> None:
    rows = [{"caption": f"picture {n}", "size": n, "url": None} for n in range(50)]
    parquet(tmp_path / "a.parquet", rows, 7)
    report = run(tmp_path / "a.parquet", tmp_path / "out", total=20)
    assert report["rows_kept"] == 20
    assert report["notes"][0].startswith("tokens are those of all columns of strings")
    list(verify(str(tmp_path / "out")))
    with pytest.raises(InputError, match="no known format"):
        run(tmp_path / "a.parquet", tmp_path / "no", by="tokens", total=20)
    by = run(tmp_path / "a.parquet", tmp_path / "c", by="tokens", total=20, text_column="caption")
    assert by["rows_kept"] > 3


def test_sources_must_agree_in_their_columns(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", numbered("a", 9))
    jsonl(tmp_path / "b.jsonl", numbered("b", 9, score=0.5))
    inputs = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    with pytest.raises(InputError, match="--union-columns"):
        run(inputs, tmp_path / "out")
    report = run(inputs, tmp_path / "out", union_columns=True)
    assert report["rows_kept"] == 18
    list(verify(str(tmp_path / "out")))


def test_weights_of_unknown_sources_are_refused_with_the_nearest(
    two: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="did you mean 'large'"):
        run(two, tmp_path / "out", weights={"larg": 1, "small": 1})
    with pytest.raises(ConfigError, match="in one place"):
        run(two, tmp_path / "out", sources=[{"path": str(two[0])}])
    with pytest.raises(ConfigError, match="no weight"):
        run(two, tmp_path / "out", weights={"large": 1})
    assert not (tmp_path / "out" / "data").exists()


def test_priority_orders_the_sources(two: list[Path], tmp_path: Path) -> None:
    sources = [
        {"path": str(two[0]), "name": "later", "priority": 2},
        {"path": str(two[1]), "name": "first", "priority": 1},
    ]
    report = run([], tmp_path / "out", sources=sources)
    assert [source["name"] for source in report["sources"]] == ["first", "later"]
    assert rows_of(tmp_path / "out", "data")[0]["text"].startswith("small")


def test_explain_says_whether_a_row_was_drawn_and_why(two: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(two, out, weights={"large": 1, "small": 2}, total=150, max_repeats=2)
    gone = rows_of(out, "removed")[0]["_row_id"]
    told = "\n".join(explain(str(out), gone))
    assert "removed, not_drawn" in told
    assert "later in the order of drawing" in told and "50 of 300 rows wanted" in told
    repeat = next(x["_row_id"] for x in rows_of(out, "ledger") if x["reason"] == "added")
    told = "\n".join(explain(str(out), repeat))
    assert "a repeat of small.jsonl:" in told and "written   twice" in told
    assert "source    small.jsonl" in told


def test_verify_notices_rows_that_were_not_drawn_or_are_not_of_the_input(
    two: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(two, out, total=200)

    def forge(name: str, change: Any) -> None:
        path = out / name
        before = path.read_bytes()
        change(path)
        manifest = json.loads((out / "manifest.json").read_bytes())
        for entry in manifest["files"]:
            if entry[0] == name:
                data = path.read_bytes()
                entry[1:] = [len(data), hashlib.sha256(data).hexdigest()]
        kept = (out / "manifest.json").read_bytes()
        (out / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(InputError):
            list(verify(str(out)))
        path.write_bytes(before)
        (out / "manifest.json").write_bytes(kept)

    def other_text(path: Path) -> None:
        table = pq.read_table(path)
        texts = table.column("text").to_pylist()
        pq.write_table(table.set_column(0, "text", pa.array(["!", *texts[1:]])), path)

    def other_draw(path: Path) -> None:
        table = pq.read_table(path)
        copies = table.column("copies").to_pylist()
        place = table.schema.get_field_index("copies")
        turned = pa.array([1 - copies[0], *copies[1:]], pa.int32())
        pq.write_table(table.set_column(place, "copies", turned), path)

    forge("data/part-00000.parquet", other_text)
    forge("draws/part-00000.parquet", other_draw)
    list(verify(str(out)))


def test_the_command_mixes_and_prints_plan_and_result(
    two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mix.yaml"
    config.write_text(
        f"sources:\n- {{path: {two[0]}, name: big, weight: 0.75}}\n"
        f"- {{path: {two[1]}, name: tiny, weight: 0.25, max_rows: 30}}\ntotal: 100\n"
    )
    assert command(["mix", "--config", str(config), "--out", str(tmp_path / "a")]) == 0
    told = capsys.readouterr().out
    assert "big" in told and "75.0 %" in told and "25" in told
    flags = ["--weight", "large=1", "--weight", "small=1", "--total", "200"]
    inputs = [str(path) for path in two]
    assert command(["mix", *inputs, "--out", str(tmp_path / "b"), *flags]) == 4
    assert "source 'small.jsonl' is to give 100 rows but has 60" in capsys.readouterr().err
    assert command(["mix", *inputs, "--out", str(tmp_path / "b"), *flags, "--allow-short"]) == 0
    assert "40" in capsys.readouterr().out
    assert command(["mix", "--out", str(tmp_path / "c")]) == 2
    assert command(["verify", str(tmp_path / "b")]) == 0
    assert "as planned" in capsys.readouterr().out


def test_from_python_tables_are_mixed_by_name() -> None:
    tables = {name: pa.Table.from_pylist(numbered(name, 80)) for name in ("left", "right")}
    mixed = thresher.mix(tables, weights={"left": 3, "right": 1}, total=100)
    assert mixed.kept.num_rows == 100
    assert [s["name"] for s in mixed.report["sources"]] == ["left", "right"]
    assert mixed.report["plan"]["mixture"]["leaves"][0]["rows"] == 75
    assert mixed.removed.num_rows == 60
    with pytest.raises(ConfigError, match="no source is called so"):
        thresher.mix(tables, weights={"lift": 3})


def test_a_finished_mixture_is_not_made_again_and_another_is_refused(
    two: list[Path], tmp_path: Path
) -> None:
    first = run(two, tmp_path / "out", total=50)
    assert run(two, tmp_path / "out", total=50) == first
    with pytest.raises(ConfigError, match="total was 50, is now 51"):
        run(two, tmp_path / "out", total=51)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_published_sets_are_mixed_by_tokens(tmp_path: Path) -> None:
    with gzip.open(DATA / "contamination" / "gsm8k_train_alpaca_format.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line, _ in zip(file, range(2000), strict=False)]
    jsonl(tmp_path / "gsm8k.jsonl", rows)
    inputs = [DATA / "codealpaca" / "code_alpaca_2k.jsonl", tmp_path / "gsm8k.jsonl"]
    report = run(
        inputs,
        tmp_path / "out",
        by="tokens",
        weights={"code_alpaca_2k": 0.3, "gsm8k": 0.7},
        total=150_000,
        union_columns=True,
    )
    shares = {name: leaf["tokens"] / 150_000 for name, leaf in leaves(report).items()}
    assert shares["gsm8k.jsonl"] == pytest.approx(0.7, abs=0.01)
    list(verify(str(tmp_path / "out")))


def test_the_plan_shows_what_the_mixture_will_be(
    two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = [str(path) for path in two]
    flags = ["--weight", "large=1", "--weight", "small=1", "--total", "200", "--max-rows", "130"]
    assert command(["plan", "mix", *inputs, *flags]) == 0
    told = capsys.readouterr().out
    assert "mix by rows, 200 in all" in told
    assert "would stop: 40 rows short" in told
    planned = next(line for line in told.splitlines() if "small.jsonl" in line).split()
    assert planned == [
        "small.jsonl",
        "60",
        "50.0",
        "%",
        "130",
        "100",
        "50.00",
        "%",
        "once",
        "60",
        "40",
    ]
    run(two, tmp_path / "out", weights={"large": 1, "small": 1}, total=200, allow_short=True)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| small.jsonl | 50.0 % | 37.50 % | 60 | 60 |" in card
