"""The folder of a sound model in the library, with every file in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from milonga.runtime.files import is_there

CHECKPOINT = "checkpoint.safetensors"


class _Place:
    """A path within the folder."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __get__(self, folder: ModelFolder, kind: type[ModelFolder]) -> Path:
        return folder.path / self._place


class _TrainingPlace(_Place):
    """A path within the folder of the training."""

    def __get__(self, folder: ModelFolder, kind: type[ModelFolder]) -> Path:
        return folder.path / folder.work / self._place


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """Paths of a model's folder; nothing of it need exist.

    ::

        NAME/model.safetensors           the model; all that is needed to play it
        NAME/presets.json                settings under names
        NAME/vocoder.safetensors         a vocoder of its own
        NAME/generated/                  sounds of a model that the next training takes in
        NAME/training/                   what an interrupted or later training goes on from
            inspected.json               the recordings as last inspected, read only once
            corpus.json                  what the model in the library has learnt from
            training.json                the training that runs, or ran last
            start.safetensors            the model that a training with more recordings began with
            store/                       mels of the recordings
            checkpoint.safetensors       the state of the training
            previews/                    sounds of the model on the way
            vocoder/                     the training of the vocoder of its own
        NAME/restart/                    the same of a training that begins anew, beside: when its
                                         model is done it takes the place of model, vocoder and
                                         training
            model.safetensors            that model, until it is in its place

    Attributes:
        path: the folder; its name is that of the model.
        work: the folder within of the training that is meant.
    """

    path: Path
    work: str = "training"

    @classmethod
    def of_model(cls, file: str | Path) -> ModelFolder:
        """The folder that a model's file lies in."""
        return cls(Path(file).parent)

    model = _Place("model.safetensors")
    presets = _Place("presets.json")
    vocoder = _Place("vocoder.safetensors")
    generated = _Place("generated")
    training = _TrainingPlace("")
    inspected = _TrainingPlace("inspected.json")
    corpus = _TrainingPlace("corpus.json")
    training_state = _TrainingPlace("training.json")
    old_training_state = _TrainingPlace("session.json")
    """The name of ``training.json`` in milonga 0.1."""
    start = _TrainingPlace("start.safetensors")
    store = _TrainingPlace("store")
    checkpoint = _TrainingPlace(CHECKPOINT)
    previews = _TrainingPlace("previews")
    vocoder_training = _TrainingPlace("vocoder")
    vocoder_checkpoint = _TrainingPlace(f"vocoder/{CHECKPOINT}")
    made = _TrainingPlace("model.safetensors")

    @property
    def beside(self) -> ModelFolder:
        """The same folder, with the training that begins anew."""
        return ModelFolder(self.path, "restart")

    @property
    def is_beside(self) -> bool:
        return self.work == "restart"

    @property
    def in_training(self) -> bool:
        """True where a training is there, be it finished or not."""
        return is_there(self.training) or is_there(self.beside.training)

    @property
    def name(self) -> str:
        return self.path.name
