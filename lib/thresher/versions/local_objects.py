"""A versioned data set in a local folder: temporary file, fsync, `os.link`.

What has a name survives a power cut: files and all folders above them, up to the root, are synced
before a call returns.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from thresher.errors import StorageError, from_os_error
from thresher.store import TEMPORARY, Store, sync_file, sync_folder
from thresher.versions.objects import Entry

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)


@dataclass(frozen=True)
class LocalObjects:
    """Objects as files below a folder; see `Objects`.

    Args:
        root: The folder, absolute.
        single_writer: Whether a file system without hard links will do.
    """

    root: str
    single_writer: bool = False

    @property
    def address(self) -> str:
        """The folder."""
        return self.root

    @property
    def _store(self) -> Store:
        return Store(self.root)

    def address_of(self, name: str) -> str:
        """Return the path of an object."""
        return str(self._store.path(name))

    def path(self, name: str) -> Path:
        """Return the file that holds an object."""
        return self._store.path(name)

    def get(self, name: str) -> bytes | None:
        """Read an object whole; None when it is absent."""
        path = self._store.path(name)
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise from_os_error(error, str(path)) from error

    def open(self, name: str) -> BinaryIO:
        """Open an object that must be there."""
        path = self._store.path(name)
        try:
            return open(path, "rb")
        except OSError as error:
            raise from_os_error(error, str(path)) from error

    def size(self, name: str) -> int | None:
        """Return the bytes of an object; None when it is absent."""
        path = self._store.path(name)
        try:
            return path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise from_os_error(error, str(path)) from error

    def put(self, name: str, data: bytes) -> None:
        """Write an object, replacing what was there."""
        self._store.put(name, data)
        self._sync_up(name)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write an object unless the name is taken; `os.link` decides between writers."""
        try:
            won = self._store.put_if_absent(name, data)
        except StorageError as error:
            cause = error.__cause__
            if not (isinstance(cause, OSError) and cause.errno in _NO_LINKS):
                raise
            if not self.single_writer:
                raise StorageError(
                    "the file system has no hard links, so put-if-absent cannot be had",
                    path=self.root,
                    remedy="use another folder, or --single-writer if nobody else writes here",
                ) from error
            won = self.size(name) is None
            if won:
                self._store.put(name, data)
        self._sync_up(name)
        return won

    def put_file(self, name: str, path: Path, *, move: bool = False, share: bool = False) -> None:
        """Write a local file as an object; moved or shared on the same file system, else copied."""
        if share:
            self._share(name, path)
        elif not (move and self._moved(name, path)):
            with self._store.writing(name) as temporary:
                shutil.copyfile(path, temporary)
                sync_file(temporary)
            if move:
                path.unlink(missing_ok=True)
        self._sync_up(name)

    def _share(self, name: str, path: Path) -> None:
        self._store.link(name, path)
        try:
            sync_file(self._store.path(name))
        except OSError as error:
            raise from_os_error(error, str(path)) from error

    def _moved(self, name: str, path: Path) -> bool:
        target = self._store.path(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            sync_file(path)
            os.replace(path, target)
        except OSError as error:
            if error.errno == errno.EXDEV:
                return False
            raise from_os_error(error, str(path)) from error
        return True

    def _sync_up(self, name: str) -> None:
        """Sync the folders of a name, up to the root."""
        try:
            for folder in self._store.path(name).relative_to(self.root).parents:
                sync_folder(Path(self.root, folder))
        except OSError as error:
            raise from_os_error(error, self.root) from error

    def entries(self, folder: str) -> Iterator[Entry]:
        """List what is below a folder; what vanishes meanwhile is left out."""
        try:
            for above, _, names in os.walk(self._store.path(folder), onerror=_unless_absent):
                for name in names:
                    path = Path(above, name)
                    try:
                        stat = path.stat()
                    except FileNotFoundError:
                        continue
                    found = path.relative_to(self.root).as_posix()
                    yield Entry(found, stat.st_size, stat.st_mtime)
        except OSError as error:
            raise from_os_error(error, self.root) from error

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; one that is absent is no error."""
        for name in names:
            path = self._store.path(name)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise from_os_error(error, str(path)) from error

    def clock(self) -> float:
        """Return the file system's time: that of a file made now."""
        try:
            with tempfile.TemporaryFile(prefix=TEMPORARY, dir=self.root) as file:
                return os.fstat(file.fileno()).st_mtime
        except OSError as error:
            raise from_os_error(error, self.root) from error


def _unless_absent(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
