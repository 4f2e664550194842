"""eSpeak NG through its C interface: every language, phones timed to the sample.

The library keeps state from one call to the next that changes its sound a little. It is loaded
anew for every line (a few milliseconds), under a lock: equal lines sound equal.

References:
    ``speak_lib.h`` of eSpeak NG 1.52 (events, parameters, synthesis flags).
"""

from __future__ import annotations

import _ctypes
import atexit
import ctypes
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from milonga.errors import GeneratorError
from milonga.generators.base import Licence
from milonga.generators.guide.voice.phones import Phone
from milonga.generators.guide.voice.speech import Speech, SpeechEngine

_SYNCHRONOUS = 2
_PHONEME_EVENTS, _PHONEMES_IN_IPA, _DONT_EXIT = 0x1, 0x2, 0x8000
_UTF8, _POS_CHARACTER = 1, 1
_RATE, _VOLUME = 1, 2
_EVENT_END, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_WORDS_PER_MINUTE = 150
_QUIET = 60
"""Volume in percent at which it never has to turn itself down."""

_PITCH_HZ = 110
_PITCH_STEP_S = 0.005
_LONGEST_PATH = 120
"""The library keeps its data path in 160 bytes with file names appended; a longer one is cut."""

_VOICES = {"en": "en-us", "es": "es-419", "es-es": "es", "pt": "pt-br", "zh": "cmn", "no": "nb"}
"""Languages whose eSpeak voice has another name, or where a variant suits songs better."""

_lock = threading.Lock()


class _Id(ctypes.Union):
    _fields_: ClassVar = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    _fields_: ClassVar = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak(SpeechEngine):
    """The formant voice of eSpeak NG, on one pitch: the melody brings its own."""

    name = "eSpeak NG"
    distribution = "espeakng-loader"
    tract = 1.16
    # Towards the neural voice's long-term spectrum: the formant synthesiser is short of bass and
    # some 10 dB too bright between 3 and 5 kHz, which buzzes.
    colour = (
        (150.0, 6.0),
        (300.0, 2.0),
        (550.0, -3.0),
        (1200.0, -1.0),
        (1700.0, -4.0),
        (2400.0, -4.0),
        (3400.0, -8.0),
        (4800.0, -8.0),
        (6800.0, 3.0),
    )
    pace = 0.85
    licences = (
        Licence(
            what="eSpeak NG (speech engine)",
            name="GPL-3.0-or-later",
            url="https://github.com/espeak-ng/espeak-ng",
            note="The program is GPL; the audio it makes is not bound by it.",
        ),
    )

    def speak(self, words: Sequence[str], language: str, pace: float = 1.0) -> Speech:
        with _loaded() as (library, rate):
            if not _set_voice(library, language):
                raise GeneratorError(
                    f"eSpeak NG has no voice for the language {language!r}.",
                    step="Give the line a language code such as en, es, pt, fr, de, it.",
                )
            library.espeak_SetParameter(_RATE, round(_WORDS_PER_MINUTE * pace), 0)
            library.espeak_SetParameter(_VOLUME, _QUIET, 0)
            library.espeak_ng_SetConstF0(_PITCH_HZ)
            samples, events = _synthesize(library, " ".join(words))
        phones = _phones(events, words, len(samples), rate)
        seconds = len(samples) / rate
        return Speech(samples, rate, phones, _pitch(phones, seconds), _PITCH_STEP_S)


@cache
def has_voice(language: str) -> bool:
    """Check if eSpeak NG can speak a language."""
    with _loaded() as (library, _):
        return _set_voice(library, language)


def _set_voice(library: Any, language: str) -> bool:
    """Choose the voice of a language tag, without its region where there is none for that."""
    tag = language.lower()
    for name in (_VOICES.get(tag, tag), _VOICES.get(tag.split("-")[0], tag.split("-")[0])):
        if name and library.espeak_SetVoiceByName(name.encode()) == 0:
            return True
    return False


@contextmanager
def _loaded() -> Iterator[tuple[Any, int]]:
    """The library in its first state, and its sampling rate."""
    import espeakng_loader

    data = _data()
    unload = getattr(_ctypes, "FreeLibrary", None) or _ctypes.dlclose
    with _lock:
        library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        try:
            options = _PHONEME_EVENTS | _PHONEMES_IN_IPA | _DONT_EXIT
            rate = library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(data), options)
            if rate <= 0:
                raise GeneratorError(
                    "The speech engine eSpeak NG found no usable data.",
                    where=data,
                    step="Run: pip install --force-reinstall espeakng-loader",
                )
            yield library, rate
            library.espeak_Terminate()
        finally:
            unload(library._handle)


@cache
def _data() -> Path:
    """Its data folder, under a short name where its own is too long for the library."""
    import espeakng_loader

    data = Path(espeakng_loader.get_data_path())
    if len(os.fsencode(data)) > _LONGEST_PATH:
        link = Path(tempfile.mkdtemp(prefix="milonga-")) / "espeak-ng-data"
        link.symlink_to(data, target_is_directory=True)
        atexit.register(shutil.rmtree, link.parent, ignore_errors=True)
        data = link
    return data


def _synthesize(library: Any, text: str) -> tuple[NDArray[np.float32], list[tuple[Any, ...]]]:
    chunks: list[NDArray[np.int16]] = []
    events: list[tuple[Any, ...]] = []

    def collect(samples: Any, count: int, event: Any) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while event[index].type != _EVENT_END:
            one = event[index]
            symbol = one.id.string if one.type == _EVENT_PHONEME else b""
            events.append(
                (one.type, one.text_position, one.sample, symbol.decode("utf-8", "replace"))
            )
            index += 1
        return 0

    callback = _Callback(collect)
    library.espeak_SetSynthCallback(callback)
    encoded = text.encode()
    status = library.espeak_Synth(
        encoded, len(encoded) + 1, 0, _POS_CHARACTER, 0, _UTF8, None, None
    )
    library.espeak_Synchronize()
    if status != 0:
        raise GeneratorError("The speech engine eSpeak NG failed on this line.", where=text[:60])
    whole = np.concatenate(chunks) if chunks else np.zeros(0, np.int16)
    return whole.astype(np.float32) / np.float32(32768), events


def _phones(
    events: Sequence[tuple[Any, ...]], words: Sequence[str], frames: int, rate: int
) -> tuple[Phone, ...]:
    """Phones of the events; positions in the text tell the word (a number has several)."""
    starts = np.cumsum([1] + [len(word) + 1 for word in words])[:-1]
    found: list[tuple[str, int, int]] = []
    word = 0
    for kind, position, sample, symbol in events:
        if kind == _EVENT_WORD:
            word = max(0, int(np.searchsorted(starts, position, side="right")) - 1)
        elif kind == _EVENT_PHONEME:
            found.append((symbol.strip(), min(sample, frames), word))
    if found:
        # Before the first sound is its closure, or nothing.
        found[0] = (found[0][0], 0, found[0][2])
    ends = [sample for _, sample, _ in found[1:]] + [frames]
    return tuple(
        Phone(symbol if _speakable(symbol) else "", start / rate, end / rate, at)
        for (symbol, start, at), end in zip(found, ends, strict=True)
        if end > start or _speakable(symbol)
    )


def _pitch(phones: Sequence[Phone], seconds: float) -> NDArray[np.float32]:
    times = (np.arange(int(seconds / _PITCH_STEP_S) + 1) + 0.5) * _PITCH_STEP_S
    pitch = np.zeros(len(times), np.float32)
    for phone in phones:
        if phone.voiced:
            pitch[(times >= phone.start_s) & (times < phone.end_s)] = _PITCH_HZ
    return pitch


def _speakable(symbol: str) -> bool:
    # "(en)" marks a change of language, not a sound.
    return any(letter.isalpha() for letter in symbol) and not symbol.startswith("(")
