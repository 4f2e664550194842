"""Song sheets: start, check, import and export in one step each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from milonga.errors import MilongaError, OutputError, PlanError, Problem, SheetError
from milonga.generators.base import Generator, Request
from milonga.generators.registry import GENERATORS, make_generator
from milonga.runtime import html
from milonga.runtime.files import write_text
from milonga.songs.markdown.export import export_markdown
from milonga.songs.markdown.import_ import Imported, import_file
from milonga.songs.rendering.planned import WHOLE
from milonga.songs.rendering.takes import role_for
from milonga.songs.sheet.editing import SheetChange, change_sheet
from milonga.songs.sheet.load import load_sheet, parse_sheet
from milonga.songs.sheet.model import Sheet
from milonga.songs.sheet.overview import overview
from milonga.songs.sheet.starter import starter
from milonga.songs.sheet.yaml_reader import read_yaml
from milonga.workflows.songs import plan_song

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class LayerPrompts:
    """The texts that a generator's model is given for a layer, with notes and problems."""

    generator: str
    segment: int
    name: str
    role: str
    prompts: tuple[str, ...]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class SheetCheck:
    """The result of a check.

    Attributes:
        sheet: None where it can't be read.
        overview: the sheet with everything filled in, totals and notes, as plain values.
        prompts: by layer, where generators were named.
        error: explains everything that a render would refuse; None for a good sheet.
    """

    path: Path
    sheet: Sheet | None = None
    overview: Mapping[str, Any] | None = None
    prompts: tuple[LayerPrompts, ...] | None = None
    error: SheetError | PlanError | None = None

    @property
    def good(self) -> bool:
        return self.error is None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong with the sheet."""
        if self.error is None:
            return ()
        return self.error.problems or (Problem(self.error.message, step=self.error.step or ""),)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        found = self.overview or {"path": str(self.path)}
        prompts = {} if self.prompts is None else {"prompts": [asdict(p) for p in self.prompts]}
        return {**found, **prompts, "problems": [asdict(problem) for problem in self.problems]}

    def _repr_html_(self) -> str:
        page = ""
        if self.sheet is not None and self.overview is not None:
            page = self.sheet._repr_html_() + html.paragraphs(self.overview["notes"])
        if self.good:
            return page
        rows = ((p.line, p.where, p.message, p.step) for p in self.problems)
        headings = ("Line", "Where", "Problem", "How to fix it")
        return page + html.table(headings, rows, str(self.path))


def check_sheet(
    path: StrPath,
    *,
    generators: Iterable[str] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> SheetCheck:
    """Read a sheet and tell what it will render, or everything that ``plan_song`` refuses.

    Args:
        path: of the sheet.
        generators: check for these instead of the layers' own, and give the texts that they read.
        options: of the generators, over those of the sheet.
    """
    try:
        sheet = load_sheet(path)
    except SheetError as error:
        return SheetCheck(Path(path), error=error)
    names = (generators,) if isinstance(generators, str) else tuple(generators)
    found, fault, prompts = overview(sheet, GENERATORS), None, None
    try:
        plan = plan_song(sheet, generators=names, options=options)
        found["notes"] += plan.about_song
    except PlanError as refused:
        fault = refused
    if names:
        # The plan has named what keeps a generator from being made.
        with suppress(MilongaError):
            prompts = tuple(
                each
                for name in names
                for each in layer_prompts(sheet, name, (options or {}).get(name))
            )
    return SheetCheck(Path(path), sheet, found, prompts, fault)


@dataclass(frozen=True, slots=True)
class SheetDraft:
    """A sheet while it is written, with problems or without.

    Attributes:
        text: its YAML.
        values: what was read of it, as plain values; fields that can't be read are missing.
        problems: everything that is wrong, each with its place.
        notes: on what will not go as written; only of a sheet without problems.
        seconds: the song's length; None with problems.
    """

    text: str
    values: Mapping[str, Any]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float | None = None

    @property
    def good(self) -> bool:
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return the draft as plain values."""
        return {
            "text": self.text,
            "values": dict(self.values),
            "problems": [asdict(problem) for problem in self.problems],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


def read_draft(text: str, source: StrPath | None = None) -> SheetDraft:
    """Read a sheet that is being written; nothing is raised for what is wrong in it.

    Args:
        text: its YAML.
        source: its file, whose folder holds the baselines.

    Example:
        >>> draft = read_draft("{title: Uno, segments: [{number: 1, name: A, section: intro}]}")
        >>> draft.problems[0].where, draft.problems[0].message
        ('segment 1, seconds', 'It has no seconds.')
    """
    values = read_yaml(text).values
    try:
        sheet = parse_sheet(text, None if source is None else Path(source))
    except SheetError as error:
        problems = error.problems or (Problem(error.message, step=error.step or ""),)
        return SheetDraft(text, values, tuple(problems))
    found = overview(sheet, GENERATORS)
    return SheetDraft(text, values, (), tuple(found["notes"]), sheet.seconds)


def change_draft(
    text: str, change: SheetChange | Mapping[str, Any], source: StrPath | None = None
) -> SheetDraft:
    """Change one field, or add, remove or move an entry; every other line stays as it is.

    Args:
        text: the sheet's YAML.
        change: as fields of ``SheetChange``.
        source: as for ``read_draft``.

    Raises:
        SheetError: the text can't be read, or the change can't be made in it.

    Example:
        >>> text = "title: Uno # mine\\nsegments: []\\n"
        >>> change_draft(text, {"op": "set", "loc": ["title"], "value": "Dos"}).text
        'title: Dos # mine\\nsegments: []\\n'
    """
    wanted = change if isinstance(change, SheetChange) else SheetChange.model_validate(change)
    return read_draft(change_sheet(text, wanted), source)


def layer_prompts(
    sheet: Sheet, name: str, options: Mapping[str, Any] | None = None
) -> Iterable[LayerPrompts]:
    """Yield the prompts of each layer that a generator can make, and of the whole song where the
    sheet asks for such takes; that has the segment number 0.

    Raises:
        MilongaError: an unknown generator or option, or a missing extra.
    """
    for segment in sheet.segments:
        settings = {**segment.options.get(name, {}), **(options or {})}
        generator = make_generator(name, settings)
        for layer in segment.layers:
            request = sheet.request(segment, layer, seed=0, options=settings)
            if (role := role_for(request, generator.roles)) is not None:
                request = request.model_copy(update={"role": role})
                yield _prompts(generator, segment.number, segment.name, request)
    if sheet.whole is not None:
        settings = {**sheet.whole.options.get(name, {}), **(options or {})}
        generator = make_generator(name, settings)
        if "song" in generator.roles:
            yield _prompts(generator, 0, WHOLE, sheet.whole_request(seed=0, options=settings))


def _prompts(generator: Generator, number: int, segment: str, request: Request) -> LayerPrompts:
    assessment = generator.assess(request)
    return LayerPrompts(
        generator.name,
        number,
        segment,
        request.role,
        tuple(generator.prompts(request)),
        assessment.notes,
        assessment.problems,
    )


def new_sheet(path: StrPath, *, title: str = "My first song", force: bool = False) -> Path:
    """Write a commented sheet to start from.

    Raises:
        OutputError: there is a file already, or the name is no sheet's.
        SheetError: no sheet may have this title.
    """
    text = starter(title)
    parse_sheet(text)  # refuses a title that no sheet may have
    return _write(Path(path), text, force, sheet=True)


def import_sheet(
    markdown: StrPath, out: StrPath | None = None, *, song: int = 1, force: bool = False
) -> Imported:
    """Make a sheet of lyrics or prompts as people keep them; see ``import_markdown`` for the forms.

    Args:
        markdown: the file.
        out: write the sheet as this file.
        song: which one of a file that holds several.
        force: overwrite one that is there.

    Raises:
        SheetError: the file can't be read, or holds no song.
        OutputError: as ``new_sheet``.
    """
    imported = import_file(Path(markdown), song=song)
    if out is not None:
        _write(Path(out), imported.to_yaml(), force, sheet=True)
    return imported


def export_sheet(sheet: StrPath | Sheet, out: StrPath | None = None, *, force: bool = False) -> str:
    """Turn a sheet into Markdown, which ``import_sheet`` reads back.

    Args:
        sheet: a song sheet, or the path of one.
        out: write the Markdown as this file.
        force: overwrite one that is there.

    Raises:
        SheetError: the sheet is wrong.
        OutputError: there is a file already.
    """
    text = export_markdown(sheet if isinstance(sheet, Sheet) else load_sheet(sheet))
    if out is not None:
        _write(Path(out), text, force)
    return text


def _write(path: Path, text: str, force: bool, *, sheet: bool = False) -> Path:
    if sheet and path.suffix.lower() not in (".yaml", ".yml"):
        raise OutputError(
            "The name of a sheet ends in .yaml.",
            where=path,
            step=f"Write it to {path / 'song.yaml' if path.is_dir() else path.with_suffix('.yaml')}"
            " instead.",
        )
    if path.is_dir():
        raise OutputError("This is a folder.", where=path, step="Give the name of a file.")
    if path.exists() and not force:
        raise OutputError(
            "There is a file already.",
            where=path,
            step="Choose another name, or overwrite it with --force (in Python: force=True).",
        )
    write_text(path, text)
    return path
