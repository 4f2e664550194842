"""The compiled kernels, as far as this machine can use them."""

from __future__ import annotations


def why_no_kernels() -> str | None:
    """The reason; None if they can be used."""
    try:
        from milonga.vocoders.bigvgan.fast.compile import why_not
    except ImportError:
        return "llvmlite isn't installed"
    return why_not()


def describe_kernels() -> str:
    """Name the processor that they are compiled for."""
    from milonga.vocoders.bigvgan.fast.compile import processor

    return f"compiled kernels for {processor()}"
