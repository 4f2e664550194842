"""The example notebooks run, and what they show is shown."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import milonga

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
PYTHON_PAGE = ROOT / "docs" / "python.md"


@pytest.fixture
def jupyter_home(tmp_path, monkeypatch):
    """Nothing is read from or written to the folders of whoever runs the tests."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "milonga"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    # The debugger of Jupyter tells that it can't look into frozen modules.
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")


def run(notebook, folder):
    client = NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    return client.execute()


def shown(notebook, ending):
    """The HTML of the cell whose code ends with ``ending``."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.endswith(ending):
            for output in cell.outputs:
                if "text/html" in output.get("data", {}):
                    return output["data"]["text/html"]
            raise AssertionError(f"the cell shows no HTML: {cell.source}")
    raise AssertionError(f"no cell ends with {ending!r}")


SHOWN = {
    "musician": [
        ('check_sheet(folder / "song.yaml")', ["Late Train", "Window"]),
        ("takes=2)", ["guide-s1", "Platform"]),
        ("\nsong", ["<audio", "guide-s0", "Window"]),
        ("\ntake", ["<audio", "<img"]),
        ("\nlibrary", ["late train"]),
        ("\nsound", ["<audio", "bright.wav"]),
    ],
    "researcher": [
        ("\ntone", ["<audio", "<img"]),
        ("\ncomparison", ["baseline.wav", "guide-1.wav"]),
    ],
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "path",
    # The musician's trains a model.
    [pytest.param(p, marks=pytest.mark.slow if p.stem == "musician" else ()) for p in NOTEBOOKS],
    ids=lambda p: p.stem,
)
def test_a_notebook_runs_and_shows_its_objects(path, tmp_path, jupyter_home):
    notebook = run(nbformat.read(path, as_version=4), tmp_path)
    for ending, words in SHOWN[path.stem]:
        html = shown(notebook, ending)
        for word in words:
            assert word in html, f"{word!r} is not shown by the cell that ends with {ending!r}"
        assert "<script" not in html
    for cell in notebook.cells:
        errors = [o for o in cell.get("outputs", []) if o.get("name") == "stderr"]
        assert not errors, f"{cell.source}\n{errors}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_kept_without_results(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("page", [PYTHON_PAGE, *NOTEBOOKS], ids=lambda p: p.name)
def test_names_that_the_documentation_uses_are_public(page):
    text = page.read_text()
    names = set(re.findall(r"\bmilonga\.([A-Za-z_]+)\b(?!/)", text))
    assert len(names) > 5
    for name in sorted(names - {"ipynb"}):
        assert hasattr(milonga, name), f"{page.name} uses milonga.{name}"
