"""A generator that edits as the libraries do: another level, other samples everywhere."""

from typing import ClassVar

import numpy as np

from milonga.audio import Clip, resample
from milonga.errors import GeneratorError, Problem
from milonga.generators.base import Assessment, Generator, Licence, Model


class Editor(Generator):
    """Noise as music. An edit is the source at another rate, in mono, altered in every sample and
    scaled to -1 dBFS; inside the range it is seeded noise of the source's level."""

    name = "editor"
    roles = frozenset({"vocals", "instrumental", "song"})
    length = "exact"
    tasks = frozenset({"repaint", "extend", "cover", "extract", "lego", "complete"})
    tracks = ("vocals", "drums")
    any_sound = True  # Noise is what it is for.

    class Options(Generator.Options):
        rate: int = 24000
        short_s: float = 0.0

    asked: ClassVar[list] = []

    def assess(self, request):
        if "impossible" in request.style:
            return Assessment(problems=(Problem("This style can't be played.", "style"),))
        return Assessment(notes=("plain noise",), estimate_s=1.0)

    def model(self):
        licence = Licence(what="editor", name="CC0-1.0", commercial_use="yes")
        return Model(name="editor", libraries={"numpy": np.__version__}, licences=(licence,))

    def render(self, request, progress=None):
        rng = np.random.default_rng([request.seed, len(request.section)])
        frames = round(request.seconds * 44100)
        return Clip(0.1 * rng.standard_normal((2, frames)), 44100)

    def edit(self, request, source, reference=None, progress=None):
        progress.check()
        type(self).asked.append((request, source, reference))
        edit, rate = request.edit, self.options.rate
        if "explode" in request.style:
            raise ZeroDivisionError("the model fell over")
        if "refuse" in request.style:
            raise GeneratorError("Nothing comes of this prompt.")
        rng = np.random.default_rng(request.seed)
        wave = np.zeros(round((request.seconds - self.options.short_s) * rate))
        heard = resample(source.with_channels(1), rate).samples[0]
        at = round(edit.offset * rate)
        wave[at : at + len(heard)] = heard[: max(0, len(wave) - at)]
        level = float(np.std(heard)) if len(heard) else 0.0
        wave += 0.02 * level * rng.standard_normal(len(wave))
        end = len(wave) if edit.end is None else round(edit.end * rate)
        inside = slice(round(edit.start * rate), end)
        new = rng.standard_normal(len(wave[inside]))
        wave[inside] = 0 * new if "silent" in request.style else level * new
        peak = np.abs(wave).max(initial=0)
        return Clip(wave * (10 ** (-1 / 20) / peak) if peak else wave, rate)


class Deaf(Editor):
    """Renders, and edits nothing."""

    name = "deaf"
    tasks = frozenset()


class Painter(Editor):
    """Repaints instrumental music and nothing else."""

    name = "painter"
    roles = frozenset({"instrumental"})
    tasks = frozenset({"repaint"})


class Loud(Editor):
    """The same 9.5 dB louder."""

    name = "loud"

    def render(self, request, progress=None):
        return super().render(request, progress).scaled(3.0)
