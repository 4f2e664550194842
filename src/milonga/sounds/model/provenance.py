"""The licence of a model: the terms of all that it has learnt from."""

from __future__ import annotations

import re
from collections.abc import Mapping

from milonga.sounds.model.header import ModelHeader

_LONGEST = 1_000
_UNSTATED = re.compile(r"(?:; )?not stated for (\d+) recordings?$")


def joined_licence(new: ModelHeader, old: ModelHeader | None, stated: Mapping[str, str]) -> str:
    """Join the terms of what a model has learnt from; empty where none are known.

    Args:
        new: the model.
        old: the one that it gives way to or goes on from: its licence, which the user may have
            written, counts for its own recordings.
        stated: terms of single recordings by hash, from their receipts.
    """
    known = {file.sha256 for file in old.corpus.files} if old else set()
    files = [file.sha256 for file in new.corpus.files]
    kept = old.licence if old and known.intersection(files) else ""
    unstated = sum(not (kept and file in known) and not stated.get(file) for file in files)
    if match := _UNSTATED.search(kept):
        kept, unstated = kept[: match.start()], unstated + int(match[1])
    terms = [*kept.split("; "), *(stated[file] for file in files if file in stated)]
    terms = [text for text in dict.fromkeys(terms) if text]
    if terms and unstated:
        terms.append(f"not stated for {unstated} recording{'' if unstated == 1 else 's'}")
    text = "; ".join(terms)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
