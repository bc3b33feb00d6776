"""Machine instructions that numba does not offer, as intrinsics: memory by address, wide
multiplies, vector steps.

Kernels address memory directly: `u64_at(address, index)` is element `index` of an array of uint64.
That compiles several times faster than numba's arrays, costs no reference counting, and is not
checked: whoever calls answers for the bounds. Loads and stores are unaligned. Small integers widen
to int64; uint64 stays unsigned. Vectors are LLVM types of 64 bytes, which LLVM maps to whatever
registers the machine has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils as untyped_cgutils
from numba.core import types as untyped_types
from numba.extending import intrinsic

types: Any = untyped_types
cgutils: Any = untyped_cgutils

_BIT, _I8, _I16, _I32, _I64, _I128 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64, 128))
_BYTES = ir.VectorType(_I8, 64)
_LANES = 16
_WORDS = ir.VectorType(_I32, _LANES)
_SHORTS = ir.VectorType(_I16, 32)
_PAIR = types.UniTuple(types.uint64, 2)


def _pointer(builder: Any, address: Any, element: Any) -> Any:
    return builder.inttoptr(address, element.as_pointer())


def _loader(element: Any, result: Any, widen: str | None) -> Any:
    def load(typing_context: Any, address: Any, index: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = builder.gep(_pointer(builder, args[0], element), [args[1]])
            value = builder.load(place, align=1)
            return value if widen is None else getattr(builder, widen)(value, _I64)

        return result(types.int64, types.int64), build

    return intrinsic(load)


def _storer(element: Any, argument: Any) -> Any:
    def store(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = builder.gep(_pointer(builder, args[0], element), [args[1]])
            value = args[2] if element is _I64 else builder.trunc(args[2], element)
            builder.store(value, place, align=1)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, argument), build

    return intrinsic(store)


def _product(builder: Any, args: Any) -> tuple[Any, Any]:
    product = builder.mul(builder.zext(args[0], _I128), builder.zext(args[1], _I128))
    high = builder.lshr(product, ir.Constant(_I128, 64))
    return builder.trunc(product, _I64), builder.trunc(high, _I64)


def _mul_wide(typing_context: Any, left: Any, right: Any) -> Any:
    """Return (low, high) of the 128-bit product of two uint64."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.make_tuple(builder, signature.return_type, _product(builder, args))

    return _PAIR(types.uint64, types.uint64), build


def _fold(typing_context: Any, left: Any, right: Any) -> Any:
    """Return the low half xor the high half of the 128-bit product of two uint64."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.xor(*_product(builder, args))

    return types.uint64(types.uint64, types.uint64), build


def _rotl(typing_context: Any, value: Any, bits: Any) -> Any:
    """Rotate a uint64 to the left by 1 to 63 bits."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, bits = args
        rest = builder.sub(ir.Constant(_I64, 64), bits)
        return builder.or_(builder.shl(value, bits), builder.lshr(value, rest))

    return types.uint64(types.uint64, types.int64), build


def _trailing_zeros(typing_context: Any, value: Any) -> Any:
    """Count the zero bits below the lowest one of a uint64; 64 for zero."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(_BIT, 0))

    return types.int64(types.uint64), build


def _lower_ascii_block(typing_context: Any, source: Any, target: Any) -> Any:
    """Lower-case 64 bytes from `source` to `target`; return masks (not ASCII, word character)."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = builder.load(_pointer(builder, args[0], _BYTES), align=1)

        def splat(value: int) -> Any:
            return ir.Constant(_BYTES, [value] * _BYTES.count)

        def between(vector: Any, first: str, count: int) -> Any:
            offset = builder.sub(vector, splat(ord(first)))
            return builder.icmp_unsigned("<", offset, splat(count))

        raised = builder.add(block, splat(32))
        lowered = builder.select(between(block, "A", 26), raised, block)
        builder.store(lowered, _pointer(builder, args[1], _BYTES), align=1)
        underscore = builder.icmp_unsigned("==", block, splat(ord("_")))
        letter_or_digit = builder.or_(between(lowered, "a", 26), between(block, "0", 10))
        word = builder.bitcast(builder.or_(letter_or_digit, underscore), _I64)
        not_ascii = builder.bitcast(builder.icmp_signed("<", block, splat(0)), _I64)
        return context.make_tuple(builder, signature.return_type, (not_ascii, word))

    return _PAIR(types.int64, types.int64), build


def _lower_where(typing_context: Any, lanes: Any, places: Any, value: Any) -> Any:
    """Take a value from those of 64 int16 that bits of `places` stand for; return which are
    negative then."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start, places, value = args
        undefined, zeros = ir.Constant(_SHORTS, ir.Undefined), ir.Constant(_SHORTS, [0] * 32)
        first = builder.insert_element(undefined, builder.trunc(value, _I16), ir.Constant(_I32, 0))
        spread = builder.shuffle_vector(
            first, undefined, ir.Constant(ir.VectorType(_I32, 32), [0] * 32)
        )
        negative = ir.Constant(_I64, 0)
        for half in range(2):
            place = builder.gep(_pointer(builder, start, _SHORTS), [ir.Constant(_I64, half)])
            shift = ir.Constant(_I64, 32 * half)
            bits = builder.trunc(builder.lshr(places, shift), _I32)
            chosen = builder.bitcast(bits, ir.VectorType(_BIT, 32))
            left = builder.sub(builder.load(place, align=1), builder.select(chosen, spread, zeros))
            builder.store(left, place, align=1)
            below = builder.bitcast(builder.icmp_signed("<", left, zeros), _I32)
            negative = builder.or_(negative, builder.shl(builder.zext(below, _I64), shift))
        return negative

    return types.uint64(types.int64, types.uint64, types.int64), build


def _minimum(num_vectors: int) -> Any:
    """Make the step that lowers 16 * `num_vectors` minima by `factor * hash + term` over hashes.

    Hashes, factors, terms and minima are uint32. Four vectors at a time hide the multiply's latency
    in short rows (5.7 ns a shingle for 128 permutations, 6.1 with one, 2026-11, Ice Lake).
    """

    def minimum(
        typing_context: Any, hashes: Any, count: Any, factors: Any, terms: Any, minima: Any
    ) -> Any:
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            hashes, count, *parameters = args
            places = [
                [
                    builder.gep(_pointer(builder, start, _WORDS), [ir.Constant(_I64, vector)])
                    for vector in range(num_vectors)
                ]
                for start in parameters
            ]
            factors, terms, minima = [
                [builder.load(place, align=1) for place in row] for row in places
            ]
            smallest = [cgutils.alloca_once_value(builder, minimum) for minimum in minima]
            source = _pointer(builder, hashes, _I32)
            undefined = ir.Constant(_WORDS, ir.Undefined)
            zeros = ir.Constant(_WORDS, [0] * _LANES)
            with cgutils.for_range(builder, count) as loop:
                value = builder.load(builder.gep(source, [loop.index]))
                first = builder.insert_element(undefined, value, ir.Constant(_I32, 0))
                spread = builder.shuffle_vector(first, undefined, zeros)
                for factor, term, least in zip(factors, terms, smallest, strict=True):
                    permuted = builder.add(builder.mul(spread, factor), term)
                    current = builder.load(least)
                    less = builder.icmp_unsigned("<", permuted, current)
                    builder.store(builder.select(less, permuted, current), least)
            for place, least in zip(places[2], smallest, strict=True):
                builder.store(builder.load(least), place, align=1)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 5), build

    return intrinsic(minimum)


Intrinsic = Callable[..., Any]

u64_at: Intrinsic = _loader(_I64, types.uint64, None)
i64_at: Intrinsic = _loader(_I64, types.int64, None)
i32_at: Intrinsic = _loader(_I32, types.int64, "sext")
u32_at: Intrinsic = _loader(_I32, types.int64, "zext")
u16_at: Intrinsic = _loader(_I16, types.int64, "zext")
u8_at: Intrinsic = _loader(_I8, types.int64, "zext")
set_u64: Intrinsic = _storer(_I64, types.uint64)
set_i64: Intrinsic = _storer(_I64, types.int64)
set_u32: Intrinsic = _storer(_I32, types.int64)
set_u8: Intrinsic = _storer(_I8, types.int64)
mul_wide: Intrinsic = intrinsic(_mul_wide)
fold: Intrinsic = intrinsic(_fold)
rotl: Intrinsic = intrinsic(_rotl)
trailing_zeros: Intrinsic = intrinsic(_trailing_zeros)
lower_where: Intrinsic = intrinsic(_lower_where)
lower_ascii_block: Intrinsic = intrinsic(_lower_ascii_block)
minimum_16: Intrinsic = _minimum(1)
minimum_64: Intrinsic = _minimum(4)
