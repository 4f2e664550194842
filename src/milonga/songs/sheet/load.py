"""Reading a song sheet: ``load_sheet``; the classes are in ``milonga.songs.sheet.model``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from milonga.errors import Problem, SheetError
from milonga.generators.base import Role
from milonga.songs.sheet.document import Document, Fault, Loc
from milonga.songs.sheet.fields import LEAVES_FOLDER, is_absolute
from milonga.songs.sheet.labels import nearest_field
from milonga.songs.sheet.model import TWO_LAYERS, TWO_SEGMENTS, Layer, Segment, Sheet
from milonga.songs.sheet.text_file import MARKDOWN, read_source
from milonga.songs.sheet.yaml_reader import read_yaml

__all__ = ["Layer", "Segment", "Sheet", "load_sheet", "parse_sheet"]

_MISSING = {
    "title": "Add a line such as: title: My song",
    "segments": "Add 'segments:' and below it an entry for each part of the song.",
    "number": "Add a line such as: number: 1",
    "name": "Add a line such as: name: First verse",
    "section": "Add a line such as: section: verse",
    "seconds": "Add how long it lasts, for example: seconds: 12, or bars: 8",
    "role": f"Add one of {', '.join(get_args(Role))}.",
}


def load_sheet(path: str | os.PathLike[str]) -> Sheet:
    """Read a song sheet from a file.

    Raises:
        SheetError: it can't be read, or something in it is wrong; lists every problem with its
            line, and names the segment and field.
    """
    path = Path(path)
    if path.suffix.lower() in MARKDOWN and path.is_file():
        raise SheetError(
            "This is Markdown, not a song sheet.",
            where=path,
            step=f"Make a sheet from it: milonga song import {path} -o {path.with_suffix('.yaml')}",
        )
    return parse_sheet(read_source(path), path)


def parse_sheet(text: str, source: Path | None = None) -> Sheet:
    """Read a song sheet from a text; ``source`` is its file, whose folder holds the baselines.

    Raises:
        SheetError: something in it is wrong, as for ``load_sheet``.

    Example:
        >>> sheet = parse_sheet(
        ...     "{title: Uno, segments: [{number: 1, name: Start, section: intro, seconds: 0:04}]}"
        ... )
        >>> sheet.seconds, sheet.segments[0].layers[0].role
        (4.0, 'instrumental')
    """
    step = "Is this Markdown? Then: milonga song import" if _looks_like_markdown(text) else None
    return validated(read_yaml(text), source, step)


def validated(document: Document, source: Path | None, step: str | None = None) -> Sheet:
    """Make the sheet that a document holds.

    Raises:
        SheetError: with the faults of the document and those of its values.
    """
    sheet, faults = _modelled(document)
    if sheet is not None and source is not None:
        sheet = sheet.with_source(source)
        faults += _escaping(sheet, document)
    if not faults and sheet is not None:
        return sheet
    problems = [_problem(fault, document.values) for fault in faults]
    problems.sort(key=lambda problem: problem.line or 0)
    raise SheetError(
        "The song sheet has a problem." if len(problems) == 1
        else f"The song sheet has {len(problems)} problems.",
        list(dict.fromkeys(problems)),
        where=source,
        step=step,
    )  # fmt: skip


def _modelled(document: Document) -> tuple[Sheet | None, list[Fault]]:
    faults = list(document.faults)
    if not document.values and faults:
        return None, faults
    faults += _doubles(document)
    bad = {fault.loc for fault in faults if fault.loc}
    try:
        sheet = Sheet.model_validate(document.values)
    except ValidationError as error:
        # What lies below a fault found before would only repeat it.
        faults += [
            fault
            for fault in _explained(error, document)
            if not any(fault.loc[:length] in bad for length in range(1, len(fault.loc) + 1))
        ]
        return None, faults
    return sheet, faults


def _explained(error: ValidationError, document: Document) -> Iterable[Fault]:
    for found in error.errors(include_url=False):
        loc: Loc = found["loc"]
        field = str(loc[-1]) if loc else ""
        line, message, step = document.line(loc), found["msg"], ""
        if found["type"] == "missing":
            message, step = f"It has no {field}.", _MISSING.get(field, "")
            if loc in document.lines:
                message = "It is empty."
        elif found["type"] == "too_short":
            if document.values.get("segments"):
                continue  # there are some, all with problems of their own
            message, step = "There is no segment.", _MISSING["segments"]
        elif found["type"] == "literal_error":
            known = list(get_args(Role))
            near = nearest_field(str(found["input"]), known)
            message = f"There is no role {found['input']!r}."
            step = f"Did you mean {near!r}?" if near else f"Known: {', '.join(known)}."
        elif found["type"] == "missing_length":
            if any(fault.loc == (*loc, "bars") for fault in document.faults):
                continue  # there are bars, with a problem of their own
            loc, step = (*loc, "seconds"), _MISSING["seconds"]
            message = "It is empty." if loc in document.lines else message
        elif found["type"] == "lengths":
            for index, said in found["ctx"]["wrong"].items():
                place = ("segments", index, "bars")
                yield Fault(place, said, document.line(place))
            continue
        elif found["type"] == "value_error":
            message = message.removeprefix("Value error, ")
            if message.startswith(("Two segments", "Two layers")):
                continue  # found before, with the lines
        yield Fault(loc, message, line, step)


def _doubles(document: Document) -> list[Fault]:
    """Find numbers and roles given twice, also where another problem hides them."""
    segments = document.values.get("segments") or []
    found = [
        Fault(("segments", index, "number"), TWO_SEGMENTS.format(segments[index]["number"]),
              document.line(("segments", index, "number")))
        for index in _second(segments, "number")
    ]  # fmt: skip
    for at, segment in enumerate(segments):
        layers = segment.get("layers") or []
        for index in _second(layers, "role"):
            loc = ("segments", at, "layers", index, "role")
            found.append(Fault(loc, TWO_LAYERS.format(layers[index]["role"]), document.line(loc)))
    return found


def _second(entries: list[Mapping[str, Any]], field: str) -> list[int]:
    """Return the indices of entries that repeat an earlier one's value."""
    seen: set[Any] = set()
    found = []
    for index, value in enumerate(entry.get(field) for entry in entries):
        if value is not None and value in seen:
            found.append(index)
        seen.add(value)
    return found


def _escaping(sheet: Sheet, document: Document) -> list[Fault]:
    """Find baselines that leave the sheet's folder through a link."""
    found = []
    for index, segment in enumerate(sheet.segments):
        if segment.baseline is None or is_absolute(segment.baseline):
            continue
        loc = ("segments", index, "baseline")
        try:
            leaves = not _resolved(sheet.folder / segment.baseline).is_relative_to(
                sheet.folder.resolve()
            )
        except (OSError, RuntimeError, ValueError):  # a loop of links, a name too long
            found.append(Fault(loc, "The path can't be followed.", document.line(loc)))
            continue
        if leaves:
            found.append(Fault(loc, LEAVES_FOLDER, document.line(loc)))
    return found


def _resolved(path: Path) -> Path:
    try:
        return path.resolve(strict=True)  # says so where links lead in a circle
    except FileNotFoundError:
        return path.resolve()


def _problem(fault: Fault, values: Mapping[str, Any]) -> Problem:
    return Problem(fault.message, _place(fault.loc, values), fault.line, fault.step)


def _place(loc: Loc, values: Any) -> str:
    """Name a place, as in "segment 7, layer backing, gain_db"."""
    words: list[str] = []
    for part in loc:
        child: Any = None
        if isinstance(values, Mapping):
            child = values.get(str(part))
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            child = values[part]
        if isinstance(part, int):
            names = child if isinstance(child, Mapping) else {}
            if words and words[-1] == "segments":
                number = names.get("number")
                words[-1] = f"segment {number}" if number else f"entry {part + 1} of the segments"
            elif words and words[-1] == "layers":
                role = names.get("role")
                words[-1] = f"layer {role}" if role else f"layer {part + 1}"
        else:
            words.append(str(part))
        values = child
    return ", ".join(words)


def _looks_like_markdown(text: str) -> bool:
    return bool(re.search(r"^(?:[-*] )?\*\*[^*\n]+\*\*|^```|^#{2,6} ", text, re.MULTILINE))
