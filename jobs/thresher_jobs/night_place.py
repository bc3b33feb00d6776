"""The folder that a night works in: one night at a time, whatever leases say."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from thresher.errors import ConfigError, StorageError

logger = logging.getLogger(__name__)
TRIES = 100  # more than there are nights that end while this one begins


@contextlib.contextmanager
def alone_in(place: Path, *, wait: bool) -> Iterator[None]:
    """Take a folder for this process; the lock goes with the process, however it ends. A night
    removes what others left there, so two of them at once would take each other's work away.

    Args:
        place: Made if absent; goes in the end, with the folder around it, if nothing is left there.
        wait: Whether to wait for another night in it.

    Raises:
        ConfigError: Another night is in it, and this one does not wait.
        StorageError: It cannot be made.
    """
    handle = _locked(place, wait)
    try:
        yield
    finally:
        for folder in (place, place.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()
        os.close(handle)


def _locked(place: Path, wait: bool) -> int:
    """Return an open handle of the folder that has its name now; the one before may have gone with
    the night that was waited for."""
    for _ in range(TRIES):
        try:
            place.mkdir(parents=True, exist_ok=True)
            handle = os.open(place, os.O_RDONLY)
        except FileNotFoundError:  # another night has just removed it, or the folder around it
            continue
        try:
            _lock(handle, place, wait)
            if os.path.samestat(os.fstat(handle), place.stat()):
                return handle
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
    raise StorageError(
        "no folder to work in can be made here",
        path=str(place),
        remedy="--work DIR names another place",
    )


def _lock(handle: int, place: Path, wait: bool) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            logger.warning("%s: no lock to be had here (%s)", place, error)
            return
        if not wait:
            raise ConfigError(
                "another night of this store works in this folder",
                path=str(place),
                remedy="--work DIR gives this one a folder of its own; without --no-wait it waits",
            ) from error
        logger.warning("waiting: another night works in %s", place)
        fcntl.flock(handle, fcntl.LOCK_EX)
