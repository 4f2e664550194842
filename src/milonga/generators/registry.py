"""Names of generators; looking one up imports only that one."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from milonga.errors import MissingExtraError, UnknownNameError

if TYPE_CHECKING:
    from milonga.generators.base import Generator


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a generator lives, the extra it needs, and what it is for."""

    target: str
    extra: str
    summary: str


GENERATORS: dict[str, Entry] = {
    "guide": Entry(
        "milonga.generators.guide:Guide", "guide", "a scratch version of anything, no download"
    ),
    "sound": Entry(
        "milonga.generators.sound:Sound",
        "sounds",
        "textures from sound models of your own recordings",
    ),
    "bark": Entry(
        "milonga.generators.bark:Bark",
        "models",
        "sung and spoken words in many languages, by Suno's Bark",
    ),
    "musicgen": Entry(
        "milonga.generators.musicgen:MusicGen",
        "models",
        "instrumental music from a description, by Meta's MusicGen; not for commercial use",
    ),
    "stable-audio": Entry(
        "milonga.generators.stable_audio:StableAudio",
        "models",
        "stereo music and textures up to 47 s from a description, by Stable Audio Open; gated",
    ),
}


def generator_class(name: str) -> type[Generator]:
    """The class behind a name.

    Raises:
        UnknownNameError: no such generator.
        MissingExtraError: its libraries aren't installed.
    """
    if name not in GENERATORS:
        raise UnknownNameError("generator", name, GENERATORS)
    entry = GENERATORS[name]
    module, _, attribute = entry.target.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("milonga"):
            raise
        raise MissingExtraError(f"The generator {name!r}", entry.extra) from error
    return found  # type: ignore[no-any-return]
