"""The one folder a run writes: atomic publishing, put-if-absent, receipts' hashes.

A name is either absent or complete. Writers go through a temporary file in the same folder; a
reader never sees half a file. Files that must survive a power cut (results, the manifest) are
synced to disk before they get their name; stage files and their receipts, which a rerun can make
again, are not: a receipt states the sizes of its files, and one that is not whole is none.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thresher.errors import InternalError, from_os_error

TEMPORARY = ".tmp-"
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV)
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Published:
    """What became of one file: its name inside the store, size in bytes and sha256."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Store:
    """A local folder. Cheap to pickle; workers hold one each.

    Args:
        root: The folder, absolute.
        memo: What readers keep of files; it goes with this object and never travels.
    """

    root: str
    memo: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[type[Store], tuple[str]]:
        return Store, (self.root,)

    def path(self, name: str) -> Path:
        """Return where `name` lives; names may not leave the folder."""
        if name.startswith("/") or ".." in name.split("/"):
            raise InternalError(f"name {name!r} leaves the output folder")
        return Path(f"{self.root}/{name}")

    def exists(self, name: str) -> bool:
        """Say whether `name` is there."""
        return self.path(name).exists()

    @contextlib.contextmanager
    def writing(self, name: str, *, once: bool = False) -> Iterator[Path]:
        """Give a temporary path; publish it as `name` when the block ends well.

        Args:
            name: What to write.
            once: Whether an existing file of the same size stays. Others may have it mapped, and a
                network file system takes a replaced file from under them; its name says what it is
                made of, so a second attempt has nothing new. Else it is replaced.

        Raises:
            ResourceError, StorageError: The disk is full or refuses.
        """
        target = self.path(name)
        temporary: str | None = None
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=target.parent)
            os.close(handle)
            yield Path(temporary)
            os.chmod(temporary, 0o666 & ~_UMASK)
            if not (once and _same_size(temporary, target)):
                os.replace(temporary, target)
                temporary = None
        except OSError as error:
            raise from_os_error(error, str(target)) from error
        finally:
            if temporary is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)

    def put(self, name: str, data: bytes) -> Published:
        """Write `data` as `name`, durably, replacing what was there."""
        with self.writing(name) as path:
            _write(path, data, synced=True)
        sync_folder(self.path(name).parent)
        return Published(name, len(data), hashlib.sha256(data).hexdigest())

    def put_if_absent(self, name: str, data: bytes, *, synced: bool = True) -> bool:
        """Write `data` as `name` unless the name is taken; say whether it was written.

        `os.link` decides between racing writers: exactly one wins. What is not `synced` may be
        gone, or empty, after a power cut.
        """
        target = self.path(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=target.parent)
            os.close(handle)
            try:
                _write(Path(temporary), data, synced)
                os.chmod(temporary, 0o666 & ~_UMASK)
                os.link(temporary, target)
            except FileExistsError:
                return False
            finally:
                os.unlink(temporary)
            if synced:
                sync_folder(target.parent)
        except OSError as error:
            raise from_os_error(error, str(target)) from error
        return True

    def link(self, name: str, source: Path) -> None:
        """Give a file that stays as it is a second name, replacing what was there; it is copied
        where that cannot be had.

        Raises:
            ResourceError, StorageError: The disk is full or refuses; the source is gone.
        """
        target = self.path(name)
        try:
            try:
                os.link(source, target)
            except FileNotFoundError:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(source, target)
        except FileExistsError:
            self._relink(target, source)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise from_os_error(error, str(source)) from error
            with self.writing(name) as path:
                shutil.copyfile(source, path)

    def _relink(self, target: Path, source: Path) -> None:
        """Give a file a name that another has."""
        temporary = target.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
        try:
            os.link(source, temporary)
            os.replace(temporary, target)
        except OSError as error:
            raise from_os_error(error, str(source)) from error
        finally:
            temporary.unlink(missing_ok=True)  # two names of one file: a rename does nothing

    def get(self, name: str) -> bytes:
        """Read a small file whole.

        Raises:
            StorageError: It is missing or unreadable.
        """
        try:
            return self.path(name).read_bytes()
        except OSError as error:
            raise from_os_error(error, str(self.path(name))) from error

    def get_json(self, name: str) -> Any:
        """Read a small JSON file."""
        return json.loads(self.get(name))

    def put_json(self, name: str, value: Any) -> Published:
        """Write a value as readable JSON, durably."""
        text = json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
        return self.put(name, text.encode("utf-8", "surrogatepass"))

    def remove(self, name: str) -> None:
        """Remove a file or a folder of ours; nothing happens when it is absent."""
        path = self.path(name)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove the temporary files of killed writers; call it when no writer is left."""
        for path in Path(self.root).rglob(f"{TEMPORARY}*"):
            path.unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        """Return the published names inside a folder, sorted; temporary files are not names."""
        path = self.path(folder)
        if not path.is_dir():
            return []
        return sorted(
            f"{folder}/{p.name}" for p in path.iterdir() if not p.name.startswith(TEMPORARY)
        )


def _same_size(temporary: str, target: Path) -> bool:
    try:
        return target.stat().st_size == os.stat(temporary).st_size
    except FileNotFoundError:
        return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()


def _write(path: Path, data: bytes, synced: bool) -> None:
    with open(path, "wb") as file:
        file.write(data)
        if synced:
            file.flush()
            os.fsync(file.fileno())


def sync_file(path: Path) -> None:
    """Force a file's bytes to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Force a folder's names to the disk."""
    sync_file(path)


def hash_file(path: Path) -> tuple[int, str]:
    """Return a file's size in bytes and its sha256."""
    digest = hashlib.sha256()
    size = 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()
