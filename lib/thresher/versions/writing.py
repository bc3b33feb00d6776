"""Committing a version: write files, then one record, by put-if-absent.

A writer plans on one version and commits the next record. Of several only one gets the number; the
others are told (`Conflict`) and plan again on top, so runs at once end as if one after the other. A
killed writer leaves files that no record names. A record of a clean-up in the way is stepped over,
unless it took a file that the writer counts on.

The name of a file's object is its hash and its writer, so a clean-up that was planned before a
writer began can never take that writer's files, however late it runs.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Literal

from thresher.errors import ConfigError, StorageError, ThresherError
from thresher.store import hash_file
from thresher.versions.history import HINT, History
from thresher.versions.manifest import (
    FILES,
    Changes,
    File,
    Manifest,
    checked_name,
    decode,
    encode,
    record_name,
)
from thresher.versions.reading import Version
from thresher.versions.settings import differing

ROUNDS = 100  # of planning again: each means that another writer got through


class Conflict(ThresherError):
    """Another writer committed first; plan again on top of it.

    Args:
        version: The record that is in the way.
    """

    exit_code = StorageError.exit_code

    def __init__(self, version: int) -> None:
        super().__init__(
            f"version {version} was committed by another writer", remedy="run the command again"
        )
        self.version = version

    def __reduce__(self) -> tuple[Any, ...]:
        return (Conflict, (self.version,))


class Writer:
    """One attempt to commit one version.

    Args:
        history: The store.
        time: The caller's time, or its clock, which is asked at the commit: nobody could read the
            version before. Only told, never compared.

    Attributes:
        base: The version it plans on; None for an empty store.
    """

    def __init__(self, history: History, time: datetime | Callable[[], datetime]) -> None:
        if isinstance(time, datetime) and time.tzinfo is None:
            raise ValueError("the time of a version needs a zone")
        self.history = history
        self.objects = history.objects
        self.id = uuid.uuid4().hex[:16]
        self._time = time
        head = history.head()
        self._seen = head.version if head else 0
        self._first = head.first if head else 1
        self.base = history.in_force(head) if head else None
        self._files: dict[str, File] = {}
        self._known = {file.sha256: file for file in self.base.manifest.files} if self.base else {}

    def put(
        self,
        name: str,
        data: bytes | Path,
        *,
        rows: int | None = None,
        move: bool = False,
        share: bool = False,
    ) -> File:
        """Write a file of the new version; content that the base or this writer has is not written
        again.

        Args:
            name: For readers, such as `data/part-00000.parquet`.
            data: Its bytes, or a local file that is at rest.
            rows: How many rows it holds, told in the record.
            move: Whether a local file may be taken instead of copied.
            share: Whether a local file stays as it is for ever, so that it may be the object too.
        """
        checked_name(name)
        if isinstance(data, bytes):
            size, sha256 = len(data), hashlib.sha256(data).hexdigest()
        else:
            size, sha256 = hash_file(data)
        known = self._known.get(sha256)
        if known is None or known.bytes != size:
            known = File(
                name=name, path=self._path(sha256, name), bytes=size, sha256=sha256, rows=rows
            )
            if isinstance(data, bytes):
                self.objects.put(known.path, data)
            else:
                self.objects.put_file(known.path, data, move=move, share=share)
            self._known[sha256] = known
        return self._take(known.model_copy(update={"name": name, "rows": rows}))

    def adopt(self, name: str, size: int, sha256: str) -> bool:
        """Take content that the base or this writer has under a new name, unread; say whether it is
        there."""
        known = self._known.get(sha256)
        if known is None or known.bytes != size:
            return False
        self._take(known.model_copy(update={"name": checked_name(name)}))
        return True

    def distrust(self) -> None:
        """Write all content again, whatever the base has of it."""
        self._known = {}

    def keep(self, *names: str) -> None:
        """Take files of the base over as they are."""
        for name in names:
            if self.base is None:
                raise StorageError(f"there is no version to keep {name!r} of")
            self._take(self.base.file(name))

    def take_over(self, version: Version) -> None:
        """Take all files of a version of this store over."""
        for file in version.manifest.files:
            self._take(file)

    def _take(self, file: File) -> File:
        if file.name in self._files:
            raise ValueError(f"{file.name!r} is given twice")
        self._files[file.name] = file
        return file

    def _path(self, sha256: str, name: str) -> str:
        suffix = "".join(PurePosixPath(name).suffixes[-2:])
        plain = suffix.removeprefix(".").replace(".", "").isalnum() and suffix.isascii()
        return f"{FILES}/{sha256[:2]}/{sha256}-{self.id}{suffix if plain else ''}"

    def commit(
        self,
        *,
        settings: dict[str, Any] | None = None,
        rows: dict[str, int] | None = None,
        inputs: Changes | None = None,
        note: str = "",
    ) -> Version:
        """Make the files of this writer the next version.

        Raises:
            Conflict: Another version was committed since this writer began.
            StorageError: The store did not answer; whether the version stands is told by the next
                look. Running again is safe either way.
        """
        return self._commit("data", None, settings, rows, inputs, note)

    def commit_rollback(self, version: Version, note: str = "") -> Version:
        """Make the content of an older version the next version; see `commit`."""
        self.take_over(version)
        old = version.manifest
        return self._commit("rollback", version.number, old.settings, old.rows, None, note)

    def _commit(
        self,
        kind: Literal["data", "rollback"],
        of: int | None,
        settings: dict[str, Any] | None,
        rows: dict[str, int] | None,
        inputs: Changes | None,
        note: str,
    ) -> Version:
        number = self._seen + 1
        when = self._time if isinstance(self._time, datetime) else self._time()
        while True:
            manifest = Manifest(
                version=number,
                kind=kind,
                writer=self.id,
                time=when.astimezone(UTC).isoformat(),
                parent=self.base.number if self.base else 0,
                first=self._first,
                of=of,
                settings=settings or {},
                rows=rows or {},
                inputs=inputs or Changes(),
                note=note,
                files=tuple(self._files[name] for name in sorted(self._files)),
            )
            other = put_record(self.history, manifest)
            if other is None:
                return Version(self.objects, manifest)
            taken = set(other.removed) & {file.path for file in manifest.files}
            if other.kind != "gc" or taken or (of is not None and of < other.first):
                raise Conflict(number)
            self._first = other.first
            number += 1

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave what was written: a commit whose answer was lost may still stand, and a clean-up
        takes what no record names."""


def put_record(history: History, manifest: Manifest) -> Manifest | None:
    """Write a record by put-if-absent.

    Returns:
        None when the record stands, else the record of another writer that has the number. An
        answer that was lost on the way is looked up: a record of the same writer is our own.
    """
    name, data = record_name(manifest.version), encode(manifest)
    try:
        won = history.objects.put_if_absent(name, data)
    except ThresherError:
        if history.record(manifest.version) is None:
            raise
        won = False
    if not won:
        found = history.objects.get(name)
        if found is None:
            raise StorageError(
                "the store says that a record is there and does not show it",
                path=history.objects.address_of(name),
                remedy="'thresher doctor --store' says what the store can do",
            )
        other = decode(found, manifest.version, history.objects.address_of(name))
        if other.writer != manifest.writer:
            return other
    _hint(history, manifest.version)
    return None


def _hint(history: History, number: int) -> None:
    """Leave word of the newest record; it is advice, so nothing depends on it."""
    try:
        history.objects.put(HINT, f"{number}\n".encode())
    except ThresherError:
        return


def write(
    history: History, time: Callable[[], datetime], plan: Callable[[Writer], Version | None]
) -> Version | None:
    """Plan and commit, again on top of whoever was faster.

    Args:
        history: The store.
        time: The caller's clock.
        plan: Plans on `writer.base`, puts, and returns what `writer.commit` returned, or None when
            there is nothing to do.
    """
    for _ in range(ROUNDS):
        try:
            with Writer(history, time) as writer:
                return plan(writer)
        except Conflict as conflict:
            last = conflict
    raise last


def roll_back(
    history: History, as_of: int | str, time: Callable[[], datetime], note: str = ""
) -> Version:
    """Commit a new version whose content is that of an older one; the history stays.

    Raises:
        ConfigError: There is no such version, it can no longer be read, or it is in force.
    """

    def plan(writer: Writer) -> Version:
        target = history.resolve(as_of)
        if writer.base is not None and writer.base.number == target.number:
            raise ConfigError(
                f"version {target.number} is in force already", path=history.objects.address
            )
        return writer.commit_rollback(target, note)

    version = write(history, time, plan)
    assert version is not None
    return version


def check_settings(version: Version, settings: dict[str, Any], ignore: Iterable[str] = ()) -> None:
    """Refuse to build on a version that was made with other settings.

    Raises:
        ConfigError: They differ; both values are told, a line a key.
    """
    left = set(ignore)
    told = differing(
        {k: v for k, v in version.manifest.settings.items() if k not in left},
        {k: v for k, v in settings.items() if k not in left},
    )
    if told:
        raise ConfigError(
            "\n  ".join([f"version {version.number} was made with other settings:", *told]) + "\n",
            path=version.objects.address,
            remedy="use the old settings, --new-settings to go on with these, or another --store",
        )
