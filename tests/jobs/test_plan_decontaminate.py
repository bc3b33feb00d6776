"""`thresher plan decontaminate` says what would be searched for, and refuses what the job would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.jobs.leaks import run
from tests.jobs.runs import Command, Row, jsonl, parquet
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, InputError, ThresherError
from thresher.planning import make_plan
from thresher_jobs.decontaminate_params import DecontaminateParams
from thresher_jobs.decontaminate_plan import describe
from thresher_jobs.leak_sample import choose

QUESTION = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in "
    "May. How many clips did Natalia sell altogether in April and May?"
)
CLEAN = "The harvest began early that year, and the barns were full before the first rain came."


@pytest.fixture
def benchmark(tmp_path: Path) -> str:
    """Two items that can be searched for, one that cannot and a copy."""
    rows: list[Row | bytes] = [
        {"question": QUESTION, "answer": "#### 72"},
        {"question": "Weng earns 12 dollars an hour and worked 50 minutes.", "answer": "#### 10"},
        {"question": "Why?", "answer": "#### 1"},
        {"question": QUESTION, "answer": "#### 72"},
    ]
    return f"gsm8k={jsonl(tmp_path / 'gsm8k_test.jsonl', rows)}"


def lines(source: Path, *against: str, sample: float | None = None, **params: Any) -> list[str]:
    wanted = DecontaminateParams(against=against, **params)
    return list(describe([str(source)], wanted, EngineOptions(workers=2), sample))


def rows(path: Path, count: int = 100) -> Path:
    """Write rows of which every tenth leaks, a few in each row group."""
    made = [{"text": QUESTION if n % 10 == 4 else f"{CLEAN} {n}"} for n in range(count)]
    return parquet(path, made, 5)


def test_plan_says_what_is_searched_for_and_what_is_not(tmp_path: Path, benchmark: str) -> None:
    said = lines(rows(tmp_path / "in.parquet"), benchmark)
    assert said[0] == (
        "benchmark   gsm8k · test: 2 of 4 items, math: question = question, answer = answer "
        "(bundled description of gsm8k)"
    )
    assert "            short: gsm8k_test.jsonl:2" in said
    assert "            duplicate: gsm8k_test.jsonl:3" in said
    (index,) = (line for line in said if line.startswith("index "))
    assert index.startswith("index       2 items as 2 texts; ") and " MiB" in index
    assert any(line.startswith("rule        default: exact, ") for line in said)
    assert any(line.startswith("tasks       1 on 1 of 2 workers") for line in said)
    assert any(line.startswith("format      text") for line in said)
    assert not any(line.startswith("sample ") for line in said)


def test_plan_says_what_of_a_published_rule_differs(tmp_path: Path, benchmark: str) -> None:
    said = lines(rows(tmp_path / "in.parquet"), benchmark, preset="tulu3")
    assert any(line.startswith("            not as published: Our tokens") for line in said)


@pytest.mark.slow
def test_a_whole_sample_finds_what_the_job_finds(tmp_path: Path, benchmark: str) -> None:
    source = rows(tmp_path / "in.parquet")
    report = run(source, tmp_path / "out", benchmark)
    said = lines(source, benchmark, sample=1.0)
    assert report["rows_removed"] == 10
    assert said[-2].startswith("sample      100 rows, 100 % of the bytes, in 1 of 1 pieces")
    assert said[-1] == ("            10 rows (10.00 %) with 1 of 2 items leak, 0 (0 %) are suspect")


@pytest.mark.slow
def test_a_sample_is_the_same_whenever_it_is_drawn_and_grows_with_its_share(
    tmp_path: Path, benchmark: str
) -> None:
    source = rows(tmp_path / "in.parquet", 400)
    plan = make_plan([str(source)], split_bytes=500, skip_unreadable=False)
    smallest, some, most = (choose(plan, share) for share in (1e-9, 0.2, 0.7))
    assert len(smallest) == 1 < len(some) < len(most) < len(plan.splits())
    assert set(smallest) < set(some) < set(most)
    assert sum(s.bytes for s in some) >= 0.2 * plan.bytes
    again = [lines(source, benchmark, sample=0.2)[-2:] for _ in range(2)]
    assert again[0] == again[1] and "sample " in again[0][0]


def test_what_the_job_refuses_the_plan_refuses(tmp_path: Path, benchmark: str) -> None:
    source = rows(tmp_path / "in.parquet")
    empty = jsonl(tmp_path / "empty.jsonl", [{"question": "", "answer": "1"}])
    nothing = jsonl(tmp_path / "nothing.jsonl", [])
    for against, kind in {
        f"gsm8k={empty}": ConfigError,
        f"gsm8k={nothing}": InputError,
        f"gsm8k={tmp_path / 'absent.jsonl'}": InputError,
        f"{tmp_path / 'absent.yaml'}": ConfigError,
    }.items():
        told: list[ThresherError] = []
        for attempt in (lambda a=against: lines(source, a),
                        lambda a=against: run(source, tmp_path / "out", a)):  # fmt: skip
            with pytest.raises(kind) as caught:
                attempt()
            told.append(caught.value)
        assert str(told[0]) == str(told[1])


def test_the_command_takes_what_the_job_takes(
    tmp_path: Path, benchmark: str, thresher: Command
) -> None:
    source = rows(tmp_path / "in.parquet")
    outcome = thresher(
        "plan", "decontaminate", source, "--against", benchmark, "--preset", "gpt3", "--sample", "1"
    )
    assert outcome.code == 0 and "rule        gpt3: ngram_any" in outcome.out
    assert "10 rows (10.00 %) with " in outcome.out
