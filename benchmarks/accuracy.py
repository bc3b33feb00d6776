"""What `thresher dedup` removes from real data, against an exact join in plain Python.

Each set is cleaned by the installed command in a process of its own; then `tests/oracle` judges the
answer without the library's kernels: words from the plain reference, shingles as tuples of words,
similarities as fractions, and the exact greedy walk in the job's order.

* Sound: every removed row names a kept row; the similarity of the two, counted on the sets, is the
  stated score and reaches the threshold; equal word sequences have collapsed; `data/` holds the
  other rows.
* Complete: of the rows that the exact walk removes after exact collapse, the share that the job
  kept (`missed`), with a 95 % Clopper-Pearson interval; also among those whose best earlier kept
  row lies within 0.05 above the threshold (`near`); and the kept rows that have an earlier kept row
  at or above the threshold (`left`).
* Partner: how often the named row is the earliest similar one that was kept.
* Templates: the largest cluster, beside the largest connected component, which other tools reduce
  to one row.

    python benchmarks/accuracy.py --data DIR [--sets NAME...] [--ngram 5 3] [--threshold 0.7]

writes results/accuracy.json and ends with 1 if any removal is unsound. DIR holds the sets named in
SETS, a folder each.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import machine
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.oracle.judge import Removed, Words, exact_answer, judge

ALPACA = ("instruction", "input", "output")
LEVELS = ("dedupe-only", "similarity-0.9", "similarity-0.8", "similarity-0.7", "similarity-0.6")


class DataSet(NamedTuple):
    """A public set: its files, the columns that are compared, its id column if it has one."""

    name: str
    files: str
    columns: tuple[str, ...]
    id_column: str | None = None


SETS = (
    DataSet("rn_versioned_docs", "rn_versioned_docs/*.parquet", ("text",), "id"),
    DataSet("alpaca_eval", "alpaca_eval/*.parquet", ("instruction", "output"), "id"),
    DataSet("alpaca52k", "alpaca52k/*.jsonl.gz", ALPACA, "id"),
    *(
        DataSet(f"toolformer {level}", f"gpteacher_toolformer/{level}.jsonl.gz", ALPACA)
        for level in LEVELS
    ),
    DataSet("codealpaca 2k", "codealpaca/code_alpaca_2k.jsonl", ALPACA),
    DataSet("codealpaca new", "codealpaca/new_codealpaca.jsonl", ALPACA),
)


class Rows(NamedTuple):
    """All rows of a set in input order: their ids as the job names them, and the compared texts."""

    ids: list[str]
    texts: list[str]


class Output(NamedTuple):
    """What a run left: (matched id, score) by removed id, and the texts in `data/`, counted."""

    removed: dict[str, tuple[str, float | None]]
    kept_texts: Counter[str]


def read_rows(files: list[Path], columns: tuple[str, ...], id_column: str | None) -> Rows:
    """Read a set without the library: ids, and the compared columns joined by newlines."""
    ids, texts = [], []
    for path in files:
        for number, row in enumerate(_records(path)):
            ids.append(str(row[id_column]) if id_column else f"{path.name}:{number}")
            texts.append(_compared(row, columns))
    return Rows(ids, texts)


def _records(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".parquet":
        yield from pq.read_table(path).to_pylist()
        return
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    yield from map(json.loads, lines)


def _compared(row: dict[str, Any], columns: tuple[str, ...]) -> str:
    return "\n".join(row.get(column) or "" for column in columns)


def run_job(command: str, data: DataSet, source: str, ngram: int, threshold: float) -> Output:
    """Clean a set with the installed command in a folder that is removed afterwards."""
    single = len(data.columns) == 1
    what = ["--text-column", *data.columns] if single else ["--columns", ",".join(data.columns)]
    named = ["--id-column", data.id_column] if data.id_column else []
    with tempfile.TemporaryDirectory(prefix="thresher-accuracy-") as folder:
        out = Path(folder) / "out"
        settings = ["--threshold", str(threshold), "--set", f"ngram={ngram}", "--quiet"]
        job = [command, "dedup", source, "--out", str(out), *what, *named, *settings]
        done = subprocess.run(job, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{data.name}: exit {done.returncode}\n{done.stderr}")
        return _read_output(out, data.columns)


def _read_output(out: Path, columns: tuple[str, ...]) -> Output:
    removed = {
        row["_row_id"]: (row["_matched_id"], row["_score"])
        for row in _all_rows(out / "removed", ("_row_id", "_matched_id", "_score"))
    }
    return Output(
        removed, Counter(_compared(row, columns) for row in _all_rows(out / "data", columns))
    )


def _all_rows(folder: Path, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.parquet")):
        yield from pq.ParquetFile(path).read(columns=list(columns)).to_pylist()


def numbered(rows: Rows, out: Output) -> dict[int, Removed]:
    """Return the removed rows by position; `data/` must hold exactly the other rows.

    Raises:
        SystemExit: An id is unknown, or rows got lost or doubled.
    """
    number = {row_id: row for row, row_id in enumerate(rows.ids)}
    unknown = {i for row_id, (kept, _) in out.removed.items() for i in (row_id, kept)} - set(number)
    if unknown:
        raise SystemExit(f"removed/ names ids that are not in the input: {sorted(unknown)[:3]}")
    removed = {number[i]: Removed(number[kept], score) for i, (kept, score) in out.removed.items()}
    kept_texts = Counter(text for row, text in enumerate(rows.texts) if row not in removed)
    if kept_texts != out.kept_texts:
        raise SystemExit("data/ does not hold the rows that are not in removed/")
    return removed


def clopper_pearson(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share: the values under which the count is not too unlikely.

    Clopper and Pearson, Biometrika 26 (1934), by bisection of the binomial tail.
    """
    tail = (1 - confidence) / 2

    def at_most(k: int, p: float) -> float:
        logs = (
            math.lgamma(trials + 1) - math.lgamma(i + 1) - math.lgamma(trials - i + 1)
            + i * math.log(p) + (trials - i) * math.log1p(-p)
            for i in range(k + 1)
        )  # fmt: skip
        return math.fsum(map(math.exp, logs))

    def crossing(k: int, target: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(50):  # `at_most` falls as p grows
            middle = (low + high) / 2
            low, high = (middle, high) if at_most(k, middle) > target else (low, middle)
        return high

    return (
        crossing(hits - 1, 1 - tail) if hits else 0.0,
        crossing(hits, tail) if hits < trials else 1.0,
    )


def share(missed: int, of: int) -> dict[str, Any]:
    """Describe a share with its interval; nulls where there is nothing to count."""
    if not of:
        return {"missed": missed, "of": of, "share": None, "low": None, "high": None}
    low, high = clopper_pearson(missed, of)
    return {"missed": missed, "of": of, "share": missed / of, "low": low, "high": high}


def pooled(results: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Add the counts of several sets up, with intervals."""
    total: Counter[str] = Counter()
    for result in results:
        total.update({key: value for key, value in result.items() if isinstance(value, int)})
    near = total["missed_near_threshold"], total["exact_walk_removes_near_threshold"]
    return {
        "removed": total["removed"],
        "unsound": total["unsound"],
        "missed": share(total["missed"], total["exact_walk_removes"]),
        "missed_near_threshold": share(*near),
        "kept_with_earlier_kept_similar": share(
            total["kept_with_earlier_kept_similar"], total["kept"]
        ),
        "partner_is_earliest": total["partner_is_earliest"],
        "removed_near": total["removed_near"],
    }


COLUMNS = {
    "set": "set",
    "rows": "rows",
    "collapsed": "collapsed",
    "near": "removed_near",
    "unsound": "unsound",
    "exact walk": "exact_walk_removes",
    "missed": "missed",
    "near t": "exact_walk_removes_near_threshold",
    "missed ": "missed_near_threshold",
    "left": "kept_with_earlier_kept_similar",
    "earliest": "partner_is_earliest",
    "cluster": "largest_cluster",
    "component": "largest_component",
}


def table(judged: dict[str, dict[str, Any]]) -> str:
    """Lay out the results of all sets."""
    return machine.table(
        COLUMNS,
        [
            result
            | {
                "set": name,
                "collapsed": result["rows"] - result["after_collapse"],
                "largest_cluster": max(result["largest_clusters"], default=1),
                "largest_component": max(result["largest_components"], default=1),
            }
            for name, result in judged.items()
        ],
    )


def judge_set(
    options: argparse.Namespace, data: DataSet, words: Words, ngram: int
) -> dict[str, Any]:
    """Run the job on one set and judge it."""
    files = sorted(options.data.glob(data.files))
    if not files:
        raise SystemExit(f"{data.name}: no files {data.files} in --data")
    rows = read_rows(files, data.columns, data.id_column)
    source = str(options.data / data.files)  # one input, so that no file has priority
    begin = time.perf_counter()
    out = run_job(options.thresher, data, source, ngram, float(options.threshold))
    job_s = time.perf_counter() - begin
    begin = time.perf_counter()
    truth = exact_answer(rows.texts, words, ngram, options.threshold)
    result = judge(numbered(rows, out), truth, options.threshold)
    print(
        f"{data.name}: job {job_s:.1f} s, oracle {time.perf_counter() - begin:.1f} s",
        file=sys.stderr,
    )
    return result


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    beside = Path(sys.executable).with_name("thresher")
    parser.add_argument("--data", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--sets", nargs="*", help="names that begin so; all by default")
    parser.add_argument("--ngram", type=int, nargs="+", default=[5, 3])
    parser.add_argument("--threshold", type=Fraction, default=Fraction(7, 10))
    parser.add_argument("--thresher", default=str(beside), help="the installed command")
    return parser.parse_args()


def main() -> int:
    """Judge every chosen set, print a table, write the results."""
    options = arguments()
    chosen = [s for s in SETS if not options.sets or s.name.startswith(tuple(options.sets))]
    words = Words()
    definitions: dict[str, Any] = {}
    for ngram in options.ngram:
        judged = {data.name: judge_set(options, data, words, ngram) for data in chosen}
        together = pooled(judged.values())
        definitions[f"word {ngram}-grams"] = {"pooled": together, "sets": judged}
        print(f"\nword {ngram}-grams, threshold {float(options.threshold)}")
        print(table(judged))
        print(json.dumps(together, indent=1))
        found = {"threshold": float(options.threshold), "definitions": definitions}
        machine.save("accuracy", found)
    return 1 if any(d["pooled"]["unsound"] for d in definitions.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
