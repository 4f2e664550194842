"""The command line as a user runs it."""

import json
import os
from dataclasses import dataclass

import pytest
from in_process import run_here
from warm_process import AT_START, run_warm


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
    """Runs milonga in ``tmp_path``, where its own data lives, too.

    In this process; in one of its own where ``process`` is true or Python itself reads one of the
    variables when it starts.
    """

    def run(*args, process=False, **env):
        env = {"MILONGA_HOME": str(tmp_path / "home"), "COLUMNS": "120", **env}
        if process or any(name.startswith(AT_START) for name in env):
            done = run_warm(["-m", "milonga", *args], cwd=tmp_path, env={**os.environ, **env})
        else:
            done = run_here(args, cwd=tmp_path, env=env)
        assert "Traceback" not in done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    return run
