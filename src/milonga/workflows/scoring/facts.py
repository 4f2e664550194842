"""What a sheet asks for, held against recordings: tempo, metre, key, chords, length, voice."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from milonga import audio
from milonga.analysis.facts.held import held, measures
from milonga.analysis.facts.model import Asked, AskedChord, Fact
from milonga.analysis.facts.voice import Voice, voice_of
from milonga.analysis.pairs.sketch import sketch
from milonga.audio.clip import Clip
from milonga.errors import ComparisonError, MilongaError, MissingExtraError, ReceiptError
from milonga.generators.base import Request
from milonga.generators.guide.band.harmony import parse_key
from milonga.generators.measures import metre_of, parse_chords
from milonga.generators.words.directions import FEMALE_WORDS, MALE_WORDS, says
from milonga.runtime.files import paths_of
from milonga.runtime.progress import Progress
from milonga.runtime.words import plain
from milonga.songs.rendering.receipts import Receipt, read_receipt

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class HeldRecordings:
    """Recordings, each with what was asked for and what is heard."""

    recordings: tuple[tuple[Path, tuple[Fact, ...]], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "recordings": [
                {"path": str(path), "facts": [fact.to_dict() for fact in facts]}
                for path, facts in self.recordings
            ]
        }


def check_facts(
    recordings: StrPath | Sequence[StrPath],
    *,
    seconds: float | None = None,
    tempo: float | None = None,
    time: str | None = None,
    key: str | None = None,
    chords: str | None = None,
    voice: str | None = None,
    progress: Progress | None = None,
) -> HeldRecordings:
    """Hold recordings against what was asked for: met, not met, or can't tell.

    Args:
        recordings: takes, whose receipts say what was asked for, or any recordings.
        seconds: length asked for; the receipt's where it is None, as with all that follow.
        tempo: beats per minute.
        time: metre, such as ``3/4``.
        key: such as ``A minor``.
        chords: one a bar, as in sheets: ``Am:2 F C``; they need tempo and metre (4/4 if not said).
        voice: such as ``female``; ``none`` for no voice.
        progress: shows the work.

    Raises:
        MilongaError: a recording can't be read, or what was asked for is none that is known.
        Cancelled: the user stopped it.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> t = np.arange(4 * 22050) / 22050
        >>> chord = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 261.63, 329.63)) / 4
        >>> milonga.write("chord.wav", milonga.Clip(chord, 22050))
        >>> ((_, facts),) = milonga.check_facts("chord.wav", seconds=4, key="A minor").recordings
        >>> [(fact.name, fact.verdict) for fact in facts if fact.verdict]
        [('length', 'met'), ('key', 'met')]
    """
    paths = paths_of(recordings)
    given = {
        "seconds": seconds, "tempo": tempo, "time": time, "key": key, "chords": chords,
        "voice": voice,
    }  # fmt: skip
    asked = [_asked(path, {k: v for k, v in given.items() if v is not None}) for path in paths]
    for path in paths:
        audio.probe(path)
    found = []
    with (progress or Progress()).task("Listening", len(paths), "recordings") as task:
        for path, wanted in zip(paths, asked, strict=True):
            found.append((path, facts_of(audio.read(path), wanted)))
            task.advance()
    return HeldRecordings(tuple(found))


def facts_of(clip: Clip, asked: Asked) -> tuple[Fact, ...]:
    """Hold a clip against what was asked for.

    Raises:
        ComparisonError: the clip is empty.
    """
    if not clip.n_samples:
        raise ComparisonError("There is no sound to listen to (0 samples).")
    heard: Voice | None = None
    why = ""
    try:
        heard = voice_of(clip)
    except MissingExtraError as error:
        # Said of every take, in reports that others read: without this machine's command.
        why = error.message
    return held(measures(sketch(clip), heard, why), asked)


def receipt_facts(receipt: Receipt, clip: Clip, part: int | None = None) -> list[dict[str, Any]]:
    """Hold a take against its receipt; nothing for one that holds no sound.

    Args:
        receipt: of the take.
        clip: the take, or a piece of it.
        part: which segment of a song in one take the piece is, from 0; None for the whole take.
    """
    try:
        exact = receipt.length == "exact"
        asked = (
            asked_of(receipt.answers, exact=exact)
            if part is None
            # Where a piece begins and ends is where it was cut, which is no fact of the take.
            else replace(asked_of(request_of(receipt.answers, part)), seconds=None)
        )
        return [fact.to_dict() for fact in facts_of(clip, asked)]
    except MilongaError:
        return []


def asked_of(request: Request, *, exact: bool = False) -> Asked:
    """Return what a request asks for, as far as it can be held against a recording."""
    sings = request.role in ("vocals", "song") and bool(request.sung)
    silent = request.role in ("instrumental", "backing", "texture")
    asked = Asked(
        seconds=request.seconds,
        exact=exact,
        pickup=request.pickup,
        sung=True if sings else False if silent else None,
        voice=_sex(request.voice) if sings else "",
    )
    if request.parts:
        return replace(asked, **_shared(request))
    # A bed of sound has no beat, a voice alone neither chords nor a beat that one hears.
    if request.role == "texture":
        return replace(asked, **_key_fields(request.key))
    if request.role == "vocals" and request.accompanied:
        return replace(asked, **_key_fields(request.key))
    return replace(
        asked,
        tempo=request.tempo,
        **_metre_fields(request.time),
        **_key_fields(request.key),
        chords=_chords(request.chords) if request.chords else (),
    )


def request_of(request: Request, part: int | None) -> Request:
    """Return what is asked of one segment of a song in one take; all of it without a part."""
    if part is None:
        return request
    own = request.parts[part]
    fields = ("style", "mood", "voice", "negative", "key", "time", "tempo")
    update = {name: getattr(own, name) or getattr(request, name) for name in fields}
    same = {name: getattr(own, name) for name in
            ("section", "seconds", "lyrics", "chords", "pickup")}  # fmt: skip
    # Nobody should sing where there are no words.
    role = request.role if request.role != "song" or own.lyrics else "instrumental"
    return request.model_copy(update=update | same | {"parts": (), "role": role})


def _shared(request: Request) -> dict[str, Any]:
    """Return the tempo, metre and key of a song in one take, those that all its segments have."""
    parts = [request_of(request, number) for number in range(len(request.parts))]
    tempi, times, keys = ({getattr(part, name) for part in parts} for name in
                          ("tempo", "time", "key"))  # fmt: skip
    return {
        **({"tempo": parts[0].tempo} if len(tempi) == 1 else {}),
        **(_metre_fields(parts[0].time) if len(times) == 1 and len(tempi) == 1 else {}),
        **(_key_fields(parts[0].key) if len(keys) == 1 else {}),
    }


def _asked(path: Path, given: Mapping[str, Any]) -> Asked:
    try:
        receipt = read_receipt(path.with_suffix(".json"))
        asked = asked_of(receipt.answers, exact=receipt.length == "exact")
    except ReceiptError:
        asked = Asked()
    if "seconds" in given:
        asked = replace(asked, seconds=float(given["seconds"]))
    if "tempo" in given:
        asked = replace(asked, tempo=float(given["tempo"]))
    if "time" in given:
        asked = replace(asked, **_metre_fields(str(given["time"])))
    if "key" in given:
        asked = replace(asked, **_key_fields(str(given["key"])))
    if "chords" in given:
        asked = replace(asked, chords=_chords(str(given["chords"])))
    if "voice" in given:
        none = plain(str(given["voice"])) in ("none", "no", "instrumental")
        asked = replace(asked, sung=not none, voice="" if none else _sex(str(given["voice"])))
    return asked


def _metre_fields(time: str) -> dict[str, Any]:
    try:
        metre = metre_of(time)
    except ValueError as error:
        raise MilongaError(str(error), where="time") from None
    return {"time": metre.name, "beats": metre.beats, "compound": metre.compound}


def _key_fields(text: str) -> dict[str, Any]:
    key = parse_key(text)
    return {"key": key.name, "tonic": key.tonic, "minor": key.minor}


def _chords(text: str) -> tuple[AskedChord, ...]:
    try:
        changes = parse_chords(text)
    except ValueError as error:
        raise MilongaError(str(error), where="chords") from None
    return tuple(
        AskedChord(
            change.chord.name,
            ()
            if change.chord.silent
            else tuple((change.chord.root + step) % 12 for step in change.chord.intervals),
            float(change.bars),
        )
        for change in changes
    )


def _sex(voice: str) -> Literal["male", "female", ""]:
    words = plain(voice)
    male, female = says(words, MALE_WORDS), says(words, FEMALE_WORDS)
    if male == female:
        return ""
    return "male" if male else "female"
