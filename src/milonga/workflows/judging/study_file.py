"""Study files: what is rendered, how often, and what is measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from milonga.errors import MilongaError
from milonga.runtime.record import Record, message_of
from milonga.songs.sheet.text_file import read_source


class Condition(Record):
    """One way of making takes."""

    generator: str = Field(min_length=1)
    options: dict[str, Any] = Field(default_factory=dict)
    name: str = ""
    """Shown; by default the generator and its options."""

    @property
    def label(self) -> str:
        options = ", ".join(f"{key} {value}" for key, value in self.options.items())
        return self.name or " ".join(part for part in (self.generator, options) if part)


class StudyFile(Record):
    """A study: segments x conditions x seeds.

    ``generators`` are conditions with the usual options; ``conditions`` have options of their own.
    """

    sheet: str
    title: str = ""
    segments: tuple[int, ...] = ()
    """All where none are listed."""
    generators: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    seeds: int = Field(default=4, ge=1, le=1000)
    """Takes of each segment and condition."""
    seed: int = Field(default=0, ge=0)
    """Of the first take."""
    words: str = ""
    """Recogniser that scores sung words, such as ``whisper-small``; none by default."""
    figures: tuple[str, ...] = ()
    """Those that are compared; by default the similarities to the baseline, and the words."""

    @model_validator(mode="after")
    def _complete(self) -> StudyFile:
        labels = [condition.label for condition in self.all_conditions]
        if not labels:
            raise ValueError("it names no generators and no conditions")
        if twice := [label for label in labels if labels.count(label) > 1]:
            raise ValueError(f"two conditions are called {twice[0]!r}: give them a name each")
        return self

    @property
    def all_conditions(self) -> tuple[Condition, ...]:
        """Every condition, those of ``generators`` first."""
        return (*(Condition(generator=name) for name in self.generators), *self.conditions)


def read_study(path: Path) -> StudyFile:
    """Read a study file.

    Raises:
        MilongaError: it can't be read, or a field is wrong.
    """
    text = read_source(path)
    step = "See docs/studies.md for what a study file holds."
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise MilongaError(f"This is not YAML (line {line}).", where=path, step=step) from None
    except RecursionError:
        raise MilongaError("This is nested too deep.", where=path, step=step) from None
    try:
        return StudyFile.model_validate(document)
    except ValidationError as error:
        raise MilongaError(
            " ".join(_said(found) for found in error.errors(include_url=False)),
            where=path,
            step=step,
        ) from None


def _said(found: Mapping[str, Any]) -> str:
    """Say what is wrong with a field, in a sentence."""
    place = ", ".join(str(p + 1) if isinstance(p, int) else p for p in found["loc"])
    if found["type"] == "extra_forbidden":
        known = StudyFile.model_fields if len(found["loc"]) == 1 else Condition.model_fields
        return f"{place}: there is no such field, but {', '.join(known)}."
    message = message_of(found)
    return f"{place}: {message[:1].lower()}{message[1:]}." if place else f"{message}."
