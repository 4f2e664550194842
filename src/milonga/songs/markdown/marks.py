"""Marks of Markdown within a line: escapes, entities, emphasis."""

from __future__ import annotations

import html
import re

_ESCAPED = re.compile(
    r"\\([!-/:-@\[-`{-~])|&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]*);"
)
_EMPHASIS = re.compile(r"(\*{1,3}|_{1,3}|`{1,4}|~~)(?=\S)(.+?)(?<=\S)\1")
# Marks that enclose words, not letters within one; none of the kind lies between them.
_ENCLOSED = tuple(
    re.compile(rf"(?<![\w\\{c}])({mark})(?![\s{c}])([^{c}\n]*)(?<![\s\\{c}])\1(?![\w{c}])")
    for c, mark in ((r"\*", r"\*{1,3}"), ("_", "_{1,3}"), ("~", "~~"), ("`", "`{1,2}"))
)
_LONGEST = 2000
_NESTED = 6
_QUOTES = {'"': '"', "“": "”", "«": "»", "„": "“", "'": "'", "‘": "’"}


def escape(text: str) -> str:
    """Escape a text for a line of Markdown, so that it is shown as it is."""
    return re.sub(r"([\\`*_\[\]<>#&~|])", r"\\\1", text)


def unescape(text: str) -> str:
    """Resolve the escapes and entities of a line of Markdown."""
    return _ESCAPED.sub(lambda m: m[1] or html.unescape(m[0]), text)


def bare(text: str) -> str:
    """Return a text without the emphasis or quotation marks that enclose all of it."""
    text = text.strip()
    for _ in range(_NESTED):
        match = _EMPHASIS.fullmatch(text)
        if match:
            text = match[2].strip()
        elif len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[-1] not in text[1:-1]:
            text = text[1:-1].strip()
        else:
            break
    return text


def plain_text(text: str) -> str:
    """Return a line without the marks of emphasis, code and line breaks in it, escapes resolved.

    Example:
        >>> plain_text("**Late *mi* pecho**<br>"), plain_text("2 * 3 * 4")
        ('Late mi pecho', '2 * 3 * 4')
    """
    text = text.strip()
    if not re.search(r"[*_~`\\&<]", text):
        return text
    text = re.sub(r"(?:<br ?/?>\s*)+$", "", without_break(text), flags=re.IGNORECASE)
    text = re.sub(r"<(\w{1,12})\b[^<>]{0,40}>([^<>]*)</\1>", r"\2", text)
    if len(text) <= _LONGEST:
        for _ in range(3):
            for pattern in _ENCLOSED:
                text = pattern.sub(r"\2", text)
    return unescape(text).strip()


def shown(text: str) -> str:
    """Return a value as a reader sees it: no emphasis around it, escapes resolved."""
    return unescape(bare(text)).strip()


def without_break(text: str) -> str:
    """Return a line without the mark for a hard line break at its end (a single backslash)."""
    text = text.rstrip()
    backslashes = len(text) - len(text.rstrip("\\"))
    return text[:-1].rstrip() if backslashes % 2 else text
