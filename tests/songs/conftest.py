"""A generator for the tests of rendering: a tone, or a defect when the style asks for one."""

import time

import numpy as np
import pytest

from milonga.audio import Clip
from milonga.errors import GeneratorError, Problem, UnknownNameError
from milonga.generators.base import Assessment, Generator, Licence, Model
from milonga.songs.sheet.model import Sheet


class Tone(Generator):
    """Seeded noise under a tone; exact length; all roles but texture."""

    name = "tone"
    roles = frozenset({"vocals", "backing", "instrumental"})
    length = "exact"
    any_sound = True  # A tone is what it is for.

    class Options(Generator.Options):
        level: float = 0.3
        delay_s: float = 0.0

    rendered = 0

    def assess(self, request):
        if "impossible" in request.style:
            problem = Problem("This style can't be played.", "style", step="Choose another.")
            return Assessment(problems=(problem,))
        return Assessment(notes=("a plain tone",), estimate_s=request.seconds / 100)

    def model(self):
        licence = Licence(what="tone", name="CC0-1.0", commercial_use="yes")
        return Model(name="tone", libraries={"numpy": np.__version__}, licences=(licence,))

    def render(self, request, progress):
        type(self).rendered += 1
        end = time.monotonic() + self.options.delay_s
        while time.monotonic() < end:
            progress.check()
            time.sleep(0.01)
        if "explode" in request.style:
            raise ZeroDivisionError("the model fell over")
        if "refuse" in request.style:
            raise GeneratorError("Nothing comes of this prompt.")
        if "no luck" in request.style:
            raise GeneratorError("Nothing comes of this seed.", seed_may_help=True)
        rng = np.random.default_rng(request.seed)
        frames = round(request.seconds * 24000)
        wave = self.options.level * np.sin(
            2 * np.pi * rng.uniform(200, 400) * np.arange(frames) / 24000
        )
        wave += 0.02 * rng.standard_normal(frames)
        if "rubbish" in request.style:
            wave = 0.1 * rng.standard_normal(frames)
        if "silent" in request.style or ("first-bad" in request.style and request.seed == 0):
            wave[:] = 0
        if "nan" in request.style:
            wave[frames // 2] = np.nan
        if "best" in request.style and f"best-{type(self).rendered}" not in request.style:
            wave[:] = 0
        if "short" in request.style or "best" in request.style:
            wave = wave[: frames // 2]
        return Clip(wave, 24000)


class Natural(Tone):
    """As long as it likes."""

    name = "natural"
    length = "natural"

    def render(self, request, progress):
        longer = request.model_copy(update={"seconds": request.seconds * 1.25})
        return super().render(longer, progress)


class Songster(Tone):
    """Makes songs, words and music in one, and nothing else."""

    name = "songster"
    roles = frozenset({"song"})


def make(name, options):
    found = {"tone": Tone, "natural": Natural, "songster": Songster}
    if name not in found:
        raise UnknownNameError("generator", name, found)
    return found[name](found[name].Options.model_validate(dict(options)))


@pytest.fixture
def make_generator():
    Tone.rendered = Natural.rendered = Songster.rendered = 0
    return make


@pytest.fixture
def tone_class():
    return Tone


@pytest.fixture
def sheet(tmp_path):
    """Builds a sheet of segments given as dicts; the defaults make each of them valid."""

    def build(*segments, **fields):
        filled = [
            {"number": n, "name": f"Part {n}", "section": "verse", "seconds": 1.0}
            | {"generators": ["tone"]}
            | segment
            for n, segment in enumerate(segments or ({},), 1)
        ]
        song = Sheet.model_validate({"title": "Test", "segments": filled} | fields)
        return song.with_source(tmp_path / "song.yaml")

    return build
