"""Where the layers of an engine come from: a model's own weights, or a stored int8 copy of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from milonga.compute.products.linear import Product, Rows, make_linear
from milonga.compute.products.precision import Precision
from milonga.runtime.memory import let_go, return_freed
from milonga.runtime.progress import Progress

_FREED_EVERY = 100_000_000
"""Bytes of float32 weights."""


class LayerMaker:
    """Makes products in one precision from the linear layers of a model.

    Args:
        precision: of the weights.
        progress: asked before every layer whether to stop.
    """

    def __init__(self, precision: Precision, progress: Progress | None = None) -> None:
        self.precision, self._progress = precision, progress
        self._read = 0

    def make(self, name: str, *layers: torch.nn.Linear, rows: Rows = "many") -> Product:
        """Join layers that share an input into one product, their outputs side by side.

        Args:
            name: of the product, unique in the model.
            layers: of the model. They give their weights up, so that each is in memory once.
            rows: what the product will meet.

        Raises:
            Cancelled: the user stopped it.
        """
        self.check()
        made = make_linear(*joined(layers), self.precision, rows)
        self.count(made)
        return made

    def count(self, made: Product) -> None:
        """Now and then give back what copies left with the C library, gigabytes in the end."""
        self._read += 4 * made.in_features * made.out_features
        if self._read >= _FREED_EVERY:
            self._read = 0
            return_freed()

    def check(self) -> None:
        """Ask whether to stop.

        Raises:
            Cancelled: the user wants that.
        """
        if self._progress is not None:
            self._progress.check()

    def keep(self, layer: torch.nn.Linear, rows: Rows = "few") -> Product:
        """Make a product of a small layer in the precision that it has, or in float32 where all
        is."""
        half = layer.weight.dtype in (torch.bfloat16, torch.float16)
        half = half and self.precision != "float32"
        return make_linear(layer.weight, layer.bias, "bfloat16" if half else "float32", rows)


def joined(
    layers: Sequence[torch.nn.Linear], *, weights: bool = True
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Join the weights and biases of layers; the layers are empty afterwards.

    Args:
        layers: at least one.
        weights: False to leave the weights unread; there are none in the result then.
    """
    weight = torch.cat(
        [layer.weight.detach() for layer in layers[: len(layers) * weights]] or [torch.empty(0)]
    )
    biases = [layer.bias for layer in layers]
    bias = None
    if any(one is not None for one in biases):
        bias = torch.cat(
            [
                torch.zeros(layer.out_features) if one is None else one.detach().float()
                for one, layer in zip(biases, layers, strict=True)
            ]
        )
    for layer in layers:
        if weights:
            let_go(layer.weight.data_ptr(), layer.weight.nbytes)
        layer.weight = torch.nn.Parameter(torch.empty(0), requires_grad=False)
    return weight, bias
