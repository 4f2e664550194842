"""A sound model as a sampler instrument: samples over keys and velocities, as SFZ and dspreset.

References:
    sfzformat.com (opcodes of SFZ 1); Decent Samples, "The dspreset format".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.etree import ElementTree

from milonga._version import __version__

_REACH = 24
"""Semitones from its own pitch to which a sample is transposed: beyond, it is another sound."""
_MIDDLE_C = 60
_ATTACK_S, _RELEASE_S = 0.005, 0.4
_VELOCITY_SHARE = 0.5
"""How much velocity changes the loudness, beside what it does to the slider."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A sample and when it plays.

    Attributes:
        file: path relative to the instrument, with slashes.
        pitch: of the sample, as a MIDI note with a fraction; None for a sound without one.
        low_velocity, high_velocity: 1 to 127.
        start, end: of its loop, in samples; ``end`` is the last that is played.
        turn, turns: the place among samples that take turns on the same key, from 1.
    """

    file: str
    pitch: float | None
    low_velocity: int
    high_velocity: int
    start: int
    end: int
    turn: int = 1
    turns: int = 1

    @property
    def root(self) -> int:
        """The key that plays it as it is."""
        return _MIDDLE_C if self.pitch is None else min(max(round(self.pitch), 0), 127)

    @property
    def cents(self) -> float:
        """What is missing to the pitch of its key."""
        return 0.0 if self.pitch is None else 100 * (self.root - self.pitch)

    @property
    def keys(self) -> tuple[int, int]:
        """The lowest and the highest key that plays it."""
        return max(0, self.root - _REACH), min(127, self.root + _REACH)


def velocities(count: int) -> list[tuple[int, int]]:
    """Divide the velocities 1 to 127 among positions of a slider.

    Example:
        >>> velocities(2)
        [(1, 63), (64, 127)]
    """
    edges = [1 + index * 127 // count for index in range(count + 1)]
    return [(low, high - 1) for low, high in pairwise(edges)]


def sfz_text(zones: Sequence[Zone], name: str, licence: str) -> str:
    """Write an instrument as SFZ."""
    lines = [
        f"// {_line(name)}, played by milonga {__version__}",
        *([f"// licence: {_line(licence)}"] if licence else []),
        "<global>",
        "loop_mode=loop_continuous",
        f"ampeg_attack={_ATTACK_S}",
        f"ampeg_release={_RELEASE_S}",
        f"amp_veltrack={round(100 * _VELOCITY_SHARE)}",
    ]
    for zone in zones:
        low, high = zone.keys
        lines += [
            "<region>",
            f"sample={zone.file}",
            f"lokey={low} hikey={high} pitch_keycenter={zone.root} tune={round(zone.cents)}",
            f"lovel={zone.low_velocity} hivel={zone.high_velocity}",
            f"loop_start={zone.start} loop_end={zone.end}",
        ]
        if zone.turns > 1:
            lines.append(f"seq_length={zone.turns} seq_position={zone.turn}")
    return "\n".join(lines) + "\n"


def dspreset_text(zones: Sequence[Zone], name: str) -> str:
    """Write an instrument as a preset of Decent Sampler."""
    root = ElementTree.Element("DecentSampler", {"minVersion": "1.0.0", "presetName": _line(name)})
    groups = ElementTree.SubElement(
        root,
        "groups",
        {
            "attack": str(_ATTACK_S),
            "release": str(_RELEASE_S),
            "ampVelTrack": str(_VELOCITY_SHARE),
        },
    )
    turns = sorted({zone.turn for zone in zones})
    for turn in turns:
        more = {"seqMode": "round_robin", "seqPosition": str(turn)} if len(turns) > 1 else {}
        group = ElementTree.SubElement(groups, "group", more)
        for zone in zones:
            if zone.turn == turn:
                low, high = zone.keys
                values = {
                    "path": zone.file, "rootNote": zone.root, "loNote": low, "hiNote": high,
                    "tuning": round(zone.cents / 100, 4), "loVel": zone.low_velocity,
                    "hiVel": zone.high_velocity, "loopEnabled": "true",
                    "loopStart": zone.start, "loopEnd": zone.end, "loopCrossfade": 0,
                }  # fmt: skip
                texts = {key: str(value) for key, value in values.items()}
                ElementTree.SubElement(group, "sample", texts)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())
