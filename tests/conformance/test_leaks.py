"""Every engine finds the leaks that one local worker finds, to the byte, manifest included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.engines import CHAOS, KINDS, marks
from tests.jobs import leak_cases as cases
from tests.jobs.leaks import run
from tests.jobs.runs import Row, jsonl, parquet, tree
from tests.jobs.scores import chat

SPLIT_BYTES = 4 << 10
LEAKED = (cases.QUESTION, cases.LARGE, cases.PENS, cases.FACTOR, cases.CODE, cases.CJK)
pytestmark = pytest.mark.slow

SETTINGS = [
    ("local", 4, "shuffled"),
    ("local", 2, "twice"),
    ("ray", 2, "flaky"),
    ("spark", 2, "twice"),
]
SOAK = {
    ("ray", 2, "flaky"),
}


@pytest.fixture(scope="module")
def against(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Benchmarks of every kind."""
    return cases.benchmarks(tmp_path_factory.mktemp("benchmarks"))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chats in two files; some leak, some hold a passage, one line is cut."""
    folder = tmp_path_factory.mktemp("inputs")
    rows: list[Row | bytes] = [
        chat(LEAKED[n % 6] if n % 5 == 0 else f"{n}. {cases.CLEAN}", cases.CLEAN * (n % 4))
        for n in range(120)
    ]
    rows[33] = b'{"messages": [{"role": "us'
    jsonl(folder / "a.jsonl", rows)
    more = [
        chat(f"Read this, number {n}.", cases.PASSAGE if n % 3 == 0 else f"{n} {LEAKED[n % 6]}")
        for n in range(60)
    ]
    parquet(folder / "b.parquet", more, 10)
    return folder


@pytest.fixture(scope="module")
def reference(
    tmp_path_factory: pytest.TempPathFactory, inputs: Path, against: list[str]
) -> dict[str, str]:
    """What one local worker writes."""
    out = tmp_path_factory.mktemp("reference") / "out"
    report = run(inputs, out, *against, split_bytes=SPLIT_BYTES)
    assert report["plan"]["tasks"] >= 4
    assert report["rows_removed"] > 40 and report["rows_quarantined"] == 1
    return tree(out, "matches")


@pytest.mark.parametrize(
    ("kind", "workers", "chaos"),
    [pytest.param(*s, id="-".join(map(str, s)), marks=marks(s[0], s in SOAK)) for s in SETTINGS],
)
def test_the_engine_searches_to_the_bytes_of_one_local_worker(
    kind: str,
    workers: int,
    chaos: str,
    inputs: Path,
    against: list[str],
    reference: dict[str, str],
    tmp_path: Path,
) -> None:
    engine = CHAOS[chaos](KINDS[kind](workers))
    report = run(inputs, tmp_path / "out", *against, engine=engine, split_bytes=SPLIT_BYTES)
    assert tree(tmp_path / "out", "matches") == reference
    assert report["plan"]["engine"].partition(",")[0] == kind


CHANGING = [
    ("local", 4, "shuffled"),
    ("ray", 2, "calm"),
    ("spark", 2, "calm"),
]
TALK = ("Hello", "Good morning.", "What is rye?", cases.CLEAN)


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long pages to cut, and conversations to cut short; some leak, some twice."""
    folder = tmp_path_factory.mktemp("changing")
    page = cases.filler(120)
    pages = [
        f" {LEAKED[n % 6]} ".join([f"{n} {page}"] * (1 + n % 4)) if n % 3 else f"{n} {page}"
        for n in range(40)
    ]
    parquet(folder / "pages" / "a.parquet", [{"text": text, "n": len(text)} for text in pages], 7)
    jsonl(folder / "pages" / "b.jsonl", [{"text": text, "n": 1} for text in pages[::3]])
    turns = [(*TALK, LEAKED[n % 6], "So.") if n % 3 else (f"{n}", "One.", *TALK) for n in range(90)]
    talks: list[Row] = [
        {
            "messages": [
                {"role": ("user", "assistant")[k % 2], "content": t} for k, t in enumerate(c)
            ]
        }
        for c in turns
    ]
    jsonl(folder / "talks" / "a.jsonl", talks)
    parquet(folder / "talks" / "b.parquet", [*talks[:30], chat(LEAKED[0], "72")], 10)
    return folder


@pytest.fixture(scope="module")
def changed(
    tmp_path_factory: pytest.TempPathFactory, changing: Path, against: list[str]
) -> dict[str, dict[str, str]]:
    """What one local worker writes, by action."""
    out = tmp_path_factory.mktemp("changed")
    found = {}
    for action, folder in (("cut", "pages"), ("truncate", "talks")):
        report = run(
            changing / folder, out / action, *against, action=action, split_bytes=SPLIT_BYTES
        )
        assert report["plan"]["tasks"] >= 4 and report["plan"]["leaks"]["rows_changed"] > 15
        found[action] = tree(out / action, "matches", "changes")
    return found


@pytest.mark.parametrize(
    ("kind", "workers", "chaos"),
    [
        pytest.param(*s, id="-".join(map(str, s)), marks=marks(s[0], s[0] == "spark"))
        for s in CHANGING
    ],
)
def test_the_engine_changes_rows_to_the_bytes_of_one_local_worker(
    kind: str,
    workers: int,
    chaos: str,
    changing: Path,
    against: list[str],
    changed: dict[str, dict[str, str]],
    tmp_path: Path,
) -> None:
    for action, folder in (("cut", "pages"), ("truncate", "talks")):
        engine = CHAOS[chaos](KINDS[kind](workers))
        out = tmp_path / action
        run(changing / folder, out, *against, action=action, engine=engine, split_bytes=SPLIT_BYTES)
        assert tree(out, "matches", "changes") == changed[action]


EVERYTHING: dict[str, Any] = {"modes": {"minhash": {"of": "both"}}, "common_rows": 3}


@pytest.fixture(scope="module")
def phrased(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts that share the beginning of an item, others with its numbers changed, and copies."""
    folder = tmp_path_factory.mktemp("phrased")
    begin = " ".join(cases.QUOTING.split()[:40])
    rows = [{"text": f"{n}. {begin}. {cases.CLEAN}"} for n in range(40)]
    rows += [{"text": cases.PENS.replace("1", str(n % 10))} for n in range(30)]
    jsonl(folder / "a.jsonl", [*rows, *({"text": text} for text in LEAKED)])
    return folder


@pytest.fixture(scope="module")
def phrased_reference(
    tmp_path_factory: pytest.TempPathFactory, phrased: Path, against: list[str]
) -> dict[str, str]:
    """What one local worker writes."""
    out = tmp_path_factory.mktemp("phrased-out") / "out"
    report = run(phrased, out, *against, split_bytes=SPLIT_BYTES, **EVERYTHING)
    assert report["plan"]["tasks"] >= 3 and report["plan"]["leaks"]["num_common"] > 10
    assert report["plan"]["leaks"]["common"][0]["rows"] == 40
    return tree(out, "matches")


@pytest.mark.parametrize(
    ("kind", "workers", "chaos"),
    [
        pytest.param(*s, id="-".join(map(str, s)), marks=marks(s[0], s[0] == "spark"))
        for s in CHANGING
    ],
)
def test_the_engine_searches_in_all_ways_to_the_bytes_of_one_local_worker(
    kind: str,
    workers: int,
    chaos: str,
    phrased: Path,
    against: list[str],
    phrased_reference: dict[str, str],
    tmp_path: Path,
) -> None:
    engine = CHAOS[chaos](KINDS[kind](workers))
    out = tmp_path / "out"
    run(phrased, out, *against, engine=engine, split_bytes=SPLIT_BYTES, **EVERYTHING)
    assert tree(out, "matches") == phrased_reference
