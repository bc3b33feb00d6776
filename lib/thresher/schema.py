"""Schemas: agree on one for all inputs, and cast batches to it.

Only widening that loses nothing is done: null to anything, integers to wider integers, float to
double, string to large_string, a dictionary to its values, lists and structs by their parts. A
renamed, retyped, missing or extra column is an error that names file and column, never a column of
nulls, unless the user asked for the union.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import InputError

Sizes = npt.NDArray[np.int64]
NamedSchema = tuple[str, pa.Schema]


def unify(
    schemas: Sequence[NamedSchema],
    *,
    union_columns: bool = False,
    text_columns: Sequence[str] = (),
) -> pa.Schema:
    """Find the one schema that all files fit, in the order of the first file's columns.

    Args:
        schemas: (file name, schema) of each file, in input order.
        union_columns: Let a column be missing from some files; it reads as nulls there.
        text_columns: Columns that must exist (`InputError` lists what there is) and hold strings.

    Raises:
        InputError: Files disagree on a column; the message names file, column, both types and the
            remedy.
    """
    columns: dict[str, tuple[str, pa.DataType]] = {}
    for name, schema in schemas:
        check_unique(name, schema)
        for field in schema:
            known_in, known = columns.get(field.name, (name, field.type))
            columns[field.name] = (
                _owner(known_in, known, name),
                _agree(field.name, known_in, known, name, field.type, union_columns),
            )
    if not union_columns:
        for name, schema in [*schemas[1:], *schemas[:1]]:  # the first file is the model
            _check_missing(name, schema, columns)
    result = pa.schema([(name, kind) for name, (_, kind) in columns.items()])
    _check_text(result, text_columns, schemas)
    return result


def merge_blocks(schemas: Iterable[pa.Schema], file: str) -> pa.Schema:
    """Merge what several blocks of one JSON file showed: a key absent from some rows is null there.

    Raises:
        InputError: One column has two types.
    """
    distinct = list(dict.fromkeys(schemas))
    return unify([(file, schema) for schema in distinct], union_columns=True)


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Cast a batch to the schema: columns reordered, absent ones null, no value changed.

    Raises:
        InputError: A value does not survive the cast (an integer beyond 2^53 as double), or the
            batch has a column that the schema lacks.
    """
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    extra = set(batch.schema.names) - set(schema.names)
    if extra:
        raise InputError(f"column {min(extra)!r} was not there when the schema was fixed")
    columns = []
    for field in schema:
        if field.name not in batch.schema.names:
            columns.append(pa.nulls(batch.num_rows, field.type))
            continue
        try:
            columns.append(cast(batch.column(field.name), field.type))
        except pa.ArrowInvalid as error:
            raise InputError(
                f"column {field.name!r} cannot be kept exactly as {field.type}: "
                f"{' '.join(str(error).split())}",
                remedy="write the column as strings, or with one number type",
            ) from error
    if not columns:
        return batch.select([])
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast an array, struct fields by name, without losing a digit."""
    if array.type.equals(kind):
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if pa.types.is_dictionary(array.type):
        return cast(array.dictionary_decode(), kind)
    if pa.types.is_struct(array.type) and pa.types.is_struct(kind):
        return _cast_struct(array, kind)
    if _is_list(array.type) and _is_list(kind):
        return _cast_list(array, kind)
    return array.cast(kind, safe=True)


def _cast_struct(array: pa.StructArray, kind: pa.StructType) -> pa.Array:
    present = {array.type.field(i).name: i for i in range(array.type.num_fields)}
    flat = array.flatten()
    fields = [kind.field(i) for i in range(kind.num_fields)]
    children = [
        cast(flat[present[field.name]], field.type)
        if field.name in present
        else pa.nulls(len(array), field.type)
        for field in fields
    ]
    mask = array.is_null() if array.null_count else None
    if not fields:  # from_arrays cannot tell the length without children
        return pa.array([{}] * len(array), kind) if mask is None else array.cast(kind)
    return pa.StructArray.from_arrays(children, fields=fields, mask=mask)


def _cast_list(array: pa.ListArray, kind: pa.DataType) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    ends = pc.cumulative_sum(lengths)
    large = pa.types.is_large_list(kind)
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends])
    offsets = offsets if large else offsets.cast(pa.int32())
    mask = array.is_null() if array.null_count else None
    make = pa.LargeListArray if large else pa.ListArray
    return make.from_arrays(offsets, cast(array.flatten(), kind.value_type), type=kind, mask=mask)


def widen(left: pa.DataType, right: pa.DataType, *, union_fields: bool = False) -> pa.DataType:
    """Return the type that holds the values of both.

    Args:
        left: One type; its order of struct fields is kept.
        right: The other.
        union_fields: Let a struct field be missing from one of them.

    Raises:
        TypeError: There is none.
    """
    if left.equals(right) or pa.types.is_null(right):
        return plain_type(left)
    if pa.types.is_null(left):
        return plain_type(right)
    left, right = plain_type(left), plain_type(right)
    if pa.types.is_struct(left) and pa.types.is_struct(right):
        return _widen_struct(left, right, union_fields)
    if _is_list(left) and _is_list(right):
        item = widen(left.value_type, right.value_type, union_fields=union_fields)
        both_large = pa.types.is_large_list(left) or pa.types.is_large_list(right)
        return pa.large_list(item) if both_large else pa.list_(item)
    for kinds in _LADDERS:
        if left in kinds and right in kinds:
            return max(left, right, key=kinds.index)
    if _is_number(left) and _is_number(right):
        return pa.float64()  # conform() refuses the values that a double cannot hold
    if left.equals(right):
        return left
    raise TypeError(f"{left} and {right}")


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Strip a type of what its values do not need: dictionaries, views, nullability, metadata."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        return pa.struct([pa.field(field.name, plain_type(field.type)) for field in fields])
    if pa.types.is_list(kind):
        return pa.list_(plain_type(kind.value_type))
    if pa.types.is_large_list(kind):
        return pa.large_list(plain_type(kind.value_type))
    return kind


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Strip a schema the same way."""
    return pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])


_LADDERS = (
    (pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    (pa.float16(), pa.float32(), pa.float64()),
    (pa.string(), pa.large_string()),
    (pa.binary(), pa.large_binary()),
    (pa.date32(), pa.date64()),
)


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _widen_struct(left: pa.StructType, right: pa.StructType, union_fields: bool) -> pa.DataType:
    fields = {left.field(i).name: left.field(i).type for i in range(left.num_fields)}
    others = {right.field(i).name: right.field(i).type for i in range(right.num_fields)}
    for name, kind in others.items():
        if name in fields:
            fields[name] = widen(fields[name], kind, union_fields=union_fields)
        else:
            fields[name] = kind
    one_sided = set(_names(left)) ^ set(_names(right))
    lacking = {name for name in one_sided if not pa.types.is_null(fields[name])}
    if lacking and not union_fields:
        raise TypeError(f"{left} and {right} (field {min(lacking)!r} is in one only)")
    return pa.struct(list(fields.items()))


def _names(kind: pa.StructType) -> list[str]:
    return [kind.field(i).name for i in range(kind.num_fields)]


def _owner(known_in: str, known: pa.DataType, name: str) -> str:
    return name if pa.types.is_null(known) else known_in


def _agree(
    column: str, known_in: str, known: pa.DataType, name: str, kind: pa.DataType, union: bool
) -> pa.DataType:
    try:
        return widen(known, kind, union_fields=union)
    except TypeError as error:
        where = f"in {known_in}" if known_in != name else "elsewhere in the same file"
        hint = ", or pass --union-columns" if "is in one only" in str(error) else ""
        raise InputError(
            f"column {column!r} is {plain_type(kind)}, but {known} {where}",
            path=name,
            remedy=f"write the column with one type everywhere{hint}; of chats 'thresher convert' "
            "makes one format first",
        ) from error


def check_unique(name: str, schema: pa.Schema) -> None:
    """Refuse a file in which two columns have one name.

    Raises:
        InputError: Naming the column.
    """
    seen: set[str] = set()
    for column in schema.names:
        if column in seen:
            raise InputError(f"column {column!r} occurs twice", path=name, remedy="rename one")
        seen.add(column)


def _check_missing(
    name: str, schema: pa.Schema, columns: dict[str, tuple[str, pa.DataType]]
) -> None:
    missing = [c for c in columns if c not in schema.names and not pa.types.is_null(columns[c][1])]
    if not missing:
        return
    column = missing[0]
    extra = [c for c in schema.names if c not in columns or columns[c][0] == name]
    near = difflib.get_close_matches(column, extra or [], 1, 0.5)
    renamed = f"; it has {near[0]!r}" if near else ""
    raise InputError(
        f"column {column!r} of {columns[column][0]} is missing{renamed}",
        path=name,
        remedy="rename it, or pass --union-columns to read it as nulls",
    )


def _check_text(
    schema: pa.Schema, text_columns: Sequence[str], schemas: Sequence[NamedSchema]
) -> None:
    for column in text_columns:
        first = schemas[0][0] if schemas else None
        if column not in schema.names:
            near = difflib.get_close_matches(column, schema.names, 1)
            guess = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(
                f"no column {column!r}; there are {', '.join(map(repr, schema.names))}",
                path=first,
                remedy=f"{guess}set --text-column",
            )
        kind = schema.field(column).type
        if not has_bytes(kind) or kind in (pa.binary(), pa.large_binary()):
            raise InputError(
                f"column {column!r} is {kind}, expected string",
                path=first,
                remedy="set --text-column",
            )


def value_bytes(array: pa.Array) -> Sizes:
    """Return the bytes of each value; the same for any layout of the same values."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _coded_bytes(array)
    if pa.types.is_struct(kind):
        total = np.zeros(len(array), np.int64)
        for child in array.flatten():
            total += value_bytes(child)
        return total
    if pa.types.is_map(kind):
        pair = pa.struct([("key", kind.key_type), ("value", kind.item_type)])
        array = array.cast(pa.list_(pair))
    if _is_list(array.type):
        lengths = _numpy(pc.fill_null(pc.list_value_length(array), 0))
        inner = np.concatenate([[0], np.cumsum(value_bytes(array.flatten()))])
        ends = np.cumsum(lengths)
        sizes: Sizes = inner[ends] - inner[ends - lengths]
        return sizes
    if has_bytes(kind):
        return _numpy(pc.fill_null(pc.binary_length(array), 0))
    width = 1 if pa.types.is_null(kind) else max(1, kind.bit_width // 8)
    return np.full(len(array), width, np.int64)


def _coded_bytes(array: pa.DictionaryArray) -> Sizes:
    if not len(array.dictionary):
        return np.zeros(len(array), np.int64)
    sizes = value_bytes(array.dictionary)[_numpy(pc.fill_null(array.indices, 0))]
    return np.where(_numpy(array.is_valid()), sizes, 0)


def _numpy(array: pa.Array) -> Sizes:
    values: Sizes = array.to_numpy(zero_copy_only=False).astype(np.int64)
    return values


def has_bytes(kind: pa.DataType) -> bool:
    """Tell whether values of the type are strings or binary."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )
