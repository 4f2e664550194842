"""Scores of words: what is heard of a recording against its lyrics, with yardsticks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milonga import audio, weights
from milonga.analysis.statistics import LEVEL, Interval, mean_of
from milonga.analysis.words.lrc import lrc_text
from milonga.analysis.words.recogniser import Recogniser
from milonga.analysis.words.score import Phones, WordScore, score_words
from milonga.audio.clip import Clip
from milonga.errors import MilongaError, OutputError, ReceiptError, needs_extra
from milonga.generators.base import LyricLine, Request
from milonga.generators.registry import generator
from milonga.generators.words.language import line_languages
from milonga.runtime.files import paths_of, write_text
from milonga.runtime.progress import Progress
from milonga.songs.rendering.receipts import read_receipt
from milonga.songs.sheet.lyrics import parse_lyrics
from milonga.workflows.scoring.models import described
from milonga.workflows.scoring.voices import sung_takes, voice_alone

StrPath = str | os.PathLike[str]
RECOGNISER = "whisper-small"
_LONGEST_YARDSTICK_S = 30.0


@dataclass(frozen=True, slots=True)
class ScoredRecording:
    """One recording with its score.

    Attributes:
        path: the recording.
        words: what is heard of its words.
        seed, generator: of a take.
        heard_in: its voice alone, where that was at hand; None for the recording itself.
    """

    path: Path
    words: WordScore
    seed: int | None = None
    generator: str = ""
    heard_in: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "path": str(self.path),
            "generator": self.generator or None,
            "seed": self.seed,
            "heard_in": str(self.heard_in or self.path),
            **self.words.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of recordings, and what they are worth.

    Attributes:
        recordings: each with its words.
        means: mean word error by generator, over the seeds of one request, with an interval;
            only where there are at least two.
        yardsticks: the same lyrics sung by the guide, and the guide's band without a voice.
        recogniser: repository or folder, files and licence.
    """

    recordings: tuple[ScoredRecording, ...]
    means: dict[str, Interval]
    yardsticks: dict[str, WordScore]
    recogniser: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "recordings": [each.to_dict() for each in self.recordings],
            "level": LEVEL,
            "mean_word_error": {name: each.to_dict() for name, each in self.means.items()},
            "yardsticks": {name: each.to_dict() for name, each in self.yardsticks.items()},
            "recogniser": self.recogniser,
        }


def score_recordings(
    recordings: StrPath | Sequence[StrPath],
    *,
    lyrics: str | None = None,
    language: str | None = None,
    model: str = RECOGNISER,
    yardsticks: bool = True,
    stems: bool = True,
    lrc: StrPath | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Score the words that are sung or spoken in recordings.

    Args:
        recordings: takes (whose receipts say their lyrics) or any recordings. Stems of the voice
            alone are understood better than a mix. A folder stands for its takes: of a segment
            those of the layer that sings.
        lyrics: what should be heard; None to read it from the receipt beside each take. Words in
            square brackets are directions and not expected.
        language: code such as ``es``; None for that of the lyrics.
        model: a recogniser of the catalogue, or a repository or folder of the same kind.
        yardsticks: also score the guide's singing of the same words, and its band alone.
        stems: listen to a take's voice alone where ``milonga edit stems`` took it out.
        lrc: a folder for the lyrics with times, one ``.lrc`` a recording.
        progress: shows the work.

    Raises:
        MilongaError: no lyrics, no recogniser, a recording that can't be read.
        Cancelled: the user stopped it.
    """
    progress = progress or Progress()
    paths = [path for place in paths_of(recordings) for path in sung_takes(place)]
    asked = [_asked(path, lyrics, language) for path in paths]
    for path in paths:
        audio.probe(path)
    targets = {} if lrc is None else _lrc_paths(paths, Path(lrc))
    local = weights.ensure(model, like=RECOGNISER, progress=progress)
    recogniser = Recogniser(local.folder, model)
    phones = phones_of(asked[0].language) if asked else None
    scored = []
    with progress.task("Scoring", len(paths), "recordings") as task:
        for path, wanted in zip(paths, asked, strict=True):
            alone = voice_alone(path) if stems else None
            score = _score(audio.read(alone or path), wanted, recogniser, phones, progress)
            scored.append(ScoredRecording(path, score, wanted.seed, wanted.generator, alone))
            if path in targets:
                title = path.stem
                write_text(targets[path], lrc_text(score, title=title, source=model))
            task.advance()
    sticks = _yardsticks(asked[0], recogniser, phones, progress) if yardsticks and asked else {}
    return Scores(
        tuple(scored), _means(scored, asked), sticks, described(local, model, progress, RECOGNISER)
    )


def check_recogniser(model: str, progress: Progress) -> None:
    """Make sure, before long work, that a recogniser can be used after it.

    Raises:
        MilongaError: its extra is missing, or its weights can't be had.
    """
    with needs_extra("Recognising words", "scores"):
        import faster_whisper  # noqa: F401
    weights.ensure(model, like=RECOGNISER, progress=progress)


@dataclass(frozen=True, slots=True)
class _Asked:
    lines: tuple[LyricLine, ...]
    language: str
    request: Request | None = None
    generator: str = ""
    seed: int | None = None

    @property
    def texts(self) -> list[str]:
        return [line.text for line in self.lines]


def _asked(path: Path, lyrics: str | None, language: str | None) -> _Asked:
    request, made_by, seed = None, "", None
    if lyrics is not None:
        lines = parse_lyrics(lyrics, language)
    else:
        try:
            receipt = read_receipt(path.with_suffix(".json"))
        except ReceiptError as error:
            raise MilongaError(
                "Nobody says which words should be heard here: there is no receipt beside it.",
                where=path,
                step="Give the lyrics: --lyrics FILE",
            ) from error
        request, made_by, seed = receipt.request, receipt.generator, receipt.seed
        lines = request.lyrics
    sung = tuple(line for line in lines if line.text)
    if not sung:
        raise MilongaError(
            "There are no words to listen for: these lyrics have none.",
            where=path,
            step="Give other lyrics with --lyrics FILE, or score a take of a voice.",
        )
    spoken = language or max(set(languages := line_languages(sung)), key=languages.count)
    return _Asked(sung, spoken, request, made_by, seed)


def sings(request: Request) -> bool:
    """Say whether a take of a request should have words to listen for."""
    return request.role in ("vocals", "song") and bool(request.sung)


def sings_words(path: Path) -> bool:
    """Say whether a recording is a take that should have words to listen for."""
    try:
        return sings(read_receipt(path.with_suffix(".json")).request)
    except ReceiptError:
        return False


def hear_words(
    clip: Clip, request: Request, recogniser: Recogniser, progress: Progress
) -> WordScore:
    """Score the words of a clip against those of a request, which has some.

    Raises:
        MilongaError: the recogniser doesn't know their language.
        Cancelled: the user stopped it.
    """
    languages = line_languages(request.sung)
    asked = _Asked(request.sung, max(set(languages), key=languages.count))
    return _score(clip, asked, recogniser, phones_of(asked.language), progress)


def _score(
    clip: Clip,
    asked: _Asked,
    recogniser: Recogniser,
    phones: Phones | None,
    progress: Progress,
) -> WordScore:
    heard = recogniser.hear(clip, asked.language, progress)
    return score_words(
        asked.texts, heard.words, language=heard.language, phones=phones, dropped=heard.dropped
    )


def phones_of(language: str) -> Phones | None:
    """Return what gives the speech sounds of a text, by eSpeak NG; None where it isn't installed or
    has no such language."""
    try:
        from milonga.generators.guide.voice.espeak import Espeak, has_voice

        if not has_voice(language):
            return None
    except (ImportError, MilongaError):
        return None
    engine = Espeak()

    def phones(text: str) -> list[str]:
        words = text.split()
        spoken = engine.speak(words, language).phones if words else ()
        # Stress and length are sung as the tune wants them.
        return [phone.symbol.strip("ˈˌːˑ") for phone in spoken if not phone.pause]

    return phones


def _yardsticks(
    asked: _Asked, recogniser: Recogniser, phones: Phones | None, progress: Progress
) -> dict[str, WordScore]:
    """Score the guide's own singing of the words, and its band, which has none."""
    try:
        guide = generator("guide")
    except MilongaError as error:
        progress.message(f"Without yardsticks: {error.note}")
        return {}
    seconds = asked.request.seconds if asked.request else max(8.0, 3.0 * len(asked.lines))
    wanted = asked.request or Request(
        role="vocals", section="verse", seconds=seconds, tempo=100, key="C major", seed=0
    )
    common: Mapping[str, Any] = {
        "seconds": min(seconds, _LONGEST_YARDSTICK_S), "options": {}, "seed": 0,
        "parts": (), "edit": None,
    }  # fmt: skip
    # As many lines as fit into the time.
    share = max(1, round(len(asked.lines) * min(1.0, _LONGEST_YARDSTICK_S / seconds)))
    lines = asked.lines[:share]
    found = {}
    for name, role, words in (
        ("sung by the guide", "vocals", lines),
        ("the guide's band alone", "instrumental", ()),
    ):
        request = wanted.model_copy(update={**common, "role": role, "lyrics": words})
        clip = guide.render(request, progress)
        part = _Asked(lines, asked.language)
        found[name] = _score(clip, part, recogniser, phones, progress)
    return found


def _means(scored: Sequence[ScoredRecording], asked: Sequence[_Asked]) -> dict[str, Interval]:
    """The mean over seeds of one request, by generator."""
    groups: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for each, wanted in zip(scored, asked, strict=True):
        if wanted.request is not None and wanted.seed is not None:
            same = wanted.request.model_copy(update={"seed": 0}).model_dump_json()
            values = groups.setdefault((each.generator, same), [])
            values.append((wanted.seed, each.words.word_error))
    several = {key: values for key, values in groups.items() if len(values) > 1}
    names = [name for name, _ in several]
    return {
        name if names.count(name) == 1 else f"{name} ({number})": mean_of(
            [value for _, value in values], [seed for seed, _ in values]
        )
        for number, ((name, _), values) in enumerate(several.items(), start=1)
    }


def _lrc_paths(paths: Sequence[Path], folder: Path) -> dict[Path, Path]:
    targets = {path: folder / f"{path.stem}.lrc" for path in paths}
    if len(set(targets.values())) < len(targets):
        raise OutputError(
            "Two recordings have the same name, and so would their lyrics.",
            where=folder,
            step="Score them one after the other, into two folders.",
        )
    for target in targets.values():
        if target.exists():
            raise OutputError(
                "There is a file already.", where=target, step="Choose another --lrc."
            )
    return targets
