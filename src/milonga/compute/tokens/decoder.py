"""The quickest decoder that this machine can run."""

from __future__ import annotations

from milonga.compute.tokens.description import Description
from milonga.compute.tokens.fast import FastDecoder, unfit
from milonga.compute.tokens.plain import PlainDecoder

Decoder = FastDecoder | PlainDecoder


def decoder_of(description: Description) -> Decoder:
    """The compiled decoder where one can be made, else that in plain torch."""
    return PlainDecoder(description) if unfit(description) else FastDecoder(description)
