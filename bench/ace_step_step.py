"""A step of ACE-Step's 2B transformer for a minute of song, against diffusers in its best dtype."""

from __future__ import annotations

from bench.steps import Compared, compare, memory_rows, rows

TERA = 2.4
"""Million million operations: 750 patches, 1.58 billion parameters, attention."""


def run(quick: bool = False) -> str:
    found: Compared = compare("ace", ("float32", "bfloat16"), quick)
    what = "Two of 24 layers" if quick else "The published size (1.58 G parameters)"
    return f"""## ACE-Step 2B: a step of the transformer for 60 s

{rows(found, TERA / 12 if quick else TERA)}

{memory_rows(found)}

{what} with random weights, 750 patches of latents, a text of 512 tokens, one row. Each line of ours
took turns with diffusers in {found.best}, its best dtype here. The error is the norm of the
difference to diffusers in float32, relative; for trained weights `precision=auto` measures it. The
limit is the arithmetic: the step's {TERA} TFLOP at the speed of its largest product alone in that
precision.
"""
