"""Lyrics with times, as LRC (lines, and words in the enhanced form) and SubRip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from milonga.analysis.words.score import LineScore, WordScore

_CUE_S = 4.0
"""Length of a subtitle whose line has no end."""


@dataclass(frozen=True, slots=True)
class TimedLine:
    """A line of lyrics with its times, in seconds.

    ``words`` have a start each, None for one that follows the word before; they may be missing.
    """

    text: str
    start_s: float
    end_s: float | None = None
    words: tuple[tuple[str, float | None], ...] = ()


def lrc_text(score: WordScore, *, title: str = "", artist: str = "", source: str = "") -> str:
    """Write lyrics as enhanced LRC, timed by what was heard.

    A line without a heard word lies evenly between its neighbours. Words without a time of their
    own follow the one before.

    Args:
        score: of the words.
        title, artist: for the header, where given.
        source: of the times, for the header.
    """
    note = f"milonga, times from {source}" * bool(source)
    return write_lrc(timed_lines(score), title=title, artist=artist, note=note)


def timed_lines(score: WordScore) -> list[TimedLine]:
    """Return the lines of lyrics with the times at which they were heard."""
    return [
        TimedLine(
            line.text,
            start,
            line.end_s,
            tuple((word.expected, word.start_s) for word in line.words if word.kind != "added"),
        )
        for line, start in zip(score.lines, _starts(score.lines), strict=True)
        if line.text.strip()
    ]


def write_lrc(
    lines: Sequence[TimedLine],
    *,
    title: str = "",
    artist: str = "",
    note: str = "",
    words: bool = True,
) -> str:
    """Write timed lyrics as LRC.

    Args:
        lines: in order of time.
        title, artist, note: for the header, where given.
        words: with the times of the words, too (the enhanced form), where they are known.
    """
    heads = (("ti", title), ("ar", artist), ("re", note))
    written = [f"[{tag}:{text}]" for tag, text in heads if text]
    written += [
        f"[{_time(line.start_s)}]{_words(line) if words else line.text}" for line in lines
    ]  # fmt: skip
    return "\n".join(written) + "\n"


def write_srt(lines: Sequence[TimedLine]) -> str:
    """Write timed lyrics as SubRip: a cue for each line, until its end or the next line.

    Args:
        lines: in order of time; one without an end lasts up to 4 s.
    """
    cues = []
    for place, line in enumerate(lines):
        after = lines[place + 1].start_s if place + 1 < len(lines) else math.inf
        end = line.end_s if line.end_s is not None else line.start_s + _CUE_S
        # Two voices may sing at once; a reader shows one line.
        end = max(min(end, after), line.start_s + 0.001)
        cues.append(f"{place + 1}\n{_clock(line.start_s)} --> {_clock(end)}\n{line.text}\n")
    return "\n".join(cues)


def _starts(lines: tuple[LineScore, ...]) -> list[float]:
    known = [(n, line.start_s) for n, line in enumerate(lines) if line.start_s is not None]
    end = max((line.end_s for line in lines if line.end_s is not None), default=0.0)
    points = [
        (-1, 0.0),
        *((n, start) for n, start in known if start is not None),
        (len(lines), end),
    ]
    starts, at = [], 0
    for number in range(len(lines)):
        while points[at + 1][0] < number:
            at += 1
        (n0, t0), (n1, t1) = points[at], points[at + 1]
        starts.append(t1 if n1 == number else t0 + (t1 - t0) * (number - n0) / (n1 - n0))
    return starts


def _words(line: TimedLine) -> str:
    parts = [
        f"<{_time(start)}> {word}" if start is not None else word for word, start in line.words
    ]
    return " ".join(parts) if any("<" in part for part in parts) else line.text


def _time(seconds: float) -> str:
    hundredths = round(seconds * 100)
    return f"{hundredths // 6000:02d}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


def _clock(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d},{rest % 1000:03d}"
