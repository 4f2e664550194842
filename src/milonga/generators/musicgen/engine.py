"""MusicGen itself: text to audio tokens to samples."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milonga.errors import GeneratorError
from milonga.generators.musicgen import windows
from milonga.generators.neural import codec
from milonga.generators.neural.loading import load_pretrained, load_tokenizer, quiet_transformers
from milonga.runtime.progress import Progress, Task

if TYPE_CHECKING:
    import torch

_FEWEST = 8
"""Tokens in a call: with fewer the library leaves out the delays between the codebooks."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Settings for drawing tokens."""

    guidance: float = 3.0
    temperature: float = 1.0
    top_k: int = 250


class MusicGenEngine:
    """A loaded model.

    Attributes:
        rate: of the samples, in Hz.
        channels: 1 or 2.
        hop: samples per frame of tokens.
        dtype: of the weights.
    """

    dtype = "float32"

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer
        decoder, audio = model.config.decoder, model.config.audio_encoder
        self.rate, self.hop = int(audio.sampling_rate), int(audio.hop_length)
        self.channels = int(decoder.audio_channels)
        self._start = int(decoder.pad_token_id)
        # Each codebook is one step behind the one before; in stereo, each pair of them.
        self._delays = [index // self.channels for index in range(decoder.num_codebooks)]

    @classmethod
    def load(cls, folder: Path, name: str, device: str) -> MusicGenEngine:
        """Load the files in ``folder``.

        Raises:
            GeneratorError: they are damaged or of another model.
        """
        with quiet_transformers():
            from transformers import MusicgenForConditionalGeneration

            model = load_pretrained(MusicgenForConditionalGeneration, folder, name)
        tokenizer = load_tokenizer(folder, name)
        return cls(model.to(device), tokenizer)

    @property
    def model(self) -> Any:
        """The network, for hooks."""
        return self._model

    def frames_for(self, samples: int) -> int:
        """Frames of tokens that cover ``samples``."""
        return math.ceil(samples / self.hop)

    def plan(
        self, frames: int, longest_s: float = windows.WINDOW_S, kept_s: float = windows.KEPT_S
    ) -> list[windows.Window]:
        """The calls that make ``frames``."""
        per_s = self.rate / self.hop
        return windows.split(frames, round(longest_s * per_s), round(kept_s * per_s))

    def steps(self, plan: list[windows.Window]) -> int:
        """Steps of the model in all: every call needs one more for each delayed codebook."""
        return sum(self._steps(window.new) for window in plan)

    def _steps(self, new: int) -> int:
        return max(new + self._delays[-1], _FEWEST)

    def tokens(
        self, prompt: str, plan: list[windows.Window], sampling: Sampling, task: Task
    ) -> torch.Tensor:
        """Draw the tokens, ``[codebooks, frames]``, from torch's global random state.

        Args:
            prompt: the text.
            plan: the calls.
            sampling: how to draw.
            task: counts the steps.

        Raises:
            Cancelled: the user stopped it.
        """
        import torch

        text = self._tokenizer([prompt], return_tensors="pt").to(self._model.device)
        done = torch.empty((len(self._delays), 0), dtype=torch.long)
        for window in plan:
            kept = done[:, done.shape[1] - window.kept :]
            new = self._call(text, kept, window.new, sampling, task)
            done = torch.cat([done, new], dim=1)
        return done

    def _call(
        self, text: Any, kept: torch.Tensor, new: int, sampling: Sampling, task: Task
    ) -> torch.Tensor:
        import torch
        from transformers import GenerationConfig, StoppingCriteriaList

        first = 1 + kept.shape[1]
        # The library's class carries no types.
        make_settings: Any = GenerationConfig
        settings = make_settings(
            do_sample=True, temperature=sampling.temperature, top_k=sampling.top_k, top_p=1.0,
            guidance_scale=sampling.guidance, max_new_tokens=self._steps(new), use_cache=True,
            pad_token_id=self._start, bos_token_id=self._start,
            decoder_start_token_id=self._start,
        )  # fmt: skip
        before = {"decoder_input_ids": kept.to(self._model.device)} if kept.shape[1] else {}
        watch = _Watch(first + self._steps(new), task)
        with quiet_transformers(), contextlib.suppress(_AllDrawn):
            self._model.generate(
                input_ids=text["input_ids"], attention_mask=text["attention_mask"],
                generation_config=settings, stopping_criteria=StoppingCriteriaList([watch]),
                **before,
            )  # fmt: skip
        if watch.drawn is None:
            raise GeneratorError("MusicGen ended before the segment did.", seed_may_help=True)
        rows = [
            watch.drawn[row, first + delay : first + delay + new]
            for row, delay in enumerate(self._delays)
        ]
        return torch.stack(rows).cpu()

    def audio(self, tokens: torch.Tensor, progress: Progress) -> NDArray[np.float32]:
        """Samples ``[channels, frames * hop]`` of tokens ``[codebooks, frames]``."""
        # In stereo the codebooks of left and right alternate.
        rows = tokens.reshape(-1, self.channels, tokens.shape[-1]).transpose(0, 1)
        codes = rows.to(self._model.device)
        samples = codec.decode(self._model.audio_encoder, codes, progress)
        found: NDArray[np.float32] = samples[:, 0].float().cpu().numpy()
        return found


class _AllDrawn(Exception):
    """Leaves ``generate`` before it decodes: windows are decoded together, at the end."""


class _Watch:
    """Sees every step of ``generate``, which itself returns only audio.

    It stands in the place of a criterion for stopping: of the places that the library offers,
    this one is called in every version with all tokens so far.
    """

    def __init__(self, columns: int, task: Task) -> None:
        self._columns, self._task = columns, task
        self.drawn: torch.Tensor | None = None

    def __call__(self, tokens: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        import torch

        self._task.advance()
        if tokens.shape[1] >= self._columns:
            self.drawn = tokens
            raise _AllDrawn
        return torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)
