"""Documents of ours: JSON, bounded in size, with a format version, explained where it is wrong; and
tables."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from milonga.errors import MilongaError, ReceiptError, UnreadableError
from milonga.runtime.files import read_refusal

if TYPE_CHECKING:
    # Weights are found without pydantic, which takes long to import.
    from pydantic import BaseModel

M = TypeVar("M", bound="BaseModel")
LIMIT = 4 << 20
"""Bytes; nothing that milonga writes as JSON is as large."""
DEEPEST = 64
"""Levels of lists and objects; nothing that milonga or a model hub writes has a third of them."""


def parse_json(text: str | bytes, **hooks: Any) -> Any:
    """Parse JSON text, or bytes in UTF-8 (with a byte order mark or without), 16 or 32.

    Args:
        text: one document.
        hooks: for ``json.loads``.

    Raises:
        ValueError: it is not JSON, or nested too deep for the functions that walk through it.

    >>> parse_json("[" * 500 + "]" * 500)
    Traceback (most recent call last):
    ValueError: it is nested too deep
    """
    try:
        value = json.loads(text, **hooks)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return value
    raise ValueError("it is nested too deep")


def _inside(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def read_json(path: Path) -> Any:
    """Read a small JSON file.

    Raises:
        OSError: it can't be read.
        ValueError: it is too large, nested too deep, not JSON, or holds NaN or infinity.
    """
    with open(path, "rb") as handle:
        raw = handle.read(LIMIT + 1)
    if len(raw) > LIMIT:
        raise ValueError("it is larger than any that milonga writes")
    return finite_json(raw)


def finite_json(text: str | bytes) -> Any:
    """Parse JSON without NaN and infinity.

    Raises:
        ValueError: as ``read_json``.
    """
    return parse_json(text, parse_constant=_refuse, parse_float=_finite)


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def read_table(package: str, name: str) -> dict[str, Any]:
    """Read a table of ours: a TOML file beside the modules of a package."""
    import tomllib
    from pkgutil import get_data

    return tomllib.loads((get_data(package, name) or b"").decode())


def read_receipt_file(
    path: Path,
    model: type[M],
    *,
    version: int,
    upgrades: Mapping[int, Callable[[dict[str, Any]], Any]],
    place: str,
    mend: str,
    kind: str | None = None,
    text: str | None = None,
) -> M:
    """Read a receipt of any version there has been.

    Args:
        path: of the JSON file.
        text: its content, where it stands in the tags of ``path``.
        model: what it holds.
        version: the newest format version.
        upgrades: for each older version, a function that brings a document to the next one.
        place: where such a receipt is found, for the one who gave another file.
        mend: how to fix a damaged one.
        kind: the ``kind`` that the document must name, where it has one.

    Raises:
        ReceiptError: missing, damaged, or of a format that this version doesn't know.
    """
    from pydantic import ValidationError

    from milonga.runtime.record import first_error

    try:
        document = read_json(path) if text is None else finite_json(text)
    except FileNotFoundError as error:
        raise ReceiptError(
            f"The receipt can't be read ({error.strerror}).", where=path, step=place
        ) from None
    except OSError as error:
        message, step = read_refusal(error, "The receipt")
        raise UnreadableError(message, where=path, step=step) from error
    except ValueError as error:
        raise ReceiptError(f"This is not a receipt ({error}).", where=path) from None
    if not isinstance(document, dict):
        raise ReceiptError("This is not a receipt (it holds no fields).", where=path)
    if kind is not None and document.get("kind") != kind:
        raise ReceiptError("This is not the receipt of an export.", where=path)
    found = document.get("format_version")
    if type(found) is not int or not (found == version or found in upgrades):
        raise ReceiptError(
            f"Its format version is {found!r}; this milonga reads up to {version}.",
            where=path,
            step="Use the milonga version that wrote it (milonga_version in the file), or a newer.",
        )
    try:
        for older in range(found, version):
            upgrades[older](document)
        return model.model_validate({**document, "format_version": version})
    except ValidationError as error:
        raise _damaged(path, ": ".join(first_error(error)), mend) from None
    except MilongaError as error:
        raise _damaged(path, error.message.rstrip("."), mend) from None
    except (KeyError, TypeError, AttributeError):
        raise _damaged(path, f"it is no receipt of version {found}", mend) from None


def _damaged(path: Path, fault: str, mend: str) -> ReceiptError:
    return ReceiptError(f"The receipt is damaged: {fault}.", where=path, step=mend)
