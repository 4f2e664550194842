"""Strict records: the parts of milonga's own JSON documents."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """An unchangeable set of fields; an unknown one is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
