"""The texts that ACE-Step reads: a description with facts of the music, and tagged lyrics.

Source: the template of ACE-Step 1.5 (arXiv:2602.00744), as diffusers' pipeline fills it in.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from milonga.generators.base import LyricLine, Request, SongPart, Task
from milonga.generators.words.directions import flat
from milonga.generators.words.language import line_languages
from milonga.generators.words.sections import known_kind
from milonga.runtime.words import plain

_INSTRUCTIONS: dict[Task | None, str] = {
    None: "Fill the audio semantic mask based on the given conditions:",
    "repaint": "Repaint the mask area based on the given conditions:",
    "extend": "Repaint the mask area based on the given conditions:",
    "cover": "Generate audio semantic tokens based on the given conditions:",
    "extract": "Extract the {track} track from the audio:",
    "lego": "Generate the {track} track based on the audio context:",
    "complete": "Complete the input track with {track}:",
}
_UNNAMED: dict[Task | None, str] = {
    "extract": "Extract the track from the audio:",
    "lego": "Generate the track based on the audio context:",
    "complete": "Complete the input track:",
}
TRACKS = (
    "woodwinds", "brass", "fx", "synth", "strings", "percussion", "keyboard", "guitar", "bass",
    "drums", "backing_vocals", "vocals",
)  # fmt: skip
"""Instruments that the model knows by name."""

_TAUGHT = """
    ar az bg bn ca cs da de el en es fa fi fr he hi hr ht hu id is it ja ko la lt ms ne nl no pa
    pl pt ro ru sa sk sr sv sw ta te th tl tr uk ur vi yue zh
"""
LANGUAGES = frozenset(_TAUGHT.split())
"""Languages that the model was taught to sing."""
_UNKNOWN = "unknown"
_UNSAID = "N/A"

_ROLES = {
    "instrumental": "instrumental",
    "backing": "instrumental backing track",
    "texture": "ambient texture, no melody, instrumental",
}
_KEY = re.compile(r"([A-G])\s*([#b♯♭]?)\s*(major|minor)", re.IGNORECASE)
_SIGNATURES = {"2/2": "2", "2/4": "2", "3/4": "3", "3/8": "3", "4/4": "4", "6/8": "6"}
_TEMPI = 30, 300
_OWN = re.compile(r"\b(?:solo|drop|build|hook|rap|spoken|break|fade|end|refrain|interlude)")
"""Words for sections that the model's tags have besides the usual names."""
_LONGEST_MOOD = 32


@dataclass(frozen=True, slots=True)
class Texts:
    """What the model reads.

    Attributes:
        description: instruction, caption, tempo, time signature, key and length.
        lyrics: the language and the tagged lyrics.
    """

    description: str
    lyrics: str


def texts_of(request: Request, task: Task | None = None) -> Texts:
    """Write the texts for a request.

    Args:
        request: what to render.
        task: of an edit; None for music from words alone.
    """
    track = request.edit.track if request.edit else ""
    instruction = _instruction(task, track)
    facts = "".join(f"- {name}: {value}\n" for name, value in _facts(request).items())
    return Texts(
        f"# Instruction\n{instruction}\n\n# Caption\n{caption_of(request)}\n\n"
        f"# Metas\n{facts}<|endoftext|>\n",
        f"# Languages\n{language_of(request)}\n\n# Lyric\n{lyrics_of(request)}<|endoftext|>",
    )


def planner_texts(request: Request) -> tuple[str, str]:
    """Write the texts for the planner: what is asked for, and the same without the facts.

    The model writes codes after the second mark of an end, as its authors' program lets it: they
    give it the chat with the facts as a finished thought.
    """
    facts = "\n".join(
        f"{name}: {value.removesuffix(' seconds')}"
        for name, value in sorted(_facts(request).items())
        if value != _UNSAID
    )
    return _chat(request, facts), _chat(request, "")


def _chat(request: Request, thought: str) -> str:
    asked = f"# Caption\n{caption_of(request)}\n\n# Lyric\n{lyrics_of(request)}\n"
    return (
        f"<|im_start|>system\n# Instruction\n{_INSTRUCTIONS['cover']}\n\n<|im_end|>\n"
        f"<|im_start|>user\n{asked}<|im_end|>\n"
        f"<|im_start|>assistant\n<think>\n{thought}\n</think>\n\n<|im_end|>\n"
    )


def caption_of(request: Request) -> str:
    """Describe the music: style, mood, voice, what it is for, and what shall not be in it.

    The model has no negative prompt, so unwanted things are named with "no"; of a song in one take
    those of all its segments. A key or a time
    signature that has no place among its facts stands here.
    """
    parts = [*_said(request, "style"), *_said(request, "mood")]
    if request.role == "song":
        parts += _said(request, "voice")
    parts.append(_ROLES.get(request.role, ""))
    if request.role != "texture":
        parts.append("" if _key(request.key) else flat(request.key))
        parts.append("" if request.time in _SIGNATURES else f"{request.time} time")
    unwanted = "\n".join([request.negative, *(part.negative for part in request.parts)])
    words = dict.fromkeys(flat(word) for word in re.split(r"[,;\n]", unwanted))
    parts += [f"no {word}" for word in words if word]
    return ", ".join(part for part in parts if part) or "music"


def lyrics_of(request: Request) -> str:
    """Write the lyrics: a tag for each section, stage directions in square brackets."""
    if request.role != "song":
        return "[Instrumental]"
    parts = request.parts or (
        SongPart(section=request.section, seconds=request.seconds, lyrics=request.lyrics),
    )
    return "\n\n".join("\n".join(_block(part, request)) for part in parts)


def language_of(request: Request) -> str:
    """The language of most letters that are sung, as the model calls it."""
    if request.role != "song" or not request.sung:
        return _UNKNOWN
    letters: Counter[str] = Counter()
    for line, code in zip(request.sung, line_languages(request.sung), strict=True):
        letters[code.split("-")[0]] += len(line.text)
    found = letters.most_common(1)[0][0]
    return found if found in LANGUAGES else _UNKNOWN


def foreign_to(request: Request) -> list[str]:
    """List the languages of the lyrics that the model wasn't taught."""
    if request.role != "song":
        return []
    codes = (code.split("-")[0] for code in line_languages(request.sung))
    return sorted({code for code in codes if code not in LANGUAGES})


def tag_of(section: str) -> str:
    """Name a section as the model's tags do: "Estrofa 2" is "Verse 2"."""
    text, kind = flat(section), known_kind(section)
    if kind is None or kind in plain(text) or _OWN.search(plain(text)):
        return re.sub(r"(?<![\w'’])\w", lambda first: first[0].upper(), text) or "Verse"
    number = re.search(r"\d+", text)
    return kind.title() + (f" {number[0]}" if number else "")


def track_names(track: str) -> list[str]:
    """The instruments of an edit, as the model calls them: "backing vocals" in one word."""
    names = (flat(name) for name in track.split(","))
    joined = ((name, name.lower().replace(" ", "_")) for name in names if name)
    return [known if known in TRACKS else name for name, known in joined]


def _block(part: SongPart, request: Request) -> Iterable[str]:
    tag = tag_of(part.section)
    mood = flat(part.mood)
    if not any(line.text for line in part.lyrics):
        wordless = known_kind(part.section) in ("intro", "outro", "interlude", "instrumental")
        yield f"[{tag}]" if wordless else f"[{tag} - instrumental]"
    elif mood and mood != flat(request.mood) and len(mood) <= _LONGEST_MOOD:
        yield f"[{tag} - {mood}]"
    else:
        yield f"[{tag}]"
    for line in part.lyrics:
        yield from _line(line)


def _line(line: LyricLine) -> Iterable[str]:
    yield from (f"[{flat(direction)}]" for direction in line.directions if flat(direction))
    if line.text.strip():
        yield " ".join(line.text.split())


def _said(request: Request, field: str) -> list[str]:
    """What the request says, else what its parts say, each once."""
    own = flat(getattr(request, field))
    texts = [own] if own else [flat(getattr(part, field)) for part in request.parts]
    return list(dict.fromkeys(text for text in texts if text))


def _instruction(task: Task | None, track: str) -> str:
    if task not in _UNNAMED:
        return _INSTRUCTIONS[task]
    names = " | ".join(name.upper() for name in track_names(track))
    return _INSTRUCTIONS[task].format(track=names) if names else _UNNAMED[task]


def _facts(request: Request) -> dict[str, str]:
    tempo, texture = round(request.tempo), request.role == "texture"
    known = _TEMPI[0] <= tempo <= _TEMPI[1] and not texture
    return {
        "bpm": str(tempo) if known else _UNSAID,
        "timesignature": _UNSAID if texture else _SIGNATURES.get(request.time, _UNSAID),
        "keyscale": _UNSAID if texture else _key(request.key) or _UNSAID,
        "duration": f"{int(request.seconds)} seconds",
    }


def _key(text: str) -> str:
    found = _KEY.fullmatch(flat(text))
    return f"{found[1].upper()}{found[2]} {found[3].lower()}" if found else ""
