"""The folder of a sound model in the library, with every file in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CHECKPOINT = "checkpoint.safetensors"


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

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def presets(self) -> Path:
        return self.path / "presets.json"

    @property
    def vocoder(self) -> Path:
        return self.path / "vocoder.safetensors"

    @property
    def generated(self) -> Path:
        return self.path / "generated"

    @property
    def training(self) -> Path:
        return self.path / "training"

    @property
    def lock(self) -> Path:
        return self.training / ".lock"

    @property
    def inspected(self) -> Path:
        return self.training / "inspected.json"

    @property
    def corpus(self) -> Path:
        return self.training / "corpus.json"

    @property
    def training_state(self) -> Path:
        return self.training / "training.json"

    @property
    def old_training_state(self) -> Path:
        """The name of ``training.json`` in milonga 0.1."""
        return self.training / "session.json"

    @property
    def start(self) -> Path:
        return self.training / "start.safetensors"

    @property
    def store(self) -> Path:
        return self.training / "store"

    @property
    def checkpoint(self) -> Path:
        return self.training / CHECKPOINT

    @property
    def previews(self) -> Path:
        return self.training / "previews"

    @property
    def vocoder_training(self) -> Path:
        return self.training / "vocoder"

    @property
    def vocoder_checkpoint(self) -> Path:
        return self.vocoder_training / CHECKPOINT
