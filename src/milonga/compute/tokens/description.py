"""A transformer decoder as data: its weights by their places, whatever library they come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from milonga.compute.tokens.matrix import Matrix


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer norm: weight and, perhaps, bias, ``[width]``, in float32."""

    weight: torch.Tensor
    bias: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Cross:
    """Attention to a text: query and output ``[width, width]``, and of the text's hidden values
    keys and values, one matrix ``[2 width, width]``."""

    norm: Norm
    query: Matrix
    memory: Matrix
    out: Matrix


@dataclass(frozen=True, slots=True)
class Block:
    """One layer: norm, attention, perhaps attention to a text, norm, two products with an
    activation between them.

    ``joined`` is query, key and value in one, ``[3 width, width]``.
    """

    norm: Norm
    joined: Matrix
    out: Matrix
    cross: Cross | None
    second_norm: Norm
    up: Matrix
    down: Matrix


@dataclass(frozen=True, slots=True)
class Description:
    """A decoder.

    Attributes:
        heads: of the attention.
        blocks: its layers.
        norm: the last one.
        odds: the products that give the odds of all tokens, ``[tokens, width]``; of several
            codebooks one after the other.
        places: how many it knows.
        eps: of the norms.
        activation: between the two products of a block, by the name of torch's function.
    """

    heads: int
    blocks: tuple[Block, ...]
    norm: Norm
    odds: Matrix
    places: int
    eps: float = 1e-5
    activation: str = "gelu"

    @property
    def width(self) -> int:
        """Floats of a place."""
        return self.odds.inner

    @property
    def head_width(self) -> int:
        """Floats of a head."""
        return self.width // self.heads

    def matrices(self) -> Iterator[Matrix]:
        """All products of a step, in their order."""
        for block in self.blocks:
            yield from (block.joined, block.out)
            if block.cross is not None:
                yield from (block.cross.query, block.cross.out)
            yield from (block.up, block.down)
        yield self.odds

    @property
    def bytes(self) -> int:
        """Bytes of the weights that a step reads."""
        return sum(matrix.bytes for matrix in self.matrices())
