"""Bark's three transformers, described for milonga's own decoder.

The library's own forward builds the whole attention matrix, computes the odds of every token at
every place, and lets the keys and values grow by copying. Here keys and values lie in memory that
is taken once, and the last block and the odds are computed for the places alone that are asked
for. Results agree within rounding.

Source of the architecture: GPT-2 (Radford et al. 2019), as suno/bark uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from milonga.compute.convolutions.workers import Workers
from milonga.compute.tokens.decoder import decoder_of
from milonga.compute.tokens.description import Block, Description, Norm
from milonga.compute.tokens.many import ManyRows
from milonga.compute.tokens.matrix import Precision, let_go_of, stored
from milonga.compute.tokens.plain import Memory

if TYPE_CHECKING:
    import torch

    from milonga.compute.products.stored import StoredLayerMaker
    from milonga.compute.tokens.matrix import Matrix


class Causal:
    """The semantic or the coarse model.

    Args:
        model: transformers' ``BarkCausalModel``.
        precision: of the weights.
        name: of the stage in ``copy``.
        copy: where weights in int8 come from, or go to.

    Attributes:
        longest: places that it knows.
    """

    def __init__(
        self, model: Any, precision: Precision, name: str = "",
        copy: StoredLayerMaker | None = None,
    ) -> None:  # fmt: skip
        self._table = _table(model.input_embeds_layer, precision)
        self._positions = _table(model.position_embeds_layer, precision)
        self.longest = int(model.config.block_size)
        odds = stored([model.lm_head.weight.data], None, precision, name=f"{name}.odds", copy=copy)
        self.decoder = decoder_of(_described(model, odds, precision, name, copy))

    @property
    def device(self) -> torch.device:
        return self._table.device

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Embeddings ``[rows, places, width]`` of tokens ``[rows, places]``, in float32."""
        return self._table[tokens].float()

    def memory(self, rows: int, places: int, check: Callable[[], None]) -> Memory:
        """An empty memory for ``rows`` sequences of up to ``places``."""
        return self.decoder.memory(rows, places, check)

    def odds(self, embedded: torch.Tensor, memory: Memory, first: int, last: int) -> torch.Tensor:
        """Read more of the sequences.

        Args:
            embedded: ``[rows, places, width]``; several places only into an empty memory.
            memory: of what came before; it grows.
            first, last: the range of tokens whose odds are wanted.

        Returns:
            Logits of what follows, ``[rows, last - first]``.

        Raises:
            Cancelled: the user stopped it.
        """
        begin = memory.length
        places = self._positions[begin : begin + embedded.shape[1]].float()
        return self.decoder.odds(embedded + places, memory, first, last)


class Fine:
    """The fine model: it sees the whole window, and adds one codebook at a time.

    Args:
        model: transformers' ``BarkFineModel``.
        precision: of the weights.
        name: of the stage in ``copy``.
        copy: where weights in int8 come from, or go to.
    """

    def __init__(
        self, model: Any, precision: Precision, name: str = "",
        copy: StoredLayerMaker | None = None,
    ) -> None:  # fmt: skip
        import torch

        self._tables = [_table(one, precision) for one in model.input_embeds_layers]
        self._positions = _table(model.position_embeds_layer, precision)
        self._heads = [
            stored([head.weight.data], None, precision, name=f"{name}.odds.{index}", copy=copy)
            for index, head in enumerate(model.lm_heads)
        ]
        self._given = int(model.config.n_codes_given)
        known = _described(model, self._heads[0], precision, name, copy)
        self._many = ManyRows(known, Workers(torch.get_num_threads()))

    @property
    def device(self) -> torch.device:
        return self._positions.device

    def odds(
        self, codes: torch.Tensor, codebook: int, begin: int, size: int, check: Callable[[], None]
    ) -> torch.Tensor:
        """Logits of one codebook, in float32.

        Args:
            codes: ``[rows, places, codebooks]``.
            codebook: which one is wanted.
            begin: from which place on.
            size: codes in the codebook.
            check: raises where the user wants to stop.

        Returns:
            ``[rows, places - begin, size]``.

        Raises:
            Cancelled: the user stopped it; asked before every block.
        """
        hidden = self._positions[: codes.shape[1]].float()
        for index in range(codebook + 1):
            hidden = hidden + self._tables[index][codes[..., index]].float()
        hidden = self._many.seen_whole(hidden, check, begin)
        return self._heads[codebook - self._given].times(hidden, 0, size)


def _table(embedding: Any, precision: Precision) -> torch.Tensor:
    """Embeddings in 32 bits, or in the 16 that are enough beside weights of fewer."""
    import torch

    weight: torch.Tensor = embedding.weight.data
    if precision == "float32":
        return weight
    found = weight.to(torch.float16 if precision == "float16" else torch.bfloat16)
    let_go_of([weight])
    return found


def _described(
    model: Any, odds: Matrix, precision: Precision, name: str, copy: StoredLayerMaker | None
) -> Description:
    def matrix(place: str, layer: Any) -> Matrix:
        bias = None if layer.bias is None else layer.bias.data
        return stored(
            [layer.weight.data], bias, precision, name=f"{name}.layers.{place}", copy=copy
        )

    def norm(layer: Any) -> Norm:
        bias = None if layer.bias is None else layer.bias.data.float()
        return Norm(layer.weight.data.float(), bias)

    blocks = []
    for index, layer in enumerate(model.layers):
        blocks.append(Block(
            norm(layer.layernorm_1), matrix(f"{index}.joined", layer.attn.att_proj),
            matrix(f"{index}.out", layer.attn.out_proj),
            None, norm(layer.layernorm_2), matrix(f"{index}.up", layer.mlp.in_proj),
            matrix(f"{index}.down", layer.mlp.out_proj),
        ))  # fmt: skip
        if precision != "float32":
            let_go_of(weight.data for weight in layer.parameters())
    return Description(
        int(model.config.num_heads), tuple(blocks), norm(model.layernorm_final), odds,
        places=int(model.config.block_size),
    )  # fmt: skip
