"""Running `split` in tests, reading what it wrote, and the plain answer beside it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.jobs.runs import Row, parquet, rows_of
from tests.jobs.scores import prepared
from thresher.engines.options import EngineOptions
from thresher.stage import Engine
from thresher_jobs.split import split
from thresher_jobs.split_params import SplitParams

SPLITS = ("train", "validation", "test")


def run(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    engine: Engine | None = None,
    options: EngineOptions | None = None,
    **params: Any,
) -> dict[str, Any]:
    """Split rows and return the report."""
    addresses = [inputs] if isinstance(inputs, str | Path) else inputs
    return split(
        [str(a) for a in addresses],
        str(out),
        SplitParams(**params),
        options or EngineOptions(),
        run=prepared(out, engine),
    )


def by_split(out: str | Path) -> dict[str, list[Row]]:
    """Return the rows of each split that was written."""
    return {
        name: rows_of(out, f"data/{name}") for name in SPLITS if Path(out, "data", name).is_dir()
    }


def split_of(out: str | Path, column: str) -> dict[Any, str]:
    """Return, by the value of a column, the split its row lies in; values are unique."""
    found: dict[Any, str] = {}
    for name, rows in by_split(out).items():
        for row in rows:
            assert row[column] not in found
            found[row[column]] = name
    return found


def torn(out: str | Path, column: str) -> set[Any]:
    """Return the values of a column that rows of several splits have; nulls count as none."""
    seen: dict[Any, set[str]] = defaultdict(set)
    for name, rows in by_split(out).items():
        for row in rows:
            seen[row[column]].add(name)
    return {value for value, splits in seen.items() if len(splits) > 1 and value is not None}


def sizes(report: dict[str, Any]) -> dict[str, int]:
    """Return the rows of each split."""
    return {s["name"]: s["rows"] for s in report["plan"]["split"]["splits"]}


WORDS = [f"word{n}" for n in range(400)]


def prose(seed: int, length: int = 60) -> str:
    """Return words that share nothing with those of other seeds."""
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def versions(count: int, each: int) -> list[Row]:
    """Pages with some versions that differ in a word here and there: chains of near copies."""
    rows = []
    for page in range(count):
        words = prose(page).split()
        for version in range(each):
            words[(version * 9) % len(words)] = f"change{version}"
            rows.append(
                {
                    "id": f"{page}-{version}",
                    "page": page,
                    "version": version,
                    "year": 2010 + version,
                    "kind": "abc"[page % 3],
                    "text": " ".join(words),
                }
            )
    return rows


def write_pages(folder: Path) -> Path:
    """Write twenty pages in four versions and two hundred pages in one."""
    alone: list[Row] = [
        {
            "id": f"x{n}",
            "page": 1000 + n,
            "version": 0,
            "year": 2010 + n % 8,
            "kind": "abc"[n % 3],
            "text": prose(5000 + n),
        }
        for n in range(200)
    ]
    parquet(folder / "a.parquet", [*versions(20, 4), *alone], 40)
    return folder
