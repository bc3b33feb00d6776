"""Run datatrove's four MinHash stages on a folder of Parquet files, in its own environment.

Called by `jobs.py` with the interpreter of an environment made from `datatrove.txt`; it imports
nothing of Thresher. The settings are datatrove's own defaults (14 buckets of 8 hashes, spaCy words,
5-grams). Its unit of parallel work is a file, so the folder should hold at least as many files as
there are workers.

Standard output ends with one JSON line: `tool, version, settings, rows_in, rows_kept, work_s,
stages_s`. `work_s` starts after the imports. `kept_ids.json` in the output folder lists the `id` of
every kept row.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

NUM_BUCKETS = 14


def main() -> None:
    """Run the four stages one after the other and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--column", default="text")
    args = parser.parse_args()

    import pyarrow.parquet as pq

    files = sorted(args.input.glob("*.parquet"))
    stages_s = {}
    for name, pipeline, tasks in _stages(args.input, args.out, args.column, len(files)):
        begin = time.perf_counter()
        with contextlib.redirect_stdout(sys.stderr):
            _execute(name, pipeline, tasks, min(args.workers, tasks), args.out / "logs" / name)
        stages_s[name] = time.perf_counter() - begin

    kept = [
        pq.ParquetFile(path).read(columns=["id"])["id"]
        for path in sorted((args.out / "kept").iterdir())
    ]
    ids = [row_id for column in kept for row_id in column.to_pylist()]
    (args.out / "kept_ids.json").write_text(json.dumps(ids))
    facts = {
        "tool": "datatrove",
        "version": version("datatrove"),
        "settings": "14 buckets of 8 hashes, spaCy word 5-grams, unverified",
        "rows_in": sum(pq.read_metadata(path).num_rows for path in files),
        "rows_kept": len(ids),
        "work_s": sum(stages_s.values()),
        "stages_s": stages_s,
    }
    print(json.dumps(facts))


def _stages(
    source: Path, out: Path, column: str, num_files: int
) -> list[tuple[str, list[Any], int]]:
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
    )
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter

    signatures, buckets, remove, kept = (
        str(out / part) for part in ("sigs", "buckets", "remove", "kept")
    )
    read = ParquetReader(str(source), text_key=column, id_key="id", glob_pattern="*.parquet")
    return [
        ("signatures", [read, MinhashDedupSignature(output_folder=signatures)], num_files),
        (
            "buckets",
            [MinhashDedupBuckets(input_folder=signatures, output_folder=buckets)],
            NUM_BUCKETS,
        ),
        ("cluster", [MinhashDedupCluster(input_folder=buckets, output_folder=remove)], 1),
        ("filter", [read, MinhashDedupFilter(input_folder=remove), ParquetWriter(kept)], num_files),
    ]


def _execute(name: str, pipeline: list[Any], tasks: int, workers: int, logs: Path) -> None:
    from datatrove.executor import LocalPipelineExecutor

    LocalPipelineExecutor(
        pipeline=pipeline, tasks=tasks, workers=workers, logging_dir=str(logs)
    ).run()


if __name__ == "__main__":
    main()
