"""Where the parts of a checkpoint lie: as diffusers saves them, or as ACE-Step's authors do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milonga import weights
from milonga.errors import GeneratorError
from milonga.generators.ace_step.conversion import SILENCE, TABLES, config_of
from milonga.generators.neural.loading import numbers_in

_TEXTS = "Qwen3-Embedding-0.6B"
OWN = f"acestep-v15-*/{SILENCE}"
"""File by which the authors' form is known."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of a checkpoint.

    Attributes:
        folder: of all of it.
        own: the authors' folder of the transformer and what belongs to it; None for diffusers'
            form.
    """

    folder: Path
    own: Path | None = None

    @property
    def transformer(self) -> Path:
        return self.own or self.folder / "transformer"

    @property
    def text_encoder(self) -> Path:
        return self.folder / ("text_encoder" if self.own is None else _TEXTS)

    @property
    def tokenizer(self) -> Path:
        return self.folder / ("tokenizer" if self.own is None else _TEXTS)

    @property
    def parameters(self) -> int:
        """Numbers of the transformer."""
        prefix = "" if self.own is None else TABLES["transformer"].prefixes[0]
        return numbers_in(self.transformer, prefix)

    def config(self, part: str) -> dict[str, Any]:
        """A part's configuration, as diffusers has it.

        Raises:
            GeneratorError: the authors' can't be converted.
            DamagedFileError: it can't be read.
        """
        if self.own is None or part not in TABLES:
            return weights.load_json(self.folder / part / "config.json")
        path = self.own / "config.json"
        return config_of(part, weights.load_json(path), path)

    def has(self, part: str) -> bool:
        """Whether a part is there."""
        if self.own is not None and part in TABLES:
            return True
        return (self.folder / part / "config.json").is_file()


def layout_of(folder: Path) -> Layout:
    """Find which form a folder has.

    Raises:
        GeneratorError: it holds several checkpoints in the authors' form.
    """
    if (folder / "model_index.json").is_file():
        return Layout(folder)
    found = sorted(path.parent for path in folder.glob(OWN))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise GeneratorError(
            f"This folder holds several checkpoints: {names}.",
            where=folder,
            step="Make a folder for each, with links to its own and to vae and "
            f"{_TEXTS}, and set ace-step.model to one.",
        )
    return Layout(folder, found[0]) if found else Layout(folder)
