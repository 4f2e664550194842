"""The README's and docs' examples run, as a reader would run them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def run(page: Path, folder: Path) -> None:
    """Every sh and python block of a page in order, in one folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # What the examples train and keep is no business of whoever runs the tests.
    environment = {**os.environ, "PATH": path, "MILONGA_HOME": str(folder / ".milonga")}
    found = re.findall(r"^```(sh|python)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    for language, text in found:
        command = ["bash", "-euc", text] if language == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{page.name}:\n{text}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if blocks(p, "sh") or blocks(p, "python")],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_examples_run(page, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    run(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_examples_are_sheets_that_can_be_rendered(tmp_path):
    for sheet in (ROOT / "examples").rglob("*.yaml"):
        command = [sys.executable, "-m", "milonga", "render", str(sheet), "--with", "guide"]
        done = subprocess.run(
            [*command, "--dry-run", "--out", str(tmp_path)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
