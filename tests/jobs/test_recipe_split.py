"""A split inside a recipe, and what the report says the data is made of before and after."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.jobs import scores, splits
from tests.jobs.recipes import run, write
from tests.jobs.runs import Command, Row, jsonl, rows_of
from thresher.errors import ConfigError, InputError, LimitError
from thresher.signals.language import LanguageOptions, languages
from thresher.signals.tokens import Estimate
from thresher_jobs.explain import explain
from thresher_jobs.verify import verify

WORDS = [f"{a}{b}" for a in "bcdfgklmnprst" for b in ("arn", "eld", "ill", "oat", "ust")]
SPLIT: dict[str, Any] = {"test": 0.1, "validation": 0.05, "stratify": "kind"}
DEDUP = {"dedup": {"on": "conversation", "threshold": 0.95, "ngram": 2}}
DRAW = {"mix": {"weights": {"a": 1, "b": 2}, "max_repeats": 3, "total": 200}}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two sources: shared prompts, near copies, a missing answer, a broken row."""
    folder = tmp_path_factory.mktemp("asked")
    rng = random.Random(1)
    rows: list[Row | bytes] = []
    for n in range(200):
        said = " ".join(rng.choices(WORDS, k=30))
        rows.append(_row(n, f"Ask {n % 150}?", said))
        if n % 5 == 0:
            rows.append(_row(1000 + n, f"Other {n}?", f"{said} indeed"))
    rows[7] = b'{"id": 3, "instruction": "broken'
    jsonl(folder / "a.jsonl", rows)
    more = [_row(5000 + n, f"Ask {2 * n}?", " ".join(rng.choices(WORDS, k=20))) for n in range(60)]
    jsonl(folder / "b.jsonl", more)
    return [folder / "a.jsonl", folder / "b.jsonl"]


def _row(number: int, prompt: str, answer: str) -> Row:
    return {"id": number, "instruction": prompt, "output": answer, "kind": "abc"[number % 3]}


def sorted_rows(rows: list[Row]) -> list[str]:
    return sorted(map(str, rows))


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], pytest.param([DRAW], marks=pytest.mark.slow)])
def test_a_split_in_a_recipe_is_that_of_the_recipes_result(
    asked: list[Path], tmp_path: Path, more: list[dict[str, Any]]
) -> None:
    steps = [DEDUP, *more]
    report = run(write(tmp_path / "r.yaml", asked, [*steps, {"split": SPLIT}]), tmp_path / "one")
    run(write(tmp_path / "s.yaml", asked, steps), tmp_path / "two")
    drawn = Counter(json.dumps(row) for row in rows_of(tmp_path / "two", "data"))
    jsonl(tmp_path / "each.jsonl", [json.loads(row) for row in drawn])
    alone = splits.run(tmp_path / "each.jsonl", tmp_path / "three", **SPLIT)
    found, wanted = (splits.by_split(tmp_path / name) for name in ("one", "three"))
    for name, rows in wanted.items():
        again = [row for row in rows for _ in range(drawn[json.dumps(row)])]
        assert sorted_rows(found[name]) == sorted_rows(again if name == "train" else rows)
    assert splits.sizes(report) == {n: len(r) for n, r in found.items()}
    told = report["plan"]["split"]["not_repeated"]
    repeats = {n: sum(drawn[json.dumps(row)] - 1 for row in rows) for n, rows in wanted.items()}
    assert told == {n: count for n, count in repeats.items() if count and n != "train"}
    assert bool(told) == any(f"are not in {name}" in n for n in report["notes"] for name in told)
    assert report["rows_kept"] == sum(splits.sizes(alone).values()) + report["rows_added"]
    assert report["rows_kept"] + sum(told.values()) == drawn.total()
    leaks = report["plan"]["split"]["leaks"]
    assert leaks["torn"] == leaks["left"] == 0 and leaks["checked_rows"] > 0
    assert splits.torn(tmp_path / "one", "instruction") == set()
    assert any("no pair from 0.7 on across" in line for line in verify(str(tmp_path / "one")))
    sizes = report["plan"]["split"]["splits"]
    assert all(abs(split["rows"] - split["wanted"]) <= 1 for split in sizes)


@pytest.mark.slow
def test_a_split_before_or_after_a_conversion_is_the_same(
    asked: list[Path], tmp_path: Path
) -> None:
    convert: dict[str, Any] = {"convert": {"to": "messages"}}
    split: dict[str, Any] = {"split": {"test": 20, "name": "parts"}}
    told: list[dict[str, list[str]]] = []
    for steps in ([convert, split], [split, convert]):
        out = tmp_path / str(len(told))
        report = run(write(tmp_path / "r.yaml", asked, steps, category="kind"), out)
        assert report["plan"]["flow"]["steps"] == ["read", "parts", "convert"]
        told.append({name: sorted_rows(rows) for name, rows in splits.by_split(out).items()})
        assert any("before convert" in line for line in verify(str(out)))
    assert told[0] == told[1]
    assert len(told[0]["test"]) == 20 and "'role': 'user'" in told[0]["test"][0]
    plain = run(write(tmp_path / "p.yaml", asked, [split]), tmp_path / "plain")
    assert splits.sizes(plain) == {"train": 279, "validation": 0, "test": 20}
    prompts = {row["instruction"] for row in splits.by_split(tmp_path / "plain")["test"]}
    assert all(any(p in row for p in prompts) for row in told[0]["test"])


@pytest.mark.slow
def test_every_row_that_is_kept_tells_its_split_and_group(
    asked: list[Path], tmp_path: Path, thresher: Command
) -> None:
    out = tmp_path / "out"
    recipe = write(tmp_path / "r.yaml", asked, [DEDUP, DRAW, {"split": SPLIT}])
    run(recipe, out)
    again = next(line for line in rows_of(out, "ledger") if line["_row_id"][-2:] == "#2")
    said = "\n".join(explain(str(out), again["_row_id"]))
    assert f"made of   {again['matched_id']}" in said and f"split     {again['reason']}" in said
    groups = rows_of(out, "groups")
    assert {"same prompt"} <= {line["tie"] for line in groups}
    card = (out / "README.md").read_text()
    assert "path: data/validation/*.parquet" in card and "Pairs of near copies across" in card
    assert thresher("run", str(recipe), "--dry-run").code == 0


@pytest.mark.slow
def test_the_card_is_read_by_datasets(asked: list[Path], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    report = run(write(tmp_path / "r.yaml", asked, [{"split": {"test": 30}}]), tmp_path / "out")
    found = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: rows.num_rows for name, rows in found.items()} == {"train": 269, "test": 30}
    assert report["rows_quarantined"] == 1


@pytest.mark.parametrize(
    ("steps", "more", "error", "message"),
    [
        (["split", "dedup"], {}, ConfigError, "split is the last step but convert"),
        (["split", "split"], {}, ConfigError, "split is the last step but convert"),
        ([{"split": {"on": "all"}}], {"text_column": "output"}, ConfigError, "exclude each other"),
        ([{"split": {"group_by": ["nothing"]}}], {}, InputError, "nothing"),
        ([{"split": {"test": 900}}], {}, LimitError, "test wants 900 rows, there are 299"),
        ([{"split": {"by": "kind"}}], {}, InputError, r"'a' \(.*--set split.train_values="),
        (["split"], {"category": "none"}, InputError, "no file has a column 'none'"),
    ],
)
def test_what_cannot_be_split_is_refused_before_a_row_is_written(
    asked: list[Path],
    tmp_path: Path,
    steps: list[Any],
    more: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        run(write(tmp_path / "r.yaml", asked, steps, **more), tmp_path / "out")
    assert not (tmp_path / "out" / "data").exists()


@pytest.mark.slow
def test_plain_text_is_split_by_its_column(asked: list[Path], tmp_path: Path) -> None:
    recipe = write(tmp_path / "r.yaml", asked, [{"split": {"test": 30}}], text_column="output")
    run(recipe, tmp_path / "one")
    splits.run(asked, tmp_path / "two", test=30, text_column="output", group_prompts=False)
    found, wanted = (splits.by_split(tmp_path / name) for name in ("one", "two"))
    assert sorted_rows(found["test"]) == sorted_rows(wanted["test"])


@pytest.mark.slow
def test_the_composition_is_that_of_a_plain_count(asked: list[Path], tmp_path: Path) -> None:
    steps = [DEDUP, DRAW]
    report = run(write(tmp_path / "r.yaml", asked, steps, category="kind"), tmp_path / "out")
    found = report["plan"]["composition"]
    told = {"before": [r for p in asked for r in _readable(p)], "after": _data(tmp_path / "out")}
    for side, rows in told.items():
        by_kind = Counter(row["kind"] for row in rows)
        tokens: Counter[str] = Counter()
        for row in rows:
            tokens[row["kind"]] += _tokens(row)
        parts = {part["name"]: part[side] for part in found["categories"] if part["name"]}
        assert {name: part["rows"] for name, part in parts.items()} == by_kind
        assert {name: part["tokens"] for name, part in parts.items()} == tokens
        assert all(part["turns"] == 2 * part["rows"] for part in parts.values())
        texts = pa.array([f"{row['instruction']}\n{row['output']}" for row in rows])
        spoken = Counter(languages(texts, LanguageOptions())[0].to_pylist())
        assert sum(found["whole"][side]["languages"].values()) == sum(
            count for code, count in spoken.items() if code
        )
    assert found["whole"]["before"]["rows"] == report["rows_in"] == 300
    assert found["whole"]["after"]["rows"] == report["rows_kept"] == 200
    assert found["categories"][-1]["name"] is None  # the broken row has no kind
    assert (
        sum(leaf["tokens"] for leaf in report["plan"]["mixture"]["leaves"])
        == (found["whole"]["after"]["tokens"])
    )


def _readable(path: Path) -> list[Row]:
    return [r for r in _lines(path) if r is not None]


def _lines(path: Path) -> list[Row | None]:
    found: list[Row | None] = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            found.append(None)
    return found


def _data(out: Path) -> list[Row]:
    return rows_of(out, "data")


def _tokens(row: Row) -> int:
    return int(Estimate().count(pa.array([row["instruction"], row["output"]])).sum())


@pytest.mark.slow
def test_tokens_are_those_of_the_step_that_counts_them(asked: list[Path], tmp_path: Path) -> None:
    profile = {"profile": "sft", "groups": ["tokens"], "rules": {}}
    report = run(write(tmp_path / "r.yaml", asked, [{"score": profile}]), tmp_path / "out")
    plain = run(write(tmp_path / "p.yaml", asked, [DEDUP], languages=False), tmp_path / "plain")
    assert plain["plan"]["composition"]["whole"]["before"]["languages"] == {}
    found, wanted = (r["plan"]["composition"]["whole"]["before"] for r in (report, plain))
    assert found["tokens"] == wanted["tokens"] > 0
    totals = report["plan"]["quality"]["tokens"]
    kept = sum(part["kept"]["tokens"] + part["removed"]["tokens"] for part in totals)
    assert kept == found["tokens"]


@pytest.mark.slow
def test_two_score_steps_are_both_shown(asked: list[Path], tmp_path: Path) -> None:
    rules: list[dict[str, Any]] = [
        {"short": {"signal": "response_words", "min": 18}},
        {"long": {"signal": "response_words", "max": 30}},
    ]
    steps = [
        {"score": {"profile": "sft", "name": name, "rules": rule}}
        for name, rule in zip(("first", "second"), rules, strict=True)
    ]
    report = run(write(tmp_path / "r.yaml", asked, steps), tmp_path / "out")
    assert set(report["plan"]["qualities"]) == {"first", "second"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'id="rules-first"' in page and 'id="rules-second"' in page
    assert "What was removed by second, and why" in page
    scores.run(asked, tmp_path / "alone", profile="sft", rules=rules[0])
    assert 'id="rules"' in (tmp_path / "alone" / "report.html").read_text()
