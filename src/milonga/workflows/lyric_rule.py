"""The rule for the best take that needs a recogniser: how many of the words are heard."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec

from milonga import weights
from milonga.analysis.words.recogniser import Recogniser
from milonga.analysis.words.score import score_words
from milonga.errors import MilongaError, MissingExtraError
from milonga.generators.words.language import line_languages
from milonga.songs.output.best import RULES, Judged, Rule, rule_named
from milonga.workflows.scoring.words import RECOGNISER


def words_right(judged: Judged) -> float | None:
    """Return the share of a take's lyrics that is heard; None for a take without a voice, or where
    no recogniser is on this machine."""
    sung = judged.asked.sung
    if judged.asked.role not in ("vocals", "song") or not sung:
        return None
    local = weights.locate(RECOGNISER) if find_spec("faster_whisper") else None
    if local is None:
        return None
    languages = line_languages(sung)
    heard = _recogniser(local.folder).hear(judged.clip, max(set(languages), key=languages.count))
    return 100 * score_words([line.text for line in sung], heard.words).recognised


_recogniser = lru_cache(maxsize=1)(lambda folder: Recogniser(folder, RECOGNISER))

RULES["words"] = Rule(
    f"The most of the lyrics' words heard by {RECOGNISER}. Where that is on this machine it also "
    "comes before every other rule: a voice that nobody understands is no good take.",
    "% of the words", "higher", words_right, always=True,
)  # fmt: skip


def check_rule(name: str | None) -> None:
    """Refuse a rule that isn't there, or whose recogniser isn't.

    Raises:
        UnknownNameError: there is no such rule.
        MissingExtraError, MilongaError: the rule ``words`` has no recogniser.
    """
    if name is None:
        return
    rule_named(name)
    if name != "words":
        return
    if not find_spec("faster_whisper"):
        raise MissingExtraError("Recognising words", "scores")
    if weights.locate(RECOGNISER) is None:
        raise MilongaError(
            f"The rule {name!r} listens with {RECOGNISER}, which isn't on this machine.",
            step=f"Download it once: milonga weights get {RECOGNISER}",
        )
