"""A random walk through the latents of a corpus: plausible, endless, and never a copy.

The walk reads a stretch of the corpus's latent tracks at a pace, jumps to a stretch that sounds
alike, and so on. Its fast part, attacks and texture, comes from that reading. Its slow part, the
timbre, is drawn a way towards other places of the neighbourhood, so that what is heard was
never recorded.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from milonga.sounds.model.latents import CorpusLatents, LatentTrack, slow_part

Floats = NDArray[np.float32]
Vectors = tuple[Floats, Floats]
"""Latents ``[n, latent]`` and normalised controls ``[n, 7]``."""

_PHRASE = (14, 44)
"""Vectors that a stretch is read for, 1.3 to 4.1 s."""
_LONGEST = 512
_FADE = 3
_NEIGHBOURS = 6
_ELSEWHERE, _RUN_LEFT = 22, 6
_PARTNER = (0.02, 0.3)
"""Ranks, as shares of the latents, among which the places that timbre is drawn to are chosen."""
_DRAWN = (0.2, 0.65)
"""The share of the way that the slow part goes towards them."""
_WANDER = 0.3
"""Standard deviation of the free wandering, in spreads of each axis."""
_WANDER_VECTORS = 20.0
_CONTROLS_WEIGHT = 2.0
"""Of a spread of a control beside one of a latent dimension (of which there are many), where
neighbours are sought."""


class LatentWalk:
    """Vectors of a walk, in blocks.

    Args:
        kept: latents of the model's corpus.
        draw: makes it repeatable.
        pace: how fast it goes through the corpus; 1 as recorded, 0 stands still.
        after: a track that it goes on from; by default it starts anywhere.
    """

    def __init__(
        self,
        kept: CorpusLatents,
        draw: np.random.Generator,
        pace: float = 1.0,
        after: LatentTrack | None = None,
    ) -> None:
        self._kept, self._draw, self._pace = kept, draw, pace
        self._slow = kept.slow()
        self._slow_controls = np.empty_like(kept.controls)
        for _, first, count in kept.runs.tolist():
            part = slice(first, first + count)
            self._slow_controls[part] = slow_part(kept.controls[part])
        self._owner = np.repeat(np.arange(len(kept.runs)), kept.runs[:, 2])
        scale = kept.weights / np.sqrt((self._slow * kept.weights).var(0).mean() + 1e-9)
        self._place = np.concatenate(
            [self._slow * scale, _CONTROLS_WEIGHT * self._slow_controls], axis=1
        )
        self._wander = np.zeros(len(kept.axes), np.float32)
        if after is None:
            self._at = int(draw.integers(len(kept.latents)))
        else:
            place = np.concatenate(
                [
                    slow_part(after.latents)[-1] * scale,
                    _CONTROLS_WEIGHT * slow_part(after.controls)[-1],
                ]
            )
            self._at = int(np.argmin(((self._place - place) ** 2).sum(1)))
        self._goal, self._share = self._partner(), float(draw.uniform(*_DRAWN))
        self._next_goal, self._next_share = self._goal, self._share
        self._morph, self._morph_length = 1.0, 1.0

    def blocks(self) -> Iterator[Vectors]:
        """Endless blocks, one for each stretch that is read."""
        fading: Vectors | None = None
        while True:
            read, fading = self._phrase(fading)
            yield read

    def _phrase(self, fading: Vectors | None) -> tuple[Vectors, Vectors]:
        """One stretch without its end, which is to be faded into the next; the end."""
        _, first, count = self._kept.runs[self._owner[self._at]].tolist()
        wanted = min(int(self._draw.integers(*_PHRASE)), first + count - self._at)
        length = max(1, round(min(wanted / self._pace, _LONGEST))) if self._pace else _LONGEST
        fade = min(_FADE, length)
        positions = self._at + self._pace * np.arange(length + fade)
        positions = np.minimum(positions, first + count - 1.0)
        vectors = self._read(positions)
        body = vectors[0][:length], vectors[1][:length]
        tail = vectors[0][length:], vectors[1][length:]
        if fading is not None:
            over = min(len(fading[0]), length)
            rise = ((np.arange(over) + 0.5) / over)[:, np.newaxis].astype(np.float32)
            for new, old in zip(body, fading, strict=True):
                new[:over] = rise * new[:over] + (1 - rise) * old[:over]
        if self._pace:
            self._at = self._jump(round(float(positions[length - 1])))
        return body, tail

    def _read(self, positions: NDArray[np.float64]) -> Vectors:
        kept = self._kept
        low = np.floor(positions).astype(int)
        high = np.minimum(low + 1, np.ceil(positions).astype(int))
        part = (positions - low)[:, np.newaxis].astype(np.float32)

        def at(table: Floats) -> Floats:
            return np.asarray((1 - part) * table[low] + part * table[high], np.float32)

        slow, slow_controls = at(self._slow), at(self._slow_controls)
        drawn, drawn_controls, share = self._drawn(len(positions))
        latents = at(kept.latents) + share * (drawn - slow) + self._wandering(len(positions))
        controls = at(kept.controls) + share * (drawn_controls - slow_controls)
        return latents, controls

    def _drawn(self, length: int) -> tuple[Floats, Floats, Floats]:
        """The places that the slow part is drawn to, and how far, vector by vector."""
        places = np.empty((length, self._slow.shape[1]), np.float32)
        controls = np.empty((length, self._slow_controls.shape[1]), np.float32)
        shares = np.empty((length, 1), np.float32)
        for index in range(length):
            if self._morph >= 1.0:
                self._goal, self._share = self._next_goal, self._next_share
                self._next_goal = self._partner()
                self._next_share = float(self._draw.uniform(*_DRAWN))
                self._morph = 0.0
                self._morph_length = float(self._draw.uniform(20, 50))
            ease = np.float32(0.5 - 0.5 * np.cos(np.pi * self._morph))
            for out, table in ((places, self._slow), (controls, self._slow_controls)):
                out[index] = (1 - ease) * table[self._goal] + ease * table[self._next_goal]
            shares[index] = (1 - ease) * self._share + ease * self._next_share
            self._morph += self._pace / self._morph_length
        return places, controls, shares

    def _wandering(self, length: int) -> Floats:
        keep = np.exp(-min(self._pace, 10.0) / _WANDER_VECTORS)
        steps = self._draw.standard_normal((length, len(self._wander))).astype(np.float32)
        track = np.empty_like(steps)
        for index in range(length):
            self._wander = (keep * self._wander + np.sqrt(1 - keep**2) * steps[index]).astype(
                np.float32
            )
            track[index] = self._wander
        spread = _WANDER * self._kept.axes_spread
        return np.asarray((track * spread) @ self._kept.axes, np.float32)

    def _partner(self) -> int:
        """A place in the wider neighbourhood."""
        distance = ((self._place - self._place[self._at]) ** 2).sum(1)
        order = np.argsort(distance, kind="stable")
        low, high = (round(share * (len(order) - 1)) for share in _PARTNER)
        return int(order[self._draw.integers(low, max(low, high) + 1)])

    def _jump(self, here: int) -> int:
        """The place where the reading goes on: it sounds alike and is mostly of another stretch.

        Each run offers its nearest place. Were all places asked, a long steady sound would hold
        the walk for good, since its neighbours are all its own.
        """
        runs = self._kept.runs
        distance = ((self._place - self._place[here]) ** 2).sum(1)
        at = np.arange(len(distance))
        ends = runs[self._owner, 1] + runs[self._owner, 2]
        # Just before or after isn't elsewhere, and the end of a run would be over at once.
        near = (np.abs(at - here) < _ELSEWHERE) & (self._owner == self._owner[here])
        late = (ends - at < _RUN_LEFT) & (runs[self._owner, 2] > 2 * _RUN_LEFT)
        distance = np.where(near | late, np.inf, distance)
        offers = [first + int(np.argmin(distance[first : first + count]))
                  for _, first, count in runs.tolist()]  # fmt: skip
        order = sorted(offers, key=lambda place: float(distance[place]))[:_NEIGHBOURS]
        open_to = [place for place in order if np.isfinite(distance[place])]
        return int(self._draw.choice(open_to)) if open_to else here
