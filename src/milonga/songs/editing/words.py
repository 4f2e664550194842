"""The words of an edit: a model sings a range well only if it has the whole lyric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from milonga.errors import PlanError, Problem
from milonga.generators.base import LyricLine, Request
from milonga.songs.sheet.lyrics import parse_lyrics, unbalanced

SINGING = ("vocals", "song", "backing")
_STEP = "Change single lines instead, by their number."


def with_lyrics(request: Request, text: str) -> tuple[Request, tuple[str, ...]]:
    """Give a request another lyric.

    Returns:
        The request, and notes for the user.

    Raises:
        PlanError: the layer sings none, or it is a whole song, whose lines belong to segments.
    """
    _check_singing(request)
    if request.parts:
        fault = "The lyric of the whole song is that of its segments."
        raise PlanError(_FAULT, [Problem(fault, "lyrics", step=_STEP)])
    for number, line in enumerate(text.splitlines(), 1):
        if wrong := unbalanced(line):
            raise PlanError(_FAULT, [Problem(f"Line {number}: {wrong}.", "lyrics")])
    language = next((line.language for line in request.lyrics if line.language), None)
    lyrics = parse_lyrics(text, language)
    changed = request.model_copy(update={"lyrics": lyrics})
    before, now = len(request.sung), len(changed.sung)
    notes: tuple[str, ...] = ()
    if now < before:
        notes = (
            f"The lyric has {now} sung lines, that of the source {before}. A model keeps the "
            "voice best with the whole lyric: give all of it, or change single lines.",
        )
    return changed, notes


def with_lines(request: Request, lines: Mapping[int, str]) -> Request:
    """Give a request other words in some of its sung lines, counted from 1.

    Raises:
        PlanError: there are no such lines; lists those that there are.
    """
    _check_singing(request)
    count = len(request.sung)
    if wrong := sorted(number for number in lines if not 1 <= number <= count):
        known = "\n".join(f"{n}: {line.text}" for n, line in enumerate(request.sung, 1))
        fault = f"There is no sung line {wrong[0]}; the lyric has {count}."
        raise PlanError(_FAULT, [Problem(fault, "lyrics", step=known)])
    parts, numbers = [], iter(range(1, count + 1))
    for part in request.parts:
        parts.append(part.model_copy(update={"lyrics": tuple(_new(part.lyrics, lines, numbers))}))
    return request.model_copy(
        update={
            "lyrics": tuple(_new(request.lyrics, lines, iter(range(1, count + 1)))),
            "parts": tuple(parts),
        }
    )


def _new(
    old: tuple[LyricLine, ...], lines: Mapping[int, str], numbers: Iterator[int]
) -> Iterator[LyricLine]:
    for line in old:
        number = next(numbers) if line.text else 0
        text = lines.get(number)
        yield line if text is None else line.model_copy(update={"text": " ".join(text.split())})


def _check_singing(request: Request) -> None:
    if request.role not in SINGING:
        fault = f"A layer of the role {request.role} sings no words."
        step = "Edit one that sings: vocals, song."
        raise PlanError(_FAULT, [Problem(fault, "lyrics", step=step)])


_FAULT = "These words can't be sung; nothing was started."
