"""The generator on a processor, through the compiled kernels."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from milonga.compute import processor
from milonga.compute.convolutions.kernels import factors
from milonga.compute.convolutions.kernels.compile import Kernels, has_wide_vectors
from milonga.compute.convolutions.kernels.gemm import Tiling
from milonga.compute.convolutions.kernels.minimal import LARGE, MEDIUM, SMALL, Filtering
from milonga.compute.convolutions.packing import (
    PackedActivation,
    PackedConv,
    PackedProduct,
    floats,
    pack_conv,
    pack_product,
    pack_upsampler,
    padded,
    widened,
)
from milonga.compute.convolutions.spans import Span
from milonga.compute.convolutions.workers import Workers
from milonga.runtime.memory import let_go
from milonga.vocoders.bigvgan.chunks import ChunkPlan
from milonga.vocoders.bigvgan.config import BigVGANConfig
from milonga.vocoders.bigvgan.generator import Activation, BigVGANGenerator

Floats = NDArray[np.float32]

_POST_TAPS = 7
_MOST_TAPS = 15
_LARGE_FROM = 192
_MOST_TILES = 1024
_FEWEST_TILES = 64
_KEPT_BYTES = 18_000_000
"""Factors of convolutions that need more are made anew for each chunk: those of 768 channels."""
_PAGE = 1024
"""Floats of the taps that a thread transforms at once, a multiple of a vector."""
_CACHE_FLOATS = 300_000
"""Floats of transformed tiles that a thread works on at a time, so that they stay in its cache."""


def fits(config: BigVGANConfig) -> bool:
    """Check if there are algorithms for every kernel of a generator."""
    return max(config.kernels) <= _MOST_TAPS


@dataclass(frozen=True, slots=True)
class _Stage:
    kernels: Kernels
    width: int
    rate: int
    padding: int
    up: PackedProduct
    blocks: list[list[list[tuple[PackedActivation, PackedConv]]]]


class FastEngine:
    """``BigVGANGenerator`` in single precision, through the kernels.

    Only the order of additions and the number of multiplications differ.

    Args:
        generator: its weights are copied into the kernels' own form.
        give_up: take them away from it meanwhile, stage by stage.
    """

    name = "fast"

    def __init__(self, generator: BigVGANGenerator, *, give_up: bool = False) -> None:
        config = generator.config
        self._config = config
        self._tanh = config.final_tanh
        self._workers = Workers(torch.get_num_threads())
        self._buffers: dict[str, Floats] = {}
        self._lock = threading.Lock()
        taps = tuple(sorted(set(config.kernels)))
        channels = padded(config.channels)
        self._mels = config.mel_spec.n_mels
        self._pre_kernels = _kernels(channels, taps)
        self._pre = pack_product(
            generator.conv_pre, self._pre_kernels.tiling, inputs=self._mels, gain=1.0
        )
        count = len(config.kernels)
        with ThreadPoolExecutor(self._workers.count) as pool:
            self._stages = [
                _pack_stage(pool, generator, index, taps, give_up=give_up)
                for index in range(len(generator.ups))
            ]
        last = self._stages[-1]
        self._post_activation = pack_activation(generator.activation_post, float(count))
        self._post = pack_product(
            generator.conv_post, last.kernels.tiling, inputs=last.width, gain=1.0 / count
        )
        self._zeros = np.zeros(max(stage.width for stage in self._stages), np.float32)
        self._margin = max(stage.up.taps + stage.padding for stage in self._stages)

    def chunk(self, mel: Floats, plan: ChunkPlan) -> Floats:
        """The waveform ``[B, 1, samples]`` of ``plan.output`` from the frames ``plan.mel``."""
        out = np.empty((mel.shape[0], 1, plan.output.size), np.float32)
        # The buffers serve one call at a time.
        with self._lock:
            for item, values in zip(out, mel, strict=True):
                item[0] = self._one(values, plan)
        return out

    def _one(self, mel: Floats, plan: ChunkPlan) -> Floats:
        x, span = self._before(mel, plan), plan.pre
        for index, stage in enumerate(self._stages):
            x = self._upsample(stage, x, span, plan.stages[index])
            span = plan.stages[index]
            x = self._blocks(stage, x)
        return self._after(x, span, plan.output)

    def _before(self, mel: Floats, plan: ChunkPlan) -> Floats:
        taps = self._pre.taps
        frames = mel.shape[1]
        rows = self._buffer("mel", frames + taps - 1, self._mels)
        rows[: taps // 2] = 0.0
        rows[taps // 2 + frames :] = 0.0
        rows[taps // 2 : taps // 2 + frames] = mel.T
        width = len(self._pre.bias)
        whole = self._margined("total", frames, width)
        self._product(self._pre_kernels, self._pre, rows, whole[self._margin :], frames)
        return self._between_zeros(whole, plan.pre.start - plan.mel.start, plan.pre.size)

    def _upsample(self, stage: _Stage, x: Floats, have: Span, want: Span) -> Floats:
        """``x`` lies between rows of zeros, see ``_between_zeros``."""
        extra = -(-stage.padding // stage.rate)
        count = len(x) + extra
        rows = self._buffer("up", stage.rate * count, stage.width)
        lead = (stage.up.taps - 1) * x.shape[1]
        self._product(stage.kernels, stage.up, x, rows.reshape(count, -1), count, offset=-lead)
        start = stage.padding + want.start - have.start * stage.rate
        return rows[start : start + want.size]

    def _blocks(self, stage: _Stage, x: Floats) -> Floats:
        """The sum over the residual blocks; whoever reads it divides by their number."""
        length = len(x)
        whole = self._margined("total", length, stage.width)
        total = whole[self._margin : self._margin + length]
        hidden, act, inner = (
            self._buffer(name, length, stage.width) for name in ("hidden", "act", "inner")
        )
        for number, block in enumerate(stage.blocks):
            current = x
            for index, layer in enumerate(block):
                last_layer = index == len(block) - 1
                source = current
                for place, (activation, conv) in enumerate(layer):
                    self._activate(stage.kernels, activation, source, act)
                    if place < len(layer) - 1:
                        self._conv(stage.kernels, conv, act, inner)
                        source = inner
                    elif last_layer:
                        self._conv(stage.kernels, conv, act, total, current, number > 0)
                    else:
                        self._conv(stage.kernels, conv, act, hidden, current)
                current = hidden
        return self._between_zeros(whole, 0, length)

    def _after(self, x: Floats, have: Span, want: Span) -> Floats:
        half = _POST_TAPS // 2
        rows = self._buffer("post", len(x) + 2 * half, x.shape[1])
        rows[:half] = 0.0
        rows[-half:] = 0.0
        kernels = self._stages[-1].kernels
        self._activate(kernels, self._post_activation, x, rows[half:-half])
        out = self._buffer("wave", len(x), len(self._post.bias))
        self._product(kernels, self._post, rows, out, len(x))
        start = want.start - have.start
        wave = out[start : start + want.size, 0]
        return np.tanh(wave) if self._tanh else np.clip(wave, -1.0, 1.0)

    def _activate(
        self, kernels: Kernels, activation: PackedActivation, x: Floats, y: Floats
    ) -> None:
        length, width = x.shape
        pointers = (x.ctypes.data, y.ctypes.data)
        shape = (length, width, activation.alpha.ctypes.data, activation.gain.ctypes.data)
        self._workers.run(
            length, 64, lambda first, last, _: kernels.activation(*pointers, *shape, first, last)
        )

    def _conv(
        self,
        kernels: Kernels,
        conv: PackedConv,
        x: Floats,
        y: Floats,
        add: Floats | None = None,
        accumulate: bool = False,
    ) -> None:
        length, width = x.shape
        filtering, rows = conv.filtering, kernels.tiling.rows
        of_phase = math.ceil(length / conv.dilation)
        tiles = math.ceil(of_phase / filtering.outputs) * conv.dilation
        block = min(_MOST_TILES, max(_FEWEST_TILES, _CACHE_FLOATS // (filtering.products * width)))
        block = max(1, block // rows) * rows
        plane = filtering.products * block * width
        zeros = self._zeros.ctypes.data
        run = kernels.convs[filtering]
        held = conv.factors if conv.transformed else self._transformed(conv, kernels)
        before = (x.ctypes.data, length, width, conv.dilation, held.ctypes.data,
                  conv.bias.ctypes.data,
                  zeros if add is None else add.ctypes.data, 0 if add is None else width,
                  y.ctypes.data if accumulate else zeros, width if accumulate else 0,
                  y.ctypes.data)  # fmt: skip

        def work(first: int, last: int, worker: int) -> None:
            space = self._buffer(f"tiles {worker}", 2 * plane + width, 1)
            at = space.ctypes.data
            run(*before, at, at + 4 * plane, zeros, at + 8 * plane, block, first, last)

        self._workers.run(tiles, rows, work)

    def _transformed(self, conv: PackedConv, kernels: Kernels) -> Floats:
        taps, lanes = conv.factors, kernels.tiling.width
        plane = taps.shape[1]
        found = self._buffer("factors", conv.filtering.products, plane)
        run = factors.kernel(conv.filtering, lanes)
        places = taps.ctypes.data, found.ctypes.data
        self._workers.run(plane, _PAGE, lambda first, last, _: run(*places, plane, first, last))
        return found

    def _product(
        self,
        kernels: Kernels,
        product: PackedProduct,
        x: Floats,
        y: Floats,
        rows: int,
        *,
        offset: int = 0,
    ) -> None:
        stride, width = x.shape[1], len(product.bias)
        source = x.ctypes.data + 4 * offset
        panels = width // kernels.tiling.columns

        def work(first: int, last: int, _: int) -> None:
            kernels.gemm(
                source + 4 * first * stride, stride, 0, product.factors.ctypes.data, 0,
                y.ctypes.data + 4 * first * width, width, 0, product.bias.ctypes.data,
                last - first, product.inner, panels, 1,
            )  # fmt: skip

        self._workers.run(rows, kernels.tiling.rows, work)

    def _margined(self, name: str, rows: int, width: int) -> Floats:
        """A buffer with ``self._margin`` rows before and after those asked for."""
        return self._buffer(name, rows + 2 * self._margin, width)

    def _between_zeros(self, whole: Floats, start: int, size: int) -> Floats:
        """Rows ``start`` to ``start + size`` after the margin, with zeros around them in memory."""
        margin = self._margin
        whole[start : start + margin] = 0.0
        whole[margin + start + size : 2 * margin + start + size] = 0.0
        return whole[margin + start : margin + start + size]

    def _buffer(self, name: str, rows: int, width: int) -> Floats:
        """Memory that is used again for every chunk: fresh pages cost more than they seem."""
        size = rows * width
        held = self._buffers.get(name)
        if held is None or held.size < size:
            held = self._buffers[name] = np.empty(size, np.float32)
        return held[:size].reshape(rows, width)


def _kernels(width: int, taps: tuple[int, ...]) -> Kernels:
    """Kernels for signals of ``width`` channels."""
    filterings = tuple(_filtering(count, width) for count in taps)
    return _compiled(_tiling(width), filterings, processor.target())


def _pack_stage(
    pool: ThreadPoolExecutor,
    generator: BigVGANGenerator,
    index: int,
    taps: tuple[int, ...],
    *,
    give_up: bool,
) -> _Stage:
    config = generator.config
    up, blocks = generator.stage(index)
    width, rate = padded(config.width(index)), config.upsample_rates[index]
    kernels = _kernels(width, taps)
    tiling = kernels.tiling

    def pack(pair: tuple[Activation, nn.Conv1d]) -> tuple[PackedActivation, PackedConv]:
        activation, conv = pair
        filtering = _of(conv, width)
        kept = 4 * filtering.products * width**2 <= _KEPT_BYTES
        return pack_activation(activation), pack_conv(conv, filtering, tiling, transform=kept)

    layers = [block.layers() for block in blocks]
    packed = pool.map(pack, [pair for block in layers for layer in block for pair in layer])
    # The stage before gives a sum over its blocks.
    gain = 1.0 / len(blocks) if index else 1.0
    stage = _Stage(
        kernels,
        width,
        rate,
        (config.upsample_kernels[index] - rate) // 2,
        pack_upsampler(up, tiling, gain),
        [[[next(packed) for _ in layer] for layer in block] for block in layers],
    )
    plain = [up.weight, *(conv.weight for block in layers for layer in block for _, conv in layer)]
    for weight in plain:
        let_go(weight.data_ptr(), weight.nbytes)
        if give_up:
            weight.data = torch.empty(0)
    return stage


def pack_activation(activation: Activation, scale: float = 1.0) -> PackedActivation:
    """``scale * snake(x / scale)``: the mean over blocks is taken by whoever reads the result."""
    alpha, gain = activation.act.coefficients()
    width = padded(len(alpha))
    return PackedActivation(
        floats(widened(alpha / (math.pi * scale), (width,))),
        floats(widened(gain * scale, (width,))),
    )


def _of(conv: nn.Conv1d, width: int) -> Filtering:
    return _filtering(conv.kernel_size[0], width)


@lru_cache(maxsize=32)
def _compiled(tiling: Tiling, filterings: tuple[Filtering, ...], target: str) -> Kernels:
    return Kernels(tiling, filterings)


def _tiling(width: int) -> Tiling:
    """The sums fill the registers: 32 with AVX-512 and on ARM, else 16."""
    wide = has_wide_vectors()
    if wide and width % 48 == 0:
        return Tiling(16, 3, 8)
    if wide and width % 32 == 0:
        return Tiling(16, 2, 12)
    if width % 24 == 0:
        return Tiling(8, 3, 8 if wide else 4)
    if width % 16 == 0:
        return Tiling(8, 2, 12 if wide else 5)
    return Tiling(8, 1, 12 if wide else 8)


@lru_cache(maxsize=64)
def _filtering(taps: int, width: int) -> Filtering:
    """Larger tiles save products and cost additions, which narrow signals don't repay."""
    if taps <= 5:
        return Filtering(SMALL, taps)
    if taps <= 9 or (taps <= 11 and width < _LARGE_FROM):
        return Filtering(MEDIUM, taps)
    return Filtering(LARGE, taps)
