"""A recogniser of words: Whisper by faster-whisper, from files on this machine.

References:
    Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from milonga.analysis.words.alignment import HeardWord
from milonga.audio.clip import Clip
from milonga.audio.resampling import resample
from milonga.errors import MilongaError, needs_extra
from milonga.runtime.progress import Progress

RATE = 16_000
_NO_SPEECH, _UNSURE, _REPEATED = 0.6, -1.0, 2.4
"""Whisper's own limits: probability of no speech, mean log-probability of the words, and how far
the text can be compressed (one that repeats itself was invented)."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was recognised.

    Attributes:
        words: in order of time.
        language: code, as given or as recognised.
        dropped: pieces that are no speech by Whisper's own figures, with the reasons.
    """

    words: tuple[HeardWord, ...]
    language: str
    dropped: tuple[str, ...]


class Recogniser:
    """Whisper, loaded from a folder in CTranslate2's form.

    Args:
        folder: with ``model.bin``, ``config.json`` and the tokenizer.
        name: for messages.

    Raises:
        MissingExtraError: the extra 'scores' isn't installed.
        MilongaError: the files can't be loaded.
    """

    def __init__(self, folder: Path, name: str) -> None:
        with needs_extra("Recognising words", "scores"):
            from faster_whisper import WhisperModel
        threads = int(os.environ.get("OMP_NUM_THREADS") or 0) or (os.cpu_count() or 1)
        try:
            self._model: Any = WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=threads,
                local_files_only=True,
            )  # fmt: skip
        except Exception as error:
            raise MilongaError(
                f"{name} can't be loaded: {str(error).splitlines()[0].rstrip('.')}.",
                where=folder,
                step=f"See whether the files are whole: milonga weights verify {name}",
            ) from error

    def hear(
        self, clip: Clip, language: str | None = None, progress: Progress | None = None
    ) -> Heard:
        """Write down the words of a recording, with their times.

        The same recording gives the same words: nothing is drawn.

        Args:
            clip: to hear; it is mixed to mono at 16 kHz.
            language: code such as ``en``; None to recognise it.
            progress: counts seconds; checked after every piece of up to 30 s.

        Raises:
            MilongaError: the model has no such language.
            Cancelled: the user stopped it.
        """
        progress = progress or Progress()
        mono = resample(Clip(clip.mono[None], clip.sample_rate), RATE).mono
        if not mono.any():
            return Heard((), language or "", ())
        known = self._model.supported_languages
        if language is not None and language not in known:
            raise MilongaError(
                f"The recogniser has no language {language!r}.",
                step=f"It has: {', '.join(known[:30])}{' ...' if len(known) > 30 else ''}.",
            )
        segments, info = self._model.transcribe(
            np.ascontiguousarray(mono, np.float32),
            language=language, beam_size=5, temperature=0.0, word_timestamps=True,
            condition_on_previous_text=False,
            # Its own limits stop whole pieces; here they are kept to say why.
            no_speech_threshold=None, log_prob_threshold=None, compression_ratio_threshold=None,
        )  # fmt: skip
        words: list[HeardWord] = []
        dropped: list[str] = []
        with progress.task("Recognising", max(1, round(clip.seconds)), "s") as task:
            done = 0.0
            for segment in segments:
                progress.check()
                task.advance(max(0, round(segment.end) - round(done)))
                done = max(done, segment.end)
                if reason := _no_speech(segment):
                    text = segment.text.strip()
                    dropped.append(
                        f"{segment.start:.1f} to {segment.end:.1f} s, {text!r}: {reason}"
                    )
                    continue
                words.extend(
                    HeardWord(w.word.strip(), float(w.start), float(w.end), float(w.probability))
                    for w in segment.words or ()
                    if w.word.strip()
                )
        return Heard(tuple(words), info.language, tuple(dropped))


def _no_speech(segment: Any) -> str:
    if segment.compression_ratio > _REPEATED:
        return "it repeats itself"
    if segment.no_speech_prob > _NO_SPEECH and segment.avg_logprob < _UNSURE:
        return "no speech"
    return ""
