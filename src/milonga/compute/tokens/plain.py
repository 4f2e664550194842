"""A decoder in plain torch, on any device: the twin of the compiled one, and its long reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from milonga.compute.products.precision import why_slow

if TYPE_CHECKING:
    import torch

    from milonga.compute.tokens.description import Block, Cross, Description, Norm
    from milonga.compute.tokens.matrix import Matrix

_BLOCK = 256
"""Places whose scores are computed together."""
_ROWS = 2048
"""Places of all rows that go through the products between two looks at the user's wish."""


class Memory:
    """Keys and values of sequences, per block ``[rows, heads, places, width of a head]``.

    Attributes:
        length: places that are filled.
        check: called before every block; it raises where the user wants to stop.
        text: of each block with attention to a text, its keys and values.
        seen: how much of the text each row sees, ``[rows]``.
    """

    def __init__(
        self, description: Description, rows: int, places: int, kind: torch.dtype,
        check: Callable[[], None],
    ) -> None:  # fmt: skip
        import torch

        shape = (rows, description.heads, places, description.head_width)
        device = description.norm.weight.device
        self._keys = [torch.empty(shape, dtype=kind, device=device) for _ in description.blocks]
        self._values = [torch.empty_like(keys) for keys in self._keys]
        self.length, self.check = 0, check
        self.text: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.seen: torch.Tensor | None = None

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
        self.text = [(keys[rows], values[rows]) for keys, values in self.text]
        if self.seen is not None:
            self.seen = self.seen[rows]


class PlainDecoder:
    """A decoder in plain torch.

    Args:
        description: its weights.
    """

    engine = "torch"

    def __init__(self, description: Description) -> None:
        self.description = description

    @property
    def device(self) -> torch.device:
        return self.description.norm.weight.device

    def memory(
        self, rows: int, places: int, check: Callable[[], None], *,
        text: torch.Tensor | None = None, seen: Sequence[int] | None = None,
    ) -> Memory:  # fmt: skip
        """An empty memory.

        Args:
            rows: sequences side by side.
            places: of each, at most.
            check: called again and again; it raises where the user wants to stop.
            text: hidden values of a text, ``[rows, words, width]``, if the decoder attends to one.
            seen: how many of the words each row sees: 0 for none.
        """
        import torch

        known = self.description
        kind = known.odds.weight.dtype
        kind = torch.float32 if kind == torch.int8 else kind
        memory = Memory(known, rows, min(places, known.places), kind, check)
        if text is not None:
            memory.text = [text_memory(known, block.cross, text) for block in known.blocks
                           if block.cross is not None]  # fmt: skip
            memory.seen = torch.tensor(seen or [text.shape[1]] * rows, device=self.device)
        return memory

    def odds(
        self, embedded: torch.Tensor, memory: Memory, first: int = 0, last: int | None = None
    ) -> torch.Tensor:
        """Read more of the sequences, and give the odds of what follows.

        Args:
            embedded: ``[rows, places, width]``; several places only into an empty memory.
            memory: of what came before; it grows.
            first, last: the range of tokens whose odds are wanted.

        Returns:
            Logits ``[rows, last - first]`` in float32.

        Raises:
            Cancelled: the user stopped it; asked before every block.
        """
        known = self.description
        hidden = read(known, embedded, memory)
        hidden = normed(hidden[:, -1], known.norm, known.eps)
        return known.odds.times(hidden, first, last).float()


def seen_whole(
    known: Description, embedded: torch.Tensor, check: Callable[[], None], begin: int = 0
) -> torch.Tensor:
    """Hidden values where every place sees all others, forward and back.

    Args:
        known: a decoder without attention to a text.
        embedded: ``[rows, places, width]``.
        check: called before every block; it raises where the user wants to stop.
        begin: the first place that is asked for.

    Returns:
        ``[rows, places - begin, width]``, after the last norm.
    """
    hidden = embedded
    for index, block in enumerate(known.blocks):
        check()
        query, key, value = _split(known, block, hidden)
        if index == len(known.blocks) - 1:
            query, hidden = query[:, :, begin:], hidden[:, begin:]
        hidden = hidden + _attended(block.out, query, key, value, causal=False)
        hidden = mixed(known, block, hidden, check)
    return normed(hidden, known.norm, known.eps)


def read(known: Description, embedded: torch.Tensor, memory: Memory) -> torch.Tensor:
    """Hidden values of the last place, ``[rows, 1, width]``, before the last norm."""
    hidden, alone = embedded, embedded.shape[1] == 1
    for index, block in enumerate(known.blocks):
        memory.check()
        query, key, value = _split(known, block, hidden)
        keys, values = memory.add(index, key, value)
        if index == len(known.blocks) - 1:
            # Of the last block only the last place goes anywhere.
            query, hidden = query[:, :, -1:], hidden[:, -1:]
        hidden = hidden + _attended(block.out, query, keys, values, causal=query.shape[2] > 1)
        if block.cross is not None and memory.seen is not None:
            hidden = texted(known, block.cross, hidden, *memory.text[index], memory.seen)
        hidden = mixed(known, block, hidden, None if alone else memory.check)
    memory.length += embedded.shape[1]
    return hidden


def normed(x: torch.Tensor, norm: Norm, eps: float) -> torch.Tensor:
    """The layer norm of ``[..., width]``."""
    import torch

    return torch.nn.functional.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, eps)


def _split(
    known: Description, block: Block, hidden: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rows, places, _ = hidden.shape
    joined = block.joined.times(normed(hidden, block.norm, known.eps))
    parts = joined.view(rows, places, 3, known.heads, known.head_width).permute(2, 0, 3, 1, 4)
    return parts[0], parts[1], parts[2]


def _attended(
    out: Matrix, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, *, causal: bool
) -> torch.Tensor:
    import torch

    short = torch.bfloat16 if why_slow("bfloat16") is None else torch.float32
    if keys.dtype == torch.float32 and out.weight.dtype != torch.float32 and query.shape[2] > 1:
        keys, values = keys.to(short), values.to(short)
    if keys.dtype == short == torch.bfloat16 and query.shape[2] > 1 and query.device.type == "cpu":
        return out.times(by_blocks(query, keys, values, causal=causal))
    seen = torch.nn.functional.scaled_dot_product_attention(
        query.to(keys.dtype), keys, values, is_causal=causal
    )
    return out.times(seen.float().transpose(1, 2).flatten(2))


def by_blocks(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, *, causal: bool
) -> torch.Tensor:
    """Attention of many places in bfloat16 on a processor, ``[rows, places, width]``.

    Head by head and block by block, so that the scores stay in the cache and nothing is computed
    of what comes later: two to three times as quick as torch's own there
    (docs/decisions/products.md). Softmax is in float32.
    """
    import torch

    rows, heads, places, width = query.shape
    query = (query * width**-0.5).to(keys.dtype)
    found = torch.empty(rows, places, heads, width)
    later = torch.full((_BLOCK, _BLOCK), -torch.inf, dtype=keys.dtype).triu_(1)
    for row in range(rows):
        for head in range(heads):
            own, across = keys[row, head], values[row, head]
            for first in range(0, places, _BLOCK):
                last = min(first + _BLOCK, places)
                stop = last if causal else len(own)
                scores = query[row, head, first:last] @ own[:stop].T
                if causal:
                    scores[:, first:] += later[: last - first, : last - first]
                found[row, first:last, head] = scores.softmax(-1) @ across[:stop]
    return found.flatten(2)


def text_memory(
    known: Description, cross: Cross, text: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values of a text's hidden values, ``[rows, heads, words, width of a head]``."""
    rows, words, _ = text.shape
    both = cross.memory.times(text).view(rows, words, 2, known.heads, known.head_width)
    keys, values = both.permute(2, 0, 3, 1, 4).contiguous()
    return keys, values


def texted(
    known: Description, cross: Cross, hidden: torch.Tensor, keys: torch.Tensor,
    values: torch.Tensor, seen: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Hidden values after the attention to a text, ``[rows, places, width]``.

    Args:
        known: the decoder.
        cross: of the block.
        hidden: ``[rows, places, width]``.
        keys, values: from ``text_memory``.
        seen: how many of the words each row sees.
    """
    import torch

    rows, places, _ = hidden.shape
    query = cross.query.times(normed(hidden, cross.norm, known.eps))
    query = query.view(rows, places, known.heads, -1).transpose(1, 2)
    words = torch.arange(keys.shape[2], device=seen.device)
    mask = (words < seen[:, None])[:, None, None]
    found = torch.nn.functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
    # A row that sees nothing gets nothing, however the softmax of nothing is defined.
    found = torch.where((seen > 0)[:, None, None, None], found, 0.0)
    return hidden + cross.out.times(found.transpose(1, 2).flatten(2))


def mixed(
    known: Description, block: Block, hidden: torch.Tensor, check: Callable[[], None] | None
) -> torch.Tensor:
    """The second half of a block, some places at a time where there are many."""
    import torch

    activation = getattr(torch.nn.functional, known.activation)

    def half(x: torch.Tensor) -> torch.Tensor:
        inner = block.up.times(normed(x, block.second_norm, known.eps))
        return x + block.down.times(activation(inner))

    if check is None:
        return half(hidden)
    flat = hidden.reshape(-1, hidden.shape[-1])
    pieces = []
    for rows in torch.split(flat, _ROWS):
        check()
        pieces.append(half(rows))
    return torch.cat(pieces).view_as(hidden)
