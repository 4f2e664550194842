"""The score of the words in a recording: how many of the lyrics' words are heard, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from milonga.analysis.words.alignment import AlignedWord, HeardWord, align, edits, words_of

Phones = Callable[[str], list[str]]
"""The speech sounds of a text."""
_SOME = 0.1
"""Share of the lyrics' words that must be heard right before anything was sung: a recogniser that
is given music alone invents a few words, and some of them are in any lyrics."""


@dataclass(frozen=True, slots=True)
class LineScore:
    """One line of the lyrics, as it was heard.

    Attributes:
        text: the line.
        words: of it, and those that were added in it or after it.
    """

    text: str
    words: tuple[AlignedWord, ...]

    @property
    def right(self) -> int:
        return sum(word.kind == "right" for word in self.words)

    @property
    def start_s(self) -> float | None:
        """Where its first word was heard; None where none was."""
        return min((w.start_s for w in self._heard if w.start_s is not None), default=None)

    @property
    def end_s(self) -> float | None:
        """Where its last word ends."""
        return max((w.end_s for w in self._heard if w.end_s is not None), default=None)

    @property
    def _heard(self) -> list[AlignedWord]:
        return [word for word in self.words if word.kind in ("right", "wrong")]

    @property
    def faults(self) -> str:
        """What was wrong, in words; empty for a line that was heard as written."""
        parts = []
        for kind, what in (("missing", "missing"), ("wrong", "wrong"), ("added", "added")):
            found = [
                f"{w.expected} -> {w.heard}" if kind == "wrong" else w.expected or w.heard
                for w in self.words
                if w.kind == kind
            ]
            if found:
                parts.append(f"{what}: {', '.join(found)}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class WordScore:
    """The words of a recording against lyrics.

    Attributes:
        lines: of the lyrics.
        heard: everything that was recognised.
        language: that it was recognised in.
        phone_error: edits of speech sounds over their number; None where nobody can tell them.
        dropped: pieces that the recogniser itself takes for no speech, with their reasons.
    """

    lines: tuple[LineScore, ...]
    heard: tuple[HeardWord, ...]
    language: str
    phone_error: float | None = None
    dropped: tuple[str, ...] = ()

    def _count(self, kind: str) -> int:
        return sum(word.kind == kind for line in self.lines for word in line.words)

    @property
    def expected(self) -> int:
        """Words of the lyrics."""
        return sum(len(words_of(line.text)) for line in self.lines)

    @property
    def word_error(self) -> float:
        """Wrong, missing and added words over those of the lyrics."""
        wrong = self._count("wrong") + self._count("missing") + self._count("added")
        return wrong / self.expected

    @property
    def recognised(self) -> float:
        """Share of the lyrics' words that were heard right."""
        return self._count("right") / self.expected

    @property
    def no_words(self) -> bool:
        """True where so little was heard that nobody sings these words."""
        return self.recognised < _SOME

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.no_words:
            return "No words of these lyrics are heard."
        right = self._count("right")
        return f"{right} of {self.expected} words are heard as written."

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "language": self.language,
            "words": self.expected,
            "right": self._count("right"),
            "wrong": self._count("wrong"),
            "missing": self._count("missing"),
            "added": self._count("added"),
            "word_error": self.word_error,
            "phone_error": self.phone_error,
            "no_words": self.no_words,
            "verdict": self.verdict,
            "heard": " ".join(word.text for word in self.heard),
            "lines": [
                {
                    "text": line.text,
                    "start_s": line.start_s,
                    "end_s": line.end_s,
                    "faults": line.faults or None,
                    "words": [
                        {
                            "kind": w.kind, "expected": w.expected or None,
                            "heard": w.heard or None, "start_s": w.start_s, "end_s": w.end_s,
                        }
                        for w in line.words
                    ],
                }
                for line in self.lines
            ],
            "dropped": list(self.dropped),
        }  # fmt: skip


def score_words(
    lines: Sequence[str],
    heard: Sequence[HeardWord],
    *,
    language: str = "",
    phones: Phones | None = None,
    dropped: Sequence[str] = (),
) -> WordScore:
    """Hold lyrics against what was heard.

    Args:
        lines: of the lyrics, with at least one word.
        heard: words in order of time.
        language: of both.
        phones: gives the speech sounds of a text; then the phone error is computed, too.
        dropped: pieces that were not taken for speech.

    Raises:
        ValueError: the lyrics have no word.
    """
    if not any(words_of(line) for line in lines):
        raise ValueError("these lyrics have no word")
    aligned = align(lines, heard)
    by_line = Counter(word.line for word in aligned)
    scored, rest = [], iter(aligned)
    for number, text in enumerate(lines):
        scored.append(LineScore(text, tuple(next(rest) for _ in range(by_line[number]))))
    error = None
    if phones is not None:
        said = phones(" ".join(lines))
        error = edits(said, phones(" ".join(word.text for word in heard))) / max(1, len(said))
    return WordScore(tuple(scored), tuple(heard), language, error, tuple(dropped))
