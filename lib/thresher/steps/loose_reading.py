"""Rows of a split, where one column may hold values of several types.

Typed formats, and JSON whose columns have one type each, are read as every job reads them. Other
JSON is read record by record: each block is sorted into groups of records whose types agree. Both
ways number the rows alike, so the survey decides for a split and the conversion follows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.errors import InputError
from thresher.formats.loose import is_open, loosen, parse_record
from thresher.inputs import InputFile
from thresher.readers import BadRow
from thresher.readers.block import TWO_TYPES, Request
from thresher.readers.json_check import fault
from thresher.readers.json_parse import one_batch, parse_lines
from thresher.readers.lines import Records, read_lines, record
from thresher.readers.scan import CLOSED, new_state, read_records, scan_array
from thresher.readers.streams import decompress
from thresher.schema import plain_schema
from thresher.steps.reading import ReadTask, TaskBlock, read_task

Column = np.ndarray[Any, Any]
TEXT_FORMATS = ("jsonl", "json")


def may_loosen(file: InputFile, error: InputError) -> bool:
    """Tell whether a file that cannot be read by the types of its columns may be read record by
    record: JSON in which a column has several."""
    return file.format in TEXT_FORMATS and "column" in error.message


@dataclass(frozen=True)
class Piece:
    """Rows of a task that share their types.

    Args:
        batch: The rows.
        rows: (batch rows,) int64 numbers inside the task.
    """

    batch: pa.RecordBatch
    rows: Column


@dataclass(frozen=True)
class LooseBlock:
    """Neighbouring rows of a task.

    Args:
        pieces: The rows that could be read, by their types.
        bad: Rows that could not be read, with their numbers inside the task.
        split: Position of the split in the task.
        stop: First row number after the block.
    """

    pieces: tuple[Piece, ...]
    bad: tuple[BadRow, ...]
    split: int
    stop: int


def read_typed(task: ReadTask, position: int, base: int, limit: int) -> Iterator[LooseBlock]:
    """Read one split of a task as typed rows.

    Args:
        task: The task.
        position: Which split.
        base: Number of its first row.
        limit: Bytes of the largest row.

    Raises:
        InputError: It is unreadable, or a column has several types.
    """
    alone = replace(task, files=(task.files[position],), splits=(task.splits[position],))
    for block in read_task(alone, None, None, limit):
        yield _shifted(block, position, base)


def _shifted(block: TaskBlock, position: int, base: int) -> LooseBlock:
    bad = tuple(b._replace(row=b.row + base) for b in block.bad)
    piece = Piece(block.batch, block.rows + base)
    return LooseBlock((piece,) if len(block.rows) else (), bad, position, block.stop + base)


def renamed(block: LooseBlock, names: Mapping[str, str]) -> LooseBlock:
    """Give columns the names that formats know them by.

    Raises:
        InputError: A name is taken by another column of the same rows.
    """
    if not names:
        return block
    pieces = []
    for piece in block.pieces:
        schema = piece.batch.schema
        made = [names.get(name, name) for name in schema.names]
        twice = [name for name in made if made.count(name) > 1]
        if twice:
            raise InputError(
                f"rename: there is a column {twice[0]!r} already",
                remedy="give that one another name too",
            )
        pieces.append(Piece(piece.batch.rename_columns(made), piece.rows))
    return replace(block, pieces=tuple(pieces))


def wants_loose(block: LooseBlock) -> bool:
    """Tell whether a typed block shows that its split should be read record by record."""
    return any(b.error.startswith(TWO_TYPES) for b in block.bad) or any(
        is_open(piece.batch.schema) for piece in block.pieces
    )


def read_loose(task: ReadTask, position: int, base: int, limit: int) -> Iterator[LooseBlock]:
    """Read one split of JSON record by record.

    Raises:
        InputError: The file is damaged.
    """
    request = Request(task.files[position], task.splits[position], None, None, limit, 16 << 20)
    for records in _records(request):
        yield _grouped(records, position, base)
        base += len(records.starts)


def _records(request: Request) -> Iterator[Records]:
    file, split = request.file, request.split
    if file.format == "jsonl":
        stop = None if file.compression else split.stop
        with decompress(file, max(0, split.start - 1)) as stream:
            lines = read_lines(
                stream, split.start, stop, request.batch_bytes, request.max_doc_bytes
            )
            yield from (records for records in lines if len(records.starts))
        return
    state = new_state()
    with decompress(file) as stream:
        yield from read_records(
            stream, scan_array, state, request.batch_bytes, request.max_doc_bytes
        )
    if state[CLOSED] != 2:
        raise InputError("the JSON array is cut short or not alone", path=file.path)


def _grouped(records: Records, position: int, base: int) -> LooseBlock:
    groups: list[tuple[dict[str, str], list[tuple[int, dict[str, Any]]]]] = []
    bad: list[BadRow] = []
    for place in range(len(records.starts)):
        raw = record(records, place)
        if place in records.too_long:
            bad.append(BadRow(base + place, "row is above max_doc_bytes", raw[:1024]))
            continue
        error = fault(raw)
        value = None if error else parse_record(raw)
        if value is None:
            bad.append(BadRow(base + place, error or "broken JSON", raw))
            continue
        types, made = loosen(value)
        for known, members in groups:
            if all(known.get(name, kind) == kind for name, kind in types.items()):
                known.update(types)
                members.append((place, made))
                break
        else:
            groups.append((types, [(place, made)]))
    pieces: list[Piece] = []
    for _, rows in groups:
        _parse(rows, base, records, pieces, bad)
    stop = base + len(records.starts)
    return LooseBlock(tuple(pieces), tuple(sorted(bad)), position, stop)


def _parse(
    rows: list[tuple[int, dict[str, Any]]],
    base: int,
    records: Records,
    pieces: list[Piece],
    bad: list[BadRow],
) -> None:
    """Parse rows of one group; halve what Arrow refuses until the broken ones stand alone."""
    data = b"\n".join(json.dumps(made, ensure_ascii=False).encode() for _, made in rows)
    numbers = np.array([place for place, _ in rows], np.int64) + base
    try:
        table = parse_lines(data, len(rows), None)
        if not table.num_columns:
            raise pa.ArrowInvalid("no columns")
        batch = one_batch(table)
        plain = plain_schema(batch.schema)
        pieces.append(Piece(pa.RecordBatch.from_arrays(batch.columns, schema=plain), numbers))
    except (pa.ArrowInvalid, UnicodeEncodeError) as error:
        if len(rows) == 1:
            raw = record(records, rows[0][0])
            bad.append(BadRow(int(numbers[0]), f"{TWO_TYPES}: {error}", raw))
            return
        middle = len(rows) // 2
        _parse(rows[:middle], base, records, pieces, bad)
        _parse(rows[middle:], base, records, pieces, bad)
