"""How kernels are compiled: `nogil`, cached on disk, never parallel, no fastmath.

Integers wrap around and nothing is reordered, so a kernel gives the same bits on every machine of
one byte order (little-endian, which `require_little_endian` checks). Addresses and positions are
int64; hashes and masks uint64.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile a function to machine code on first use, and keep it in numba's cache."""
    require_little_endian()
    return cast("Function", numba.njit(nogil=True, cache=True, error_model="numpy")(function))


def inlined(function: Function) -> Function:
    """Compile a small function that only kernels call; it ends up inside them."""
    compiled = numba.njit(nogil=True, error_model="numpy", forceinline=True)(function)
    return cast("Function", compiled)


def require_little_endian() -> None:
    """Refuse a big-endian machine, on which the kernels would hash other chunks."""
    if sys.byteorder != "little":
        raise RuntimeError("thresher's text kernels need a little-endian machine")
