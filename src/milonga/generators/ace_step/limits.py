"""What ACE-Step reads and renders at once: texts in tokens, clips in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from milonga.errors import Problem
from milonga.generators.ace_step.checkpoints import CODES, AceStepShape
from milonga.generators.ace_step.prompts import TRACKS, Texts, track_names
from milonga.generators.base import Edit, Request
from milonga.generators.neural.reading import tokens_in

SHORTEST_S, LONGEST_S = 10.0, 600.0
"""Seconds that the model was taught."""
DESCRIPTION_TOKENS, LYRIC_TOKENS = 256, 2048
"""Tokens that it reads of each text."""

_BASE_TASKS = "extract", "lego", "complete"

_BYTES_PER_TOKEN = 2.5
"""At least so many in a Latin script, by estimate; English has about 4."""


def length_problems(seconds: float, whole: bool) -> Iterable[Problem]:
    """Find a length that the model wasn't taught."""
    if SHORTEST_S <= seconds <= LONGEST_S:
        return
    if seconds < SHORTEST_S:
        step = "Join the segment with its neighbour, or render the whole song in one take."
    else:
        step = "Shorten the song, or render its segments." if whole else "Split the segment."
    yield Problem(
        f"ACE-Step renders {SHORTEST_S:g} s to {LONGEST_S:g} s at once, not {seconds:g} s.",
        "seconds",
        step=step,
    )


def edit_problems(edit: Edit, shape: AceStepShape) -> Iterable[Problem]:
    """Find what keeps a checkpoint from an edit."""
    if edit.task in _BASE_TASKS and shape.kind != "base":
        yield Problem(
            f"Only base checkpoints of ACE-Step were taught to {edit.task}, and this one is "
            f"{shape.kind}.",
            "model",
            step="Set ace-step.model=ace-step-base.",
        )
    if edit.task == "cover" and not shape.codes:
        yield Problem(
            f"A cover needs the parts {' and '.join(CODES)}, which this checkpoint lacks.",
            "model",
            step="Use a checkpoint that has them, such as ace-step.",
        )


def edit_notes(request: Request) -> Iterable[str]:
    """Say what an edit should know."""
    edit = request.edit
    if edit is None:
        return
    if request.seconds < SHORTEST_S:
        yield (
            f"the recording is shorter than the {SHORTEST_S:g} s that ACE-Step was taught; it "
            "gets silence behind it while the model works."
        )
    if unknown := [name for name in track_names(edit.track) if name not in TRACKS]:
        yield (
            f"ACE-Step wasn't taught the instrument {', '.join(unknown)}; it knows "
            f"{', '.join(sorted(TRACKS))}."
        )


def text_problems(texts: Texts, tokenizer: Path | None) -> Iterable[Problem]:
    """Find texts that are longer than the model reads; without its tokenizer, none."""
    for text, limit, where, what, step in _texts(texts):
        count = tokens_in(tokenizer, text)
        if count is not None and count > limit:
            yield Problem(
                f"The {what} have {count} tokens, and ACE-Step reads {limit}.", where, step=step
            )


def text_notes(texts: Texts, tokenizer: Path | None) -> Iterable[str]:
    """Say which texts may be too long, where the model's tokenizer isn't here to tell."""
    for text, limit, _, what, _ in _texts(texts):
        if tokens_in(tokenizer, text) is None and len(text.encode()) > limit * _BYTES_PER_TOKEN:
            yield (
                f"the {what} may be longer than the {limit} tokens that ACE-Step reads; they are "
                "counted once the model is here, and a take that would lose words is refused."
            )


def _texts(texts: Texts) -> Iterable[tuple[str, int, str, str, str]]:
    yield (
        texts.description, DESCRIPTION_TOKENS, "style", "description, key, tempo and length",
        "Shorten style, mood, voice or negative words.",
    )  # fmt: skip
    yield (
        texts.lyrics, LYRIC_TOKENS, "lyrics", "lyrics",
        "Shorten the lyrics, or render the song in segments.",
    )  # fmt: skip
