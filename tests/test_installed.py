"""The command that an error prints fits how milonga was installed."""

import importlib.metadata
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

from milonga._installed import install_command
from milonga.errors import MissingExtraError
from milonga.generators.registry import GENERATORS


@pytest.fixture
def installed(monkeypatch):
    """``installed(document)``: as if pip had written this direct_url.json."""

    class Distribution:
        text = None

        def read_text(self, name):
            assert name == "direct_url.json"
            return self.text

    found = Distribution()
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: found)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "executable", "/home/ana/.venv/bin/python")

    def install(document):
        found.text = None if document is None else json.dumps(document)

    return install


PIP = "/home/ana/.venv/bin/python -m pip install"


def test_from_an_index(installed):
    installed(None)
    assert install_command("models") == f"{PIP} 'milonga[models]'"
    assert install_command(upgrade=True) == f"{PIP} --upgrade 'milonga'"


def test_from_a_folder(installed, tmp_path):
    folder = tmp_path / "my copy"
    folder.mkdir()
    installed({"url": folder.as_uri(), "dir_info": {}})
    assert install_command("sounds") == f"{PIP} '{folder}[sounds]'"
    installed({"url": folder.as_uri(), "dir_info": {"editable": True}})
    assert install_command("sounds") == f"{PIP} -e '{folder}[sounds]'"
    assert MissingExtraError("It", "sofa").step == f"Run: {PIP} -e '{folder}[sofa]'"


def test_from_a_repository(installed):
    address = "https://example.org/milonga.git"
    installed({"url": address, "vcs_info": {"vcs": "git", "commit_id": "0" * 40}})
    assert install_command("guide") == f"{PIP} 'milonga[guide] @ git+{address}'"


def test_from_a_folder_that_is_gone(installed, tmp_path):
    installed({"url": (tmp_path / "gone").as_uri(), "dir_info": {"editable": True}})
    assert install_command("guide") == f"{PIP} 'milonga[guide]'"


def test_a_record_that_can_not_be_read(installed, monkeypatch):
    monkeypatch.setattr(json, "loads", lambda text: int("x"))
    installed({})
    assert install_command("guide") == f"{PIP} 'milonga[guide]'"


def test_windows_and_a_path_with_spaces(installed, monkeypatch):
    installed(None)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "executable", r"C:\Users\Ana Maria\python.exe")
    expected = r'"C:\Users\Ana Maria\python.exe" -m pip install "milonga[web]"'
    assert install_command("web") == expected


def test_every_extra_is_needed_by_something():
    root = Path(__file__).parents[1]
    declared = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    source = "".join(path.read_text() for path in (root / "src").rglob("*.py"))
    named = set(re.findall(r'(?:MissingExtraError|needs_extra)\(\s*f?"[^"]*",\s*"(\w+)"', source))
    named |= {generator.extra for generator in GENERATORS.values()}
    assert named == set(declared["optional-dependencies"]) - {"all"}
