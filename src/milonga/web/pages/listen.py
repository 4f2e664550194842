"""Listening to a song's takes, choosing, mixing."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from milonga.analysis.report.views import receipt_view
from milonga.errors import MilongaError
from milonga.songs.output.folder import REPORT, OutputFolder
from milonga.songs.rendering.receipts import Receipt
from milonga.web.answers import Answer, document_of, inside_script, page, song_of
from milonga.web.files import heard, inside, playable, served
from milonga.web.shelf import SongPlace
from milonga.workflows.board import SongBoard, song_board, take_waves
from milonga.workflows.edits import able_editors
from milonga.workflows.songs import mix_song
from milonga.workflows.takes import compare_takes, take_receipt

_WAVES: OrderedDict[tuple[str, int, int], dict[str, Any]] = OrderedDict()
_MOST_WAVES = 2_000
_LOCK = Lock()
"""Two recordings at a time would need twice the memory and be no faster."""


def listen(request: Request) -> Response:
    """The song as tracks in time, with the takes of each layer."""
    place = song_of(request)
    board = song_board(place.out) if place.rendered else None
    data = None if board is None else inside_script(_data(place, board))
    title = board.title if board else place.id
    return page(
        request, "listen.html.j2", title=title, here="listen", song=place, board=board, data=data,
        report=(place.out / REPORT / "index.html").is_file(),
    )  # fmt: skip


def _data(place: SongPlace, board: SongBoard) -> dict[str, Any]:
    return {
        "id": place.id,
        **board.to_dict(),
        "mixed": _stamp(place),
        "changed": bool(OutputFolder.load(place.out).sheet_note(place.sheet)),
        "editors": able_editors(),
    }


def _stamp(place: SongPlace) -> int:
    """When the mix was made: its address changes with it, so that no old one is heard."""
    try:
        return (place.out / "song.wav").stat().st_mtime_ns // 1_000_000
    except OSError:
        return 0


def board(request: Request) -> Response:
    """Answer with the tracks as plain values."""
    place = song_of(request)
    return Answer(_data(place, song_board(place.out)))


def file(request: Request) -> Response:
    """Answer with a file of the song's output folder."""
    return served(song_of(request).out, request.path_params["path"])


def wave(request: Request) -> Response:
    """Answer with the waveform and the loudness of a recording of the song."""
    if number := request.query_params.get("baseline"):
        return Answer(_wave(playable(_baseline(request, number))))
    path = inside(song_of(request).out, request.query_params.get("path", ""))
    return Answer(_wave(path))


def baseline(request: Request) -> Response:
    """Answer with the recording that a segment is compared with."""
    return heard(_baseline(request, request.path_params["number"]))


def _baseline(request: Request, number: str) -> Path:
    """Return a segment's baseline, which lies where the sheet says; visitors from other machines
    hear those in the song's own folder alone.

    Raises:
        HTTPException: 404, there is none, it lies elsewhere, or is a link.
    """
    sheet = OutputFolder.load(song_of(request).out).sheet
    segment = next((each for each in sheet.segments if str(each.number) == number), None)
    path = None if segment is None else sheet.baseline_path(segment)
    if path is None or path.is_symlink() or not path.is_file():
        raise HTTPException(404)
    own = sheet.folder.resolve()
    if not request.app.state.door.local and not path.resolve().is_relative_to(own):
        raise HTTPException(404)
    return path


def _wave(path: Path) -> dict[str, Any]:
    facts = path.stat()
    key = (str(path), facts.st_mtime_ns, facts.st_size)
    with _LOCK:
        if key not in _WAVES:
            (_WAVES[key],) = take_waves(path.parent, [path.name])
            while len(_WAVES) > _MOST_WAVES:
                _WAVES.popitem(last=False)
        return _WAVES[key]


async def choose(request: Request) -> Response:
    """Choose takes for the mix, and mix at once."""
    wanted = await document_of(request)
    choices = wanted.get("choose") or {}
    if not isinstance(choices, dict):
        raise HTTPException(400, "Choices are takes by layer.")
    place = song_of(request)
    given = {str(key): str(take) for key, take in choices.items()}
    mix = await run_in_threadpool(mix_song, place.out, choose=given)
    now = await run_in_threadpool(song_board, place.out)
    return Answer({"mix": mix.to_dict(), "summary": mix.summary, "board": _data(place, now)})


def differences(request: Request) -> Response:
    """Answer with what differs between two takes, by their receipts."""
    place = song_of(request)
    a, b = (request.query_params.get(name, "") for name in ("a", "b"))
    if not (a and b):
        raise MilongaError("Two takes can be compared.", step="Give a=TAKE and b=TAKE.")
    found = compare_takes(place.out, *(inside(place.out, take) for take in (a, b)))
    rows = [difference.row for difference in found.differences]
    return Answer({**found.to_dict(), "rows": rows, "names": [found.a.stem, found.b.stem]})


def receipt(request: Request) -> Response:
    """Answer with the receipt of a take."""
    place = song_of(request)
    path = inside(place.out, request.path_params["path"])
    return Answer(shown_receipt(take_receipt(place.out, path)[1]))


def shown_receipt(found: Receipt) -> dict[str, Any]:
    """Show a receipt as plain values: the facts that identify a take, and the whole text."""
    shown = receipt_view(found.model_dump(mode="json"))
    return {"text": shown.text, "facts": shown.facts}


ROUTES = [
    Route("/songs/{song}/listen", listen),
    Route("/api/songs/{song}/board", board),
    Route("/api/songs/{song}/choose", choose, methods=["POST"]),
    Route("/api/songs/{song}/wave", wave),
    Route("/api/songs/{song}/differences", differences),
    Route("/api/songs/{song}/receipt/{path:path}", receipt),
    Route("/files/{song}/{path:path}", file),
    Route("/files-of-baselines/{song}/{number}", baseline),
]
