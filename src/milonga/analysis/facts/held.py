"""What was asked for, held against what is heard: met, not met, can't tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from milonga.analysis.facts.chords import HeardChords, heard_chords
from milonga.analysis.facts.key import Key, key_name, key_of, relation
from milonga.analysis.facts.metre import metre_at
from milonga.analysis.facts.model import Asked, Fact, Verdict
from milonga.analysis.facts.voice import Voice
from milonga.analysis.pairs.beat import Tempo, tempo
from milonga.analysis.pairs.ground import onset_strength
from milonga.analysis.pairs.pitch import chroma, tuning
from milonga.analysis.pairs.sketch import HOP_S, Sketch

_EXACT_S, _NATURAL = 0.02, 0.05
_SAME_TEMPO = 0.02
_READINGS = {1.0: "", 0.5: "half of it", 2.0: "double"}
_SURE, _DOUBT = 0.6, 0.15
_CHORDS_MET, _CHORDS_NOT = 0.7, 0.4
_VOICE, _NO_VOICE = 0.2, 0.02
_LOW_HZ, _HIGH_HZ = 170.0, 240.0


@dataclass(frozen=True, slots=True)
class Measures:
    """What facts are read from: a sketch, its tempo, its key, and the voice where it was listened
    for."""

    sketch: Sketch
    tempo: Tempo
    key: Key
    chroma: np.ndarray
    voice: Voice | None = None
    why_no_voice: str = ""


def measures(sketch: Sketch, voice: Voice | None = None, why_no_voice: str = "") -> Measures:
    """Measure what facts are read from."""
    notes = chroma(sketch.pitch, tuning(sketch.pitch))
    return Measures(
        sketch, tempo(onset_strength(sketch)), key_of(notes), notes, voice, why_no_voice
    )


def held(found: Measures, asked: Asked) -> tuple[Fact, ...]:
    """Hold a recording against what was asked for.

    Returns:
        Length, tempo, metre, key, chords, voice and register, those that can be measured or were
        asked for, in this order.
    """
    facts = (
        _length(found, asked),
        _tempo(found, asked),
        _metre(found, asked),
        _key(found, asked),
        _chords(found, asked),
        *_voice(found, asked),
    )
    return tuple(fact for fact in facts if fact is not None)


def _length(found: Measures, asked: Asked) -> Fact:
    seconds = found.sketch.seconds
    heard = f"{seconds:.2f} s"
    if asked.seconds is None:
        return Fact("length", "", heard, None, value=seconds)
    allowed = _EXACT_S + 1e-3 if asked.exact else _NATURAL * asked.seconds
    verdict: Verdict = "met" if abs(seconds - asked.seconds) <= allowed else "not met"
    about = f"Allowed are {allowed:.2g} s to either side."
    return Fact("length", f"{asked.seconds:g} s", heard, verdict, about=about, value=seconds)


def reading(bpm: float, asked: float) -> float | None:
    """Return which multiple of the asked tempo was measured: 1, 1/2 or 2; None for another."""
    return next((r for r in _READINGS if abs(bpm / (asked * r) - 1) <= _SAME_TEMPO), None)


def _tempo(found: Measures, asked: Asked) -> Fact:
    heard = found.tempo
    words = "" if asked.tempo is None else f"{asked.tempo:g} BPM"
    if heard.bpm is None:
        return Fact("tempo", words, "", "can't tell" if words else None, about=heard.reason)
    name = f"{heard.bpm:.1f} BPM"
    others = ", ".join(f"{bpm:.0f}" for bpm in heard.alternatives_bpm)
    about = f"Nearly as well: {others}." if others else ""
    if asked.tempo is None:
        return Fact("tempo", "", name, None, heard.clarity, about, heard.bpm)
    read = reading(heard.bpm, asked.tempo)
    verdict: Verdict = "met"
    if read is not None:
        about = f"Heard as {_READINGS[read]}." if _READINGS[read] else ""
    elif any(reading(bpm, asked.tempo) is not None for bpm in heard.alternatives_bpm):
        verdict = "can't tell"
        about = "The tempo that was asked for fits nearly as well."
    else:
        verdict = "not met"
    return Fact("tempo", words, name, verdict, heard.clarity, about, heard.bpm)


def _beat_s(found: Measures, asked: Asked) -> tuple[float | None, bool]:
    """Return the length of a beat, and whether the asked tempo decided between octaves."""
    heard = found.tempo.bpm
    if heard is None:
        return None, False
    read = None if asked.tempo is None else reading(heard, asked.tempo)
    return (60 / heard * (read or 1.0)), read not in (None, 1.0)


def _metre(found: Measures, asked: Asked) -> Fact | None:
    beat_s, moved = _beat_s(found, asked)
    about = "The beat is read at the tempo that was asked for." if moved else ""
    if beat_s is None:
        why = "Without a beat there is no metre."
        return Fact("metre", asked.time, "", "can't tell", about=why) if asked.time else None
    heard = metre_at(found.sketch.onsets, found.chroma, beat_s)
    if not asked.time or asked.beats is None:
        return Fact("metre", asked.time, heard.name, None, about=about) if heard.name else None
    triple = asked.beats == 3
    answers = (
        None if heard.triple is None else heard.triple == triple,
        None if heard.compound is None else heard.compound == asked.compound,
    )
    verdict: Verdict = "can't tell"
    if False in answers:
        verdict = "not met"
    elif answers[0] and (answers[1] or not asked.compound):
        verdict = "met"
    return Fact("metre", asked.time, heard.name, verdict, about=about)


def _key(found: Measures, asked: Asked) -> Fact:
    heard = found.key
    if heard.tonic is None:
        why = "No key stands out."
        return Fact("key", asked.key, "", "can't tell" if asked.key else None, about=why)
    if asked.tonic is None:
        return Fact("key", asked.key, heard.name, None, heard.confidence)
    related = relation(heard.tonic, heard.minor, asked.tonic, asked.minor)
    same = (heard.tonic, heard.minor) == (asked.tonic, asked.minor)
    likely = heard.likelihood(asked.tonic, asked.minor)
    about = f"{key_name(asked.tonic, asked.minor)} is its {related} key." if related in (
        "relative", "parallel"
    ) else ""  # fmt: skip
    verdict: Verdict = "can't tell"
    if same:
        verdict = "met"
    elif heard.confidence >= _SURE and likely < _DOUBT and related != "relative":
        verdict = "not met"
    return Fact("key", asked.key, heard.name, verdict, heard.confidence, about)


def _chords(found: Measures, asked: Asked) -> Fact | None:
    bar_s = asked.bar_s
    if not asked.chords or bar_s is None:
        return None
    words = " ".join(chord.name for chord in asked.chords)
    start = asked.pickup * bar_s / (asked.beats or 4)
    heard = heard_chords(found.chroma, HOP_S, asked.chords, bar_s, start)
    if heard is None:
        return Fact("chords", words, "", "can't tell", about="It is too short for two of them.")
    return Fact(
        "chords", words, " ".join(heard.names), _fits(heard), heard.share,
        f"{heard.share:.0%} of {heard.count} where they should be"
        + (f"; all {heard.moved:+d} semitones would fit better." if heard.moved else "."),
        heard.share,
    )  # fmt: skip


def _fits(heard: HeardChords) -> Verdict:
    if heard.moved:
        return "not met"
    if heard.share >= _CHORDS_MET:
        return "met"
    return "not met" if heard.share < _CHORDS_NOT else "can't tell"


def _voice(found: Measures, asked: Asked) -> tuple[Fact, ...]:
    words = {True: "a voice", False: "no voice", None: ""}[asked.sung]
    voice = found.voice
    if voice is None:
        if asked.sung is None:
            return ()
        return (Fact("voice", words, "", "can't tell", about=found.why_no_voice),)
    if voice.share < _VOICE:
        clear = voice.share < _NO_VOICE
        heard = "no voice that stands out" if clear else "perhaps a voice"
        why = "One that is sung into music may go unheard." if clear else ""
        return (Fact("voice", words, heard, "can't tell" if words else None, None, why,
                     voice.share),)  # fmt: skip
    verdict: Verdict | None = None if asked.sung is None else "met" if asked.sung else "not met"
    fact = Fact("voice", words, f"a voice in {voice.share:.0%} of it", verdict, value=voice.share)
    if voice.middle_hz is None or voice.low_hz is None or voice.high_hz is None:
        return (fact,)
    low, high = (_note(hertz) for hertz in (voice.low_hz, voice.high_hz))
    kind = _register(voice.middle_hz)
    heard = f"{low} to {high}" + (f", {'low' if kind == 'male' else 'high'}" if kind else "")
    register: Verdict | None = None
    if asked.voice:
        register = "can't tell" if not kind else "met" if kind == asked.voice else "not met"
    about = "" if kind else "So high sing low women and high men."
    return (fact, Fact("register", asked.voice and f"{asked.voice} voice", heard, register,
                       about=about, value=voice.middle_hz))  # fmt: skip


def _register(hertz: float) -> str:
    return "male" if hertz < _LOW_HZ else "female" if hertz > _HIGH_HZ else ""


def _note(hertz: float) -> str:
    number = round(12 * np.log2(hertz / 440) + 69)
    name = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")[number % 12]
    return f"{name}{number // 12 - 1}"
