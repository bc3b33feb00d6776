"""CSV: every column is read as strings, exactly as written; the first record names the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from thresher.errors import InputError
from thresher.readers.block import RAW_BYTES, BadRow, Block, Request, too_large
from thresher.readers.lines import Records, record
from thresher.readers.scan import FIRST, MODE, new_state, read_records, scan_csv
from thresher.readers.streams import decompress

_IN_QUOTES = 2


def read_csv(request: Request) -> Iterator[Block]:
    """Read the records after the header; one with another number of fields is bad."""
    state = new_state()
    names: list[str] | None = None
    row = 0
    with decompress(request.file) as stream:
        blocks = read_records(stream, scan_csv, state, request.batch_bytes, request.max_doc_bytes)
        for records in blocks:
            if names is None:
                names = _header(request, record(records, 0))
                too_long = {i - 1: size for i, size in records.too_long.items()}
                records = records._replace(
                    starts=records.starts[1:], ends=records.ends[1:], too_long=too_long
                )
            unclosed = bool(
                state[MODE] == _IN_QUOTES
                and state[FIRST] == 0
                and len(records.ends)
                and records.ends[-1] == len(records.data)
            )
            yield _parse(request, records, names, row, unclosed)
            row += len(records.starts)
    if names is None:
        raise InputError("has no header", path=request.file.path)


def _header(request: Request, line: bytes) -> list[str]:
    path = request.file.path
    try:
        names = next(csv.reader(io.StringIO(line.decode("utf-8"), newline="")))
    except (UnicodeDecodeError, StopIteration, csv.Error) as error:
        raise InputError(f"the header cannot be read ({error})", path=path) from error
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(f"column {name!r} occurs twice in the header", path=path)
    return names


def _parse(request: Request, records: Records, names: list[str], row: int, unclosed: bool) -> Block:
    count = len(records.starts)
    bad: dict[int, BadRow] = {}
    for i, size in records.too_long.items():
        raw = record(records, i)[:RAW_BYTES]
        bad[i] = too_large(i, size, request.max_doc_bytes, raw)
    if unclosed and count - 1 not in bad:
        bad[count - 1] = BadRow(count - 1, "a quote is never closed", record(records, count - 1))
    good = [i for i in range(count) if i not in bad]
    columns = _columns(records, good, names, bad)
    good = [i for i in good if i not in bad]
    columns, invalid = _decode(columns, good, records)
    bad.update(invalid)
    good = [i for i in good if i not in bad]
    batch = pa.RecordBatch.from_arrays(columns, names=names)
    numbered = [b._replace(row=b.row + row) for _, b in sorted(bad.items())]
    return Block(request.fit(batch), np.array(good, np.int64) + row, numbered)


def _columns(
    records: Records, good: list[int], names: list[str], bad: dict[int, BadRow]
) -> list[pa.Array]:
    """Parse records to binary columns; those with another number of fields go to `bad`."""
    if not good:
        return [pa.array([], pa.binary()) for _ in names]
    if len(good) == len(records.starts):
        data = records.data[records.starts[0] : records.ends[-1]]
    else:
        data = b"\n".join([record(records, i) for i in good])

    def wrong(invalid: pc.InvalidRow) -> str:
        i = good[invalid.number - 1]
        error = f"{invalid.actual_columns} fields, the header has {invalid.expected_columns}"
        bad[i] = BadRow(i, error, record(records, i))
        return "skip"

    table = pc.read_csv(
        pa.BufferReader(data + b"\n"),
        read_options=pc.ReadOptions(
            use_threads=False, block_size=len(data) + 2, column_names=names
        ),
        parse_options=pc.ParseOptions(newlines_in_values=True, invalid_row_handler=wrong),
        convert_options=pc.ConvertOptions(
            check_utf8=False, column_types=dict.fromkeys(names, pa.binary())
        ),
    )
    kept = len(good) - sum(i in bad for i in good)
    if table.num_rows != kept:
        raise AssertionError(f"{table.num_rows} rows in {kept} records")
    return [column.combine_chunks() for column in table.columns]


def _decode(
    columns: list[pa.Array], good: list[int], records: Records
) -> tuple[list[pa.Array], dict[int, BadRow]]:
    """Turn binary columns into strings; rows with invalid UTF-8 are bad."""
    try:
        return [column.cast(pa.string()) for column in columns], {}
    except pa.ArrowInvalid:
        pass
    bad = {}
    for place, i in enumerate(good):
        for column in columns:
            try:
                column[place].as_py().decode("utf-8")
            except UnicodeDecodeError:
                bad[i] = BadRow(i, "invalid UTF-8", record(records, i))
    keep = pa.array([i not in bad for i in good], pa.bool_())
    return [column.filter(keep).cast(pa.string()) for column in columns], bad
