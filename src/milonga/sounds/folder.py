"""The folder of a sound model in the library, with every file in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CHECKPOINT = "checkpoint.safetensors"


class _Place:
    """A path within the folder."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __get__(self, folder: ModelFolder | None, kind: type[ModelFolder]) -> Path:
        return Path(self._place) if folder is None else folder.path / self._place


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """Paths of a model's folder; nothing of it need exist.

    ::

        NAME/model.safetensors           the model; all that is needed to play it
        NAME/presets.json                settings under names
        NAME/vocoder.safetensors         a vocoder of its own
        NAME/generated/                  sounds of a model that the next training takes in
        NAME/training/                   what an interrupted or later training goes on from
            .lock                        held by the process that trains
            inspected.json               the recordings as last inspected, read only once
            corpus.json                  what the model in the library has learnt from
            training.json                the training that runs, or ran last
            start.safetensors            the model that a training with more recordings began with
            store/                       mels of the recordings
            checkpoint.safetensors       the state of the training
            previews/                    sounds of the model on the way
            vocoder/                     the training of the vocoder of its own

    Attributes:
        path: the folder; its name is that of the model.
    """

    path: Path

    @classmethod
    def of_model(cls, file: str | Path) -> ModelFolder:
        """The folder that a model's file lies in."""
        return cls(Path(file).parent)

    model = _Place("model.safetensors")
    presets = _Place("presets.json")
    vocoder = _Place("vocoder.safetensors")
    generated = _Place("generated")
    training = _Place("training")
    lock = _Place("training/.lock")
    inspected = _Place("training/inspected.json")
    corpus = _Place("training/corpus.json")
    training_state = _Place("training/training.json")
    old_training_state = _Place("training/session.json")
    """The name of ``training.json`` in milonga 0.1."""
    start = _Place("training/start.safetensors")
    store = _Place("training/store")
    checkpoint = _Place(f"training/{CHECKPOINT}")
    previews = _Place("training/previews")
    vocoder_training = _Place("training/vocoder")
    vocoder_checkpoint = _Place(f"training/vocoder/{CHECKPOINT}")

    @property
    def name(self) -> str:
        return self.path.name
