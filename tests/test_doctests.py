"""The examples in the docstrings run, each module's in a folder of its own."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import milonga

SOURCE = Path(milonga.__file__).parent
MODULES = [
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(SOURCE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    # A traceback may name its error without the module.
    found = doctest.testmod(import_module(name), optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert found.attempted
    assert not found.failed


def test_the_everyday_names_have_examples():
    assert {"milonga.audio.clip", "milonga.audio.files", "milonga.analysis.comparison"} <= {
        *MODULES
    }
