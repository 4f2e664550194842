"""Files dropped on the page: taken in as hostile, kept in the data folder, a folder a drop."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from milonga import audio
from milonga.audio.reading.opening import RECORDINGS
from milonga.audio.tagging.embedding import embedded_text
from milonga.errors import MilongaError, OutputError
from milonga.runtime.files import atomic_path, free_space, make_folder
from milonga.runtime.words import size_text
from milonga.web.answers import Answer, shelf_of
from milonga.web.files import heard as heard_file
from milonga.web.files import inside

LARGEST = 2 << 30
"""Bytes of a recording."""
LARGEST_ANSWERS = 4 << 20
_MOST = 5_000
"""Files of a drop."""
_BATCH = re.compile(r"[0-9a-f]{16,32}")
_UNSAFE = re.compile(r"[^\w .()+-]+")


def batch_folder(root: Path, batch: object) -> Path:
    """Return the folder of a drop.

    Raises:
        HTTPException: 404, there can be no such.
    """
    if not isinstance(batch, str) or not _BATCH.fullmatch(batch):
        raise HTTPException(404)
    return root / batch


def safe_name(name: str) -> str:
    """Make a file's name of what a browser calls it: its last part, without odd characters."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return _UNSAFE.sub("_", last).strip(" .")[-120:] or "recording"


async def take_in(request: Request) -> Response:
    """Take one file in: a recording that can be read, or the answers to a listening test."""
    folder = batch_folder(shelf_of(request).uploads, request.path_params["batch"])
    path, seconds = await stored(request, folder, (*RECORDINGS, ".json"))
    made = seconds is not None and await run_in_threadpool(embedded_text, path) is not None
    size = path.stat().st_size
    return Answer({"name": path.name, "size": size, "seconds": seconds, "receipt": made}, 201)


async def stored(
    request: Request, folder: Path, kinds: Sequence[str] = RECORDINGS
) -> tuple[Path, float | None]:
    """Store the body of a request as a file of the name that it gives, beside those there are.

    Returns:
        The file, and its length in seconds; None for what is no recording.

    Raises:
        HTTPException: 415 for another kind, 413 for what is too large.
        AudioError: it is no recording that can be read; nothing is left of it.
        OutputError: the folder can't be written, or is full.
    """
    name = safe_name(request.query_params.get("name", ""))
    suffix = Path(name).suffix.lower()
    if suffix not in kinds:
        raise HTTPException(415, f"{name} is no recording: {', '.join(audio.SUFFIXES)} are.")
    limit = LARGEST_ANSWERS if suffix == ".json" else LARGEST
    path = await run_in_threadpool(_place, folder, name)
    room = free_space(folder)
    size = 0
    with atomic_path(path) as part:
        with open(part, "wb") as file:
            async for piece in request.stream():
                size += len(piece)
                if size > limit or (room is not None and size > room // 2):
                    raise HTTPException(413, f"{name} is too large: {size_text(limit)} at most.")
                await run_in_threadpool(file.write, piece)
        seconds = None if suffix == ".json" else await run_in_threadpool(_length, part, name)
    return path, seconds


def _place(folder: Path, name: str) -> Path:
    make_folder(folder)
    if len(list(folder.iterdir())) >= _MOST:
        raise OutputError(f"One drop holds at most {_MOST} files.")
    path, number = folder / name, 2
    while path.exists():
        path, number = folder / f"{Path(name).stem}-{number}{Path(name).suffix}", number + 1
    return path


def _length(part: Path, name: str) -> float:
    try:
        return audio.probe(part).seconds
    except MilongaError as error:
        error.where = name
        raise


def heard(request: Request) -> Response:
    """Answer with a recording that was dropped."""
    folder = batch_folder(shelf_of(request).uploads, request.path_params["batch"])
    return heard_file(inside(folder, request.path_params["name"], RECORDINGS))


def forget(request: Request) -> Response:
    """Remove a drop."""
    folder = batch_folder(shelf_of(request).uploads, request.path_params["batch"])
    shutil.rmtree(folder, ignore_errors=True)
    return Answer({})


ROUTES = [
    Route("/api/uploads/{batch}", take_in, methods=["POST"]),
    Route("/api/uploads/{batch}", forget, methods=["DELETE"]),
    Route("/files-of-drops/{batch}/{name}", heard),
]
