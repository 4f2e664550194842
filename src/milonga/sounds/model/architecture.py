"""The sizes of a sound model's network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from milonga.errors import ModelFileError, UnknownNameError

FACTOR = 8
"""Frames for one vector of the latent track."""

SIZES: dict[str, dict[str, Any]] = {
    "normal": {},
    "small": {"latent": 16, "widths": (32, 40, 48, 64), "blocks": (1, 1, 1, 1), "hidden": 32},
}
"""Fields of ``Architecture`` that differ from the usual ones."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes of a network, kept in the model's file.

    Attributes:
        bands: of the mel.
        latent: dimensions of the latent.
        widths: channels at each time scale, from every frame to every eighth.
        blocks: residual blocks at each time scale, likewise.
        hidden: channels of the conditions.
        floor: the mel's lowest value, nats.
        ceiling: the highest that is decoded, nats.
    """

    bands: int = 128
    latent: int = 64
    widths: tuple[int, ...] = (96, 128, 160, 256)
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    hidden: int = 64
    floor: float = -11.512925
    ceiling: float = 3.0

    @classmethod
    def of_size(cls, name: str) -> Architecture:
        """The sizes of "normal", or of "small", which has a twentieth of the parameters.

        Raises:
            UnknownNameError: lists the names there are.
        """
        if name not in SIZES:
            raise UnknownNameError("size of a sound model", name, SIZES)
        return cls(**SIZES[name])

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return {
            **dataclasses.asdict(self),
            "widths": list(self.widths),
            "blocks": list(self.blocks),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Architecture:
        """The inverse of ``to_dict``; entries of other parts are left alone.

        Raises:
            ModelFileError: a field is missing or out of the range that this version makes.
        """
        try:
            made = cls(
                bands=int(values["bands"]),
                latent=int(values["latent"]),
                widths=tuple(int(width) for width in values["widths"]),
                blocks=tuple(int(count) for count in values["blocks"]),
                hidden=int(values["hidden"]),
                floor=float(values["floor"]),
                ceiling=float(values["ceiling"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"The architecture is damaged: {error}.") from None
        scales = FACTOR.bit_length()
        sound = (
            1 <= made.bands <= 512
            and 1 <= made.latent <= 256
            and len(made.widths) == len(made.blocks) == scales
            and all(1 <= width <= 1024 for width in made.widths)
            and all(1 <= count <= 16 for count in made.blocks)
            and 1 <= made.hidden <= 512
            and -30.0 <= made.floor < made.ceiling <= 30.0
        )
        if not sound:
            raise ModelFileError("The architecture is out of the range that milonga makes.")
        return made
