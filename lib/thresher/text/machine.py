"""Machine instructions that numba does not offer, as intrinsics: loads, wide multiplies, bit scans, vector steps.

Loads and stores take plain addresses and are unaligned; whoever calls them answers for the bounds. Vectors are written
as LLVM types of 64 bytes, which LLVM maps to whatever registers the machine has.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_I8, _I32, _I64, _I128 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.IntType(128)
_BYTES = ir.VectorType(_I8, 64)
_LANES = 16
_WORDS = ir.VectorType(_I32, _LANES)
_PAIR = types.UniTuple(types.uint64, 2)


def _pointer(builder: Any, address: Any, element: Any) -> Any:
    return builder.inttoptr(address, element.as_pointer())


def _load_u64(typing_context: Any, address: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0], _I64), align=1)

    return types.uint64(types.int64), build


def _load_u8(typing_context: Any, address: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.load(_pointer(builder, args[0], _I8)), _I64)

    return types.int64(types.int64), build


def _load_u32(typing_context: Any, address: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.load(_pointer(builder, args[0], _I32), align=1), _I64)

    return types.uint64(types.int64), build


def _store_u32(typing_context: Any, address: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(builder.trunc(args[1], _I32), _pointer(builder, args[0], _I32), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), build


def _mul_wide(typing_context: Any, left: Any, right: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.mul(builder.zext(args[0], _I128), builder.zext(args[1], _I128))
        low = builder.trunc(product, _I64)
        high = builder.trunc(builder.lshr(product, ir.Constant(_I128, 64)), _I64)
        return context.make_tuple(builder, signature.return_type, (low, high))

    return _PAIR(types.uint64, types.uint64), build


def _trailing_zeros(typing_context: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), build


def _splat(builder: Any, vector: Any, value: int) -> Any:
    return ir.Constant(vector, [value] * vector.count)


def _lower_ascii_block(typing_context: Any, source: Any, target: Any) -> Any:
    """Lower-case 64 bytes from `source` to `target`; return masks (not ASCII, ASCII word character)."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = builder.load(_pointer(builder, args[0], _BYTES), align=1)

        def between(vector: Any, first: str, count: int) -> Any:
            offset = builder.sub(vector, _splat(builder, _BYTES, ord(first)))
            return builder.icmp_unsigned("<", offset, _splat(builder, _BYTES, count))

        raised = builder.add(block, _splat(builder, _BYTES, 32))
        lowered = builder.select(between(block, "A", 26), raised, block)
        builder.store(lowered, _pointer(builder, args[1], _BYTES), align=1)
        underscore = builder.icmp_unsigned("==", block, _splat(builder, _BYTES, ord("_")))
        letter_or_digit = builder.or_(between(lowered, "a", 26), between(block, "0", 10))
        word = builder.bitcast(builder.or_(letter_or_digit, underscore), _I64)
        negative = builder.icmp_signed("<", block, _splat(builder, _BYTES, 0))
        return context.make_tuple(
            builder, signature.return_type, (builder.bitcast(negative, _I64), word)
        )

    return _PAIR(types.int64, types.int64), build


def _minimum_16(
    typing_context: Any, hashes: Any, count: Any, factors: Any, terms: Any, minima: Any
) -> Any:
    """Lower 16 minima by `factor * hash + term` over `count` hashes, all uint32 at the given addresses."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        hashes, count, factors, terms, minima = args
        target = _pointer(builder, minima, _WORDS)
        factor = builder.load(_pointer(builder, factors, _WORDS), align=1)
        term = builder.load(_pointer(builder, terms, _WORDS), align=1)
        smallest = cgutils.alloca_once_value(builder, builder.load(target, align=1))
        source = _pointer(builder, hashes, _I32)
        undefined = ir.Constant(_WORDS, ir.Undefined)
        zeros = ir.Constant(ir.VectorType(_I32, _LANES), [0] * _LANES)
        with cgutils.for_range(builder, count) as loop:
            value = builder.load(builder.gep(source, [loop.index]))
            first = builder.insert_element(undefined, value, ir.Constant(_I32, 0))
            spread = builder.shuffle_vector(first, undefined, zeros)
            permuted = builder.add(builder.mul(spread, factor), term)
            current = builder.load(smallest)
            less = builder.icmp_unsigned("<", permuted, current)
            builder.store(builder.select(less, permuted, current), smallest)
        builder.store(builder.load(smallest), target, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64, types.int64), build


load_u64: Any = intrinsic(_load_u64)
load_u32: Any = intrinsic(_load_u32)
load_u8: Any = intrinsic(_load_u8)
store_u32: Any = intrinsic(_store_u32)
mul_wide: Any = intrinsic(_mul_wide)
trailing_zeros: Any = intrinsic(_trailing_zeros)
lower_ascii_block: Any = intrinsic(_lower_ascii_block)
minimum_16: Any = intrinsic(_minimum_16)
