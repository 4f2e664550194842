"""Scores of style and mood: recordings against their descriptions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from milonga import audio, weights
from milonga.analysis.scores.text_match import ClapListener, TextMatch
from milonga.errors import MilongaError, ReceiptError, needs_extra
from milonga.generators.neural.loading import (
    load_pretrained,
    load_tokenizer,
    loading_explained,
    quiet_transformers,
)
from milonga.runtime.files import paths_of
from milonga.runtime.progress import Progress
from milonga.songs.rendering.receipts import read_receipt
from milonga.workflows.scoring.models import Heard, described

StrPath = str | os.PathLike[str]
CLAP = "clap"


def match_texts(
    recordings: StrPath | Sequence[StrPath],
    *,
    text: str | None = None,
    model: str = CLAP,
    progress: Progress | None = None,
) -> Heard[TextMatch]:
    """Say whether recordings sound like their descriptions, by a model that hears and reads.

    Args:
        recordings: takes, whose receipts say style and mood, or any recordings.
        text: the description; None for that of each take.
        model: CLAP of the catalogue, or a repository or folder of the same kind.
        progress: shows the work.

    Raises:
        MissingExtraError: the extra 'models' isn't installed.
        MilongaError: no description, no model, a recording that can't be read.
        Cancelled: the user stopped it.
    """
    progress = progress or Progress()
    paths = paths_of(recordings)
    texts = [_description(path, text) for path in paths]
    for path in paths:
        audio.probe(path)
    with needs_extra("Matching texts", "models"):
        from transformers import ClapFeatureExtractor, ClapModel
    local = weights.ensure(model, like=CLAP, progress=progress)
    found = weights.load_json(local.folder / "config.json").get("model_type")
    if found != "clap":
        raise MilongaError(
            f"{model} is not a CLAP model: its config.json says {found!r}.",
            where=local.folder, step="Use clap or clap-small.",
        )  # fmt: skip
    with loading_explained(model, local.folder, model), quiet_transformers():
        extractor = ClapFeatureExtractor.from_pretrained(local.folder, local_files_only=True)
    listener = ClapListener(
        load_pretrained(ClapModel, local.folder, model),
        load_tokenizer(local.folder, model),
        extractor,
    )
    matches = []
    with progress.task("Matching", len(paths), "recordings") as task:
        for path, wanted in zip(paths, texts, strict=True):
            matches.append((path, listener.match(audio.read(path), wanted, progress)))
            task.advance()
    return Heard(tuple(matches), described(local, model, progress, CLAP))


def _description(path: Path, text: str | None) -> str:
    if text is None:
        try:
            request = read_receipt(path.with_suffix(".json")).request
        except ReceiptError as error:
            raise MilongaError(
                "Nobody says what this should sound like: there is no receipt beside it.",
                where=path, step="Give a description: --text 'trap beats, 808 bass'",
            ) from error  # fmt: skip
        text = ", ".join(part for part in (request.style, request.mood) if part)
    if not text.strip():
        raise MilongaError(
            "There is no description to match: no style, no mood.", where=path,
            step="Give one: --text 'trap beats, 808 bass'",
        )  # fmt: skip
    return text.strip()
