"""Help from the documentation: the part of docs/web.md that speaks of a page."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup


def help_of(heading: str) -> Markup:
    """Return the help of a page as HTML: its part of docs/web.md, and the keys."""
    parts = _parts()
    text = parts.get(heading) or parts.get("")
    return Markup(_html(text or "There is no help here yet.", heading))


@cache
def _html(text: str, heading: str) -> str:
    made: str = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    # Other pages of the documentation are no pages of this server.
    made = re.sub(r"<a [^>]*>(.*?)</a>", r"<em>\1</em>", made, flags=re.DOTALL)
    return made.replace("<h2>", '<h2 id="help-title">', 1)


@cache
def _parts() -> dict[str, str]:
    found = re.split(r"^## (.+)$", _text(), flags=re.MULTILINE)
    parts = {"": found[0].replace("# ", "## ", 1)}
    for name, body in zip(found[1::2], found[2::2], strict=True):
        parts[name.strip()] = f"## {name.strip()}\n{body}"
    return parts


def _text() -> str:
    """Read docs/web.md: from the package, or from the folder that it is developed in."""
    packed = files("milonga.web") / "web.md"
    if packed.is_file():
        return packed.read_text(encoding="utf-8")
    beside = Path(__file__).parents[3] / "docs" / "web.md"
    return beside.read_text(encoding="utf-8") if beside.is_file() else ""
