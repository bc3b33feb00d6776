"""What a process that ends with one short command can do without: large packages that others load
wherever they find them, and collecting garbage while code is loaded.

pyarrow looks for pandas at the first `pa.array`, numba for SciPy's linear algebra and for cffi at
the first kernel. Both ask once. A night whose rows are mostly known takes seconds, and 0.9 s of
processor time went to the three (2026-11-21, two cores).
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

import pyarrow as pa

SELDOM = 50_000  # objects, instead of 700: 0.15 s of the processor time of a night (2026-11-21)


def spare_unused() -> None:
    """Let pyarrow and numba do without pandas, SciPy and cffi, in a process that is ours alone.

    What uses these packages itself can still import them; pyarrow no longer converts for pandas.
    Garbage is looked for seldom: what a run holds are tables, and there are few of them.
    """
    gc.set_threshold(SELDOM, *gc.get_threshold()[1:])
    with _Absent("pandas"):
        pa.array([0])
    with _Absent("scipy"), _Absent("cffi"):
        import numba.core.typing.cffi_utils
        import numba.np.arraymath  # noqa: F401


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Load modules without looking for garbage: there is none, and nine hundred modules are looked
    at again and again, for a tenth of the time that loading takes."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()


def begin_to_compile() -> None:
    """Let numba load what it needs before the first kernel, in a thread of its own: a quarter of a
    second, in which a run lists and links files (2026-11-21)."""

    def load() -> None:
        from thresher.text.hashing import FINGERPRINT_START
        from thresher.text.sketch import fingerprint

        fingerprint(pa.array(["a"]), FINGERPRINT_START)

    threading.Thread(target=load, name="kernels").start()


def leave(code: int) -> NoReturn:
    """End this process: what others registered for its end is done, and nothing is taken apart.

    To free every table and module one by one took 0.25 s of processor time after a night over a
    million rows (2026-11-21); the system takes all of it at once.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class _Absent(contextlib.AbstractContextManager["_Absent"]):
    """Makes a package appear not to be installed, unless it is loaded."""

    def __init__(self, package: str) -> None:
        self._package = package

    def __enter__(self) -> _Absent:
        sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *error: object) -> None:
        sys.meta_path.remove(self)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Say of the package that there is none; leave all others to the next finder."""
        if name == self._package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
