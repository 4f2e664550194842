"""Signals in memory: rows of channels, with room for padding around them."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.compute.convolutions.network import Padding
from milonga.compute.convolutions.spans import Span

Floats = NDArray[np.float32]


_KEPT_BYTES = 64_000_000
"""Free memory that an engine keeps from one call to the next; fresh pages would take a tenth of the
time of a short one."""


@dataclass(slots=True)
class Signal:
    """The rows of a span, ``width`` floats each.

    Attributes:
        span: which rows.
        width: floats of a row.
        memory: holds them, and rows that may be overwritten before and after.
        first: row of the memory where the span starts.
    """

    span: Span
    width: int
    memory: Floats
    first: int

    def address(self, row: int) -> int:
        """Where a row of the signal lies; it may lie in the padding."""
        return int(self.memory.ctypes.data) + 4 * self.width * (self.first + row - self.span.start)

    def rows(self, start: int, stop: int) -> Floats:
        """Rows as an array, ``[stop - start, width]``, no copy."""
        first = self.first + start - self.span.start
        flat = self.memory[first * self.width : (first + stop - start) * self.width]
        return flat.reshape(stop - start, self.width)

    def pad(self, start: int, stop: int, padding: Padding, most: int) -> None:
        """Write the padding that lies between two rows.

        Args:
            start: first row that will be read; negative before the signal.
            stop: where reading ends; beyond the length after the signal.
            padding: what it holds.
            most: the padding on the side that has more, as the layer has it: a signal that is
                shorter is first lengthened by zeros, as EnCodec does.
        """
        length = self.span.length
        for row in (*range(start, min(0, stop)), *range(max(length, start), stop)):
            source = mirrored(row, length, most) if padding == "reflect" else None
            # What is read beyond the layer's own padding counts for nothing, but must be finite.
            if source is None or not self.span.start <= source < self.span.stop:
                self.rows(row, row + 1)[:] = 0.0
            else:
                self.rows(row, row + 1)[:] = self.rows(source, source + 1)


def mirrored(row: int, length: int, most: int) -> int | None:
    """The row that reflection shows in the place of one outside; None for a zero."""
    whole = max(length, most + 1)
    found = row if 0 <= row < whole else -row if row < 0 else 2 * (whole - 1) - row
    return found if 0 <= found < length else None


class Memory:
    """Memory that is used again: fresh pages cost more than they seem.

    Args:
        margin: floats before and after every signal.
    """

    def __init__(self, margin: int) -> None:
        self._margin = margin
        self._free: list[Floats] = []
        self._own: dict[str, Floats] = {}
        self._lock = threading.Lock()

    def take(self, span: Span, width: int, rows: int, skip: int = 0) -> Signal:
        """A signal to be written; give it back when it has been read.

        Args:
            span: what it will hold.
            width: floats of a row.
            rows: that are written in all.
            skip: of those, the ones before the span.
        """
        margin = -(-self._margin // width)
        size = (rows + 2 * margin) * width
        with self._lock:
            fitting = [index for index, held in enumerate(self._free) if held.size >= size]
            if fitting:
                best = min(fitting, key=lambda index: self._free[index].size)
                return Signal(span, width, self._free.pop(best), margin + skip)
            if self._free:
                # One that is too small would never be used again in a longer piece.
                self._free.pop(max(range(len(self._free)), key=lambda i: self._free[i].size))
        return Signal(span, width, np.zeros(size, np.float32), margin + skip)

    def give(self, signal: Signal) -> None:
        """The signal's memory is free again."""
        with self._lock:
            self._free.append(signal.memory)

    def own(self, name: str, size: int) -> Floats:
        """Memory with a name, of at least ``size`` floats, zeros at first."""
        held = self._own.get(name)
        if held is None or held.size < size:
            held = self._own[name] = np.zeros(size, np.float32)
        return held

    def spaces(self, threads: int, size: int) -> NDArray[np.int64]:
        """The addresses of as many floats for each thread."""
        held = [self.own(f"space {thread}", size) for thread in range(threads)]
        return np.array([space.ctypes.data for space in held], np.int64)

    def trim(self) -> None:
        """Let go of memory that is free, but for what the next call may well need."""
        with self._lock:
            self._free.sort(key=lambda held: held.size)
            while sum(held.nbytes for held in self._free) > _KEPT_BYTES:
                self._free.pop()
