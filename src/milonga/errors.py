"""Every exception that milonga raises on purpose.

::

    MilongaError                 wrong input or circumstances, explained
    ├── AudioError               a recording can't be read, used or written
    ├── SheetError               a song sheet (or Markdown) is wrong; holds every problem found
    ├── PlanError                a render can't start as asked; holds every problem found
    ├── GeneratorError           a generator could not make this take
    ├── ReceiptError             a receipt is missing, damaged or of an unknown version
    │   └── UnreadableError      the system doesn't let us read a take or its receipt
    ├── ComparisonError          recordings can't be compared
    ├── OutputError              an output can't be written: permissions, disk full
    ├── MissingExtraError        an optional part isn't installed
    ├── ConfigError              the configuration file is wrong
    ├── DeviceError              a device isn't there or doesn't work
    ├── VocoderError             a vocoder can't be loaded, or a mel can't become sound
    ├── WeightsError             a model's files can't be had or used
    │   ├── NotDownloadedError   they aren't on this machine, and no network may be used
    │   ├── AccessError          the hub refuses: no token, no access, or a bad token
    │   ├── DownloadError        the network or the hub failed, or sent something wrong
    │   ├── CacheError           the cache folder can't be written, or the disk is full
    │   ├── DamagedFileError     a file is missing, truncated, or not what was downloaded
    │   └── UnsafeFileError      a checkpoint wants to run code
    ├── SoundError               a sound model can't be trained, found or played as asked
    │   ├── CorpusError          recordings that a model can't learn from, each with its reason
    │   └── ModelFileError       a sound model's file is damaged, hostile or of an unknown version
    ├── JobError                 a job can't be queued, found or changed as asked
    │   └── ClusterError         a cluster can't be reached, or may not be used
    └── UnknownNameError         a name that no registry knows; lists the known ones
    Cancelled                    the user stopped the work (not an error)

An error says what was wrong, where, and how to fix it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike, fspath

from milonga._installed import install_command


class MilongaError(Exception):
    """Base of all explained failures.

    Args:
        message: the fault, one sentence.
        where: the file, segment or field it concerns.
        step: how to fix it.
    """

    def __init__(
        self, message: str, *, where: str | PathLike[str] | None = None, step: str | None = None
    ) -> None:
        self.message = message
        self.where = None if where is None else fspath(where)
        self.step = step
        super().__init__(message)

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  {self.step}" if self.step else text

    @property
    def note(self) -> str:
        """The message for work that goes on without, and how to fix it where that is one line."""
        step = self.step if self.step and "\n" not in self.step else ""
        return f"{self.message} {step}".strip()


class AudioError(MilongaError):
    """A recording can't be read, used or written; ``where`` is the file."""


class GeneratorError(MilongaError):
    """A generator could not make a take.

    Args:
        seed_may_help: another seed may give a take, so it is worth another attempt.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str | PathLike[str] | None = None,
        step: str | None = None,
        seed_may_help: bool = False,
    ) -> None:
        self.seed_may_help = seed_may_help
        super().__init__(message, where=where, step=step)


class ReceiptError(MilongaError):
    """A receipt is missing, damaged or of an unknown version."""


class UnreadableError(ReceiptError):
    """The system doesn't let us read a take, its receipt or its folder: nothing says that they are
    damaged."""


class ComparisonError(MilongaError):
    """Recordings can't be compared."""


class JobError(MilongaError):
    """A job can't be queued, found or changed as asked."""


class ClusterError(JobError):
    """A cluster of machines can't be reached, can't do what is asked, or may not be used."""


class OutputError(MilongaError):
    """An output can't be written: permissions, a full disk, a file in the way."""


class ConfigError(MilongaError):
    """The configuration file is wrong; ``where`` is the file."""


class DeviceError(MilongaError):
    """A device isn't there or doesn't work."""


class VocoderError(MilongaError):
    """A vocoder can't be loaded, or a mel is not one that it can turn into sound."""


class WeightsError(MilongaError):
    """A model's files can't be had or used."""


class NotDownloadedError(WeightsError):
    """Weights aren't on this machine, and no network may be used."""


class AccessError(WeightsError):
    """The hub refuses access.

    Args:
        reason: the missing thing, for programs: ``no-token``, ``no-access``, ``pending``,
            ``rejected``, ``bad-token``, ``scope``, or ``not-found``.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        where: str | PathLike[str] | None = None,
        step: str | None = None,
    ) -> None:
        self.reason = reason
        super().__init__(message, where=where, step=step)


class DownloadError(WeightsError):
    """The network or the hub failed, or what arrived is wrong."""


class CacheError(WeightsError):
    """The cache folder can't be written, or its disk is full; ``where`` is the folder."""


class DamagedFileError(WeightsError):
    """A file is missing, truncated, or not what was downloaded; ``where`` is the file."""


class UnsafeFileError(WeightsError):
    """A checkpoint wants to run code on loading; ``where`` is the file."""


class SoundError(MilongaError):
    """A sound model can't be trained, found or played as asked."""


class ModelFileError(SoundError):
    """A sound model's file is damaged, hostile or of an unknown version; ``where`` is the file."""


class MissingExtraError(MilongaError):
    """An optional part of milonga isn't installed.

    Args:
        what: the thing that was asked for.
        extra: the pip extra that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(
            f"{what} needs the extra '{extra}', which is not installed.",
            step=f"Run: {install_command(extra)}",
        )


@contextmanager
def needs_extra(what: str, extra: str) -> Iterator[None]:
    """Explain that a library of an extra is missing, where the block imports it.

    Raises:
        MissingExtraError: it is; a module of our own that is missing stays the fault that it is.
    """
    try:
        with warnings.catch_warnings():
            # What tqdm says in a notebook: that its bars, which nobody sees, are plain ones.
            warnings.filterwarnings("ignore", message="IProgress not found")
            yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("milonga"):
            raise
        raise MissingExtraError(what, extra) from error


def require_extra(what: str, extra: str, libraries: Iterable[str]) -> None:
    """Refuse to begin where a library of an extra is missing, without importing any.

    Raises:
        MissingExtraError: one of them isn't installed.
    """
    if not all(find_spec(library) for library in libraries):
        raise MissingExtraError(what, extra)


class UnknownNameError(MilongaError):
    """A name that no registry knows.

    Args:
        kind: what sort of thing was looked up, for example "generator".
        name: the name asked for.
        known: the names there are.
        of: what the name belongs to.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, of: str = "") -> None:
        self.name = name
        self.known = sorted(known)
        # Only this error needs it, and every import of milonga would wait for it.
        from difflib import get_close_matches

        near = get_close_matches(name, self.known, n=1, cutoff=0.75)
        meant = f"Did you mean {near[0]}? " if near else ""
        step = f"{meant}Known: {', '.join(self.known)}."
        owner = f" of {of!r}" if of else ""
        super().__init__(f"There is no {kind} {name!r}{owner}.", step=step)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a sheet or plan.

    Attributes:
        message: the fault, one sentence.
        where: segment and field, for example ``"segment 7, seconds"``.
        line: line in the file, from 1, where known.
        step: how to fix it, where more than the message is needed.
    """

    message: str
    where: str = ""
    line: int | None = None
    step: str = ""

    def __str__(self) -> str:
        place = ", ".join(p for p in (f"line {self.line}" if self.line else "", self.where) if p)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text} {self.step}" if self.step else text


class _ProblemsError(MilongaError):
    def __init__(
        self,
        message: str,
        problems: Sequence[Problem] = (),
        *,
        where: str | PathLike[str] | None = None,
        step: str | None = None,
    ) -> None:
        self.problems = tuple(problems)
        super().__init__(message, where=where, step=step)

    def __str__(self) -> str:
        head = f"{self.where}: {self.message}" if self.where else self.message
        lines = [head, *(f"  - {problem}" for problem in self.problems)]
        if self.step:
            lines.append(f"  {self.step}")
        return "\n".join(lines)


class SheetError(_ProblemsError):
    """A song sheet is wrong; ``problems`` lists everything found, ``where`` is the file."""


class PlanError(_ProblemsError):
    """A render can't start as asked; ``problems`` lists everything found."""


class CorpusError(_ProblemsError, SoundError):
    """Recordings that a model can't learn from; ``problems`` lists each with its reason."""


class Cancelled(BaseException):
    """The user stopped the work. Like KeyboardInterrupt, it isn't an ``Exception``,
    so that a handler for failures does not swallow it."""
