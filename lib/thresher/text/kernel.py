"""How kernels are compiled: `nogil`, cached on disk, never parallel, no fastmath.

Integers wrap around and nothing is reordered, so a kernel gives the same bits on every machine of
one byte order (little-endian, which `require_little_endian` checks). Addresses and positions are
int64; hashes and masks uint64.

Numba trusts a cached kernel as long as the file that defines it is unchanged, but a kernel also
contains what it calls from other files, and wheels unpack with one date. So the cache is stamped
with a digest of the sources that kernels are made of: those of `text`, `transforms`, `readers` and
`signals`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numba as untyped_numba
from numba.core.options import DefaultOptions

njit: Any = untyped_numba.njit
Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile a function to machine code on first use, and keep it in numba's cache.

    Its arrays are not counted: numba would count each array of a tuple at every call, with atomic
    instructions. So it can make none, nor return any; `allocating` is for those that do.
    """
    return _compiled(function, counted=False)


def allocating(function: Function) -> Function:
    """Compile a kernel that makes arrays of its own."""
    return _compiled(function, counted=True)


def _compiled(function: Function, counted: bool) -> Function:
    require_little_endian()
    dispatcher = njit(nogil=True, cache=True, error_model="numpy", **_counting(counted))(function)
    index = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if index is not None:  # numba's own: a later numba without it only loses the stamp
        index._source_stamp = (index._source_stamp, sources_digest())
    return cast("Function", dispatcher)


def kept_at(compiled: Any) -> Path | None:
    """Return the folder that a kernel's machine code is kept in; None where a numba tells none."""
    folder = getattr(getattr(compiled, "_cache", None), "cache_path", None)
    return None if folder is None else Path(folder)


def inlined(function: Function) -> Function:
    """Compile a small function that only kernels call; it ends up inside them."""
    options = _counting(counted=False)
    compiled = njit(nogil=True, error_model="numpy", forceinline=True, **options)(function)
    return cast("Function", compiled)


def _counting(counted: bool) -> dict[str, bool]:
    """Return numba's own option; a later numba without it counts again, which is only slower."""
    return {} if counted or not hasattr(DefaultOptions, "_nrt") else {"_nrt": False}


@cache
def sources_digest() -> str:
    """Return a digest of the sources that every cached kernel depends on."""
    packages = Path(__file__).parents[1]
    sources = [
        s
        for name in ("text", "transforms", "readers", "signals", "leaks")
        for s in sorted((packages / name).glob("*.py"))
    ]
    return sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def require_little_endian() -> None:
    """Refuse a big-endian machine, on which the kernels would hash other chunks."""
    if sys.byteorder != "little":
        raise RuntimeError("thresher's text kernels need a little-endian machine")
