"""The first page: the songs, new ones, and those that are dropped on it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from milonga.errors import MilongaError
from milonga.songs.rendering.takes import slug
from milonga.songs.sheet.starter import STARTERS, starter_song
from milonga.web.answers import Answer, document_of, page, shelf_of
from milonga.web.shelf import Shelf, SongPlace
from milonga.workflows.sheets import import_sheet, read_draft

_TEXTS = (".md", ".markdown", ".txt", ".lrc", ".srt", ".vtt", ".json", ".yaml", ".yml", ".cho")


def songs(request: Request) -> Response:
    """The list of songs, and ways to begin one."""
    shelf = shelf_of(request)
    listed = [_line(place) for place in shelf.songs()]
    starters = [{"name": name, "title": one.title, "about": one.about}
                for name, one in STARTERS.items()]  # fmt: skip
    return page(
        request, "songs.html.j2", title="Songs", here="songs", songs=listed, starters=starters,
        root=shelf.root, kinds=",".join(_TEXTS),
    )  # fmt: skip


def _line(place: SongPlace) -> dict[str, object]:
    try:
        draft = read_draft(place.sheet.read_text(encoding="utf-8"), place.sheet)
    except (OSError, ValueError):
        return {"id": place.id, "title": place.id, "about": "can't be read", "rendered": False}
    segments = draft.values.get("segments")
    count = len(segments) if isinstance(segments, list) else 0
    about = f"{count} segment{'' if count == 1 else 's'}"
    if draft.seconds is not None:
        about += f", {draft.seconds:.0f} s"
    if draft.problems:
        about += f", {len(draft.problems)} problem{'' if len(draft.problems) == 1 else 's'}"
    title = draft.values.get("title") or place.id
    return {"id": place.id, "title": title, "about": about, "rendered": place.rendered}


async def new_song(request: Request) -> Response:
    """Begin a song: a starter, or a text in any form that lyrics and prompts are kept in."""
    wanted = await document_of(request)
    shelf = shelf_of(request)
    return Answer(await run_in_threadpool(_begin, shelf, wanted), 201)


def _begin(shelf: Shelf, wanted: dict[str, object]) -> dict[str, object]:
    if "starter" in wanted:
        one = starter_song(str(wanted["starter"]))
        place = shelf.add(one.title, one.text)
        return {"id": place.id, "notes": []}
    text, name = str(wanted.get("text", "")), str(wanted.get("name", "")) or "song.md"
    suffix = Path(name).suffix.lower()
    if suffix not in _TEXTS:
        raise HTTPException(415, f"A song is read from {', '.join(_TEXTS)}.")
    if suffix in (".yaml", ".yml"):
        return _kept(shelf, text, ())
    # Pasted: a sheet looks like one.
    draft = read_draft(text)
    if draft.good:
        return _kept(shelf, text, ())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{slug(Path(name).stem)}{suffix}"
        path.write_text(text, encoding="utf-8")
        try:
            imported = import_sheet(path)
        except MilongaError as error:
            error.where = None  # a file that the user never saw
            raise
    left = len(imported.unplaced)
    notes = (f"{left} lines have no place in a sheet; they stand at its end.",) if left else ()
    return _kept(shelf, imported.to_yaml(), notes)


def _kept(shelf: Shelf, text: str, notes: tuple[str, ...]) -> dict[str, object]:
    title = read_draft(text).values.get("title") or "Song"
    place = shelf.add(str(title), text)
    return {"id": place.id, "notes": list(notes)}


ROUTES = [
    Route("/", songs),
    Route("/api/songs", new_song, methods=["POST"]),
]
