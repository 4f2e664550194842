"""One change in the text of a sheet that leaves everything else in it as it is, comments too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import yaml

from milonga.errors import SheetError
from milonga.runtime.record import Record
from milonga.songs.sheet.document import Document, Loc, Schema, schema_of
from milonga.songs.sheet.model import Sheet
from milonga.songs.sheet.yaml_reader import composed, read_yaml
from milonga.songs.sheet.yaml_writer import block_lines, double_quoted, quoted

_REQUIRED = ("title", "number", "name", "section", "role")
_NEW_SEGMENT = {"name": "New part", "section": "verse", "seconds": "8"}


class SheetChange(Record):
    """A change of a sheet.

    Attributes:
        op: ``set`` a field, ``add`` an entry at the end of a list, ``remove`` or ``move`` one.
        loc: the field, the list or the entry: ``("segments", 0, "style")``.
        value: the field's text as a person types it; empty to take the field out.
        by: places to move by.
    """

    op: Literal["set", "add", "remove", "move"]
    loc: tuple[str | int, ...]
    value: str = ""
    by: int = 0


def change_sheet(text: str, change: SheetChange) -> str:
    """Make a change in the text of a sheet; every other line stays as it is.

    Raises:
        SheetError: the text can't be read, or the change can't be made in it.
    """
    before = read_yaml(text)
    if any(not fault.loc and fault.line is not None for fault in before.faults):
        raise SheetError("The YAML can't be read. Put it right first.")
    editor = _Editor(text)
    try:
        match change.op:
            case "set":
                changed = editor.set(change.loc, change.value)
            case "add":
                changed = editor.add(change.loc, before)
            case "remove":
                changed = editor.remove(change.loc)
            case "move":
                changed = editor.move(change.loc, change.by)
    except (LookupError, TypeError, ValueError) as error:
        raise _refused() from error
    after = read_yaml(changed)
    lost = any(not fault.loc and fault.line is not None for fault in after.faults)
    if lost or (change.op == "set" and _without(before, change.loc) != _without(after, change.loc)):
        raise _refused()
    return changed


def _refused() -> SheetError:
    return SheetError("This can't be changed in the form.", step="Change it in the YAML.")


def _without(document: Document, loc: Loc) -> Any:
    """Return the values of a document without one of them."""

    def copy(value: Any, here: Loc) -> Any:
        if here == loc:
            return None
        if isinstance(value, dict):
            found = {key: copy(each, (*here, key)) for key, each in value.items()}
            return {key: each for key, each in found.items() if each is not None}
        if isinstance(value, list):
            return [copy(each, (*here, index)) for index, each in enumerate(value)]
        return value

    return copy(document.values, ())


class _Editor:
    def __init__(self, text: str) -> None:
        self.text = text if text.endswith("\n") or not text else text + "\n"
        self.lines = self.text.split("\n")
        root = composed(self.text)
        self.root = root if root is not None else yaml.MappingNode("", [], flow_style=False)

    def set(self, loc: Loc, value: str) -> str:
        *above, name = loc
        holder = self._at(tuple(above))
        if not isinstance(holder, yaml.MappingNode) or not isinstance(name, str):
            raise ValueError("no field")
        schema = _schema_at(loc)
        kind = schema[name]
        clean = value.replace("\r\n", "\n").replace("\r", "\n")
        empty = not clean.strip()
        pair = next((pair for pair in holder.value if pair[0].value == name), None)
        if pair is None:
            return self.text if empty else self._insert(holder, name, kind, clean, schema)
        key, node = pair
        if holder.flow_style:
            written = '""' if empty else self._flow(kind, clean)
            return self._spliced(node.start_mark.index, node.end_mark.index, written)
        first, last = self._field_lines(key)
        if empty and name not in _REQUIRED:
            return self._replaced(first, last, []) if self._alone(key) else self._emptied(key, node)
        pad = " " * key.start_mark.column
        lines = self._written(name, kind, "" if empty else clean, pad)
        if len(lines) == 1 and last == first + 1 and isinstance(node, yaml.ScalarNode):
            text = lines[0].removeprefix(f"{pad}{name}:").lstrip(" ")
            if text and node.end_mark.index > node.start_mark.index:
                return self._spliced(node.start_mark.index, node.end_mark.index, text)
            at = self.text.index(":", key.end_mark.index) + 1
            end = max(at, node.end_mark.index)
            return self._spliced(at, end, f" {text}" if text else "")
        lines[0] = self.lines[first][: key.start_mark.column] + lines[0][len(pad) :]
        return self._replaced(first, last, lines)

    def add(self, loc: Loc, before: Document) -> str:
        name = loc[-1]
        if name == "layers":
            used = {str(layer.get("role")) for layer in _value_at(before, loc) or []}
            roles = ("vocals", "backing", "instrumental", "texture", "song")
            fields = {"role": next(role for role in roles if role not in used)}
        else:
            numbers = [each.get("number") or 0 for each in before.values.get("segments") or []]
            fields = {"number": str(max(numbers, default=0) + 1), **_NEW_SEGMENT}
        texts = [f"{key}: {value}" for key, value in fields.items()]
        try:
            node: Any = self._at(loc)
        except LookupError:
            node = None
        if node is None:
            return self._new_list(loc, texts)
        if not isinstance(node, yaml.SequenceNode) or node.flow_style or not node.value:
            raise ValueError("no list in lines")
        pad = " " * node.start_mark.column
        entry = [f"{pad}- {texts[0]}", *(f"{pad}  {text}" for text in texts[1:])]
        _, last = self._entry_lines(node, len(node.value) - 1)
        blank = [""] if name == "segments" else []
        return self._replaced(last, last, [*blank, *entry])

    def remove(self, loc: Loc) -> str:
        node, index = self._list_of(loc)
        if len(node.value) == 1:
            if loc[-2] == "layers":
                return self.set_gone(loc[:-1])
            raise ValueError("the last one")
        first, last = self._entry_lines(node, index)
        if index + 1 < len(node.value):
            last = self._entry_lines(node, index + 1)[0]
        return self._replaced(first, last, [])

    def set_gone(self, loc: Loc) -> str:
        """Take a field and all that it holds out."""
        holder = self._at(loc[:-1])
        key = next(key for key, _ in holder.value if key.value == loc[-1])
        first, last = self._field_lines(key, a_list=True)
        return self._replaced(first, last, [])

    def move(self, loc: Loc, by: int) -> str:
        node, index = self._list_of(loc)
        other = index + by
        if not 0 <= other < len(node.value) or not by:
            return self.text
        one, two = sorted((index, other))
        first, second = self._entry_lines(node, one), self._entry_lines(node, two)
        lines = self.lines
        moved = [
            *lines[: first[0]], *lines[slice(*second)], *lines[first[1] : second[0]],
            *lines[slice(*first)], *lines[second[1] :],
        ]  # fmt: skip
        return "\n".join(moved)

    def _at(self, loc: Loc) -> Any:
        node: Any = self.root
        for part in loc:
            if isinstance(part, int):
                node = node.value[part]
            else:
                node = next((value for key, value in node.value if key.value == part), None)
                if node is None:
                    raise LookupError(part)
        return node

    def _list_of(self, loc: Loc) -> tuple[yaml.SequenceNode, int]:
        *above, index = loc
        node = self._at(tuple(above))
        if not isinstance(node, yaml.SequenceNode) or node.flow_style or not isinstance(index, int):
            raise ValueError("no list in lines")
        if not 0 <= index < len(node.value):
            raise LookupError(index)
        return node, index

    def _line(self, index: int) -> int:
        return self.text.count("\n", 0, index)

    def _field_lines(self, key: yaml.Node, *, a_list: bool = False) -> tuple[int, int]:
        """Return the lines of a field, without the blank lines after it."""
        first = self._line(key.start_mark.index)
        return first, self._end(first, key.start_mark.column, dashes=a_list)

    def _end(self, first: int, column: int, *, dashes: bool = False) -> int:
        """Return the line after those that are deeper than a column."""
        last = first + 1
        for number in range(first + 1, len(self.lines)):
            line = self.lines[number]
            depth = len(line) - len(line.lstrip(" "))
            dash = dashes and depth == column and line.lstrip(" ").startswith("-")
            if line.strip() and depth <= column and not dash:
                break
            if line.strip():
                last = number + 1
        return last

    def _entry_lines(self, node: yaml.SequenceNode, index: int) -> tuple[int, int]:
        """Return the lines of an entry of a list, from its dash."""
        column = node.start_mark.column
        first = self._line(node.value[index].start_mark.index)
        while not re.match(rf" {{{column}}}-(\s|$)", self.lines[first]):
            first -= 1
        return first, self._end(first, column)

    def _alone(self, key: yaml.Node) -> bool:
        """Tell if nothing stands before a key on its line: no dash of an entry."""
        line = self.lines[self._line(key.start_mark.index)]
        return not line[: key.start_mark.column].strip()

    def _emptied(self, key: yaml.Node, node: yaml.Node) -> str:
        return self._spliced(key.end_mark.index, node.end_mark.index, ":")

    def _spliced(self, start: int, end: int, text: str) -> str:
        return self.text[:start] + text + self.text[end:]

    def _replaced(self, first: int, last: int, lines: Sequence[str]) -> str:
        return "\n".join([*self.lines[:first], *lines, *self.lines[last:]])

    def _insert(
        self, holder: yaml.MappingNode, name: str, kind: Any, value: str, schema: Schema
    ) -> str:
        """Put a new field behind the nearest one that stands before it in the order of files."""
        order = list(schema)
        at_most = order[: order.index(name)]
        earlier = [key for key, _ in holder.value if key.value in at_most]
        if holder.flow_style:
            written = f"{name}: {self._flow(kind, value)}"
            at = holder.end_mark.index - 1
            return self._spliced(at, at, f", {written}" if holder.value else written)
        if not holder.value:
            return "\n".join([*self._written(name, kind, value, ""), self.text])
        after = max(earlier, key=lambda key: order.index(key.value)) if earlier else None
        key = after or holder.value[0][0]
        pad = " " * key.start_mark.column
        lines = self._written(name, kind, value, pad)
        if after is not None:
            last = self._field_lines(after, a_list=True)[1]
            return self._replaced(last, last, lines)
        first = self._line(key.start_mark.index)
        if self._alone(key):
            return self._replaced(first, first, lines)
        # Before the first field of an entry, whose dash goes to the new one.
        head = self.lines[first][: key.start_mark.column]
        own = pad + self.lines[first][key.start_mark.column :]
        return self._replaced(first, first + 1, [head + lines[0][len(pad) :], *lines[1:], own])

    def _new_list(self, loc: Loc, texts: Sequence[str]) -> str:
        holder = self._at(loc[:-1])
        if not isinstance(holder, yaml.MappingNode) or holder.flow_style or not holder.value:
            raise ValueError("no field in lines")
        key = holder.value[-1][0]
        pad = " " * holder.value[0][0].start_mark.column
        last = self._field_lines(key, a_list=True)[1]
        entry = [f"{pad}  - {texts[0]}", *(f"{pad}    {text}" for text in texts[1:])]
        return self._replaced(last, last, [f"{pad}{loc[-1]}:", *entry])

    def _written(self, name: str, kind: Any, value: str, pad: str) -> list[str]:
        if not value:
            return [f"{pad}{name}:"]
        if kind == "lyrics":
            # A block takes its depth from its first line.
            return block_lines(name, value.strip(), pad)
        if kind == "names":
            return [f"{pad}{name}: {_names(value)}"]
        text = " ".join(value.split())
        plain = kind != "text" and re.fullmatch(r"[-+]?[0-9][0-9.:]*", text)
        return [f"{pad}{name}: {text if plain else quoted(text)}"]

    def _flow(self, kind: Any, value: str) -> str:
        if kind == "names":
            return _names(value)
        return double_quoted(value.strip() if kind == "lyrics" else " ".join(value.split()))


def _names(value: str) -> str:
    return f"[{', '.join(quoted(part.strip()) for part in value.split(',') if part.strip())}]"


def _schema_at(loc: Loc) -> Schema:
    """Return the fields of what holds a place."""
    schema: Any = schema_of(Sheet)
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        schema = schema[part]
        schema = schema[0] if isinstance(schema, tuple) else schema
    kind = schema.get(str(loc[-1])) if isinstance(schema, dict) else None
    if not isinstance(kind, str) or kind == "options":
        raise ValueError("no such field")
    found: Schema = schema
    return found


def _value_at(document: Document, loc: Loc) -> Any:
    value: Any = document.values
    for part in loc:
        value = value.get(part) if isinstance(part, str) else value[part]
        if value is None:
            return None
    return value
