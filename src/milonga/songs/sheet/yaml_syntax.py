"""What to do where YAML itself can't be read."""

from __future__ import annotations

import yaml

_STEPS = (
    ("'\\t'", "Indent with blanks, not with tabs."),
    ("mapping values are not allowed", "A text that holds ': ' needs quotes around it; else look "
     "at the indentation of this line and the one before."),
    ("undefined alias", "A text that begins with * needs quotes around it."),
    ("alphabetic or numeric character", "A text that begins with * or & needs quotes around it."),
    ("duplicate anchor", "A text that begins with & needs quotes around it."),
    ("quoted scalar", "A quotation mark is opened and not closed, or stands within quotes."),
    ("unknown escape character", "In double quotes a backslash is special; use single quotes."),
    ("expected ',' or ']'", "A text that begins with [ needs quotes around it; lyrics are written "
     "below 'lyrics: |', indented."),
    ("expected ',' or '}'", "A text that begins with { needs quotes around it."),
    ("could not find expected ':'", "A field is written 'name: value'; lines of lyrics stand "
     "below 'lyrics: |', indented."),
    ("expected <block end>", "Look at the indentation here, or put quotes around the whole text."),
    ("expected the node content", "A text that begins with a mark such as ] or , needs quotes "
     "around it."),
    ("cannot start any token", "A text that begins with @, ` or % needs quotes around it."),
    ("tag", "A text that begins with ! needs quotes around it."),
    ("single document", "A sheet is one document: delete the line '---' between its parts."),
)  # fmt: skip


def explain(error: yaml.MarkedYAMLError) -> tuple[str, yaml.Mark | None, str]:
    """What is wrong, where, and the step that mends it."""
    mark = error.problem_mark or error.context_mark
    said = " ".join(part for part in (error.problem, error.context) if part)
    step = next((step for sign, step in _STEPS if sign in said), "Look at this line.")
    if "scanning a quoted scalar" in said and error.context_mark is not None:
        # Where the quote begins helps; where the file ends doesn't.
        mark = error.context_mark
    return f"YAML can't be read here ({error.problem or error.context}).", mark, step
