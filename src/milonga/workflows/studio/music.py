"""What is known of the music in takes: by the generator that wrote it, else as it is heard."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from milonga import weights
from milonga.analysis.melody import melody_of
from milonga.analysis.words.recogniser import Recogniser
from milonga.analysis.words.score import LineScore, score_words
from milonga.audio.clip import Clip
from milonga.errors import MilongaError
from milonga.generators.base import Generator, LyricLine, Request
from milonga.generators.notation import Notation, WrittenLine, WrittenNote, WrittenPart
from milonga.generators.registry import generator_class, make_generator
from milonga.generators.words.language import line_languages
from milonga.runtime.progress import Progress
from milonga.songs.export.score import within
from milonga.songs.export.stems import sums_to
from milonga.songs.output.mixing import PlayedTake
from milonga.songs.sheet.model import Sheet
from milonga.workflows.scoring.words import RECOGNISER
from milonga.workflows.songs import options_then

_TUNED = ("vocals", "song", "instrumental")
"""Roles in which a take has a melody."""
_OOHS = 53
"""General MIDI's program for a voice."""


class TakeMusic:
    """The instrument groups, notes and sung words of the takes in a song.

    What a generator wrote counts only where it plays the take's samples again: another version
    may write other notes.

    Attributes:
        notes: what the user should know.
    """

    def __init__(self, sheet: Sheet, progress: Progress) -> None:
        self._sheet, self._progress = sheet, progress
        self._groups: tuple[Path, Mapping[str, Clip]] = Path(), {}
        self._written: dict[Path, Notation | None] = {}
        self._recogniser: Recogniser | None = None
        self.notes: list[str] = []

    def groups(self, take: PlayedTake) -> Mapping[str, Clip]:
        """Return the instrument groups of a take as it plays; none where they can't be told
        apart."""
        if self._groups[0] != take.take.path:
            self._play_again(take)
        return self._cut(self._groups[1], take)

    def notation(self, take: PlayedTake) -> Notation | None:
        """Return the notes and words of a take as it plays, measured where nobody wrote them."""
        if take.take.path not in self._written:
            self._play_again(take)
        written = self._written[take.take.path]
        rate = take.input.clip.sample_rate
        start_s = take.start / rate
        if written is not None:
            return within(written, start_s, start_s + take.input.clip.seconds)
        return Notation(
            take.input.clip.seconds, tuple(self._melody(take)), tuple(self._heard(take))
        )

    def _play_again(self, take: PlayedTake) -> None:
        groups, written = self._play(take)
        # Of the groups only one take's are kept: they are large.
        self._groups = take.take.path, groups
        self._written[take.take.path] = written

    def _play(self, take: PlayedTake) -> tuple[Mapping[str, Clip], Notation | None]:
        receipt = take.take.receipt
        if receipt.request.edit is not None or not _writes(receipt.generator):
            return {}, None
        request = receipt.request.model_copy(update={"seed": receipt.seed_used})
        try:
            generator = make_generator(receipt.generator, options_then(receipt))
            gain = 10 ** (receipt.sound.level_db / 20)
            found = {
                name: clip.scaled(gain).fitted(receipt.sound.n_samples)
                for name, clip in generator.groups(request, self._progress).items()
            }
            if sums_to(self._cut(found, take), take.input.clip):
                return found, generator.notation(request)
            why = "another version made it"
        except MilongaError as error:
            why = error.message.rstrip(".")
        self.notes.append(f"{take.take.name}: its instruments and notes aren't known ({why}).")
        return {}, None

    def _cut(self, groups: Mapping[str, Clip], take: PlayedTake) -> dict[str, Clip]:
        end = take.start + take.input.clip.n_samples
        return {name: clip[take.start : end] for name, clip in groups.items()}

    def _heard(self, take: PlayedTake) -> list[WrittenLine]:
        """The lines of the lyrics, where a recogniser hears them."""
        sung = [line for line in self._lyrics(take) if line.text]
        if take.role not in ("vocals", "song") or not sung:
            return []
        local = weights.locate(RECOGNISER) if find_spec("faster_whisper") else None
        if local is None:
            self.notes.append(
                f"{take.take.name}: the times of its words aren't known. To have them heard: "
                f"milonga weights get {RECOGNISER} (and the extra 'scores')."
            )
            return []
        self._recogniser = self._recogniser or Recogniser(local.folder, RECOGNISER)
        languages = line_languages(sung)
        language = max(set(languages), key=languages.count)
        try:
            heard = self._recogniser.hear(take.input.clip, language, self._progress)
        except MilongaError as error:
            self.notes.append(f"{take.take.name}: its words weren't timed: {error.message}")
            return []
        score = score_words([line.text for line in sung], heard.words, language=heard.language)
        return [found for line in score.lines if (found := _timed(line)) is not None]

    def _melody(self, take: PlayedTake) -> list[WrittenPart]:
        """The melody as it is heard, where a transcriber is installed."""
        if take.role not in _TUNED or not find_spec("swift_f0"):
            return []
        notes = tuple(
            WrittenNote(note.start_s, note.end_s, min(max(round(note.pitch), 0), 127), 90)
            for note in melody_of(take.input.clip, self._progress)
        )
        if not notes:
            return []
        self.notes.append(
            f"{take.take.name}: its melody is estimated; in a whole band it has gaps and errors."
        )
        sung = take.role in ("vocals", "song")
        return [
            WrittenPart(
                f"melody of {take.role}", "voice" if sung else "lead", _OOHS if sung else 0, notes,
                estimated=True,
            )
        ]  # fmt: skip

    def _lyrics(self, take: PlayedTake) -> list[LyricLine]:
        request: Request = take.take.receipt.answers
        numbers = [segment.number for segment in self._sheet.segments]
        if len(request.parts) != len(numbers):
            return [*request.lyrics]
        own = (request.parts[numbers.index(number)] for number in take.numbers)
        return [line for part in own for line in part.lyrics]


def _writes(name: str) -> bool:
    try:
        return generator_class(name).notation is not Generator.notation
    except MilongaError:
        return False


def _timed(line: LineScore) -> WrittenLine | None:
    """A line as it was heard; None for one of which nothing was."""
    if line.start_s is None or line.end_s is None:
        return None
    words: list[tuple[str, float, float]] = []
    for word in line.words:
        if word.kind == "added":
            continue
        if word.start_s is not None and word.end_s is not None:
            words.append((word.expected, word.start_s, word.end_s))
        elif words:
            # Not heard: it follows the word before.
            text, start, end = words[-1]
            words[-1] = f"{text} {word.expected}", start, end
        else:
            words.append((word.expected, line.start_s, line.start_s))
    return WrittenLine(line.text, line.start_s, line.end_s, tuple(words), RECOGNISER)
