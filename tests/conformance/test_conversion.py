"""Every engine converts to the bytes that one local worker gives, manifest included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.engines import CHAOS, KINDS, marks
from tests.jobs.converts import CHAT, SHARE, run
from tests.jobs.runs import Row, jsonl, parquet, tree

SPLIT_BYTES = 4 << 10
CASES: dict[str, dict[str, Any]] = {
    "chats": {"to": "trl-sft"},
    "judged": {"to": "kto-messages", "max_quarantined_fraction": 1.0},
    "rendered": {"to": "text", "template": "chatml", "loss_spans": True},
}
SETTINGS = [
    ("local", 4, "shuffled", "chats"),
    ("local", 2, "flaky", "judged"),
    ("local", 2, "twice", "rendered"),
    ("ray", 2, "twice", "chats"),
    ("ray", 2, "flaky", "judged"),
    ("ray", 1, "shuffled", "rendered"),
    ("spark", 2, "shuffled", "chats"),
    ("spark", 2, "twice", "judged"),
    ("spark", 2, "flaky", "rendered"),
]
SOAK = {
    ("ray", 2, "flaky", "judged"),
    ("ray", 1, "shuffled", "rendered"),
    ("spark", 2, "shuffled", "chats"),
    ("spark", 2, "twice", "judged"),
}
Reference = Callable[[str], Path]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four formats in three kinds of file; some rows are cut, null, of another type or judged."""
    folder = tmp_path_factory.mktemp("inputs")
    turns = [{"from": "human", "value": "Which grain?"}]
    answers = ({"from": "gpt", "value": "Barley"}, {"from": "gpt", "value": "A brick"})
    mixed: list[Row | bytes] = [
        {"messages": CHAT, "note": i if i % 3 else f"{i}"} for i in range(90)
    ]
    mixed[40] = b'{"messages": [{"role": "us'
    mixed[50] = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}
    alpaca = [{"instruction": f"Do {i}", "input": "", "output": f"done {i}"} for i in range(200)]
    parquet(folder / "alpaca.parquet", alpaca, rows_a_group=20)
    jsonl(folder / "chats.jsonl", mixed)
    jsonl(folder / "share.jsonl.gz", [{"conversations": SHARE, "tools": "[]"}] * 60)
    pair = {"conversations": turns, "chosen": answers[0], "rejected": answers[1]}
    jsonl(folder / "pairs.jsonl", [pair, pair, pair, pair | {"chosen": None}] * 10)
    judged = [{"messages": CHAT, "label": i % 4 > 0} for i in range(60)]
    parquet(folder / "judged.parquet", judged, rows_a_group=10)
    return folder


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, inputs: Path) -> Reference:
    """Run a configuration once on one local worker."""
    made: dict[str, Path] = {}

    def of(case: str) -> Path:
        if case not in made:
            out = tmp_path_factory.mktemp("reference") / "out"
            report = run(inputs, out, split_bytes=SPLIT_BYTES, **CASES[case])
            assert report["plan"]["tasks"] >= 4
            made[case] = out
        return made[case]

    return of


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "workers", "chaos", "case"),
    [pytest.param(*s, id="-".join(map(str, s)), marks=marks(s[0], s in SOAK)) for s in SETTINGS],
)
def test_the_engine_converts_to_the_bytes_of_one_local_worker(
    kind: str,
    workers: int,
    chaos: str,
    case: str,
    inputs: Path,
    reference: Reference,
    tmp_path: Path,
) -> None:
    engine = CHAOS[chaos](KINDS[kind](workers))
    report = run(inputs, tmp_path / "out", engine=engine, split_bytes=SPLIT_BYTES, **CASES[case])
    assert tree(tmp_path / "out") == tree(reference(case))
    assert report["rows_in"] == 450
    assert report["rows_quarantined"] > 10
    assert report["plan"]["engine"].partition(",")[0] == kind
