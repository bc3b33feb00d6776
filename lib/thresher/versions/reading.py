"""One version of a data set, as readers see it: the files of one record, whatever comes next.

Files are immutable, and a clean-up leaves those of a version that is in force, retained, or was
replaced less than the grace period ago. Every read is checked against the record.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from thresher.errors import InputError, StorageError
from thresher.store import Store, hash_file
from thresher.versions.manifest import File, Manifest, record_name
from thresher.versions.objects import Objects

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Version:
    """One whole version.

    Args:
        objects: Where it lies.
        manifest: Its record.
    """

    objects: Objects
    manifest: Manifest

    @property
    def number(self) -> int:
        """The number of the version."""
        return self.manifest.version

    @cached_property
    def files(self) -> dict[str, File]:
        """All files by name, in order of the names."""
        return {file.name: file for file in self.manifest.files}

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of the files below a prefix, sorted."""
        return [name for name in self.files if name.startswith(prefix)]

    def file(self, name: str) -> File:
        """Return what the record says of a file.

        Raises:
            StorageError: The version has none of that name.
        """
        try:
            return self.files[name]
        except KeyError as error:
            raise StorageError(
                f"version {self.number} has no file {name!r}", path=self.objects.address
            ) from error

    def address_of(self, name: str) -> str:
        """Return where a file's object lies; its name there is not the file's own."""
        return self.objects.address_of(self.file(name).path)

    def read(self, name: str) -> bytes:
        """Read a file whole, its hash checked.

        Raises:
            InputError: It is not what was written.
            StorageError: It is missing or unreadable.
        """
        file = self.file(name)
        data = self.objects.get(file.path)
        if data is None:
            raise self._missing(file)
        self._check(file, len(data), hashlib.sha256(data).hexdigest())
        return data

    def open(self, name: str) -> BinaryIO:
        """Open a file, its size checked; what it holds is for the caller to check (Parquet files
        of ours carry checksums a page)."""
        file = self.file(name)
        size = self.objects.size(file.path)
        if size is None:
            raise self._missing(file)
        self._check(file, size, file.sha256)
        return self.objects.open(file.path)

    def fetch(self, name: str, store: Store) -> None:
        """Copy a file under its name into a local folder, its hash checked on the way."""
        with store.writing(name) as target, open(target, "wb") as sink:
            self._copy(self.file(name), sink)

    @property
    def is_local(self) -> bool:
        """Whether files are given second names instead of copies."""
        return self._committed_ns is not None

    def is_at_rest(self, name: str) -> bool:
        """Say whether a file of a local store has its size and was not written to since the version
        was committed; of other stores nothing is known."""
        file = self.file(name)
        path = self.objects.path(file.path)
        if path is None or self._committed_ns is None:
            return False
        try:
            found = path.stat()
        except OSError:
            return False
        return found.st_size == file.bytes and found.st_mtime_ns < self._committed_ns

    @cached_property
    def _committed_ns(self) -> int | None:
        """When the record was written, by the clock of a local store's file system."""
        path = self.objects.path(record_name(self.number))
        return None if path is None else path.stat().st_mtime_ns

    def place(
        self, name: str, store: Store, at: str, fetched: Store, *, check: bool = True
    ) -> None:
        """Give a file a name in a local folder, its hash checked.

        A file of a local store gets a second name; another is fetched, unless it was before.

        Args:
            name: Of the file.
            store: The local folder.
            at: The name there.
            fetched: Keeps what is fetched, by hash.
            check: Whether to read the file for its hash; else its size alone is looked at. What is
                fetched now is checked in any case.

        Raises:
            InputError: It is not what was written.
            StorageError: It is missing or unreadable.
        """
        file = self.file(name)
        path = self.objects.path(file.path)
        if path is None:
            path = self._fetched(file, fetched, check)
        elif not path.exists():
            raise self._missing(file)
        else:
            self._check(file, *_size_and_hash(path, file, check))
        store.link(at, path)

    def _fetched(self, file: File, fetched: Store, check: bool) -> Path:
        """Return a local copy of a file, made unless there is a whole one."""
        path = fetched.path(file.sha256)
        whole = path.exists() and _size_and_hash(path, file, check) == (file.bytes, file.sha256)
        if not whole:
            with fetched.writing(file.sha256) as target, open(target, "wb") as sink:
                self._copy(file, sink)
        return path

    def verify(self) -> int:
        """Read every file and check its hash; returns the bytes read."""
        total = 0
        for file in {file.path: file for file in self.manifest.files}.values():
            total += self._copy(file, io.BytesIO())
        return total

    def _copy(self, file: File, sink: BinaryIO) -> int:
        if self.objects.size(file.path) is None:
            raise self._missing(file)
        digest, size = hashlib.sha256(), 0
        with self.objects.open(file.path) as source:
            for chunk in _chunks(source):
                digest.update(chunk)
                size += len(chunk)
                sink.write(chunk)
                if isinstance(sink, io.BytesIO):
                    sink.seek(0)
                    sink.truncate()
        self._check(file, size, digest.hexdigest())
        return size

    def _check(self, file: File, size: int, sha256: str) -> None:
        if (size, sha256) == (file.bytes, file.sha256):
            return
        what = f"has {size} bytes, not {file.bytes}" if size != file.bytes else "another hash"
        raise InputError(
            f"{file.name} of version {self.number} is damaged: {what} than when it was written",
            path=self.objects.address_of(file.path),
            remedy="roll back to a version that 'thresher versions --verify' finds whole",
        )

    def _missing(self, file: File) -> StorageError:
        return StorageError(
            f"{file.name} of version {self.number} is missing",
            path=self.objects.address_of(file.path),
            remedy="if 'thresher versions' says that the version was removed, take a later one",
        )


def _size_and_hash(path: Path, file: File, check: bool) -> tuple[int, str]:
    """Return size and hash of a local copy; without `check` the hash is believed."""
    return hash_file(path) if check else (path.stat().st_size, file.sha256)


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK):
        yield chunk
