"""One attempt at one unit of work, as every cluster engine makes it on a worker.

A cluster starts a task anywhere, again after a loss, sometimes twice at once, and its own retry
counters are its own: some never end. So the driver places an *order* for a stage, and each attempt
checks it before it works: the worker has the versions that decide bytes, it sees the run's folder
itself (not another of the same name), and the unit has not been started too often. What a task
finds wrong with its input is final and travels back as a value; what another try may mend is raised
as `Transient`, for the engine to retry.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import secrets
import socket
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

import thresher
from thresher import errors
from thresher.errors import (
    EngineError,
    InternalError,
    ResourceError,
    StorageError,
    ThresherError,
    from_os_error,
)
from thresher.stage import WORK, Receipt, Stage
from thresher.store import Store

T = TypeVar("T")
ORDERS = f"{WORK}/orders"
TRANSIENT_TRIES = 3  # of one unit, before a passing failure is called lasting
_PASSING = (
    errno.EIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.ECONNRESET,
    errno.ECONNREFUSED,
    errno.ECONNABORTED,
    errno.EPIPE,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EAGAIN,
    errno.EMFILE,
)


class Transient(Exception):
    """A failure that another try may mend; the engine retries the task."""


@dataclass(frozen=True)
class Order:
    """What the driver tells the workers about one run of one stage.

    Args:
        store: The run's folder.
        stage: The stage's name, for messages.
        folder: Where starts are counted.
        token: What the worker must find in that folder.
        versions: (name, version) of what decides bytes.
        attempts: Starts of one unit after which it is given up.
    """

    store: Store
    stage: str
    folder: str
    token: str
    versions: tuple[tuple[str, str], ...]
    attempts: int

    def starts(self) -> Counter[str]:
        """Count the starts of each unit so far, by kind and number."""
        names = (Path(name).name for name in self.store.names(self.folder))
        return Counter(name.rpartition("-")[0] for name in names if "-" in name)


def place_order(store: Store, stage: Stage, attempts: int) -> Order:
    """Begin a stage: forget earlier counts and leave the token."""
    token = secrets.token_hex(8)
    folder = f"{ORDERS}/{stage.name}-{token}"  # not that of an earlier run, whose tasks may live
    store.remove(ORDERS)
    store.put(f"{folder}/token", token.encode())
    return Order(store, stage.name, folder, token, versions(), attempts)


def lift_order(order: Order) -> None:
    """End a stage: drop the counts."""
    order.store.remove(order.folder)


def versions() -> tuple[tuple[str, str], ...]:
    """Return what must be equal on all workers: Python's minor version and what decides bytes."""
    python = ".".join(platform.python_version_tuple()[:2])
    packages = tuple((name, version(name)) for name in ("pyarrow", "numpy", "numba"))
    return (("python", python), ("thresher", thresher.__version__), *packages)


def attempt(order: Order, kind: str, number: int, work: Callable[[], T]) -> T:
    """Do one unit of work on a worker.

    Args:
        order: The stage's order.
        kind: 'task', 'emit' or 'reduce'.
        number: The unit's number.
        work: What to do.

    Raises:
        ThresherError: The unit has failed for good.
        Transient: It may succeed elsewhere or later.
    """
    unit = f"{kind} {number} of stage {order.stage}"
    try:
        _check_worker(order)
        start = _count_start(order, f"{kind}-{number:05d}")
    except StorageError as error:
        if is_passing(error):
            raise Transient(str(error)) from error
        raise
    if start > order.attempts:
        raise too_often(unit, order.attempts)
    try:
        return work()
    except (MemoryError, pa.ArrowMemoryError) as error:
        raise ResourceError(f"{unit}: out of memory on {host()}", remedy=MEMORY_REMEDY) from error
    except ThresherError as error:
        if is_passing(error):
            _retry(error, start)
        raise
    except OSError as error:
        ours = from_os_error(error)
        if is_passing(error):
            _retry(ours, start)
        raise ours from error
    except Exception as error:
        raise InternalError(
            f"{unit}: {type(error).__name__}: {error}", remedy="please report this bug"
        ) from error


MEMORY_REMEDY = (
    "lower split_bytes or max_doc_bytes with --set, or give each worker more memory; "
    "finished work is kept"
)


def too_often(unit: str, starts: int) -> ResourceError:
    """Return the error for a unit whose workers keep dying."""
    return ResourceError(
        f"{unit} was started {'once' if starts == 1 else f'{starts} times'} and its worker died "
        f"{'' if starts == 1 else 'each time, '}as it does when memory runs out",
        remedy=MEMORY_REMEDY,
    )


def _retry(error: ThresherError, start: int) -> None:
    if start < TRANSIENT_TRIES:
        raise Transient(str(error)) from error


def is_passing(error: BaseException | None) -> bool:
    """Say whether a failure, or what caused it, may be gone at another try."""
    if isinstance(error, StorageError):
        return is_passing(error.__cause__)
    if isinstance(error, (ConnectionError, TimeoutError)):
        return True
    return isinstance(error, OSError) and error.errno in _PASSING


def _check_worker(order: Order) -> None:
    """Refuse a worker that would give other bytes or write to another folder."""
    mine = dict(versions())
    for name, wanted in order.versions:
        if mine[name] != wanted:
            raise EngineError(
                f"worker on {host()} has {name} {mine[name]}, the driver has {wanted}",
                remedy="give driver and workers one environment: the same wheel, the same lock "
                "file",
            )
    try:
        found = order.store.get(f"{order.folder}/token").decode()
    except StorageError as error:
        if is_passing(error):
            raise
        found = ""
    if found != order.token:
        raise StorageError(
            f"worker on {host()} does not see the output folder of this run",
            path=order.store.root,
            remedy="choose an --out that all nodes share (NFS, Lustre, a mounted volume)",
        )


def _count_start(order: Order, unit: str) -> int:
    """Leave a mark and return how many there are; exclusive creation decides between racers."""
    for start in range(1, order.attempts + 2):
        try:
            with open(order.store.path(f"{order.folder}/{unit}-{start}"), "xb"):
                return start
        except FileExistsError:
            continue
        except OSError as error:
            raise from_os_error(error) from error
    return order.attempts + 1


def host() -> str:
    """Return this machine's name."""
    return socket.gethostname()


def encode_receipt(work: Callable[[], Receipt]) -> bytes:
    """Do the work and return its receipt, or its final error, as bytes; `Transient` is raised."""
    try:
        return b"R" + work().to_bytes()
    except ThresherError as error:
        return encode_error(error)


def encode_error(error: ThresherError) -> bytes:
    """Return an error of ours as bytes that hold no code."""
    value = {
        "type": type(error).__name__,
        "message": error.message,
        "path": error.path,
        "remedy": error.remedy,
    }
    return b"E" + json.dumps(value).encode("utf-8", "surrogatepass")


def decode_receipt(data: bytes) -> Receipt:
    """Return the receipt that `encode_receipt` packed.

    Raises:
        ThresherError: The worker's error, as it was there.
    """
    if data[:1] == b"R":
        return Receipt.from_bytes(data[1:])
    value = json.loads(data[1:].decode("utf-8", "surrogatepass"))
    kind = getattr(errors, value["type"], InternalError)
    raise kind(value["message"], path=value["path"], remedy=value["remedy"])


def is_private(folder: Path) -> bool:
    """Say whether a folder, and no link to one, is this user's and closed to others."""
    found = folder.lstat()
    mine = found.st_uid == os.getuid() and not found.st_mode & 0o077
    return stat.S_ISDIR(found.st_mode) and mine


def prepare_worker() -> None:
    """Make kernels cachable where neither the package nor the home folder can be written.

    Call it on a worker before anything imports numba. The folder is the user's own and closed to
    others, because numba loads what it finds there.
    """
    if "NUMBA_CACHE_DIR" in os.environ or "numba" in sys.modules:
        return
    package = Path(thresher.__file__).parent
    home = os.path.expanduser("~")
    if os.access(package, os.W_OK) or (os.path.isdir(home) and os.access(home, os.W_OK)):
        return
    folder = Path(tempfile.gettempdir(), f"thresher-kernels-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if is_private(folder):
        os.environ["NUMBA_CACHE_DIR"] = str(folder)
