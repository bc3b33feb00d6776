"""What a job writes for its users: the folders, the columns that are the same in every job, and the
parts of one task."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from thresher.formats.arrays import row_as_json
from thresher.parquet import PartWriter
from thresher.store import Published, Store, sync_file

FOLDERS = ("data", "removed", "quarantine", "ledger")
PROOF = (
    pa.field("_row_id", pa.string()),
    pa.field("_removed_by", pa.string()),
    pa.field("_reason", pa.string()),
    pa.field("_matched_id", pa.string()),
    pa.field("_score", pa.float64()),
)
AS_JSON = pa.schema([("row", pa.string())])  # removed rows whose files have columns of their own
QUARANTINE = pa.schema(
    [
        ("_row_id", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("error", pa.string()),
        ("raw", pa.binary()),
    ]
)
LEDGER = pa.schema(
    [
        ("_row_id", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("matched_id", pa.string()),
        ("score", pa.float64()),
    ]
)
VERDICT_NAMES = pa.array(["kept", "removed", "quarantined"])


class Output(NamedTuple):
    """One folder's columns, and the paths of those leaves that hold long text."""

    columns: pa.Schema
    texts: Sequence[str] = ()


def part(folder: str, task: int) -> str:
    """Return the name of an output part."""
    return f"{folder}/part-{task:05d}.parquet"


def rows_as_json(batch: pa.RecordBatch) -> list[bytes]:
    """Return rows as JSON, for the quarantine: a row that no format can read has no text."""
    return [row_as_json(row).encode("utf-8", "replace") for row in batch.to_pylist()]


class PartSet:
    """The parts of one task, one in each folder, published together at the end.

    Args:
        store: Where they are written.
        task: The task's number, which is the parts'.
        outputs: By folder, what its part holds.
    """

    def __init__(self, store: Store, task: int, outputs: Mapping[str, Output]) -> None:
        self._stack = contextlib.ExitStack()
        self._open: dict[str, tuple[str, Any, PartWriter]] = {}
        for folder, output in outputs.items():
            name = part(folder, task)
            path = self._stack.enter_context(store.writing(name))
            writer = PartWriter(str(path), output.columns, output.texts)
            self._open[folder] = (name, path, self._stack.enter_context(writer))

    def __enter__(self) -> PartSet:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def write(self, folder: str, batch: pa.RecordBatch) -> None:
        """Append rows to one part."""
        if len(batch):
            self._open[folder][2].write(batch)

    def finish(self) -> tuple[Published, ...]:
        """Close all parts, sync them and say what they are; one compresses while another is
        synced."""
        with ThreadPoolExecutor(len(self._open)) as pool:
            return tuple(pool.map(_closed, *zip(*self._open.values(), strict=True)))


def _closed(name: str, path: Path, writer: PartWriter) -> Published:
    written = writer.close()
    sync_file(path)
    return Published(name, written.bytes, written.sha256)


def long_leaves(columns: pa.Schema) -> list[str]:
    """List the paths of the leaves that hold long text; roles and types of parts are better
    coded."""
    return [leaf for field in columns for leaf in _leaves(field.name, field.type)]


def _leaves(path: str, kind: pa.DataType) -> Iterator[str]:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            field = kind.field(i)
            if field.name not in ("role", "from", "type"):
                yield from _leaves(f"{path}.{field.name}", field.type)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield path
