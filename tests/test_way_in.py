"""The README's lines work one after the other, exactly as printed, from a bare machine."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROBE = "milonga sound train demo-out/takes --name first"
"""Asks for a part that is not there yet."""


def readme_lines():
    """Yield the README's lines of shell, and its Python as one line of shell each."""
    for language, text in BLOCKS.findall((ROOT / "README.md").read_text()):
        if language == "python":
            yield f"python - <<'END'\n{text}END"
        elif language in ("", "sh"):
            # The tests themselves have been run by whoever runs this one.
            yield from (line for line in text.splitlines() if line and "make test" not in line)


@pytest.fixture
def machine(tmp_path):
    """A copy of the repository and a shell in it, which has no environment and no milonga."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    copy = tmp_path / "milonga"
    for name in filter(None, tracked.stdout.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    kept = {k: v for k, v in os.environ.items() if k.startswith("PIP_") or "proxy" in k.lower()}
    environment = {
        **kept,
        "HOME": os.environ.get("HOME", "/"),
        "MILONGA_HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.base_prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
    }
    with subprocess.Popen(
        ["bash"], cwd=copy, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as shell:  # fmt: skip

        def run(line):
            """Run a line as if it was typed; return its exit status and what it printed."""
            shell.stdin.write(f"{line}\necho END OF LINE $?\n")
            shell.stdin.flush()
            printed = []
            for text in shell.stdout:
                if text.startswith("END OF LINE "):
                    return int(text.split()[-1]), "".join(printed)
                printed.append(text)
            raise AssertionError(f"The shell ended at: {line}\n{''.join(printed)}")

        run.folder = copy
        yield run
    shutil.rmtree(copy)  # gigabytes


def test_the_printed_lines_cover_every_part():
    lines = " ".join(readme_lines())
    for words in ("make demo", "source .venv/bin/activate", "[guide]", "sounds]", "models]"):
        assert words in lines


def test_no_page_names_a_command_that_needs_an_index():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.*b")]
    assert [
        page.name for page in pages if re.search(r"pip install \W*milonga", page.read_text())
    ] == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_readme_walked_from_a_bare_machine(machine):
    assert machine("milonga --version")[0] == 127

    def refused(editable):
        """Ask for sounds without their part: the command that mends it is printed, as here."""
        status, printed = machine(f"PATH=$PWD/.venv/bin:$PATH; {PROBE}")
        assert status == 1, printed
        assert "did not expect" not in printed
        assert "needs the extra 'sounds'" in printed
        (command,) = re.findall(r"Run: (.*)", printed)
        python = machine.folder / ".venv" / "bin" / "python"
        option = " -e" if editable else ""
        assert re.fullmatch(
            rf"{re.escape(str(python))}[\d.]* -m pip install{option} "
            rf"'{re.escape(str(machine.folder))}\[sounds\]'",
            command,
        )
        return command

    command = ""
    for line in readme_lines():
        status, printed = machine(line)
        assert status == 0, f"{line}\n{printed}"
        if line.startswith("make demo"):
            refused(editable=True)
        elif line.startswith("pip install '.[guide]'"):
            command = refused(editable=False)
        elif line.startswith("pip install torch"):
            status, printed = machine(command)
            assert status == 0, printed
    assert command
