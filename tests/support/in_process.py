"""Commands in the process of the tests, where milonga and the large libraries are loaded already.

A command in a process of its own takes half a second to import them: see ``warm_process`` for
tests of what a process is needed for (signals, encodings, what is imported, a full disk).
"""

import contextlib
import io
import os
import signal
import subprocess
import sys

from milonga.cli.main import main


def run_here(arguments, *, cwd, env):
    """Run ``milonga ARGUMENTS`` to its end, as ``subprocess.run`` would, captured as text.

    Args:
        env: variables beside those of this process.
    """
    kinds = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.getsignal(kind) for kind in kinds]
    variables, keyboard = dict(os.environ), sys.stdin
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    os.environ.update(env)
    sys.stdin = io.TextIOWrapper(io.BytesIO(), "utf-8")  # nobody answers
    try:
        with (
            contextlib.chdir(cwd),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = main([str(argument) for argument in arguments])
    finally:
        sys.stdin = keyboard
        os.environ.clear()
        os.environ.update(variables)
        for kind, handler in zip(kinds, handlers, strict=True):
            signal.signal(kind, handler)
    texts = (stream.buffer.getvalue().decode("utf-8", "backslashreplace") for stream in (out, err))
    return subprocess.CompletedProcess(arguments, status, *texts)
