"""Hashes of tables by their values alone."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid


def digest_table(table: pa.Table) -> bytes:
    """Return a hash of a table's values, whatever its layout and what lies under its nulls."""
    said = hashlib.sha256(f"{table.schema}\n{len(table)}\n".encode())
    for column in table.columns:
        values = column.combine_chunks()
        said.update(np.packbits(np.asarray(values.is_valid())).tobytes())
        for part in _plain(values):
            said.update(part)
    return said.digest()


def digest_lines(table: pa.Table) -> str:
    """Return a hash of lines about a task's rows, whatever the task's number."""
    rows = pa.array(docid.row_of(table.column("id").to_numpy()))
    return digest_table(table.set_column(table.schema.get_field_index("id"), "id", rows)).hex()


def _plain(values: pa.Array) -> list[Any]:
    """Return buffers that hold an array's values and nothing else."""
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        values = values.cast(pa.large_string() if pa.types.is_string(kind) else pa.large_binary())
        kind = values.type
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        values = pc.fill_null(values, "" if pa.types.is_large_string(kind) else b"")
        _, offsets, data = values.buffers()
        begin = values.offset
        places = np.frombuffer(offsets, np.int64)[begin : begin + len(values) + 1]
        held = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
        inside = held[places[0] : places[-1]] if len(values) else held[:0]
        return [np.diff(places).tobytes(), np.ascontiguousarray(inside)]
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = pc.fill_null(pc.list_value_length(values), 0).cast(pa.int64())
        return [lengths.to_numpy().tobytes(), digest_table(pa.table([values.flatten()], ["item"]))]
    filled = pc.fill_null(values, pa.scalar(0).cast(kind)) if values.null_count else values
    return [np.ascontiguousarray(filled.to_numpy(zero_copy_only=False))]
