"""Running `dedup` in tests, and reading what it wrote.

A result is compared as bytes: `tree` maps every published file to its sha256.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from thresher.engines.local import LocalEngine
from thresher.engines.options import EngineOptions
from thresher.errors import Stopped
from thresher.run import Event, Listener, Run
from thresher.stage import Engine
from thresher.store import Store
from thresher_jobs.dedup import dedup
from thresher_jobs.dedup_params import DedupParams

RESULT_FOLDERS = ("data", "removed", "quarantine", "ledger", "signatures", "signals")
Row = dict[str, Any]


class Outcome(NamedTuple):
    """What a command did: its exit code and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]
Addresses = str | Path | Sequence[str | Path]


class StopAfter:
    """Stops the run, as a signal would, when so many units of work have ended."""

    def __init__(self, units: int) -> None:
        self.left = units

    def __call__(self, event: Event) -> None:
        if event.kind == "progress":
            self.left -= 1
            if not self.left:
                raise Stopped(15)


def run(
    inputs: Addresses,
    out: str | Path,
    *,
    engine: Engine | None = None,
    listener: Listener | None = None,
    options: EngineOptions | None = None,
    **params: Any,
) -> dict[str, Any]:
    """Run the job and return its report."""
    addresses = [inputs] if isinstance(inputs, str | Path) else inputs
    prepared = Run(Store(str(Path(out).absolute())), engine or LocalEngine(1), listener)
    return dedup(
        [str(a) for a in addresses],
        str(out),
        DedupParams(**params),
        options or EngineOptions(),
        run=prepared,
    )


def parquet(path: Path, table: pa.Table | Iterable[Row], rows_a_group: int | None = None) -> Path:
    """Write a table, or rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = table if isinstance(table, pa.Table) else pa.Table.from_pylist(list(table))
    pq.write_table(made, path, row_group_size=rows_a_group)
    return path


def jsonl(path: Path, rows: Iterable[Row | bytes]) -> Path:
    """Write rows as JSON lines; bytes are written as they are. A name in .gz is compressed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        r if isinstance(r, bytes) else json.dumps(r, ensure_ascii=False).encode() for r in rows
    )
    data = b"".join(line + b"\n" for line in lines)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def texts(path: Path, values: Iterable[str | None]) -> Path:
    """Write a Parquet file with a `text` column alone."""
    return parquet(path, pa.table({"text": pa.array(list(values), pa.string())}))


def rows_of(out: str | Path, folder: str) -> list[Row]:
    """Return all rows of one output, in order of the parts."""
    parts = sorted(Path(out, folder).glob("part-*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def kept_texts(out: str | Path, column: str = "text") -> list[Any]:
    """Return the kept values of a column."""
    return [row[column] for row in rows_of(out, "data")]


def removed_ids(out: str | Path) -> set[str]:
    """Return the ids of all removed rows."""
    return {row["_row_id"] for row in rows_of(out, "removed")}


def partners(out: str | Path) -> dict[str, str]:
    """Return, by removed row, the row that was kept instead."""
    return {row["_row_id"]: row["_matched_id"] for row in rows_of(out, "removed")}


def tree(out: str | Path, *folders: str) -> dict[str, str]:
    """Return the sha256 of the manifest and of every file of the outputs, by name.

    Args:
        out: The result.
        folders: Folders that only this job writes.
    """
    root = Path(out)
    files = [root / "manifest.json"]
    for folder in (*RESULT_FOLDERS, *folders):
        files += sorted(path for path in (root / folder).glob("*") if path.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def status(out: str | Path) -> dict[str, Any]:
    """Return what status.json says."""
    value: dict[str, Any] = json.loads(Path(out, "status.json").read_bytes())
    return value


def resumed(report: dict[str, Any]) -> dict[str, int]:
    """Return, by stage, how many tasks had been done by an earlier attempt."""
    return {stage["name"]: stage["resumed"] for stage in report["stages"]}
