"""Explaining what pydantic found wrong."""

from __future__ import annotations

from pydantic import ValidationError


def first_error(error: ValidationError) -> tuple[str, str]:
    """Return the field and the message of the first fault, as in ``("model.name", "...")``."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return field, first["msg"].removeprefix("Value error, ")
