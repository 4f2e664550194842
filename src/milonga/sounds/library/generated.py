"""Feedback: sounds that a model made, chosen for its next training.

They lie in ``sounds/NAME/generated/``, as FLAC with their receipts. Every training of NAME
takes that folder in, too, and marks what is in it as generated: such files are never used for
validation, so that a model isn't judged by what a model made, and its file names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from milonga.audio.export.receipt import receipt_path
from milonga.audio.export.settings import ExportSettings
from milonga.audio.export.write import export
from milonga.errors import SoundError
from milonga.sounds.corpus.inspection import Corpus
from milonga.sounds.folder import ModelFolder
from milonga.sounds.library.history import History
from milonga.sounds.library.library import Library
from milonga.sounds.training.run_state import TrainingState


def use(numbers: Sequence[int], model: str, history: History | None = None) -> list[Path]:
    """Let the next training of a model learn from numbers of the history.

    Args:
        numbers: their sounds must have been kept.
        model: of the library; it need not be the one that played.

    Returns:
        The files; those that were there already stay as they are.

    Raises:
        SoundError: there is no such model or number, a sound has gone for room, or an unfinished
            training is there, which could not go on with other recordings.
        OutputError: they can't be written.
    """
    history = history or History()
    library: Library = history.library
    entry = library.model(model)
    states = [TrainingState.read(folder) for folder in (entry.files, entry.files.beside)]
    if any(state is not None and not state.done for state in states):
        raise SoundError(
            f"An unfinished training of {entry.name!r} is there, which could not go on with more "
            "recordings.",
            where=entry.folder,
            step="Run its milonga sound train command again first.",
        )
    clips = {number: history.clip(number) for number in numbers}
    files = []
    for number, clip in clips.items():
        kept = history.get(number)
        path = entry.files.generated / f"{number:06d}-{kept.entry.sha256[:8]}.flac"
        if not (path.exists() and receipt_path(path).exists()):
            settings = ExportSettings(format="flac", bits=16, channels="mono")
            export(clip, path, settings, made=kept.entry.made, force=True)
        files.append(path)
    return files


def generated(folder: Path) -> Path | None:
    """Find the folder of chosen sounds of a model, if there are any.

    Args:
        folder: of the model in the library.
    """
    place = ModelFolder(folder).generated
    return place if any(place.glob("*.flac")) else None


def marked(corpus: Corpus, folder: Path) -> Corpus:
    """Mark the files of a corpus from a model's folder of chosen sounds as generated."""
    place = ModelFolder(folder).generated.absolute()
    files = tuple(
        file.model_copy(update={"generated": True})
        if file.place.absolute().is_relative_to(place)
        else file
        for file in corpus.files
    )
    return corpus.model_copy(update={"files": files})
