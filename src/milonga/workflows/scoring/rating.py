"""Ratings of enjoyment, usefulness, complexity and quality, by a model of listeners."""

from __future__ import annotations

import os
from collections.abc import Sequence

from milonga import audio, weights
from milonga.analysis.scores.aesthetics import Aesthetics, AestheticsListener
from milonga.analysis.scores.wavlm_heads import WavLMHeads
from milonga.errors import needs_extra
from milonga.generators.neural.loading import loading_explained, quiet_transformers
from milonga.runtime.files import paths_of
from milonga.runtime.progress import Progress
from milonga.workflows.scoring.models import Heard, described

StrPath = str | os.PathLike[str]
AESTHETICS = "aesthetics"


def rate_recordings(
    recordings: StrPath | Sequence[StrPath],
    *,
    model: str = AESTHETICS,
    progress: Progress | None = None,
) -> Heard[Aesthetics]:
    """Rate recordings from 1 to 10 in enjoyment, usefulness, complexity and quality of production.

    Args:
        recordings: takes or any recordings.
        model: audiobox-aesthetics of the catalogue, or a repository or folder of the same kind.
        progress: shows the work.

    Raises:
        MissingExtraError: the extra 'models' isn't installed.
        MilongaError: no model, or a recording that can't be read.
        Cancelled: the user stopped it.
    """
    progress = progress or Progress()
    paths = paths_of(recordings)
    for path in paths:
        audio.probe(path)
    with needs_extra("Rating", "models"):
        import transformers  # noqa: F401
    local = weights.ensure(model, like=AESTHETICS, progress=progress)
    config = weights.load_json(local.folder / "config.json")
    tensors = weights.load_checkpoint(local.folder / "model.safetensors")
    with loading_explained(model, local.folder, model), quiet_transformers():
        listener = AestheticsListener(WavLMHeads(tensors, config))
    rated = []
    with progress.task("Rating", len(paths), "recordings") as task:
        for path in paths:
            rated.append((path, listener.rate(audio.read(path), progress)))
            task.advance()
    return Heard(tuple(rated), described(local, model, progress, AESTHETICS))
