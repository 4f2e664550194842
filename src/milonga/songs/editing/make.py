"""Making an edit: a generator's sound put into its source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from milonga.audio.clip import Clip
from milonga.audio.pasting import Pasted, paste
from milonga.errors import GeneratorError
from milonga.generators.base import Generator, Request
from milonga.runtime.progress import Progress
from milonga.songs.rendering.planned import PlannedTake
from milonga.songs.rendering.receipts import Edited, Made, fits_24_bits
from milonga.songs.rendering.sources import PASTED, Source, edit_words

_SHORT_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEdit(PlannedTake):
    """An edit to be made.

    Attributes:
        source: the recording that it starts from.
        reference: a recording whose timbre is wanted.
        answers: what the sheet asks for, as ``Edited.answers``.
    """

    source: Source
    reference: Source | None = None
    answers: Request

    def make(self, seed: int, progress: Progress) -> Made:
        request = self.request.model_copy(update={"seed": seed})
        reference = self.reference.clip if self.reference else None
        return make_edit(
            self.generator, request, self.answers, self.source.clip, reference, progress
        )

    def to_dict(self) -> dict[str, Any]:
        edit = self.request.edit
        about = {} if edit is None else {"edit": edit.model_dump(), "what": edit_words(edit)}
        return {**PlannedTake.to_dict(self), **about}


def make_edit(
    generator: Generator,
    request: Request,
    answers: Request,
    source: Clip,
    reference: Clip | None,
    progress: Progress,
) -> Made:
    """Let a generator edit a recording, and keep the recording outside of the new range.

    Args:
        generator: can do the task.
        request: with ``edit``.
        answers: what the sheet asks for.
        source: the recording.
        reference: a recording whose timbre is wanted.
        progress: shows the work, and stops it.

    Raises:
        GeneratorError: the generator can't, or made too little.
        Cancelled: the user stopped it.
    """
    edit = request.edit
    if edit is None:
        raise GeneratorError("This request is none for an edit.")
    clip = generator.edit(request, source, reference, progress)
    if edit.task not in PASTED:
        return Made(clip, edited=Edited(answers=answers))
    rate = source.sample_rate
    offset, total = round(edit.offset * rate), round(request.seconds * rate)
    if abs(total - (filled := offset + source.n_samples)) <= 1:
        # Seconds round otherwise than samples that are added.
        total = filled
    start = round(edit.start * rate)
    end = total if edit.end is None else min(total, round(edit.end * rate))
    if clip.seconds < (until := end / rate) - _SHORT_S:
        fault = f"{generator.name} made {clip.seconds:.2f} s; the new range ends at {until:.2f} s."
        raise GeneratorError(fault, seed_may_help=True)
    exact = fits_24_bits(source)
    pasted = paste(
        source, clip, start, end,
        offset=offset, n_samples=total, full_scale=exact,
    )  # fmt: skip
    edited = Edited(
        answers=answers,
        pasted=True,
        gain_db=None if pasted.gain_db is None else round(pasted.gain_db, 3),
        limited=pasted.limited,
        notes=tuple(_notes(generator, source, clip, pasted, exact)),
    )
    new = pasted.clip[start:end]
    return Made(pasted.clip, new, edited, "PCM_24" if exact else "FLOAT")


def _notes(
    generator: Generator, source: Clip, clip: Clip, pasted: Pasted, exact: bool
) -> Iterator[str]:
    there, here = _format(clip), _format(source)
    if there != here:
        yield f"The sound of {generator.name} ({there}) was converted to the source's ({here})."
    if pasted.gain_db is None:
        yield "Nothing around the range tells its level: it is as the model made it."
    if pasted.limited:
        yield "Peaks of the range were held at full scale."
    if not exact:
        yield "The file is 32-bit float, in which the samples of the source stay as they are."


def _format(clip: Clip) -> str:
    layout = "mono" if clip.channels == 1 else f"{clip.channels} channels"
    return f"{clip.sample_rate} Hz, {layout}"
