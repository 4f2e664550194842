"""Where an edit goes and what it starts from: a layer, one of its takes, or any recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milonga.errors import MilongaError, PlanError, Problem
from milonga.generators.base import Request
from milonga.songs.output.choices import WHOLE_KEY
from milonga.songs.output.folder import OutputFolder
from milonga.songs.rendering.planned import WHOLE
from milonga.songs.rendering.receipts import Receipt
from milonga.songs.rendering.sources import Source, receipt_of
from milonga.songs.rendering.takes import Take

FAULT = "This edit can't be made as asked; nothing was started."


@dataclass(frozen=True, slots=True)
class Target:
    """The layer that an edit becomes a take of.

    Attributes:
        key: the layer's name in choices, such as ``18/vocals``.
        label: its name in messages.
        folder: of its takes.
        now: what the sheet asks for.
        generators: its own, in order.
        options: of the sheet, by generator.
        takes: that are there.
        chosen: the one in the mix.
    """

    key: str
    label: str
    segment: int
    name: str
    folder: Path
    now: Request
    generators: tuple[str, ...]
    options: Mapping[str, Mapping[str, Any]]
    takes: tuple[Take, ...]
    chosen: Take | None


def find_target(folder: OutputFolder, key: str) -> Target:
    """Find the layer of a name, such as ``18`` or ``18/vocals``, or the ``whole`` song.

    Raises:
        PlanError: there is none, or several.
    """
    if key == WHOLE_KEY:
        return _whole(folder)
    found = folder.layer_takes(key)
    segment, layer = found.segment, found.layer
    return Target(
        key=found.key,
        label=found.label,
        segment=segment.number,
        name=segment.name,
        folder=found.place.folder,
        now=found.place.asked,
        generators=layer.generators,
        options=segment.options,
        takes=found.takes,
        chosen=found.chosen,
    )


def _whole(folder: OutputFolder) -> Target:
    whole, found = folder.sheet.whole_or_default, folder.arranged().whole
    usable = (take for take in found.takes if take.usable)
    return Target(
        key=found.key,
        label=found.label,
        segment=0,
        name=WHOLE,
        folder=found.place.folder,
        now=found.place.asked,
        generators=whole.generators,
        options=whole.options,
        takes=found.takes,
        # Where the layers of the segments are in the mix, none is chosen.
        chosen=found.chosen or next(usable, None),
    )


@dataclass(frozen=True, slots=True)
class Start:
    """What an edit starts from.

    Attributes:
        source: the recording.
        label: its name for people.
        receipt: where it is a take of the same layer.
        answers: what the sheet asks for, as ``Edited.answers``.
        base: the request whose words and numbers the edit takes over.
    """

    source: Source
    label: str
    receipt: Receipt | None
    answers: Request
    base: Request


def find_start(target: Target, take: str | None, recording: Path | None) -> Start:
    """Find what an edit starts from.

    Args:
        target: the layer.
        take: name of one of its takes; without it the one in the mix.
        recording: any other one, instead of a take.

    Raises:
        PlanError: no such take, or it isn't what its receipt says.
        AudioError: the recording can't be read.
    """
    if recording is not None:
        if take is not None:
            raise _fault("Both a take and another recording are given.", "Give one of them.")
        if recording == Path("-"):
            raise _fault(
                "An edit can't be made from standard input: nothing could find it again.",
                "Save it as a file first.",
            )
        source = Source.read(recording)
        receipt = receipt_of(recording)
        own = recording.absolute().parent == target.folder.absolute()
        if receipt is None or not own or receipt.sound.sha256 != source.sha256:
            now = target.now
            return Start(source, recording.name, None, now, now)
        return _of_take(source, receipt)
    found = _take(target, take)
    try:
        source = Source.read(found.path)
    except MilongaError as error:
        raise _fault(f"{found.path}: {error.message}", error.step or "") from None
    if source.sha256 != found.receipt.sound.sha256:
        raise _fault(
            f"{found.path} is not what its receipt says.",
            "Render it again, or name it by --source as any recording.",
        )
    return _of_take(source, found.receipt)


def _of_take(source: Source, receipt: Receipt) -> Start:
    base = receipt.request.model_copy(update={"edit": None})
    return Start(source, source.path.stem, receipt, receipt.answers, base)


def _take(target: Target, name: str | None) -> Take:
    known = ", ".join(take.name for take in target.takes) or "none yet"
    if name is None:
        if target.chosen is None:
            raise _fault(
                f"{target.label} has no take in the mix.",
                f"Name one by --take; takes: {known}. Or name a recording by --source.",
            )
        return target.chosen
    wanted = name.removesuffix(".wav")
    for take in target.takes:
        if take.name == wanted:
            return take
    raise _fault(f"There is no take {name!r} of {target.label}.", f"Takes: {known}.")


def _fault(message: str, step: str) -> PlanError:
    return PlanError(FAULT, [Problem(message[0].upper() + message[1:], step=step)])
