"""Training a sound model in one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from milonga.runtime.progress import Progress
from milonga.sounds.train_model import Paths, TrainingResult, train_into_library

if TYPE_CHECKING:
    from milonga.sounds.corpus.inspection import Corpus
    from milonga.sounds.library.library import Library
    from milonga.sounds.training.settings import TrainSettings


def train_model(
    recordings: Paths,
    name: str,
    *,
    add: Paths = (),
    settings: TrainSettings | None = None,
    restart: bool = False,
    library: Library | None = None,
    progress: Progress | None = None,
    on_corpus: Callable[[Corpus], None] | None = None,
) -> TrainingResult:
    """Learn a sound model from recordings and put it into the library.

    WAV, FLAC, OGG, MP3 and AIFF are read, in a folder and all folders within. After a crash the
    same call goes on where it was.

    Args:
        recordings: a folder, a recording, or several of both; with ``add`` it may be ``()``.
        name: of the model.
        add: recordings with which the model of that name goes on.
        settings: budget, size of the network, seed, device; by default ten minutes.
        restart: begin anew; an earlier model of that name stays until the new one is done, then
            it is replaced together with its vocoder.
        library: by default the user's.
        progress: shows it, and may cancel.
        on_corpus: is given the inspected recordings before the training starts.

    Raises:
        CorpusError: there is too little to learn from, or nothing new.
        SoundError: the name is that of another model, or an unfinished training differs.
        MissingExtraError: torch isn't installed.
    """
    return train_into_library(
        name,
        recordings,
        add=add,
        settings=settings,
        restart=restart,
        library=library,
        progress=progress,
        on_corpus=on_corpus,
    )
