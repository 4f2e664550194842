"""What differs between two takes, by their receipts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from milonga.runtime.record import Record
from milonga.songs.rendering.receipts import Receipt

_EACH_TIME = {("started",), ("duration_s",), ("sound", "file")}
"""Differ between any two takes without deciding anything."""
_SHORT = 12


class ReceiptDifference(Record):
    """A field in which two receipts differ; None where one of them lacks it."""

    field: str
    """Its path, as in ``request.edit.start``."""
    a: Any = None
    b: Any = None

    @property
    def row(self) -> tuple[str, str, str]:
        """The difference as texts."""
        return self.field, _text(self.a), _text(self.b)


def receipt_differences(a: Receipt, b: Receipt) -> tuple[ReceiptDifference, ...]:
    """List the fields in which two receipts differ, in the order of the document.

    When a take was made, how long that took and what its file is called are left out.
    """
    pair = (dict(_fields(receipt.model_dump(mode="json"))) for receipt in (a, b))
    first, second = pair
    names = [*first, *(name for name in second if name not in first)]
    return tuple(
        ReceiptDifference(field=".".join(name), a=first.get(name), b=second.get(name))
        for name in names
        if name not in _EACH_TIME and first.get(name) != second.get(name)
    )


def _fields(document: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """The values of a document with their paths; lists stay whole."""
    for name, value in document.items():
        here = (*path, str(name))
        if isinstance(value, dict) and value:
            yield from _fields(value, here)
        else:
            yield here, value


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        # A hash is told apart by its start.
        return value[:_SHORT] if re.fullmatch("[0-9a-f]{40,64}", value) else value or '""'
    return json.dumps(value, ensure_ascii=False)
