"""Arrow's JSON parser, with the types it should have inferred and its known faults worked around.

Times that it sees in strings stay strings, values that share a line or span lines are refused, and
lists of nulls get the length that their offsets say.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.json as pj


def parse_lines(data: bytes, rows: int, explicit: pa.Schema | None) -> pa.Table:
    """Parse records, one a line; `ArrowInvalid` unless all of them are rows."""
    if not rows:
        return pa.table({})
    table = _read(data, explicit)
    known = pa.schema([field.with_type(_untimed(field.type)) for field in table.schema])
    if not known.equals(table.schema) or any(map(_is_short, _chunks(table))):
        table = _read(data, known)
    if table.num_rows != rows:
        raise pa.ArrowInvalid(f"{table.num_rows} values in {rows} lines")
    return table


def _read(data: bytes, explicit: pa.Schema | None) -> pa.Table:
    return pj.read_json(
        pa.BufferReader(data),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pj.ParseOptions(explicit_schema=explicit),
    )


def _chunks(table: pa.Table) -> list[pa.Array]:
    return [chunk for column in table.columns for chunk in column.chunks]


def _is_short(array: pa.Array) -> bool:
    """Tell whether a list has fewer items than its offsets say.

    Where the type of items is inferred, pyarrow 26 forgets nulls that come before the first typed
    item: [null, 1] becomes [1, 0]. With the types given it reads right.
    """
    if pa.types.is_struct(array.type):
        return any(_is_short(array.field(i)) for i in range(array.type.num_fields))
    if pa.types.is_list(array.type):
        return len(array.values) < array.offsets[-1].as_py() or _is_short(array.values)
    return False


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


def settled(schema: pa.Schema) -> pa.Schema | None:
    """Keep the columns whose types the parser would infer itself: those it can be given."""
    fields = [field for field in schema if _is_inferable(field.type)]
    return pa.schema(fields) if fields else None


_INFERABLE = (pa.bool_(), pa.int64(), pa.float64(), pa.string(), pa.large_string())


def _is_inferable(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind) or pa.types.is_list(kind):
        return kind.num_fields > 0 and all(map(_is_inferable, _children(kind)))
    return kind in _INFERABLE


def type_depth(schema: pa.Schema) -> int:
    """Measure how deep the types of a schema are nested; iterative, whatever the depth."""
    level: list[pa.DataType] = schema.types
    depth = 1
    while level := [child for kind in level for child in _children(kind)]:
        depth += 1
    return depth


def _children(kind: pa.DataType) -> list[pa.DataType]:
    return [kind.field(i).type for i in range(kind.num_fields)]


def no_columns(rows: int) -> pa.RecordBatch:
    """Make a batch of rows without columns: empty objects are rows too."""
    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """Make one batch of a table that has columns."""
    columns = []
    for column in table.columns:
        chunks = [_sound(chunk) for chunk in column.chunks]
        columns.append(chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks))
    return pa.RecordBatch.from_arrays(columns, schema=table.schema)


def _sound(array: pa.Array) -> pa.Array:
    """Repair lists of nothing but nulls, which are short with the types given too."""
    kind = array.type
    if not _holds_null_lists(kind):
        return array
    mask = array.is_null()
    if pa.types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        children = [_sound(array.field(i)) for i in range(kind.num_fields)]
        return pa.StructArray.from_arrays(children, fields=fields, mask=mask)
    inner = array.values
    whole = pa.nulls(array.offsets[-1].as_py()) if pa.types.is_null(inner.type) else _sound(inner)
    return pa.ListArray.from_arrays(array.offsets, whole, mask=mask)


def _holds_null_lists(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return bool(pa.types.is_null(kind.value_type)) or _holds_null_lists(kind.value_type)
    return pa.types.is_struct(kind) and any(map(_holds_null_lists, _children(kind)))
