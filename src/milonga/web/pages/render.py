"""Rendering a song: what each generator offers, the plan, the job."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from milonga.errors import MilongaError
from milonga.jobs.kinds import EditWork, RenderWork
from milonga.runtime.record import first_error
from milonga.runtime.words import size_text, time_text
from milonga.songs.rendering.planned import memory_of
from milonga.songs.sheet.text_file import read_source
from milonga.web.answers import Answer, document_of, inside_script, page, shelf_of, song_of
from milonga.web.pages.jobs import begin
from milonga.web.shelf import SongPlace
from milonga.workflows.offers import generator_offers
from milonga.workflows.sheets import read_draft
from milonga.workflows.songs import BEST_BY

_ASKED = ("generators", "segments", "whole", "takes", "seed", "report", "best_by")


def render(request: Request) -> Response:
    """What to render, with which generators, and how that goes on."""
    place = song_of(request)
    draft = read_draft(read_source(place.sheet), place.sheet)
    segments = draft.values.get("segments") or []
    data = {
        "id": place.id,
        "good": draft.good,
        "segments": [{"number": each.get("number"), "name": each.get("name", "")}
                     for each in segments],
        "best_by": BEST_BY,
    }  # fmt: skip
    return page(
        request, "render.html.j2", title=draft.values.get("title") or place.id, here="render",
        song=place, draft=draft, segments=data["segments"], best_by=BEST_BY,
        data=inside_script(data),
    )  # fmt: skip


def offers(request: Request) -> Response:
    """Answer with what each generator offers for the song."""
    place = song_of(request)
    return Answer([_offer(each.to_dict()) for each in generator_offers(place.sheet)])


def _offer(offer: dict[str, Any]) -> dict[str, Any]:
    """Add the figures in words."""
    return {
        **offer,
        "time": None if offer["estimate_s"] is None else time_text(round(offer["estimate_s"])),
        "whole_time": None if offer["whole_s"] is None else time_text(round(offer["whole_s"])),
        "memory_text": None if offer["memory"] is None else size_text(offer["memory"]),
        "download_text": size_text(offer["download"]) if offer["download"] else None,
    }


def work_of(place: SongPlace, wanted: dict[str, Any]) -> RenderWork:
    """Read what was asked for.

    Raises:
        MilongaError: it is no such thing.
    """
    asked = {name: wanted[name] for name in _ASKED if wanted.get(name) not in (None, "")}
    try:
        return RenderWork(sheet=place.sheet, out=place.out, **asked)
    except (ValidationError, TypeError) as error:
        raise _refused(error) from error


def _refused(error: Exception) -> MilongaError:
    if isinstance(error, ValidationError):
        field, message = first_error(error)
        return MilongaError(f"{field}: {message}")
    return MilongaError(f"This can't be asked for: {error}.")


async def plan(request: Request) -> Response:
    """Answer with the takes that would be rendered, their time, memory and notes."""
    wanted = await document_of(request)
    return Answer(await run_in_threadpool(_planned, song_of(request), wanted))


def _planned(place: SongPlace, wanted: dict[str, Any]) -> dict[str, Any]:
    found = work_of(place, wanted).plan()
    memory = memory_of(found.takes)
    return {
        **found.to_dict(),
        "summary": found.summary,
        "memory": None if memory is None else size_text(memory),
        "download": size_text(sum({id(t.generator): t.download for t in found.takes}.values())),
    }


async def start(request: Request) -> Response:
    """Queue the render."""
    wanted = await document_of(request)
    place, shelf = song_of(request), shelf_of(request)
    job = await run_in_threadpool(lambda: begin(work_of(place, wanted), shelf))
    return Answer(job, 202)


async def edit(request: Request) -> Response:
    """Queue an edit of a take: repaint, extend, cover."""
    wanted = await document_of(request)
    place, shelf = song_of(request), shelf_of(request)
    return Answer(await run_in_threadpool(lambda: begin(_edit(place, wanted), shelf)), 202)


_EDIT = ("take", "generator", "start", "end", "by", "before", "strength", "style", "lyrics", "mood",
         "voice", "takes", "seed")  # fmt: skip


def _edit(place: SongPlace, wanted: dict[str, Any]) -> EditWork:
    given: dict[str, Any] = {
        name: wanted[name] for name in _EDIT if wanted.get(name) not in (None, "")
    }
    for name in ("start", "end", "by", "strength", "takes", "seed"):
        if name in given:
            number = _number(name, given[name])
            given[name] = int(number) if name in ("takes", "seed") else number
    if "before" in given:
        given["before"] = bool(given["before"])
    try:
        return EditWork(
            out=place.out,
            segment=str(wanted.get("segment", "")),
            task=wanted.get("task", ""),
            choose=bool(wanted.get("choose")),
            wanted=given,
        )
    except (ValidationError, TypeError) as error:
        raise _refused(error) from error


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise MilongaError(f"{name}: {value!r} is no number.") from None


ROUTES = [
    Route("/songs/{song}/render", render),
    Route("/api/songs/{song}/offers", offers),
    Route("/api/songs/{song}/plan", plan, methods=["POST"]),
    Route("/api/songs/{song}/render", start, methods=["POST"]),
    Route("/api/songs/{song}/edit", edit, methods=["POST"]),
]
