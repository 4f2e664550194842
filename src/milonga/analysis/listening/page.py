"""Writing a listening test: a page, its sounds beside it, and the key, apart from both."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from milonga.analysis.listening.answers import KEY
from milonga.analysis.listening.design import Key
from milonga.analysis.listening.sounds import encoded, matched, sounds_of
from milonga.audio.clip import Clip
from milonga.errors import OutputError
from milonga.runtime.files import (
    check_no_links,
    check_writable,
    dump_json,
    make_folder,
    write_text,
)
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    from markupsafe import Markup

MARK = "milonga listening test"
FOR_LISTENERS, PAGE, SOUNDS = "for-listeners", "listen.html", "sounds"
QUESTIONS = {
    "ab": "Which of the two do you prefer, A or B?",
    "abx": "X is one of the two. Is it A or B?",
    "mushra": "How close is each sound to the reference? One of them is the reference itself, "
    "and deserves 100.",
}
ANSWERS = {
    "ab": (("a", "A is better (1)"), ("b", "B is better (2)"), ("same", "No preference (3)")),
    "abx": (("a", "X is A (1)"), ("b", "X is B (2)")),
    "mushra": (),
}
KEYS = {
    "ab": "A and B to listen, space to play and pause, 1 to 3 to answer, Enter for the next.",
    "abx": "A, B and X to listen, space to play and pause, 1 and 2 to answer, Enter for the next.",
    "mushra": "0 for the reference, 1 to 9 for the sounds, space to play and pause, arrows on a "
    "slider, Enter for the next.",
}


def check_place(folder: Path) -> None:
    """Refuse a folder that can't take a test, before the work.

    Raises:
        OutputError: it holds a test already, whose answers would lose their key; or it can't be
            written.
    """
    check_no_links(folder, folder / FOR_LISTENERS, folder / FOR_LISTENERS / SOUNDS)
    if (folder / KEY).exists() or (folder / FOR_LISTENERS).exists():
        raise OutputError(
            "There is a listening test already; its answers can't be read without its key.",
            where=folder,
            step="Choose another folder with -o, or remove this one.",
        )
    check_writable(folder)


def write_test(
    key: Key,
    clips_of: Callable[[str], Mapping[str, Clip]],
    folder: Path,
    progress: Progress | None = None,
) -> Path:
    """Write a test; ``folder/for-listeners`` is what listeners get.

    Args:
        key: the test.
        clips_of: reads the recordings of an item, by condition.
        folder: made if needed.
        progress: counts items.

    Returns:
        The page.

    Raises:
        OutputError: as ``check_place``.
        MilongaError: a recording can't be read or judged.
        Cancelled: the user stopped it.
    """
    check_place(folder)
    place = folder / FOR_LISTENERS
    items = list(dict.fromkeys(trial.item for trial in key.trials))
    rng = np.random.default_rng((key.seed, 1))
    with (progress or Progress()).task("Listening test", 2 * len(items), "items") as task:
        for item in items:
            # Every recording is read and measured before the first file is written.
            matched(clips_of(item), item)
            task.advance()
        make_folder(place / SOUNDS)
        for item in items:
            for name, clip in sounds_of(key, item, clips_of(item)).items():
                write_text(
                    place / SOUNDS / f"{name}.js", f'sound("{name}","{encoded(clip, rng)}")\n'
                )
            task.advance()
    write_text(place / PAGE, _render(key))
    write_text(folder / KEY, dump_json(key.model_dump(mode="json")))
    return place / PAGE


def _render(key: Key) -> str:
    from jinja2 import Environment
    from markupsafe import Markup

    style, script = _asset("page.css"), _asset("page.js")
    plan = {
        "test": key.test,
        "kind": key.kind,
        "answers": ANSWERS[key.kind],
        "trials": [
            {"name": t.name, "item": t.item, "stimuli": [s.name for s in t.stimuli]}
            for t in key.trials
        ],
    }
    template = Environment(autoescape=True, trim_blocks=True).from_string(_asset("page.html.j2"))
    return template.render(
        mark=MARK,
        policy="default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"script-src 'sha256-{_sha256(script)}' 'self' file:; style-src 'sha256-{_sha256(style)}'; "
        "img-src data:",
        title=key.title or "Which one?",
        question=QUESTIONS[key.kind],
        keys=KEYS[key.kind],
        kind=key.kind,
        count=len(key.trials),
        style=Markup(style),
        script=Markup(script),
        plan=_inside_script(plan),
    )


def _inside_script(value: object) -> Markup:
    """Write JSON that can't end the element that holds it."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028"))


@cache
def _asset(name: str) -> str:
    return files("milonga.analysis.listening").joinpath(name).read_text(encoding="utf-8")


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
