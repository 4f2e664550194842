"""Activations of single numbers, on vectors of channels in registers.

All of them leave zero at zero, so that padding may come before or after them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from llvmlite import ir
from numpy.polynomial import Chebyshev, Polynomial

from milonga.compute.convolutions.kernels.emit import INT, POINTER, Emitter, Value

Kind = Literal["none", "snake", "elu"]

ARGS = (
    ("x", POINTER), ("y", POINTER), ("channels", INT), ("alpha", POINTER), ("gain", POINTER),
    ("rows", INT),
)  # fmt: skip


@lru_cache(maxsize=4)
def sine_square_terms(count: int = 7) -> tuple[float, ...]:
    """Coefficients ``q`` with ``sin(pi w)^2 = s (q[0] + q[1] s + ...)``, ``s = w^2 <= 1/4``.

    Seven of them are off by less than 1e-8.
    """
    nodes = 0.125 * (1 - np.cos(np.pi * (np.arange(200) + 0.5) / 200))
    values = np.sin(np.pi * np.sqrt(nodes)) ** 2 / nodes
    fit = Chebyshev.fit(nodes, values, count - 1, domain=[0.0, 0.25])
    return tuple(float(c) for c in fit.convert(kind=Polynomial).coef)


@lru_cache(maxsize=4)
def power_of_two_terms(count: int = 7) -> tuple[float, ...]:
    """Coefficients of ``2^f`` for ``|f| <= 1/2``. Seven of them are off by less than 1e-8."""
    nodes = 0.5 * np.cos(np.pi * (np.arange(200) + 0.5) / 200)
    fit = Chebyshev.fit(nodes, 2.0**nodes, count - 1, domain=[-0.5, 0.5])
    return tuple(float(c) for c in fit.convert(kind=Polynomial).coef)


def snake(e: Emitter, x: Value, alpha: Value, gain: Value) -> Value:
    """``x + gain sin(pi alpha x)^2``."""
    turns = e.b.fmul(alpha, x)
    w = e.b.fsub(turns, e.round(turns))
    s = e.b.fmul(w, w)
    return e.fma(e.b.fmul(gain, s), polynomial(e, sine_square_terms(), s), x)


def elu(e: Emitter, x: Value) -> Value:
    """``x`` above 0, ``exp(x) - 1`` below."""
    power, scale = _powers(e, e.vector_max(e.vector_min(x, e.constant(0.0)), e.constant(-80.0)))
    # Above 0 the power is 1, and below it lies above ``x``.
    return e.vector_max(x, e.fma(power, scale, e.constant(-1.0)))


def sigmoid(e: Emitter, x: Value) -> Value:
    """``1 / (1 + exp(-x))``, within 1e-7."""
    one = e.constant(1.0)
    return e.b.fdiv(one, e.b.fadd(one, exponential(e, e.b.fneg(x))))


def hyperbolic_tangent(e: Emitter, x: Value) -> Value:
    """``tanh(x)``, within 2e-7."""
    twice = sigmoid(e, e.b.fadd(x, x))
    return e.fma(e.constant(2.0), twice, e.constant(-1.0))


def exponential(e: Emitter, x: Value) -> Value:
    """e to the power of ``x``, which is taken to lie within 80 of zero.

    Beyond, the power would leave the range of exponents. Below zero it is within 7e-8, which a
    softmax asks for; relative to itself within 2e-6.
    """
    near = e.vector_max(e.vector_min(x, e.constant(80.0)), e.constant(-80.0))
    return e.b.fmul(*_powers(e, near))


_ROUNDS = 1.5 * 2.0**23
"""A number of this size has no digits after the point: adding it rounds."""


def _powers(e: Emitter, x: Value) -> tuple[Value, Value]:
    """Two factors of e to the power of ``x``: the second is a power of two."""
    numbers = ir.VectorType(ir.IntType(32), e.width)
    shifted = e.fma(x, e.constant(1 / math.log(2)), e.constant(_ROUNDS + 127))
    whole = e.b.fsub(shifted, e.constant(_ROUNDS + 127))
    rest = e.fma(x, e.constant(1 / math.log(2)), e.b.fneg(whole))
    # The whole number and 127, the exponent of 1, are the last digits of what was shifted.
    exponent = e.b.shl(e.b.bitcast(shifted, numbers), ir.Constant(numbers, [23] * e.width))
    return polynomial(e, power_of_two_terms(), rest), e.b.bitcast(exponent, e.vector)


def apply(
    e: Emitter, kind: Kind, x: Value, alpha: Value | None, gain: Value | None, channel: Value
) -> Value:
    """The activation of one vector; ``alpha`` and ``gain`` point to those of channel 0."""
    if kind == "snake":
        return snake(e, x, e.load(e.at(alpha, channel)), e.load(e.at(gain, channel)))
    return elu(e, x) if kind == "elu" else x


def emit_elementwise(module: ir.Module, kind: Kind, width: int) -> ir.Function:
    """``y = activation(x)`` for rows of ``channels``."""
    name = elementwise_name(kind, width)
    if name in module.globals:
        return module.globals[name]
    e = Emitter(module, name, ARGS, width)
    a = e.args

    def row(index: Value, _: list[Value]) -> None:
        offset = e.b.mul(index, a["channels"])
        source, target = e.at(a["x"], offset), e.at(a["y"], offset)

        def vector(c: Value, _: list[Value]) -> None:
            value = e.load(e.at(source, c))
            e.store(apply(e, kind, value, a["alpha"], a["gain"], c), e.at(target, c))

        e.loop(e.index(0), a["channels"], width, vector)

    e.loop(e.index(0), a["rows"], 1, row)
    return e.finish()


def elementwise_name(kind: Kind, width: int) -> str:
    """Name the function of ``emit_elementwise``."""
    return f"elementwise_{kind}_{width}"


def polynomial(e: Emitter, terms: Sequence[float], x: Value) -> Value:
    """A polynomial by Horner's rule; ``terms`` from the constant on."""
    total = e.constant(terms[-1])
    for term in terms[-2::-1]:
        total = e.fma(total, x, e.constant(term))
    return total
