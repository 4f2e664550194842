"""The application: every address of the page, and who answers it."""

from __future__ import annotations

from importlib.resources import files

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from milonga.errors import MilongaError
from milonga.web.answers import on_error
from milonga.web.guard import Door, Guard
from milonga.web.pages import (
    jobs,
    judging,
    listen,
    models,
    render,
    sheets,
    songs,
    sounds,
    uploads,
)
from milonga.web.shelf import Shelf
from milonga.web.tasks import Tasks

_STATIC = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_BORROWED = {"report.css": ("milonga.analysis.report", "page.css")}
"""The look of the reports is the page's, too."""


def make_app(shelf: Shelf, door: Door) -> Guard:
    """Make the application.

    Args:
        shelf: the songs that it shows.
        door: whom it answers.
    """
    routes: list[BaseRoute] = [
        Route("/static/{name}", static),
        Route("/favicon.ico", favicon),
        *songs.ROUTES,
        *sheets.ROUTES,
        *render.ROUTES,
        *listen.ROUTES,
        *judging.ROUTES,
        *sounds.ROUTES,
        *models.ROUTES,
        *uploads.ROUTES,
        *jobs.ROUTES,
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={HTTPException: on_error, MilongaError: on_error, Exception: on_error},
    )
    app.state.shelf = shelf
    app.state.door = door
    app.state.tasks = Tasks()
    return Guard(app, door)


def static(request: Request) -> Response:
    """Answer with a style or a script of ours."""
    name = request.path_params["name"]
    package, name = _BORROWED.get(name, ("milonga.web", f"static/{name}"))
    suffix = name[name.rfind(".") :]
    path = files(package) / name
    if suffix not in _STATIC or "/" in name.removeprefix("static/") or not path.is_file():
        raise HTTPException(404)
    # A milonga that was upgraded must not meet yesterday's scripts.
    return FileResponse(
        str(path), media_type=_STATIC[suffix], headers={"cache-control": "no-cache"}
    )


def favicon(request: Request) -> Response:
    """Answer the browser's question for an icon: the page draws its own."""
    return Response(status_code=204)
