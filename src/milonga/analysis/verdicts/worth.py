"""What a baseline's figures are worth: its impostors, and its ladder when it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from threading import Lock

from milonga.analysis.pairs.figures import Common
from milonga.analysis.pairs.measure import common
from milonga.analysis.pairs.sketch import Sketch, backwards
from milonga.analysis.verdicts.borrowed import Borrowed, borrowed
from milonga.analysis.verdicts.judge import SHUFFLED, Rung, Verdict, judge, placed, sentence
from milonga.analysis.verdicts.ladder import excerpt, rungs
from milonga.analysis.verdicts.others import others
from milonga.audio.clip import Clip

IMPOSTORS = {
    "silence": "silence",
    "noise": "noise of its colour",
    "shadow": "noise of its mean levels",
    "shaped": "noise in its shape",
    "shuffled": SHUFFLED,
}
"""The yardsticks that aren't the baseline, in words."""


class Worth:
    """Judges candidates of one baseline.

    Args:
        clip: the baseline; an excerpt of it is kept.
        own: its sketch.
        yardsticks: figures of its yardsticks on common ground, by their names.
        others: figures of other recordings, by their styles.
        shaped: noise in the baseline's shape, where there is any.
        workers: threads; None for one per processor.

    Attributes:
        impostors: figures of what isn't the baseline, by name in words.
    """

    def __init__(
        self,
        clip: Clip,
        own: Sketch,
        yardsticks: Mapping[str, Common],
        others: Mapping[str, Common],
        shaped: Sketch | None = None,
        workers: int | None = None,
    ) -> None:
        self.impostors = {
            words: yardsticks[name] for name, words in IMPOSTORS.items() if name in yardsticks
        }
        self.impostors |= {f"another recording ({style})": found for style, found in others.items()}
        self._sketch = own
        self._shaped = shaped
        self._excerpt = excerpt(clip)
        self._ladder: tuple[Rung, ...] | None = None
        self._workers = workers
        self._lock = Lock()

    @property
    def ladder(self) -> tuple[Rung, ...] | None:
        """The steps of damage; None as long as no candidate came so far that they were asked."""
        return self._ladder

    def judged(self, candidate: Sketch) -> tuple[Common, dict[str, Verdict], str]:
        """Measure a candidate: its figures, what they are worth, and a sentence."""
        found = common(self._sketch, candidate)
        verdicts = judge(found, self.impostors)
        counting = [verdict for verdict in verdicts.values() if verdict.counts]
        found = _believed(found, {verdict.figure for verdict in counting})
        if any(verdict.text.startswith("clear") for verdict in counting):
            ladder = self._climbed()
            verdicts = {name: placed(verdict, ladder) for name, verdict in verdicts.items()}
        return found, verdicts, sentence(found, verdicts)

    def borrowed(self, candidate: Sketch) -> Borrowed | None:
        """Find a passage of the baseline in a candidate, beyond what chance gives."""
        return borrowed(self._sketch, candidate, self._innocent)

    def _innocent(self) -> dict[str, Sketch]:
        """Return what can have taken nothing from the baseline, by name in words."""
        found = {f"another recording ({style})": one for style, one in others().items()}
        found["the baseline backwards"] = backwards(self._sketch)
        if self._shaped is not None:
            found[IMPOSTORS["shaped"]] = self._shaped
        return found

    def _climbed(self) -> tuple[Rung, ...]:
        with self._lock:
            if self._ladder is None:
                self._ladder = rungs(self._excerpt, workers=self._workers)
            return self._ladder


def _believed(found: Common, counting: set[str]) -> Common:
    """Drop what an alignment says of two recordings that don't agree; it has a slope, too."""
    if not counting:
        return replace(found, tempo_ratio=None, pitch_shift_semitones=None, changes=())
    if counting & {"sound_similarity", "rhythm_similarity"}:
        return found
    # Held notes leave the course of time open.
    kept = tuple(change for change in found.changes if change not in ("faster", "slower"))
    return replace(found, tempo_ratio=None, changes=kept)
