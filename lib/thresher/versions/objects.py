"""Where a versioned data set lies: named objects with one atomic promise, put-if-absent.

An object is absent or whole, and `put_if_absent` has one winner. Everything above asks for no more
than this: listings may be old, clocks may differ, other writers may be at work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

UNKNOWN_TIME = float("inf")


class Entry(NamedTuple):
    """One object of a listing.

    Attributes:
        name: Below the root.
        bytes: Size.
        modified: Seconds by the store's own clock; `UNKNOWN_TIME` where it does not tell.
    """

    name: str
    bytes: int
    modified: float


class Objects(Protocol):
    """A folder or a bucket's prefix. Cheap to pickle; workers hold one each.

    Every method raises `StorageError` or `ResourceError` when the store refuses; what may pass by
    itself (a busy server, a broken connection) has been tried again before.
    """

    @property
    def address(self) -> str:
        """The root, as a user would write it."""
        ...

    def address_of(self, name: str) -> str:
        """Return where an object lies, as a path or an address that readers take."""
        ...

    def path(self, name: str) -> Path | None:
        """Return the local file that holds an object; None where objects are no local files."""
        ...

    def get(self, name: str) -> bytes | None:
        """Read an object whole; None when it is absent."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open an object that must be there, seekable."""
        ...

    def size(self, name: str) -> int | None:
        """Return the bytes of an object; None when it is absent."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write an object, replacing what was there; the last of several writers stays."""
        ...

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write an object unless the name is taken; say whether this very call wrote it.

        False, or an error, also when the call did write it and the answer was lost on the way: who
        must know reads the object.
        """
        ...

    def put_file(self, name: str, path: Path, *, move: bool = False, share: bool = False) -> None:
        """Write a local file as an object.

        Args:
            name: What to write.
            path: The local file.
            move: Whether the local file may be taken instead of copied.
            share: Whether the local file stays as it is for ever, so that it may be the object too.
        """
        ...

    def entries(self, folder: str) -> Iterator[Entry]:
        """List what is below a folder, in no order; may miss what is new, where listings lag."""
        ...

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; one that is absent is no error."""
        ...

    def clock(self) -> float:
        """Return the store's own time in seconds, the one that `Entry.modified` is told in."""
        ...


def open_objects(address: str, *, single_writer: bool = False) -> Objects:
    """Open the folder or bucket prefix behind an address.

    Args:
        address: A path, `s3://bucket/prefix`, or another protocol that fsspec can write.
        single_writer: Whether the caller promises that nobody else writes, so that a store without
            put-if-absent will do.

    Raises:
        ConfigError: The protocol cannot hold a store.
        EngineError: Its package is missing.
    """
    from thresher.readers.streams import is_remote, join_local
    from thresher.versions.local_objects import LocalObjects
    from thresher.versions.remote_objects import RemoteObjects

    if is_remote(address):
        protocol, _, prefix = address.partition("://")
        return RemoteObjects(f"{protocol}://{prefix.strip('/')}", single_writer)
    return LocalObjects(join_local(address), single_writer)
