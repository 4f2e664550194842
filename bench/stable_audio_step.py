"""A guided step of Stable Audio Open's transformer, against diffusers in float32."""

from __future__ import annotations

from bench.steps import Compared, compare, memory_rows, rows

TERA = 4.7
"""Million million operations: two rows of 1,025 frames, 1.06 billion parameters, attention."""


def run(quick: bool = False) -> str:
    found: Compared = compare("sao", ("float32",), quick)
    what = "Two of 24 layers" if quick else "The published size (1.06 G parameters)"
    return f"""## Stable Audio Open: a guided step of the transformer

{rows(found, TERA / 12 if quick else TERA)}

{memory_rows(found)}

{what} with random weights, both rows of guidance over the whole window, without a negative prompt.
Each line of ours took turns with diffusers in float32, which the checkpoint was published in. The
error is the norm of the difference to it, relative; for trained weights `precision=auto` measures
it. The limit is the arithmetic: the step's {TERA} TFLOP at
the speed of a large product alone in that precision.
"""
