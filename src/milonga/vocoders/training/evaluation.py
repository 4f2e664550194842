"""A vocoder on sound that it wasn't trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from milonga.audio.mel.spec import MelSpec
from milonga.runtime.progress import Task
from milonga.vocoders.base import VocoderBase
from milonga.vocoders.training.distances import Distances, Meter
from milonga.vocoders.training.pairs import Pair


def measure(
    vocoder: VocoderBase, pairs: Sequence[Pair], spec: MelSpec, task: Task | None = None
) -> Distances:
    """Measure the distance of a vocoder's rendering from the recordings.

    Args:
        vocoder: takes mels of ``spec``.
        pairs: what to render, and what it should be.
        spec: of the pairs.
        task: advances by one for each pair; may cancel.
    """
    meter = Meter(spec)
    for pair in pairs:
        mel = np.ascontiguousarray(pair.mel[np.newaxis])
        meter.add(vocoder.mel_to_waveform(mel)[0, 0], pair.wave)
        if task is not None:
            task.advance()
    return meter.result()
