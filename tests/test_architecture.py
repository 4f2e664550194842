"""The house stays as it is drawn: no circles, no way upwards, small folders, a true picture."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "milonga"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
MAX_MODULES = 16
FOLDERS = sorted(p.parent for p in SOURCE.rglob("__init__.py"))


def load_house():
    path = ROOT / "docs" / "pictures" / "make_architecture_picture.py"
    spec = importlib.util.spec_from_file_location("make_architecture_picture", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


house = load_house()


@pytest.fixture(scope="module")
def imports():
    return house.imports()


@pytest.fixture(scope="module")
def facts():
    return house.facts()


def circles(edges):
    """Groups of nodes that reach one another (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(edges.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [["a", "b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_modules_import_each_other(imports):
    assert circles(imports) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: str(p.relative_to(SOURCE.parent)))
def test_no_rooms_import_each_other(folder, imports):
    """The rooms and modules of a folder, each as a whole, form no circle."""
    own = ".".join(folder.relative_to(SOURCE.parent).parts)
    depth = own.count(".") + 1
    edges = {}
    for module, targets in imports.items():
        if module.startswith(f"{own}."):
            room = module.split(".")[depth]
            others = {t.split(".")[depth] for t in targets if t.startswith(f"{own}.")}
            edges.setdefault(room, set()).update(others - {room})
    if own != "milonga":
        assert circles(edges) == []


def test_no_folder_imports_upwards(facts):
    order = {storey["name"]: n for n, storey in enumerate(facts["storeys"])}
    assert [(a, b) for a, b, _ in facts["imports"] if order[a] >= order[b]] == []


def test_every_folder_is_a_storey(facts):
    names = {p.stem for p in SOURCE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert names - {"__init__", *house.OUTSIDE} == {s["name"] for s in facts["storeys"]}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: str(p.relative_to(SOURCE.parent)))
def test_folders_are_small(folder):
    modules = [p.name for p in folder.glob("*.py") if p.name != "__init__.py"]
    assert len(modules) <= MAX_MODULES, f"{folder.name} holds {len(modules)} modules: give it rooms"


def near(a, b, share, least):
    return abs(a - b) <= max(least, share * max(a, b))


def test_the_picture_is_true(facts):
    """Sizes may drift a little before the picture has to be drawn anew."""
    drawn, again = house.drawn_from(), "run `make pictures`"

    def shape(data):
        rooms = {
            s["name"]: {r["name"]: sorted(r["rooms"]) for r in s["rooms"]} for s in data["storeys"]
        }
        arrows = {s["name"]: sorted(map(tuple, s["arrows"])) for s in data["storeys"]}
        return list(rooms), rooms, arrows, sorted((a, b) for a, b, _ in data["imports"])

    for was, now in zip(shape(drawn), shape(facts), strict=True):
        assert was == now, again
    for (a, b, was), (_, _, now) in zip(drawn["imports"], facts["imports"], strict=True):
        assert near(was, now, 0.3, 4), f"{a} imports {b} {now} times, not {was}: {again}"
    for was, now in zip(drawn["storeys"], facts["storeys"], strict=True):
        for old, new in zip(was["rooms"], now["rooms"], strict=True):
            where = f"{now['name']}/{new['name']}"
            assert near(old["modules"], new["modules"], 0.2, 2), f"{where}: {again}"
            assert near(old["lines"], new["lines"], 0.25, 80), f"{where}: {again}"


def test_the_picture_is_drawn_alike_each_time(facts):
    assert house.draw(house.drawn_from()) == house.PICTURE.read_text()
    assert house.draw(facts) == house.draw(house.facts())


def named_modules(text):
    """Paths in a Markdown page that mean modules or folders of milonga."""
    return set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_0-9]+\.py)?|[a-z_]+\.py)`", text))


@pytest.mark.parametrize("page", [ARCHITECTURE, ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_named_modules_exist(page):
    names = named_modules(page.read_text())
    assert len(names) > 10
    here = [ROOT, SOURCE, SOURCE.parent]
    missing = sorted(n for n in names if not any((base / n).exists() for base in here))
    assert missing == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: p.stem)
def test_modules_that_the_docs_name_exist(page):
    bases = [ROOT, SOURCE, SOURCE / "vocoders" / "bigvgan", page.parent]
    for name in set(re.findall(r"`([a-z_/]+\.py)`", page.read_text())):
        assert any((base / name).exists() for base in bases), name


def test_the_architecture_tells_of_every_room(facts):
    text = ARCHITECTURE.read_text()
    for storey in facts["storeys"]:
        for room in storey["rooms"]:
            if room["name"]:
                assert f"`{storey['name']}/{room['name']}/`" in text


def test_every_folder_says_what_it_holds():
    for folder in FOLDERS:
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), folder
