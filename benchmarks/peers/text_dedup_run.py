"""Run text-dedup's MinHash on a folder of Parquet files, in its own environment.

Called by `jobs.py` with the interpreter of an environment made from `text_dedup.txt`; it imports
nothing of Thresher. The settings are text-dedup's own defaults (250 permutations, word 5-grams,
threshold 0.7). Version 0.4.1 needs Python 3.12 and took twice as long on the same 4,000 documents
(12.9 s against 5.8 s), so 0.4.0 stands for the tool.

Standard output ends with one JSON line: `tool, version, settings, rows_in, rows_kept, work_s`.
`work_s` starts after the imports. `kept_ids.json` in the output folder lists the `id` of every kept
row.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path


def main() -> None:
    """Run the tool's own command on the folder and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--column", default="text")
    args = parser.parse_args()

    import datasets
    from text_dedup import minhash

    rows_in = sum(_num_rows(path) for path in sorted(args.input.glob("*.parquet")))
    kept = args.out / "kept"
    options = {
        "path": "parquet",
        "data_dir": str(args.input),
        "split": "train",
        "cache_dir": str(args.out / "cache"),
        "output": str(kept),
        "column": args.column,
        "num_proc": str(args.workers),
    }
    command = [part for name, value in options.items() for part in (f"--{name}", value)]
    begin = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        minhash.main(command, standalone_mode=False)
    work_s = time.perf_counter() - begin

    ids = datasets.load_from_disk(str(kept))["id"]
    (args.out / "kept_ids.json").write_text(json.dumps(list(ids)))
    facts = {
        "tool": "text-dedup",
        "version": version("text-dedup"),
        "settings": "250 permutations, word 5-grams, threshold 0.7, unverified",
        "rows_in": rows_in,
        "rows_kept": len(ids),
        "work_s": work_s,
    }
    print(json.dumps(facts))


def _num_rows(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


if __name__ == "__main__":
    main()
