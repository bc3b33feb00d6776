"""Byte streams: open a pinned file, local or remote, plain or compressed.

Everything that touches fsspec on the reading side is here. Credentials come from the environment as
each driver documents, never from an address or a task's arguments.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import pyarrow as pa

from thresher.errors import ConfigError, EngineError, InputError, from_os_error

if TYPE_CHECKING:
    from thresher.inputs import InputFile

# Allowed protocols, and what to install where fsspec has no driver for them.
PROTOCOLS = {
    "memory": "fsspec",
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "http": "aiohttp",
    "https": "aiohttp",
    "hf": "huggingface_hub",
}
_CHANGE_MARKS = ("ETag", "etag", "checksum", "blob_id", "md5Hash", "content_md5", "mtime")
_TIME_MARKS = ("LastModified", "last_modified", "updated", "last_commit", "created")
CHUNK_BYTES = 1 << 20
LOOKUPS = 16  # side by side: each is a round trip


def is_remote(address: str) -> bool:
    """Tell whether the address names a protocol other than the local file system.

    Raises:
        ConfigError: The protocol is not one that Thresher reads, or the address is chained.
    """
    if "://" not in address and "::" not in address:
        return False
    if "::" in address:
        raise ConfigError(f"chained address {address!r} is not allowed")
    protocol = address.split("://", 1)[0].lower()
    if protocol in PROTOCOLS:
        return True
    if protocol == "file":
        return False
    allowed = ", ".join(["file", *PROTOCOLS])
    raise ConfigError(f"protocol of {address!r} is not allowed", remedy=f"allowed are {allowed}")


def join_local(address: str) -> str:
    """Make a local address an absolute path, links left as they are."""
    path = address.split("://", 1)[1] if "://" in address else address
    return os.path.abspath(os.path.expanduser(path))


def one_line(error: BaseException) -> str:
    """Return what an error of another library says, on one line."""
    return " ".join(str(error).split())


class Remote(NamedTuple):
    """A remote store behind fsspec."""

    fs: Any
    protocol: str

    def find(self, address: str, pattern: bool) -> tuple[str, list[tuple[str, int, str]]]:
        """List the files at an address: where names begin, then (address, bytes, pin) of each."""
        self.fs.invalidate_cache()
        inner = self.fs._strip_protocol(address)
        if not pattern and self.fs.isfile(inner):
            return self.full(inner), [self._entry(inner)]
        found = (self.fs.glob if pattern else self.fs.find)(inner, detail=True)
        if not found and not pattern and not self.fs.exists(inner):
            raise FileNotFoundError(address)
        files = [info["name"] for info in found.values() if info.get("type") != "directory"]
        root = inner.split("*")[0].split("?")[0].split("[")[0].rpartition("/")[0]
        with ThreadPoolExecutor(LOOKUPS) as pool:
            entries = sorted(pool.map(self._entry, files))
        return self.full(root if pattern else inner), entries

    def _entry(self, inner: str) -> tuple[str, int, str]:
        """Look one file up; listings of some stores carry other marks than lookups do."""
        info = self.fs.info(inner)
        return self.full(inner), _size(info), _pin(info)

    def full(self, inner: str) -> str:
        """Put the protocol back in front of a path of this store."""
        return inner if "://" in inner else f"{self.protocol}://{inner.lstrip('/')}"

    def pin(self, address: str) -> str:
        """Ask the store for the current pin of a file."""
        self.fs.invalidate_cache()
        return _pin(self.fs.info(self.fs._strip_protocol(address)))


def _size(info: dict[str, Any]) -> int:
    size = info.get("size")
    if size is None:
        raise InputError("the server does not tell its size", path=str(info.get("name")))
    return int(size)


def _pin(info: dict[str, Any]) -> str:
    mark = next((info[key] for key in (*_CHANGE_MARKS, *_TIME_MARKS) if info.get(key)), "")
    return f"{mark}:{_size(info)}"


def remote(address: str) -> Remote:
    """Connect to the store of an address.

    Raises:
        EngineError: The driver package is not installed.
    """
    import fsspec

    protocol = address.split("://", 1)[0].lower()
    try:
        return Remote(fsspec.filesystem(protocol), protocol)
    except ImportError as error:
        package = PROTOCOLS[protocol]
        raise EngineError(
            f"{protocol}:// addresses need the package {package}", remedy=f"pip install {package}"
        ) from error


def open_input(file: InputFile) -> BinaryIO:
    """Open the stored bytes of a file, seekable.

    Raises:
        InputError: The file is gone.
        StorageError: It may not be read.
    """
    try:
        if is_remote(file.path):
            fs = remote(file.path).fs
            opened: BinaryIO = fs.open(fs._strip_protocol(file.path), "rb")
            return opened
        return open(file.path, "rb")
    except FileNotFoundError as error:
        raise InputError("was removed during the run", path=file.path) from error
    except OSError as error:
        raise from_os_error(error, file.path) from error


class Decompressed:
    """The plain bytes of a file, read forwards; a damaged stream is an `InputError`."""

    def __init__(self, file: InputFile, start: int = 0) -> None:
        self._path = file.path
        self._kind = file.compression
        self._raw: Any = open_input(file)
        self._raw.seek(start)
        self._stream: Any = self._raw
        if file.compression:
            self._stream = pa.CompressedInputStream(
                pa.PythonFile(self._raw, mode="r"), file.compression
            )

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes; empty at the end."""
        try:
            data: bytes = self._stream.read(size)
            return data
        except OSError as error:
            if self._kind is None or error.errno is not None:
                raise from_os_error(error, self._path) from error
            raise InputError(
                f"{self._kind} stream is damaged or cut short ({one_line(error)})",
                path=self._path,
                remedy="fetch it again, or leave it out with --skip-unreadable",
            ) from error

    def close(self) -> None:
        """Close the stream and the file below it."""
        if self._stream is not self._raw:
            self._stream.close()
        self._raw.close()

    def __enter__(self) -> Decompressed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def decompress(file: InputFile, start: int = 0) -> Decompressed:
    """Open the plain bytes of a file, from an offset of the stored bytes on."""
    return Decompressed(file, start)


def head_bytes(path: str, compression: str | None, most: int = 64) -> bytes:
    """Return the first bytes of a text after its byte order mark; empty if unreadable."""
    from thresher.inputs import InputFile

    with open_input(InputFile(0, path, path, "json", None, 0, "")) as raw:
        try:
            data = raw.read(CHUNK_BYTES)
            if compression:
                stream = pa.CompressedInputStream(pa.BufferReader(data), compression)
                data = stream.read(4096 + most)
        except OSError:
            return b""  # a damaged file is reported when it is cut
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()[:most]
