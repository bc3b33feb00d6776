"""What the engines are compared on: one mixed input, and configurations that use all of the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.jobs import runs
from thresher.testing.planted import Planted

SPLIT_BYTES = 36 << 10
CASES: dict[str, dict[str, Any]] = {
    "greedy": {},
    "ids": {"id_column": "id", "keep": "best:score"},
    "words": {"method": "exact", "exact_on": "words", "id_column": "id"},
    "bloom": {"method": "bloom", "filter_bytes": 4096},
    "transitive": {"clusters": "transitive", "keep": "longest"},
    "exact": {"method": "exact", "keep": "newest:seen"},
    "columns": {"columns": ("text", "source"), "threshold": 0.8, "ngram": 3},
    "newest": {"keep": "newest:seen", "source_priority": False, "null_text": "keep"},
    "bloom-words": {
        "method": "bloom",
        "exact_on": "words",
        "keep": "longest",
        "filter_bytes": 1 << 16,
    },
    "transitive-ids": {"clusters": "transitive", "id_column": "id", "ngram": 2, "audit_rows": 0},
}
ILL_FORMED = (
    b'{"id": "torn", "source": "wiki", "text": "caf\xe9", "score": 1, "seen": "2024-01-01"}'
)
CUT = b'{"id": "cut", "source": "wiki", "text": "it ends in the mid'


def write_inputs(folder: Path, garden: Planted) -> list[Path]:
    """Write two sources in three formats; some rows are null, empty, NUL, ill-formed or cut."""
    rows = garden.table.to_pylist()
    for number, row in enumerate(rows):
        row["score"] = number * 7 % 31 / 4
        row["seen"] = f"2024-{1 + number % 12:02d}-{1 + number % 28:02d}"
    odd = [
        {**rows[0], "id": "null", "text": None},
        {**rows[0], "id": "empty", "text": ""},
        {**rows[0], "id": "nul", "text": "a\0b \0"},
    ]
    first, second = folder / "first", folder / "second"
    runs.parquet(first / "a.parquet", pa.Table.from_pylist(rows[:150] + odd), rows_a_group=30)
    runs.jsonl(first / "b.jsonl", [*rows[150:250], ILL_FORMED, CUT, *odd_again(odd)])
    runs.jsonl(second / "c.jsonl.gz", rows[250:300])
    runs.parquet(second / "d.parquet", pa.Table.from_pylist(rows[300:]), rows_a_group=25)
    return [first, second]


def odd_again(odd: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the odd rows under other ids."""
    return [{**row, "id": f"{row['id']} again"} for row in odd]
