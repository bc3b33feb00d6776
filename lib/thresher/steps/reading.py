"""How a task reads its rows: the same rows with the same numbers in every pass.

A task reads a few splits of one source in order. Its rows are numbered from 0 through all of them,
unreadable rows included, so that an attribute file, a verdict and an output row can be matched by
number alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import InputError
from thresher.inputs import InputFile, check_unchanged
from thresher.readers import BadRow, read_split
from thresher.splits import Split


@dataclass(frozen=True)
class ReadTask:
    """What one task reads: splits of one source, in order.

    Args:
        source: The source's number, which is its priority.
        files: The file of each split.
        splits: Runs of row groups or byte ranges.
    """

    source: int
    files: tuple[InputFile, ...]
    splits: tuple[Split, ...]


@dataclass(frozen=True)
class TaskBlock:
    """Rows of a task as they are read.

    Args:
        batch: The rows that could be read.
        rows: (batch rows,) int64 numbers inside the task, ascending.
        bad: Rows that could not be read, with their numbers inside the task.
        split: Position of the split in the task.
        stop: First row number after the block.
    """

    batch: pa.RecordBatch
    rows: np.ndarray[Any, Any]
    bad: tuple[BadRow, ...]
    split: int
    stop: int


def read_task(
    task: ReadTask,
    columns: Sequence[str] | None,
    schema: pa.Schema | None,
    max_doc_bytes: int,
    checked: Sequence[str] | None = None,
) -> Iterator[TaskBlock]:
    """Yield a task's rows in order.

    Args:
        task: What to read.
        columns: Columns to return; all if None.
        schema: What batches are cast to.
        max_doc_bytes: Rows with a larger value are bad.
        checked: Columns whose values can make a row bad, for a second pass that reads more columns
            than the first judged by; all that are read if None.

    Raises:
        InputError: A file is unreadable or no longer what was planned.
    """
    base = 0
    for position, (file, split) in enumerate(zip(task.files, task.splits, strict=True)):
        check_unchanged(file)
        start = base
        for block in read_split(
            file,
            split,
            columns=columns,
            schema=schema,
            max_doc_bytes=max_doc_bytes,
            checked=checked,
        ):
            bad = tuple(BadRow(b.row + start, b.error, b.raw) for b in block.bad)
            rows = block.rows + start
            stop = max(
                int(rows[-1]) + 1 if len(rows) else base,
                max((b.row + 1 for b in bad), default=base),
            )
            yield TaskBlock(block.batch, rows, bad, position, stop)
            base = stop
        check_unchanged(file)


def compared_text(batch: pa.RecordBatch, columns: Sequence[str], file: str) -> pa.Array:
    """Return the compared text of each row: one column, or several joined by newlines.

    A null among several columns counts as empty; a row whose columns are all null is null.

    Raises:
        InputError: A column is missing or holds no strings.
    """
    parts = [_string_column(batch, name, file) for name in columns]
    if len(parts) == 1:
        return parts[0]
    widest = (
        pa.large_string() if any(pa.types.is_large_string(p.type) for p in parts) else pa.string()
    )
    total = sum(p.nbytes for p in parts)
    if total + len(batch) * len(parts) > 2**31 - 1:
        widest = pa.large_string()
    parts = [p.cast(widest) for p in parts]
    joined = pc.binary_join_element_wise(
        *parts,
        pa.scalar("\n", widest),
        null_handling="replace",
        null_replacement="",
    )
    nothing = pc.is_null(parts[0])
    for part in parts[1:]:
        nothing = pc.and_(nothing, pc.is_null(part))
    return pc.if_else(nothing, pa.scalar(None, widest), joined)


def _string_column(batch: pa.RecordBatch, name: str, file: str) -> pa.Array:
    index = batch.schema.get_field_index(name)
    if index < 0:
        return pa.nulls(len(batch), pa.string())
    column = batch.column(index)
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    require_strings(name, column.type, file)
    return column


def require_strings(name: str, kind: pa.DataType, file: str) -> None:
    """Refuse a compared column that holds no strings.

    Raises:
        InputError: Naming the file, the column and its type.
    """
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        raise InputError(
            f"column '{name}' is {kind}, expected string",
            path=file,
            remedy="name a text column with --text-column or --columns",
        )


def require_column(name: str, schema: pa.Schema, file: str, flag: str) -> None:
    """Refuse a named column that a file does not have.

    Raises:
        InputError: Naming the file, the column, the nearest one and all there are.
    """
    if name in schema.names:
        return
    near = difflib.get_close_matches(name, schema.names, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise InputError(
        f"no column '{name}'",
        path=file,
        remedy=f"{hint}columns: {', '.join(schema.names) or 'none'}; choose with {flag}",
    )
