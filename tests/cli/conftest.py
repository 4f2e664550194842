"""The command line as a user runs it: a real process."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

MILONGA = [sys.executable, "-m", "milonga"]


@dataclass
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def milonga(tmp_path):
    """Runs milonga in ``tmp_path``; its own data lives there, too."""

    def run(*args, **env):
        done = subprocess.run(
            [*MILONGA, *map(str, args)],
            cwd=tmp_path,
            env={**os.environ, "MILONGA_HOME": str(tmp_path / "home"), "COLUMNS": "120", **env},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert "Traceback" not in done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    return run
