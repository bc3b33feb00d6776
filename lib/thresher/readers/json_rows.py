"""JSON objects to Arrow rows, a block of records at a time.

A record is good if Arrow parses it alone as one object, it is valid UTF-8, its integers fit 64 bits
and it is nested at most 64 deep: rules that look at one record only, so that neither the block size
nor its neighbours decide. Strings stay strings, also where they look like times. Two types in one
column are an error, never a guess.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from thresher.errors import InputError
from thresher.readers.block import RAW_BYTES, BadRow, Block, Request, too_large
from thresher.readers.lines import Records
from thresher.schema import conform, merge_blocks, widen

MAX_DEPTH = 64
# not (pyarrow 26). A shorter record cannot be that deep: only longer ones are counted beforehand.
_DEEP_RECORD_BYTES = 8000
_EXACT = 2.0**53
_WHITE = b" \t\r\n"


class _Part(NamedTuple):
    """Rows parsed together, and the index of each in its block."""

    table: pa.Table
    numbers: list[int]


class RowParser:
    """Parses the records of one split, block by block, and remembers the types seen so far.

    Args:
        request: What is read.
        line_of: Turns the offset of a record into a line number; only called for a message.
    """

    def __init__(self, request: Request, line_of: Callable[[int], int]) -> None:
        self._request = request
        self._line_of = line_of
        self._learned = request.schema or pa.schema([])
        self._row = 0

    def parse(self, records: Records) -> Block:
        """Turn one block of records into rows."""
        bad: dict[int, BadRow] = {}
        good = self._screen(records, bad)
        table = self._table(records, good, bad)
        while beyond := _inexact(table, records, good):
            for i, error in beyond.items():
                self._refuse_rounding(records, i, error)
                bad[i] = BadRow(i, error, record(records, i))
            good = [i for i in good if i not in beyond]
            table = self._table(records, good, bad)
        good = [i for i in good if i not in bad]
        rows = np.array(good, np.int64) + self._row
        numbered = [b._replace(row=b.row + self._row) for _, b in sorted(bad.items())]
        self._row += len(records.starts)
        return Block(self._request.fit(_one_batch(table)), rows, numbered)

    def _screen(self, records: Records, bad: dict[int, BadRow]) -> list[int]:
        """Put aside the records that must not or need not reach the parser."""
        data = np.frombuffer(records.data, np.uint8)
        if not len(records.starts):
            return []
        shaped = (data[records.starts] == ord("{")) & (data[records.ends - 1] == ord("}"))
        for i, size in records.too_long.items():
            head = record(records, i)[:RAW_BYTES]
            bad[i] = too_large(i, size, self._request.max_doc_bytes, head)
        doubtful = set(np.flatnonzero(~shaped).tolist())
        doubtful |= set(np.flatnonzero(records.ends - records.starts > _DEEP_RECORD_BYTES).tolist())
        if not _is_utf8(records.data):
            doubtful |= set(range(len(shaped)))
        for i in sorted(doubtful - bad.keys()):
            if error := _fault(record(records, i)):
                bad[i] = BadRow(i, error, record(records, i))
        return [i for i in range(len(shaped)) if i not in bad]

    def _table(self, records: Records, good: list[int], bad: dict[int, BadRow]) -> pa.Table:
        explicit = _settled(self._learned)
        try:
            table = _arrow(_join(records, good), len(good), explicit)
            parts = [_Part(table, good)]
        except pa.ArrowInvalid:
            parts = list(_salvage(records, good, bad))
        for number, part in enumerate(parts):
            if _type_depth(part.table.schema) > MAX_DEPTH:
                parts[number] = _without_deep(records, part, bad)
        try:
            schemas = [self._learned, *(part.table.schema for part in parts)]
            merged = merge_blocks(schemas, self._request.file.path)
        except InputError as error:
            raise self._conflict(records, good, bad, error) from error
        if self._request.schema is None:
            self._learned = merged
        elif not merged.equals(self._learned):
            raise self._conflict(records, good, bad, None)
        return _concat([_fit(part.table, merged) for part in parts], merged)

    def _conflict(
        self, records: Records, good: list[int], bad: dict[int, BadRow], cause: InputError | None
    ) -> InputError:
        """Find the first line that does not fit the types before it."""
        seen = {field.name: field.type for field in self._learned}
        path = self._request.file.path
        for i in good:
            if i in bad:
                continue
            line = self._line_of(records.offset + int(records.starts[i]))
            for field in _arrow(record(records, i), 1, None).schema:
                known = seen.get(field.name, pa.null())
                try:
                    seen[field.name] = widen(known, field.type, union_fields=True)
                except TypeError:
                    return InputError(
                        f"line {line}: column {field.name!r} is {field.type}, but {known} before",
                        path=path,
                        remedy="write the column with one type, or its values as JSON text",
                    )
                if self._request.schema is not None and seen[field.name] != known:
                    return InputError(
                        f"line {line}: column {field.name!r} is {field.type}, but was {known} when"
                        " the schema was read: the file changed",
                        path=path,
                        remedy="run again with a new --out",
                    )
        return cause or InputError("does not fit its own schema", path=path)

    def _refuse_rounding(self, records: Records, i: int, error: str) -> None:
        if error.startswith("column"):
            line = self._line_of(records.offset + int(records.starts[i]))
            raise InputError(
                f"line {line}: {error}",
                path=self._request.file.path,
                remedy="write the column as strings, or with one number type",
            )


def record(records: Records, i: int) -> bytes:
    """Return the bytes of one record."""
    return records.data[records.starts[i] : records.ends[i]]


def _join(records: Records, good: list[int]) -> bytes:
    if good and len(good) == len(records.starts):
        return records.data[records.starts[0] : records.ends[-1]]
    return b"\n".join([record(records, i) for i in good])


def _is_utf8(data: bytes) -> bool:
    offsets = pa.py_buffer(np.array([0, len(data)], np.int64))
    text = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(data)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _fault(line: bytes) -> str | None:
    """Say what is wrong with a line that looks suspicious, or None if Arrow may try it."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"invalid UTF-8 at byte {error.start} of the line"
    if line.count(b"[") + line.count(b"{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH} levels"
    stripped = line.strip(_WHITE)
    if stripped.startswith(b"{") and stripped.endswith(b"}"):
        return None
    try:
        kind = type(json.loads(text)).__name__
    except ValueError as error:
        return f"broken JSON: {error}"
    return f"a JSON {kind}, not an object"


def _depth(text: str) -> int:
    """Measure the nesting of brackets outside strings."""
    depth = deepest = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _arrow(data: bytes, rows: int, explicit: pa.Schema | None) -> pa.Table:
    """Parse records, one a line; `ArrowInvalid` unless all of them are rows."""
    if not rows:
        return pa.table({})
    table = _read(data, explicit)
    retyped = pa.schema([f.with_type(_untimed(f.type)) for f in table.schema])
    if explicit is None and not retyped.equals(table.schema):
        table = _read(data, retyped)
    if table.num_rows != rows:
        raise pa.ArrowInvalid(f"{table.num_rows} values in {rows} lines")
    return table


def _read(data: bytes, explicit: pa.Schema | None) -> pa.Table:
    table = pj.read_json(
        pa.BufferReader(data),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pj.ParseOptions(explicit_schema=explicit),
    )
    if explicit is None:
        return table
    retyped = pa.schema([f.with_type(_untimed(f.type)) for f in table.schema])
    if retyped.equals(table.schema) or explicit.equals(retyped):
        return table
    return _read(data, retyped)


def _untimed(kind: pa.DataType) -> pa.DataType:
    """Replace the times that Arrow sees in strings by strings."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_untimed(kind.value_type))
    if pa.types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        return pa.struct([field.with_type(_untimed(field.type)) for field in fields])
    return kind


def _settled(schema: pa.Schema) -> pa.Schema | None:
    """Keep the columns whose types the parser would infer itself: those it can be given."""
    fields = [field for field in schema if _is_inferable(field.type)]
    return pa.schema(fields) if fields else None


_INFERABLE = (pa.bool_(), pa.int64(), pa.float64(), pa.string(), pa.large_string())


def _is_inferable(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind) or pa.types.is_list(kind):
        return kind.num_fields > 0 and all(map(_is_inferable, _children(kind)))
    return kind in _INFERABLE


def _salvage(records: Records, good: list[int], bad: dict[int, BadRow]) -> Iterator[_Part]:
    """Halve what does not parse until the broken records stand alone."""
    try:
        yield _Part(_arrow(b"\n".join([record(records, i) for i in good]), len(good), None), good)
    except pa.ArrowInvalid as error:
        if len(good) == 1:
            reason = str(error).removeprefix("JSON parse error: ").removesuffix(" in row 0")
            what = "a list of two types" if "changed from" in reason else "broken JSON"
            bad[good[0]] = BadRow(good[0], f"{what}: {reason}", record(records, good[0]))
            return
        middle = len(good) // 2
        yield from _salvage(records, good[:middle], bad)
        yield from _salvage(records, good[middle:], bad)


def _without_deep(records: Records, part: _Part, bad: dict[int, BadRow]) -> _Part:
    kept = []
    for i in part.numbers:
        if error := _fault(record(records, i)):
            bad[i] = BadRow(i, error, record(records, i))
        else:
            kept.append(i)
    return _Part(_arrow(b"\n".join([record(records, i) for i in kept]), len(kept), None), kept)


def _type_depth(schema: pa.Schema) -> int:
    level: list[pa.DataType] = schema.types
    depth = 1
    while level := [child for kind in level for child in _children(kind)]:
        depth += 1
    return depth


def _children(kind: pa.DataType) -> list[pa.DataType]:
    return [kind.field(i).type for i in range(kind.num_fields)]


def _inexact(table: pa.Table, records: Records, good: list[int]) -> dict[int, str]:
    """Find integers that became doubles: Arrow reads any number beyond int64 as one."""
    if not any(_has_large_double(chunk) for column in table.columns for chunk in column.chunks):
        return {}
    found = {}
    rows = table.to_pylist()
    for i, row in zip(good, rows, strict=True):
        value = json.loads(record(records, i))
        if error := _rounded(value, row, None):
            found[i] = error
    beyond = {i: e for i, e in found.items() if e.startswith("integer")}
    return beyond or found  # a column is judged only by the rows that stay


def _has_large_double(array: pa.Array) -> bool:
    if pa.types.is_floating(array.type):
        values = array.drop_null().to_numpy(zero_copy_only=False)
        return bool((np.abs(values) >= _EXACT).any())
    if pa.types.is_struct(array.type):
        return any(_has_large_double(child) for child in array.flatten())
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return _has_large_double(array.flatten())
    return False


def _rounded(source: Any, parsed: Any, column: str | None) -> str | None:
    if isinstance(source, dict):
        pairs = [(source[k], (parsed or {}).get(k), column or k) for k in source]
    elif isinstance(source, list):
        pairs = [(s, p, column) for s, p in zip(source, parsed or [], strict=False)]
    elif isinstance(source, int) and isinstance(parsed, float):
        if int(parsed) == source and abs(source) < 2**63:
            return None
        if -(2**63) <= source < 2**63:
            return (
                f"column {column!r} holds decimals and the integer {source}, which a double rounds"
            )
        return f"integer of {len(str(abs(source)))} digits in column {column!r} is beyond 64 bits"
    else:
        return None
    return next((e for s, p, c in pairs if (e := _rounded(s, p, c))), None)


def _fit(table: pa.Table, schema: pa.Schema) -> pa.Table:
    batch = conform(_one_batch(table), schema)
    return pa.Table.from_batches([batch])


def _concat(tables: list[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    if not table.num_columns:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * table.num_rows, pa.struct([])))
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
