"""Read 64 bytes of ASCII at once: lower case, and masks of what the tokeniser looks at."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types as untyped_types
from numba.extending import intrinsic

from thresher.text.machine import Intrinsic

types: Any = untyped_types

BLOCK = 64
_I64 = ir.IntType(64)
_BYTES = ir.VectorType(ir.IntType(8), BLOCK)
_NUM_MASKS = 5


def _read_block(typing_context: Any, source: Any, target: Any) -> Any:
    """Lower-case 64 bytes from `source` to `target`; return five masks.

    They are: not ASCII; letter or digit; underscore; sign that may stand inside a word (apostrophe,
    comma, backslash, opening brace); backslash.
    """
    masks = types.UniTuple(types.uint64, _NUM_MASKS)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = builder.load(builder.inttoptr(args[0], _BYTES.as_pointer()), align=1)

        def splat(value: int) -> Any:
            return ir.Constant(_BYTES, [value] * BLOCK)

        def between(vector: Any, first: str, count: int) -> Any:
            offset = builder.sub(vector, splat(ord(first)))
            return builder.icmp_unsigned("<", offset, splat(count))

        def equal(char: str) -> Any:
            return builder.icmp_unsigned("==", block, splat(ord(char)))

        raised = builder.add(block, splat(32))
        lowered = builder.select(between(block, "A", 26), raised, block)
        builder.store(lowered, builder.inttoptr(args[1], _BYTES.as_pointer()), align=1)
        backslash = equal("\\")
        quoting = builder.or_(equal("'"), equal(","))
        found = (
            builder.icmp_signed("<", block, splat(0)),
            builder.or_(between(lowered, "a", 26), between(block, "0", 10)),
            equal("_"),
            builder.or_(quoting, builder.or_(backslash, equal("{"))),
            backslash,
        )
        bits = [builder.bitcast(mask, _I64) for mask in found]
        return context.make_tuple(builder, signature.return_type, bits)

    return masks(types.int64, types.int64), build


read_block: Intrinsic = intrinsic(_read_block)
