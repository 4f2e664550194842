"""What a song's report says of each take: what the sheet asked for, and the words that are heard.

Hearing words takes time and a model. So they are heard when somebody asks for them, kept beside the
takes, and shown in every report after that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from milonga import weights
from milonga.analysis.facts.model import Fact, Verdict
from milonga.analysis.words.recogniser import Recogniser
from milonga.analysis.words.score import WordScore
from milonga.audio.clip import Clip
from milonga.errors import MilongaError
from milonga.runtime.documents import read_json
from milonga.runtime.files import dump_json, write_text
from milonga.runtime.progress import Progress
from milonga.songs.rendering.receipts import Receipt
from milonga.workflows.scoring.facts import receipt_facts, request_of
from milonga.workflows.scoring.words import RECOGNISER, hear_words, sings

WORDS = "words.json"
_MET = 0.8


class TakeListener:
    """Holds takes against their receipts; ``write_song_report`` calls it.

    Args:
        out: folder of the song, where heard words are kept.
        words: recogniser that hears what was not heard before; None for none.
        progress: shows its download and its work.

    Raises:
        MilongaError: the recogniser isn't there, or can't be loaded.
    """

    def __init__(
        self, out: Path, words: str | None = None, progress: Progress | None = None
    ) -> None:
        self._path, self._progress = out / WORDS, progress or Progress()
        self._recogniser: Recogniser | None = None
        if words is not None:
            local = weights.ensure(words, like=RECOGNISER, progress=progress)
            self._recogniser = Recogniser(local.folder, words)
        try:
            self._kept: dict[str, Any] = read_json(self._path)
        except (OSError, ValueError):
            self._kept = {}

    def __call__(self, receipt: Receipt, clip: Clip, part: int | None) -> list[dict[str, Any]]:
        """Return the facts of a take, or of a segment's piece of a take of the whole song."""
        facts = receipt_facts(receipt, clip, part)
        request = request_of(receipt.answers, part)
        if not sings(request):
            return facts
        key = f"{receipt.sound.sha256}{'' if part is None else f' {part}'}"
        if key not in self._kept and self._recogniser is not None:
            try:
                found = hear_words(clip, request, self._recogniser, self._progress)
            except MilongaError as error:
                about = f"{error.message.rstrip('.')}."
                return [*facts, Fact("words", "sung", "", "can't tell", about=about).to_dict()]
            self._kept[key] = word_fact(found).to_dict()
            write_text(self._path, dump_json(self._kept))
        return _with_words(facts, self._kept[key]) if key in self._kept else facts


def _with_words(facts: list[dict[str, Any]], words: dict[str, Any]) -> list[dict[str, Any]]:
    """Add the words; where they are heard, somebody sings, whatever the music hides."""
    if words["verdict"] == "met":
        facts = [
            fact | {"verdict": "met", "about": "Its words are heard."}
            if fact["name"] == "voice" and fact["verdict"] == "can't tell"
            else fact
            for fact in facts
        ]
    return [*facts, words]


def word_fact(found: WordScore) -> Fact:
    """Put heard words as a fact: met from eight in ten on, not met under one in ten. Between them
    nobody can tell a bad singer from a recogniser that mishears."""
    right = round(found.recognised * found.expected)
    faults = [
        f"{line.text!r}{'' if line.start_s is None else f' ({line.start_s:.1f} s)'}: {line.faults}"
        for line in found.lines
        if line.faults
    ]
    verdict: Verdict = "can't tell"
    if found.no_words or found.recognised >= _MET:
        verdict = "not met" if found.no_words else "met"
    more = f" and {len(faults) - 3} more lines" if len(faults) > 3 else ""
    about = "" if found.no_words or not faults else f"{'; '.join(faults[:3])}{more}."
    return Fact(
        "words", f"{found.expected} of them", f"{right} as written",
        verdict, about=about, value=found.recognised,
    )  # fmt: skip
