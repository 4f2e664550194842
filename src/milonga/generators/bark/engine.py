"""Bark itself: prompts to samples."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milonga.compute.tokens.divergence import Witness
from milonga.compute.tokens.matrix import Precision, copy_of
from milonga.errors import GeneratorError
from milonga.generators.bark import stages
from milonga.generators.bark.drawing import Drawing, generator_for
from milonga.generators.bark.network import Causal, Fine
from milonga.generators.bark.stages import Numbers, Tokens
from milonga.generators.bark.work import Work
from milonga.generators.neural import codec
from milonga.generators.neural.bits import choose_bits, settle_bits
from milonga.generators.neural.loading import load_pretrained, load_tokenizer, quiet_transformers
from milonga.runtime.progress import Progress
from milonga.runtime.words import counted

if TYPE_CHECKING:
    import torch

_STAGES: dict[str, type[Causal | Fine]] = {
    "semantic": Causal, "coarse_acoustics": Causal, "fine_acoustics": Fine,
}  # fmt: skip
_TRIAL, _TRIAL_TOKENS = "\u266a Whisper del futuro, we laugh at the chaos \u266a", 48
"""What a precision is tried on, and for how many semantic tokens."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Settings for drawing tokens; None leaves them to the checkpoint.

    ``least`` and ``most`` bound the semantic tokens of a part.
    """

    semantic_temperature: float | None = None
    coarse_temperature: float | None = None
    fine_temperature: float | None = None
    top_k: int | None = None
    min_eos_p: float = 0.2
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class SpokenPart:
    """One rendered part.

    Attributes:
        samples: ``[frames]``, mono.
        tokens: what it was made from.
        full: whether it came to the end of what a part may have, and so may lack words.
    """

    samples: NDArray[np.float32]
    tokens: Tokens
    full: bool


class BarkEngine:
    """A loaded model.

    Attributes:
        rate: of the samples, in Hz.
        dtype: of the transformers' weights: ``float32``, ``bfloat16``, ``float16`` or ``int8``.
        engine: ``fast`` or ``torch``.
        notes: why the precision is as it is.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        device: str = "cpu",
        *,
        precision: str = "float32",
        offload: bool = False,
        name: str = "",
        source: str = "",
    ) -> None:
        self._copy = f"{name} stages", source
        self._model, self._tokenizer = model, tokenizer
        self._device, self._offload = device, offload and device != "cpu"
        self._numbers, self._configured = _numbers(model)
        self.rate = int(model.config.codec_config.sampling_rate)
        self._wanted, self._usual = precision, usual_precision(device)
        model.to("cpu" if self._offload else device)
        self._codec = model.codec_model
        self._stages: dict[str, Any] = {}
        self.notes: tuple[str, ...] = ()
        self._settled = False
        # Until a trial tells, auto is the usual one.
        self._use(choose_bits(precision, self._usual, quick=False, key=None).precision)

    def _use(
        self, precision: Precision, progress: Progress | None = None, *, keep: bool = True
    ) -> None:
        self.dtype: Precision = precision
        self.engine = "torch"
        if self._offload:
            return
        self._stages = {}
        label, source = self._copy
        with copy_of(
            precision, label, source if keep else "", self._model.device, progress
        ) as copy:
            for name, kind in _STAGES.items():
                self._stages[name] = kind(getattr(self._model, name), precision, name, copy)
        self.engine = self._stages["semantic"].decoder.engine

    def settle(self, key: str, progress: Progress) -> None:
        """Choose the precision where it was left open: by a trial before the first take.

        Args:
            key: of the model's files.
            progress: shows the trial, and stops it.

        Raises:
            Cancelled: the user stopped it; the next take tries again.
        """
        if self._settled:
            return
        first: list[list[Witness]] = []

        def trial(precision: Precision) -> float:
            if not first:
                first.append(self._tried([Witness() for _ in _STAGES], progress))
            self._use(precision, keep=False)
            tried = self._tried([Witness(one) for one in first[0]], progress)
            return max(witness.divergence() for witness in tried)

        quick = self.engine == "fast"
        chosen = settle_bits(self._wanted, self._usual, quick, key, trial, progress)
        if chosen.precision != self.dtype:
            self._use(chosen.precision, progress)
        if chosen.reason:
            self.notes = (f"precision: {chosen.reason}",)
        self._settled = True
        if self.dtype != "float32" and not self._offload:
            # In float32 the library's modules and ours are the same memory.
            for name in _STAGES:
                delattr(self._model, name)

    def _tried(self, witnesses: list[Witness], progress: Progress) -> list[Witness]:
        """Have a short text spoken by each stage, its odds heard."""
        import torch

        numbers, check = self._numbers, progress.check
        semantic, coarse, fine = witnesses
        drawing, source = Drawing(1.0, 0), [generator_for(0, 0)]
        texts, lengths = self.encode([_TRIAL])
        with torch.inference_mode():
            spoken = stages.semantic(
                self._stages["semantic"], numbers, texts, lengths, None, drawing, 0, source,
                _ignored, check, semantic, _TRIAL_TOKENS, _TRIAL_TOKENS,
            )  # fmt: skip
            codes = stages.coarse(
                self._stages["coarse_acoustics"], numbers, spoken, None, drawing, source,
                _ignored, check, coarse,
            )  # fmt: skip
            stages.hear_fine(self._stages["fine_acoustics"], numbers, codes[0], check, fine)
        return witnesses

    @classmethod
    def load(
        cls,
        folder: Path,
        name: str,
        device: str,
        *,
        precision: str = "float32",
        offload: bool = False,
        source: str = "",
    ) -> BarkEngine:
        """Load the files in ``folder``.

        Args:
            folder: with configuration, weights and tokenizer.
            name: what the user calls it.
            device: where to compute.
            precision: of the three transformers, or auto; the codec stays in float32.
            offload: on an accelerator, only the stage at work is there.
            source: hash of the files, for a stored copy in int8; empty for none.

        Raises:
            GeneratorError: they are damaged or of another model.
        """
        with quiet_transformers():
            from transformers import BarkModel

            model = load_pretrained(BarkModel, folder, name)
        tokenizer = load_tokenizer(folder, name)
        return cls(
            model, tokenizer, device, precision=precision, offload=offload, name=name,
            source=source,
        )  # fmt: skip

    @property
    def numbers(self) -> Numbers:
        """The constants of the checkpoint."""
        return self._numbers

    def check_voice(self, voice: Tokens, name: str) -> None:
        """Refuse a voice whose tokens the checkpoint doesn't have.

        Raises:
            GeneratorError: they are not.
        """
        known = self._numbers
        books = (int(known.coarse.n_coarse_codebooks), int(known.fine.n_fine_codebooks))
        shapes = (voice.coarse.shape[0], voice.fine.shape[0])
        limits = (
            (voice.semantic, int(known.semantic.semantic_vocab_size)),
            (voice.coarse, known.codebook),
            (voice.fine, known.codebook),
        )
        # Padding codes can stand in presets of the full codebook.
        wrong = any(len(t.reshape(-1)) and not 0 <= int(t.min()) <= int(t.max()) <= limit
                    for t, limit in limits)  # fmt: skip
        if shapes != books or wrong:
            raise GeneratorError(
                f"The voice {name} doesn't fit this model: its tokens are of another.",
                where="voice",
            )

    def encode(self, prompts: Sequence[str]) -> tuple[torch.Tensor, list[int]]:
        """Tokens ``[prompts, 256]``, padded at the end, and how many each has.

        Raises:
            GeneratorError: a prompt has more than the model reads; the library would cut it.
        """
        import torch

        most = int(self._numbers.semantic.max_input_semantic_length)
        found = [
            list(self._tokenizer(prompt, add_special_tokens=False)["input_ids"])
            for prompt in prompts
        ]
        for prompt, tokens in zip(prompts, found, strict=True):
            if len(tokens) > most:
                raise GeneratorError(
                    f"This text is {len(tokens)} tokens long, Bark reads {most}: {prompt[:60]!r}",
                    where="lyrics",
                    step="Write it as several lines.",
                )
        rows = torch.zeros(len(prompts), most, dtype=torch.long)
        for row, tokens in zip(rows, found, strict=True):
            row[: len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        return rows, [len(tokens) for tokens in found]

    def together(
        self,
        prompts: Sequence[str],
        voice: Tokens | None,
        sampling: Sampling,
        seed: int,
        progress: Progress,
        *,
        batch: int,
        expected_s: Sequence[float],
    ) -> Iterator[SpokenPart]:
        """The parts, as many at a time as ``batch`` says, all in the history of one voice.

        Raises:
            Cancelled: the user stopped it.
        """
        sizes = batch_sizes(len(prompts), batch)
        label = f"Bark, {counted(len(prompts), 'part')}"
        with self._task(progress, label, expected_s) as work:
            for begin, stop in pairwise(accumulate(sizes, initial=0)):
                yield from self._call(
                    prompts[begin:stop], voice, sampling,
                    [generator_for(seed, part) for part in range(begin, stop)], progress, work,
                )  # fmt: skip

    def chained(
        self,
        prompts: Sequence[str],
        voice: Tokens | None,
        sampling: Sampling,
        seed: int,
        progress: Progress,
        *,
        expected_s: Sequence[float],
    ) -> Iterator[SpokenPart]:
        """The parts one after the other, each in the history of those before.

        Raises:
            Cancelled: the user stopped it.
        """
        history = voice
        for index, prompt in enumerate(prompts):
            label = f"Bark, part {index + 1} of {len(prompts)}"
            with self._task(progress, label, expected_s[index : index + 1]) as work:
                (part,) = self._call(
                    [prompt], history, sampling, [generator_for(seed, index)], progress, work
                )
            history = part.tokens if history is None else history.then(part.tokens)
            yield part

    @contextlib.contextmanager
    def _task(self, progress: Progress, label: str, expected_s: Sequence[float]) -> Iterator[Work]:
        with progress.task(label, 100, "%") as task:
            yield Work(task, self._numbers, expected_s)

    def _call(
        self,
        prompts: Sequence[str],
        history: Tokens | None,
        sampling: Sampling,
        sources: Sequence[torch.Generator],
        progress: Progress,
        work: Work,
    ) -> list[SpokenPart]:
        import torch

        numbers, check = self._numbers, progress.check
        texts, lengths = self.encode(prompts)
        semantic, coarse, fine = self._drawings(sampling)
        most = numbers.most if sampling.most is None else sampling.most
        with torch.inference_mode():
            with self._at_work("semantic") as stage:
                spoken = stages.semantic(
                    stage, numbers, texts, lengths, history, semantic, sampling.min_eos_p,
                    sources, work.semantic, check, None, sampling.least, most,
                )  # fmt: skip
            work.known([len(row) for row in spoken])
            with self._at_work("coarse_acoustics") as stage:
                rough = stages.coarse(
                    stage, numbers, spoken, history, coarse, sources, work.coarse, check
                )
            with self._at_work("fine_acoustics") as stage:
                codes = stages.fine(stage, numbers, rough, history, fine, sources, work.fine, check)
            with self._at_work("codec_model"):
                sounds = [self.audio(row, progress) for row in codes]
        return [
            SpokenPart(sound, Tokens(*tokens), full=len(tokens[0]) >= most)
            for sound, *tokens in zip(sounds, spoken, rough, codes, strict=True)
        ]

    def audio(self, codes: torch.Tensor, progress: Progress) -> NDArray[np.float32]:
        """Samples ``[frames * hop]`` of codes ``[8, frames]``, which have no padding."""
        import torch

        if not codes.shape[1]:
            return np.zeros(0, np.float32)
        with torch.inference_mode():
            device = next(self._codec.parameters()).device
            samples = codec.decode(self._codec, codes[None].to(device), progress)
        found: NDArray[np.float32] = samples[0, 0].float().cpu().numpy()
        return found

    def _drawings(self, sampling: Sampling) -> tuple[Drawing, Drawing, Drawing]:
        top_k = sampling.top_k
        asked = (
            sampling.semantic_temperature, sampling.coarse_temperature, sampling.fine_temperature,
        )  # fmt: skip
        semantic, coarse, fine = (
            Drawing(
                configured.temperature if temperature is None else temperature,
                configured.top_k if top_k is None else top_k,
            )
            for configured, temperature in zip(self._configured, asked, strict=True)
        )
        # The last stage was never cut.
        return semantic, coarse, Drawing(fine.temperature, 0)

    @contextlib.contextmanager
    def _at_work(self, name: str) -> Iterator[Any]:
        """The stage of that name; with ``offload``, on the device for as long as it is used."""
        if not self._offload:
            yield self._stages.get(name)
            return
        module = getattr(self._model, name).to(self._device)
        try:
            yield _STAGES[name](module, self.dtype) if name in _STAGES else None
        finally:
            module.to("cpu")


def usual_precision(device: str) -> Precision:
    """The precision where ``auto`` measures nothing."""
    return "float32" if device == "cpu" else "float16"


def _ignored(_: float) -> None:
    """No one is told."""


def batch_sizes(parts: int, batch: int) -> list[int]:
    """As few batches as possible, all about equally large."""
    count = math.ceil(parts / batch)
    return [(parts + index) // count for index in reversed(range(count))]


def _numbers(model: Any) -> tuple[Numbers, tuple[Drawing, Drawing, Drawing]]:
    """The constants of the checkpoint, and how it wants tokens drawn.

    Its generation configuration is a plain one that holds dicts for the stages.
    """
    from transformers.models.bark.generation_configuration_bark import (
        BarkCoarseGenerationConfig,
        BarkFineGenerationConfig,
        BarkSemanticGenerationConfig,
    )

    held = model.generation_config
    # The library's classes carry no types.
    kinds: tuple[Any, ...] = (
        BarkSemanticGenerationConfig, BarkCoarseGenerationConfig, BarkFineGenerationConfig,
    )  # fmt: skip
    names = ("semantic_config", "coarse_acoustics_config", "fine_acoustics_config")
    stages_of = [
        kind(**(getattr(held, name, None) or {})) for kind, name in zip(kinds, names, strict=True)
    ]
    semantic, coarse, fine = stages_of
    size = getattr(held, "codebook_size", None) or 1024
    drawings = []
    for stage in (semantic, coarse):
        top_k = 50 if stage.top_k is None else int(stage.top_k)
        drawings.append(Drawing(float(stage.temperature or 0) if stage.do_sample else 0.0, top_k))
    # Without a temperature the library takes the likeliest codes here, and at 1, too.
    temperature = fine.temperature
    drawings.append(Drawing(0.0 if temperature in (None, 1.0) else float(temperature), 0))
    first, second, third = drawings
    return Numbers(semantic, coarse, fine, int(size)), (first, second, third)
