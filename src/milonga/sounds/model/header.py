"""The header of a sound model's file."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, ValidationError

from milonga.audio.digest import set_sha256
from milonga.audio.mel.spec import MelSpec
from milonga.runtime.record import Record
from milonga.runtime.words import time_text
from milonga.sounds.controls.report import ControlReport
from milonga.sounds.model.training_record import TrainingRecord

if TYPE_CHECKING:
    from milonga.sounds.corpus.inspection import Corpus

FORMAT: Final = "milonga-sound"
VERSION: Final = 1
"""Of the header and of the network in ``network.py``: another layout of either needs another."""

Text = Annotated[str, Field(max_length=1_000)]


class LearntFile(Record):
    """A recording that the model learnt from.

    Attributes:
        sha256: of its decoded samples.
        generated: whether a sound model made it.
        held_out: whether the model was only tested on it. Files of before have no such mark.
        absent: whether only an earlier model learnt from it, which this one goes on from: the
            training that made this one did not have it.
    """

    name: Annotated[str, Field(max_length=5_000)]
    seconds: float = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    generated: bool = False
    held_out: bool = False
    absent: bool = False


class LearntCorpus(Record):
    """The recordings that the model learnt from: names, lengths and hashes, but no paths."""

    fingerprint: str = Field(pattern=r"^[0-9a-f]{64}$")
    seconds: float = Field(ge=0)
    usable_seconds: float = Field(ge=0)
    files: tuple[LearntFile, ...]

    @classmethod
    def of(
        cls,
        corpus: Corpus,
        earlier: LearntCorpus | None = None,
        held_out: Container[str] = (),
    ) -> LearntCorpus:
        """Describe a corpus for a model's file.

        Args:
            held_out: hashes of the recordings that it was only tested on.
            earlier: what the model had learnt from that the training went on from. What isn't in
                ``corpus`` is listed last, as absent.
        """
        files = [
            LearntFile(
                name=file.name,
                seconds=round(file.seconds, 3),
                sha256=file.sha256,
                generated=file.generated,
                held_out=file.sha256 in held_out,
            )
            for file in corpus.files
        ]
        seconds, usable = corpus.seconds, corpus.usable_s
        here = {file.sha256 for file in files}
        before = earlier.files if earlier else ()
        if earlier and (gone := [file for file in before if file.sha256 not in here]):
            absent = sum(file.seconds for file in gone)
            files += [file.model_copy(update={"absent": True}) for file in gone]
            seconds += absent
            # Of single recordings no file says how much of them can be used.
            usable += earlier.usable_seconds * absent / max(earlier.seconds, absent, 1e-9)
        return cls(
            fingerprint=set_sha256(file.sha256 for file in files),
            seconds=round(seconds, 3),
            usable_seconds=round(usable, 3),
            files=tuple(files),
        )

    @property
    def names(self) -> list[str]:
        """Names of the recordings that the model can play like."""
        return [file.name for file in self.files if not file.absent]


class ModelHeader(Record):
    """The header of a model's file.

    Attributes:
        name: as its maker called it; the library may call it otherwise.
        created: date and time, ISO 8601, UTC.
        mel_spec: fields of the ``MelSpec`` it speaks.
        corpus: what it learnt from.
        architecture: fields of ``Architecture``, and the sizes of the kept latents.
        training: record of the training, see ``record``.
        controls: by name, with measured effects.
        tags: the user's words to find it by.
        notes: the user's own.
        licence: the terms of the recordings, and so of what is made with them.
    """

    format: Literal["milonga-sound"] = FORMAT
    version: Literal[1] = VERSION
    name: Text
    created: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
    mel_spec: dict[str, Any]
    corpus: LearntCorpus
    architecture: dict[str, Any]
    training: dict[str, Any] = Field(default_factory=dict)
    controls: dict[str, ControlReport] = Field(default_factory=dict)
    tags: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    notes: Annotated[str, Field(max_length=20_000)] = ""
    licence: Text = ""

    @property
    def spec(self) -> MelSpec:
        return MelSpec.from_dict(self.mel_spec)

    @property
    def enabled_controls(self) -> list[str]:
        """Names of the controls that work, in the model's order."""
        return [name for name, report in self.controls.items() if report.enabled]

    @property
    def weak_controls(self) -> dict[str, str]:
        """Controls that do little, or more to something else, and what they do, for people."""
        found = {n: about.weakness(n) for n, about in self.controls.items() if about.enabled}
        return {name: text for name, text in found.items() if text}

    def weak_notes(self, wanted: Iterable[str]) -> list[str]:
        """Name the weak controls among those that are set."""
        weak = self.weak_controls
        found = [name for name in dict.fromkeys(wanted) if name in weak]
        return [f"The control {n!r} of {self.name!r} is weak: {weak[n]}" for n in found]

    @property
    def corpus_text(self) -> str:
        """The length of what it learnt from in words: ``12 min in 8 files``."""
        held = [file.seconds for file in self.corpus.files if file.held_out]
        files, seconds = len(self.corpus.files) - len(held), self.corpus.seconds - sum(held)
        text = f"{time_text(seconds)} in {files} file{'' if files == 1 else 's'}"
        return f"{text} ({len(held)} held out)" if held else text

    @property
    def record(self) -> TrainingRecord | None:
        """The record of the training; None where it isn't one of milonga's."""
        try:
            return TrainingRecord.model_validate(self.training)
        except ValidationError:
            return None
