"""Bark's three transformers, run so that only what is needed is computed.

The library's own forward builds the whole attention matrix, computes the odds of every token at
every place, and lets the keys and values grow by copying. Here the same weights run with the fused
attention of torch, keys and values lie in memory that is taken once, and the last block and the
odds are computed for the places alone that are asked for. Results agree within rounding.

Source of the architecture: GPT-2 (Radford et al. 2019), as suno/bark uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    import torch


_ROWS = 2
"""Rows of a long text that are computed between two looks at the user's wish."""


class Causal:
    """The semantic or the coarse model: ``BarkCausalModel``.

    Attributes:
        longest: places that it knows.
    """

    def __init__(self, model: Any, progress: Progress) -> None:
        self._model, self._progress = model, progress
        self._blocks = list(model.layers)
        self._heads = int(model.config.num_heads)
        self.longest = int(model.config.block_size)

    @property
    def device(self) -> torch.device:
        weight: torch.Tensor = self._model.lm_head.weight
        return weight.device

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Embeddings ``[rows, places, width]`` of tokens ``[rows, places]``."""
        found: torch.Tensor = self._model.input_embeds_layer(tokens)
        return found

    def state(self, rows: int, places: int) -> State:
        """An empty memory for ``rows`` sequences of up to ``places``."""
        return State(self._model, rows, min(places, self.longest))

    def run(self, embedded: torch.Tensor, state: State) -> torch.Tensor:
        """Read more of the sequences.

        Args:
            embedded: ``[rows, places, width]``; several places only into an empty state.
            state: of what came before; it grows.

        Returns:
            The last place's hidden values, ``[rows, width]``.

        Raises:
            Cancelled: the user stopped it; asked before every block.
        """
        import torch

        begin, places = state.length, embedded.shape[1]
        at = torch.arange(begin, begin + places, device=embedded.device)
        hidden = embedded + self._model.position_embeds_layer(at)
        for index, block in enumerate(self._blocks):
            self._progress.check()
            query, key, value = _projected(block, hidden, self._heads)
            keys, values = state.add(index, key, value)
            if index == len(self._blocks) - 1:
                # Of the last block only the last place goes anywhere.
                query, hidden = query[:, :, -1:], hidden[:, -1:]
            hidden = _attended(block, hidden, query, keys, values, causal=query.shape[2] > 1)
            hidden = _mixed(block, hidden, self._progress)
        state.length += places
        found: torch.Tensor = self._model.layernorm_final(hidden)[:, -1]
        return found

    def odds(self, hidden: torch.Tensor, tokens: torch.Tensor | slice) -> torch.Tensor:
        """Logits ``[rows, tokens]`` in float32, of these tokens alone."""
        import torch

        return torch.nn.functional.linear(hidden, self._model.lm_head.weight[tokens]).float()


class State:
    """Keys and values of sequences, per block ``[rows, heads, places, width of a head]``."""

    def __init__(self, model: Any, rows: int, places: int) -> None:
        import torch

        config, weight = model.config, model.lm_head.weight
        shape = (rows, config.num_heads, places, config.hidden_size // config.num_heads)
        self._keys = [
            torch.empty(shape, dtype=weight.dtype, device=weight.device) for _ in model.layers
        ]
        self._values = [torch.empty_like(keys) for keys in self._keys]
        self.length = 0

    def add(
        self, block: int, key: torch.Tensor, value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep what is new of a block and give all of it so far."""
        stop = self.length + key.shape[2]
        keys, values = self._keys[block], self._values[block]
        keys[:, :, self.length : stop] = key
        values[:, :, self.length : stop] = value
        return keys[:, :, :stop], values[:, :, :stop]

    def keep(self, rows: torch.Tensor) -> None:
        """Forget the other rows."""
        self._keys = [keys[rows] for keys in self._keys]
        self._values = [values[rows] for values in self._values]


class Fine:
    """``BarkFineModel``: sees the whole window, and adds one codebook at a time."""

    def __init__(self, model: Any, progress: Progress) -> None:
        self._model, self._progress = model, progress
        self._given = int(model.config.n_codes_given)

    @property
    def device(self) -> torch.device:
        weight: torch.Tensor = self._model.layernorm_final.weight
        return weight.device

    def odds(self, codes: torch.Tensor, codebook: int, begin: int, size: int) -> torch.Tensor:
        """Logits of one codebook, in float32.

        Args:
            codes: ``[rows, places, codebooks]``.
            codebook: which one is wanted.
            begin: from which place on.
            size: codes in the codebook.

        Returns:
            ``[rows, places - begin, size]``.

        Raises:
            Cancelled: the user stopped it; asked before every block.
        """
        import torch

        model = self._model
        places = torch.arange(codes.shape[1], device=codes.device)
        hidden = model.position_embeds_layer(places)
        for index in range(codebook + 1):
            hidden = hidden + model.input_embeds_layers[index](codes[..., index])
        blocks = list(model.layers)
        for block in blocks:
            self._progress.check()
            query, key, value = _projected(block, hidden, int(model.config.num_heads))
            if block is blocks[-1]:
                query, hidden = query[:, :, begin:], hidden[:, begin:]
            hidden = _attended(block, hidden, query, key, value, causal=False)
            hidden = _mixed(block, hidden, self._progress)
        hidden = model.layernorm_final(hidden)
        head = model.lm_heads[codebook - self._given]
        return torch.nn.functional.linear(hidden, head.weight[:size]).float()


def _projected(
    block: Any, hidden: torch.Tensor, heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rows, places, width = hidden.shape
    joined = block.attn.att_proj(block.layernorm_1(hidden))
    query, key, value = joined.view(rows, places, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    return query, key, value


def _attended(
    block: Any,
    hidden: torch.Tensor,
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    *,
    causal: bool,
) -> torch.Tensor:
    import torch

    seen = torch.nn.functional.scaled_dot_product_attention(query, keys, values, is_causal=causal)
    joined: torch.Tensor = block.attn.out_proj(seen.transpose(1, 2).flatten(2))
    return hidden + joined


def _mixed(block: Any, hidden: torch.Tensor, progress: Progress) -> torch.Tensor:
    import torch

    if hidden.shape[1] == 1:
        single: torch.Tensor = hidden + block.mlp(block.layernorm_2(hidden))
        return single
    # Many rows of a long text take a large model seconds: some at a time, to stop between them.
    pieces = []
    for rows in torch.split(hidden, _ROWS):
        progress.check()
        pieces.append(rows + block.mlp(block.layernorm_2(rows)))
    return torch.cat(pieces)
