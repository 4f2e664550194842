"""The README's and docs' examples run, as a reader would run them, and their links lead on."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from in_process import run_here
from warm_process import run_warm, warm_milonga

ROOT = Path(__file__).parent.parent


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = load(ROOT / "docs" / "make_reference.py")
PAGES = [*reference.documentation(), *sorted((ROOT / "examples").rglob("*.md"))]
EXAMPLES = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(page: Path, folder: Path) -> None:
    """Run every sh and python block of a page in order, in one folder."""
    with warm_milonga() as commands:
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        # What the examples train and keep is no business of whoever runs the tests.
        env = {**os.environ, "PATH": path, "MILONGA_HOME": str(folder / ".milonga")}
        for language, text in EXAMPLES.findall(page.read_text()):
            if language == "python":
                done = run_warm(["-c", text], cwd=folder, env=env)
            else:
                done = subprocess.run(
                    ["bash", "-euc", text], cwd=folder, env=env, capture_output=True, text=True
                )
            assert done.returncode == 0, f"{page.name}:\n{text}\n{done.stdout}\n{done.stderr}"


# These train a model of their own, or do all that milonga does.
LONG = ("README.md", "sounds.md", "sound-instruments.md")


# A page is a dozen commands, one after the other, which may share the machine with others.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page.name in LONG else ())
        for page in PAGES
        if EXAMPLES.search(page.read_text())
    ],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_examples_run(page, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    run(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert list(reference.dead_links([page])) == []


def test_dead_links_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One *two*, three\n# Same\n# Same\n[a](page.md#one-two-three) [b](#same-1) [c](#four)\n"
        "[d](nowhere.md) [e](https://example.org) `[f](code.md)`\n```\n[g](code.md)\n```\n"
    )
    (tmp_path / "page.html").write_text('<a id="x"></a><a href="#x">1</a><a href="#y">2</a>')
    found = [line.split(": ")[1] for line in reference.dead_links(sorted(tmp_path.iterdir()))]
    assert found == [
        "#y leads to no heading",
        "#four leads to no heading",
        "nowhere.md leads to no file",
    ]


def test_the_examples_are_sheets_that_can_be_rendered(tmp_path):
    for sheet in (ROOT / "examples").rglob("*.yaml"):
        command = ["render", sheet, "--with", "guide", "--dry-run", "--out", tmp_path]
        done = run_here(command, cwd=tmp_path, env={})
        assert done.returncode == 0, done.stderr
