"""A thin layer over llvmlite's IR builder: loops, vectors of floats, addresses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

FLOAT = ir.FloatType()
INT = ir.IntType(64)
BYTE = ir.IntType(8)
POINTER = ir.PointerType()

Value = Any
"""An LLVM value; llvmlite carries no types."""


class Emitter:
    """Builds one function.

    Args:
        module: where it goes.
        name: of the function.
        args: its parameters: pointers and 64-bit integers.
        width: floats in a vector.
    """

    def __init__(
        self, module: ir.Module, name: str, args: Sequence[tuple[str, Any]], width: int
    ) -> None:
        kind = ir.FunctionType(ir.VoidType(), [type_ for _, type_ in args])
        self.function = ir.Function(module, kind, name)
        self.width = width
        self.vector = ir.VectorType(FLOAT, width)
        self.args: dict[str, Value] = {}
        for (label, _), argument in zip(args, self.function.args, strict=True):
            argument.name = label
            self.args[label] = argument
        self.b = ir.IRBuilder(self.function.append_basic_block("entry"))

    def finish(self) -> ir.Function:
        self.b.ret_void()
        return self.function

    def index(self, value: int) -> Value:
        """A constant index or stride."""
        return ir.Constant(INT, value)

    def constant(self, value: float) -> Value:
        """A vector with the same number everywhere."""
        return ir.Constant(self.vector, [float(value)] * self.width)

    def at(self, base: Value, index: Value) -> Value:
        """The address of float ``index``."""
        return self.b.gep(base, [index], source_etype=FLOAT)

    def load(self, pointer: Value) -> Value:
        return self.b.load(pointer, typ=self.vector, align=4)

    def store(self, value: Value, pointer: Value) -> None:
        self.b.store(value, pointer, align=4)

    def splat(self, pointer: Value) -> Value:
        """A vector of the one float at ``pointer``."""
        number = self.b.load(pointer, typ=FLOAT, align=4)
        first = self.b.insert_element(ir.Constant(self.vector, ir.Undefined), number, self.i32(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.width), [0] * self.width)
        return self.b.shuffle_vector(first, ir.Constant(self.vector, ir.Undefined), mask)

    def i32(self, value: int) -> Value:
        return ir.Constant(ir.IntType(32), value)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """``a b + c``, rounded once."""
        return self._intrinsic(f"llvm.fma.v{self.width}f32", self.vector, [a, b, c])

    def weighted(self, pairs: Sequence[tuple[float, Value]], start: Value | None = None) -> Value:
        """``start`` plus the sum of number times vector; None for an empty sum."""
        total = start
        for number, vector in pairs:
            if total is None and number == 1.0:
                total = vector
            elif total is None:
                total = self.b.fmul(self.constant(number), vector)
            elif number == 1.0:
                total = self.b.fadd(total, vector)
            elif number == -1.0:
                total = self.b.fsub(total, vector)
            else:
                total = self.fma(self.constant(number), vector, total)
        return total

    def round(self, value: Value) -> Value:
        """To the nearest whole numbers."""
        return self._intrinsic(f"llvm.rint.v{self.width}f32", self.vector, [value])

    def prefetch(self, pointer: Value) -> None:
        """Asks for the cache line at ``pointer``, to be read soon."""
        hints = [self.i32(0), self.i32(3), self.i32(1)]
        self._intrinsic("llvm.prefetch.p0", ir.VoidType(), [pointer, *hints])

    def _intrinsic(self, name: str, returns: Value, values: list[Value]) -> Value:
        module = self.function.module
        function = module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(returns, [value.type for value in values])
            function = ir.Function(module, kind, name)
        return self.b.call(function, values)

    def ceil_div(self, a: Value, b: Value) -> Value:
        """``a / b`` of integers from 0 on, rounded up."""
        return self.b.sdiv(self.b.add(a, self.b.sub(b, self.index(1))), b)

    def min(self, a: Value, b: Value) -> Value:
        return self.b.select(self.b.icmp_signed("<", a, b), a, b)

    def max(self, a: Value, b: Value) -> Value:
        return self.b.select(self.b.icmp_signed(">", a, b), a, b)

    def vector_min(self, a: Value, b: Value) -> Value:
        return self.b.select(self.b.fcmp_ordered("<", a, b), a, b)

    def vector_max(self, a: Value, b: Value) -> Value:
        return self.b.select(self.b.fcmp_ordered(">", a, b), a, b)

    def loop(
        self,
        start: Value,
        stop: Value,
        step: int | Value,
        body: Callable[[Value, list[Value]], Sequence[Value] | None],
        carried: Sequence[Value] = (),
    ) -> list[Value]:
        """``for i in range(start, stop, step)``.

        Args:
            body: takes ``i`` and the carried values, returns the next carried values.
            carried: their values before the first round.

        Returns:
            The carried values after the last round.
        """
        before = self.b.block
        head = self.function.append_basic_block("head")
        inside = self.function.append_basic_block("body")
        after = self.function.append_basic_block("after")
        self.b.branch(head)
        self.b.position_at_end(head)
        count = self.b.phi(INT)
        count.add_incoming(start, before)
        phis = []
        for value in carried:
            phi = self.b.phi(value.type)
            phi.add_incoming(value, before)
            phis.append(phi)
        self.b.cbranch(self.b.icmp_signed("<", count, stop), inside, after)
        self.b.position_at_end(inside)
        following = body(count, list(phis)) or ()
        increment = self.index(step) if isinstance(step, int) else step
        last = self.b.block
        count.add_incoming(self.b.add(count, increment), last)
        for phi, value in zip(phis, following, strict=True):
            phi.add_incoming(value, last)
        self.b.branch(head)
        self.b.position_at_end(after)
        return list(phis)
