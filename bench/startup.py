"""``milonga --help`` against a two-command Typer program."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.timing import in_turns, run_process

TYPER = '''
import typer

app = typer.Typer()


@app.command()
def render(sheet: str, out: str = "out", takes: int = 1):
    """Render a song sheet."""


@app.command()
def compare(baseline: str, candidate: str):
    """Compare recordings."""


app()
'''


def run(quick: bool = False) -> str:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program.py"
        program.write_text(TYPER)
        milonga = [str(Path(sys.executable).with_name("milonga")), "--help"]
        typer = [sys.executable, str(program), "--help"]
        ours, theirs, ratio = in_turns(
            lambda: run_process(milonga).seconds,
            lambda: run_process(typer).seconds,
            runs=5 if quick else 21,
        )
    return f"""## `milonga --help`

| program | wall time |
| --- | --- |
| `milonga --help` | {ours * 1000:.0f} ms |
| a two-command Typer program | {theirs * 1000:.0f} ms |

milonga takes {1 / ratio:.2f} times as long (goal: at most 1.3). Whole processes in turns,
{5 if quick else 21} of each.
"""
