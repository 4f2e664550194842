"""Answers of listeners: what their pages saved, read and held against the key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from milonga.analysis.listening.design import Key, TestKind
from milonga.errors import MilongaError
from milonga.runtime.documents import read_json
from milonga.runtime.record import FiniteRecord, first_error

RecordT = TypeVar("RecordT", bound=FiniteRecord)
KEY = "key.json"


class Answer(FiniteRecord):
    """One trial as one listener answered it."""

    trial: str
    choice: Literal["", "a", "b", "same"] = ""
    """Preferred (``ab``), or what X is (``abx``)."""
    ratings: dict[str, float] = Field(default_factory=dict)
    """0 to 100 by stimulus (``mushra``)."""
    seconds: float = Field(default=0.0, ge=0)


class Answers(FiniteRecord):
    """All of one listener's answers."""

    format_version: Literal[1]
    test: str
    kind: TestKind
    listener: str = Field(min_length=1, max_length=200)
    answers: tuple[Answer, ...]


def read_key(path: Path) -> Key:
    """Read a key.

    Raises:
        MilongaError: it is missing or damaged.
    """
    return _read(path, Key, "This key", "It is the key.json that 'milonga listen make' wrote.")


def read_answers(path: Path, key: Key) -> Answers:
    """Read a listener's answers to a test.

    Raises:
        MilongaError: missing, damaged, of another test, of trials and stimuli that it lacks, or the
            key itself.
    """
    if path.name == KEY:
        raise MilongaError(
            "This is the key of the test, which stays with you.",
            where=path,
            step="Give the files of answers that listeners saved at the end of the page.",
        )
    found = _read(path, Answers, "These answers", "Ask the listener to save them again.")
    if found.test != key.test:
        raise MilongaError(
            f"These are answers to another test ({found.test}, not {key.test}).",
            where=path,
            step="Name the key of their test with --key.",
        )
    trials = {trial.name: trial for trial in key.trials}
    for answer in found.answers:
        trial = trials.get(answer.trial)
        known = {stimulus.name for stimulus in trial.stimuli} if trial else set()
        wrong = [name for name, value in answer.ratings.items()
                 if name not in known or not 0 <= value <= 100]  # fmt: skip
        if trial is None or wrong:
            raise MilongaError(
                f"The answer to {answer.trial!r} doesn't fit the test.",
                where=path,
                step="The file was changed by hand or belongs to another key: leave it out.",
            )
    return found


def find_key(answers: Sequence[Path], test: Path | None = None) -> Path:
    """Find the key of a test: ``test`` (file or folder), or beside the answers or one folder up.

    Raises:
        MilongaError: there is none.
    """
    if test is not None:
        return test / KEY if test.is_dir() else test
    folders = [
        folder for path in answers for folder in (path.parent, path.absolute().parent.parent)
    ]
    for folder in folders:
        if (folder / KEY).is_file():
            return folder / KEY
    raise MilongaError(
        "The key of the test isn't beside the answers.",
        where=folders[0] if folders else None,
        step="Name it: --key FOLDER, where FOLDER is what 'milonga listen make -o FOLDER' wrote.",
    )


def _read(path: Path, kind: type[RecordT], what: str, step: str) -> RecordT:
    try:
        return kind.model_validate(read_json(path))
    except FileNotFoundError:
        raise MilongaError(f"{what} can't be found.", where=path, step=step) from None
    except OSError as error:
        raise MilongaError(f"{what} can't be read: {error.strerror}.", where=path) from None
    except ValidationError as error:
        field, message = first_error(error)
        raise MilongaError(
            f"{what} can't be used: {field}: {message}.", where=path, step=step
        ) from None
    except ValueError as error:
        raise MilongaError(f"{what} can't be used: {error}.", where=path, step=step) from None
