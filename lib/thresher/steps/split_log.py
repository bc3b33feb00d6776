"""What a first pass notes of its splits: rows, bad rows, a fingerprint of the text, types."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import InputError
from thresher.schema import merge_blocks
from thresher.stage import Receipt
from thresher.steps.reading import ReadTask, TaskBlock
from thresher.store import Published
from thresher.text.hashing import FINGERPRINT_START
from thresher.text.sketch import fingerprint

UNREADABLE = "the row cannot be read"
STATED = ("parquet", "arrow")  # formats whose files state their types before they are read


class SplitLog:
    """Collects facts block by block.

    Args:
        read: The splits.
    """

    def __init__(self, read: ReadTask) -> None:
        num = len(read.splits)
        self.rows = 0
        self._read = read
        self._rows, self._bad, self._bytes = [0] * num, [0] * num, [0] * num
        self._prints = [FINGERPRINT_START] * num
        self._schemas: list[pa.Schema | None] = [None] * num

    def add(self, block: TaskBlock, text: pa.Array) -> int:
        """Note a block and the text it is judged by; return its rows, bad ones included."""
        at = block.split
        count = len(block.rows) + len(block.bad)
        self.rows += count
        self._rows[at] += count
        self._bad[at] += len(block.bad)
        self._bytes[at] += int(pc.sum(pc.binary_length(text)).as_py() or 0)
        self._prints[at] = fingerprint(text, self._prints[at])
        file = self._read.files[at]
        if file.format not in STATED:
            self._schemas[at] = _merge(self._schemas[at], block.batch.schema, file.path)
        return count

    def facts(self) -> dict[str, Any]:
        """Return, by split: rows, bad rows, bytes of text, its fingerprint, and the types found
        where the file does not state them."""
        return {
            "rows": self._rows,
            "bad": self._bad,
            "text_bytes": self._bytes,
            "fingerprints": [f"{p:016x}" for p in self._prints],
            "schemas": [encode_schema(s) if s is not None else None for s in self._schemas],
        }

    def receipt(self, task: int, files: tuple[Published, ...], facts: dict[str, Any]) -> Receipt:
        """Return the receipt of a task that wrote one line for each row."""
        return Receipt(
            task=task,
            rows_in=self.rows,
            rows_out=self.rows,
            bytes_in=sum(self._bytes),
            files=files,
            facts=facts,
        )


class TextCheck:
    """Checks that a second pass reads the text that the first one judged.

    Args:
        read: The splits.
        expected: Their fingerprints.
    """

    def __init__(self, read: ReadTask, expected: Sequence[str]) -> None:
        self._read, self._expected = read, expected
        self._prints = [FINGERPRINT_START] * len(read.splits)

    def add(self, split: int, text: pa.Array) -> None:
        """Take in a block's text."""
        self._prints[split] = fingerprint(text, self._prints[split])

    def finish(self) -> None:
        """Compare.

        Raises:
            InputError: The text is another.
        """
        for split, (now, before) in enumerate(zip(self._prints, self._expected, strict=True)):
            if f"{now:016x}" != before:
                raise InputError(
                    "the text changed during the run",
                    path=self._read.files[split].path,
                    remedy="remove the output folder and run again",
                )


def or_unreadable(work: Callable[[], Receipt], task: int, skip_unreadable: bool) -> Receipt:
    """Do a task of a first pass; a file that fails is named in the receipt, where such files are to
    be left out: the driver plans again without it."""
    try:
        return work()
    except InputError as error:
        if not (skip_unreadable and error.skippable):
            raise
        return Receipt(task=task, facts={"unreadable": [error.path, error.message]})


def line_for_each_row(
    lines: Mapping[str, pa.Array], block: TaskBlock, base: int, count: int, schema: pa.Schema
) -> pa.RecordBatch:
    """Return one line for each row of a block, those that could not be read included.

    Args:
        lines: Columns for the rows that could be read; the first of the schema says why a row
            cannot be judged.
        block: The rows.
        base: Number of its first row inside the task.
        count: Its rows.
        schema: The columns wanted.
    """
    columns = [lines[field.name] for field in schema]
    if block.bad:
        places = np.full(count, -1, np.int64)
        places[block.rows - base] = np.arange(len(block.rows))
        index = pa.array(places, mask=places < 0)
        columns = [column.take(index) for column in columns]
        columns[0] = pc.if_else(pa.array(places < 0), UNREADABLE, columns[0])
    return pa.record_batch(columns, schema=schema)


def _merge(seen: pa.Schema | None, new: pa.Schema, file: str) -> pa.Schema:
    if seen is None or seen.equals(new):
        return new
    return merge_blocks([seen, new], file)


def encode_schema(schema: pa.Schema) -> str:
    """Return a schema as ASCII."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def decode_schema(text: str) -> pa.Schema:
    """Read what `encode_schema` wrote; only ever our own receipts."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
