"""`thresher doctor`: what is installed, and whether a folder can hold results."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import StorageError, from_os_error
from thresher.store import Store

BASE = ("pyarrow", "numpy", "numba", "pydantic", "fsspec")
EXTRAS = {"hub": "datasets", "datasketch": "datasketch", "ray": "ray", "spark": "pyspark"}


def examine(out: str) -> Iterator[str]:
    """Yield one line a finding.

    Raises:
        StorageError: The folder cannot hold results.
    """
    yield f"thresher    {thresher.__version__}, Python {platform.python_version()}"
    yield "base        " + ", ".join(f"{name} {importlib.metadata.version(name)}" for name in BASE)
    for extra, package in EXTRAS.items():
        there = importlib.util.find_spec(package) is not None
        state = (
            importlib.metadata.version(package)
            if there
            else f"absent (pip install 'thresher[{extra}]')"
        )
        yield f"{extra:<11} {state}"
    yield f"cores       {EngineOptions().resolved_workers()}"
    yield f"kernels     cached in {_cache_folder()}"
    yield from _probe(out)


def _cache_folder() -> str:
    return (
        os.environ.get("NUMBA_CACHE_DIR")
        or "__pycache__ beside the package, else the user's cache folder"
    )


def _probe(out: str) -> Iterator[str]:
    """Try what a run relies on: atomic replace, put-if-absent by link, enough room."""
    folder = Path(out)
    if not folder.is_dir():
        raise StorageError("no such folder", path=out, remedy="create it first")
    try:
        with tempfile.TemporaryDirectory(prefix=".thresher-doctor-", dir=folder) as inside:
            store = Store(inside)
            first = store.put_if_absent("probe", b"1")
            second = store.put_if_absent("probe", b"2")
            store.put("probe", b"3")
            sound = first and not second and store.get("probe") == b"3"
    except OSError as error:
        raise from_os_error(error, out) from error
    if not sound:
        raise StorageError(
            "put-if-absent does not hold here", path=out, remedy="use another folder"
        )
    free = shutil.disk_usage(out).free / 1e9
    yield f"folder      {out}: writable, put-if-absent holds, {free:,.1f} GB free"
