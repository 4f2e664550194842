"""Files that the page may show: below one folder, of known kinds, never through a link; and
recordings as browsers play them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from milonga.runtime.places import data_folder

_KINDS = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".html": "text/html; charset=utf-8",
}
_SCRIPTED = ("milonga.analysis.report", "milonga.analysis.listening", "milonga.analysis.study")


def served(root: Path, name: str) -> Response:
    """Answer with a file below a folder.

    Raises:
        HTTPException: 404 for what isn't there, lies elsewhere, is reached through a link, is
            hidden or is of another kind.
    """
    path = inside(root, name)
    headers = {}
    if path.suffix == ".html":
        headers["content-security-policy"] = _page_policy()
    return FileResponse(path, media_type=_KINDS[path.suffix.lower()], headers=headers)


def served_test(root: Path, name: str) -> Response:
    """Answer with a file of a listening test, whose sounds are scripts beside its page."""
    path = inside(root, name, (".html", ".js"))
    kind = "text/javascript" if path.suffix == ".js" else _KINDS[".html"]
    headers = {"content-security-policy": _page_policy().replace("script-src", "script-src 'self'")}
    return FileResponse(path, media_type=kind, headers=headers)


def inside(root: Path, name: str, kinds: Collection[str] = _KINDS) -> Path:
    """Return a file below a folder, by its path from there.

    Raises:
        HTTPException: 404, as for ``served``.
    """
    parts = PurePosixPath(name).parts
    if not parts or any(p in ("..", "/") or p.startswith(".") or "\\" in p or "\0" in p
                        for p in parts):  # fmt: skip
        raise HTTPException(404)
    path = root
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise HTTPException(404)
    if path.suffix.lower() not in kinds:
        raise HTTPException(404)
    # A drive or a stream of Windows would leave the folder.
    if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        raise HTTPException(404)
    return path


def heard(source: Path) -> Response:
    """Answer with a recording as every browser plays it; AIFF, float WAV and the like as FLAC.

    Raises:
        HTTPException: 404, it is no file, or a link.
        AudioError: it can't be read.
    """
    path = playable(source)
    return FileResponse(path, media_type=_KINDS[path.suffix.lower()])


def playable(source: Path) -> Path:
    """Return a recording that browsers play: itself, or a copy in the data folder.

    Raises:
        HTTPException, AudioError: as for ``heard``.
    """
    if source.is_symlink() or not source.is_file():
        raise HTTPException(404)
    facts = source.stat()
    key = (source.absolute(), facts.st_mtime_ns, facts.st_size)
    path = _playable(*key)
    if path.is_file():
        return path
    # Somebody tidied the data folder.
    _playable.cache_clear()
    return _playable(*key)


@lru_cache(maxsize=500)
def _playable(source: Path, _time: int, _size: int) -> Path:
    from milonga.analysis.report.media import Folder

    folder = data_folder() / "web" / "heard"
    made = Folder(folder, tree=source.parent).playable(source)
    return folder / unquote(made.url) if made.note else source


@cache
def _page_policy() -> str:
    """Let the pages that milonga writes run the scripts that it wrote into them, and no other."""
    hashes = " ".join(f"'sha256-{digest}'" for digest in _hashes(_scripts()))
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src 'self' data:;"
        " media-src 'self' data: blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )


def _scripts() -> Iterable[str]:
    for package in _SCRIPTED:
        script = files(package) / "page.js"
        if script.is_file():
            yield script.read_text(encoding="utf-8")


def _hashes(scripts: Iterable[str]) -> Iterable[str]:
    for script in scripts:
        for text in (script, script.rstrip("\n")):
            yield base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
