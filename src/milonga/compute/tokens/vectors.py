"""Vectors in compiled kernels: GELU, sums, numbers of 8 and 16 bits as floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from llvmlite import ir

from milonga.compute.convolutions.kernels.elementwise import exponential, polynomial
from milonga.compute.convolutions.kernels.emit import FLOAT, INT, Emitter, Value

LANES = 16
"""Floats in a vector; on processors with narrower ones LLVM takes several."""

Kind = Literal["float32", "bfloat16", "int8"]
"""How numbers lie in memory."""

Kept = Literal["float32", "bfloat16"]
"""How keys and values lie in the memory of steps."""

BYTES: dict[Kind, int] = {"float32": 4, "bfloat16": 2, "int8": 1}
_I8, _I16, _I32 = ir.IntType(8), ir.IntType(16), ir.IntType(32)
_TERMS = 14


class Vectors(Emitter):
    """An emitter of functions on vectors of floats; ``lanes`` of them may be fewer."""

    def __init__(self, module: ir.Module, name: str, args: Sequence[tuple[str, Any]]) -> None:
        super().__init__(module, name, args, LANES)

    def floats(self, lanes: int = LANES) -> Any:
        return ir.VectorType(FLOAT, lanes)

    def same(self, value: float, lanes: int = LANES) -> Value:
        """The same number everywhere."""
        return ir.Constant(self.floats(lanes), [float(value)] * lanes)

    def spread(self, number: Value, lanes: int = LANES) -> Value:
        """The same float everywhere, known when the kernel runs."""
        blank = ir.Constant(self.floats(lanes), ir.Undefined)
        first = self.b.insert_element(blank, number, self.i32(0))
        return self.b.shuffle_vector(
            first, blank, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
        )

    def byte(self, base: Value, offset: Value) -> Value:
        """The address ``offset`` bytes on."""
        return self.b.gep(base, [offset], source_etype=_I8)

    def number(self, pointer: Value) -> Value:
        """The float at ``pointer``."""
        return self.b.load(pointer, typ=FLOAT, align=4)

    def read(self, pointer: Value, kind: Kind, lanes: int = LANES) -> Value:
        """Floats from numbers of a kind, exactly; those of 8 bits without their scale."""
        if kind == "float32":
            return self.b.load(pointer, typ=self.floats(lanes), align=4)
        if kind == "bfloat16":
            short = self.b.load(pointer, typ=ir.VectorType(_I16, lanes), align=2)
            wide = self.b.zext(short, ir.VectorType(_I32, lanes))
            return self.b.bitcast(self.b.shl(wide, self._ints(16, lanes)), self.floats(lanes))
        tiny = self.b.load(pointer, typ=ir.VectorType(_I8, lanes), align=1)
        return self.b.sitofp(self.b.sext(tiny, ir.VectorType(_I32, lanes)), self.floats(lanes))

    def write(self, value: Value, pointer: Value, kind: Kind, lanes: int = LANES) -> None:
        """Floats as numbers of 32 or 16 bits, rounded to the nearest, ties to even."""
        if kind == "float32":
            self.b.store(value, pointer, align=4)
            return
        short = self.b.trunc(self.bfloat16(value, lanes), ir.VectorType(_I16, lanes))
        self.b.store(short, pointer, align=2)

    def bfloat16(self, value: Value, lanes: int = LANES) -> Value:
        """Floats as numbers of 16 bits, rounded to the nearest, ties to even, in the last bits of
        words."""
        bits = self.b.bitcast(value, ir.VectorType(_I32, lanes))
        odd = self.b.and_(self.b.lshr(bits, self._ints(16, lanes)), self._ints(1, lanes))
        rounded = self.b.add(bits, self.b.add(odd, self._ints(0x7FFF, lanes)))
        return self.b.lshr(rounded, self._ints(16, lanes))

    def _ints(self, value: int, lanes: int) -> Value:
        return ir.Constant(ir.VectorType(_I32, lanes), [value] * lanes)

    def total(self, vector: Value) -> Value:
        """The sum of a vector's floats."""
        lanes = vector.type.count
        name = f"llvm.vector.reduce.fadd.v{lanes}f32"
        function = self._declared(name, FLOAT, [FLOAT, vector.type])
        zero = ir.Constant(FLOAT, 0.0)
        return self.b.call(function, [zero, vector], fastmath=("reassoc",))

    def largest(self, vector: Value) -> Value:
        """The largest of a vector's floats."""
        lanes = vector.type.count
        function = self._declared(f"llvm.vector.reduce.fmax.v{lanes}f32", FLOAT, [vector.type])
        return self.b.call(function, [vector], fastmath=("nnan",))

    def root(self, number: Value) -> Value:
        """The square root of a float."""
        return self.b.call(self._declared("llvm.sqrt.f32", FLOAT, [FLOAT]), [number])

    def _declared(self, name: str, returns: Any, takes: list[Any]) -> Value:
        module = self.function.module
        function = module.globals.get(name)
        return function or ir.Function(module, ir.FunctionType(returns, takes), name)

    def gelu(self, x: Value) -> Value:
        """``x Phi(x)`` of 16 floats, with the distribution function Phi of the normal one.

        By the scaled complement of the error function: ``erfc(z) = exp(-z z) erfcx(z)``, where
        ``erfcx`` is so smooth in ``(z - 2) / (z + 2)`` that a polynomial is as exact as floats.
        """
        b = self.b
        negative = b.fcmp_ordered("<", x, self.same(0.0))
        z = b.fmul(b.select(negative, b.fneg(x), x), self.same(math.sqrt(0.5)))
        place = b.fdiv(b.fsub(z, self.same(2.0)), b.fadd(z, self.same(2.0)))
        smooth = polynomial(self, scaled_complement(), place)
        tail = b.fmul(b.fmul(exponential(self, b.fneg(b.fmul(z, z))), smooth), self.same(0.5))
        return b.fmul(x, b.select(negative, tail, b.fsub(self.same(1.0), tail)))


def scaled_complement() -> list[float]:
    """Coefficients of ``exp(z z) erfc(z)`` in ``(z - 2) / (z + 2)``, for z from 0 to 10."""
    z = np.concatenate([np.linspace(0, 2, 400), np.linspace(2, 10, 400)])
    values = [math.exp(number**2) * math.erfc(number) for number in z]
    fitted = np.polynomial.Chebyshev.fit((z - 2) / (z + 2), values, _TERMS, domain=[-1, 1])
    found: list[float] = fitted.convert(kind=np.polynomial.Polynomial).coef.tolist()
    return found


def when(e: Vectors, condition: Value, body: Callable[[], None]) -> None:
    """``if condition: body()``."""
    with e.b.if_then(condition):
        body()


__all__ = ["BYTES", "FLOAT", "INT", "LANES", "Kept", "Kind", "Vectors", "scaled_complement", "when"]
