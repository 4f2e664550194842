"""The sizes of a sound model's network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from milonga.errors import ModelFileError, UnknownNameError
from milonga.runtime.record import first_error

FACTOR = 8
"""Frames for one vector of the latent track."""

SIZES: dict[str, dict[str, Any]] = {
    "normal": {},
    "small": {"latent": 16, "widths": (32, 40, 48, 64), "blocks": (1, 1, 1, 1), "hidden": 32},
}
"""Fields of ``Architecture`` that differ from the usual ones."""

_Width = Annotated[int, Field(ge=1, le=1024)]
_Blocks = Annotated[int, Field(ge=1, le=16)]
_EACH_SCALE = Field(min_length=FACTOR.bit_length(), max_length=FACTOR.bit_length())


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

    bands: Annotated[int, Field(ge=1, le=512)] = 128
    latent: Annotated[int, Field(ge=1, le=256)] = 64
    widths: Annotated[tuple[_Width, ...], _EACH_SCALE] = (96, 128, 160, 256)
    blocks: Annotated[tuple[_Blocks, ...], _EACH_SCALE] = (2, 2, 2, 2)
    hidden: Annotated[int, Field(ge=1, le=512)] = 64
    floor: Annotated[float, Field(ge=-30)] = -11.512925
    ceiling: Annotated[float, Field(le=30)] = 3.0

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
            own = {field.name: values[field.name] for field in dataclasses.fields(cls)}
            made = _adapter().validate_python(own)
        except KeyError as error:
            raise ModelFileError(f"The architecture is damaged: it has no {error}.") from None
        except ValidationError as error:
            field, message = first_error(error)
            raise ModelFileError(f"The architecture is damaged: {field}: {message}") from None
        if not made.floor < made.ceiling:
            raise ModelFileError("The architecture is damaged: its floor is above its ceiling.")
        return made


@cache
def _adapter() -> TypeAdapter[Architecture]:
    return TypeAdapter(Architecture)
