"""How rows lie in files does not decide which texts stay.

Files are renamed and written in other formats, rows are shuffled among them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.engines import Setting
from tests.jobs import runs
from thresher.testing.planted import Planted

pytestmark = pytest.mark.slow

HOW: dict[str, dict[str, Any]] = {
    "greedy": {},
    "transitive": {"clusters": "transitive"},
    "longest": {"keep": "longest"},
    "words": {"method": "exact", "exact_on": "words"},
    "bloom": {"method": "bloom", "filter_bytes": 4096},
}


ENGINES = [
    Setting("local", 4, "shuffled", "driver", "greedy"),
    Setting("ray", 2, "shuffled", "stages", "greedy"),
    Setting("spark", 2, "twice", "driver", "greedy"),
]


def _write(folder: Path, rows: list[runs.Row], order: random.Random) -> Path:
    """Write the rows in a random order to files of random sizes and formats."""
    rows = order.sample(rows, len(rows))
    cuts = sorted(order.sample(range(1, len(rows)), 4))
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(rows)], strict=True)):
        name = f"{order.choice('abcdefg')}{number}"
        if order.random() < 0.5:
            runs.jsonl(folder / f"{name}.jsonl", rows[start:stop])
        else:
            runs.parquet(folder / f"{name}.parquet", rows[start:stop], order.randint(5, 50))
    return folder


@pytest.fixture(scope="module")
def kept(garden: Planted, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """Return the texts that stay when all rows are in one file."""
    file = runs.parquet(tmp_path_factory.mktemp("whole") / "all.parquet", garden.table)
    made: dict[str, list[str]] = {}

    def of(how: str) -> list[str]:
        if how not in made:
            out = tmp_path_factory.mktemp("kept") / "out"
            runs.run(file, out, **HOW[how])
            made[how] = sorted(runs.kept_texts(out))
        return made[how]

    return of


@pytest.mark.parametrize(
    "how",
    ["greedy", *(pytest.param(how, marks=pytest.mark.slow) for how in HOW if how != "greedy")],
)
def test_the_same_texts_stay_when_rows_are_shuffled_among_files(
    how: str, garden: Planted, kept: Callable[[str], list[str]], tmp_path: Path
) -> None:
    folder = _write(tmp_path / "in", garden.table.to_pylist(), random.Random(how))
    runs.run(folder, tmp_path / "out", split_bytes=32 << 10, **HOW[how])
    assert sorted(runs.kept_texts(tmp_path / "out")) == kept(how)


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("setting", ENGINES, ids=str)
def test_the_same_texts_stay_under_every_engine_when_rows_are_shuffled(
    setting: Setting,
    seed: int,
    garden: Planted,
    kept: Callable[[str], list[str]],
    tmp_path: Path,
) -> None:
    folder = _write(tmp_path / "in", garden.table.to_pylist(), random.Random(seed))
    how: dict[str, Any] = {"engine": setting.make(), "options": setting.options}
    runs.run(folder, tmp_path / "out", split_bytes=16 << 10, **how)
    assert sorted(runs.kept_texts(tmp_path / "out")) == kept("greedy")
