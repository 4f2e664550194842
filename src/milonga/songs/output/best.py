"""The best of several takes by a stated rule: the take checks first, then a figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from milonga import audio
from milonga.analysis.differences import similarity
from milonga.analysis.features import Features, features
from milonga.audio.clip import Clip
from milonga.errors import MilongaError, UnknownNameError
from milonga.generators.base import Request
from milonga.runtime.progress import Progress
from milonga.runtime.record import FiniteRecord
from milonga.songs.output.found_takes import FoundTakes, LayerTakes
from milonga.songs.rendering.receipts import intact_clip
from milonga.songs.rendering.takes import Take
from milonga.songs.sheet.model import Sheet


@dataclass(frozen=True)
class Judged:
    """A take that a rule looks at.

    Attributes:
        clip: its audio.
        asked: what the sheet asks for.
        baseline: the figures of the segment's baseline; None without one.
    """

    clip: Clip
    asked: Request
    baseline: Features | None = None

    @cached_property
    def features(self) -> Features:
        return features(self.clip)


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to tell takes of one layer apart.

    Attributes:
        about: what it prefers, one sentence for people, with its limits.
        what: the name of its figure.
        better: which figures are better.
        measure: the figure of a take; None where it isn't defined.
        always: it comes between the take checks and the rule that the user names.
    """

    about: str
    what: str = ""
    better: Literal["higher", "lower"] = "higher"
    measure: Callable[[Judged], float | None] = lambda judged: None
    always: bool = False


def _tempo_off(judged: Judged) -> float | None:
    measured = judged.features.tempo_bpm
    if measured is None:
        return None
    # Which of two octaves a beat is heard in is taste.
    return min(abs(measured * octave / judged.asked.tempo - 1) for octave in (0.5, 1, 2)) * 100


def _timbre(judged: Judged) -> float | None:
    known = judged.baseline
    if known is None:
        return None
    return similarity(known.mfcc_mean[1:], judged.features.mfcc_mean[1:])


def _chroma(judged: Judged) -> float | None:
    known = judged.baseline
    return None if known is None else similarity(known.chroma_mean, judged.features.chroma_mean)


def _length_off(judged: Judged) -> float:
    return abs(judged.clip.seconds - judged.asked.seconds)


RULES: dict[str, Rule] = {
    "checks": Rule("The take checks alone; among takes without findings the lowest seed."),
    "tempo": Rule(
        "The measured tempo nearest to the sheet's, half and double counting as the same. Says "
        "nothing of music without a beat.",
        "% off the tempo", "lower", _tempo_off,
    ),
    "length": Rule(
        "The length nearest to the sheet's; for generators of natural length.",
        "s off the length", "lower", _length_off,
    ),
    "timbre": Rule(
        "The mean timbre (MFCCs 2 to 13) most like the baseline's, which a layer is held against "
        "alone. An average: it knows neither tune nor words.",
        "timbre similarity", "higher", _timbre,
    ),
    "chroma": Rule(
        "The share of the twelve notes most like the baseline's, which a layer is held against "
        "alone. An average: it knows no tune.",
        "chroma similarity", "higher", _chroma,
    ),
}  # fmt: skip
"""By name. A rule that is ``always`` applied, as a score of the words, needs only an entry here."""


class Pick(FiniteRecord):
    """The take that a rule picked for a layer, as ``song.json`` keeps it."""

    take: str
    rule: str
    figures: dict[str, dict[str, float | None]]
    """By the take's name, each figure by its name."""

    @property
    def text(self) -> str:
        """One line: the rule, and the figures of all takes."""
        count, own = len(self.figures), self.figures[self.take]
        if own and all(value is None for value in own.values()):
            return f"the first of {count}: {self.rule} tells nothing here"
        names = [self.take, *(name for name in self.figures if name != self.take)]
        each = (f"{name} {_shown(self.figures[name])}" for name in names)
        listed = f": {', '.join(each)}" if any(own) else ""
        return f"best of {count} by {self.rule}{listed}"


def _shown(figures: Mapping[str, float | None]) -> str:
    return ", ".join(
        f"{'–' if value is None else format(value, '.3g')} {what}"
        for what, value in figures.items()
    )


def rule_named(name: str) -> Rule:
    """Return a rule by its name.

    Raises:
        UnknownNameError: there is no such rule.
    """
    if name not in RULES:
        raise UnknownNameError("rule", name, RULES)
    return RULES[name]


def best_takes(
    sheet: Sheet, found: Sequence[FoundTakes], name: str, progress: Progress | None = None
) -> tuple[dict[str, Pick], list[str]]:
    """Pick the best take of each layer, and of the whole song, by a rule.

    Of each are looked at: the current takes without findings of the generator that the mix
    prefers. Layers with a take that was chosen by name are left as they are.

    Args:
        sheet: the song.
        found: the takes.
        name: of the rule.
        progress: counts takes.

    Returns:
        The picks by key, and notes on what couldn't be picked.

    Raises:
        UnknownNameError: there is no such rule.
    """
    rule_named(name)
    rules = [key for key, rule in RULES.items() if rule.always and key != name] + [name]
    picks, notes = {}, []
    pools = [(each, _pool(each)) for each in found]
    count = sum(len(pool) for _, pool in pools)
    with (progress or Progress()).task(f"Choosing by {name}", count, "takes") as task:
        for each, pool in pools:
            if each.by_name:
                notes.append(f"{each.label}: chosen by name, so not by the rule {name}.")
            elif pool:
                pick = _pick(sheet, each, pool, rules)
                picks[each.key] = pick
                if name != "checks" and pick.figures[pick.take].get(RULES[name].what) is None:
                    notes.append(f"{each.label}: the rule {name} tells nothing here.")
            task.advance(len(pool))
    return picks, notes


def _pool(found: FoundTakes) -> list[Take]:
    usable = [take for take in found.takes if take.usable]
    return [t for t in usable if t.receipt.generator == usable[0].receipt.generator]


def _pick(sheet: Sheet, found: FoundTakes, pool: Sequence[Take], rules: Sequence[str]) -> Pick:
    baseline = _baseline(sheet, found)
    figures: dict[str, dict[str, float | None]] = {}
    for take in pool:
        clip = intact_clip(take.receipt, take.path.parent)
        if clip is not None and clip.n_samples:
            judged = Judged(clip, found.place.asked, baseline)
            own = [RULES[rule] for rule in rules if RULES[rule].what]
            figures[take.name] = {rule.what: rule.measure(judged) for rule in own}

    for what in {RULES[rule].what for rule in rules if RULES[rule].always and rule != rules[-1]}:
        if all(each.get(what) is None for each in figures.values()):
            # It tells nothing here, and nobody asked for it.
            figures = {
                take: {key: value for key, value in each.items() if key != what}
                for take, each in figures.items()
            }

    def merit(name: str) -> tuple[float, ...]:
        return tuple(_merit(RULES[rule], figures[name]) for rule in rules)

    # Of equals the first, which has the lowest seed.
    best = max(figures, key=merit, default=pool[0].name)
    return Pick(take=best, rule=rules[-1], figures=figures or {best: {}})


def _merit(rule: Rule, figures: Mapping[str, float | None]) -> float:
    value = figures.get(rule.what)
    if value is None:
        return float("-inf")
    return value if rule.better == "higher" else -value


def _baseline(sheet: Sheet, found: FoundTakes) -> Features | None:
    path = sheet.baseline_path(found.segment) if isinstance(found, LayerTakes) else None
    try:
        return None if path is None else features(audio.read(path))
    except MilongaError:
        return None  # the report says why
