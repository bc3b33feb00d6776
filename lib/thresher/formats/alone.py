"""Rows as they would be if they stood alone: without what other rows gave the schema.

The text of a row then depends on the row and the formats of its file, not on which rows stand
beside it, nor on columns and fields that other files brought.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import is_list
from thresher.formats.catalogue import FORMATS
from thresher.formats.turns import STRING

# Objects whose keys are the data's own: Arrow knows them as structs with the fields of all rows.
OPEN_OBJECTS = ("arguments", "parameters", "tools")


def known_columns(names: Iterable[str] | None) -> Iterator[str]:
    """Yield the columns of some formats; one that several have comes several times."""
    for name in names or ():
        yield from FORMATS[name].required
        yield from FORMATS[name].optional


def alone(batch: pa.RecordBatch, names: Iterable[str], *, extra: bool = False) -> pa.RecordBatch:
    """Return the columns that formats know, as they would be if the rows were alone.

    Args:
        batch: The rows.
        names: The formats that they may have.
        extra: Keep the columns that no format knows too, as they are.
    """
    columns: dict[str, pa.Array] = {}
    for name in known_columns(names):
        index = batch.schema.get_field_index(name)
        columns[name] = pa.nulls(len(batch)) if index < 0 else _plain(name, batch.column(index))
    if extra:
        others = zip(batch.schema.names, batch.columns, strict=True)
        columns |= {name: array for name, array in others if name not in columns}
    return pa.RecordBatch.from_pydict(columns)


def _plain(name: str, array: pa.Array) -> pa.Array:
    """Make a column without values null, write objects with keys of their own as JSON text, and
    drop fields that no row fills."""
    if array.null_count == len(array):
        return pa.nulls(len(array))
    if name in OPEN_OBJECTS and pa.types.is_nested(array.type):
        return pa.array([_as_text(value) for value in array.to_pylist()], STRING)
    return _filled(array)


def _filled(array: pa.Array) -> pa.Array:
    """Drop the fields of objects, at any depth, that no row fills."""
    if pa.types.is_struct(array.type):
        return _filled_struct(array)
    if not is_list(array.type):
        return array
    values = array.flatten()
    filled = _filled(values)
    if filled is values:
        return array
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    mask = array.is_null() if array.null_count else None
    return pa.LargeListArray.from_arrays(offsets, filled, mask=mask)


def _filled_struct(array: pa.StructArray) -> pa.Array:
    names = [array.type.field(i).name for i in range(array.type.num_fields)]
    found = array.flatten()
    made = [_plain(name, child) for name, child in zip(names, found, strict=True)]
    filled = [i for i, child in enumerate(made) if not pa.types.is_null(child.type)]
    if not filled or (
        len(filled) == len(names) and all(m is f for m, f in zip(made, found, strict=True))
    ):
        return array
    mask = array.is_null() if array.null_count else None
    kept = [made[i] for i in filled]
    return pa.StructArray.from_arrays(kept, [names[i] for i in filled], mask=mask)


def _as_text(value: Any) -> str | None:
    """Write an object as JSON that its row decides alone: the fields and number types of other
    rows, and the order in which they were seen, leave no mark."""
    if value is None:
        return None
    return json.dumps(_canonical(value), ensure_ascii=False, sort_keys=True, default=str)


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _canonical(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_canonical(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
