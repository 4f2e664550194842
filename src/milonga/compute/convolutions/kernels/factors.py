"""The transform of a convolution's taps to the factors of its products, while it is needed.

Factors of large tiles take up to three times the memory of the taps. Those of the widest layers are
made anew for each signal: one pass over the taps, for some hundred tiles.
"""

from __future__ import annotations

from functools import lru_cache

from llvmlite import ir

from milonga.compute import processor
from milonga.compute.convolutions.kernels.compile import Kernel, compile_module, kernel_of
from milonga.compute.convolutions.kernels.emit import INT, POINTER, Emitter, Value
from milonga.compute.convolutions.kernels.minimal import Filtering

ARGS = (("taps", POINTER), ("factors", POINTER), ("plane", INT), ("first", INT), ("last", INT))
"""``factors[p, i] = sum_k G[p, k] taps[k, i]`` for ``i`` from ``first`` to ``last``; both are
``plane`` floats a row, a multiple of the vectors' width, as are ``first`` and ``last``."""


def kernel(filtering: Filtering, width: int) -> Kernel:
    """The machine code for vectors of ``width``, compiled at the first call; it takes ``ARGS``."""
    return _compiled(filtering, width, processor.target())


@lru_cache(maxsize=16)
def _compiled(filtering: Filtering, width: int, target: str) -> Kernel:
    module = ir.Module("milonga")
    emit_factors(module, filtering, width)
    return kernel_of(compile_module(str(module)), "factors", ARGS)


def emit_factors(module: ir.Module, filtering: Filtering, width: int) -> None:
    """Emit the function ``factors``."""
    e = Emitter(module, "factors", ARGS, width)
    a = e.args

    def vector(index: Value, _: list[Value]) -> None:
        taps = [
            e.load(e.at(a["taps"], e.b.add(e.b.mul(a["plane"], e.index(tap)), index)))
            for tap in range(filtering.taps)
        ]
        for product, row in enumerate(filtering.kernel_matrix):
            pairs = [(float(c), tap) for c, tap in zip(row, taps, strict=True) if c]
            place = e.b.add(e.b.mul(a["plane"], e.index(product)), index)
            e.store(e.weighted(pairs), e.at(a["factors"], place))

    e.loop(a["first"], a["last"], width, vector)
    e.finish()
