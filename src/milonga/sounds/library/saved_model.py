"""A sound model of the library, as its folder shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milonga.errors import ModelFileError, SoundError
from milonga.runtime import html
from milonga.runtime.words import size_text
from milonga.sounds.folder import ModelFolder
from milonga.sounds.library.names import same_name
from milonga.sounds.model.file import read_header, sound_hash
from milonga.sounds.model.header import ModelHeader


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A folder of the library.

    Attributes:
        name: of the folder.
        folder: where it is.
        header: of its model; None where there is none that can be read.
        size: bytes of the model's file.
        problem: why there is no header.
        in_training: whether a training is there that can go on.
        model_path: the model's file.
    """

    name: str
    folder: Path
    header: ModelHeader | None
    size: int
    problem: str
    in_training: bool

    model_path: Path

    @classmethod
    def of(cls, folder: Path) -> SavedModel:
        """Look at a folder of the library."""
        path, training = ModelFolder(folder).model, ModelFolder(folder).in_training
        header, problem, size = None, "", 0
        # Twice: the file may have come between the first look and the second.
        for _ in range(2):
            try:
                header, problem = read_header(path), ""
                size = path.stat().st_size
                break
            except (ModelFileError, OSError) as error:
                problem = error.message if isinstance(error, ModelFileError) else str(error)
            if _is_absent(path):
                problem = f"Its file {path.name} is not there."
                if training:
                    problem = "Its first training isn't finished."
                break
        return cls(folder.name, folder, header, size, problem, training, path)

    @property
    def files(self) -> ModelFolder:
        return ModelFolder(self.folder)

    @property
    def readable(self) -> ModelHeader:
        """The header.

        Raises:
            SoundError: it can't be read; says why, and how to fix it.
        """
        if self.header is not None:
            return self.header
        step = "Run the milonga sound train command of it again: it goes on."
        if not self.in_training:
            step = f"Copy the model's file there anew, or: milonga sound delete {self.name!r}"
        raise SoundError(self.problem, where=self.folder, step=step)

    @property
    def haystack(self) -> str:
        """The text that a search looks through, with folded case."""
        header = self.header
        if header is None:
            return same_name(self.name)
        names = [file.name for file in header.corpus.files]
        return same_name(" ".join((self.name, *header.tags, header.notes, header.licence, *names)))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        document: dict[str, Any] = {
            "name": self.name,
            "path": str(self.model_path),
            "problem": self.problem or None,
            "in_training": self.in_training,
        }
        if (header := self.header) is not None:
            document |= {
                "created": header.created,
                "files": len(header.corpus.files),
                "held_out": sum(file.held_out for file in header.corpus.files),
                "seconds": header.corpus.seconds,
                "controls": header.enabled_controls,
                "weak_controls": header.weak_controls,
                "size": self.size,
                "tags": list(header.tags),
                "notes": header.notes,
                "licence": header.licence,
            }
        return document

    def details(self) -> dict[str, Any]:
        """All that the model's file says of itself, its size and the hash of how it sounds.

        Raises:
            ModelFileError: it can't be read.
        """
        header = read_header(self.model_path)
        return {
            "path": str(self.model_path),
            "size": self.size,
            "sound_sha256": sound_hash(self.model_path),
            **header.model_dump(mode="json"),
            "weak_controls": header.weak_controls,
        }

    def _repr_html_(self) -> str:
        return models_html([self])


def models_html(models: Iterable[SavedModel]) -> str:
    """Show models in a notebook, as the command ``sound list`` does on a terminal."""
    rows: list[tuple[str, ...]] = []
    for saved in models:
        if (header := saved.header) is None:
            rows.append((saved.name, saved.problem, "", "", "", ""))
            continue
        controls, tags = ", ".join(header.enabled_controls), ", ".join(header.tags)
        date, size = header.created[:10], size_text(saved.size)
        rows.append((saved.name, header.corpus_text, date, controls, size, tags))
    return html.table(("name", "learnt from", "trained", "controls", "size", "tags"), rows)


def _is_absent(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:
        # It may be there, where we may not look.
        pass
    return False
