"""What ``render``, ``mix`` and ``replay`` share: generators by name, options, choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from milonga.errors import MilongaError
from milonga.generators.base import Generator
from milonga.generators.registry import generator_class


def make_generator(name: str, options: Mapping[str, Any]) -> Generator:
    """A generator from its name and raw options.

    Raises:
        MilongaError: an unknown name, a missing extra, an unknown or wrong option.
    """
    from pydantic import ValidationError

    found = generator_class(name)
    known = found.Options.model_fields
    for key in options:
        if key not in known:
            names = ", ".join(f"{name}.{field}" for field in known) or "none"
            raise MilongaError(f"{name} has no option {key!r}.", step=f"It has: {names}.")
    try:
        return found(found.Options.model_validate(dict(options)))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise MilongaError(
            f"Option {name}.{field} = {first['input']!r} is wrong: {first['msg']}.",
            step=known[field].description if field in known else None,
        ) from None


def parse_options(pairs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """``GEN.KEY=VALUE`` pairs; a value is read as YAML reads a plain scalar, so ``3`` is a number.

    Raises:
        click.BadParameter: another form.
    """
    import yaml

    options: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        left, equals, value = pair.partition("=")
        generator, dot, key = left.partition(".")
        if not (equals and dot and generator and key):
            raise click.BadParameter(
                f"{pair!r} is not GEN.KEY=VALUE, as in bark.voice=v2/en_speaker_6"
            )
        try:
            options.setdefault(generator, {})[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            options[generator][key] = value
    return options


def parse_choices(pairs: Iterable[str]) -> dict[str, str]:
    """``SEGMENT[/ROLE]=TAKE`` pairs, as ``{"18/vocals": "guide-s1"}``.

    Raises:
        click.BadParameter: another form.
    """
    choices = {}
    for pair in pairs:
        layer, equals, take = pair.partition("=")
        number, _, role = layer.partition("/")
        if not (equals and take and number.isdigit()):
            raise click.BadParameter(
                f"{pair!r} is not SEGMENT[/ROLE]=TAKE, as in 18/vocals=guide-s1"
            )
        choices[f"{int(number)}/{role}" if role else str(int(number))] = take.removesuffix(".wav")
    return choices


choose_option = click.option(
    "--choose",
    multiple=True,
    metavar="N[/ROLE]=TAKE",
    help="Use this take in the mix, as in 18/vocals=guide-s1. Kept for later mixes.",
)
