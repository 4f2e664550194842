"""Comparisons as one table for a spreadsheet or a data frame: a row for each candidate."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_FIRST = ("baseline", "candidate", "sentence", "findings", "remarks", "error")


def comparisons_csv(documents: Iterable[Mapping[str, Any]]) -> str:
    """Write documents of ``milonga compare --json`` as CSV.

    Columns: the two paths, the sentence, findings and remarks, an error; then every figure of the
    candidate, its difference from the baseline, the figures on common ground (``common.``), and
    whether each similarity counts with the impostor it is held against (``verdicts.``). What isn't
    defined is empty.
    """
    rows = [row for document in documents for row in _rows(document)]
    names = list(dict.fromkeys([*_FIRST, *(name for row in rows for name in row)]))
    file = io.StringIO()
    table = csv.DictWriter(file, names, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return file.getvalue()


def _rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    baseline = (document.get("baseline") or {}).get("path", "")
    rows = []
    for candidate in document["candidates"]:
        row: dict[str, Any] = {
            "baseline": baseline,
            "candidate": candidate["path"],
            "sentence": candidate.get("sentence", ""),
            "findings": " ".join(found["code"] for found in candidate.get("findings", ())),
            "remarks": " ".join(remark["code"] for remark in candidate.get("remarks", ())),
            "error": candidate.get("error", ""),
        }
        for part in ("features", "tempo", "image", "differences", "common", "borrowed"):
            prefix = "" if part in ("features", "differences") else f"{part}."
            row |= dict(_flat(candidate.get(part), prefix))
        for name, verdict in (candidate.get("verdicts") or {}).items():
            row[f"verdicts.{name}.counts"] = verdict["counts"]
            row[f"verdicts.{name}.impostor_value"] = verdict["impostor_value"]
            row[f"verdicts.{name}.text"] = verdict["text"]
        rows.append({name: "" if value is None else value for name, value in row.items()})
    return rows


def _flat(part: Any, prefix: str) -> Iterable[tuple[str, Any]]:
    if not isinstance(part, Mapping):
        return
    for name, value in part.items():
        if isinstance(value, Mapping):
            if name != "reasons":
                yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            if name == "changes":
                yield prefix + name, " ".join(map(str, value))
            else:
                yield from ((f"{prefix}{name}.{index}", each) for index, each in enumerate(value))
        else:
            yield prefix + name, value
