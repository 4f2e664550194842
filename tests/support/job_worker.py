"""A kind of job for tests, and the program of its worker: small, and as wicked as it is told."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from milonga.jobs.job import Cost
from milonga.jobs.kinds import KINDS, Work
from milonga.jobs.running import worker
from milonga.runtime.files import write_text


class TestWork(Work):
    """Makes ``steps`` files; one that is there is kept, as takes are."""

    __test__ = False
    kind = "test"

    folder: Path
    steps: int = 2
    pause_s: float = 0.0
    memory: int | None = 1
    die_at: int | None = None
    """Kills itself before this step, once for each file ``die-N``."""
    hang_at: int | None = None
    wait_for: Path | None = None
    """Each step waits for this file."""

    @property
    def title(self):
        return f"test {self.folder.name}"

    def cost(self):
        return Cost(estimate_s=self.steps * self.pause_s, memory=self.memory, takes=self.steps)

    def run(self, progress, made):
        done = []
        with progress.task("Steps", self.steps, "steps") as task:
            for step in range(self.steps):
                path = self.folder / f"{step}.txt"
                if step == self.die_at and (lives := sorted(self.folder.glob("die-*"))):
                    lives[0].unlink()
                    os.kill(os.getpid(), signal.SIGKILL)
                if step == self.hang_at:
                    time.sleep(600)
                while self.wait_for is not None and not self.wait_for.exists():
                    progress.check()
                    time.sleep(0.01)
                time.sleep(self.pause_s)
                if not path.exists():
                    write_text(path, f"{os.getpid()}\n")
                    with open(self.folder / "made.txt", "a") as file:
                        file.write(f"{step}\n")
                made(path)
                done.append(str(path))
                task.advance()
        return {"files": done, "pid": os.getpid()}


KINDS["test"] = TestWork

RUN = (
    "import sys, job_worker; from pathlib import Path; from milonga.jobs import Queue, Runner;"
    "from milonga.jobs.running import runner; runner._MODULE = 'job_worker';"
    "Runner(Queue(Path(sys.argv[1]))).run()"
)


def runner_process(queue):
    """A runner in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(queue.folder)], env=environment(), start_new_session=True
    )


def environment():
    """The environment in which a worker finds this module."""
    here = str(Path(__file__).parent)
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


if __name__ == "__main__":
    # As the module that the tests import, so that the worker knows one class of the name.
    import job_worker  # noqa: F401

    sys.exit(worker.main())
