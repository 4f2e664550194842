"""Draw milonga's house from its imports: python docs/pictures/make_architecture_picture.py

The storeys and their order come from the import contract in pyproject.toml, the rooms from the
folders, the arrows from the imports (grimp; imports for types alone and inside functions count).
What the picture was drawn from stands in the SVG, so that a test can tell when it is stale.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

import grimp

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PICTURE = HERE / "architecture.svg"
PACKAGE = "milonga"
OUTSIDE = ("_installed", "_lazy", "_version", "__main__")
LOOSE = ""
"""Modules that stand in a folder itself, in none of its rooms."""

CAPTIONS = {
    "cli": "the command line: options in, words out",
    "web": "the pages: forms in, players out",
    "jobs": "work that outlives its caller",
    "workflows": "what a user does in one step, for every face",
    "songs": "sheets, takes, receipts, the mix",
    "generators": "models that render a request into a clip",
    "analysis": "figures, take checks, comparisons, reports",
    "sounds": "the user's own sound models",
    "vocoders": "from a mel-spectrogram to a waveform",
    "compute": "fast engines for networks",
    "weights": "models' files: download, cache, check",
    "audio": "clips, files, loudness, mels, export",
    "runtime": "devices, progress, files, configuration, logging",
    "errors": "every exception",
}
COLOURS = [
    "#b4553d", "#3f7d6b", "#a9772b", "#5a6ea8", "#8a4f7d", "#3d86a6", "#7c7a34", "#b04a66",
    "#6b5b95", "#4f8f4f", "#97614a", "#55606e", "#8c6f1f", "#2f7f86",
]  # fmt: skip
INK, SOFT, LINE, PAPER, WALL, ROOM = (
    "#33302b",
    "#777063",
    "#cfc5b4",
    "#fbf8f2",
    "#f3ede1",
    "#ffffff",
)

WIDTH, MARGIN, LANE, GAP = 1740, 28, 38, 16
FONT = "Helvetica, Arial, sans-serif"


def storeys() -> list[str]:
    """The folders from top to bottom, as the first import contract orders them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    names = [n.strip(" ()") for layer in layers for n in re.split(r"[|:]", layer)]
    source = ROOT / "src" / PACKAGE
    return [n for n in names if (source / n).is_dir() or (source / f"{n}.py").exists()]


def imports() -> dict[str, set[str]]:
    """Every module of milonga with the modules of milonga that it imports."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=False, cache_dir=None)
    return {m: set(graph.find_modules_directly_imported_by(m)) for m in sorted(graph.modules)}


def place(module: str) -> tuple[str, str]:
    """The folder and the room of a module; ``("", "")`` for the package itself."""
    parts = module.split(".")[1:]
    if not parts or parts[0] in OUTSIDE:
        return "", ""
    folder = ROOT / "src" / PACKAGE / parts[0]
    inside = len(parts) > 1 and (folder / parts[1]).is_dir()
    return parts[0], parts[1] if inside else LOOSE


def facts() -> dict[str, Any]:
    """Everything that the picture is drawn from."""
    names = storeys()
    rooms: dict[str, dict[str, dict[str, Any]]] = {n: {} for n in names}
    between: Counter[tuple[str, str]] = Counter()
    inside: dict[str, set[tuple[str, str]]] = {n: set() for n in names}
    for module, targets in imports().items():
        folder, room = place(module)
        if folder not in rooms:
            continue
        file = ROOT / "src" / Path(*module.split("."))
        file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
        entry = rooms[folder].setdefault(room, {"modules": 0, "lines": 0, "rooms": []})
        entry["modules"] += file.name != "__init__.py"
        entry["lines"] += len(file.read_text().splitlines())
        if file.name == "__init__.py" and module.count(".") == 3:
            entry["rooms"].append(module.rsplit(".", 1)[1])
        for target in targets:
            other, its_room = place(target)
            if other and other != folder:
                between[folder, other] += 1
            elif other == folder and room and its_room and its_room != room:
                inside[folder].add((room, its_room))
    return {
        "storeys": [
            {
                "name": n,
                "rooms": [{"name": r, **rooms[n][r]} for r in sorted(rooms[n])],
                "arrows": sorted(map(list, inside[n])),
            }
            for n in names
        ],
        "imports": [[a, b, between[a, b]] for a, b in sorted(between)],
    }


def reduced(arrows: list[list[str]]) -> list[tuple[str, str]]:
    """The arrows that do not follow from others (the transitive reduction)."""
    after: dict[str, set[str]] = {}
    for a, b in arrows:
        after.setdefault(a, set()).add(b)

    def reach(start: str, seen: set[str]) -> set[str]:
        for step in after.get(start, set()) - seen:
            seen.add(step)
            reach(step, seen)
        return seen

    return [(a, b) for a, b in arrows if not any(b in reach(m, set()) for m in after[a] - {a, b})]


def ordered(names: list[str], arrows: list[list[str]]) -> list[str]:
    """Rooms so that arrows lead to the right; a circle is broken where it is met."""
    rest, order = list(names), []
    while rest:
        free = [n for n in rest if not any(b == n and a in rest and a != n for a, b in arrows)]
        order.append((free or rest)[0])
        rest.remove(order[-1])
    return order


class Drawing:
    """Shapes of an SVG, in the order in which they are painted."""

    def __init__(self) -> None:
        self.shapes: list[str] = []

    def box(
        self, x: float, y: float, w: float, h: float, fill: str, stroke: str, dashed: bool = False
    ) -> None:
        """Draw a box with round corners."""
        dashes = ' stroke-dasharray="4 3"' if dashed else ""
        self.shapes.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="7" '
            f'fill="{fill}" stroke="{stroke}"{dashes}/>'
        )

    def text(self, x: float, y: float, words: str, size: float, **more: str) -> None:
        """Write a line of text."""
        looks = {"fill": INK, **more}
        extra = "".join(f' {k.replace("_", "-")}="{v}"' for k, v in looks.items())
        self.shapes.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}"{extra}>{escape(words)}</text>'
        )

    def path(self, d: str, stroke: str, width: float, arrow: str = "", opacity: float = 1) -> None:
        """Draw a line, with an arrow's head if its marker is named."""
        end = f' marker-end="url(#{arrow})"' if arrow else ""
        self.shapes.append(
            f'<path d="{d}" fill="none" stroke="{stroke}" stroke-width="{width:g}" '
            f'opacity="{opacity:g}"{end}/>'
        )

    def dot(self, x: float, y: float, r: float, fill: str) -> None:
        """Draw a full circle."""
        self.shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="{fill}"/>')


def draw(data: dict[str, Any]) -> str:
    """The picture as SVG."""
    drawing = Drawing()
    names = [s["name"] for s in data["storeys"]]
    targets = names[1:]
    house = WIDTH - 2 * MARGIN - LANE * len(targets) - 36
    colour = {n: COLOURS[i % len(COLOURS)] for i, n in enumerate(names)}
    y = 118.0
    middle: dict[str, float] = {}
    for storey in data["storeys"]:
        height = draw_storey(drawing, storey, y, house, colour[storey["name"]])
        middle[storey["name"]] = y + 24
        y += height + GAP
    lanes = {n: MARGIN + house + 46 + LANE * i for i, n in enumerate(targets)}
    draw_lanes(drawing, data, middle, lanes, colour, MARGIN + house)
    height = y + 12
    heads = "".join(
        f'<marker id="head-{n}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="{c}"/></marker>'
        for n, c in {**{n: colour[n] for n in targets}, "room": SOFT}.items()
    )
    title = Drawing()
    title.text(MARGIN, 48, "The house of milonga", 27, font_weight="bold")
    title.text(
        MARGIN,
        74,
        "A storey is a folder of src/milonga; it imports only from storeys below it.",
        15,
    )
    title.text(
        MARGIN,
        95,
        "White boxes are rooms (sub-packages) with their modules and lines; an arrow between rooms "
        "points to the one imported.",
        13,
        fill=SOFT,
    )
    title.text(lanes[targets[0]] - 20, 48, "Imports between storeys", 15, font_weight="bold")
    title.text(
        lanes[targets[0]] - 20, 68, "A dot: this storey imports the one where", 12, fill=SOFT
    )
    title.text(lanes[targets[0]] - 20, 84, "the line ends, and in how many places.", 12, fill=SOFT)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" height="{height:.0f}" font-family="{FONT}" role="img" '
            'aria-labelledby="title">',
            '<title id="title">The folders of milonga, their rooms and their imports</title>',
            f"<metadata>{escape(json.dumps(data, sort_keys=True))}</metadata>",
            f"<defs>{heads}</defs>",
            f'<rect width="{WIDTH}" height="{height:.0f}" rx="14" fill="{PAPER}"/>',
            *title.shapes,
            *drawing.shapes,
            "</svg>\n",
        ]
    )


def draw_storey(
    drawing: Drawing, storey: dict[str, Any], y: float, width: float, hue: str
) -> float:
    """Draw a folder with its rooms at ``y``; gives its height."""
    name = storey["name"]
    rooms = {r["name"]: r for r in storey["rooms"]}
    inner = [r for r in rooms if r]
    modules = sum(r["modules"] for r in rooms.values())
    arrows = [a for a in reduced(storey["arrows"]) if a[0] != a[1]]
    order = ordered(inner, storey["arrows"])
    spot = {n: i for i, n in enumerate(order)}
    far = [(a, b) for a, b in arrows if abs(spot[b] - spot[a]) > 1]
    room_height = 62 if any(rooms[n]["rooms"] for n in inner) else 46
    sky = 14 + 9 * len({b for _, b in far}) if far else 12
    height = 46 if not inner else 42 + sky + room_height + 12
    drawing.box(MARGIN, y, width, height, WALL, LINE)
    drawing.box(MARGIN, y, 6, height, hue, hue)
    label = f"{name}.py" if not (ROOT / "src" / PACKAGE / name).is_dir() else f"{name}/"
    drawing.text(MARGIN + 18, y + 29, label, 18, font_weight="bold", fill=hue)
    drawing.text(MARGIN + 30 + 10.4 * len(label), y + 29, CAPTIONS[name], 14)
    drawing.text(
        MARGIN + width - 14, y + 29, size(modules, rooms.values()), 12, fill=SOFT, text_anchor="end"
    )
    if not inner:
        return height
    boxes = lay_out(order, rooms, MARGIN + 18, width - 32)
    top = y + 42 + sky
    for n, (x, w) in boxes.items():
        drawing.box(x, top, w, room_height, ROOM if n else "none", LINE, dashed=not n)
        centre = {"text_anchor": "middle"}
        drawing.text(x + w / 2, top + 19, n or "modules", 13, font_weight="bold", **centre)
        drawing.text(x + w / 2, top + 35, size_of(rooms[n]), 11, fill=SOFT, **centre)
        if rooms[n]["rooms"]:
            words = " · ".join(sorted(rooms[n]["rooms"]))
            drawing.text(x + w / 2, top + 52, words, 11, fill=hue, **centre)
    levels = {b: i for i, b in enumerate(sorted({b for _, b in far}, key=lambda b: -spot[b]))}
    for a, b in arrows:
        (xa, wa), (xb, wb) = boxes[a], boxes[b]
        if abs(spot[b] - spot[a]) == 1:
            right = spot[b] > spot[a]
            start, end = (xa + wa, xb) if right else (xa, xb + wb)
            line = f"M{start:.1f} {top + 23:.1f}H{end - 1 if right else end + 1:.1f}"
        else:
            roof = top - 12 - 9 * (len(levels) - 1 - levels[b])
            leave = xa + wa * 0.72
            arrive = xb + wb * 0.28
            line = (
                f"M{leave:.1f} {top:.1f}V{roof + 5:.1f}Q{leave:.1f} {roof:.1f} {leave + 5:.1f} "
                f"{roof:.1f}H{arrive - 5:.1f}Q{arrive:.1f} {roof:.1f} {arrive:.1f} {roof + 5:.1f}"
                f"V{top - 1:.1f}"
            )
        drawing.path(line, SOFT, 1.3, "head-room")
    return height


def lay_out(
    order: list[str], rooms: dict[str, dict[str, Any]], left: float, width: float
) -> dict[str, tuple[float, float]]:
    """Left edge and width of each room; modules without a room come last."""
    shown = [*order, *([LOOSE] if LOOSE in rooms and rooms[LOOSE]["modules"] else [])]
    need = {
        n: max(7.8 * len(n or "modules"), 60, 5.8 * len(" · ".join(rooms[n]["rooms"]))) + 14
        for n in shown
    }
    gap = min(20.0, (width - sum(need.values())) / max(len(shown) - 1, 1))
    if gap < 6:
        raise SystemExit(f"Too many rooms for one row: {', '.join(order)}. Make WIDTH larger.")
    spare = width - gap * (len(shown) - 1) - sum(need.values())
    total = sum(rooms[n]["lines"] for n in shown)
    boxes, x = {}, left
    for n in shown:
        w = need[n] + max(spare, 0) * rooms[n]["lines"] / total
        boxes[n] = (x, w)
        x += w + gap
    return boxes


def size(modules: int, rooms: Any) -> str:
    """A folder's size in words."""
    lines = sum(r["lines"] for r in rooms)
    return f"{modules} module{'s' * (modules != 1)}, {round(lines, -2):,} lines"


def size_of(room: dict[str, Any]) -> str:
    """A room's size in words, short enough for its box."""
    return f"{room['modules']} · {round(room['lines'], -1):,}"


def draw_lanes(
    drawing: Drawing,
    data: dict[str, Any],
    middle: dict[str, float],
    lanes: dict[str, float],
    colour: dict[str, str],
    edge: float,
) -> None:
    """Draw a line down to each folder, with a dot at each storey that imports from it."""
    counts = {(a, b): n for a, b, n in data["imports"]}
    for storey, y in middle.items():
        last = max((lanes[b] for a, b in counts if a == storey), default=0)
        if last:
            drawing.path(f"M{edge:.1f} {y:.1f}H{last:.1f}", LINE, 1.5)
    for target, x in lanes.items():
        users = [a for a, b in counts if b == target]
        if not users:
            continue
        top, end = min(middle[a] for a in users), middle[target] + 12
        drawing.path(
            f"M{x:.1f} {top:.1f}V{end - 8:.1f}Q{x:.1f} {end:.1f} {x - 8:.1f} {end:.1f}"
            f"H{edge + 2:.1f}",
            colour[target],
            2,
            f"head-{target}",
            0.85,
        )
        for user in users:
            n = counts[user, target]
            drawing.dot(x, middle[user], 10.5, PAPER)
            drawing.dot(x, middle[user], 9.5, colour[target])
            drawing.text(
                x, middle[user] + 3.8, str(n), 11, fill="#ffffff", text_anchor="middle",
                font_weight="bold",
            )  # fmt: skip
        drawing.text(
            x + 4, end + 13 if target == "errors" else end + 12, target, 11, fill=colour[target],
            text_anchor="middle",
        )  # fmt: skip


def drawn_from(picture: Path = PICTURE) -> dict[str, Any]:
    """The facts that a picture was drawn from."""
    from xml.etree import ElementTree

    metadata = ElementTree.parse(picture).find("{http://www.w3.org/2000/svg}metadata")
    if metadata is None:
        raise ValueError(f"{picture} does not say what it was drawn from.")
    found: dict[str, Any] = json.loads(metadata.text or "")
    return found


if __name__ == "__main__":
    PICTURE.write_text(draw(facts()))
    sys.stdout.write(f"{PICTURE}\n")
