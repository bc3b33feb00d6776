"""What becomes of a task's rows, as one digest: equal digests of equal rows mean equal parts.

It is computed from events and notes alone, so that a night knows which parts would come out as they
were before it reads a row.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.stage import Receipt, Task
from thresher.steps.reading import ReadTask
from thresher.steps.recipe_writing import RecipeWrite
from thresher.steps.split_log import encode_schema
from thresher.store import Store

DIGEST = "digest"


def digest_fates(how: RecipeWrite, store: Store, folder: str, task: Task) -> Receipt:
    """State as the fact `digest` all that the parts of a task depend on, beside the rows as they
    were read, the columns and the settings."""
    read: ReadTask = task.payload
    said = hashlib.sha256()
    rows = 0
    for step in how.steps:
        events = step.events(store, task.index)
        rows += len(events)
        said.update(digest_table(events))
    for number, beside in sorted(how.besides.items()):
        said.update(f"{number} {beside.name} {beside.made_of(store, task.index)}\n".encode())
    if how.where is not None:
        said.update(folder.encode())  # where a row goes may hang on any other row
    if how.copies is not None:
        said.update(how.copies.copies(store, task.index).astype(np.int64).tobytes())
    low, high = np.searchsorted(how.rows.starts, np.array(docid.task_range(task.index), np.uint64))
    bases = how.rows.bases[low:high].tolist()
    for file, base in zip(read.files, bases, strict=True):
        said.update(f"{file.name}\n{base}\n".encode())
    return Receipt(task=task.index, rows_in=rows, facts={DIGEST: said.hexdigest()})


def written_by(how: RecipeWrite) -> list[str]:
    """Return what parts depend on that is the same for all tasks."""
    conversion = how.form.conversion
    if conversion is None:
        return [how.schema_text]
    return [
        how.form.converts,
        conversion.target,
        *(_stable(getattr(conversion.how, field.name)) for field in fields(conversion.how)),
        encode_schema(conversion.extra),
        encode_schema(conversion.schema),
        str(sorted(conversion.as_json)),
        conversion.order,
        conversion.pairs,
    ]


def _stable(value: Any) -> str:
    """Return a value as text; sets have no order of their own."""
    return repr(sorted(value, key=repr) if isinstance(value, set | frozenset) else value)


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
