"""Peek: what format a file has, found from its first rows.

For jobs that read conversations but write rows as they came. A row that is of another format than
the first rows is still read if any format that was seen can; else it is quarantined. Where a column
of JSON holds values of several types, the rows are looked at one by one: what most of them hold
tells the format, by which the others are then judged.
"""

from __future__ import annotations

from typing import Any

from thresher.errors import InputError
from thresher.formats.detection import Evidence, gather
from thresher.stage import Receipt, Task
from thresher.steps.loose_reading import may_loosen, read_loose, read_typed
from thresher.steps.reading import ReadTask
from thresher.store import Store

PEEKED_ROWS = 4096


def peek(
    formats: tuple[str, ...] | None, max_doc_bytes: int, store: Store, folder: str, task: Task
) -> Receipt:
    """Try the first rows of each file that begins in this task.

    The receipt's fact `evidence` holds, by file number, the evidence, and `error` why the first of
    the rows that cannot be read cannot be.

    Args:
        formats: Formats to try; all if None.
        max_doc_bytes: Rows with a larger value are bad.
    """
    read: ReadTask = task.payload
    found: dict[str, Any] = {}
    error: list[str] | None = None
    for position, (file, split) in enumerate(zip(read.files, read.splits, strict=True)):
        if split.start != 0:
            continue
        try:
            evidence, wrong = _first_rows(read, position, formats, max_doc_bytes, loose=False)
        except InputError as told:
            if not may_loosen(file, told):
                raise
            evidence, wrong = _first_rows(read, position, formats, max_doc_bytes, loose=True)
        if wrong is not None and error is None:
            error = [file.path, wrong]
        found[str(split.file)] = evidence.to_json()
    rows = sum(evidence["rows"] for evidence in found.values())
    return Receipt(
        task=task.index, rows_in=rows, rows_out=rows, facts={"evidence": found, "error": error}
    )


def _first_rows(
    read: ReadTask,
    position: int,
    formats: tuple[str, ...] | None,
    max_doc_bytes: int,
    *,
    loose: bool,
) -> tuple[Evidence, str | None]:
    """Return what the first rows of a split say, and why the first unreadable one cannot be read.

    Raises:
        InputError: The split is unreadable, or a column has several types and `loose` is off.
    """
    evidence = Evidence()
    error: str | None = None
    reader = read_loose if loose else read_typed
    for block in reader(read, position, 0, max_doc_bytes):
        for piece in block.pieces:
            evidence.add(gather(piece.batch.slice(0, PEEKED_ROWS - evidence.rows), formats))
        if block.bad and error is None:
            error = block.bad[0].error
        if evidence.rows >= PEEKED_ROWS:
            break
    return evidence, error
