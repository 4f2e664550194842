"""Linear layers of a loaded model replaced by products of another precision."""

from __future__ import annotations

from collections.abc import Callable

import torch

from milonga.compute.products.linear import Product, Rows, make_linear
from milonga.compute.products.precision import Precision
from milonga.runtime.progress import Progress


def quicken(
    model: torch.nn.Module,
    precision: Precision,
    rows: Rows = "many",
    *,
    only: Callable[[str], bool] = lambda name: True,
    progress: Progress | None = None,
) -> torch.nn.Module:
    """Replace the ``torch.nn.Linear`` of a model, layer by layer: what is replaced is let go, so
    that weights mapped from a file are in memory once. Norms, softmax and the rest stay as they
    are.

    Args:
        model: on the processor, for inference alone from now on; it is changed.
        precision: of the weights.
        rows: what the layers will meet.
        only: tells by its name which layer is replaced.
        progress: asked before every layer whether to stop.

    Returns:
        The same model.

    Raises:
        Cancelled: the user stopped it; the model is of no use then.
    """
    for name, module in list(model.named_modules()):
        if type(module) is not torch.nn.Linear or not only(name):
            continue
        if progress is not None:
            progress.check()
        place(model, name, make_linear(module.weight, module.bias, precision, rows))
    return model


def place(model: torch.nn.Module, name: str, layer: Product) -> None:
    """Put a layer in place of the one of that name."""
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, layer)
