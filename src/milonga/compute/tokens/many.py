"""Many places read at once, a prompt or a window, by compiled kernels.

Products with weights in int8 round activations to 8 bits, each 64 with a scale of their own;
others go through torch. Attention is compiled in both cases. What a processor has no kernels for,
``plain`` computes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from milonga.compute import processor
from milonga.compute.convolutions.workers import Workers
from milonga.compute.products.precision import why_slow
from milonga.compute.tokens.memory import where
from milonga.compute.tokens.plain import normed, read, seen_whole, texted

if TYPE_CHECKING:
    import torch

    from milonga.compute.tokens.description import Block, Description, Norm
    from milonga.compute.tokens.many_packing import ManyHeads
    from milonga.compute.tokens.matrix import Matrix
    from milonga.compute.tokens.memory import FastMemory
    from milonga.compute.tokens.vectors import Kept

_ROWS = 1024
"""Places of all rows that go through the wide middle of a block between two looks at the user's
wish."""
_FEW = 16
"""Alike places that aren't worth a turn of their own."""
_BLOCKS = 4
"""Blocks of rows that one thread rounds at a time, at least."""


class ManyRows:
    """Reads many places of a decoder at once.

    Args:
        description: its weights.
        workers: threads to compute with.
        kept: kind of number in the memory of its steps.
    """

    def __init__(self, description: Description, workers: Workers, kept: Kept = "float32") -> None:
        self._known, self._workers = description, workers
        self._kernels: dict[str, Callable[..., None]] | None = None
        self._rounds = fits(description) and _rounds(description)
        if fits(description):
            from milonga.compute.tokens.many_packing import ManyHeads

            self._heads = ManyHeads(description.head_width, _multiplied(description))
            self._kernels = _compiled(
                self._heads, description.eps, kept, self._rounds, processor.target()
            )

    def read(self, embedded: torch.Tensor, memory: FastMemory) -> torch.Tensor:
        """Hidden values of the last place, ``[rows, 1, width]``, before the last norm.

        Args:
            embedded: ``[rows, places, width]``, the first places of an empty memory.
            memory: it grows.

        Raises:
            Cancelled: the user stopped it.
        """
        if self._kernels is None:
            return read(self._known, embedded, memory)
        if memory.length:
            raise ValueError("Several places at once go only into an empty memory.")
        places = embedded.shape[1]
        hidden = self._blocks(embedded, memory.check, places - 1, memory)
        memory.length += places
        return hidden

    def seen_whole(
        self, embedded: torch.Tensor, check: Callable[[], None], begin: int = 0
    ) -> torch.Tensor:
        """Hidden values where every place sees all others; see ``plain.seen_whole``."""
        known = self._known
        if self._kernels is None:
            return seen_whole(known, embedded, check, begin)
        hidden = self._blocks(embedded, check, begin, None)
        return normed(hidden, known.norm, known.eps)

    def _blocks(
        self,
        embedded: torch.Tensor,
        check: Callable[[], None],
        begin: int,
        memory: FastMemory | None,
    ) -> torch.Tensor:
        """All blocks; of the last one, the places from ``begin`` on.

        Where each place sees those before it, the first ones that are alike in all rows are
        computed once.
        """
        import torch

        known = self._known
        rows, places, width = embedded.shape
        alike = self._alike(embedded) if memory is not None and memory.seen is None else 0
        # What is alike, and then the rest of each row.
        flat = torch.cat([embedded[0, :alike], embedded[:, alike:].reshape(-1, width)])
        joined = torch.empty(rows, places, 3 * width)
        some = torch.empty(len(flat), 3 * width) if alike else joined.view(-1, 3 * width)
        for index, block in enumerate(known.blocks):
            check()
            self.multiply(block.joined, flat, some, norm=block.norm)
            if alike:
                joined[:, :alike] = some[:alike]
                joined[:, alike:] = some[alike:].view(rows, -1, 3 * width)
            kept = None if memory is None else (memory.keys[index], memory.values[index])
            first = alike
            if index == len(known.blocks) - 1:
                first = begin
                rest = flat[alike:].view(rows, -1, width)[:, begin - alike :]
                flat = rest.contiguous().view(-1, width)
            seen = torch.empty_like(flat)
            own = len(flat) - rows * (places - first)
            self.attended(joined, first, kept, seen[own:].view(rows, -1, width), seen[:own])
            self.multiply(block.out, seen, flat, onto=True)
            if block.cross is not None and memory is not None and memory.seen is not None:
                hidden = flat.view(rows, -1, width)
                hidden = texted(known, block.cross, hidden, *memory.text[index], memory.seen)
                flat = hidden.reshape(-1, width)
            self._mix(block, flat, check)
        return flat.view(rows, -1, width)

    def _alike(self, embedded: torch.Tensor) -> int:
        """How many of the first places are alike in all rows, but for the last; 0 for a few."""
        if len(embedded) == 1:
            return 0
        same = (embedded[1:] == embedded[:1]).all(-1).all(0)[:-1]
        alike = int(same.long().cumprod(0).sum())
        return alike if alike >= _FEW else 0

    def _mix(self, block: Block, flat: torch.Tensor, check: Callable[[], None]) -> None:
        import torch

        inner = torch.empty(min(_ROWS, len(flat)), block.up.outer)
        for rows in torch.split(flat, _ROWS):
            check()
            some = inner[: len(rows)]
            self.multiply(block.up, rows, some, norm=block.second_norm)
            self.multiply(block.down, some, rows, activate=True, onto=True)

    def multiply(
        self, matrix: Matrix, x: torch.Tensor, out: torch.Tensor, *, norm: Norm | None = None,
        activate: bool = False, onto: bool = False,
    ) -> None:  # fmt: skip
        """Multiply rows, after a norm or the activation, and write it to ``out`` or add it there.

        Args:
            matrix: with ``inner`` inputs and ``outer`` outputs.
            x: ``[..., inner]``, contiguous, in float32.
            out: ``[..., outer]``, too.
            norm: of the rows before.
            activate: whether the decoder's activation comes before.
            onto: whether to add.
        """
        import torch

        known = self._known
        if matrix.scale is None or not self._rounds:
            x = x if norm is None else normed(x, norm, known.eps)
            x = getattr(torch.nn.functional, known.activation)(x) if activate else x
            found = matrix.times(x)
            if onto:
                out.add_(found)
            else:
                out.copy_(found)
            return
        from milonga.compute.tokens.many_products import GROUP, ROOM, STRIP
        from milonga.compute.tokens.many_products import ROWS as BLOCK

        kernels, inner, rows = self._kernels or {}, matrix.inner, x.numel() // matrix.inner
        whole = -(-rows // BLOCK) * BLOCK
        rounded = torch.empty(whole, inner, dtype=torch.uint8)
        scales = torch.empty(whole, inner // GROUP)
        scratch = torch.empty(self._workers.count, inner)

        def rounding(first: int, last: int, worker: int) -> None:
            kernels["round"](
                where(x) + 4 * inner * first, last - first, inner,
                where(norm.weight if norm else None),
                where(norm.bias if norm else None), int(activate), where(scratch[worker]),
                where(rounded) + inner * first, where(scales) + 4 * (inner // GROUP) * first,
            )  # fmt: skip

        self._workers.run(rows, _BLOCKS * BLOCK, rounding)
        packed = torch.empty(self._workers.count, ROOM, dtype=torch.int8)

        def strips(first: int, last: int, worker: int) -> None:
            kernels["many_product"](
                where(rounded), where(scales), rows, inner, where(matrix.weight),
                where(matrix.scale),
                where(matrix.bias), STRIP * first, STRIP * last, where(out), matrix.outer,
                where(out) if onto else 0, where(packed[worker]),
            )  # fmt: skip

        self._workers.run(matrix.outer // STRIP, 1, strips)

    def attended(
        self, joined: torch.Tensor, begin: int, kept: tuple[torch.Tensor, torch.Tensor] | None,
        out: torch.Tensor, common: torch.Tensor | None = None,
    ) -> None:  # fmt: skip
        """Write the attention of the places from ``begin`` on.

        Args:
            joined: queries, keys and values, ``[rows, places, 3 width]``.
            begin: the first place that is asked for.
            kept: memory of the steps for keys and values; with one, each place sees those before
                it, else all.
            out: ``[rows, places - begin, width]``.
            common: ``[n, width]``, for the first ``n`` places of the first row.
        """
        import torch

        from milonga.compute.tokens.many_attention import ROWS
        from milonga.compute.tokens.many_packing import packed_room

        known, kernels = self._known, self._kernels or {}
        rows, places, row = joined.shape
        width, head = known.width, known.head_width
        padded = -(-places // self._heads.keys) * self._heads.keys
        count = self._workers.count
        packed = torch.empty(count, 2, packed_room(self._heads, padded))
        queries = torch.empty(count, ROWS * head)
        scores = torch.empty(count, 2, ROWS * padded)

        def attend(first: int, last: int, worker: int) -> None:
            keys, values = packed[worker]
            found, shares = scores[worker]
            for index in range(first, last):
                number, lane = divmod(index, known.heads)
                query = where(joined) + 4 * (number * places * row + lane * head)
                if kept is not None:
                    kernels["keep_head"](
                        query + 4 * width, query + 8 * width, row, places,
                        *(where(one[number, lane]) for one in kept),
                    )  # fmt: skip
                kernels["pack_head"](
                    query + 4 * width,
                    query + 8 * width,
                    row,
                    places,
                    where(keys),
                    where(values),
                )

                def write(
                    start: int,
                    stop: int,
                    target: torch.Tensor,
                    query: int = query,
                    lane: int = lane,
                ) -> None:
                    kernels["attend"](
                        query + 4 * start * row, row, 0, stop - start, start, places,
                        int(kept is not None), where(keys), where(values), where(queries[worker]),
                        where(found), where(shares), where(target) + 4 * lane * head, width,
                    )  # fmt: skip

                if common is not None and not number:
                    write(0, len(common), common)
                write(begin, places, out[number])

        self._workers.run(rows * known.heads, 1, attend)


def fits(description: Description) -> bool:
    """Tell if there are kernels here for many places of a decoder."""
    from milonga.compute.convolutions.kernels.available import why_no_kernels

    device = description.norm.weight.device.type
    if device != "cpu" or why_no_kernels() is not None:
        return False
    # With fewer registers the sums of a tile don't stay in them.
    return processor.has("avx512f") and description.head_width % 16 == 0


def _rounds(description: Description) -> bool:
    """Whether products of many rows round their activations to 8 bits."""
    from milonga.compute.tokens.many_products import GROUP, STRIP

    return (
        processor.has("avx512vnni")
        and description.activation == "gelu"
        and all(
            matrix.scale is not None and matrix.inner % GROUP == 0 and matrix.outer % STRIP == 0
            for block in description.blocks
            for matrix in (block.joined, block.out, block.up, block.down)
        )
    )


def _multiplied(description: Description) -> Literal["float32", "bfloat16", "int16"]:
    """In which kind of number attention multiplies, beside the weights that are there."""
    from milonga.compute.tokens.many_packing import WIDEST

    if description.odds.weight.dtype.itemsize == 4:
        return "float32"
    if why_slow("bfloat16") is None:
        return "bfloat16"
    integers = processor.has("avx512vnni") and description.head_width <= WIDEST
    return "int16" if integers else "float32"


@functools.lru_cache(16)
def _compiled(
    heads: ManyHeads, eps: float, kept: Kept, rounds: bool, target: str
) -> dict[str, Callable[..., None]]:
    from llvmlite import ir

    from milonga.compute.convolutions.kernels.compile import compile_module, kernel_of
    from milonga.compute.tokens.kernels import emit_norm
    from milonga.compute.tokens.many_attention import (
        ATTEND,
        emit_many_attention,
    )
    from milonga.compute.tokens.many_packing import KEEP, PACK, ManyHeads
    from milonga.compute.tokens.many_products import (
        MANY,
        ROUND,
        emit_many_product,
        emit_round,
    )

    module = ir.Module("milonga")
    emit_many_attention(module, heads, ManyHeads(heads.width, kept))
    wanted: dict[str, Any] = {"pack_head": PACK, "attend": ATTEND, "keep_head": KEEP}
    if rounds:
        emit_round(module, emit_norm(module, eps))
        emit_many_product(module)
        wanted |= {"round": ROUND, "many_product": MANY}
    engine = compile_module(str(module))
    return {name: kernel_of(engine, name, args) for name, args in wanted.items()}
