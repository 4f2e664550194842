"""What of a text a model can read: its tokenizer drops letters that it was never taught."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_UNKNOWN = ("<unk>", "[UNK]")
_NAMED, _LONGEST = 8, 30


def unread(tokenizer: Path | None, texts: Iterable[str]) -> list[str]:
    """List the words and letters of texts that a model has no sign for, each once.

    Args:
        tokenizer: the model's ``tokenizer.json``. Without one, letters of other scripts than
            Latin are listed: none of the models with a vocabulary of English knows them all.
        texts: as the model gets them.
    """
    known = _tokenizer(tokenizer) if tokenizer is not None and tokenizer.is_file() else None
    found: dict[str, None] = {}
    for text in texts:
        pieces = _foreign(text) if known is None else _dropped(known, text)
        # Signs such as a note are no loss.
        found.update(dict.fromkeys(piece for piece in pieces if any(map(str.isalpha, piece))))
    return list(found)


def tokens_in(tokenizer: Path | None, text: str) -> int | None:
    """Count the tokens of a text as the model reads it; None without its ``tokenizer.json``."""
    known = _tokenizer(tokenizer) if tokenizer is not None and tokenizer.is_file() else None
    return None if known is None else len(known.encode(text).ids)


def unread_note(title: str, pieces: list[str]) -> str:
    """Say in a line what a model can't read, and what to do."""
    shown = [piece if len(piece) <= _LONGEST else f"{piece[:_LONGEST]}..." for piece in pieces]
    more = f" and {len(pieces) - _NAMED} more" if len(pieces) > _NAMED else ""
    return (
        f"{title} has no sign for {', '.join(shown[:_NAMED])}{more}: it isn't told of that. "
        "Write it in English."
    )


def cut_note(title: str, tokenizer: Path, text: str, limit: int) -> str | None:
    """Say where a text ends for a model that reads at most ``limit`` tokens of it; None where it
    reads all, or where the tokenizer isn't there."""
    known = _tokenizer(tokenizer) if tokenizer.is_file() else None
    if known is None:
        return None
    encoded = known.encode(text)
    if len(encoded.ids) <= limit:
        return None
    # The last token may be a sign for the end.
    ends = [stop for _, stop in encoded.offsets[: limit - 1]]
    return (
        f"{title} reads {limit} tokens of a description, and this has {len(encoded.ids)}: for the "
        f"model it ends at {text[: max(ends)][-_LONGEST:]!r}. Shorten it."
    )


@functools.lru_cache(4)
def _tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception:  # noqa: BLE001 - the library has no class for it; loading will explain it
        return None
    # A file may hold the limits of the last text that its author encoded.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _dropped(tokenizer: Any, text: str) -> Iterable[str]:
    ends = {tokenizer.token_to_id(name) for name in _UNKNOWN} - {None}
    encoded = tokenizer.encode(text, add_special_tokens=False)
    for token, (start, stop) in zip(encoded.ids, encoded.offsets, strict=True):
        if token in ends:
            yield text[start:stop].strip()


def _foreign(text: str) -> Iterable[str]:
    return (
        word
        for word in text.split()
        if any(c.isalpha() and not unicodedata.name(c, "").startswith("LATIN") for c in word)
    )
