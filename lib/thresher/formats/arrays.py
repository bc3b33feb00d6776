"""Arrow columns as readers want them: strings of one type, lists as offsets and values, anything as
JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.turns import STRING

Column = np.ndarray[Any, Any]


def is_string(kind: pa.DataType) -> bool:
    """Tell whether values are strings, or nothing but nulls."""
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
    )


def is_list(kind: pa.DataType) -> bool:
    """Tell whether values are lists."""
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def strings(array: pa.Array) -> pa.Array:
    """Return a string column as large strings; offsets are widened, bytes are not copied."""
    return array if array.type == STRING else array.cast(STRING)


def column(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Return a column, null where the batch lacks it."""
    index = batch.schema.get_field_index(name)
    return pa.nulls(len(batch)) if index < 0 else batch.column(index)


def truth(array: Any) -> Column:
    """Return a boolean Arrow array as a mask; null is false."""
    mask: Column = np.asarray(pc.fill_null(array, False))
    return mask


def nulls(array: pa.Array) -> Column:
    """Return the mask of nulls."""
    if not array.null_count:
        return np.zeros(len(array), bool)
    return truth(array.is_null())


def parts_of(array: pa.Array) -> tuple[Column, pa.Array]:
    """Return the offsets (int64) and the values of a list column; a null list is empty."""
    if pa.types.is_null(array.type):
        return np.zeros(len(array) + 1, np.int64), pa.nulls(0)
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), array.flatten()


def children(array: pa.Array) -> dict[str, pa.Array]:
    """Return the fields of a struct column by name, null where the struct is."""
    if not pa.types.is_struct(array.type):
        return {}
    names = [array.type.field(i).name for i in range(array.type.num_fields)]
    return dict(zip(names, array.flatten(), strict=True))


def dump(value: Any) -> str:
    """Write a value as JSON the way `json.dumps` does, letters as they are."""
    return json.dumps(value, ensure_ascii=False)


def without_nulls(value: Any) -> Any:
    """Drop null fields of objects at any depth: Arrow gives every row the fields of all rows."""
    if isinstance(value, Mapping):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    return value


def row_as_json(row: Mapping[str, Any]) -> str:
    """Write a row for the quarantine: columns that are null are said, fields inside them dropped,
    since Arrow gives every row the fields of all rows."""
    whole = {name: without_nulls(value) for name, value in row.items()}
    return json.dumps(whole, ensure_ascii=False, default=str)


def removed_as_json(row: Mapping[str, Any]) -> str:
    """Write a row that is removed from a file whose columns the output does not have."""
    return json.dumps(without_nulls(row), ensure_ascii=False, default=str)


def json_text(array: pa.Array) -> pa.Array:
    """Return values as JSON text; strings are taken for JSON already, null fields are dropped."""
    if is_string(array.type):
        return strings(array)
    values = array.to_pylist()
    return pa.array([None if v is None else dump(without_nulls(v)) for v in values], STRING)


def join_columns(columns: list[pa.Array], separator: str) -> pa.Array:
    """Join the texts of each row, without those that are null; null where all are.

    Arrow's own join drops the rows in which every text is null, so it is given the others only.
    """
    if len(columns) == 1:
        return columns[0]
    there = ~np.logical_and.reduce([nulls(column) for column in columns])
    if not there.all():
        columns = [column.filter(pa.array(there)) for column in columns]
    joined = pc.binary_join_element_wise(
        *columns, pa.scalar(separator, columns[0].type), null_handling="skip"
    )
    if there.all():
        return joined
    places = np.cumsum(there) - 1
    return joined.take(pa.array(places, mask=~there))
