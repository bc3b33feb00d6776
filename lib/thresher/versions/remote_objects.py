"""A versioned data set on an object store, behind fsspec: one conditional PUT decides a commit.

`pipe_file(mode="create")` is `If-None-Match: *` on S3, `ifGenerationMatch=0` on Google's store and
`overwrite=False` on Azure's. fsspec's listing caches are off. What may pass by itself is tried
again, with pauses that grow.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from thresher.errors import ConfigError, EngineError, InternalError, StorageError, ThresherError
from thresher.errors import from_os_error as from_error
from thresher.readers.streams import PROTOCOLS, one_line
from thresher.versions.objects import UNKNOWN_TIME, Entry

WRITABLE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")
TRIES = 7
PRECONDITION_FAILED = 412
FIRST_PAUSE_S = 0.2  # doubles: 0.2 + 0.4 + ... = 12.6 s in all
# boto tries each request (a part of a large upload) three times, s3fs once: by default the two and
# ours multiply, and a server that stayed busy held a commit up for 4 minutes (2026-11-21).
S3_CONFIG = {"retries": {"total_max_attempts": 3, "mode": "standard"}}
ONE_PUT_BYTES = 1 << 30  # a manifest is never cut into parts: only one PUT can be conditional
_TIMES = ("LastModified", "last_modified", "updated", "created", "mtime")
_SURE = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, ThresherError)
_BATCH = 1000

T = TypeVar("T")


@lru_cache(maxsize=8)
def _connect(protocol: str, process: int) -> Any:
    """Connect once a process; a forked child has a connection of its own."""
    import fsspec

    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if protocol == "memory":
        options = {}
    s3 = protocol in ("s3", "s3a")
    if s3:
        options["config_kwargs"] = S3_CONFIG
    try:
        connected = fsspec.filesystem(protocol, **options)
    except ImportError as error:
        extra = "'thresher[s3]'" if s3 else PROTOCOLS[protocol]
        raise EngineError(
            f"{protocol}:// addresses need the package {PROTOCOLS[protocol]}",
            remedy=f"pip install {extra}",
        ) from error
    if s3:
        connected.retries = 1
    return connected


@dataclass(frozen=True)
class RemoteObjects:
    """Objects below a prefix of an object store; see `Objects`.

    Args:
        address: `protocol://bucket/prefix`.
        single_writer: Whether looking before putting will do for put-if-absent.
    """

    address: str
    single_writer: bool = False

    def __post_init__(self) -> None:
        protocol, _, prefix = self.address.partition("://")
        if protocol.lower() not in WRITABLE:
            raise ConfigError(
                f"{protocol}:// cannot hold a store", remedy=f"use a folder or {WRITABLE[0]}://"
            )
        if not prefix.strip("/"):
            raise ConfigError("no bucket is named", path=self.address)

    @property
    def _fs(self) -> Any:
        return _connect(self.address.partition("://")[0].lower(), os.getpid())

    def _inner(self, name: str) -> str:
        if name.startswith("/") or ".." in name.split("/"):
            raise InternalError(f"name {name!r} leaves the store")
        inner: str = self._fs._strip_protocol(f"{self.address}/{name}")
        return inner

    def address_of(self, name: str) -> str:
        """Return the address of an object."""
        return f"{self.address}/{name}"

    def path(self, name: str) -> Path | None:
        """Return None: no object is a local file."""
        return None

    def get(self, name: str) -> bytes | None:
        """Read an object whole; None when it is absent."""
        try:
            data: bytes = self._again(name, lambda: self._fs.cat_file(self._inner(name)))
        except FileNotFoundError:
            return None
        return data

    def open(self, name: str) -> BinaryIO:
        """Open an object that must be there; reads fetch ranges."""
        try:
            opened: BinaryIO = self._again(name, lambda: self._fs.open(self._inner(name), "rb"))
        except FileNotFoundError as error:
            raise StorageError("is missing", path=self.address_of(name)) from error
        return opened

    def size(self, name: str) -> int | None:
        """Return the bytes of an object; None when it is absent."""
        try:
            info = self._again(name, lambda: self._fs.info(self._inner(name)))
        except FileNotFoundError:
            return None
        return None if info.get("type") == "directory" else int(info["size"])

    def put(self, name: str, data: bytes) -> None:
        """Write an object, replacing what was there."""
        self._write(name, lambda: self._fs.pipe_file(self._inner(name), data))

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write an object unless the name is taken: one conditional PUT."""
        if self.single_writer:
            absent = self.size(name) is None
            if absent:
                self.put(name, data)
            return absent
        more = {"chunksize": ONE_PUT_BYTES} if self.address.startswith("s3") else {}
        try:
            self._write(
                name,
                lambda: self._fs.pipe_file(self._inner(name), data, mode="create", **more),
            )
        except FileExistsError:
            return False
        return True

    def put_file(self, name: str, path: Path, *, move: bool = False, share: bool = False) -> None:
        """Upload a local file, and look that all of it arrived."""
        self._write(name, lambda: self._fs.put_file(str(path), self._inner(name)))
        there, here = self.size(name), path.stat().st_size
        if there != here:
            raise StorageError(
                f"has {there} bytes after an upload of {here}", path=self.address_of(name)
            )
        if move:
            path.unlink(missing_ok=True)

    def entries(self, folder: str) -> Iterator[Entry]:
        """List what is below a folder, past every cache of the driver."""
        root = self._inner("x")[:-1]
        inner = self._inner(folder)
        self._fs.invalidate_cache()
        try:
            found = self._again(folder, lambda: self._fs.find(inner, detail=True, withdirs=False))
        except FileNotFoundError as error:
            raise self._no_bucket() from error
        for path, info in found.items():
            if info.get("type") == "file" and str(path).startswith(root):
                yield Entry(str(path)[len(root) :], int(info["size"]), _modified(info))

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; one that is absent is no error."""
        inner = [self._inner(name) for name in names]
        for start in range(0, len(inner), _BATCH):
            batch = inner[start : start + _BATCH]
            with contextlib.suppress(FileNotFoundError):
                self._again(batch[0], lambda batch=batch: self._delete(batch))  # type: ignore[misc]

    def _delete(self, inner: list[str]) -> None:
        if self.address.startswith("memory"):
            inner = [path for path in inner if self._fs.exists(path)]
        if inner:
            self._fs.rm(inner)

    def clock(self) -> float:
        """Return the store's time: that of an object made now."""
        name = f"clock/{uuid.uuid4().hex}"
        self.put(name, b"")
        try:
            return _modified(self._again(name, lambda: self._fs.info(self._inner(name))))
        finally:
            self.delete([name])

    def _write(self, name: str, call: Callable[[], object]) -> None:
        try:
            self._again(name, call)
        except FileNotFoundError as error:
            raise self._no_bucket() from error

    def _no_bucket(self) -> StorageError:
        return StorageError("no such bucket", path=self.address, remedy="create it first")

    def _again(self, name: str, call: Callable[[], T]) -> T:
        """Call until it works or is refused for good."""
        for attempt in range(TRIES):
            try:
                return call()
            except _SURE as error:
                if isinstance(error, PermissionError):
                    raise from_error(error, self.address_of(name)) from error
                raise
            except Exception as error:
                if _taken(error):
                    raise FileExistsError(name) from error
                if not _may_pass(error):
                    raise
                if attempt == TRIES - 1:
                    raise StorageError(
                        f"refused {TRIES} times: {type(error).__name__}: {one_line(error)}",
                        path=self.address_of(name),
                        remedy="run the same command again when the store answers",
                    ) from error
                time.sleep(FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1))
        raise InternalError("unreachable")


def _taken(error: Exception) -> bool:
    """Say whether a server refused a condition; not all of them say which, as s3fs expects."""
    told = getattr(error.__cause__, "response", None) or {}
    return bool(told.get("ResponseMetadata", {}).get("HTTPStatusCode") == PRECONDITION_FAILED)


def _may_pass(error: Exception) -> bool:
    """Say whether an error is the store's or the network's; ours (a TypeError) is not."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, OSError) or bool(kinds & {"BotoCoreError", "ClientError", "HttpError"})


def _modified(info: dict[str, Any]) -> float:
    for key in _TIMES:
        value: Any = info.get(key)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return UNKNOWN_TIME
