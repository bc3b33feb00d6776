"""What a version keeps for the next night, in `index/`.

    index/tasks.parquet              a line a task: the keys of what it read, noted and wrote
    index/notes/KEY/...              what the pass over the text noted of one task's rows
    index/asides/KEY/...             what the report counts of them
    index/tables/STEP/NAME.parquet   what a step keeps

Notes are base and delta at once: a night adds the files of new tasks and leaves out those of tasks
that are gone. All names hold what the files are made of and no number of a task.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

import pyarrow as pa

from thresher.errors import InputError
from thresher.parquet import PartWriter, read_table
from thresher.stage import Receipt
from thresher.store import Store
from thresher.versions.reading import Version

INDEX = "index"
TASKS = f"{INDEX}/tasks.parquet"
NOTES = f"{INDEX}/notes"
ASIDES = f"{INDEX}/asides"
TABLES = f"{INDEX}/tables"
LINES = pa.schema(
    [
        (name, pa.string())
        for name in ("peeked_key", "peeked", "read_key", "read", "written_key", "written")
    ]
)
_NUMBER = re.compile(r"-\d{5,}(\.[a-z]+)$")


class Line(NamedTuple):
    """What is kept of one task.

    Attributes:
        peeked_key: What the formats of its files were found by; empty where no file begins in it.
        peeked: What was found, as JSON.
        read_key: What its notes are made of.
        read: By stage, as JSON, the receipts of the pass over the text and of what followed from
            its notes alone; their files by their names below the notes.
        written_key: What its parts are made of.
        written: The receipt of the writing, its parts by their names in the version.
    """

    peeked_key: str
    peeked: str
    read_key: str
    read: str
    written_key: str
    written: str

    def noted(self) -> dict[str, Receipt]:
        """Return the receipts by stage."""
        told = json.loads(self.read)
        return {stage: Receipt.from_bytes(receipt.encode()) for stage, receipt in told.items()}

    def notes(self) -> list[str]:
        """Return the names in the index of its notes."""
        receipts = self.noted().values()
        return [f"{NOTES}/{self.read_key}/{f.name}" for receipt in receipts for f in receipt.files]

    def asides(self) -> list[str]:
        """Return the names in the index of what the report counts."""
        found = json.loads(self.written)["facts"]["besides"].values()
        return [value for told in found for value in told.values() if is_aside(value)]

    def names(self) -> list[str]:
        """Return all names in the index."""
        return [*self.notes(), *self.asides()]


def is_aside(value: object) -> bool:
    """Say whether a fact names a file in the index."""
    return isinstance(value, str) and value.startswith(f"{ASIDES}/")


def without_number(name: str) -> str:
    """Return a stage file's name without the task's number."""
    found, count = _NUMBER.subn(r"\1", name)
    assert count == 1, name
    return found


def with_number(name: str, task: int) -> str:
    """Put a task's number into what `without_number` returned."""
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}-{task:05d}{path.suffix}"))


def read_lines(version: Version | None) -> list[Line]:
    """Return what a version keeps, by its task."""
    if version is None or TASKS not in version.files:
        return []
    return lines_in(version.read(TASKS), f"{TASKS} of version {version.number}")


def lines_in(data: bytes, where: str) -> list[Line]:
    """Read the lines of tasks.

    Raises:
        InputError: They are damaged.
    """
    columns = _table(data, where).to_pydict()
    return [Line(*line) for line in zip(*(columns[name] for name in LINES.names), strict=True)]


def write_lines(store: Store, lines: Iterable[Line]) -> None:
    """Write the lines of tasks into the folder of a run."""
    columns = list(zip(*lines, strict=True)) or [() for _ in LINES.names]
    arrays = [pa.array(column, pa.string()) for column in columns]
    _write(store, TASKS, pa.table(arrays, schema=LINES))


def table_names(version: Version | None) -> dict[tuple[str, str], str]:
    """Return the names of the tables of steps, by (step, name)."""
    found = {}
    for name in version.names(f"{TABLES}/") if version is not None else ():
        path = PurePosixPath(name)
        found[path.parent.name, path.stem] = name
    return found


def read_tables(version: Version | None) -> dict[tuple[str, str], pa.Table]:
    """Read what steps kept, hashes checked."""
    return {
        key: _table(version.read(name), f"{name} of version {version.number}")
        for key, name in table_names(version).items()
        if version is not None
    }


def write_tables(store: Store, tables: Mapping[tuple[str, str], pa.Table]) -> None:
    """Write what steps keep into the folder of a run."""
    for (step, name), table in sorted(tables.items()):
        _write(store, f"{TABLES}/{step}/{name}.parquet", table)


def _table(data: bytes, where: str) -> pa.Table:
    try:
        return read_table(io.BytesIO(data))
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{where} cannot be read ({error})") from error


def _write(store: Store, name: str, table: pa.Table) -> None:
    with (
        store.writing(name) as path,
        PartWriter(str(path), table.schema, table.schema.names) as part,
    ):
        part.write(table.combine_chunks())
        part.close()
