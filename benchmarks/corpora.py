"""Parquet files of the seeded corpora, written by a process of its own.

A caller stays small this way, and the memory of what it starts next is measured truly.

    python benchmarks/corpora.py DIR [--kind prose|templates] [--rows N] [--file-rows N] [--words N]

Rows are `id` ("doc-0" and so on) and `text`; files are `part-NNNNN.parquet`, zstd level 3.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

KINDS = ("prose", "templates")
FILE_ROWS = 131_072


class Corpus(NamedTuple):
    """Generated files: rows, bytes of text as UTF-8, bytes of Parquet."""

    folder: Path
    rows: int
    text_bytes: int
    file_bytes: int


def generate(folder: Path, kind: str, rows: int, words: int, file_rows: int = FILE_ROWS) -> Corpus:
    """Write a corpus into a new folder."""
    command = [
        sys.executable,
        str(Path(__file__)),
        str(folder),
        "--kind",
        kind,
        "--rows",
        str(rows),
    ]
    command += ["--words", str(words), "--file-rows", str(file_rows)]
    facts = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return Corpus(folder, facts["rows"], facts["text_bytes"], facts["file_bytes"])


def _tables(kind: str, rows: int, words: int, file_rows: int) -> Iterator[Any]:
    """Yield a table a file."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from thresher.testing import corpus

    stream = corpus.prose(rows, mean_words=words) if kind == "prose" else corpus.templates(rows)
    held: list[Any] = []
    num_held = 0
    for batch in stream:
        ids = pc.binary_join_element_wise("doc", batch["id"].cast(pa.string()), "-")
        held.append(pa.record_batch([ids, batch["text"]], names=["id", "text"]))
        num_held += len(batch)
        while num_held >= file_rows:
            table = pa.Table.from_batches(held)
            yield table.slice(0, file_rows)
            held, num_held = table.slice(file_rows).to_batches(), num_held - file_rows
    if num_held:
        yield pa.Table.from_batches(held)


def main() -> None:
    """Write the files and say on standard output how much it is."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=KINDS, default="prose")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--file-rows", type=int, default=FILE_ROWS)
    parser.add_argument("--words", type=int, default=120, help="mean words of a prose document")
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    text_bytes = file_bytes = 0
    tables = _tables(options.kind, options.rows, options.words, options.file_rows)
    for number, table in zip(count(), tables, strict=False):
        path = options.folder / f"part-{number:05d}.parquet"
        pq.write_table(table, path, compression="zstd", compression_level=3, use_dictionary=False)
        text_bytes += pc.sum(pc.binary_length(table["text"])).as_py()
        file_bytes += path.stat().st_size
    print(json.dumps({"rows": options.rows, "text_bytes": text_bytes, "file_bytes": file_bytes}))


if __name__ == "__main__":
    main()
