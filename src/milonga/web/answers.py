"""What the page answers: JSON of workflows, explained errors, pages from templates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from milonga._version import __version__
from milonga.errors import MilongaError, Problem, UnknownNameError
from milonga.runtime.files import dump_json
from milonga.runtime.logs import explained, log_failure
from milonga.web.help_page import help_of
from milonga.web.shelf import Shelf, SongPlace

if TYPE_CHECKING:
    from jinja2 import Environment

JSON_LIMIT = 6 << 20
"""Bytes of a request's document: more than any sheet holds."""

PAGES: dict[str, tuple[str, str]] = {
    "songs": ("/", "Songs"),
    "compare": ("/compare", "Compare"),
    "sounds": ("/sounds", "Sounds"),
    "models": ("/models", "Models"),
    "doctor": ("/doctor", "Doctor"),
    "jobs": ("/jobs", "Jobs"),
}
"""Pages in the head of every page: those that are built."""
COMMANDS = {"sounds": "sound", "models": "weights", "doctor": "doctor", "jobs": "jobs"}
"""The group of commands that does what a page does."""

SONG_PAGES: dict[str, tuple[str, str]] = {
    "sheet": ("", "Sheet"),
    "render": ("/render", "Render"),
    "listen": ("/listen", "Listen"),
}
"""Pages of a song, by the end of their address."""

_HELP = {
    "songs": "Songs",
    "sheet": "Sheet",
    "render": "Render",
    "listen": "Listen and choose",
    "compare": "Compare",
    "sounds": "Sounds",
    "models": "Models",
    "doctor": "Doctor",
    "jobs": "Jobs",
}
"""The heading in docs/web.md that speaks of a page."""


class Answer(JSONResponse):
    """A JSON document as the commands print it: UTF-8, and never NaN."""

    def render(self, content: Any) -> bytes:
        return dump_json(content).encode("utf-8", "replace")


def shelf_of(request: Request) -> Shelf:
    """The songs of this page."""
    shelf: Shelf = request.app.state.shelf
    return shelf


def song_of(request: Request) -> SongPlace:
    """The song that an address names."""
    return shelf_of(request).get(request.path_params["song"])


async def body_of(request: Request, limit: int = JSON_LIMIT) -> bytes:
    """Read the body of a request, of at most so many bytes.

    Raises:
        HTTPException: 413, it is longer.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise HTTPException(413, "This is too large.")
        parts.append(part)
    return b"".join(parts)


async def document_of(request: Request) -> dict[str, Any]:
    """Read the JSON object that a request carries.

    Raises:
        HTTPException: 400, it carries none; 413, it is too large.
    """
    try:
        found = json.loads(await body_of(request))
    except (ValueError, RecursionError):
        raise HTTPException(400, "This is no JSON.") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "This is no JSON object.")
    return found


def fault(error: BaseException) -> dict[str, Any]:
    """Describe a failure as plain values: message, where, step, problems."""
    if not isinstance(error, MilongaError):
        return _plain(explained(error))
    problems: Sequence[Problem] = getattr(error, "problems", ())
    return {
        "message": error.message,
        "where": error.where,
        "step": error.step,
        "problems": [asdict(problem) for problem in problems],
    }


def _plain(message: str) -> dict[str, Any]:
    return {"message": message, "where": None, "step": None, "problems": []}


async def on_error(request: Request, error: Exception) -> Response:
    """Answer a failure: explained, as JSON or as a page."""
    status = 500
    if isinstance(error, HTTPException):
        status = error.status_code
        said = _plain("There is nothing here." if status == 404 else error.detail)
    else:
        if isinstance(error, MilongaError):
            status = 404 if isinstance(error, UnknownNameError) else 400
        log_failure(error, raised=False)
        said = fault(error)
    if request.url.path.startswith("/api/") or request.method != "GET":
        return Answer({"error": said}, status)
    if request.url.path.startswith("/files/"):
        return Answer({"error": said}, status)
    return page(request, "error.html.j2", status=status, title="Something is wrong", said=said)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("milonga.web")
    return Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=StrictUndefined,
    )  # fmt: skip


def page(
    request: Request, template: str, *, status: int = 200, title: str, **values: Any
) -> HTMLResponse:
    """Answer with a page."""
    common: Mapping[str, Any] = {
        "title": title,
        "pages": PAGES,
        "commands": COMMANDS,
        "song_pages": SONG_PAGES,
        "here": "",
        "song": None,
        "version": __version__,
        "data": None,
        "help": help_of(_HELP.get(values.get("here", ""), "")),
    }
    text = _templates().get_template(template).render({**common, **values})
    return HTMLResponse(text, status)


def inside_script(value: Any) -> str:
    """Write a value as JSON for an element of the type ``application/json``."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
