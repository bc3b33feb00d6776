"""JSON objects to Arrow rows, a block of records at a time.

A record is good if Arrow parses it alone as one object, it is valid UTF-8, its integers fit 64 bits
and it is nested at most 64 deep, and columns that the job knows to be texts or messages hold such:
rules that look at one record only, so that neither the block size nor its neighbours decide.
Strings stay strings, also where they look like times. Two types in any other column are an error,
never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from thresher.errors import InputError
from thresher.readers.block import RAW_BYTES, TWO_TYPES, BadRow, Block, Request, too_large
from thresher.readers.expected import may_be_strange, stranger
from thresher.readers.json_check import MAX_DEPTH, fault, inexact, is_utf8
from thresher.readers.json_parse import no_columns, one_batch, parse_lines, settled, type_depth
from thresher.readers.lines import Records, record
from thresher.readers.streams import one_line
from thresher.schema import conform, merge_blocks, widen

# not (pyarrow 26). A shorter record cannot be that deep: only longer ones are counted beforehand.
_DEEP_RECORD_BYTES = 8000


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
        self._expected = request.file.expected
        self._row = 0

    def parse(self, records: Records) -> Block:
        """Turn one block of records into rows."""
        bad: dict[int, BadRow] = {}
        good = self._screen(records, bad)
        table, merged = self._table(records, good, bad)
        while beyond := inexact(table, records, [i for i in good if i not in bad]):
            for i, error in beyond.items():
                self._refuse_rounding(records, i, error)
                bad[i] = BadRow(i, error, record(records, i))
            good = [i for i in good if i not in bad]
            table, merged = self._table(records, good, bad)
        if self._request.schema is None:
            self._learned = merged
        good = [i for i in good if i not in bad]
        rows = np.array(good, np.int64) + self._row
        numbered = [b._replace(row=b.row + self._row) for _, b in sorted(bad.items())]
        self._row += len(records.starts)
        batch = one_batch(table) if table.num_columns else no_columns(len(good))
        return Block(self._request.fit(batch), rows, numbered)

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
        if not is_utf8(records.data):
            doubtful |= set(range(len(shaped)))
        for i in sorted(doubtful - bad.keys()):
            if error := fault(record(records, i)):
                bad[i] = BadRow(i, error, record(records, i))
        return [i for i in range(len(shaped)) if i not in bad]

    def _table(
        self, records: Records, good: list[int], bad: dict[int, BadRow]
    ) -> tuple[pa.Table, pa.Schema]:
        """Parse the good records, and merge their types with those seen before."""
        explicit = settled(self._learned)
        try:
            table = parse_lines(_join(records, good), len(good), explicit)
            parts = [_Part(table, good)]
        except pa.ArrowInvalid:
            good = self._without_strangers(records, good, bad)
            parts = list(_salvage(records, good, bad))
        for number, part in enumerate(parts):
            if may_be_strange(part.table.schema, self._expected):
                kept = self._without_strangers(records, part.numbers, bad)
                parts[number] = part = _Part(_parse(records, kept), kept)
            if type_depth(part.table.schema) > MAX_DEPTH:
                parts[number] = _without_deep(records, part, bad)
        try:
            schemas = [self._learned, *(part.table.schema for part in parts)]
            merged = merge_blocks(schemas, self._request.file.path)
        except InputError as error:
            raise self._conflict(records, good, bad, error) from error
        if self._request.schema is not None and not merged.equals(self._learned):
            raise self._conflict(records, good, bad, None)
        tables = [_fit(part.table, merged) for part in parts if len(merged)]
        return pa.concat_tables([merged.empty_table(), *tables]), merged

    def _without_strangers(
        self, records: Records, good: list[int], bad: dict[int, BadRow]
    ) -> list[int]:
        """Put aside the records whose texts are none; return the others."""
        if not self._expected:
            return good
        for i in good:
            if error := stranger(record(records, i), self._expected):
                bad[i] = BadRow(i, error, record(records, i))
        return [i for i in good if i not in bad]

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
            for field in parse_lines(record(records, i), 1, None).schema:
                known = seen.get(field.name, pa.null())
                try:
                    seen[field.name] = widen(known, field.type, union_fields=True)
                except TypeError:
                    return InputError(
                        f"line {line}: column {field.name!r} is {field.type}, but {known} before",
                        path=path,
                        remedy="write the column with one type, or its values as JSON text; of "
                        "chats 'thresher convert' makes one format first",
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


def _join(records: Records, good: list[int]) -> bytes:
    if good and len(good) == len(records.starts):
        return records.data[records.starts[0] : records.ends[-1]]
    return b"\n".join([record(records, i) for i in good])


def _salvage(records: Records, good: list[int], bad: dict[int, BadRow]) -> Iterator[_Part]:
    """Halve what does not parse until the broken records stand alone."""
    try:
        yield _Part(
            parse_lines(b"\n".join([record(records, i) for i in good]), len(good), None), good
        )
    except pa.ArrowInvalid as error:
        if len(good) == 1:
            reason = one_line(error).removeprefix("JSON parse error: ").removesuffix(" in row 0")
            what = TWO_TYPES if "changed from" in reason else "broken JSON"
            bad[good[0]] = BadRow(good[0], f"{what}: {reason}", record(records, good[0]))
            return
        middle = len(good) // 2
        yield from _salvage(records, good[:middle], bad)
        yield from _salvage(records, good[middle:], bad)


def _without_deep(records: Records, part: _Part, bad: dict[int, BadRow]) -> _Part:
    kept = []
    for i in part.numbers:
        if error := fault(record(records, i)):
            bad[i] = BadRow(i, error, record(records, i))
        else:
            kept.append(i)
    return _Part(_parse(records, kept), kept)


def _parse(records: Records, good: list[int]) -> pa.Table:
    return parse_lines(b"\n".join([record(records, i) for i in good]), len(good), None)


def _fit(table: pa.Table, schema: pa.Schema) -> pa.Table:
    batch = one_batch(table) if table.num_columns else no_columns(table.num_rows)
    return pa.Table.from_batches([conform(batch, schema)])
