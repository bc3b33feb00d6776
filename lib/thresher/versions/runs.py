"""What a rebuilt data set keeps (keys, shingles, ledger): an immutable base and runs on top of it.

    index/NAME/runs.json                    the layout, and the files in use
    index/NAME/00000003-00007.parquet       what run 3 brought to partition 7, sorted by key
    index/NAME/00000003-00007-base.parquet  all of partition 7 as of run 3
    index/NAME/00000003-deleted.parquet     what run 3 deleted, sorted

A run writes what it brings and deletes; readers merge. A partition whose runs outgrow a share of
its base is written anew as a base, with the run at hand. All files are Parquet with the settings of
every part that Thresher writes, and are read whole, their hashes checked.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher.errors import ConfigError, InputError
from thresher.parquet import PartWriter, read_table
from thresher.versions.merging import Column, Layout, Run, deletions, matching, merge, partition_of
from thresher.versions.reading import Version
from thresher.versions.settings import differing
from thresher.versions.writing import Writer

FORMAT = 1
SHARE = (
    0.25  # of a partition's base, in bytes: a row is rewritten about four times as the base grows
)
MOST_RUNS = 16  # on one base: a reader opens no more files than that a partition


class Part(NamedTuple):
    """A file of one run.

    Attributes:
        run: The number of the run.
        name: In the version.
        rows: Rows it holds.
        bytes: Its size.
        base: Whether it replaces all that is older in its partition.
    """

    run: int
    name: str
    rows: int
    bytes: int
    base: bool


@dataclass
class Moved:
    """Files and bytes that went to and fro, for a report."""

    files_read: int = 0
    bytes_read: int = 0
    files_written: int = 0
    bytes_written: int = 0


@dataclass
class Runs:
    """A table of runs at one version.

    Args:
        layout: What it looks like.
        version: Where its files are; None before the first run.

    Attributes:
        parts: By partition, the oldest first.
        deleted: Lists of deletions, the oldest first.
        last: The number of the newest run.
        moved: What was read and written through this object.
    """

    layout: Layout
    version: Version | None = None
    parts: list[list[Part]] = field(default_factory=list)
    deleted: list[Part] = field(default_factory=list)
    last: int = 0
    moved: Moved = field(default_factory=Moved)
    _lists: dict[str, pa.Table] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, layout: Layout, version: Version | None) -> Runs:
        """Open the table as a version holds it; an empty one where it holds none.

        Raises:
            ConfigError: It was made with another layout; both are told.
            InputError: It is damaged.
        """
        runs = cls(layout, version, [[] for _ in range(layout.partitions)])
        name = _index_name(layout)
        if version is None or name not in version.files:
            return runs
        found = json.loads(runs._bytes(name))
        if found.get("format") != FORMAT:
            raise ConfigError(f"{name} is of format {found.get('format')!r}, not {FORMAT}")
        told = differing(found["layout"], layout.told())
        if told:
            raise ConfigError(
                f"{layout.name} of version {version.number} has another layout: {'; '.join(told)}",
                path=version.objects.address,
                remedy="use the old settings, or another --store",
            )
        for partition, parts in found["parts"].items():
            runs.parts[int(partition)] = [Part(*part) for part in parts]
        runs.deleted = [Part(*part) for part in found["deleted"]]
        runs.last = found["last"]
        return runs

    @property
    def rows(self) -> int:
        """Rows in all files; more than there are, where some were replaced or deleted."""
        return sum(part.rows for parts in self.parts for part in parts)

    def read(self, partition: int, columns: list[str] | None = None) -> pa.Table:
        """Read one partition as it stands, sorted by key.

        Args:
            partition: Its number.
            columns: What to return; key and deletion columns are read in any case.
        """
        table = self._merged(partition, [], columns)
        return table if columns is None else table.select(columns)

    def scan(self, columns: list[str] | None = None) -> Iterator[tuple[int, pa.Table]]:
        """Read all partitions, one after the other."""
        for partition in range(self.layout.partitions):
            yield partition, self.read(partition, columns)

    def find(self, values: Column, columns: list[str] | None = None) -> pa.Table:
        """Return the rows whose first key column is among some values; only their partitions are
        read."""
        values = np.unique(values)
        where = partition_of(self.layout, values)
        wanted = self._columns(columns)
        found = [
            matching(self.layout, self._merged(p, [], columns), values[where == p])
            for p in np.unique(where).tolist()
        ]
        schema = pa.schema([self.layout.schema.field(name) for name in wanted])
        table = pa.concat_tables(found) if found else schema.empty_table()
        return table if columns is None else table.select(columns)

    def update(
        self,
        writer: Writer,
        rows: Iterable[tuple[int, pa.Table]] = (),
        deleted: pa.Table | None = None,
        *,
        share: float = SHARE,
    ) -> None:
        """Write one run to a writer that plans on this very version: what it deletes of all older
        rows, and what it brings.

        Args:
            writer: Takes the files, the old ones that stay in use too.
            rows: By partition, as `cut` returns them; each partition once.
            deleted: Rows that hold the columns to delete by.
            share: From which share of its base on a partition is written anew.
        """
        assert (writer.base and writer.base.number) == (self.version and self.version.number)
        before = {part.name for part in self._all()}
        self.last += 1
        gone = None if deleted is None else deletions(self.layout, deleted)
        if gone is not None and len(gone):
            name = f"{_folder(self.layout)}/{self.last:08d}-deleted.parquet"
            self.deleted.append(self._write(writer, name, gone, base=False))
            self._lists[name] = gone
        everywhere = sum(part.rows for part in self.deleted) > share * self.rows
        left = set(range(self.layout.partitions)) if everywhere else set()
        for partition, table in rows:
            self._bring(writer, partition, table, share, anew=everywhere)
            left.discard(partition)
        for partition in sorted(left):
            if any(part.run < self.last for part in self.parts[partition]):
                self._compact(writer, partition, [])
        self._drop_spent()
        writer.keep(*(part.name for part in self._all() if part.name in before))
        self._save(writer)

    def _bring(
        self, writer: Writer, partition: int, table: pa.Table, share: float, *, anew: bool
    ) -> None:
        parts = self.parts[partition]
        delta = self._encode(table, self.layout.schema)
        base = sum(part.bytes for part in parts if part.base)
        above = sum(part.bytes for part in parts if not part.base) + len(delta)
        if not parts or anew or above > share * base or len(parts) > MOST_RUNS:
            self._compact(writer, partition, [Run(self.last, table)])
        elif len(table):
            name = f"{_folder(self.layout)}/{self.last:08d}-{partition:05d}.parquet"
            parts.append(self._put(writer, name, delta, len(table), base=False))

    def _compact(self, writer: Writer, partition: int, more: list[Run]) -> None:
        """Write a partition anew, with what is added to it, as of the run at hand."""
        table = self._merged(partition, more, None)
        self.parts[partition] = []
        if len(table):
            name = f"{_folder(self.layout)}/{self.last:08d}-{partition:05d}-base.parquet"
            self.parts[partition] = [self._write(writer, name, table, base=True)]

    def _drop_spent(self) -> None:
        """Forget deletions that nothing older is left for."""
        oldest = min((part.run for parts in self.parts for part in parts), default=self.last)
        self.deleted = [part for part in self.deleted if part.run > oldest]

    def _merged(self, partition: int, more: list[Run], columns: list[str] | None) -> pa.Table:
        parts = self.parts[partition]
        wanted = self._columns(columns)
        runs = [Run(part.run, self._table(part, wanted)) for part in parts] + more
        oldest = min((run.number for run in runs), default=self.last)
        lists = [Run(d.run, self._list(d)) for d in self.deleted if d.run > oldest]
        return merge(self._narrow(wanted), runs, lists)

    def _narrow(self, columns: list[str]) -> Layout:
        schema = pa.schema([self.layout.schema.field(name) for name in columns])
        return Layout(self.layout.name, schema, self.layout.key, self.layout.by, 1)

    def _columns(self, columns: list[str] | None) -> list[str]:
        if columns is None:
            return list(self.layout.schema.names)
        needed = {*columns, *self.layout.key, *self.layout.by}
        return [name for name in self.layout.schema.names if name in needed]

    def _list(self, part: Part) -> pa.Table:
        if part.name not in self._lists:
            self._lists[part.name] = self._table(part, list(self.layout.by))
        return self._lists[part.name]

    def _all(self) -> list[Part]:
        return [*(part for parts in self.parts for part in parts), *self.deleted]

    def _table(self, part: Part, columns: list[str]) -> pa.Table:
        try:
            return read_table(io.BytesIO(self._bytes(part.name)), columns)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{part.name} cannot be read ({error})") from error

    def _bytes(self, name: str) -> bytes:
        assert self.version is not None
        data = self.version.read(name)
        self.moved.files_read += 1
        self.moved.bytes_read += len(data)
        return data

    def _write(self, writer: Writer, name: str, table: pa.Table, *, base: bool) -> Part:
        return self._put(writer, name, self._encode(table, table.schema), len(table), base=base)

    def _encode(self, table: pa.Table, schema: pa.Schema) -> bytes:
        sink = io.BytesIO()
        with PartWriter(sink, schema, schema.names) as part:
            part.write(table)
            part.close()
        return sink.getvalue()

    def _put(self, writer: Writer, name: str, data: bytes, rows: int, *, base: bool) -> Part:
        writer.put(name, data, rows=rows)
        self.moved.files_written += 1
        self.moved.bytes_written += len(data)
        return Part(self.last, name, rows, len(data), base)

    def _save(self, writer: Writer) -> None:
        value: dict[str, Any] = {
            "format": FORMAT,
            "layout": self.layout.told(),
            "last": self.last,
            "parts": {str(n): parts for n, parts in enumerate(self.parts) if parts},
            "deleted": self.deleted,
        }
        data = json.dumps(value, indent=1).encode()
        writer.put(_index_name(self.layout), data)
        self.moved.files_written += 1
        self.moved.bytes_written += len(data)


def _folder(layout: Layout) -> str:
    return f"index/{layout.name}"


def _index_name(layout: Layout) -> str:
    return f"{_folder(layout)}/runs.json"
