"""The fields that a sheet has, from its models, and the values read from one."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from milonga.songs.sheet.fields import Kind, Reads

Schema = dict[str, "Kind | Schema | tuple[Schema]"]
"""Field name to kind, or to the schema of a mapping; a tuple holds that of mappings in a list."""


@cache
def schema_of(model: type[BaseModel]) -> Schema:
    """Return the fields of a model in their order, as files hold them."""
    hints = get_type_hints(model, include_extras=True)
    return {name: _kind(hints[name]) or "text" for name in model.model_fields}


def _kind(hint: Any) -> Kind | Schema | tuple[Schema] | None:
    if isinstance(hint, Reads):
        return hint.kind
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return schema_of(hint)
    kind = next((kind for part in get_args(hint) if (kind := _kind(part))), None)
    return (kind,) if isinstance(kind, dict) and get_origin(hint) is tuple else kind


Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem at a place in the document."""

    loc: Loc
    message: str
    line: int | None = None
    step: str = ""


@dataclass(slots=True)
class Document:
    """Plain values that were read, the line of each, and the faults found."""

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Loc, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, loc: Loc) -> int | None:
        """Return the line of a place, or of what holds it."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc)
