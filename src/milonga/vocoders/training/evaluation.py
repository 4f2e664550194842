"""Vocoders side by side on sound that none of them was trained on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from milonga.runtime.progress import Task
from milonga.vocoders.base import VocoderBase
from milonga.vocoders.training.distances import Distances, Meter
from milonga.vocoders.training.pairs import Pairs


def compare(
    vocoders: Mapping[str, VocoderBase],
    held_out: Pairs,
    *,
    remade: bool,
    most_s: float = 60.0,
    task: Task | None = None,
) -> dict[str, Distances]:
    """How far each vocoder's rendering is from the recordings.

    Args:
        vocoders: by any name.
        held_out: what to render.
        remade: from mels of the sound model's own, not from those of the recordings.
        most_s: seconds of sound, spread over all recordings.
        task: advances by one for each excerpt and vocoder; may cancel.
    """
    places = held_out.excerpts(most_s)
    meters = {name: Meter(held_out.spec) for name in vocoders}
    for index, first, frames in places:
        pair = held_out.pair(index, first, frames, remade=remade)
        mel = np.ascontiguousarray(pair.mel[np.newaxis])
        for name, vocoder in vocoders.items():
            meters[name].add(vocoder.mel_to_waveform(mel)[0, 0], pair.wave)
            if task is not None:
                task.advance()
    return {name: meter.result() for name, meter in meters.items()}
