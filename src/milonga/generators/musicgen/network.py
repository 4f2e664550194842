"""MusicGen's decoder, described for milonga's own engine, and its tokens with their delays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from milonga.compute.tokens.decoder import decoder_of
from milonga.compute.tokens.description import Block, Cross, Description, Norm
from milonga.compute.tokens.divergence import Witness
from milonga.compute.tokens.matrix import Precision, let_go_of, stored
from milonga.compute.tokens.sampling import Choice, drawn, guided
from milonga.errors import GeneratorError

if TYPE_CHECKING:
    import torch

    from milonga.compute.products.stored import StoredLayerMaker
    from milonga.compute.tokens.matrix import Matrix

_FEWEST = 8
"""Tokens in a call: with fewer the library leaves out the delays between the codebooks."""
_ACTIVATIONS = {"gelu": "gelu", "relu": "relu", "silu": "silu", "swish": "silu"}


class Network:
    """The decoder of MusicGen with its codebooks.

    Args:
        model: transformers' ``MusicgenForCausalLM``; it stays as it is, and can go.
        precision: of the weights that are read for every token.
        copy: where those in int8 come from, or go to.

    Attributes:
        delays: of each codebook; each is one step behind the one before, in stereo each pair.
        pad: the token where a codebook has none.
    """

    def __init__(
        self, model: Any, precision: Precision, copy: StoredLayerMaker | None = None
    ) -> None:
        import torch

        config, inner = model.config, model.model.decoder
        self.pad = int(config.pad_token_id)
        channels = int(config.audio_channels)
        self.delays = [index // channels for index in range(config.num_codebooks)]
        self._size = int(config.vocab_size)
        # One table for all codebooks, each of which also knows the padding.
        self._table = torch.cat([one.weight.data for one in inner.embed_tokens])
        let_go_of(one.weight.data for one in inner.embed_tokens)
        offsets = [one.weight.shape[0] for one in inner.embed_tokens]
        self._offsets = torch.tensor([0, *offsets[:-1]]).cumsum(0).to(self._table.device)
        self._positions = inner.embed_positions
        self.decoder = decoder_of(_described(model, precision, copy))

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._table.device

    def steps(self, new: int) -> int:
        """Steps of a call that draws ``new`` frames: one more for each delayed codebook."""
        return max(new + self.delays[-1], _FEWEST)

    def draw(
        self, text: torch.Tensor, seen: Sequence[int], kept: torch.Tensor, new: int,
        choice: Choice, check: Callable[[], None], tick: Callable[[], None],
        hear: Witness | None = None,
    ) -> torch.Tensor:  # fmt: skip
        """Draw frames from torch's global random state.

        Args:
            text: hidden values of the text, ``[rows, words, width]``; with guidance as many rows
                without a text follow, which see nothing.
            seen: words that each row sees.
            kept: tokens that are there already, ``[codebooks, frames]``.
            new: frames to draw.
            choice: how to draw.
            check: raises where the user wants to stop.
            tick: told of every step.
            hear: told of the odds of every step; it may take other tokens.

        Returns:
            The new tokens, ``[codebooks, new]``.
        """
        import torch

        first = 1 + kept.shape[1]
        steps = self.steps(new)
        columns, free = self._columns(kept.to(self.device), first + steps)
        memory = self.decoder.memory(len(seen), first + steps, check, text=text, seen=seen)
        embedded = self.embed(columns[:, :first], 0)
        for column in range(first, first + steps):
            odds = self.decoder.odds(embedded.expand(len(seen), -1, -1), memory)
            odds = guided(odds, choice.guidance).view(-1, self._size)
            tokens = drawn(odds, choice)
            if hear is not None:
                tokens = hear(odds, tokens)
            columns[:, column] = torch.where(free[:, column], tokens, columns[:, column])
            tick()
            if column + 1 < first + steps:
                embedded = self.embed(columns[:, column : column + 1], column)
        rows = [columns[row, first + delay : first + delay + new]
                for row, delay in enumerate(self.delays)]  # fmt: skip
        return torch.stack(rows).cpu()

    def embed(self, columns: torch.Tensor, place: int) -> torch.Tensor:
        """Embeddings ``[1, places, width]`` of columns ``[codebooks, places]``, which begin at
        ``place``."""
        known, places = self._positions, columns.shape[1]
        if place + places > known.weights.shape[0]:
            known.make_weights(place + places, known.embedding_dim)
        found = self._table[columns + self._offsets[:, None]].sum(0)
        position = known.weights[place : place + places].to(found)
        embedded: torch.Tensor = found.add_(position)[None]
        return embedded

    def _columns(self, kept: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Columns of tokens as the model reads them, and where they are to be drawn.

        The first column is padding; each codebook then begins so much later as its delay says,
        and ends as much earlier before the last.
        """
        import torch

        columns = torch.full((len(self.delays), count), self.pad, device=self.device)
        free = torch.zeros_like(columns, dtype=torch.bool)
        last = self.delays[-1]
        for row, delay in enumerate(self.delays):
            begin = 1 + delay
            columns[row, begin : begin + kept.shape[1]] = kept[row]
            free[row, begin + kept.shape[1] : count - last + delay] = True
        return columns, free


def _described(model: Any, precision: Precision, copy: StoredLayerMaker | None) -> Description:
    config, inner = model.config, model.model.decoder
    activation = _ACTIVATIONS.get(str(config.activation_function))
    if activation is None:
        raise GeneratorError(
            f"milonga has no activation {config.activation_function!r}, which this model uses."
        )

    def matrix(name: str, *layers: Any) -> Matrix:
        weights = [layer.weight.data for layer in layers]
        found = stored(weights, None, precision, name=name, copy=copy)
        if len(weights) > 1 or precision != "float32":
            let_go_of(weights)
        return found

    def norm(layer: Any) -> Norm:
        return Norm(layer.weight.data.float(), layer.bias.data.float())

    blocks = []
    for index, layer in enumerate(inner.layers):
        at = f"layers.{index}"
        own, text = layer.self_attn, layer.encoder_attn
        cross = Cross(
            norm(layer.encoder_attn_layer_norm), matrix(f"{at}.cross_query", text.q_proj),
            matrix(f"{at}.cross_memory", text.k_proj, text.v_proj),
            matrix(f"{at}.cross_out", text.out_proj),
        )  # fmt: skip
        joined = matrix(f"{at}.joined", own.q_proj, own.k_proj, own.v_proj)
        blocks.append(Block(
            norm(layer.self_attn_layer_norm), joined, matrix(f"{at}.out", own.out_proj), cross,
            norm(layer.final_layer_norm), matrix(f"{at}.up", layer.fc1),
            matrix(f"{at}.down", layer.fc2),
        ))  # fmt: skip
    heads = matrix("odds", *model.lm_heads)
    # The table of places grows as needed; so far is asked for by nobody.
    return Description(
        int(config.num_attention_heads), tuple(blocks), norm(inner.layer_norm), heads,
        places=1 << 20, activation=activation,
    )  # fmt: skip
