"""Names of vocoders; looking one up imports only that one."""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from milonga.errors import UnknownNameError, needs_extra
from milonga.vocoders.base import VocoderBase


@dataclass(frozen=True, slots=True)
class KnownVocoder:
    """A vocoder that can be asked for: its ``load``, the extra it needs, its purpose."""

    target: str
    extra: str
    summary: str


VOCODERS: dict[str, KnownVocoder] = {
    "bigvgan": KnownVocoder(
        "milonga.vocoders.bigvgan.vocoder:load_bigvgan",
        "sounds",
        "BigVGAN-v2, the best there is; a download of some 489 MB",
    ),
    "griffin-lim": KnownVocoder(
        "milonga.vocoders.griffin_lim:load_griffin_lim",
        "",
        "phase reconstruction, no download",
    ),
}


def get_vocoder(name: str, device: str = "auto", **options: Any) -> VocoderBase:
    """Load a vocoder.

    Args:
        name: one of ``VOCODERS``.
        device: "auto" picks the best that works, else "cpu", "cuda", "mps".
        options: of the vocoder; ``model`` (a folder or a repository) for "bigvgan",
            ``spec``, ``seed`` for "griffin-lim".

    Raises:
        UnknownNameError: no such vocoder; lists those there are.
        MissingExtraError: its libraries aren't installed.
        VocoderError: it can't be loaded.
    """
    if name not in VOCODERS:
        raise UnknownNameError("vocoder", name, VOCODERS)
    entry = VOCODERS[name]
    with needs_extra(f"The vocoder {name!r}", entry.extra):
        vocoder: VocoderBase = resolve_name(entry.target)(device=device, **options)
    return vocoder
