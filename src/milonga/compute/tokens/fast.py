"""A decoder whose steps are compiled for this processor.

A step of one token runs as one compiled function on all threads (``program``). What is read at
once, a prompt or a window, has kernels of its own (``many``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from milonga.compute import processor
from milonga.compute.convolutions.workers import Workers
from milonga.compute.tokens.many import ManyRows
from milonga.compute.tokens.memory import FastMemory, pack, where
from milonga.compute.tokens.plain import Memory, normed, text_memory

if TYPE_CHECKING:
    import torch

    from milonga.compute.tokens.description import Description, Norm
    from milonga.compute.tokens.matrix import Matrix
    from milonga.compute.tokens.vectors import Kept, Kind

_PIECES = 3
"""Pieces of a product for each thread, on average."""


class FastDecoder:
    """A decoder with compiled steps, on a processor.

    Args:
        description: its weights; ``unfit`` gave no reason against it.
        threads: to compute with; None for as many as torch uses.
    """

    engine = "fast"

    def __init__(self, description: Description, threads: int | None = None) -> None:
        import torch

        self.description = description
        self._workers = Workers(threads or torch.get_num_threads())
        kinds = list(dict.fromkeys(kind_of(matrix) for matrix in description.matrices()))
        self._kinds: list[Kind] = kinds
        self._memory_kind: Kept = "float32" if kinds[0] == "float32" else "bfloat16"
        self._many = ManyRows(description, self._workers, self._memory_kind)
        whole = all(matrix.inner % 64 == 0 for matrix in description.matrices())
        self._run = compiled(
            tuple(kinds), description.head_width, self._memory_kind, description.eps,
            4 if whole else 1,
        )  # fmt: skip

    @property
    def device(self) -> torch.device:
        return self.description.norm.weight.device

    def memory(
        self, rows: int, places: int, check: Callable[[], None], *,
        text: torch.Tensor | None = None, seen: Sequence[int] | None = None,
    ) -> FastMemory:  # fmt: skip
        """An empty memory; see ``PlainDecoder.memory``."""
        import torch

        known = self.description
        kind = getattr(torch, self._memory_kind)
        memory = FastMemory(known, rows, min(places, known.places), kind, check)
        if text is not None:
            memory.seen = torch.tensor(seen or [text.shape[1]] * rows)
            memory.text = [text_memory(known, block.cross, text) for block in known.blocks
                           if block.cross is not None]  # fmt: skip
            words = text.shape[1]
            shape = len(memory.text), rows, known.heads, -(-words // 16)
            memory.text_keys = torch.empty(*shape, known.head_width, 16, dtype=kind)
            memory.text_values = torch.zeros(*shape[:3], shape[3] * 16, known.head_width,
                                             dtype=kind)  # fmt: skip
            for index, (keys, values) in enumerate(memory.text):
                pack(keys, memory.text_keys[index])
                memory.text_values[index, :, :, :words] = values
        return memory

    def odds(
        self, embedded: torch.Tensor, memory: Memory, first: int = 0, last: int | None = None
    ) -> torch.Tensor:
        """Read more of the sequences, and give the odds; see ``PlainDecoder.odds``."""
        known = self.description
        last = known.odds.outer if last is None else last
        if embedded.shape[1] > 1:
            hidden = self._many.read(embedded, _ours(memory))
            hidden = normed(hidden[:, -1], known.norm, known.eps)
            return known.odds.times(hidden, first, last).float()
        memory = _ours(memory)
        memory.check()
        if memory.step is None:
            memory.step = _Step(known, memory, self._kinds, self._workers.count)
        step: _Step = memory.step
        step.begin(embedded[:, 0], memory.length, first, last)
        count = self._workers.count
        self._workers.run(count, 1, lambda _first, _last, worker: step.run(self._run, worker))
        memory.length += 1
        return step.odds[:, : last - first].clone()


class _Step:
    """The operations of one token for rows of a memory, and the room that they work in."""

    def __init__(
        self, known: Description, memory: FastMemory, kinds: list[Kind], threads: int
    ) -> None:
        import torch

        self._kinds, self._threads, self._known = kinds, threads, known
        rows, width = len(memory.slots), known.width
        widest = max(matrix.inner for matrix in known.matrices())
        inner = max(block.up.outer for block in known.blocks)
        self.rows = rows
        self._hidden, self._seen = torch.empty(rows, width), torch.empty(rows, width)
        self._joined, self._inner = torch.empty(rows, 3 * width), torch.empty(rows, inner)
        self._aside = torch.empty(rows, width)
        self.odds = torch.empty(rows, known.odds.outer)
        places = max(memory.values.shape[3], 0 if memory.text_values is None
                     else memory.text_values.shape[3])  # fmt: skip
        self._scratch = torch.empty(threads, rows * widest)
        self._scores = torch.empty(threads, places + 16)
        self._lengths = np.zeros(rows, np.int64)
        self._slots = memory.slots.numpy().astype(np.int64)
        self._words = np.zeros(rows, np.int64)
        if memory.seen is not None:
            self._words[:] = memory.seen.numpy()
        # What the operations point to. The memory itself points to its step: in a circle its
        # keys and values would outlast it, until Python looks for circles.
        self._held = memory.keys, memory.values, memory.text_keys, memory.text_values, known
        listed = list(self._operations(memory))
        from milonga.compute.tokens.program import COUNTERS

        self._operations_ = np.stack(listed)
        self._counters = np.zeros((len(listed), COUNTERS), np.int64)

    def _operations(self, memory: FastMemory) -> Any:
        known = self._known
        hidden, joined, seen = self._hidden, self._joined, self._seen
        for index, block in enumerate(known.blocks):
            yield self._product(block.joined, hidden, joined, norm=block.norm)
            yield self._attention(
                joined, memory.keys[index], memory.values[index], self._lengths, self._slots,
                own=True,
            )  # fmt: skip
            yield self._product(block.out, seen, self._aside, onto=hidden)
            if block.cross is not None:
                if memory.text_keys is None or memory.text_values is None:
                    raise ValueError("This decoder attends to a text, and there is none.")
                yield self._product(block.cross.query, hidden, joined, norm=block.cross.norm)
                yield self._attention(
                    joined, memory.text_keys[index], memory.text_values[index], self._words,
                    self._slots, own=False,
                )  # fmt: skip
                yield self._product(block.cross.out, seen, self._aside, onto=hidden)
            yield self._product(block.up, hidden, self._inner, norm=block.second_norm, active=True)
            yield self._product(block.down, self._inner, self._aside, onto=hidden)
        yield self._product(known.odds, hidden, self.odds, norm=known.norm)

    def _product(
        self, matrix: Matrix, x: torch.Tensor, out: torch.Tensor, *, norm: Norm | None = None,
        onto: torch.Tensor | None = None, active: bool = False,
    ) -> np.ndarray[Any, Any]:  # fmt: skip
        from milonga.compute.tokens.program import PRODUCT

        return _words(
            PRODUCT, kind=self._kinds.index(kind_of(matrix)), first=0, last=matrix.outer,
            **self._pieces(matrix.outer), x=where(x), x_row=x.shape[1], inner=matrix.inner,
            weight=where(matrix.weight),
            w_row=matrix.weight.stride(0) * matrix.weight.element_size(),
            scale=where(matrix.scale), out=where(out), out_row=out.shape[1],
            norm=where(norm.weight if norm else None),
            norm_bias=where(norm.bias if norm else None),
            bias=where(matrix.bias), activation=int(active), onto=where(onto),
            onto_row=0 if onto is None else onto.shape[1],
        )  # fmt: skip

    def _pieces(self, outer: int) -> dict[str, int]:
        grain = -(-outer // (_PIECES * self._threads))
        grain = -(-grain // 16) * 16
        return {"grain": grain, "pieces": -(-outer // grain)}

    def _attention(
        self, joined: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, lengths: Any,
        slots: Any, *, own: bool,
    ) -> np.ndarray[Any, Any]:  # fmt: skip
        from milonga.compute.tokens.program import ATTENTION

        heads, width, step = self._known.heads, self._known.width, 4
        return _words(
            ATTENTION, kind=-1, pieces=self.rows * heads, heads=heads, query=where(joined),
            key=where(joined) + step * width if own else 0,
            value=where(joined) + 2 * step * width if own else 0, row=joined.shape[1],
            keys=where(keys), values=where(values), lengths=lengths.ctypes.data,
            slots=slots.ctypes.data, key_bytes=keys[0, 0].numel() * keys.element_size(),
            value_bytes=values[0, 0].numel() * values.element_size(), out=where(self._seen),
            out_row=width,
        )  # fmt: skip

    def begin(self, embedded: torch.Tensor, length: int, first: int, last: int) -> None:
        """Get ready for the token at place ``length``."""
        from milonga.compute.tokens.program import PRODUCT

        known = self._known
        self._hidden.copy_(embedded)
        self._lengths[:] = length + 1
        self._counters[:] = 0
        odds = known.odds
        changed = {
            **self._pieces(last - first), "last": last - first,
            "weight": where(odds.weight[first:]),
            "scale": 0 if odds.scale is None else where(odds.scale[first:]),
        }  # fmt: skip
        for name, value in changed.items():
            self._operations_[-1, PRODUCT.index(name)] = value

    def run(self, function: Callable[..., None], worker: int) -> None:
        """Work as one of the threads."""
        function(
            self._operations_.ctypes.data, len(self._operations_), self._counters.ctypes.data,
            where(self._scratch[worker]), where(self._scores[worker]), self.rows,
        )  # fmt: skip


def _ours(memory: Memory) -> FastMemory:
    if not isinstance(memory, FastMemory):
        raise TypeError("This memory is of another decoder.")
    return memory


def _words(names: Sequence[str], **values: int) -> np.ndarray[Any, Any]:
    from milonga.compute.tokens.program import WORDS

    found = np.zeros(WORDS, np.int64)
    for name, value in values.items():
        found[names.index(name)] = value
    return found


def kind_of(matrix: Matrix) -> Kind:
    """In which kind of number a matrix lies."""
    return str(matrix.weight.dtype).removeprefix("torch.")  # type: ignore[return-value]


def unfit(description: Description) -> str | None:
    """Explain why the steps of a decoder can't be compiled here; None if they can."""
    import importlib.util

    if description.norm.weight.device.type != "cpu":
        return "it computes on another device"
    if importlib.util.find_spec("llvmlite") is None:
        return "llvmlite isn't installed"
    from milonga.compute.convolutions.kernels.compile import why_not

    if (reason := why_not()) is not None:
        return reason
    if {kind_of(matrix) for matrix in description.matrices()} - {"float32", "bfloat16", "int8"}:
        return "no kernels for weights in float16"
    if description.odds.bias is not None:
        return "no kernel for odds with a bias"
    if description.activation != "gelu":
        return f"no kernel for {description.activation}"
    inner = {matrix.inner for matrix in description.matrices()}
    if any(size % 16 for size in inner) or description.head_width % 8:
        return "its width is no multiple of 16, or that of its heads none of 8"
    return None


def compiled(
    kinds: tuple[Kind, ...], head: int, memory: Kind, eps: float, unroll: int
) -> Callable[..., None]:
    """The compiled function for decoders of a kind, on this processor as it is now."""
    return _compiled(kinds, head, memory, eps, unroll, processor.target())


@functools.lru_cache(16)
def _compiled(
    kinds: tuple[Kind, ...], head: int, memory: Kind, eps: float, unroll: int,
    target: str,
) -> Callable[..., None]:  # fmt: skip
    from milonga.compute.convolutions.kernels.compile import (
        compile_module,
        has_wide_vectors,
        kernel_of,
    )
    from milonga.compute.convolutions.kernels.waiting import provide_yield
    from milonga.compute.tokens.kernels import Heads
    from milonga.compute.tokens.program import RUN, emit_program

    module = emit_program(kinds, Heads(head, memory), eps, wide=has_wide_vectors(), unroll=unroll)
    provide_yield()
    return kernel_of(compile_module(str(module)), "run", RUN)
