"""Every engine mixes to the bytes that one local worker gives, manifest included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.engines import CHAOS, KINDS, marks
from tests.jobs.mixes import numbered, run
from tests.jobs.runs import Row, jsonl, parquet, tree
from thresher_jobs import mix_search

SPLIT_BYTES = 4 << 10
CASES: dict[str, dict[str, Any]] = {
    "repeats": {"weights": {"many": 1, "few": 2}, "max_repeats": 4, "total": 500},
    "tokens": {"by": "tokens", "weights": {"many": 2, "few": 1}, "total": 2000, "max_rows": 200},
    "categories": {"category_column": "kind", "categories": {"a": 2, "b": 1}, "seed": 5},
}
SETTINGS = [
    ("local", 4, "shuffled", "repeats"),
    ("local", 2, "flaky", "tokens"),
    ("local", 2, "twice", "categories"),
    ("ray", 2, "flaky", "repeats"),
    ("ray", 1, "shuffled", "categories"),
    ("spark", 2, "twice", "tokens"),
    ("spark", 2, "flaky", "repeats"),
]
SOAK = {("ray", 1, "shuffled", "categories"), ("spark", 2, "flaky", "repeats")}
Reference = Callable[[str], Path]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Many rows and few; some are there twice, one is cut, some have no category."""
    folder = tmp_path_factory.mktemp("inputs")
    kinds = ["a", "b", "b", None]
    many: list[Row | bytes] = [
        row | {"kind": kinds[n % 4]} for n, row in enumerate(numbered("many", 300))
    ]
    many[41] = b'{"text": "it ends in the mid'
    jsonl(folder / "many" / "a.jsonl", many)
    again = [row for row in many[200:260] if isinstance(row, dict)]
    parquet(folder / "many" / "b.parquet", again, 15)
    few = [row | {"kind": "b"} for row in numbered("few", 90)]
    parquet(folder / "few.parquet", few, 10)
    return [folder / "many", folder / "few.parquet"]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, inputs: list[Path]) -> Reference:
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
def test_the_engine_mixes_to_the_bytes_of_one_local_worker(
    kind: str,
    workers: int,
    chaos: str,
    case: str,
    inputs: list[Path],
    reference: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mix_search, "BORDER_ROWS", 4)  # so that draws are searched by digits too
    engine = CHAOS[chaos](KINDS[kind](workers))
    out = tmp_path / "out"
    report = run(inputs, out, engine=engine, split_bytes=SPLIT_BYTES, **CASES[case])
    assert tree(out, "draws") == tree(reference(case), "draws")
    assert report["plan"]["engine"].partition(",")[0] == kind
