"""MusicGen itself: text to audio tokens to samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milonga.compute.tokens.divergence import Witness
from milonga.compute.tokens.matrix import Precision, copy_of, let_go_of
from milonga.compute.tokens.sampling import Choice
from milonga.generators.musicgen import windows
from milonga.generators.musicgen.network import Network
from milonga.generators.neural import codec
from milonga.generators.neural.bits import TRIAL_PROMPT, choose_bits, settle_bits
from milonga.generators.neural.loading import load_pretrained, load_tokenizer, quiet_transformers
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import seeded

if TYPE_CHECKING:
    import torch


_TRIAL_FRAMES = 48
"""Frames that a precision is tried on."""


class MusicGenEngine:
    """A loaded model.

    Attributes:
        rate: of the samples, in Hz.
        channels: 1 or 2.
        hop: samples per frame of tokens.
        dtype: of the weights that are read for every token.
        engine: ``fast`` or ``torch``.
        notes: why the precision is as it is.
    """

    def __init__(
        self, model: Any, tokenizer: Any, precision: str = "float32", name: str = "",
        source: str = "",
    ) -> None:  # fmt: skip
        self._copy = f"{name} decoder", source
        self._tokenizer, self._model, self._wanted = tokenizer, model.decoder, precision
        self._text, self._codec = model.text_encoder, model.audio_encoder
        config, audio = model.config, model.config.audio_encoder
        apart = config.text_encoder.hidden_size != config.decoder.hidden_size
        own = getattr(config.decoder, "cross_attention_hidden_size", None)
        self._bridge = model.enc_to_dec_proj if apart and own is None else None
        self.rate, self.hop = int(audio.sampling_rate), int(audio.hop_length)
        self.channels = int(config.decoder.audio_channels)
        self.notes: tuple[str, ...] = ()
        # Until a trial tells, auto is float32.
        self._use(choose_bits(precision, "float32", quick=False, key=None).precision)

    def _use(
        self, precision: Precision, progress: Progress | None = None, *, keep: bool = True
    ) -> None:
        name, source = self._copy
        with copy_of(precision, name, source if keep else "", self._model.device, progress) as copy:
            self.network = Network(self._model, precision, copy)
        self.dtype, self.engine = precision, self.network.decoder.engine

    def settle(self, key: str, progress: Progress) -> None:
        """Choose the precision where it was left open: by a trial before the first take.

        Args:
            key: of the model's files.
            progress: shows the trial, and stops it.

        Raises:
            Cancelled: the user stopped it; the next take tries again.
        """
        if self._model is None:
            return
        first: list[Witness] = []

        def run(witness: Witness) -> Witness:
            plan = self.plan(_TRIAL_FRAMES)
            with seeded(0, str(self._text.device), progress):
                self.tokens(TRIAL_PROMPT, plan, Choice(3.0), _nothing, progress.check, witness)
            return witness

        def trial(precision: Precision) -> float:
            if not first:
                first.append(run(Witness()))
            self._use(precision, keep=False)
            return run(Witness(first[0])).divergence()

        quick = self.engine == "fast"
        chosen = settle_bits(self._wanted, "float32", quick, key, trial, progress)
        if chosen.precision != self.dtype:
            self._use(chosen.precision, progress)
        if chosen.reason:
            self.notes = (f"precision: {chosen.reason}",)
        self._model = None

    @classmethod
    def load(
        cls, folder: Path, name: str, device: str, precision: str = "float32", source: str = ""
    ) -> MusicGenEngine:
        """Load the files in ``folder``.

        Args:
            folder: with configuration, weights and tokenizer.
            name: what the user calls it.
            device: where to compute.
            precision: of the decoder's weights, or auto; text encoder and codec stay in float32.
            source: hash of the files, for a stored copy in int8; empty for none.

        Raises:
            GeneratorError: they are damaged or of another model.
        """
        with quiet_transformers():
            from transformers import MusicgenForConditionalGeneration

            model = load_pretrained(MusicgenForConditionalGeneration, folder, name)
        tokenizer = load_tokenizer(folder, name)
        return cls(model.to(device), tokenizer, precision, name, source)

    @property
    def parts(self) -> tuple[Any, Any]:
        """The text encoder and the codec, for hooks."""
        return self._text, self._codec

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
        return sum(self.network.steps(window.new) for window in plan)

    def tokens(
        self,
        prompt: str,
        plan: list[windows.Window],
        choice: Choice,
        tick: Callable[[], None],
        check: Callable[[], None],
        hear: Witness | None = None,
    ) -> torch.Tensor:
        """Draw the tokens, ``[codebooks, frames]``, from torch's global random state.

        Args:
            prompt: the text.
            plan: the calls.
            choice: how to draw.
            tick: told of every step.
            check: raises where the user wants to stop.
            hear: told of the odds of every step.

        Raises:
            Cancelled: the user stopped it.
        """
        import torch

        with torch.inference_mode():
            text, seen = self.read(prompt, choice)
            done = torch.empty((len(self.network.delays), 0), dtype=torch.long)
            for window in plan:
                kept = done[:, done.shape[1] - window.kept :]
                new = self.network.draw(text, seen, kept, window.new, choice, check, tick, hear)
                done = torch.cat([done, new], dim=1)
        return done

    def read(self, prompt: str, choice: Choice) -> tuple[torch.Tensor, list[int]]:
        """The hidden values of a text, ``[rows, words, width]``, and how many words a row sees.

        With guidance a second row goes along that sees nothing.
        """
        import torch

        found = self._tokenizer([prompt], return_tensors="pt").to(self._text.device)
        hidden = self._text(**found).last_hidden_state
        # Read once a take; it stays in the system's cache.
        let_go_of(self._text.parameters())
        if self._bridge is not None:
            hidden = self._bridge(hidden)
        words = hidden.shape[1]
        if choice.guidance <= 1:
            return hidden, [words]
        return torch.cat([hidden, torch.zeros_like(hidden)]), [words, 0]

    def audio(self, tokens: torch.Tensor, progress: Progress) -> NDArray[np.float32]:
        """Samples ``[channels, frames * hop]`` of tokens ``[codebooks, frames]``."""
        # In stereo the codebooks of left and right alternate.
        rows = tokens.reshape(-1, self.channels, tokens.shape[-1]).transpose(0, 1)
        codes = rows.to(self._codec.device)
        samples = codec.decode(self._codec, codes, progress)
        found: NDArray[np.float32] = samples[:, 0].float().cpu().numpy()
        return found


def _nothing() -> None:
    """No one is told."""
