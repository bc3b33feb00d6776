"""What a mixture refuses and leaves behind: errors, explanations, pages, plans and commands."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import thresher
from tests.jobs.mixes import leaves, numbered, run, write_two
from tests.jobs.runs import Row, jsonl, parquet, rows_of
from thresher.errors import ConfigError, InputError
from thresher_jobs.cli import run as command
from thresher_jobs.explain import explain
from thresher_jobs.verify import verify

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return write_two(tmp_path)


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
