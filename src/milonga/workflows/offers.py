"""What each generator offers for a song, on this machine, before one is chosen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from milonga.errors import MilongaError
from milonga.generators.base import Assessment, Generator, Request, Role
from milonga.generators.registry import GENERATORS, make_generator
from milonga.songs.rendering.takes import role_for
from milonga.songs.sheet.load import load_sheet
from milonga.songs.sheet.model import Sheet
from milonga.weights.settings import no_questions


@dataclass(frozen=True, slots=True)
class GeneratorOffer:
    """What a generator offers for a song.

    Attributes:
        name: of the generator.
        about: what it is good for.
        chosen: the sheet names it.
        available: it is installed.
        roles: that it makes.
        parts: what it can make of this song: layers by their names in choices, ``whole``.
        whole: it can make the whole song in one take.
        estimate_s: seconds of work for one take of each part; None where unknown.
        whole_s: the same for a take of the whole song.
        memory: bytes that it needs; None where unknown.
        download: bytes that it fetches first.
        facts: licence, device, memory and such, in words.
        problems: why it can't make other parts, each with its place and how to fix it.
    """

    name: str
    about: str
    chosen: bool
    available: bool
    roles: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    whole: bool = False
    estimate_s: float | None = None
    whole_s: float | None = None
    memory: int | None = None
    download: int = 0
    facts: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the offer as plain values."""
        return asdict(self)


def generator_offers(sheet: str | os.PathLike[str] | Sheet) -> list[GeneratorOffer]:
    """Ask every generator what it can make of a song, and what that costs here.

    Nothing is loaded, and no network is used.

    Args:
        sheet: a song sheet, or the path of one.

    Raises:
        SheetError: the sheet is wrong.
    """
    song = sheet if isinstance(sheet, Sheet) else load_sheet(sheet)
    with no_questions():
        return [_offer(name, song) for name in GENERATORS]


def _offer(name: str, sheet: Sheet) -> GeneratorOffer:
    named = {name for each in sheet.segments for layer in each.layers for name in layer.generators}
    named |= set(sheet.whole.generators if sheet.whole else ())
    about, chosen = GENERATORS[name].summary, name in named
    try:
        generator = make_generator(name, _options(name, sheet))
    except MilongaError as error:
        said = " ".join(part for part in (error.message, error.step) if part)
        return GeneratorOffer(name, about, chosen, False, problems=(said,))
    found: dict[str, Assessment] = {}
    problems: list[str] = []
    for segment in sheet.segments:
        for layer in segment.layers:
            key = f"{segment.number}/{layer.role}"
            request = sheet.request(segment, layer, seed=0, options=segment.options.get(name, {}))
            _ask(generator, request, key, found, problems)
    whole = sheet.whole_request(seed=0, options=sheet.whole_or_default.options.get(name, {}))
    entire: dict[str, Assessment] = {}
    if "song" in generator.roles:
        _ask(generator, whole, "whole", entire, problems)
    return _summed(name, about, chosen, generator, found, entire.get("whole"), problems)


def _ask(
    generator: Generator,
    request: Request,
    key: str,
    found: dict[str, Assessment],
    problems: list[str],
) -> None:
    role: Role | None = role_for(request, generator.roles)
    if role is None:
        return
    assessment = generator.assess(request.model_copy(update={"role": role}))
    if assessment.problems:
        problems += [f"{key}: {problem.message} {problem.step}".strip()
                     for problem in assessment.problems]  # fmt: skip
    else:
        found[key] = assessment


def _summed(
    name: str,
    about: str,
    chosen: bool,
    generator: Generator,
    found: Mapping[str, Assessment],
    whole: Assessment | None,
    problems: list[str],
) -> GeneratorOffer:
    asked = [*found.values(), *([whole] if whole else [])]
    times = [each.estimate_s for each in found.values()]
    memory = [each.memory for each in asked if each.memory is not None]
    return GeneratorOffer(
        name,
        about,
        chosen,
        True,
        tuple(sorted(generator.roles)),
        tuple(found),
        whole is not None,
        sum(t for t in times if t is not None) if times and None not in times else None,
        whole.estimate_s if whole else None,
        max(memory, default=None),
        max((each.download for each in asked), default=0),
        tuple(dict.fromkeys(fact for each in asked for fact in each.general)),
        tuple(dict.fromkeys(problems)),
    )


def _options(name: str, sheet: Sheet) -> dict[str, Any]:
    return dict(sheet.options.get(name, {}))
