"""The compiled kernels, as far as this machine can use them."""

from __future__ import annotations


def why_no_kernels() -> str | None:
    """The reason; None if they can be used."""
    try:
        from milonga.compute.convolutions.kernels.compile import why_not
    except ImportError:
        return "llvmlite isn't installed"
    return why_not()


def describe_kernels() -> str:
    """Name the processor that they are compiled for."""
    from milonga.compute.convolutions.kernels.compile import describe

    return f"compiled kernels for {describe()}"
