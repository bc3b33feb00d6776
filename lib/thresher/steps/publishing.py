"""The data of a result as it is published: parts copied to their place, or written as JSON lines
before."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa

from thresher.errors import ConfigError
from thresher.parquet import read_table
from thresher.stage import Receipt, Task
from thresher.store import Published, Store, hash_file
from thresher.versions.objects import Objects

ROWS_AT_ONCE = 4096


def copy_parts(objects: Objects, source: str, store: Store, folder: str, task: Task) -> Receipt:
    """Copy a task's files.

    Args:
        objects: Where to.
        source: The folder that they lie in; empty for the store's own.
        store: Where from.
        folder: Of the stage.
        task: Its payload names the files as they are to be called.
    """
    size = 0
    for name in task.payload:
        path = store.path(f"{source}/{name}" if source else name)
        objects.put_file(name, path)
        size += path.stat().st_size
    return Receipt(task=task.index, bytes_in=size)


def write_lines(store: Store, folder: str, task: Task) -> Receipt:
    """Write a task's Parquet files as JSON lines. One without rows is left out: readers take an
    empty file for a broken one.

    Raises:
        ConfigError: A column holds bytes.
    """
    files: list[Published] = []
    rows = 0
    for name in task.payload:
        table = read_table(str(store.path(name)))
        if not len(table):
            continue
        _check_columns(table.schema)
        target = f"{folder}/{name.removesuffix('.parquet')}.jsonl"
        with store.writing(target) as path, open(path, "wb") as sink:
            for batch in table.to_batches(max_chunksize=ROWS_AT_ONCE):
                sink.writelines(map(as_line, batch.to_pylist()))
        size, sha256 = hash_file(store.path(target))
        files.append(Published(target, size, sha256))
        rows += len(table)
    return Receipt(task=task.index, rows_in=rows, rows_out=rows, files=tuple(files))


def as_line(row: dict[str, Any]) -> bytes:
    """Write a row as a line of JSON; nulls stay, so that all lines have the same keys. JSON knows
    no NaN and no infinity: they are null."""
    try:
        text = json.dumps(row, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        text = json.dumps(_finite(row), ensure_ascii=False, default=str)
    return text.encode("utf-8", "replace") + b"\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _check_columns(schema: pa.Schema) -> None:
    for field in schema:
        if _holds_bytes(field.type):
            raise ConfigError(
                f"column '{field.name}' holds bytes, which JSON lines cannot",
                remedy="export it with form: parquet, or drop the column",
            )


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return True
    if pa.types.is_fixed_size_binary(kind) and not pa.types.is_decimal(kind):
        return True
    return any(_holds_bytes(kind.field(number).type) for number in range(kind.num_fields))
