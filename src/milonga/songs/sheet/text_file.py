"""Reading a text file that someone wrote: size, kind, encoding, line ends."""

from __future__ import annotations

import codecs
import re
import stat
from difflib import get_close_matches
from pathlib import Path

from milonga.errors import Problem, SheetError
from milonga.songs.sheet.text import control_character

SIZE_LIMIT = 1 << 20
MARKDOWN = (".md", ".markdown", ".mdown")
_RECORDINGS = (b"RIFF", b"fLaC", b"OggS", b"ID3", b"FORM", b"\xff\xfb", b"\xff\xf3")


def read_source(path: Path) -> str:
    """Read the text of a file with ``\\n`` as line end, without a byte order mark.

    Raises:
        SheetError: no such file, not a text file, too large, not UTF-8, or with control
            characters; with the line where one is concerned.
    """
    return _checked(_decoded(_read_bytes(path), path), path)


def read_any_source(path: Path) -> tuple[str, str]:
    """Read the text of a file in the encoding that it seems to have; return also that one's name
    if it is not UTF-8.

    Raises:
        SheetError: as ``read_source``, but for the encoding.
    """
    data = _read_bytes(path)
    odd, even = data[1::2].count(0), data[::2].count(0)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif max(odd, even) > len(data) / 8 and min(odd, even) < len(data) / 50:
        encoding = "utf-16-le" if odd > even else "utf-16-be"
    else:
        try:
            return _checked(_decoded(data, path), path), ""
        except SheetError:
            if b"\0" in data:
                raise
            encoding = "cp1252"
    text = data.decode(encoding, "replace")
    return _checked(text, path), "Windows-1252" if encoding == "cp1252" else "UTF-16"


def _checked(text: str, path: Path) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for match in re.finditer(r"[^\n\t -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text):
        name = control_character(match[0]) or f"U+{ord(match[0]):04X}"
        if name not in ("U+0085", "U+2028", "U+2029", "U+000B", "U+000C"):
            line = text.count("\n", 0, match.start()) + 1
            raise SheetError(
                "The file can't be read as text.",
                [Problem(f"It holds a character that no text has ({name}).", line=line)],
                where=path,
                step="Delete it in an editor, or save the file as UTF-8 text.",
            )
    return text


def _read_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise SheetError("This is a folder.", where=path, step=_folder_step(path))
        if not path.exists():
            raise SheetError("There is no such file.", where=path, step=_missing_step(path))
        if not stat.S_ISREG(path.stat().st_mode):
            raise SheetError("This is a device or a pipe, not a file.", where=path)
        with open(path, "rb") as handle:
            data = handle.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SheetError(f"It can't be read: {reason or error}.", where=path) from None
    if data.startswith(_RECORDINGS):
        raise SheetError(
            "This is a recording, not a song sheet.",
            where=path,
            step="A sheet is a text file; start one with: milonga song new song.yaml",
        )
    if len(data) > SIZE_LIMIT:
        raise SheetError(
            f"It is larger than {SIZE_LIMIT >> 20} MiB, which no song sheet is.",
            where=path,
            step="Give the sheet, a small text file. Recordings are named in it, not held.",
        )
    return data


def _decoded(data: bytes, path: Path) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SheetError(
            "It is saved as UTF-16.", where=path, step="Save it as UTF-8 in your editor."
        )
    if b"\0" in data:
        raise SheetError(
            "This is not a text file (it holds zero bytes).",
            where=path,
            step="A sheet is a text file; start one with: milonga song new song.yaml",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The position counts from behind a byte order mark, whose bytes hold no line end.
        line = data.count(b"\n", 0, error.start) + 1
        raise SheetError(
            "It is not saved as UTF-8.",
            [Problem(f"The byte 0x{error.object[error.start]:02x} is not UTF-8.", line=line)],
            where=path,
            step="Save it as UTF-8 in your editor (it may be Windows-1252 or Latin-1 now).",
        ) from None


def _folder_step(path: Path) -> str:
    sheets = sorted(p.name for p in path.iterdir() if p.suffix.lower() in (".yaml", ".yml"))
    if sheets:
        return f"Give the sheet in it: {', '.join(sheets[:5])}."
    return "Give the sheet's file. To start one here: milonga song new song.yaml"


def _missing_step(path: Path) -> str:
    try:
        names = [p.name for p in path.parent.iterdir() if p.is_file()]
    except OSError:
        return "Its folder does not exist either. Check the path."
    near = get_close_matches(path.name, names, n=1)
    if near:
        return f"Did you mean {path.with_name(near[0])}?"
    if path.suffix.lower() in (".yaml", ".yml"):
        return f"To start a sheet: milonga song new {path}"
    return "Check its name."
