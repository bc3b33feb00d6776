"""A 128-bit hash of a row's content: what its values are, not how a file lays them out.

Equal rows have equal hashes in every format and every batch. The order of columns and fields, a
column of nulls, the width of a number, large or dictionary-encoded strings make no difference; a
null is as good as a missing value. Nothing resists someone who builds collisions on purpose.

Shapes: R rows, V values of lists.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.text.sketch import sketch

Column = np.ndarray[Any, Any]
_U = np.uint64
_FMIX_A, _FMIX_B = _U(0xFF51AFD7ED558CCD), _U(0xC4CEB9FE1A85EC53)
_PLACE = _U(0x9E3779B97F4A7C15)
_INT64 = 2.0**63


def content_hashes(batch: pa.RecordBatch) -> Column:
    """Return the (R, 2) uint64 hashes of rows of any columns."""
    total: Column = np.zeros((len(batch), 2), _U)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        total += _named(name, column)
    return mixed(total)


def mixed(values: Column) -> Column:
    """Return MurmurHash3's fmix64 of each uint64, a bijection."""
    hashes: Column = values ^ (values >> _U(33))
    hashes *= _FMIX_A
    hashes ^= hashes >> _U(33)
    hashes *= _FMIX_B
    hashes ^= hashes >> _U(33)
    return hashes


@lru_cache(maxsize=4096)
def salts(name: str) -> tuple[np.uint64, np.uint64]:
    """Return two 64-bit numbers that a name stands for."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return _U(int.from_bytes(digest[:8], "little")), _U(int.from_bytes(digest[8:16], "little"))


def _named(name: str, array: pa.Array) -> Column:
    """Return what a column adds to its rows' sums; a null adds nothing."""
    if pa.types.is_null(array.type):
        return np.zeros((len(array), 2), _U)
    return _present(array, _salted(_values(array), f"name {name}"))


def _present(array: pa.Array, hashes: Column) -> Column:
    if array.null_count:
        hashes[np.asarray(array.is_null())] = 0
    return hashes


def _salted(hashes: Column, name: str) -> Column:
    return mixed(hashes + np.array(salts(name), _U))


def _values(array: pa.Array) -> Column:
    """Return a hash of each value; of nulls, anything."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return _values(array.storage)
    if pa.types.is_dictionary(kind):
        return _values(array.dictionary_decode())
    if pa.types.is_null(kind):
        return np.zeros((len(array), 2), _U)
    if pa.types.is_struct(kind):
        return _structs(array)
    if pa.types.is_map(kind):
        pair = pa.struct([("key", kind.key_type), ("value", kind.item_type)])
        return _lists(array.cast(pa.list_(pair)))
    if pa.types.is_fixed_size_list(kind):
        return _lists(array.cast(pa.large_list(kind.value_type)))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _lists(array)
    if pa.types.is_boolean(kind):
        return _salted(_twice(_filled(array.cast(pa.uint8())).astype(_U)), "truth")
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _numbers(array)
    return _texts(array)


def _texts(array: pa.Array) -> Column:
    """Hash strings and bytes by their bytes, dates and the like by how they are written."""
    kind = array.type
    if pa.types.is_date64(kind):
        array = array.cast(pa.date32())
    if pa.types.is_fixed_size_binary(kind) or pa.types.is_binary_view(kind):
        array = array.cast(pa.large_binary())
    elif not (_is_text(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        array = array.cast(pa.large_string())
    return sketch(array, n=1, with_words=False).bytes_hash


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _numbers(array: pa.Array) -> Column:
    """Hash whole numbers as such, whether they are stored as integers or as floats."""
    if pa.types.is_integer(array.type):
        return _salted(_twice(_filled(array).astype(_U)), "whole")
    values = _filled(array.cast(pa.float64()))
    whole = (np.abs(values) < _INT64) & (np.floor(values) == values)
    as_whole = np.where(whole, values, 0).astype(np.int64).view(_U)
    canonical = np.where(np.isnan(values), np.nan, values).view(_U)
    broken = _salted(_twice(canonical), "broken")
    return np.where(whole[:, None], _salted(_twice(as_whole), "whole"), broken)


def _filled(array: pa.Array) -> Column:
    if array.null_count:
        array = pc.fill_null(array, pa.scalar(0, array.type))
    values: Column = array.to_numpy(zero_copy_only=False)
    return values


def _twice(values: Column) -> Column:
    return np.stack([values, values], axis=1)


def _structs(array: pa.StructArray) -> Column:
    total: Column = np.zeros((len(array), 2), _U)
    for number, column in enumerate(array.flatten()):
        total += _named(array.type.field(number).name, column)
    return _salted(total, "fields")


def _lists(array: pa.Array) -> Column:
    """Hash lists by their values and places; sums over a list are differences of running sums."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    ends = np.cumsum(lengths, dtype=np.int64)
    values = array.flatten()  # the values of null lists are left out
    starts = np.repeat(ends - lengths, lengths)
    place = (np.arange(len(values)) - starts + 1).astype(_U) * _PLACE
    hashes = _present(values, _salted(_values(values), "item"))
    hashes = mixed(hashes + place[:, None])
    running = np.concatenate([np.zeros((1, 2), _U), np.cumsum(hashes, axis=0, dtype=_U)])
    sums = running[ends] - running[ends - lengths]
    return _salted(sums + lengths.astype(_U)[:, None] * _PLACE, "list")
