"""The exceptions Thresher raises, each tied to the exit code a scheduler sees.

    ThresherError
    ├── ConfigError      2   wrong configuration, or an output folder that is not this run's
    ├── InputError       3   bad, missing or changed input
    ├── LimitError       4   more rows quarantined or removed than allowed
    ├── EngineError      5   an engine or an optional package is not available
    ├── ResourceError    6   out of memory or disk
    ├── StorageError     7   storage or permission
    └── InternalError   70   a broken invariant of ours

The message says what, where and what to do. Facts travel as fields, and every class survives
pickling, because engines ship exceptions between processes.
"""

from __future__ import annotations

import errno
from typing import Any

import pyarrow as pa


class ThresherError(Exception):
    """Root of the tree.

    Args:
        message: What went wrong and where.
        path: The file or folder concerned, if one is.
        remedy: What the user can do about it; appended to the message.
    """

    exit_code = 70

    def __init__(self, message: str, *, path: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.path, self.remedy))

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        remedy = f" ({self.remedy})" if self.remedy else ""
        return f"{where}{self.message}{remedy}"


def _rebuild(
    cls: type[ThresherError], message: str, path: str | None, remedy: str | None
) -> ThresherError:
    return cls(message, path=path, remedy=remedy)


class ConfigError(ThresherError):
    """Wrong configuration, or an output folder that belongs to something else."""

    exit_code = 2


class PlaceError(ConfigError):
    """The output folder lies where nothing may be written, not even what went wrong."""


class InputError(ThresherError):
    """Bad, missing or changed input."""

    exit_code = 3

    @property
    def skippable(self) -> bool:
        """Whether leaving the file out, with `--skip-unreadable`, is a remedy."""
        return self.path is not None


class ChangedInputError(InputError):
    """An input was changed, replaced or removed during the run; leaving it out is no remedy."""

    @property
    def skippable(self) -> bool:
        """Never: what was read of it may be in the result already."""
        return False


class LimitError(ThresherError):
    """A limit on quarantined or removed rows was passed."""

    exit_code = 4


class EngineError(ThresherError):
    """An engine or an optional package is not available."""

    exit_code = 5


class ResourceError(ThresherError):
    """Out of memory or disk."""

    exit_code = 6


class StorageError(ThresherError):
    """Storage refused: permission, a missing folder, a broken connection."""

    exit_code = 7


class InternalError(ThresherError):
    """A broken invariant: a bug in Thresher, never the user's fault."""

    exit_code = 70


class Stopped(ThresherError):
    """The run was stopped by a signal; a rerun resumes.

    Args:
        signal_number: The signal; the exit code is 128 + this number.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}; run the same command again to resume")
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number

    def __reduce__(self) -> tuple[Any, ...]:
        return (Stopped, (self.signal_number,))


_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_DENIED = (errno.EACCES, errno.EPERM)


def from_os_error(error: BaseException, path: str | None = None) -> ThresherError:
    """Turn an error of the operating system or Arrow into one of ours.

    Args:
        error: An `OSError`, `MemoryError` or Arrow error.
        path: The file concerned, where the error does not know it.
    """
    if isinstance(error, ThresherError):
        return error
    where = path or getattr(error, "filename", None)
    where = str(where) if where is not None else None
    if isinstance(error, (MemoryError, pa.ArrowMemoryError)):
        return ResourceError(
            "out of memory", path=where, remedy="use fewer workers or smaller splits"
        )
    code = getattr(error, "errno", None)
    text = str(error)
    if code in _FULL or "No space left" in text or "File too large" in text:
        return ResourceError(
            f"no space left to write ({text})",
            path=where,
            remedy="free some space and run the same command again: finished work is kept",
        )
    if code == errno.EROFS or "Read-only file system" in text:
        return StorageError(
            "the file system is read-only", path=where, remedy="choose a place that can be written"
        )
    if code in _DENIED or "Permission denied" in text:
        return StorageError("permission denied", path=where, remedy="check the permissions")
    return StorageError(f"{type(error).__name__}: {text}", path=where)
