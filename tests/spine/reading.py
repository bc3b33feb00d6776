"""Read whole files in tests: write bytes, get rows, numbers and bad rows back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from thresher.inputs import list_inputs
from thresher.readers import BadRow, read_split
from thresher.schema import conform, merge_blocks
from thresher.splits import SPLIT_BYTES, cut


class Rows(NamedTuple):
    """All rows of a file, numbered over all splits; values under one schema."""

    values: list[dict[str, Any]]
    numbers: list[int]
    bad: list[BadRow]
    schema: pa.Schema


def read_file(path: Path, *, split_bytes: int = SPLIT_BYTES, **options: Any) -> Rows:
    """Read every split of a file and number its rows from the start of the file."""
    inputs = list_inputs([str(path)])
    batches, numbers, bad, base = [], [], [], 0
    for split in cut(inputs, split_bytes=split_bytes).splits:
        count = 0
        for block in read_split(inputs.files[0], split, **options):
            assert block.batch.num_rows == len(block.rows)
            batches.append(block.batch)
            numbers += [base + int(row) for row in block.rows]
            bad += [row._replace(row=row.row + base) for row in block.bad]
            count += len(block.rows) + len(block.bad)
        base += count
    schema = merge_blocks([batch.schema for batch in batches], path.name)
    values = [row for batch in batches for row in conform(batch, schema).to_pylist()]
    assert sorted(numbers + [row.row for row in bad]) == list(range(base))
    return Rows(values, numbers, bad, schema)
