"""A network compiled for this processor, and run in pieces."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from milonga.compute.convolutions.compiling import compile_network
from milonga.compute.convolutions.network import Layer
from milonga.compute.convolutions.packing import Floats, padded
from milonga.compute.convolutions.signals import Memory, Signal
from milonga.compute.convolutions.spans import Span
from milonga.compute.convolutions.steps import Machine, lengths, margin_of, run_steps, spans
from milonga.compute.convolutions.workers import Workers

PIECE_BYTES = 8_000_000
"""Of a signal that is computed at once."""

_LEAST = 4
"""Pieces are so many times longer than what is seen around them, at least."""


class Engine:
    """A network through the kernels.

    Only the order of additions and the number of multiplications differ from the network in
    torch. Memory stays the same for any length: a signal is computed in pieces, and each piece
    from what the layers see of the signal before, which is followed through the network exactly.

    Args:
        network: its layers in order, whose weights are copied into the kernels' own form; it may
            make them one after another, so that few are in memory at once.
        channels: of its input.
        threads: the caller's included.
        piece_bytes: size of the largest signal that is computed at once.

    Attributes:
        outputs: channels of its output.

    Raises:
        NotImplementedError: a layer has no kernel.
    """

    def __init__(
        self,
        network: Iterable[Layer],
        channels: int,
        threads: int,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self.channels = channels
        self._piece = piece_bytes
        self._steps, self.outputs = compile_network(network, channels)
        self._machine = Machine(Workers(threads), Memory(max(map(margin_of, self._steps))))
        self._lock = threading.Lock()
        self._grows = self.length(1 << 20) >= 1 << 20

    def length(self, rows: int) -> int:
        """Rows of output for rows of input."""
        return lengths(self._steps, rows)[-1]

    def run(
        self, x: Floats, wanted: int | None = None, check: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[int, int, Floats]]:
        """Compute the output piece by piece.

        Args:
            x: ``[rows, channels]``.
            wanted: rows of output from the start; all by default.
            check: called every now and then; may raise to stop.

        Yields:
            Start, stop, and the rows ``[stop - start, channels]`` between, which are overwritten
            by the next piece.
        """
        total = self.length(len(x))
        want = Span(0, total if wanted is None else min(total, wanted), total)
        with self._lock:
            self._machine.check = check
            try:
                found = self._spread(0, x, None, want) if self._grows else self._gather(x, want)
                for piece, y in found:
                    rows = y.rows(piece.start, piece.stop)
                    yield piece.start, piece.stop, rows[:, : self.outputs]
                    self._machine.memory.give(y)
            finally:
                self._machine.memory.trim()

    def _spread(
        self, index: int, x: Floats, before: Signal | None, want: Span
    ) -> Iterator[tuple[Span, Signal]]:
        """The output from that of step ``index - 1``, where rates rise: as much of the next
        step's output as may be at once, and from it the rest in smaller pieces. ``before`` is
        given back when it has been read."""
        steps = self._steps[index:]
        whole = lengths(self._steps, len(x))
        pieces = list(self._cut(index, whole, want))
        for piece in pieces:
            here = spans(steps, piece, whole[index])
            source = before or self._input(x, here[0])
            y = run_steps(
                steps[:1], self._machine, source, here[1],
                keep=None if piece is pieces[-1] else before,
            )  # fmt: skip
            if len(steps) == 1:
                yield piece, y
            else:
                yield from self._spread(index + 1, x, y, piece)

    def _gather(self, x: Floats, want: Span) -> Iterator[tuple[Span, Signal]]:
        """The output where rates fall: each piece from the pieces of all steps before."""
        whole = lengths(self._steps, len(x))
        for piece in self._cut(len(self._steps) - 1, whole, want):
            yield piece, self._gathered(len(self._steps), x, whole, piece)

    def _gathered(self, index: int, x: Floats, whole: list[int], want: Span) -> Signal:
        """The output of the first ``index`` steps."""
        if not index:
            return self._input(x, want)
        step, found = self._steps[index - 1], None
        for piece in self._cut(index - 1, whole, want):
            source = self._gathered(index - 1, x, whole, step.needs(piece, whole[index - 1]))
            y = run_steps([step], self._machine, source, piece)
            if piece == want:
                return y
            found = found or self._machine.memory.take(want, y.width, want.size)
            found.rows(piece.start, piece.stop)[:] = y.rows(piece.start, piece.stop)
            self._machine.memory.give(y)
        return found or self._machine.memory.take(want, step.width, want.size)

    def _input(self, x: Floats, span: Span) -> Signal:
        signal = self._machine.memory.take(span, padded(self.channels), span.size)
        rows = signal.rows(span.start, span.stop)
        rows[:, : self.channels] = x[span.start : span.stop]
        rows[:, self.channels :] = 0.0
        return signal

    def _cut(self, index: int, whole: list[int], want: Span) -> Iterator[Span]:
        """Pieces for which the input and the output of a step are small enough.

        Where rates rise, ``want`` and the pieces are of the network's output, otherwise of the
        step's.
        """
        step = self._steps[index]
        before = self._steps[index - 1].width if index else padded(self.channels)
        row = max(before * whole[index], step.width * whole[index + 1])
        total = whole[-1] if self._grows else whole[index + 1]
        rows = max(1.0, self._piece * total / (4.0 * max(1, row)))
        if not self._grows:
            # What a piece sees around itself is computed again for the next: that stays little.
            seen = step.needs(Span(0, 1, 1), whole[index]).size
            rows = max(rows, _LEAST * seen * whole[index + 1] / max(1, whole[index]))
        return want.divided(max(1, round(want.size / rows)))
