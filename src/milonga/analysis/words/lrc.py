"""Lyrics with times, as LRC: lines, and words in the enhanced form."""

from __future__ import annotations

from milonga.analysis.words.score import LineScore, WordScore


def lrc_text(score: WordScore, *, title: str = "", artist: str = "", source: str = "") -> str:
    """Write lyrics as enhanced LRC, timed by what was heard.

    A line without a heard word lies evenly between its neighbours. Words without a time of their
    own follow the one before.

    Args:
        score: of the words.
        title, artist: for the header, where given.
        source: of the times, for the header.
    """
    heads = (("ti", title), ("ar", artist), ("re", f"milonga, times from {source}" * bool(source)))
    lines = [f"[{tag}:{text}]" for tag, text in heads if text]
    for line, start in zip(score.lines, _starts(score.lines), strict=True):
        if line.text.strip():
            lines.append(f"[{_time(start)}]{_words(line)}")
    return "\n".join(lines) + "\n"


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


def _words(line: LineScore) -> str:
    parts = []
    for word in line.words:
        if word.kind == "added":
            continue
        time = f"<{_time(word.start_s)}> " if word.start_s is not None else ""
        parts.append(f"{time}{word.expected}")
    return " ".join(parts) if any("<" in part for part in parts) else line.text


def _time(seconds: float) -> str:
    hundredths = round(seconds * 100)
    return f"{hundredths // 6000:02d}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"
