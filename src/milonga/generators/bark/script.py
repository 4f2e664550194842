"""The script of a request for Bark: the texts and the voice."""

from __future__ import annotations

from dataclasses import dataclass

from milonga.generators.bark import voices
from milonga.generators.bark.notation import phrases
from milonga.generators.bark.parts import MOST_TOKENS, ScriptPart, split, tokens_at_most
from milonga.generators.base import Request
from milonga.generators.words.language import other_language

_HINTS = {"man": "[MAN]", "woman": "[WOMAN]"}


@dataclass(frozen=True, slots=True)
class Script:
    """The texts and who sings them.

    Attributes:
        parts: in order, one call each.
        voice: a preset, the path of a file, or ``none``.
        language: that of most syllables.
        sex: as the sheet says, if it does.
        unsent: stage directions that Bark has no sign for.
        unknown: languages of the words that Bark doesn't know.
    """

    parts: tuple[ScriptPart, ...]
    voice: str
    language: str
    sex: str | None
    unsent: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    @property
    def prompts(self) -> list[str]:
        """The texts for the model. Without a preset each begins with a hint at the speaker."""
        hint = self._hint
        return [f"{hint} {part.prompt}" if hint else part.prompt for part in self.parts]

    @property
    def _hint(self) -> str:
        return _HINTS.get(self.sex or "", "") if self.voice == voices.NONE else ""

    @property
    def expected_s(self) -> list[float]:
        """Estimated seconds of each part."""
        return [part.seconds for part in self.parts]


def script_of(request: Request, voice: str, part_s: float) -> Script:
    """The script for a request.

    Args:
        request: its lyrics, voice, mood and style count.
        voice: the option: ``auto`` picks by language and sex.
        part_s: longest part, in seconds as estimated.
    """
    found, unsent = phrases(request)
    # Of a backing's answers alone, the language might be another than the lead's.
    whole, _ = phrases(request.model_copy(update={"role": "vocals"}))
    language, sex = voices.main_language(whole), voices.sex_of(request.voice)
    looks_like = other_language([line.text for line in request.lyrics if not line.language])
    if looks_like in voices.LANGUAGES:
        language = looks_like
    if voice == voices.AUTO:
        voice = voices.usual_voice(language, sex)
    most = MOST_TOKENS - tokens_at_most(_HINTS["woman"])
    parts = split(found, longest_s=part_s, most_tokens=most)
    codes = [phrase.language.split("-")[0] for phrase in found if phrase.words]
    unknown = [c for c in dict.fromkeys([*codes, looks_like]) if c and c not in voices.LANGUAGES]
    return Script(tuple(parts), voice, language, sex, tuple(unsent), tuple(unknown))
