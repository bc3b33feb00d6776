"""Running `mix` in tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.jobs.runs import Row, jsonl, parquet, rows_of
from thresher.engines.local import LocalEngine
from thresher.engines.options import EngineOptions
from thresher.run import Run
from thresher.stage import Engine
from thresher.store import Store
from thresher_jobs.mix import mix
from thresher_jobs.mix_params import MixParams


def run(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    engine: Engine | None = None,
    **params: Any,
) -> dict[str, Any]:
    """Mix sources and return the report."""
    addresses = [inputs] if isinstance(inputs, str | Path) else inputs
    return mix(
        [str(a) for a in addresses],
        str(out),
        MixParams(**params),
        EngineOptions(),
        run=Run(Store(str(Path(out).absolute())), engine or LocalEngine(1)),
    )


def written(out: str | Path, column: str = "text") -> Counter[Any]:
    """Return how often each value of a column is in the data."""
    return Counter(row[column] for row in rows_of(out, "data"))


def leaves(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what each source or category was asked for and gave, by name."""
    return {
        "/".join(n for n in (leaf["source"], leaf["category"]) if n is not None): leaf
        for leaf in report["plan"]["mixture"]["leaves"]
    }


def numbered(prefix: str, count: int, **more: Any) -> list[Row]:
    """Return rows of unlike texts of unlike length."""
    return [{"text": f"{prefix} {n}" + " grain" * (n * 7 % 13), **more} for n in range(count)]


def write_two(folder: Path) -> list[Path]:
    """Write two sources: 300 rows in two files, and 60."""
    rows = numbered("large", 300)
    parquet(folder / "large" / "a.parquet", rows[:200], 40)
    jsonl(folder / "large" / "b.jsonl", rows[200:])
    jsonl(folder / "small.jsonl", numbered("small", 60))
    return [folder / "large", folder / "small.jsonl"]


def shares(out: Path) -> dict[str, int]:
    """Rows of the data by the first word of their text."""
    found: dict[str, int] = {}
    for text, count in written(out).items():
        word = text.split()[0]
        found[word] = found.get(word, 0) + count
    return found
