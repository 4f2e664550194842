"""A runner in the background: ``python -m milonga.jobs.running.background FOLDER``."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType

from milonga.errors import Cancelled, JobError
from milonga.jobs.queue import Queue
from milonga.jobs.running.runner import Runner
from milonga.runtime import logs
from milonga.runtime.progress import Progress


def main() -> int:
    """Work on the queue in the folder that the command line names."""
    folder = Path(sys.argv[1])
    logs.setup(folder / "runner.log")
    progress = Progress()

    def stop(signum: int, frame: FrameType | None) -> None:
        progress.cancel()

    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, stop)
    try:
        Runner(Queue(folder)).run(progress)
    except JobError as error:
        # Another one was quicker.
        logs.LOG.info("%s", error)
    except Cancelled:
        return 130
    except Exception as error:
        logs.log_failure(error, "the runner", raised=True)
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
