"""`thresher demo`: a made-up corpus with planted copies, cleaned; what was found beside what was
planted."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, InternalError
from thresher.parquet import write_part
from thresher.result import open_result
from thresher.testing.planted import Pair, Planted, Truth, planted
from thresher_jobs.dedup import dedup
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.progress import Show
from thresher_jobs.summary import print_summary


def run_demo(out: str, rows: int, seed: int) -> None:
    """Write the corpus to OUT/input, the result to OUT/result, and print the comparison.

    Raises:
        ConfigError: OUT holds something else.
        InternalError: A row that had to stay was removed.
    """
    corpus = planted(rows, seed)
    _write_corpus(Path(out), corpus)
    print(f"made         {rows:,} rows in {out}/input/corpus.parquet, seed {seed}\n")
    params = DedupParams(id_column="id")
    with Show() as show:
        report = dedup([f"{out}/input"], f"{out}/result", params, EngineOptions(), show)
    print()
    print_summary(report, f"{out}/result")
    _compare(f"{out}/result", corpus.truth)
    _next_steps(out)


def _write_corpus(out: Path, corpus: Planted) -> None:
    known = {"input", "result"}
    if out.exists() and any(entry.name not in known for entry in out.iterdir()):
        raise ConfigError("not a folder of the demo", path=str(out), remedy="choose another --out")
    (out / "input").mkdir(parents=True, exist_ok=True)
    path = out / "input" / "corpus.parquet"
    temporary = out / "input" / "_corpus.tmp"
    write_part(str(temporary), corpus.table.schema, [corpus.table], ["text"])
    if path.exists() and path.read_bytes() == temporary.read_bytes():
        temporary.unlink()  # the same corpus again: the pinned file stays, so the run resumes
    else:
        temporary.replace(path)


def _compare(result: str, truth: Truth) -> None:
    """Print planted beside found. Which of two copies goes is the order's choice, so pairs are
    counted."""
    opened = open_result(result)
    parts = [opened.read("removed", part) for part in range(opened.num_parts)]
    removed = set(pa.concat_tables(parts).column("_row_id").to_pylist())

    def found(pairs: tuple[Pair, ...]) -> int:
        return sum(p.id in removed or p.original in removed for p in pairs)

    print("\nplanted                           pairs    found")
    for name, pairs in (
        ("exact copies", truth.exact_copies),
        ("same words, other case or spacing", truth.variants),
        ("near copies, similarity >= 0.7", truth.near_copies),
    ):
        print(f"{name:<34}{len(pairs):>5}{found(pairs):>9}")
    families = [row for family in truth.templates for row in family]
    misses = [row for p in truth.near_misses for row in (p.id, p.original)]
    odd = [row for row, _ in truth.odd]
    leaks = [row for row, _ in truth.leaks]
    print("\nmust stay                          rows     kept")
    lost = 0
    for name, rows in (
        ("near misses, similarity < 0.7", misses),
        ("templates with other payloads", families),
        ("short, empty, numeric, unspaced", odd),
        ("leaked test questions", leaks),
    ):
        kept = sum(row not in removed for row in rows)
        lost += len(rows) - kept
        print(f"{name:<34}{len(rows):>5}{kept:>9}")
    print("(leaks are no copies of each other: removing them needs the test set beside the data)")
    if lost:
        raise InternalError(f"{lost} rows that had to stay were removed")


def _next_steps(out: str) -> None:
    print("\nwhere to look next")
    print(f"  {out}/result/report.html                       the report, in a browser")
    print(f"  {out}/result/removed/                          every removed row, with its reason")
    print(f"  thresher explain {out}/result ROW_ID           why a row was kept or removed")
    print(
        f"  thresher verify {out}/result                   check every hash and every removal again"
    )
    print("  thresher dedup YOUR_DATA --out CLEAN           your own data")
