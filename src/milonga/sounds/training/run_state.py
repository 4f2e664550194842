"""The record of a training that runs, or ran last, in a model's folder."""

from __future__ import annotations

from typing import Any

from milonga.runtime.files import dump_json, write_text
from milonga.runtime.record import Record
from milonga.sounds.folder import ModelFolder


class TrainingState(Record):
    """Everything that must be the same for a training to go on.

    Attributes:
        adds: whether it goes on from a model with more recordings.
        fingerprint: of the recordings.
        fixed: settings, as ``TrainSettings.fixed`` gives them.
        done: whether its model is in the library.
    """

    format_version: int = 1
    adds: bool
    fingerprint: str
    fixed: dict[str, Any]
    done: bool = False

    @classmethod
    def read(cls, folder: ModelFolder) -> TrainingState | None:
        """The state in a folder, also that of milonga 0.1; None where none can be read."""
        for path in (folder.training_state, folder.old_training_state):
            try:
                return cls.model_validate_json(path.read_bytes())
            except (OSError, ValueError):
                continue
        return None

    def write(self, folder: ModelFolder) -> None:
        """Write ``training.json``.

        Raises:
            OutputError: it can't be written.
        """
        write_text(folder.training_state, dump_json(self.model_dump(mode="json")))
        folder.old_training_state.unlink(missing_ok=True)

    def differences(self, wanted: TrainingState) -> str:
        """The differences from the training that is asked for, in words."""
        found = []
        if self.adds != wanted.adds:
            found.append(
                "it " + ("adds" if self.adds else "doesn't add") + " recordings to a model"
            )
        if self.fingerprint != wanted.fingerprint:
            found.append("its recordings are others")
        for key in sorted({*self.fixed, *wanted.fixed}):
            old, new = self.fixed.get(key), wanted.fixed.get(key)
            if old != new and key == "architecture":
                found.append("the size of its network is another")
            elif old != new:
                found.append(f"{key} was {old}, now {new}")
        return "; ".join(found) or "it is the same"
