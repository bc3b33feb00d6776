"""Peek: what format a file has, found from its first rows.

For jobs that read conversations but write rows as they came. A row that is of another format than
the first rows is still read if any format that was seen can; else it is quarantined.
"""

from __future__ import annotations

from typing import Any

from thresher.formats.detection import Evidence, gather
from thresher.stage import Receipt, Task
from thresher.steps.reading import ReadTask, read_task
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
    for file, split in zip(read.files, read.splits, strict=True):
        if split.start != 0:
            continue
        evidence = Evidence()
        first = ReadTask(read.source, (file,), (split,))
        for block in read_task(first, None, None, max_doc_bytes):
            evidence.add(gather(block.batch.slice(0, PEEKED_ROWS - evidence.rows), formats))
            if block.bad and error is None:
                error = [file.path, block.bad[0].error]
            if evidence.rows >= PEEKED_ROWS:
                break
        found[str(split.file)] = evidence.to_json()
    rows = sum(evidence["rows"] for evidence in found.values())
    return Receipt(
        task=task.index, rows_in=rows, rows_out=rows, facts={"evidence": found, "error": error}
    )
