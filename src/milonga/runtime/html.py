"""Small pieces of HTML for objects that show themselves in a notebook; every text is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

EMBED_LIMIT = 12 << 20
"""Bytes of a sound that a notebook carries; a longer one is named instead."""


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """Return an HTML table; None and empty texts make empty cells."""
    head = "".join(f"<th>{escape(text)}</th>" for text in headings)
    body = "".join(
        "<tr>"
        + "".join(f"<td>{'' if cell is None else escape(str(cell))}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def paragraphs(lines: Iterable[str]) -> str:
    """Return a paragraph for each line."""
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def player(path: Path) -> str:
    """Return a player with the sound in it; where that is missing or long, only its path."""
    try:
        if path.stat().st_size <= EMBED_LIMIT:
            data = base64.b64encode(path.read_bytes()).decode()
            kind = path.suffix.lower().removeprefix(".")
            return f'<audio controls src="data:audio/{escape(kind)};base64,{data}"></audio>'
    except OSError:
        pass
    return f"<code>{escape(str(path))}</code>"
