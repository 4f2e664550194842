"""The licence roll-up: permissions of the parts of a song, the strictest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from milonga.analysis.shown.figures import DASH


@dataclass(frozen=True, slots=True)
class LicenceView:
    """A line of the licence roll-up."""

    what: str
    name: str
    url: str
    use: str
    use_text: str
    note: str


_USE = {"no": "non-commercial only", "conditional": "under conditions", "yes": "allowed"}


def licence_views(licences: Sequence[Mapping[str, Any]]) -> list[LicenceView]:
    """Sort the licences, those that restrict first. An unknown permission counts as restricted."""
    views = []
    for licence in licences:
        use = str(licence.get("commercial_use", ""))
        url = str(licence.get("url") or "")
        views.append(
            LicenceView(
                what=str(licence.get("what", "")),
                name=str(licence.get("name", "")) or DASH,
                # Any other scheme could run code when clicked.
                url=url if url.lower().startswith(("https://", "http://")) else "",
                use=use if use in _USE else "conditional",
                use_text=_USE.get(use, "not known"),
                note=str(licence.get("note") or ""),
            )
        )
    return sorted(views, key=lambda view: list(_USE).index(view.use))


def licence_summary(licences: Sequence[LicenceView]) -> str:
    """Say what the roll-up means for somebody who wants to publish the song."""
    barred = sum(view.use == "no" for view in licences)
    conditional = sum(view.use == "conditional" for view in licences)
    if barred:
        part = "One part forbids" if barred == 1 else f"{barred} parts forbid"
        return f"{part} commercial use: as it is, the song may not be sold or used in advertising."
    if conditional:
        part = "One part sets" if conditional == 1 else f"{conditional} parts set"
        return f"{part} conditions on commercial use: read them before you publish the song."
    return "Nothing that went into this restricts commercial use."
