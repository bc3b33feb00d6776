"""All rows of small files as Python values, with their numbers in the file.

Through the readers of every job. JSON whose columns hold values of several types is read record by
record, where nested values arrive as JSON text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from thresher.errors import InputError
from thresher.inputs import InputFile
from thresher.planning import make_plan
from thresher.readers.block import TWO_TYPES
from thresher.readers.streams import CHUNK_BYTES, open_input
from thresher.schema import widen
from thresher.splits import Split
from thresher.steps.loose_reading import TEXT_FORMATS, LooseBlock, read_loose, read_typed
from thresher.steps.reading import ReadTask

MAX_ROW_BYTES = 256 << 20
Reader = Callable[[ReadTask, int, int, int], Iterator[LooseBlock]]


class FileRows(NamedTuple):
    """One file.

    Attributes:
        path: Where it is.
        name: What row ids call it.
        bytes: Its size as stored.
        pin: What changes when it does.
        sha256: Of its bytes as stored.
        schema: Its columns; a column of several types is a string.
        numbers: The number in the file of each row.
        rows: The rows, by column.
    """

    path: str
    name: str
    bytes: int
    pin: str
    sha256: str
    schema: pa.Schema
    numbers: list[int]
    rows: list[dict[str, Any]]


def rows_of(addresses: Sequence[str]) -> list[FileRows]:
    """Read files whole, in the order of row ids.

    Raises:
        InputError: A file or one of its rows is unreadable.
    """
    plan = make_plan(list(addresses), split_bytes=0, skip_unreadable=False)
    splits: dict[int, list[Split]] = {}
    for split in plan.splits():
        splits.setdefault(split.file, []).append(split)
    return [
        _read_file(file, splits.get(number, []), plan.schemas.get(number))
        for number, file in enumerate(plan.inputs.files)
    ]


def _read_file(file: InputFile, splits: Sequence[Split], stated: pa.Schema | None) -> FileRows:
    if file.format in TEXT_FORMATS:
        try:
            blocks = _blocks(file, splits, read_typed)
        except InputError as error:
            if "column" not in error.message:
                raise
            blocks = _blocks(file, splits, read_loose)
        else:
            if any(b.error.startswith(TWO_TYPES) for block in blocks for b in block.bad):
                blocks = _blocks(file, splits, read_loose)
    else:
        blocks = _blocks(file, splits, read_typed)
    schema = _Columns(stated)
    numbers: list[int] = []
    rows: list[dict[str, Any]] = []
    for block in blocks:
        if block.bad:
            raise InputError(
                f"row {block.bad[0].row} cannot be read: {block.bad[0].error}",
                path=file.path,
                remedy="mend or remove the row: what is not read cannot be searched for",
            )
        pairs: list[tuple[int, dict[str, Any]]] = []
        for piece in block.pieces:
            schema.add(piece.batch.schema)
            pairs.extend(zip(piece.rows.tolist(), piece.batch.to_pylist(), strict=True))
        for number, row in sorted(pairs, key=lambda pair: pair[0]):
            numbers.append(number)
            rows.append(row)
    return FileRows(
        file.path, file.name, file.bytes, file.pin, _sha256(file), schema.schema(), numbers, rows
    )


def _sha256(file: InputFile) -> str:
    digest = hashlib.sha256()
    with open_input(file) as stored:
        while chunk := stored.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _blocks(file: InputFile, splits: Sequence[Split], reader: Reader) -> list[LooseBlock]:
    blocks: list[LooseBlock] = []
    task = ReadTask(0, tuple(file for _ in splits), tuple(splits))
    base = 0
    for position in range(len(splits)):
        for block in reader(task, position, base, MAX_ROW_BYTES):
            blocks.append(block)
        base = blocks[-1].stop if blocks else 0
    return blocks


class _Columns:
    """The types of columns over batches; a column of several types is text."""

    def __init__(self, stated: pa.Schema | None) -> None:
        self._types: dict[str, pa.DataType] = {}
        if stated is not None:
            self.add(stated)

    def add(self, schema: pa.Schema) -> None:
        """Take in a batch's columns."""
        for field in schema:
            known = self._types.get(field.name, pa.null())
            try:
                self._types[field.name] = widen(known, field.type, union_fields=True)
            except TypeError:
                self._types[field.name] = pa.string()

    def schema(self) -> pa.Schema:
        """Return the columns."""
        return pa.schema(list(self._types.items()))
