"""Vectors of 4 and 8 float32 for compiled kernels, where numba does not find them by itself.

Arrays are flat and C-contiguous; ``start`` counts elements, and nothing is checked: loads and stores lie inside. LLVM
splits vectors that are wider than the processor's.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model


class Vector(types.Type):
    """The type of so many float32 side by side."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"float32x{lanes}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, ir.VectorType(ir.FloatType(), vector.lanes))  # type: ignore[no-untyped-call]


Typed = tuple[Any, Callable[..., Any]]  # signature and code generator
_operation: Callable[..., Any] = intrinsic  # what is called in kernels is not what is written here


@_operation
def load4(context: Any, array: Any, start: Any) -> Typed:
    """``array[start : start + 4]``."""
    return _load(4, array, start)


@_operation
def load8(context: Any, array: Any, start: Any) -> Typed:
    """``array[start : start + 8]``."""
    return _load(8, array, start)


@_operation
def store(context: Any, array: Any, start: Any, vector: Any) -> Typed:
    """``array[start : start + len(vector)] = vector``."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature, args, vector.lanes)
        builder.store(args[2], pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, start, vector), code


@_operation
def vector4(context: Any, a: Any, b: Any, c: Any, d: Any) -> Typed:
    """Of four float32."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _vector(builder, args)

    return Vector(4)(types.float32, types.float32, types.float32, types.float32), code


@_operation
def first4(context: Any, vector: Any) -> Typed:
    """The lower half of eight."""
    return _half(vector, 0)


@_operation
def last4(context: Any, vector: Any) -> Typed:
    """The upper half of eight."""
    return _half(vector, 4)


@_operation
def add_scaled(context: Any, vector: Any, other: Any, factor: Any) -> Typed:
    """``vector + other * factor``, with one float32 for all."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _add_product(builder, args[1], _vector(builder, [args[2]] * vector.lanes), args[0])

    return vector(vector, other, types.float32), code


@_operation
def mixed(context: Any, first: Any, second: Any, share: Any) -> Typed:
    """``first + (second - first) * share``, with one float32 for all."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        step = builder.fsub(args[1], args[0])
        return _add_product(builder, step, _vector(builder, [args[2]] * first.lanes), args[0])

    return first(first, second, types.float32), code


@_operation
def apart(context: Any, first: Any, second: Any) -> Typed:
    """Their absolute differences."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _called(builder, "llvm.fabs", builder.fsub(args[0], args[1]))

    return first(first, second), code


@_operation
def distance(context: Any, first: Any, second: Any) -> Typed:
    """Sum of the absolute differences of the first three lanes, float32."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        difference = builder.fsub(args[0], args[1])
        lanes = _called(builder, "llvm.fabs", difference)
        y, u, v = (builder.extract_element(lanes, ir.Constant(ir.IntType(32), k)) for k in range(3))
        return builder.fadd(builder.fadd(y, u), v)

    return types.float32(first, second), code


def _load(lanes: int, array: Any, start: Any) -> Typed:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, signature, args, lanes), align=4)

    return Vector(lanes)(array, start), code


def _half(vector: Any, first: int) -> Typed:
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), 4), list(range(first, first + 4)))

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.shuffle_vector(args[0], ir.Constant(args[0].type, ir.Undefined), lanes)

    return Vector(4)(vector), code


def _pointer(context: Any, builder: Any, signature: Any, args: Any, lanes: int) -> Any:
    """To the vector that begins at element ``args[1]`` of array ``args[0]``."""
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    start = context.cast(builder, args[1], signature.args[1], types.intp)
    return builder.bitcast(builder.gep(data, [start]), ir.VectorType(ir.FloatType(), lanes).as_pointer())


def _vector(builder: Any, values: Any) -> Any:
    vector = ir.Constant(ir.VectorType(ir.FloatType(), len(values)), ir.Undefined)
    for k, value in enumerate(values):
        vector = builder.insert_element(vector, value, ir.Constant(ir.IntType(32), k))
    return vector


def _add_product(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c``, in one instruction where the processor has it."""
    return _called(builder, "llvm.fmuladd", a, b, c)


def _called(builder: Any, name: str, *args: Any) -> Any:
    """An operation of LLVM's on vectors of one type."""
    kind = args[0].type
    function = ir.FunctionType(kind, [kind] * len(args))
    return builder.call(get_or_insert_function(builder.module, function, f"{name}.v{kind.count}f32"), args)  # type: ignore[no-untyped-call]
