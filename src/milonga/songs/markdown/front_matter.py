"""Front matter: the YAML that notes have at their top."""

from __future__ import annotations

import re

import yaml

from milonga.songs.markdown.parts import Labelled, Line, Part
from milonga.songs.sheet.labels import field_of

_LONGEST = 20_000
"""Characters of front matter that are read as YAML; a longer one is read as lines."""


def front_matter(text: str) -> tuple[list[Part], str]:
    """Read the YAML between the lines ``---`` at the top; return the text with it emptied."""
    match = re.match(r"\s*---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$", text, re.DOTALL | re.MULTILINE)
    if match is None or len(match[1]) > _LONGEST:
        return [], text
    try:
        root = yaml.compose(match[1], Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return [], text
    if not isinstance(root, yaml.MappingNode):
        return [], text
    above = text[: match.start(1)].count("\n") + 1
    lines = match[1].split("\n")
    parts: list[Part] = []
    for key, value in root.value:
        label = Line(key.start_mark.line + above, str(key.value))
        # The tags of front matter are those of notes.
        name = None if key.value == "tags" else field_of(label.text)
        begun, ended = value.start_mark.line, value.end_mark.line
        if isinstance(value, yaml.ScalarNode):
            step = value.style in ("|", ">")  # one line for each, below the key
            texts = value.value.split("\n") if value.value else []
            found = [Line(begun + above + step * n, part) for n, part in enumerate(texts, 1)]
        elif isinstance(value, yaml.SequenceNode) and all(
            isinstance(part, yaml.ScalarNode) for part in value.value
        ):
            found = [Line(part.start_mark.line + above, part.value) for part in value.value]
        else:
            name = None
            texts = lines[begun : ended + 1]
            found = [Line(n, part) for n, part in enumerate(texts, begun + above)]
        parts.append(Labelled(label, name, tuple(found)))
    return parts, "\n" * text[: match.end()].count("\n") + text[match.end() :]
