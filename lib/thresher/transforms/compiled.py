"""The one way kernels of this package are compiled: no interpreter lock, cached on disk, never parallel.

Typed for callers: numba's own decorator is untyped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile a function on first use; releases the interpreter lock and caches machine code."""
    compiled: F = numba.njit(nogil=True, cache=True)(function)
    return compiled


@intrinsic
def popcount64(typingctx: Any, value: Any) -> Any:
    """Count the one bits of a uint64 (the processor's own instruction)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        function = builder.module.declare_intrinsic("llvm.ctpop", (word,))
        return builder.call(function, arguments)

    return types.uint64(types.uint64), generate
