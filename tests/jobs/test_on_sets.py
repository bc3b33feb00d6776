"""`dedup --on` over mixed and published sets: the same bytes on every engine, and no row lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.conformance.engines import CHAOS, KINDS
from tests.formats.batches import DATA
from tests.jobs import runs
from tests.jobs.chats import alpaca, messages, sharegpt
from tests.jobs.runs import Row, jsonl, parquet
from tests.jobs.sentences import sentence
from thresher.engines.options import EngineOptions
from thresher_jobs.explain import explain
from thresher_jobs.verify import verify


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three formats in files of both kinds; some rows repeat, some are broken."""
    folder = tmp_path_factory.mktemp("mixed")
    said = [sentence(n % 60) for n in range(120)]
    parquet(folder / "a.parquet", [alpaca(s, s.upper()) for s in said], rows_a_group=20)
    rows: list[Row | bytes] = [sharegpt(s, s.upper(), "And?", s) for s in said]
    rows[7] = b'{"conversations": [{"from": "hu'
    rows[9] = sharegpt()
    jsonl(folder / "b.jsonl", rows)
    parts = [messages(s, s.upper()) for s in said]
    parts[3]["messages"][0]["role"] = "owl"
    jsonl(folder / "c.jsonl.gz", parts)
    return folder


HOW: dict[str, Any] = {"on": "conversation", "union_columns": True, "split_bytes": 8 << 10}


@pytest.fixture(scope="module")
def reference(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one local worker writes."""
    out = tmp_path_factory.mktemp("reference") / "out"
    runs.run(mixed, out, **HOW)
    assert len(list(verify(str(out)))) == 3
    return runs.tree(out)


def settings() -> Iterator[Any]:
    """Engines of each kind, calm and misbehaving; clusters are slow."""
    for kind, workers, chaos, joins in (
        ("local", 3, "calm", 1 << 30),
        ("local", 3, "shuffled", 50),
        ("local", 2, "twice", 1 << 30),
        ("local", 2, "flaky", 1 << 30),
        ("ray", 2, "flaky", 1 << 30),
        ("spark", 2, "shuffled", 1 << 30),
    ):
        marks = [pytest.mark.slow] * (chaos != "flaky" or kind != "local")
        marks += [pytest.mark.soak] * (kind != "local")  # recipes do it
        yield pytest.param(kind, workers, chaos, joins, id=f"{kind}-{workers}-{chaos}", marks=marks)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "workers", "chaos", "joins"), list(settings()))
def test_every_engine_gives_the_bytes_of_one_local_worker(
    kind: str,
    workers: int,
    chaos: str,
    joins: int,
    mixed: Path,
    reference: dict[str, str],
    tmp_path: Path,
) -> None:
    report = runs.run(
        mixed,
        tmp_path / "out",
        engine=CHAOS[chaos](KINDS[kind](workers)),
        options=EngineOptions(driver_rows=joins),
        **HOW,
    )
    assert runs.tree(tmp_path / "out") == reference
    assert report["plan"]["tasks"] >= 4
    assert report["rows_removed"] > 200
    assert report["rows_quarantined"] == 3


FIRST = ("llamafactory_demos/alpaca_en_demo.jsonl", "prompt", 14, 20)


REAL = (
    ("llamafactory_demos/alpaca_zh_demo.jsonl", "prompt", 8, 15),
    ("llamafactory_demos/glaive_toolcall_en_demo.jsonl", "conversation", 36, 60),
    ("llamafactory_demos/glaive_toolcall_zh_demo.jsonl", "all", 5, 80),
    ("llamafactory_demos/dpo_en_demo.jsonl", "conversation", 5, 8),
    ("hh_harmless/test.jsonl", "prompt", 3, 40),
    ("ifeval_kto/responses_en_half.jsonl", "prompt", 2705, 2705),
)


@pytest.mark.parametrize(
    ("name", "on", "least", "most"),
    [FIRST, *(pytest.param(*real, marks=pytest.mark.slow) for real in REAL)],
)
def test_real_sets_lose_their_copies_and_no_row_is_lost(
    name: str, on: str, least: int, most: int, tmp_path: Path
) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"the sample data set {name} is not here")
    report = runs.run(DATA / name, tmp_path / "out", on=on, ngram=3)
    assert least <= report["rows_removed"] <= most
    assert report["rows_quarantined"] == 0
    list(verify(str(tmp_path / "out")))
    kept = runs.rows_of(tmp_path / "out", "removed")[0]["_matched_id"]
    assert any("removed in its favour" in line for line in explain(str(tmp_path / "out"), kept))


def test_alpaca_and_sharegpt_exact_prompts_are_counted_as_plain_arrow_counts_them(
    tmp_path: Path,
) -> None:
    name = DATA / "llamafactory_demos" / "alpaca_en_demo.jsonl"
    if not name.exists():
        pytest.skip("the sample data set is not here")
    rows = [json.loads(line) for line in name.read_text(encoding="utf-8").splitlines()]
    prompts = pa.array(["\n".join(filter(None, (r["instruction"], r["input"]))) for r in rows])
    report = runs.run(name, tmp_path / "out", on="prompt", method="exact")
    assert report["rows_kept"] == pc.count_distinct(prompts).as_py()
