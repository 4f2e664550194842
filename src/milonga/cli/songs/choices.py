"""Options that several song commands share: generators with settings, and choices of takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click


def parse_options(pairs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Read ``GEN.KEY=VALUE`` pairs; a value is read as a plain YAML scalar, so ``3`` is a number.

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
    """Read ``SEGMENT[/ROLE]=TAKE`` and ``whole=TAKE``, as ``{"18/vocals": "guide-s1"}``.

    Raises:
        click.BadParameter: another form.
    """
    choices = {}
    for pair in pairs:
        layer, equals, take = pair.partition("=")
        number = layer.partition("/")[0]
        if not (equals and take and (number.isdecimal() or layer == "whole")):
            raise click.BadParameter(
                f"{pair!r} is not SEGMENT[/ROLE]=TAKE or whole=TAKE, as in 18/vocals=guide-s1"
            )
        choices[layer] = take
    return choices


choose_option = click.option(
    "--choose",
    multiple=True,
    metavar="WHERE=TAKE",
    callback=lambda ctx, param, pairs: parse_choices(pairs),
    help="Use this take in the mix, as in 18/vocals=guide-s1, whole=ace-step-s0 or, for a piece of "
    "the whole, 7=whole/ace-step-s0. Kept for later mixes; the take none takes a choice back.",
)
best_by_option = click.option(
    "--best-by",
    metavar="RULE",
    help="Of several takes use the best by a rule: checks, words, tempo, length, timbre or chroma "
    "(the last two against the baseline). The take checks come first; takes chosen by name stay.",
)
options_option = click.option(
    "--option",
    "options",
    multiple=True,
    metavar="GEN.KEY=VALUE",
    callback=lambda ctx, param, pairs: parse_options(pairs),
    help="A generator's setting; milonga render --list-options shows them.",
)
takes_option = click.option(
    "--takes",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    metavar="K",
    help="Takes per layer and generator, with seeds S, S+1, ...",
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 101),
    default=0,
    show_default=True,
    metavar="S",
    help="First seed.",
)
