"""All that can be said of recordings at once: facts, words, style and mood, ratings."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from milonga import weights
from milonga.analysis.scores.aesthetics import Aesthetics
from milonga.analysis.scores.text_match import TextMatch
from milonga.errors import Cancelled, MilongaError, MissingExtraError, ReceiptError
from milonga.generators.base import Request
from milonga.runtime.files import paths_of
from milonga.runtime.progress import Progress
from milonga.songs.rendering.receipts import read_receipt
from milonga.workflows.scoring.facts import HeldRecordings, check_facts
from milonga.workflows.scoring.matching import CLAP, match_texts
from milonga.workflows.scoring.models import Heard
from milonga.workflows.scoring.rating import AESTHETICS, rate_recordings
from milonga.workflows.scoring.voices import sung_takes
from milonga.workflows.scoring.words import RECOGNISER, Scores, score_recordings, sings

StrPath = str | os.PathLike[str]
FoundT = TypeVar("FoundT")
Part = Literal["facts", "words", "match", "ratings"]
PARTS: tuple[Part, ...] = ("facts", "words", "match", "ratings")
_USUAL: dict[Part, str] = {"words": RECOGNISER, "match": CLAP, "ratings": AESTHETICS}


@dataclass(frozen=True, slots=True)
class AllScores:
    """What is said of recordings; a part that nobody asked for, or that can't be told, is None.

    Attributes:
        facts: what the sheet asked for: met, not met, can't tell.
        words: those that are heard.
        match: with style and mood.
        ratings: as listeners would give them.
        left_out: why a part isn't there, or lacks recordings, by its name.
    """

    facts: HeldRecordings | None = None
    words: Scores | None = None
    match: Heard[TextMatch] | None = None
    ratings: Heard[Aesthetics] | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        parts = {name: getattr(self, name) for name in PARTS}
        found = {name: each and each.to_dict() for name, each in parts.items()}
        return found | {"left_out": dict(self.left_out)}


def score(
    recordings: StrPath | Sequence[StrPath],
    *,
    parts: Collection[Part] = (),
    asked: Mapping[str, Any] | None = None,
    lyrics: str | None = None,
    language: str | None = None,
    text: str | None = None,
    models: Mapping[Part, str] | None = None,
    yardsticks: bool = True,
    stems: bool = True,
    lrc: StrPath | None = None,
    progress: Progress | None = None,
) -> AllScores:
    """Say all that can be told of recordings: facts, words, style and mood, ratings.

    Without ``parts``, models are used that are on this machine; what is left out, and why, is said.
    A part that is asked for downloads its model, and so do lyrics, a text or a model given here.

    Args:
        recordings: takes, whose receipts say what was asked for, or any recordings. A folder stands
            for its takes: of a segment those of the layer that sings.
        parts: those wanted: ``facts``, ``words``, ``match``, ``ratings``; all that can be told if
            none is named.
        asked: what facts are held against, as ``check_facts`` takes it: ``{"tempo": 122}``.
        lyrics, language, yardsticks, stems, lrc: as ``score_recordings`` takes them.
        text: a description, as ``match_texts`` takes it.
        models: in place of the usual ones, by part.
        progress: shows the work.

    Raises:
        MilongaError: a recording can't be read, or a part that was asked for can't be told.
        Cancelled: the user stopped it.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> milonga.write("tone.wav", milonga.Clip(np.sin(np.arange(44100) / 8) / 4, 44100))
        >>> found = milonga.score("tone.wav", asked={"seconds": 1}, parts=["facts"])
        >>> found.facts.recordings[0][1][0].verdict, found.words
        ('met', None)
    """
    progress = progress or Progress()
    paths = [path for place in paths_of(recordings) for path in sung_takes(place)]
    models = models or {}
    wanted: set[Part] = set(parts or PARTS)
    named: set[Part] = {*parts, *models}
    if lyrics is not None or lrc is not None:
        named.add("words")
    if text is not None:
        named.add("match")
    left_out: dict[str, str] = {}

    def told(
        part: Part, fits: Callable[[Request], bool] | None, why: str,
        tell: Callable[[list[Path], str], FoundT],
    ) -> FoundT | None:  # fmt: skip
        if part not in wanted:
            return None
        own = [path for path in paths if fits is None or _of_take(path, fits)]
        model = models.get(part, _USUAL.get(part, ""))
        if not own and part not in named:
            left_out[part] = why
            return None
        if part not in named and model and not _at_hand(model, _USUAL[part]):
            left_out[part] = f"{model} isn't on this machine (milonga weights get {model})"
            return None
        if own and len(own) < len(paths):
            left_out[part] = f"{len(paths) - len(own)} of {len(paths)} recordings: {why}"
        try:
            return tell(own or paths, model)
        except Cancelled:
            raise
        except MissingExtraError as error:
            if part in named:
                raise
            left_out[part] = error.note or error.message
        return None

    facts = told(
        "facts", None, "", lambda all_, _: check_facts(all_, progress=progress, **(asked or {}))
    )
    words = told(
        "words", None if lyrics is not None else sings,
        "nobody says which words should be heard (--lyrics FILE)",
        lambda own, model: score_recordings(
            own, lyrics=lyrics, language=language, model=model, yardsticks=yardsticks, stems=stems,
            lrc=lrc, progress=progress,
        ),
    )  # fmt: skip
    match = told(
        "match", None if text is not None else _described,
        "nobody says how it should sound (--text WORDS)",
        lambda own, model: match_texts(own, text=text, model=model, progress=progress),
    )  # fmt: skip
    ratings = told(
        "ratings", None, "", lambda all_, model: rate_recordings(all_, model=model,
                                                                progress=progress),
    )  # fmt: skip
    return AllScores(facts, words, match, ratings, left_out)


def _of_take(path: Path, fits: Callable[[Request], bool]) -> bool:
    try:
        return fits(read_receipt(path.with_suffix(".json")).request)
    except ReceiptError:
        return False


def _described(request: Request) -> bool:
    return bool(f"{request.style}{request.mood}".strip())


def _at_hand(model: str, like: str) -> bool:
    try:
        return weights.locate(model, like=like) is not None
    except MilongaError:
        return False
