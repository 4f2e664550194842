"""Strict records: the parts of milonga's own JSON documents, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from milonga.errors import MilongaError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class Record(BaseModel):
    """An unchangeable set of fields; an unknown one is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def first_error(error: ValidationError) -> tuple[str, str]:
    """Return the field and the message of the first fault, as in ``("model.name", "...")``."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return field, message_of(first)


def message_of(found: Mapping[str, Any]) -> str:
    """Return pydantic's message of a fault, in milonga's words where they are clearer."""
    known = {"missing": "it is missing", "extra_forbidden": "there is no such field"}
    return known.get(found["type"], str(found["msg"]).removeprefix("Value error, "))


class _Explaining(ModelMetaclass):
    def __call__(cls, *args: Any, **fields: Any) -> Any:
        try:
            return super().__call__(*args, **fields)
        except ValidationError as error:
            field, message = first_error(error)
            raises = getattr(cls, "raises", MilongaError)
            raise raises(f"{message}.", where=f"{cls.__name__}, {field}") from None


class ExplainedRecord(Record, metaclass=_Explaining):
    """A record that people make in Python: calling it with wrong values raises a ``MilongaError``.

    ``model_validate``, which readers of files use, still gives every fault that pydantic finds.
    """

    raises: ClassVar[type[MilongaError]] = MilongaError
    """The error of wrong values."""


class FiniteRecord(Record):
    """A record whose numbers are numbers, also where its file says "nan" or "inf"."""

    model_config = ConfigDict(allow_inf_nan=False)
