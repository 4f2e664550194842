"""Reading YAML into plain values with the line of each, safe against hostile input.

Scalars are read by what their field needs, not by how they look, so that YAML's traps
(``no``, ``010``, ``1:30``, dates) do not change a text: a song may be called No or 1999.
Nothing is ever constructed from a tag.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Any

import yaml

from milonga.songs.sheet.document import Document, Fault, Loc, Schema, schema_of
from milonga.songs.sheet.fields import Kind
from milonga.songs.sheet.labels import nearest_field
from milonga.songs.sheet.model import Sheet
from milonga.songs.sheet.quantities import exact_seconds, exact_tempo, number

DEPTH_LIMIT = 12
NODE_LIMIT = 400_000
TEXT_LIMIT = 4 << 20
"""Characters of all values together, after aliases are followed."""

_SCALAR_TAGS = ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")
_NUMBERS = {
    "number": (number, "a number", "Write for example 8, 1.5 or -6."),
    "seconds": (exact_seconds, "a number of seconds", "Write for example 12.5 or 1:30."),
    "tempo": (exact_tempo, "a tempo", "Write beats per minute, for example 122."),
}

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


def read_yaml(text: str) -> Document:
    """Read the values of a sheet; its faults are in ``faults``, and never raised."""
    reader = _Reader(text)
    try:
        root = _Composer(text).get_single_node()
        reader.read(root)
    except yaml.MarkedYAMLError as error:
        message, mark, step = _explain(error)
        line = None if mark is None else reader.line_at(mark.index)
        reader.document.faults.append(Fault((), message, line, step))
    except yaml.YAMLError as error:
        reader.document.faults.append(Fault((), f"This is not YAML: {error}."))
    except _TooMuchError as error:
        reader.document.faults.append(Fault((), str(error), reader.at(error.node)))
    return reader.document


def composed(text: str) -> yaml.Node | None:
    """Compose the nodes of a text that ``read_yaml`` could read; None for an empty one."""
    return _Composer(text).get_single_node()


class _TooMuchError(Exception):
    def __init__(self, message: str, node: yaml.Node | None = None) -> None:
        self.node = node
        super().__init__(message)


class _Composer(yaml.SafeLoader):
    """A loader that composes nodes and constructs nothing; stops at a depth that no sheet has."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        try:
            if self._depth > DEPTH_LIMIT:
                raise _TooMuchError("It is nested deeper than any sheet.", parent)
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


class _Reader:
    def __init__(self, text: str) -> None:
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._nodes = self._characters = 0
        self.document = Document()

    def at(self, node: yaml.Node | None) -> int | None:
        return None if node is None else self.line_at(node.start_mark.index)

    def line_at(self, index: int) -> int:
        # Marks count U+0085 and U+2028 as line ends, which editors don't.
        return bisect_left(self._ends, index) + 1

    def fault(self, loc: Loc, message: str, node: yaml.Node | None, step: str = "") -> None:
        self.document.faults.append(Fault(loc, message, self.at(node), step))

    def read(self, root: yaml.Node | None) -> None:
        if root is None or _is_null(root):
            self.fault((), "It is empty.", None, "milonga song new writes one to start from.")
        elif not isinstance(root, yaml.MappingNode):
            what = "a list" if isinstance(root, yaml.SequenceNode) else "plain text"
            self.fault((), f"It holds {what}; a sheet holds fields, the first often title.", root)
        else:
            self.document.values = self.mapping(root, schema_of(Sheet), ())

    def mapping(self, node: yaml.MappingNode, schema: Schema, loc: Loc) -> dict[str, Any]:
        self._count(node)
        self.document.lines[loc] = self.at(node) or 1
        values: dict[str, Any] = {}
        seen: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = self._key(key, loc)
            if name is None:
                continue
            if name in seen:
                self.fault(
                    (*loc, name),
                    f"{name!r} stands here for the second time; the first is on line "
                    f"{self.at(seen[name])}.",
                    key,
                    "Keep one of them.",
                )
                continue
            seen[name] = key
            if name not in schema:
                self._unknown(name, key, schema, loc)
                continue
            place = (*loc, name)
            self.document.lines[place] = self.at(key) or 1
            if _is_null(value):
                self._count(value)
                continue
            kind = schema[name]
            read: Any
            if isinstance(kind, tuple):
                read = self.items(value, kind[0], place)
            elif isinstance(kind, dict):
                read = self.fields(value, kind, place)
            else:
                read = self.value(value, kind, place)
            if read is not None:
                values[name] = read
        return values

    def items(self, node: yaml.Node, schema: Schema, loc: Loc) -> list[Any] | None:
        self._count(node)
        if not isinstance(node, yaml.SequenceNode):
            self.fault(loc, "This is a list: put '- ' before each entry.", node)
            return None
        found: list[Any] = []
        for index, child in enumerate(node.value):
            place = (*loc, index)
            if isinstance(child, yaml.MappingNode):
                found.append(self.mapping(child, schema, place))
            else:
                self._count(child)
                fields = ", ".join(list(schema)[:3])
                self.fault(place, f"An entry holds fields: {fields}, ...", child)
                found.append({})
        return found

    def fields(self, node: yaml.Node, schema: Schema, loc: Loc) -> dict[str, Any] | None:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, schema, loc)
        self._count(node)
        step = f"For example: {loc[-1]}: {{generators: [guide]}}."
        self.fault(loc, f"It holds fields: {', '.join(list(schema)[:3])}, ...", node, step)
        return None

    def value(self, node: yaml.Node, kind: Kind, loc: Loc) -> Any:
        if kind == "names":
            if not isinstance(node, yaml.SequenceNode):
                one = self.scalar(node, loc)
                return None if one is None else [n for p in one.split(",") if (n := p.strip())]
            self._count(node)
            names = [self.scalar(child, loc) for child in node.value]
            return None if None in names else names
        if kind == "options":
            return self.options(node, loc)
        if kind == "chords" and isinstance(node, yaml.SequenceNode):
            self._count(node)
            chords = [self.scalar(child, loc) for child in node.value]
            return None if None in chords else " ".join(map(str, chords))
        text = self.scalar(node, loc)
        if text is None or kind in ("text", "time", "chords"):
            return text
        if kind == "lyrics" and isinstance(node, yaml.ScalarNode):
            return self._lyrics(node, text, loc)
        return self._number(node, text, kind, loc)

    def scalar(self, node: yaml.Node, loc: Loc) -> str | None:
        """Return the text of a node as it stands in the file."""
        self._count(node)
        if not isinstance(node, yaml.ScalarNode):
            what = "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
            step = "Put quotes around it."
            if loc[-1] == "lyrics":
                step = "Write 'lyrics: |' and the lines below it, indented."
            self.fault(loc, f"This is text, but YAML reads {what} here.", node, step)
            return None
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _SCALAR_TAGS:
            self.fault(
                loc, "YAML tags ('!...') have no use in a sheet.", node,
                "A text that begins with ! needs quotes.",
            )  # fmt: skip
            return None
        return str(node.value)

    def options(self, node: yaml.Node, loc: Loc, depth: int = DEPTH_LIMIT) -> Any:
        """Read settings of any kind: here a plain scalar means what YAML 1.2's core schema says."""
        self._count(node)
        if not depth:  # an alias to what holds it has no end
            raise _TooMuchError("It is nested deeper than any sheet.", node)
        if isinstance(node, yaml.SequenceNode):
            return [self.options(child, loc, depth - 1) for child in node.value]
        if isinstance(node, yaml.MappingNode):
            found: dict[str, Any] = {}
            for key, value in node.value:
                name = self._key(key, loc)
                if name in found:
                    self.fault(loc, f"{name!r} stands here for the second time.", key)
                elif name is not None:
                    found[name] = self.options(value, loc, depth - 1)
            return found
        plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return _core_scalar(node.value) if plain else str(node.value)

    def _number(self, node: yaml.Node, text: str, kind: Kind, loc: Loc) -> Any:
        if kind == "integer":
            if re.fullmatch(r"[-+]?\d{1,18}", text.strip()):
                return int(text)
            self.fault(loc, f"{text!r} is not a whole number.", node, "Write for example 7.")
            return None
        convert, what, step = _NUMBERS[kind]
        read = convert(text)
        if read is None:
            if re.fullmatch(r"\s*\d+,\d+\s*", text):
                step = f"Write a point: {text.strip().replace(',', '.')}."
            self.fault(loc, f"{_short(text)} is not {what}.", node, step)
        return read

    def _lyrics(self, node: yaml.ScalarNode, text: str, loc: Loc) -> str | None:
        several = self.line_at(node.end_mark.index) > (self.at(node) or 0)
        folded = node.style == ">" or (node.style is None and several and "\n" not in text.strip())
        if folded:
            self.fault(
                loc, "YAML joins these lines into one.", node,
                "Write 'lyrics: |' and the lines below it, indented.",
            )  # fmt: skip
            return None
        return text

    def _key(self, key: yaml.Node, loc: Loc) -> str | None:
        self._count(key)
        if isinstance(key, yaml.ScalarNode):
            return str(key.value)
        self.fault(loc, "A field's name is a word.", key)
        return None

    def _unknown(self, name: str, key: yaml.Node, schema: Schema, loc: Loc) -> None:
        near = nearest_field(name, list(schema))
        step = f"Did you mean {near!r}?" if near else f"Known fields: {', '.join(schema)}."
        if name == "<<":
            step = "Merge keys are not read. What stands at the top holds for every segment."
        self.fault((*loc, name), f"There is no field {_short(name)}.", key, step)

    def _count(self, node: yaml.Node) -> None:
        self._nodes += 1
        if isinstance(node, yaml.ScalarNode):
            self._characters += len(node.value)
        if self._nodes > NODE_LIMIT or self._characters > TEXT_LIMIT:
            raise _TooMuchError("Its aliases unfold to more than any sheet holds.", node)


def _is_null(node: yaml.Node) -> bool:
    return (
        isinstance(node, yaml.ScalarNode)
        and node.style is None
        and node.value in ("", "~", "null", "Null", "NULL")
    )


def _core_scalar(text: str) -> Any:
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?\d{1,18}", text):
        return int(text)
    value = number(text)
    return text if value is None else value


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")


def _explain(error: yaml.MarkedYAMLError) -> tuple[str, yaml.Mark | None, str]:
    """Return the fault, its place, and how to fix it."""
    mark = error.problem_mark or error.context_mark
    said = " ".join(part for part in (error.problem, error.context) if part)
    step = next((step for sign, step in _STEPS if sign in said), "Look at this line.")
    if "scanning a quoted scalar" in said and error.context_mark is not None:
        # Where the quote begins helps; where the file ends doesn't.
        mark = error.context_mark
    return f"YAML can't be read here ({error.problem or error.context}).", mark, step
