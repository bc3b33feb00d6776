"""What a process that ends with one short command can do without: large packages that others load
wherever they find them, and collecting garbage while code is loaded.

pyarrow looks for pandas at the first `pa.array`, numba for SciPy's linear algebra at the first
kernel. Both ask once. A night whose rows are mostly known takes seconds, and 0.9 s of processor
time went to the two (2026-11-21, two cores).
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

import pyarrow as pa


def spare_unused() -> None:
    """Let pyarrow and numba do without pandas and SciPy, in a process that is ours alone.

    What uses these packages itself can still import them; pyarrow no longer converts for pandas.
    """
    with _Absent("pandas"):
        pa.array([0])
    with _Absent("scipy"):
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
