"""Telling that kernels are being compiled: once a machine and version, and it can take minutes in
which a stage stands at its first task.

Numba says when it compiles what its cache does not have. Only this process is listened to, which is
where the local engine's tasks run.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 3.0  # a kernel or two take less, and are not worth a line


class Compiling:
    """Says once that kernels are being compiled, when that has gone on for a while.

    Args:
        tell: Called with the line to show, maybe by another thread.
        patience_s: For how long nothing is said.
    """

    def __init__(self, tell: Callable[[str], None], patience_s: float = PATIENCE_S) -> None:
        self._tell = tell
        self._patience_s = patience_s
        self._begin: float | None = None
        self._told = False
        self._lock = threading.Lock()
        self._registered: Any = None

    def listen(self) -> None:
        """Begin to listen, once numba is loaded."""
        if self._registered is not None or "numba" not in sys.modules:
            return
        from numba.core import event as untyped_event

        event: Any = untyped_event
        hooks = {"on_start": lambda _, found: self.begun(), "on_end": lambda _, found: None}
        self._registered = type("Listener", (event.Listener,), hooks)()
        event.register("numba:compile", self._registered)

    def begun(self) -> None:
        """Note that a kernel is being compiled."""
        with self._lock:
            now = time.monotonic()
            self._begin = now if self._begin is None else self._begin
            if self._told or now - self._begin < self._patience_s:
                return
            self._told = True
        self._tell("compiling kernels, once a machine and version: this can take minutes")

    def close(self) -> None:
        """Listen no more."""
        if self._registered is not None:
            from numba.core import event as untyped_event

            event: Any = untyped_event
            event.unregister("numba:compile", self._registered)
            self._registered = None
