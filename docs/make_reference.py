"""Build the API reference from the docstrings: python docs/make_reference.py [FOLDER]

Uses pdoc. A warning of pdoc, a module that can't be imported and a dead link end it with status 1;
the links of README.md and docs/ are checked as well.
"""

from __future__ import annotations

import pkgutil
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from html import unescape
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import milonga

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "build" / "docs"


def modules() -> list[str]:
    """The modules that the reference shows.

    They are the packages that list their public names, the modules that these names come from, all
    workflows, and what the examples of the documentation import.
    """
    names = {"milonga", "milonga.errors"}
    for module in pkgutil.walk_packages(milonga.__path__, "milonga."):
        if module.name.startswith("milonga.workflows"):
            names.add(module.name)
        elif module.ispkg and not module.name.startswith("milonga.cli"):
            package = import_module(module.name)
            if public := getattr(package, "__all__", ()):
                names.add(module.name)
                names.update(_home(getattr(package, name)) for name in public)
    names.update(_home(getattr(milonga, name)) for name in milonga.__all__)
    for page in documentation():
        for block in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.M | re.S):
            names.update(re.findall(r"^from (milonga[.\w]+) import", block, re.M))
    return sorted(name for name in names if name.partition(".")[0] == "milonga")


def _home(thing: object) -> str:
    """The name of the module that defines ``thing``."""
    return getattr(thing, "__module__", None) or getattr(thing, "__name__", "")


def build(target: Path) -> list[str]:
    """Write the reference below ``target``; gives pdoc's warnings."""
    import pdoc.render

    names = modules()
    for name in names:  # pdoc sees what a module holds, not what it loads when asked
        module = import_module(name)
        for public in getattr(module, "__all__", ()):
            setattr(module, public, getattr(module, public))
    pdoc.render.configure(
        docformat="google", show_source=False, footer_text=f"milonga {milonga.__version__}"
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pdoc.pdoc(*names, output_directory=target)
    for page in target.rglob("*.html"):  # private names have no entry that a link could lead to
        page.write_text(re.sub(r'<a href="[^"#]*#_[^"]*">(.*?)</a>', r"\1", page.read_text()))
    messages = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    # A package without __all__ brings its modules along; being named twice does no harm.
    return [m for m in messages if "has already been added" not in m]


class _Page(HTMLParser):
    """The anchors and links of an HTML page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("id", "name"):
                self.anchors.add(value)
            elif value and name in ("href", "src"):
                self.links.append(value)


def _markdown(text: str) -> tuple[set[str], list[str]]:
    """The anchors and links of a Markdown page, as GitHub makes them."""
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *#*$", text, re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower())
        slug, count = words.replace(" ", "-"), 0
        while (name := f"{slug}-{count}" if count else slug) in anchors:
            count += 1
        anchors.add(name)
    text = re.sub(r"`[^`\n]+`", "", text)
    return anchors, re.findall(r"\]\(<?([^)\s>]+)>?[^)]*\)", text)


def read(page: Path) -> tuple[set[str], list[str]]:
    """The anchors and links of a page, HTML or Markdown."""
    text = page.read_text()
    if page.suffix == ".md":
        return _markdown(text)
    parsed = _Page(text)
    return parsed.anchors, [unescape(link) for link in parsed.links]


def dead_links(pages: Iterable[Path]) -> Iterator[str]:
    """Links within the project that lead nowhere, in words. Links to the web aren't followed."""
    seen: dict[Path, set[str]] = {}
    for page in pages:
        for link in read(page)[1]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page.resolve()
            if not file.exists():
                yield f"{page}: {link} leads to no file"
            elif parts.fragment and file.suffix in (".md", ".html"):
                if file not in seen:
                    seen[file] = read(file)[0]
                if unquote(parts.fragment) not in seen[file]:
                    yield f"{page}: {link} leads to no heading"


def documentation() -> list[Path]:
    """The Markdown pages that come with milonga."""
    tops = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    return [*filter(Path.exists, tops), *sorted((ROOT / "docs").rglob("*.md"))]


def main() -> int:
    """The command line."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    faults = build(target)
    pages = sorted(target.rglob("*.html"))
    faults += dead_links([*pages, *documentation()])
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(pages)} pages in {target / 'index.html'}; {len(faults)} faults", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
