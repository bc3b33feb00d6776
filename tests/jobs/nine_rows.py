"""Nine rows that the tests of commands clean."""

from __future__ import annotations

from pathlib import Path

from tests.jobs import runs
from tests.jobs.sentences import BASE, CLOSE, sentence

COPIED, SHOUTED = sentence(5), sentence(6)


ROWS = [BASE, sentence(2), CLOSE, COPIED, COPIED, SHOUTED, SHOUTED.upper(), "short", sentence(3)]


def write_rows(path: Path) -> Path:
    """Write nine rows: a near copy, an exact one, one in capitals, a short one."""
    rows = [{"id": f"r{n}", "text": text} for n, text in enumerate(ROWS)]
    return runs.parquet(path, rows)
