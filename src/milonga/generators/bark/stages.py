"""Bark's three stages: text to semantic tokens, these to coarse codes, these to all codes.

Several parts of a text go through a stage together. Each comes out as it would alone, but for
rounding: rows that have ended leave the batch, and what lies behind a row's end is padding as the
model knows it, never what its neighbours made it compute.

Source: suno-ai/bark, ``bark/generation.py``, with the constants of the checkpoint's generation
configuration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from milonga.compute.tokens.divergence import Witness
from milonga.generators.bark.drawing import Drawing, draw
from milonga.generators.bark.network import Causal, Fine

if TYPE_CHECKING:
    import torch

Tick = Callable[[float], None]
"""Told how many tokens were drawn."""

Check = Callable[[], None]
"""Raises where the user wants to stop."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of something said, of all stages, on the processor.

    Attributes:
        semantic: ``[n]``.
        coarse: ``[2, frames]``, each from 0.
        fine: ``[8, frames]``, the first two of which are ``coarse``.
    """

    semantic: torch.Tensor
    coarse: torch.Tensor
    fine: torch.Tensor

    def then(self, other: Tokens) -> Tokens:
        """Both, one after the other."""
        import torch

        return Tokens(
            torch.cat([self.semantic, other.semantic]),
            torch.cat([self.coarse, other.coarse], 1),
            torch.cat([self.fine, other.fine], 1),
        )


@dataclass(frozen=True, slots=True)
class Numbers:
    """The constants of a checkpoint."""

    semantic: Any
    coarse: Any
    fine: Any
    codebook: int

    @property
    def ratio(self) -> float:
        """Coarse tokens for each semantic one."""
        rate = self.coarse.coarse_rate_hz / self.semantic.semantic_rate_hz
        return float(rate * self.coarse.n_coarse_codebooks)

    def frames(self, semantic: int) -> int:
        """Frames of codes for so many semantic tokens."""
        return math.floor(semantic * self.ratio / int(self.coarse.n_coarse_codebooks))

    @property
    def most(self) -> int:
        """Semantic tokens that a part may have."""
        return int(self.semantic.max_new_tokens)


def semantic(
    net: Causal,
    numbers: Numbers,
    texts: torch.Tensor,
    lengths: Sequence[int],
    history: Tokens | None,
    drawing: Drawing,
    min_eos_p: float,
    sources: Sequence[torch.Generator],
    tick: Tick,
    check: Check,
    hear: Witness | None = None,
    least: int = 0,
    most: int | None = None,
) -> list[torch.Tensor]:
    """The semantic tokens of each text, without the one that ends it.

    Args:
        net: the semantic model.
        numbers: its constants.
        texts: tokens of the tokenizer, ``[rows, 256]``, padded at the end with anything.
        lengths: of each text.
        history: the voice.
        drawing: how to draw.
        min_eos_p: the odds from which the end is taken; 0 to draw it like any token.
        sources: of each row's numbers.
        tick: told of each step.
        check: raises where the user wants to stop.
        hear: told of the odds of every step; it may take other tokens.
        least, most: tokens of a row.

    Raises:
        Cancelled: the user stopped it.
    """
    import torch

    known, rows = numbers.semantic, len(lengths)
    places, end = int(known.max_input_semantic_length), int(known.semantic_pad_token)
    most = min(numbers.most if most is None else most, net.longest - places)
    text = texts + known.text_encoding_offset
    for row, length in enumerate(lengths):
        text[row, length:] = known.text_pad_token
    past = torch.full((places,), end)
    if history is not None:
        kept = history.semantic[-places:]
        past[: len(kept)] = kept
    infer = torch.full((rows, 1), known.semantic_infer_token)
    device = net.device
    embedded = net.embed(text.to(device)) + net.embed(past.to(device))
    embedded = torch.cat([embedded, net.embed(infer.to(device))], 1)

    words = int(known.semantic_vocab_size)
    top = max(words, end) + 1
    allowed = None if end == words else torch.tensor([*range(words), end], device=device)
    uniform = torch.stack([torch.rand(most, generator=source) for source in sources]).to(device)
    memory = net.memory(rows, places + 1 + most, check)
    alive = torch.arange(rows, device=device)
    drawn = torch.full((rows, most), words, device=device)
    for step in range(most):
        odds = net.odds(embedded, memory, 0, top)
        odds = odds if allowed is None else odds[:, allowed]
        if step < least:
            odds[:, words] = -torch.inf
        token = draw(odds, uniform[alive, step], drawing)
        if min_eos_p and step >= least:
            token[torch.softmax(odds, -1)[:, words] > min_eos_p] = words
        if hear is not None:
            token = hear(odds, token)
        drawn[alive, step] = token
        tick(len(alive))
        going = token != words
        if not going.all():
            rest = going.nonzero()[:, 0]
            alive, token = alive[rest], token[rest]
            if not len(alive):
                break
            memory.keep(rest)
        embedded = net.embed(token[:, None])
    drawn = drawn.cpu()
    counts = (drawn != words).sum(1).tolist()
    return [row[:count] for row, count in zip(drawn, counts, strict=True)]


def coarse(
    net: Causal,
    numbers: Numbers,
    spoken: Sequence[torch.Tensor],
    history: Tokens | None,
    drawing: Drawing,
    sources: Sequence[torch.Generator],
    tick: Tick,
    check: Check,
    hear: Witness | None = None,
) -> list[torch.Tensor]:
    """The coarse codes ``[2, frames]`` of each row of semantic tokens.

    A window of tokens goes over the sequence: it sees some semantic tokens before and after its
    place and the codes before it. It is read anew at each place, unless it only became longer.
    """
    import torch

    known, device = numbers.coarse, net.device
    books, size = int(known.n_coarse_codebooks), numbers.codebook
    words, stride = int(numbers.semantic.semantic_vocab_size), int(known.sliding_window_len)
    places, reach = int(known.max_coarse_input_length), int(known.max_coarse_history)
    behind = math.floor(reach / numbers.ratio)
    old, past = _histories(numbers, history)
    texts = [torch.cat([old, row]) for row in spoken]
    wanted = torch.tensor([books * numbers.frames(len(row)) for row in spoken], device=device)
    longest = int(wanted.max()) if len(wanted) else 0
    uniform = torch.zeros(len(spoken), max(1, longest))
    for row, (count, source) in enumerate(zip(wanted.tolist(), sources, strict=True)):
        # As many as the row needs, so that what it draws later is not up to its neighbours.
        uniform[row, :count] = torch.rand(count, generator=source)
    uniform = uniform.to(device)
    codes = torch.cat([past.expand(len(spoken), -1), torch.zeros(len(spoken), longest).long()], 1)
    codes = codes.to(device)

    def window(row: int, begin: int) -> torch.Tensor:
        seen = texts[row][begin : begin + places]
        pad = places - len(seen)
        return torch.nn.functional.pad(seen, (0, pad), value=known.coarse_semantic_pad_token)

    alive = (wanted > 0).nonzero()[:, 0]
    done, before = 0, -1
    memory, token = None, None
    while len(alive):
        begin = max(0, len(old) + round(done / numbers.ratio) - behind)
        stop = len(past) + done
        if memory is None or token is None or begin != before or stop > reach:
            first = torch.stack([window(row, begin) for row in alive.tolist()]).to(device)
            infer = torch.full((len(alive), 1), known.coarse_infer_token, device=device)
            read = torch.cat([first, infer, codes[alive, max(0, stop - reach) : stop]], 1)
            # The last one goes before there is another.
            memory = None
            memory = net.memory(len(alive), places + 1 + reach + stride, check)
            token = read
        before = begin
        for step in range(stride):
            low = words + size * (step % books)
            embedded = net.embed(token if token.ndim == 2 else token[:, None])
            odds = net.odds(embedded, memory, low, low + size)
            token = draw(odds, uniform[alive, done], drawing)
            token = low + (token if hear is None else hear(odds, token))
            codes[alive, len(past) + done] = token
            done += 1
            tick(len(alive))
            going = wanted[alive] > done
            if not going.all():
                rest = going.nonzero()[:, 0]
                alive, token = alive[rest], token[rest]
                memory.keep(rest)
                if not len(alive):
                    break
    made = (codes[:, len(past) :].cpu() - words) % size
    counts = wanted.tolist()
    return [
        row[:count].view(-1, books).T.contiguous() for row, count in zip(made, counts, strict=True)
    ]


def _histories(numbers: Numbers, history: Tokens | None) -> tuple[torch.Tensor, torch.Tensor]:
    """The semantic and the flat coarse tokens of a voice that a window can hold."""
    import torch

    nothing = torch.empty(0, dtype=torch.long)
    if history is None:
        return nothing, nothing
    books, size = int(numbers.coarse.n_coarse_codebooks), numbers.codebook
    offsets = int(numbers.semantic.semantic_vocab_size) + size * torch.arange(books)
    flat = (history.coarse.T + offsets).reshape(-1)
    count = min(
        math.floor(int(numbers.coarse.max_coarse_history) / numbers.ratio),
        len(history.semantic) // 2 * 2,
        math.floor(len(flat) / numbers.ratio),
    )
    if count == 0:
        return nothing, nothing
    # The two last codes are left out: so it sounded better to the authors.
    return history.semantic[-count:], flat[-round(count * numbers.ratio) : -books]


def fine(
    net: Fine,
    numbers: Numbers,
    codes: Sequence[torch.Tensor],
    history: Tokens | None,
    drawing: Drawing,
    sources: Sequence[torch.Generator],
    tick: Tick,
    check: Check,
) -> list[torch.Tensor]:
    """All codes ``[8, frames]`` of each row of coarse ones.

    Each row is computed alone: its windows are long enough to keep a processor busy, and one row
    needs less memory.
    """
    return [
        _fine(net, numbers, row, history, drawing, source, tick, check)
        for row, source in zip(codes, sources, strict=True)
    ]


def fine_windows(numbers: Numbers, frames: int, history: int) -> list[tuple[int, int]]:
    """Windows over ``history`` and ``frames`` after it: where each begins, and where it fills."""
    places, stride = (
        int(numbers.fine.max_fine_input_length),
        int(numbers.fine.max_fine_history_length),
    )
    total = max(history + frames, places)
    count = max(0, math.ceil((frames - (places - history)) / stride)) + 1
    return [
        (min(index * stride, total - places), min(history + index * stride, total - stride))
        for index in range(count)
    ]


def _fine(
    net: Fine,
    numbers: Numbers,
    codes: torch.Tensor,
    history: Tokens | None,
    drawing: Drawing,
    source: torch.Generator,
    tick: Tick,
    check: Check,
) -> torch.Tensor:
    import torch

    known, size = numbers.fine, numbers.codebook
    given, frames = codes.shape
    books = int(known.n_fine_codebooks)
    places = int(known.max_fine_input_length)
    past = torch.empty((books, 0), dtype=torch.long)
    if history is not None:
        past = history.fine[:, -int(known.max_fine_history_length) :]
    begin, device = past.shape[1], net.device
    whole = torch.full((books, max(begin + frames, places)), size)
    whole[:, :begin] = past
    whole[:given, begin : begin + frames] = codes
    whole = whole.T[None].to(device)
    for start, fill in fine_windows(numbers, frames, begin):
        seen = whole[:, start : start + places]
        for book in range(given, books):
            odds = net.odds(seen, book, fill - start, size, check)
            uniform = torch.rand(odds.shape[1], generator=source).to(device)
            seen[:, fill - start :, book] = draw(odds, uniform[None], drawing)
        tick(1)
    return whole[0, begin : begin + frames].T.contiguous().cpu()


def hear_fine(
    net: Fine, numbers: Numbers, codes: torch.Tensor, check: Check, hear: Witness
) -> None:
    """Have the odds of the first and the last codebook of a window heard.

    Args:
        net: the fine model.
        numbers: its constants.
        codes: coarse ones, ``[2, frames]``; the other codebooks begin empty.
        check: raises where the user wants to stop.
        hear: told of the odds.
    """
    import torch

    places, books = int(numbers.fine.max_fine_input_length), int(numbers.fine.n_fine_codebooks)
    given, frames = codes.shape
    frames = min(frames, places)
    window = torch.full((1, places, books), numbers.codebook)
    window[0, :frames, :given] = codes[:, :frames].T
    for book in (given, books - 1):
        odds = net.odds(window.to(net.device), book, 0, numbers.codebook, check)[:, :frames]
        window[0, :frames, book] = hear(odds, odds.argmax(-1))[0].cpu()
