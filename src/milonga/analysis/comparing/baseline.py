"""Baselines: measured once, with yardsticks and impostors, for any number of candidates."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from milonga.analysis import yardsticks
from milonga.analysis.comparing.model import Reference, Yardstick
from milonga.analysis.differences import differences
from milonga.analysis.features import features
from milonga.analysis.measured import Recording, measure
from milonga.analysis.pairs.figures import Common
from milonga.analysis.pairs.measure import common
from milonga.analysis.pairs.sketch import Sketch, reordered, sketch
from milonga.analysis.verdicts.others import others
from milonga.analysis.verdicts.worth import Worth
from milonga.audio.clip import Clip


class Begun:
    """A baseline whose measuring has begun in a pool."""

    def __init__(self, clip: Clip, pool: ThreadPoolExecutor, workers: int | None = None) -> None:
        self._clip, self._pool, self._workers = clip, pool, workers
        self._own = pool.submit(measure, clip)
        self._made = pool.submit(_noises, clip)

    def reference(self, path: str, decoder: str = "", sha256: str = "") -> Reference:
        """Wait for it, and measure its yardsticks and impostors."""
        clip, known = self._clip, self._own.result()
        own = known.sketch
        against = self._pool.map(lambda other: common(own, other), others().values())
        nothing = yardsticks.silence(clip).between(0, _SILENCE_S)
        waiting = {"silence": self._pool.submit(_yardstick, nothing, clip, known)}
        noises = self._made.result()
        shaped = noises["shaped"]
        # What it shares with the baseline is chance.
        kept = self._pool.submit(sketch, shaped) if isinstance(shaped, Clip) else None
        for name, made in noises.items():
            # The other kinds of noise have only a course.
            published = name == "noise"
            if name != "shaped" or kept is None:
                waiting[name] = self._pool.submit(_yardstick, made, clip, known, published)
        waiting["shuffled"] = self._pool.submit(_shuffled, clip, known)
        itself = differences(known.features, known.features)
        found = {"self": Yardstick(known.features, itself, None, common(own, own))}
        found |= {name: future.result() for name, future in waiting.items()}
        chance = kept.result() if kept is not None else None
        if chance is not None:
            found["shaped"] = Yardstick(common=_held(own, chance))
            found["shuffled"] = found.pop("shuffled")
        measured = {name: y.common for name, y in found.items() if y.common is not None}
        held = dict(zip(others(), against, strict=True))
        worth = Worth(clip, own, measured, held, chance, self._workers)
        return Reference(path, known.features, found, decoder, known.measured, worth, sha256)


_FEATURES_S, _SILENCE_S = 10.0, 1.0
"""Means over more of the same would be the same."""


def _noises(clip: Clip) -> dict[str, Clip | str]:
    """Make the three kinds of noise; or say why there is none."""
    try:
        colours = yardsticks.colours_of(clip)
    except yardsticks.NoYardstickError as reason:
        return dict.fromkeys(("noise", "shadow", "shaped"), reason.message)
    return {
        "noise": yardsticks.noise(clip, colours=colours),
        "shadow": yardsticks.shadow(clip, colours=colours),
        "shaped": yardsticks.shaped(clip, colours=colours),
    }


def _yardstick(made: Clip | str, clip: Clip, known: Recording, published: bool = True) -> Yardstick:
    if isinstance(made, str):
        return Yardstick(reason=made)
    held = _held(known.sketch, sketch(made))
    return _with_features(made, clip, known, held) if published else Yardstick(common=held)


def _shuffled(clip: Clip, known: Recording) -> Yardstick:
    try:
        made = yardsticks.shuffled(clip)
    except yardsticks.NoYardstickError as reason:
        return Yardstick(reason=reason.message)
    order = yardsticks.shuffled_order(clip)
    return _with_features(made, clip, known, _held(known.sketch, reordered(known.sketch, order)))


def _with_features(made: Clip, clip: Clip, known: Recording, held: Common) -> Yardstick:
    # They may be shorter than what they stand for.
    own = replace(features(made.between(0, _FEATURES_S)), duration_s=clip.seconds)
    return Yardstick(own, differences(known.features, own), None, held)


def _held(own: Sketch, made: Sketch) -> Common:
    # The alignment of what isn't the baseline has a slope, too.
    return replace(common(own, made), tempo_ratio=None, pitch_shift_semitones=None, changes=())
