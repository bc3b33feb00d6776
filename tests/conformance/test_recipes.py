"""Every engine runs a recipe to the bytes that one local worker gives, manifest included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.engines import CHAOS, KINDS, marks
from tests.jobs.recipes import run, write
from tests.jobs.runs import Row, jsonl, parquet, tree
from tests.jobs.scores import chat
from thresher.engines.options import EngineOptions

pytestmark = pytest.mark.slow

SETTINGS = [
    ("local", 4, "shuffled", 1 << 30),
    ("local", 2, "flaky", 60),
    ("local", 2, "twice", 60),
    ("ray", 2, "flaky", 1 << 30),
    ("spark", 2, "twice", 60),
]
SOAK = {("local", 2, "twice", 60), ("ray", 2, "flaky", 1 << 30)}
STEPS: list[dict[str, Any]] = [
    {"dedup": {"on": "conversation", "threshold": 0.95, "ngram": 2}},
    {"score": {"profile": "sft", "groups": ["prompts"], "per_prompt": 2, "prefer": "longest"}},
    {"dedup": {"method": "bloom", "on": "response", "exact_on": "words", "filter_bytes": 4096}},
    {"decontaminate": {"preset": "audit"}},
    {
        "mix": {
            "by": "tokens",
            "weights": {"chats": 2, "asked": 1, "more": 0},
            "max_repeats": 3,
            "seed": 5,
        }
    },
    {"split": {"test": 0.1, "validation": 7, "threshold": 0.95, "stratify": "source"}},
    {"convert": {"to": "messages"}},
]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chats of two formats with copies, near copies, missing answers and a broken row."""
    folder = tmp_path_factory.mktemp("inputs")
    answer = "The mill grinds what the field gave. "
    rows: list[Row | bytes] = [
        chat(f"Question {i % 60}?", answer * (i % 9) + str(i % 40) if i % 11 else None)
        for i in range(220)
    ]
    rows[33] = b'{"messages": [{"role": "us'
    jsonl(folder / "chats.jsonl", rows)
    asked = [{"instruction": f"Question {i % 70}?", "output": answer * (i % 5)} for i in range(90)]
    parquet(folder / "asked.parquet", asked, 15)
    riddle = "Which of the four millers of the valley lent the widow a sieve before the rye"
    jsonl(folder / "bench.jsonl", [{"question": f"{riddle} was ripe?", "answer": "The third."}])
    jsonl(folder / "more.jsonl", [chat(f"Tell me. {riddle} was ripe?", "It was the third one.")])
    steps = [
        {kind: {**said, "against": [f"bench={folder / 'bench.jsonl'}"]}}
        if kind == "decontaminate"
        else {kind: said}
        for step in STEPS
        for kind, said in step.items()
    ]
    sources = [
        {"path": str(folder / "chats.jsonl"), "name": "chats"},
        {"path": str(folder / "asked.parquet"), "name": "asked"},
        {"path": str(folder / "more.jsonl"), "name": "more"},
    ]
    return write(folder / "r.yaml", sources, steps, split_bytes=12288, category="instruction")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, recipe: Path) -> dict[str, str]:
    """Return the tree that one local worker gives."""
    out = tmp_path_factory.mktemp("reference") / "out"
    report = run(recipe, out)
    gone = {s["name"]: s["left_out"] for s in report["plan"]["flow"]["sources"]}
    steps = ("read", "dedup", "score", "dedup-2", "decontaminate", "mix")
    assert report["rows_added"]
    assert all(split["rows"] for split in report["plan"]["split"]["splits"])
    assert len(report["plan"]["composition"]["categories"]) > 50
    assert all(sum(source[step] for source in gone.values()) for step in steps)
    return tree(out)


@pytest.mark.parametrize(
    ("kind", "workers", "chaos", "driver_rows"),
    [pytest.param(*s, id="-".join(map(str, s)), marks=marks(s[0], s in SOAK)) for s in SETTINGS],
)
def test_a_recipe_gives_the_same_bytes_everywhere(
    tmp_path: Path,
    recipe: Path,
    reference: dict[str, str],
    kind: str,
    workers: int,
    chaos: str,
    driver_rows: int,
) -> None:
    engine = CHAOS[chaos](KINDS[kind](workers))
    run(recipe, tmp_path / "out", engine=engine, options=EngineOptions(driver_rows=driver_rows))
    assert tree(tmp_path / "out") == reference
