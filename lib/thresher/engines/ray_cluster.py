"""Joining a Ray cluster, or starting one here; and what its failures mean to the user.

A cluster that is started here asks for a token, keeps everything in a folder of its own and ends
with the run. Whatever is wrong with a cluster is told in one line with the remedy, in bounded time.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thresher.engines.attempts import MEMORY_REMEDY, Order, Transient, too_often
from thresher.engines.options import EngineOptions
from thresher.errors import (
    ConfigError,
    EngineError,
    InternalError,
    ResourceError,
    StorageError,
    ThresherError,
)

SPILL_FRACTION = 0.05  # Ray refuses to spill to a disk that is fuller than 95 %
TOKEN = secrets.token_hex(32)  # of the clusters that this process starts; Ray reads it once


@dataclass
class Link:
    """A connection to a cluster.

    Args:
        ray: The package.
        held: The caller's own connection, which stays.
        settings: Environment variables that were set for it.
        folder: Of the cluster that was started here, removed with it.
    """

    ray: Any
    held: bool
    settings: list[str]
    folder: str = ""
    _slots: tuple[float, int] = (0.0, 0)

    def slots(self) -> int:
        """Return how many tasks to have in flight: two a CPU, so that none waits for the driver
        and a cluster that can grow sees what is wanted."""
        read, slots = self._slots
        if not slots or time.monotonic() > read + 5:
            slots = 2 * max(1, int(self.ray.cluster_resources().get("CPU", 1)))
            self._slots = (time.monotonic(), slots)
        return slots

    def mute(self, mute: bool) -> None:
        """Let nodes' messages through or not; `log_to_driver` is for workers' alone (ray 2.60)."""
        self.ray._private.worker._worker_logs_enabled = not mute

    def leave(self) -> None:
        """Disconnect, and end the cluster that was started here."""
        if not self.held:
            self.ray.shutdown()
            self.mute(False)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        for name in self.settings:
            os.environ.pop(name, None)


def join(options: EngineOptions, load: Callable[[], Any]) -> Link:
    """Connect to the caller's cluster, the one at an address, or one started here.

    Args:
        options: Which of them.
        load: Imports ray; called when the environment is as Ray must find it.

    Raises:
        EngineError: It cannot be reached or joined.
        ConfigError: The environment makes Ray run foreign code.
        ResourceError: There is no room to spill.
    """
    if loaders := sorted(name for name in os.environ if name.startswith("RAY_DATA_AUTOLOAD_")):
        raise ConfigError(
            f"{loaders[0]} lets files that are read run code on the workers",
            remedy=f"unset {' '.join(loaders)}",
        )
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        return Link(sys.modules["ray"], True, [])
    address = options.ray.address or os.environ.get("RAY_ADDRESS", "")
    own = address in ("", "local")
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_task_oom_retries": "3"}
    if own:
        # A ray that is imported already has read its mode; there it is Ray's own default.
        mode = {"RAY_AUTH_MODE": "token"} if "ray" not in sys.modules else {}
        settings |= mode | (
            {} if "RAY_AUTH_TOKEN_PATH" in os.environ else {"RAY_AUTH_TOKEN": TOKEN}
        )
    else:
        _check_address(address)
        # Else Ray asks 20 times, for 30 s each where something that is no cluster listens.
        settings |= {"RAY_gcs_server_port_wait_time_s": "1", "RAY_py_gcs_connect_timeout_s": "10"}
    link = Link(None, False, [name for name in settings if name not in os.environ])
    for name in link.settings:
        os.environ[name] = settings[name]
    ray = link.ray = load()
    handler = signal.getsignal(signal.SIGTERM)
    arguments = _own(link, options) if own else {"address": address}
    # What workers and nodes tell goes to the log of a job; a person at a terminal gets the error.
    loud = not own and not sys.stderr.isatty()
    link.mute(not loud)
    try:
        ray.init(logging_level=logging.ERROR, log_to_driver=loud, **arguments)
    except (
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        AssertionError,
        ray.exceptions.RayError,
    ) as error:
        link.leave()
        raise _refused(address, error) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray puts its own in the place of ours
    return link


def _check_address(address: str) -> None:
    """Refuse an address where nothing listens, which Ray would try for minutes.

    Raises:
        EngineError: Nothing listens, or the address is of another kind.
    """
    remedy = "set ray.address or RAY_ADDRESS to the head node's HOST:6379, or use 'ray job submit'"
    if "://" in address:
        raise EngineError(f"'{address}' is not an address that a driver can join", remedy=remedy)
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise EngineError(f"no Ray cluster at '{address}': {error}", remedy=remedy) from error


def _own(link: Link, options: EngineOptions) -> dict[str, Any]:
    """Return how to start a cluster of this machine, in a folder that goes with it."""
    place = tempfile.gettempdir()
    # Ray's sockets lie some 80 characters below, and may have 107 in all.
    link.folder = tempfile.mkdtemp(prefix="thresher-ray-", dir=place if len(place) < 12 else "/tmp")
    spill = options.ray.spill_folder or f"{link.folder}/spill"
    Path(spill).mkdir(parents=True, exist_ok=True)
    disk = shutil.disk_usage(spill)
    if disk.free < max(SPILL_FRACTION * disk.total, options.ray.object_store_bytes):
        link.leave()
        raise ResourceError(
            f"{disk.free >> 20} MiB free is too little to spill objects to",
            path=spill,
            remedy="free some space, or choose another ray.spill_folder",
        )
    return {
        "address": "local",
        "num_cpus": options.resolved_workers(),
        "include_dashboard": False,
        "object_store_memory": options.ray.object_store_bytes or None,
        "object_spilling_directory": spill,
        "_temp_dir": link.folder,
    }


def _refused(address: str, error: BaseException) -> EngineError:
    """Say why Ray did not let us in, and what helps."""
    text = " ".join(str(error).split())[:300]
    if not address:
        return EngineError(f"no Ray cluster could be started here: {text}", remedy="see Ray's logs")
    remedy = (
        "if the cluster wants a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN or "
        "RAY_AUTH_TOKEN_PATH; run the driver on a node of the cluster, or use 'ray job submit'"
    )
    if "ersion mismatch" in text:
        remedy = "give the driver the Python and the Ray of the cluster"
    return EngineError(f"cannot join the Ray cluster at '{address}': {text}", remedy=remedy)


def failure(ray: Any, order: Order, kind: str, number: int, error: BaseException) -> ThresherError:
    """Say what it means that Ray gave a task up."""
    known = ray.exceptions
    name = f"{kind} {number} of stage {order.stage}"
    text = last_line(error)
    if isinstance(error, Transient):
        return StorageError(f"{name}: {text}", remedy="run the same command again")
    if isinstance(error, known.OutOfMemoryError):
        return ResourceError(
            f"{name}: the node ran out of memory and killed its worker each time",
            remedy=MEMORY_REMEDY,
        )
    if isinstance(error, known.WorkerCrashedError):
        starts = order.starts()[f"{kind}-{number:05d}"]
        if starts:
            return too_often(name, starts)
        return EngineError(f"{name}: no worker came up to run it", remedy="see Ray's logs")
    if isinstance(error, (known.OutOfDiskError, known.ObjectStoreFullError)):
        return ResourceError(
            f"{name}: no room for objects, in memory or where Ray spills them",
            remedy="free disk space on the nodes, or raise ray.object_store_bytes",
        )
    if isinstance(error, ImportError) or "failed to import on the worker" in str(error):
        return EngineError(
            f"{name}: the workers cannot load it ({text})",
            remedy="install the same thresher on every node, or ship its wheel with "
            "'ray job submit --runtime-env'",
        )
    if isinstance(error, known.RayTaskError):
        return InternalError(f"{name}: {text}", remedy="please report this bug")
    return EngineError(
        f"{name}: {type(error).__name__}: {text}",
        remedy="look at the cluster's nodes, then run the same command again: finished work "
        "is kept",
    )


def stalled(ray: Any, order: Order, options: EngineOptions, running: int) -> EngineError:
    """Say what a stage waits for in which no task ends."""
    free = ray.available_resources()
    memory = options.ray.task_memory_bytes
    return EngineError(
        f"stage {order.stage}: no task ended for {options.stall_seconds} s; "
        f"{running} wait or run, each wants 1 CPU"
        + (f" and {memory >> 20} MiB" if memory else "")
        + f"; the cluster has {free.get('CPU', 0):g} CPUs and "
        f"{int(free.get('memory', 0)) >> 20} MiB free",
        remedy="add nodes, lower ray.task_memory_bytes, or raise stall_seconds",
    )


def last_line(error: BaseException) -> str:
    """Return the last line that says something; Ray's messages end with the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1][:300]
