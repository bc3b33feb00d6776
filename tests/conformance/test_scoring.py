"""Every engine scores and selects to the bytes that one local worker gives, manifest included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.engines import CHAOS, KINDS, marks
from tests.jobs.runs import Row, jsonl, parquet, tree
from tests.jobs.scores import again, chat, run

SPLIT_BYTES = 4 << 10
CASES: dict[str, dict[str, Any]] = {
    "chats": {"profile": "sft", "groups": ("prompts",), "per_prompt": 1, "prefer": "longest"},
    "pairs": {
        "profile": "preference",
        "groups": ("prompts", "tokens"),
        "rules": {"contradicted": {"signal": "conflicting_pair", "is": False}},
    },
    "texts": {"profile": "web", "annotate": True},
}
RULES = {
    "wordy": {"signal": "response_words", "max": 40},
    "repeats": {"signal": "answer_rank", "max": 1},
}
pytestmark = pytest.mark.slow

SETTINGS = [
    ("local", 4, "shuffled", "chats"),
    ("local", 2, "flaky", "pairs"),
    ("local", 2, "twice", "texts"),
    ("ray", 2, "flaky", "chats"),
    ("ray", 1, "shuffled", "pairs"),
    ("ray", 2, "twice", "texts"),
    ("spark", 2, "twice", "chats"),
    ("spark", 2, "flaky", "texts"),
]
SOAK = {
    ("ray", 1, "shuffled", "pairs"),
    ("ray", 2, "twice", "texts"),
    ("spark", 2, "twice", "chats"),
}
Reference = Callable[[str], Path]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chats, pairs and texts; some are empty, null, cut, short, long, repeated."""
    folder = tmp_path_factory.mktemp("inputs")
    answer = "The mill grinds what the field gave. "
    rows: list[Row | bytes] = [
        chat(f"Question {i % 60}?", answer * (i % 9) or None) for i in range(180)
    ]
    rows[33] = b'{"messages": [{"role": "us'
    jsonl(folder / "chats" / "a.jsonl", rows)
    more = [chat(f"Question {i % 30}?", answer * (i % 5) + str(i)) for i in range(90)]
    parquet(folder / "chats" / "b.parquet", more, 15)
    pairs = [
        {"prompt": f"Which {i % 20}?", "chosen": f"Barley {i % 3}", "rejected": f"Rye {i % 4}"}
        for i in range(400)
    ]
    jsonl(folder / "pairs" / "a.jsonl", pairs)
    jsonl(
        folder / "pairs" / "b.jsonl.gz",
        [{**p, "chosen": p["rejected"], "rejected": p["chosen"]} for p in pairs[:9]],
    )
    texts = [{"text": answer * (i % 23), "url": f"a/{i}"} for i in range(160)] + [
        {"text": None, "url": ""}
    ]
    parquet(folder / "texts" / "a.parquet", texts, 20)
    return folder


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, inputs: Path) -> Reference:
    """Run a configuration once on one local worker."""
    made: dict[str, Path] = {}

    def of(case: str) -> Path:
        if case not in made:
            out = tmp_path_factory.mktemp("reference") / "out"
            report = run(inputs / case, out, split_bytes=SPLIT_BYTES, **CASES[case])
            assert report["plan"]["tasks"] >= 4
            assert report["rows_removed"] > 10 or CASES[case].get("annotate")
            made[case] = out
        return made[case]

    return of


@pytest.mark.parametrize(
    ("kind", "workers", "chaos", "case"),
    [pytest.param(*s, id="-".join(map(str, s)), marks=marks(s[0], s in SOAK)) for s in SETTINGS],
)
def test_the_engine_scores_to_the_bytes_of_one_local_worker(
    kind: str,
    workers: int,
    chaos: str,
    case: str,
    inputs: Path,
    reference: Reference,
    tmp_path: Path,
) -> None:
    engine = CHAOS[chaos](KINDS[kind](workers))
    report = run(
        inputs / case, tmp_path / "out", engine=engine, split_bytes=SPLIT_BYTES, **CASES[case]
    )
    assert tree(tmp_path / "out") == tree(reference(case))
    assert report["plan"]["engine"].partition(",")[0] == kind


@pytest.mark.parametrize(
    ("kind", "chaos"),
    [
        ("local", "twice"),
        ("ray", "flaky"),
        pytest.param("spark", "flaky", marks=marks("spark", True)),
    ],
)
def test_selecting_gives_the_same_bytes_on_every_engine(
    kind: str, chaos: str, reference: Reference, tmp_path: Path
) -> None:
    scored = reference("chats")
    again(scored, tmp_path / "one", rules=RULES)
    again(scored, tmp_path / "two", rules=RULES, engine=CHAOS[chaos](KINDS[kind](2)))
    assert tree(tmp_path / "two") == tree(tmp_path / "one")
