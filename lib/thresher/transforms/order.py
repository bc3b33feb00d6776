"""The one total order of rows: who is kept when two are alike.

Source priority, then the keep criterion, then a 128-bit hash of the compared bytes, then the
document id. The last one decides only between rows whose compared bytes are equal. Smaller is
earlier and is kept. Where the order goes by arrival, the night in which a text was first seen comes
before all of these (`thresher.transforms.arrivals`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Column = np.ndarray[Any, Any]
LAST = np.uint64(0xFFFFFFFFFFFFFFFF)


def longest_first(text_bytes: Column) -> Column:
    """Return uint64 keys that put long texts first; lengths in bytes."""
    keys: Column = LAST - text_bytes.astype(np.uint64)
    return keys


def largest_first(column: pa.Array) -> Column:
    """Return uint64 keys that put large values first; nulls and NaN come last.

    Args:
        column: Integers, floats, booleans, dates, timestamps, or strings that hold ISO 8601 times.

    Raises:
        ValueError: The values have no order that is understood.
    """
    if pa.types.is_null(column.type):
        return np.full(len(column), LAST)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = _times(pc.cast(column, pa.string()))
    if pa.types.is_floating(column.type):
        return _float_keys(column)
    if pa.types.is_uint64(column.type):
        filled = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
        keys: Column = LAST - filled
    else:
        keys = _integer_keys(column)
    keys[np.asarray(pc.is_null(column))] = LAST
    return keys


def _times(strings: pa.Array) -> pa.Array:
    """Read ISO 8601 times, each with or without a zone; those without are taken as UTC."""
    zoned = pc.match_substring_regex(strings, r"(Z|[+-]\d\d(:?\d\d)?)$")
    zoned = pc.and_(zoned, pc.match_substring_regex(strings, r"\d[T ]\d"))  # 2024-01-31 has no zone
    try:
        plain = pc.cast(pc.if_else(zoned, None, strings), pa.timestamp("us"))
        with_zone = pc.cast(pc.if_else(zoned, strings, None), pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid as error:
        raise ValueError(f"strings that are not ISO 8601 times ({error})") from error
    return pc.coalesce(plain, with_zone.cast(pa.timestamp("us")))


def _integer_keys(column: pa.Array) -> Column:
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        column = column.cast(pa.timestamp("us", tz=getattr(kind, "tz", None)), safe=False).cast(
            pa.int64()
        )
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        column = column.cast(pa.int64())
    else:
        raise ValueError(f"values of type {kind} have no order")
    values = pc.fill_null(column, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    keys: Column = ~(values.view(np.uint64) ^ np.uint64(1 << 63))
    return keys


def _float_keys(column: pa.Array) -> Column:
    values = pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(zero_copy_only=False)
    values = values + 0.0  # minus zero and zero are one value
    bits = values.view(np.uint64)
    negative = (bits >> np.uint64(63)).astype(bool)
    ascending = np.where(negative, ~bits, bits | np.uint64(1 << 63))
    keys: Column = ~ascending
    keys[np.isnan(values)] = LAST
    return keys
