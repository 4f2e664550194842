"""The command line as a user runs it: a real process."""

import json
import os
from dataclasses import dataclass

import pytest
from warm_process import run_warm


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
        home = {"MILONGA_HOME": str(tmp_path / "home"), "COLUMNS": "120"}
        done = run_warm(["-m", "milonga", *args], cwd=tmp_path, env={**os.environ, **home, **env})
        assert "Traceback" not in done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    return run
