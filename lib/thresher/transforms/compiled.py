"""What kernels of this package are built with: the decorators, and the processor's bit count."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from thresher.text.kernel import allocating, kernel

__all__ = ["allocating", "kernel", "popcount64"]


@intrinsic
def _popcount64(typingctx: Any, value: Any) -> Any:
    """Count the one bits of a uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        function = builder.module.declare_intrinsic("llvm.ctpop", (word,))
        return builder.call(function, arguments)

    return types.uint64(types.uint64), generate


popcount64: Any = _popcount64
