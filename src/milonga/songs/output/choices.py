"""What a take can be chosen for: a layer, the whole song, a segment's piece of the whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milonga.errors import Problem
from milonga.generators.base import Request
from milonga.runtime.record import Record
from milonga.songs.rendering.plan import layer_folder
from milonga.songs.rendering.takes import whole_folder
from milonga.songs.sheet.model import Layer, Segment, Sheet

WHOLE_KEY = "whole"
"""Takes of the whole song in choices, and, behind a segment's number, a piece of one."""
NO_TAKE = "none"
"""Takes a choice back."""
_LATER_FIELDS = ("time", "chords", "pickup", "parts", "edit")
"""Fields of a request that version 0.1 hadn't."""
_LATER_OF_PARTS = ("tempo", "key", "time", "chords", "pickup")
"""Fields of its parts that the first of them hadn't."""


@dataclass(frozen=True, slots=True)
class Place:
    """Something that a take can be chosen for.

    Attributes:
        key: its name in choices: ``18/vocals``, ``whole``, ``18/whole``.
        label: its name in messages.
        folder: of the takes.
        asked: what the sheet asks for now.
    """

    key: str
    label: str
    folder: Path
    asked: Request

    @property
    def state(self) -> str:
        """A digest of what the sheet asks for."""
        return state_of(self.asked)


def state_of(request: Request) -> str:
    """Return a digest of what is asked of a layer, as version 0.1 took it where it could."""
    usual: dict[str, Any] = dict.fromkeys(_unset(request, _LATER_FIELDS), True)
    usual["next_tempo"] = True
    if request.parts:
        usual["parts"] = {
            index: _unset(part, _LATER_OF_PARTS) for index, part in enumerate(request.parts)
        }
    return hashlib.sha256(request.model_dump_json(exclude=usual).encode()).hexdigest()[:16]


def _unset(record: Record, names: Iterable[str]) -> set[str]:
    fields = type(record).model_fields
    return {name for name in names if getattr(record, name) == fields[name].default}


def layer_place(out: Path, sheet: Sheet, segment: Segment, layer: Layer) -> Place:
    """Return the place of a layer."""
    role = f", {layer.role}" if len(segment.layers) > 1 else ""
    return Place(
        f"{segment.number}/{layer.role}",
        f"segment {segment.number}{role}",
        layer_folder(out, segment, layer),
        sheet.request(segment, layer, seed=0),
    )


def whole_place(out: Path, sheet: Sheet, segment: Segment | None = None) -> Place:
    """Return the place of takes of the whole song, or of a segment's piece of one."""
    asked = sheet.whole_request(seed=0)
    if segment is None:
        return Place(WHOLE_KEY, "the whole song", whole_folder(out), asked)
    key = f"{segment.number}/{WHOLE_KEY}"
    return Place(key, f"segment {segment.number}, of the whole", whole_folder(out), asked)


def places_of(out: Path, sheet: Sheet, key: str, take: str) -> tuple[list[Place], str] | Problem:
    """Read a choice: ``18/vocals`` and ``guide-s1``, ``whole`` and ``ace-step-s0``, ``7`` and
    ``whole/ace-step-s0`` (or ``7/whole`` and ``ace-step-s0``).

    Returns:
        The place and the take's name; several places only for a choice that is taken back.
    """
    in_whole, _, name = take.rpartition("/")
    name = name.removesuffix(".wav")
    if key == WHOLE_KEY:
        return [whole_place(out, sheet)], name
    segment, role = _segment_and_role(sheet, key)
    if segment is not None and WHOLE_KEY in (in_whole, role):
        return [whole_place(out, sheet, segment)], name
    if segment is not None and name == NO_TAKE and not role:
        layers = [layer_place(out, sheet, segment, layer) for layer in segment.layers]
        return [*layers, whole_place(out, sheet, segment)], name
    found = layer_of(sheet, key)
    return found if isinstance(found, Problem) else ([layer_place(out, sheet, *found)], name)


def layer_of(sheet: Sheet, key: str) -> tuple[Segment, Layer] | Problem:
    """Find a layer by its name, ``18/vocals``, or by ``18`` alone where the segment has one."""
    segment, role = _segment_and_role(sheet, key)
    if segment is None:
        number = str(key).partition("/")[0]
        known = f"It has: {', '.join(str(segment.number) for segment in sheet.segments)}."
        return Problem(f"The song has no segment {number}.", f"choice {key}", step=known)
    layers = [layer for layer in segment.layers if role in ("", layer.role)]
    if len(layers) == 1:
        return segment, layers[0]
    fault = f"It has no layer {role!r}." if role else "Which layer?"
    known = ", ".join(f"{segment.number}/{layer.role}" for layer in segment.layers)
    return Problem(fault, f"choice {key}", step=f"Use one of: {known}.")


def _segment_and_role(sheet: Sheet, key: str) -> tuple[Segment | None, str]:
    number, _, role = str(key).partition("/")
    found = (s for s in sheet.segments if str(s.number) == number.lstrip("0"))
    return next(found, None), role


def side_of(key: str) -> str:
    """Return which of the ways to play a segment a choice speaks for: ``song``, ``whole``, or the
    other layers (empty)."""
    role = key.rpartition("/")[2]
    return role if role in ("song", WHOLE_KEY) else ""


def against_each_other(keys: Iterable[str], sheet: Sheet) -> Iterator[Problem]:
    """Find segments for which one call chooses two ways to play them."""
    keys = list(keys)
    for segment in sheet.segments:
        own = [key for key in keys if key.startswith(f"{segment.number}/")]
        if len(segment.layers) == 1:
            own = [key if side_of(key) == WHOLE_KEY else "" for key in own]
        if len({side_of(key) for key in own}) > 1:
            yield Problem(
                f"Segment {segment.number} has in the mix either its song, or its other layers, or "
                "its piece of the whole.",
                f"choice {segment.number}",
                step="Choose takes for one of them.",
            )
