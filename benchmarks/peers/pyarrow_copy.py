"""Copy a folder of Parquet files with pyarrow: what any job must at least do.

Two writers: `ours` has the settings of Thresher's own (zstd level 3, page checksums, no
dictionaries or statistics for text); `pyarrow` has all of pyarrow's defaults but the codec. One
thread a worker, a file at a time, a row group at a time.

Standard output ends with one JSON line: `tool, version, settings, rows_in, rows_kept, work_s`.
`work_s` starts after the imports.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

WRITERS: dict[str, dict[str, Any]] = {
    "ours": {
        "compression": "zstd",
        "compression_level": 3,
        "write_page_checksum": True,
        "use_dictionary": False,
        "write_statistics": False,
        "store_schema": False,
    },
    "pyarrow": {"compression": "zstd"},
}


def copy(source: Path, out: Path, settings: dict[str, Any]) -> int:
    """Copy one file; return its rows."""
    rows = 0
    with (
        pq.ParquetFile(source) as file,
        pq.ParquetWriter(out, file.schema_arrow, **settings) as writer,
    ):
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, use_threads=False)
            writer.write_table(table)
            rows += table.num_rows
    return rows


def main() -> None:
    """Copy all files of a folder and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--writer", choices=sorted(WRITERS), default="ours")
    args = parser.parse_args()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    files = sorted(args.input.glob("*.parquet"))
    args.out.mkdir(parents=True)
    begin = time.perf_counter()
    with ThreadPoolExecutor(args.workers) as pool:
        one = partial(copy, settings=WRITERS[args.writer])
        rows = sum(pool.map(one, files, [args.out / file.name for file in files]))
    facts = {
        "tool": "pyarrow copy",
        "version": pa.__version__,
        "settings": args.writer,
        "rows_in": rows,
        "rows_kept": rows,
        "work_s": time.perf_counter() - begin,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
