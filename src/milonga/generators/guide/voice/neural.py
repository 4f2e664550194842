"""The neural English voice of hibari-tts, with the timing of its phones.

Its wheel holds the model, lexicon and grapheme-to-phoneme rules. The model predicts how long each
phoneme lasts; that tensor is made an output and tells about when each one sounds
(``neural_timing`` makes it exact).

References:
    hibari-tts 0.2.1, "ONNX interface": inputs ``ids``, ``speed``; outputs per 12.5 ms frame.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milonga.errors import GeneratorError
from milonga.generators.base import Licence
from milonga.generators.guide.voice.neural_timing import FRAME_S, aligned, voiced_pitch
from milonga.generators.guide.voice.onnx_graph import inputs_of, with_output
from milonga.generators.guide.voice.phones import Phone
from milonga.generators.guide.voice.speech import Speech, SpeechEngine

_LONGEST = 380
"""Phonemes the model takes at once; longer lines are spoken in pieces."""

_NOISE_SEED = 20_231

_PUNCTUATION = frozenset(';:,.!?—…"“”()')
_lock = threading.Lock()


class Neural(SpeechEngine):
    """The American English voice "heart"."""

    name = "hibari"
    distribution = "hibari-tts"
    tract = 1.0
    pace = 0.68
    licences = (
        Licence(
            what="hibari voice 'heart', distilled from Kokoro-82M (speech engine)",
            name="Apache-2.0",
            url="https://github.com/MMWilliams/hibari",
        ),
    )

    def speak(self, words: Sequence[str], language: str, pace: float = 1.0) -> Speech:
        from hibari import dsp

        spoken = _phonemes(words)
        pieces = [_run(piece, pace) for piece in _pieces(spoken)]
        if not pieces:
            return Speech(np.zeros(0, np.float32), dsp.SR, (), np.zeros(0, np.float32), FRAME_S)
        samples, pitch, phones, at = [], [], [], 0.0
        for symbols, parts, counts in pieces:
            # A fixed seed: equal words sound equal, variation is the singer's part.
            samples.append(dsp.synth(*parts, np.random.default_rng(_NOISE_SEED)))
            pitch.append(voiced_pitch(parts))
            length = len(pitch[-1]) * FRAME_S
            lengths = counts.astype(np.float64) * (length / max(1, int(counts.sum())))
            timed = _timed(symbols, lengths)
            phones += _moved(aligned(timed, parts, pace), at)
            at += length
        return Speech(
            np.concatenate(samples).astype(np.float32),
            dsp.SR,
            tuple(phones),
            np.concatenate(pitch).astype(np.float32),
            FRAME_S,
        )


def available() -> bool:
    """Check if the voice is installed: onnxruntime has no wheels for some machines."""
    return find_spec("hibari") is not None and find_spec("onnxruntime") is not None


@cache
def _session() -> tuple[Any, str, dict[str, int]]:
    """The model with the durations as an output, that output's name, and its alphabet."""
    import hibari
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    assets = Path(hibari.__file__).parent / "assets"
    model = (assets / "hibari.onnx").read_bytes()
    # The durations are summed up to find the phoneme of each frame: the only running sum.
    sums = inputs_of(model, "CumSum")
    if len(sums) != 1:
        raise GeneratorError(
            "This version of hibari-tts is not known: its model has another form.",
            step="Run: pip install 'hibari-tts==0.2.1'",
        )
    durations = sums[0][0]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        with_output(model, durations), options, providers=["CPUExecutionProvider"]
    )
    vocabulary = json.loads((assets / "vocab.json").read_text("utf-8"))
    return session, durations, vocabulary


@cache
def _g2p() -> Any:
    from hibari.g2p import G2P

    return G2P()


def _phonemes(words: Sequence[str]) -> list[str]:
    """Phonemes of each word, in the context of the line where that keeps the words apart."""
    from hibari.g2p.normalize import normalize

    g2p = _g2p()
    with _lock:
        expanded = [normalize(word) for word in words]
        counts = [max(1, len(text.split())) for text in expanded]
        read = g2p(" ".join(expanded), normalize_text=False).split(" ")
        if len(read) != sum(counts):
            return [g2p(text, normalize_text=False) for text in expanded]
    ends = np.cumsum(counts)
    return ["".join(read[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def _pieces(words: Sequence[str]) -> list[list[tuple[str, int]]]:
    """Phonemes with the index of their word, cut between words into what the model takes."""
    pieces: list[list[tuple[str, int]]] = [[]]
    for index, phonemes in enumerate(words):
        if pieces[-1] and len(pieces[-1]) + len(phonemes) + 1 > _LONGEST:
            pieces.append([])
        if pieces[-1]:
            pieces[-1].append((" ", index - 1))
        pieces[-1] += [(symbol, index) for symbol in phonemes[:_LONGEST]]
    return [piece for piece in pieces if any(s not in _PUNCTUATION and s != " " for s, _ in piece)]


def _run(
    piece: list[tuple[str, int]], pace: float
) -> tuple[list[tuple[str, int]], list[NDArray[np.float32]], NDArray[np.int64]]:
    """Run the model; symbols, spectra with the pitch, and a count per symbol (pads included)."""
    session, durations, vocabulary = _session()
    known = [(symbol, word) for symbol, word in piece if symbol in vocabulary]
    ids = [0, *(vocabulary[symbol] for symbol, _ in known), 0]
    names = ["lh", "theta", "ln", "lr", "phi", "f0", durations]
    feed = {"ids": np.array([ids], np.int64), "speed": np.array([pace], np.float32)}
    *parts, counts = session.run(names, feed)
    symbols = [("", known[0][1] if known else 0), *known, ("", known[-1][1] if known else 0)]
    return symbols, [part[0] for part in parts], np.asarray(counts).reshape(-1)


def _timed(symbols: Sequence[tuple[str, int]], lengths: NDArray[np.float64]) -> list[Phone]:
    """Phones with their times. Marks of stress and length last, too: the time of a stress mark
    belongs to the vowel after it, that of a length mark or space to the phone before it."""
    phones: list[Phone] = []
    prefix, prefix_start, at = "", 0.0, 0.0
    for (symbol, word), length in zip(symbols, lengths, strict=True):
        start, at = at, at + float(length)
        if symbol in "ˈˌ" and symbol:
            prefix, prefix_start = symbol, start
        elif symbol in "ːʰʲ " and symbol and phones:
            last = phones[-1]
            mark = "" if last.pause else symbol.strip()
            phones[-1] = Phone(last.symbol + mark, last.start_s, at, last.word)
        elif symbol in _PUNCTUATION or not symbol.strip():
            phones.append(Phone("", start, at, word))
        else:
            phones.append(Phone(prefix + symbol, prefix_start if prefix else start, at, word))
            prefix = ""
    return phones


def _moved(phones: Sequence[Phone], by: float) -> list[Phone]:
    return [Phone(p.symbol, p.start_s + by, p.end_s + by, p.word) for p in phones]
