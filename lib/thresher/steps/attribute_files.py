"""Attribute files: what is known of every row of a task after the pass over the text.

Shapes: D rows of a task, B bands.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher.steps.spread import matrix
from thresher.store import Store

Column = np.ndarray[Any, Any]


class TaskAttributes(NamedTuple):
    """The attributes of all rows of a task, by row number.

    Args:
        status: (D,) uint8.
        bytes_hash: (D, 2) uint64 of the compared bytes.
        word_hash: (D, 2) uint64 of the word sequence, or of the bytes in an exact job.
        keep: (D,) uint64 keep key, smaller is kept.
        num_words: (D,) uint32.
        bands: (D, B) uint64.
        pictures: (D, 8) uint64, one bit of 512 for each shingle.
        signatures: (D, P) uint32, P = 0 where they are not kept.
        ids: The id column as strings, or None.
    """

    status: Column
    bytes_hash: Column
    word_hash: Column
    keep: Column
    num_words: Column
    bands: Column
    pictures: Column
    signatures: Column
    ids: pa.Array | None


def attribute_name(folder: str, task: int) -> str:
    """Return the name of a task's attribute file."""
    return f"{folder}/part-{task:05d}.arrow"


def load_attributes(store: Store, folder: str, task: int) -> TaskAttributes:
    """Read a task's attribute file, mapped from disk where it is one batch."""
    with pa.memory_map(str(store.path(attribute_name(folder, task)))) as source:
        table = pa.ipc.open_file(source).read_all()
    near = "bands" in table.column_names
    nothing = np.zeros((table.num_rows, 0), np.uint64)
    return TaskAttributes(
        _flat(table, "status"),
        _matrix(table, "bytes_hash"),
        _matrix(table, "word_hash"),
        _flat(table, "keep"),
        _flat(table, "num_words"),
        _matrix(table, "bands") if near else nothing,
        _matrix(table, "picture") if near else nothing,
        _matrix(table, "signature") if "signature" in table.column_names else nothing,
        table.column("id").combine_chunks() if "id" in table.column_names else None,
    )


def _flat(table: pa.Table, name: str) -> Column:
    chunks = [c.to_numpy() for c in table.column(name).chunks]
    if len(chunks) == 1:
        only: Column = chunks[0]
        return only
    nothing: Column = np.zeros(0, table.schema.field(name).type.to_pandas_dtype())
    return np.concatenate(chunks) if chunks else nothing


def _matrix(table: pa.Table, name: str) -> Column:
    chunks = [matrix(c) for c in table.column(name).chunks]
    if len(chunks) == 1:
        return chunks[0]
    kind = table.schema.field(name).type
    nothing = np.zeros((0, kind.list_size), kind.value_type.to_pandas_dtype())
    return np.concatenate(chunks) if chunks else nothing
