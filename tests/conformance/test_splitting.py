"""Every engine splits to the bytes that one local worker gives, manifest included."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.engines import CHAOS, JOINS, KINDS, marks
from tests.jobs.runs import Row, jsonl, parquet, tree
from tests.jobs.scores import chat
from tests.jobs.splits import run
from thresher.engines.options import EngineOptions

SPLIT_BYTES = 16 << 10
FOLDERS = ("data/train", "data/validation", "data/test", "groups")
CASES: dict[str, dict[str, Any]] = {
    "chats": {"test": 0.2, "validation": 0.1, "stratify": "source", "group_by": ("thread",)},
    "times": {"newest": "seen", "test": 0.1, "validation": 20, "on": "response"},
    "named": {
        "by": "part",
        "train_values": "train,null",
        "columns": ("thread", "part"),
        "id_column": "id",
    },
}
pytestmark = pytest.mark.slow

SETTINGS = [
    ("local", 4, "shuffled", "driver", "chats"),
    ("local", 2, "flaky", "stages", "times"),
    ("local", 2, "twice", "stages", "named"),
    ("ray", 2, "flaky", "stages", "chats"),
    ("ray", 1, "shuffled", "driver", "named"),
    ("spark", 2, "twice", "driver", "chats"),
    ("spark", 2, "flaky", "stages", "times"),
]
SOAK = {
    ("ray", 2, "flaky", "stages", "chats"),
    ("ray", 1, "shuffled", "driver", "named"),
    ("spark", 2, "flaky", "stages", "times"),
}
Reference = Callable[[str], dict[str, str]]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Chats in two sources: shared prompts, near copies of answers, threads, times, a cut line."""
    folder = tmp_path_factory.mktemp("inputs")
    draw = random.Random(5)
    words = [f"word{n}" for n in range(300)]
    answers = [" ".join(draw.choices(words, k=40)) for _ in range(120)]
    rows: list[Row | bytes] = []
    for n in range(300):
        answer = answers[n % 120].split()
        answer[n % 40] = f"change{n // 120}"
        rows.append(
            chat(
                f"Question {n % 90}?" if n % 7 else "",
                " ".join(answer) if n % 50 else None,
                id=f"row{n}",
                thread=str(n // 3) if n % 5 == 0 else None,
                seen=f"2024-{1 + n % 12:02d}-{1 + n % 28:02d}",
                part=("train", "test", "dev", None)[n % 4],
            )
        )
    made = [row for row in rows if isinstance(row, dict)]
    rows[33] = b'{"messages": [{"role": "us'
    jsonl(folder / "first" / "a.jsonl", rows[:180])
    parquet(folder / "second" / "b.parquet", made[180:], 20)
    return [folder / "first", folder / "second"]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, inputs: list[Path]) -> Reference:
    """Run a configuration once on one local worker."""
    made: dict[str, dict[str, str]] = {}

    def of(case: str) -> dict[str, str]:
        if case not in made:
            out = tmp_path_factory.mktemp("reference") / "out"
            report = run(inputs, out, split_bytes=SPLIT_BYTES, **CASES[case])
            assert report["plan"]["tasks"] >= 4
            assert all(s["rows"] for s in report["plan"]["split"]["splits"])
            assert report["plan"]["split"]["num_groups"] < 290
            made[case] = tree(out, *FOLDERS)
        return made[case]

    return of


@pytest.mark.parametrize(
    ("kind", "workers", "chaos", "joins", "case"),
    [pytest.param(*s, id="-".join(map(str, s)), marks=marks(s[0], s in SOAK)) for s in SETTINGS],
)
def test_the_engine_splits_to_the_bytes_of_one_local_worker(
    kind: str,
    workers: int,
    chaos: str,
    joins: str,
    case: str,
    inputs: list[Path],
    reference: Reference,
    tmp_path: Path,
) -> None:
    engine = CHAOS[chaos](KINDS[kind](workers))
    report = run(
        inputs,
        tmp_path / "out",
        engine=engine,
        options=EngineOptions(driver_rows=JOINS[joins]),
        split_bytes=SPLIT_BYTES,
        **CASES[case],
    )
    assert tree(tmp_path / "out", *FOLDERS) == reference(case)
    assert report["plan"]["engine"].partition(",")[0] == kind
