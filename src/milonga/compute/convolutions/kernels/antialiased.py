"""The anti-aliased activation in one pass: up, snake, down.

For each vector of channels the doubled signal lives in registers only: ten values behind and two
new ones make the next output.
"""

from __future__ import annotations

from llvmlite import ir

from milonga.compute.convolutions.kernels.elementwise import snake
from milonga.compute.convolutions.kernels.emit import INT, POINTER, Emitter, Value
from milonga.compute.convolutions.kernels.half_band import HALF_BAND

ARGS = (
    ("x", POINTER), ("y", POINTER), ("length", INT), ("channels", INT), ("alpha", POINTER),
    ("gain", POINTER), ("first", INT), ("last", INT),
)  # fmt: skip

_BLOCK = 128
"""Rows that all channels go through before the next: they share cache lines and pages."""

_AHEAD = 12
"""Rows between a prefetch and its use."""


def emit_activation(module: ir.Module, width: int) -> None:
    """``y[t] = down(snake(up(x)))`` for rows ``first`` (0, or at least 3) to ``last``.

    ``alpha`` is the snake's frequency over pi, ``gain`` the factor of the squared sine.
    """
    e = Emitter(module, "activation", ARGS, width)
    a = e.args
    length, channels = a["length"], a["channels"]
    doubled = e.b.mul(length, e.index(2))
    taps = [float(tap) for tap in HALF_BAND]

    def vectors(c: Value, start: Value, stop: Value) -> None:
        source, target = e.at(a["x"], c), e.at(a["y"], c)
        alpha, gain = e.load(e.at(a["alpha"], c)), e.load(e.at(a["gain"], c))

        def row(index: Value) -> Value:
            inside = e.max(e.index(0), e.min(index, e.b.sub(length, e.index(1))))
            return e.load(e.at(source, e.b.mul(inside, channels)))

        def up(x: list[Value], odd: bool) -> Value:
            """Between or at samples: six of ``x`` with every second tap, from the last."""
            numbers = taps[10::-2] if odd else taps[11::-2]
            found = e.weighted([(2 * n, v) for n, v in zip(numbers, x, strict=True)])
            return snake(e, found, alpha, gain)

        around = [row(e.b.add(start, e.index(i))) for i in range(-5, 5)]
        window: list[Value] = []
        for n in range(-5, 5):
            # u[2 t] sees x[t - 3 .. t + 2], u[2 t + 1] sees x[t - 2 .. t + 3].
            left = n // 2 - 3 + n % 2 + 5
            value = up(around[left : left + 6], odd=n % 2 == 1)
            if n > 0:
                place = e.b.add(e.b.mul(start, e.index(2)), e.index(n))
                value = e.b.select(e.b.icmp_signed("<", place, doubled), value, window[-1])
            window.append(value)
        at_start = e.b.icmp_signed("==", start, e.index(0))
        window[:5] = [e.b.select(at_start, window[5], value) for value in window[:5]]

        def step(t: Value, carried: list[Value]) -> list[Value]:
            x, u = carried[:5], carried[5:]
            ahead = e.b.mul(
                e.min(e.b.add(t, e.index(_AHEAD)), e.b.sub(length, e.index(1))), channels
            )
            e.prefetch(e.at(source, ahead))
            x = [*x, row(e.b.add(t, e.index(5)))]
            for n in (5, 6):
                place = e.b.add(e.b.mul(t, e.index(2)), e.index(n))
                value = up(x, odd=n == 5)
                u = [*u, e.b.select(e.b.icmp_signed("<", place, doubled), value, u[-1])]
            # The filter is symmetric: equal taps share a product.
            folded = [(taps[i], e.b.fadd(u[i], u[11 - i])) for i in range(6)]
            e.store(e.weighted(folded), e.at(target, e.b.mul(t, channels)))
            return [*x[1:], *u[2:]]

        e.loop(start, stop, 1, step, [*around[5:], *window])

    def rows(start: Value, _: list[Value]) -> None:
        stop = e.min(e.b.add(start, e.index(_BLOCK)), a["last"])
        e.loop(e.index(0), channels, width, lambda c, _: vectors(c, start, stop))

    e.loop(a["first"], a["last"], _BLOCK, rows)
    e.finish()
