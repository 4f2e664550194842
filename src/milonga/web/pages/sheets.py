"""The page of a song's sheet: a form and the YAML beside it, in step, saved as it is typed."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from milonga.errors import MilongaError, OutputError
from milonga.generators.registry import GENERATORS
from milonga.runtime.files import write_text
from milonga.songs.sheet.document import schema_of
from milonga.songs.sheet.model import Layer, Segment, Sheet
from milonga.songs.sheet.sections import SECTIONS
from milonga.songs.sheet.text_file import read_source
from milonga.web.answers import Answer, document_of, inside_script, page, song_of
from milonga.web.pages.uploads import stored
from milonga.web.shelf import SongPlace
from milonga.workflows.sheets import SheetDraft, change_draft, export_sheet, read_draft

BASELINES = "baseline"
"""The folder of a song's baselines, beside its sheet."""
_LONGEST = 1_000_000
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_ROLES = ("vocals", "backing", "instrumental", "texture", "song")


def sheet(request: Request) -> Response:
    """The form of a song and its YAML."""
    place = song_of(request)
    draft = read_draft(read_source(place.sheet), place.sheet)
    data = {
        "id": place.id,
        "draft": _answer(draft),
        "schema": {kind.__name__: _fields(kind) for kind in (Sheet, Segment, Layer)},
        "sections": list(SECTIONS),
        "roles": _ROLES,
        "generators": {name: entry.summary for name, entry in GENERATORS.items()},
    }
    return page(
        request, "sheet.html.j2", title=draft.values.get("title") or place.id,
        here="sheet", song=place, data=inside_script(data),
    )  # fmt: skip


def _fields(kind: type[Sheet | Segment | Layer]) -> dict[str, str]:
    return {name: each for name, each in schema_of(kind).items() if isinstance(each, str)}


def version_of(text: str) -> str:
    """Tell one state of a sheet from another."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _answer(draft: SheetDraft) -> dict[str, Any]:
    return {**draft.to_dict(), "version": version_of(draft.text)}


async def save_sheet(request: Request) -> Response:
    """Save what was typed, as YAML or as one change in the form; answer with all its problems."""
    wanted = await document_of(request)
    return Answer(await run_in_threadpool(_saved, song_of(request), wanted))


def _saved(place: SongPlace, wanted: dict[str, Any]) -> dict[str, Any]:
    now = read_source(place.sheet)
    if wanted.get("version") not in (None, version_of(now)):
        # Another window, or an editor, was faster: nothing of either is lost.
        return {"conflict": _answer(read_draft(now, place.sheet))}
    text = _cleaned(str(wanted.get("text", now)))
    change = wanted.get("change")
    try:
        draft = change_draft(text, change, place.sheet) if change else read_draft(text, place.sheet)
    except ValueError as error:
        raise MilongaError("This is no change of a sheet.") from error
    if draft.text != now:
        write_text(place.sheet, draft.text)
    return _answer(draft)


def _cleaned(text: str) -> str:
    """Drop what no text file holds, and what was pasted with it."""
    if len(text) > _LONGEST:
        raise HTTPException(413, "This is too large for a sheet.")
    return _NO_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def read_sheet(request: Request) -> Response:
    """Answer with the sheet as it is now."""
    place = song_of(request)
    return Answer(_answer(read_draft(read_source(place.sheet), place.sheet)))


def markdown(request: Request) -> Response:
    """Answer with the sheet as Markdown, or as its YAML, to save."""
    place = song_of(request)
    kind = request.path_params["kind"]
    text = export_sheet(place.sheet) if kind == "md" else read_source(place.sheet)
    if kind not in ("md", "yaml"):
        raise OutputError("A sheet is saved as md or yaml.")
    headers = {"content-disposition": f'attachment; filename="{place.id}.{kind}"'}
    return Response(text, media_type="text/plain; charset=utf-8", headers=headers)


async def take_baseline(request: Request) -> Response:
    """Take a recording into the song's folder, to be the baseline of a segment; answer with its
    path as the sheet names it."""
    place = song_of(request)
    path, seconds = await stored(request, place.sheet.parent / BASELINES)
    relative = path.relative_to(place.sheet.parent).as_posix()
    return Answer({"path": relative, "seconds": seconds}, 201)


ROUTES = [
    Route("/songs/{song}", sheet),
    Route("/api/songs/{song}/sheet", read_sheet, methods=["GET"]),
    Route("/api/songs/{song}/sheet", save_sheet, methods=["PUT"]),
    Route("/songs/{song}/save.{kind}", markdown),
    Route("/api/songs/{song}/baselines", take_baseline, methods=["POST"]),
]
