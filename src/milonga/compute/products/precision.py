"""Precisions of weights, and those that this processor is quick at. Imports no torch."""

from __future__ import annotations

import sys
from typing import Literal, get_args

from milonga.compute import processor

Precision = Literal["float32", "bfloat16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

BYTES: dict[Precision, int] = {"float32": 4, "bfloat16": 2, "int8": 1}
"""Bytes of a weight."""

SPEED: dict[Precision, float] = {"float32": 1.0, "bfloat16": 2.0, "int8": 4.0}
"""Products in a second, relative to those of float32, where the processor is quick at them: so
many fit into one instruction, and so it was measured on Zen 5 (docs/decisions/products.md)."""

_NEEDED: dict[Precision, tuple[str, ...]] = {
    "bfloat16": ("avx512bf16", "amx-bf16", "bf16"),
    "int8": ("avx512vnni", "avxvnni", "amx-int8"),
}
"""Features by LLVM's names, of which one is enough. ARM's int8 products (``dotprod``, ``i8mm``)
have no kernel here yet."""

_WORDS = {
    "bfloat16": "AVX-512 BF16, AMX or ARM's BF16",
    "int8": "AVX-512 VNNI, AVX-VNNI or AMX",
}


def why_slow(precision: Precision) -> str | None:
    """Explain why this processor is no quicker at a precision than at float32; None if it is."""
    needed = _NEEDED.get(precision, ())
    if precision == "bfloat16" and sys.platform == "darwin":
        # Those of float32 come from Apple's own library.
        return "torch has no quick bfloat16 products for a Mac's processor"
    if not needed or any(processor.has(feature) for feature in needed):
        return None
    try:
        processor.features()
    except ImportError:
        return "llvmlite isn't installed, so what the processor can do isn't known"
    return f"the processor has no {precision} products ({_WORDS[precision]})"


def quick_precisions() -> tuple[Precision, ...]:
    """List the precisions that this processor is quick at, float32 first."""
    return tuple(one for one in PRECISIONS if why_slow(one) is None)
