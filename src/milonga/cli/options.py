"""Options of commands made from the fields of pydantic models, so that none is typed twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import click
from click.core import ParameterSource
from pydantic import BaseModel
from pydantic.fields import FieldInfo

F = TypeVar("F", bound=Callable[..., Any])

device_option = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda or mps."
)
# A file is refused where the song is opened, which says what is needed.
song_argument = click.argument("out", type=click.Path(path_type=Path))
yes_option = click.option("--yes", is_flag=True, help="Don't ask.")
force_option = click.option("--force", is_flag=True, help="Overwrite a file that is there.")
replace_option = click.option("--force", is_flag=True, help="Replace files that are there.")
folder_option = click.option(
    "-o", "--folder", required=True, type=click.Path(path_type=Path, file_okay=False),
    help="For the files.",
)  # fmt: skip


def seed_option(text: str | None = None) -> Callable[[F], F]:
    """Add ``--seed``, 0 by default."""
    return click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help=text)


def options_of(
    model: type[BaseModel], *names: str, leave_out: Iterable[str] = ()
) -> Callable[[F], F]:
    """Add an option for each field of a model to a command.

    The flag, type, bounds, choices, default and help come from the field: ``dither_seed`` is
    ``--dither-seed``, a switch that is on by default is turned off by ``--no-NAME``. Its
    ``json_schema_extra`` may have a "metavar", and a "help" that is only for the command line.

    Args:
        model: its fields have descriptions.
        names: of the fields; without any, all.
        leave_out: fields that get no option.
    """
    chosen = set(names or model.model_fields) - set(leave_out)
    fields = {name: f for name, f in model.model_fields.items() if name in chosen}

    def decorate(function: F) -> F:
        for name, field in reversed(fields.items()):
            function = _option(name, field)(function)
        return function

    return decorate


def given_fields(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the fields of a model that the user gave to the command that runs.

    Args:
        model: as given to ``options_of``.
        values: the arguments of the command.
    """
    found = {}
    for name, field in model.model_fields.items():
        argument = _argument(name, field)
        if argument in values and given(argument):
            found[name] = not values[argument] if argument != name else values[argument]
    return found


def given(argument: str) -> bool:
    """Tell whether the user gave an argument of the command that runs."""
    source = click.get_current_context().get_parameter_source(argument)
    return source not in (None, ParameterSource.DEFAULT)


def _argument(name: str, field: FieldInfo) -> str:
    return f"no_{name}" if field.annotation is bool and field.default is True else name


def _option(name: str, field: FieldInfo) -> Callable[[F], F]:
    argument = _argument(name, field)
    flag = "--" + argument.replace("_", "-")
    extra: Mapping[str, Any] = e if isinstance(e := field.json_schema_extra, dict) else {}
    text = extra.get("help", field.description)
    if field.annotation is bool:
        return click.option(flag, argument, is_flag=True, help=text)
    return click.option(
        flag,
        argument,
        type=_type(field),
        default=field.default,
        show_default=field.default is not None,
        metavar=extra.get("metavar"),
        help=text,
    )


def _type(field: FieldInfo) -> click.ParamType[Any] | type:
    kind: Any = field.annotation
    if get_origin(kind) in (Union, UnionType):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if kind is Path:
        return click.Path(path_type=Path)
    bounds = {key: getattr(part, key) for part in field.metadata for key in ("ge", "gt", "le", "lt")
              if getattr(part, key, None) is not None}  # fmt: skip
    if not bounds:
        return kind if isinstance(kind, type) else str
    make: Any = click.IntRange if kind is int else click.FloatRange
    return make(  # type: ignore[no-any-return]
        min=bounds.get("ge", bounds.get("gt")),
        max=bounds.get("le", bounds.get("lt")),
        min_open="gt" in bounds,
        max_open="lt" in bounds,
    )
