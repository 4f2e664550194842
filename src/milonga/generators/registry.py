"""Generators by name; looking one up imports only that one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from milonga.errors import MilongaError, UnknownNameError, needs_extra
from milonga.runtime.record import first_error

if TYPE_CHECKING:
    from milonga.generators.base import Generator


@dataclass(frozen=True, slots=True)
class KnownGenerator:
    """The address of a generator, the extra it needs, and its purpose."""

    target: str
    extra: str
    summary: str


GENERATORS: dict[str, KnownGenerator] = {
    "guide": KnownGenerator(
        "milonga.generators.guide:Guide", "guide", "a scratch version of anything, no download"
    ),
    "sound": KnownGenerator(
        "milonga.generators.sound:SoundGenerator",
        "sounds",
        "textures from sound models of your own recordings",
    ),
    "ace-step": KnownGenerator(
        "milonga.generators.ace_step:AceStep",
        "models",
        "whole songs, sung and played in one, and edits of recordings, by ACE-Step 1.5",
    ),
    "bark": KnownGenerator(
        "milonga.generators.bark:Bark",
        "models",
        "sung and spoken words in many languages, by Suno's Bark",
    ),
    "musicgen": KnownGenerator(
        "milonga.generators.musicgen:MusicGen",
        "models",
        "instrumental music from a description, by Meta's MusicGen; not for commercial use",
    ),
    "stable-audio": KnownGenerator(
        "milonga.generators.stable_audio:StableAudio",
        "models",
        "stereo music and textures up to 47 s from a description, by Stable Audio Open; gated",
    ),
    "stable-audio-3": KnownGenerator(
        "milonga.generators.stable_audio_3:StableAudio3",
        "models",
        "stereo music and textures of minutes in 8 steps, and edits, by Stable Audio 3; gated",
    ),
}


def generator_class(name: str) -> type[Generator]:
    """Return the class of a generator.

    Raises:
        UnknownNameError: no such generator.
        MissingExtraError: its libraries aren't installed.
    """
    if name not in GENERATORS:
        raise UnknownNameError("generator", name, GENERATORS)
    known = GENERATORS[name]
    with needs_extra(f"The generator {name!r}", known.extra):
        found: type[Generator] = resolve_name(known.target)
    return found


def generator(name: str, **options: Any) -> Generator:
    """Make a generator by its name, as in ``generator("bark", voice="v2/en_speaker_6")``.

    Raises:
        MilongaError: an unknown name, a missing extra, an unknown or wrong option.

    Example:
        >>> guide = generator("guide")
        >>> sorted(guide.roles), guide.length
        (['backing', 'instrumental', 'song', 'texture', 'vocals'], 'exact')
    """
    return make_generator(name, options)


def make_generator(name: str, options: Mapping[str, Any]) -> Generator:
    """Make a generator from its name and a mapping of options; raises as ``generator``."""
    found = generator_class(name)
    known = found.Options.model_fields
    for key in options:
        if key not in known:
            names = ", ".join(f"{name}.{field}" for field in known) or "none"
            raise MilongaError(f"{name} has no option {key!r}.", step=f"It has: {names}.")
    try:
        return found(found.Options.model_validate(dict(options)))
    except ValidationError as error:
        field, message = first_error(error)
        top = field.split(".")[0]
        raise MilongaError(
            f"Option {name}.{field} = {options.get(top)!r} is wrong: {message}.",
            step=known[top].description if top in known else None,
        ) from None


def describe_options(name: str) -> Iterator[tuple[str, Any, str]]:
    """Yield the name, default and help of each option that a generator has.

    Raises:
        UnknownNameError, MissingExtraError: as ``generator_class``.
    """
    for key, field in generator_class(name).Options.model_fields.items():
        yield key, field.default, field.description or ""
