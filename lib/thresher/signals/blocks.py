"""Machine instructions for 64 bytes of text at a time: which bytes are of which kind.

A mask has bit i set where byte i is of the kind. Bytes that are not ASCII are of no kind but
`FOREIGN` and, where they equal the byte before, `SAME`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from thresher.text.machine import _BYTES, _I64, Intrinsic, types

MASKS = (
    "FOREIGN",
    "ALNUM",
    "UPPER",
    "DIGIT",
    "SPACE",
    "NEWLINE",
    "END",
    "DOT",
    "CONTROL",
    "UNDERSCORE",
    "APOSTROPHE",
    "HASH",
    "ROUND",
    "SQUARE",
    "CURLY",
    "SCHEME",
    "ANCHOR",
    "SAME",
)
ANCHORS = ("va", "ms", "ps", "ok")  # pairs of letters that the searched phrases have, and few words
_MANY = types.UniTuple(types.uint64, len(MASKS))


def _block_masks(typing_context: Any, source: Any) -> Any:
    """Return the masks of the 64 bytes at `source`; the bytes before and after are read as well."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def load(offset: int) -> Any:
            place = builder.add(args[0], ir.Constant(_I64, offset))
            return builder.load(builder.inttoptr(place, _BYTES.as_pointer()), align=1)

        def splat(value: int) -> Any:
            return ir.Constant(_BYTES, [value] * _BYTES.count)

        def equal(vector: Any, char: str | int) -> Any:
            value = ord(char) if isinstance(char, str) else char
            return builder.icmp_unsigned("==", vector, splat(value))

        def between(vector: Any, first: int, count: int) -> Any:
            return builder.icmp_unsigned("<", builder.sub(vector, splat(first)), splat(count))

        def either(*found: Any) -> Any:
            whole = found[0]
            for one in found[1:]:
                whole = builder.or_(whole, one)
            return whole

        block, before, after = load(0), load(-1), load(1)
        folded = builder.or_(block, splat(32))
        folded_after = builder.or_(after, splat(32))
        upper, digit = between(block, ord("A"), 26), between(block, ord("0"), 10)
        space = either(equal(block, " "), between(block, 9, 5), between(block, 28, 4))
        low = either(builder.icmp_unsigned("<", block, splat(32)), equal(block, 127))
        dot = equal(block, ".")
        brackets = either(equal(folded, "{"), equal(folded, "}"))
        curly = either(equal(block, "{"), equal(block, "}"))
        pairs = [
            builder.and_(equal(folded, pair[0]), equal(folded_after, pair[1])) for pair in ANCHORS
        ]
        found = {
            "FOREIGN": builder.icmp_signed("<", block, splat(0)),
            "ALNUM": either(between(folded, ord("a"), 26), digit),
            "UPPER": upper,
            "DIGIT": digit,
            "SPACE": space,
            "NEWLINE": equal(block, "\n"),
            "END": either(dot, equal(block, "!"), equal(block, "?")),
            "DOT": dot,
            "CONTROL": builder.and_(low, builder.not_(space)),
            "UNDERSCORE": equal(block, "_"),
            "APOSTROPHE": equal(block, "'"),
            "HASH": equal(block, "#"),
            "ROUND": either(equal(block, "("), equal(block, ")")),
            "SQUARE": builder.and_(brackets, builder.not_(curly)),
            "CURLY": curly,
            "SCHEME": builder.and_(equal(block, ":"), equal(after, "/")),
            "ANCHOR": either(*pairs),
            "SAME": builder.icmp_unsigned("==", block, before),
        }
        values = [builder.bitcast(found[name], _I64) for name in MASKS]
        return context.make_tuple(builder, signature.return_type, values)

    return _MANY(types.int64), build


def _popcount(typing_context: Any, value: Any) -> Any:
    """Count the one bits of a uint64."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), build


def _leading_zeros(typing_context: Any, value: Any) -> Any:
    """Count the zero bits above the highest one of a uint64; 64 for zero."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), build


block_masks: Intrinsic = intrinsic(_block_masks)
popcount: Intrinsic = intrinsic(_popcount)
leading_zeros: Intrinsic = intrinsic(_leading_zeros)
