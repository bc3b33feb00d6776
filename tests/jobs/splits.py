"""Running `split` in tests, reading what it wrote, and the plain answer beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.jobs.runs import Row, rows_of
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
