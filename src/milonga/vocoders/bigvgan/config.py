"""The published ``config.json`` of a BigVGAN generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from milonga.audio.mel.spec import MelSpec
from milonga.errors import AudioError, VocoderError

_MOST_STAGES, _MOST_BLOCKS, _MOST_LAYERS, _WIDEST, _LONGEST = 10, 8, 8, 4096, 63
"""Bounds of a generator; the largest published one has 6, 3, 3, 1536 and 16."""


@dataclass(frozen=True, slots=True)
class BigVGANConfig:
    """The configuration of a generator.

    Attributes:
        mel_spec: convention of its input.
        upsample_rates: factor of each stage; their product is the hop.
        upsample_kernels: taps of each stage's transposed convolution.
        channels: width before the first stage; every stage halves it.
        kernels: taps of the residual blocks that run beside each other in a stage.
        dilations: of the layers of each of those blocks.
        block: 1 has a second, undilated convolution after each dilated one, 2 has not.
        activation: "snakebeta" has its own amplitude parameter, "snake" has not.
        log_scale: parameters of the activation are stored as logarithms.
        final_tanh: the output is bent by tanh, otherwise cut at -1 and 1.
        final_bias: the last convolution has a bias.
    """

    mel_spec: MelSpec
    upsample_rates: tuple[int, ...]
    upsample_kernels: tuple[int, ...]
    channels: int
    kernels: tuple[int, ...]
    dilations: tuple[tuple[int, ...], ...]
    block: Literal[1, 2]
    activation: Literal["snake", "snakebeta"]
    log_scale: bool
    final_tanh: bool
    final_bias: bool

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BigVGANConfig:
        """Read the published form; entries that concern only training are ignored.

        Raises:
            VocoderError: an entry is missing, or no generator can be built from it.
        """
        try:
            config = cls(
                mel_spec=MelSpec.from_bigvgan_config(values),
                upsample_rates=tuple(int(r) for r in values["upsample_rates"]),
                upsample_kernels=tuple(int(k) for k in values["upsample_kernel_sizes"]),
                channels=int(values["upsample_initial_channel"]),
                kernels=tuple(int(k) for k in values["resblock_kernel_sizes"]),
                dilations=tuple(
                    tuple(int(d) for d in ds) for ds in values["resblock_dilation_sizes"]
                ),
                block=1 if str(values["resblock"]) == "1" else 2,
                activation=values["activation"],
                log_scale=bool(values["snake_logscale"]),
                final_tanh=bool(values.get("use_tanh_at_final", True)),
                final_bias=bool(values.get("use_bias_at_final", True)),
            )
        except AudioError as error:
            raise VocoderError(error.message) from None
        except KeyError as error:
            raise VocoderError(f"The vocoder's config has no entry {error.args[0]!r}.") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise VocoderError(f"The vocoder's config is damaged: {error}.") from None
        config._check(str(values["resblock"]))
        return config

    def _check(self, block: str) -> None:
        hop = self.mel_spec.hop
        dilations = [dilation for layers in self.dilations for dilation in layers]
        sizes = (
            (len(self.upsample_rates), _MOST_STAGES),
            (len(self.kernels), _MOST_BLOCKS),
            (max(map(len, self.dilations), default=0), _MOST_LAYERS),
            (self.channels, _WIDEST),
            (max((*self.kernels, *self.upsample_kernels, *dilations), default=0), _LONGEST),
        )
        if any(size > most for size, most in sizes):
            problem = "it would be larger than any can be"
        elif min((*self.upsample_rates, *dilations), default=0) < 1:
            problem = "a rate or a dilation is less than 1"
        elif prod(self.upsample_rates) != hop:
            problem = f"upsample rates {self.upsample_rates} don't multiply to the hop {hop}"
        elif len(self.upsample_kernels) != len(self.upsample_rates):
            problem = "there aren't as many upsample kernels as rates"
        elif any(
            k < r or (k - r) % 2
            for r, k in zip(self.upsample_rates, self.upsample_kernels, strict=True)
        ):
            problem = f"upsample kernels {self.upsample_kernels} don't fit the rates"
        elif self.channels % (1 << len(self.upsample_rates)) or self.channels < 1:
            problem = f"{self.channels} channels can't be halved in every stage"
        elif len(self.dilations) != len(self.kernels) or not self.kernels:
            problem = "there aren't as many lists of dilations as kernels"
        elif any(k < 1 or k % 2 == 0 for k in self.kernels):
            problem = f"the kernels {self.kernels} aren't odd"
        elif block not in ("1", "2"):
            problem = f"there is no residual block {block!r}"
        elif self.activation not in ("snake", "snakebeta"):
            problem = f"there is no activation {self.activation!r}"
        else:
            return
        raise VocoderError(f"The vocoder's config describes no generator: {problem}.")

    def width(self, stage: int) -> int:
        """Channels within a stage, from 0."""
        return self.channels >> (stage + 1)
