"""``import milonga`` and ``milonga --help`` stay instant: they load nothing heavy."""

import subprocess
import sys

import pytest

from milonga.cli.main import COMMANDS

HEAVY = ("torch", "librosa", "transformers", "matplotlib", "numba", "scipy", "numpy", "pydantic")


def loaded(code: str) -> set[str]:
    code = f"{code}\nimport sys\nprint('\\n'.join(sorted(sys.modules)), file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in run.stderr.split()}


@pytest.mark.parametrize(
    "code",
    [
        "import milonga",
        "import milonga.errors",
        "from milonga.cli.main import main; assert main(['--help']) == 0",
        "from milonga.cli.main import main; assert main(['--version']) == 0",
    ],
)
def test_nothing_heavy(code):
    assert not loaded(code) & set(HEAVY)


def test_a_command_s_help_loads_no_model_library():
    for command in COMMANDS:
        names = loaded(f"from milonga.cli.main import main; assert main([{command!r}, '-h']) == 0")
        assert not names & {"torch", "librosa", "transformers", "matplotlib", "numba", "scipy"}


def test_a_sheet_is_parsed_and_planned_without_torch():
    names = loaded("import milonga.songs.sheet.load, milonga.songs.rendering.plan")
    assert not names & {"torch", "librosa", "transformers", "matplotlib", "numba", "scipy"}
