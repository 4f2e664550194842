"""The texts that a generator's model will be given: for ``song check --with``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import say
from milonga.cli.songs.choices import make_generator, parse_options

if TYPE_CHECKING:
    from milonga.songs.sheet.load import Sheet


def prompts_of(
    sheet: Sheet, generators: Sequence[str], options: Sequence[str]
) -> list[dict[str, Any]]:
    """The prompts of each layer that a generator can make, with its notes and problems.

    Raises:
        MilongaError: an unknown generator or option, or a missing extra.
    """
    given = parse_options(options)
    found = []
    for name in generators:
        for segment in sheet.segments:
            settings = {**segment.options.get(name, {}), **given.get(name, {})}
            generator = make_generator(name, settings)
            for layer in segment.layers:
                if layer.role not in generator.roles:
                    continue
                request = sheet.request(segment, layer, seed=0, options=settings)
                assessment = generator.assess(request)
                found.append(
                    {
                        "generator": name,
                        "segment": segment.number,
                        "name": segment.name,
                        "role": layer.role,
                        "prompts": list(generator.prompts(request)),
                        "notes": list(assessment.notes),
                        "problems": [
                            {"message": problem.message, "where": problem.where,
                             "step": problem.step}
                            for problem in assessment.problems
                        ],
                    }
                )  # fmt: skip
    return found


def show_prompts(prompts: Sequence[dict[str, Any]]) -> None:
    """The prompts on standard output, what else there is to say beside them."""
    if not prompts:
        say("No layer of this sheet is for these generators.")
    for index, layer in enumerate(prompts):
        if index:
            click.echo()
        click.echo(f"{layer['segment']} {layer['name']}, {layer['role']}, {layer['generator']}")
        count = len(layer["prompts"])
        for number, prompt in enumerate(layer["prompts"], 1):
            if count > 1:
                click.echo(f"  part {number} of {count}:")
            for line in prompt.splitlines():
                click.echo(f"    {line}")
        if not count:
            click.echo("    (no text)")
        for note in layer["notes"]:
            click.echo(f"  - {note}")
        for problem in layer["problems"]:
            where = f"{problem['where']}: " if problem["where"] else ""
            click.echo(f"  ! {where}{problem['message']} {problem['step']}".rstrip())
