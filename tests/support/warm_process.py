"""Processes that begin with the large libraries imported: most of a short command's time is that.

Each is a process of its own with its own folder, environment, files, signals and exit status,
forked (where the system can) from a server that has imported nothing of milonga.
"""

import contextlib
import io
import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Listener
from pathlib import Path

# None of them reads an environment that a test changes, as huggingface_hub and transformers do.
LIBRARIES = (
    "audiomentations.augmentations.add_color_noise", "click", "jinja2", "numba", "numpy",
    "PIL.Image", "pydantic", "rich.live", "scipy.signal", "scipy.stats", "soundfile", "torch",
    "torch._dynamo", "yaml",
)  # fmt: skip
# Python reads these when it starts, and so do the libraries.
AT_START = ("PYTHON", "LC_", "LANG", "OMP_", "NUMBA_")


class WarmProcess:
    """``python ARGUMENTS``, which begin with ``-m`` or ``-c``, used like a Popen.

    It must end with ``communicate`` or as a context; ``stdout`` and ``stderr`` may be read before.
    """

    def __init__(self, arguments, *, cwd=None, env=None):
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if "forkserver" in methods:
            context.set_forkserver_preload(list(LIBRARIES))
        self._folder = Path(tempfile.mkdtemp())
        files = [self._folder / "out", self._folder / "err"]
        for file in files:
            file.touch()
        command = [str(argument) for argument in arguments]
        variables = dict(os.environ if env is None else env)
        self._process = context.Process(
            target=_child, args=(command, str(cwd or Path.cwd()), variables, files)
        )
        self._process.start()
        self.pid = self._process.pid
        self.returncode = None
        self.stdout, self.stderr = (_Tail(self, file) for file in files)

    def poll(self):
        if self.returncode is None:
            self.returncode = self._process.exitcode
        return self.returncode

    def send_signal(self, kind):
        if self.poll() is None:
            os.kill(self.pid, kind)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout=300):
        """Return standard output and standard error from where they were read to, at the end."""
        self._process.join(timeout)
        ended = self.poll() is not None
        self.kill()
        self._process.join()
        self.poll()
        self._process.close()
        out, err = self.stdout.read(), self.stderr.read()
        self.stdout.close()
        self.stderr.close()
        shutil.rmtree(self._folder)
        if not ended:
            raise subprocess.TimeoutExpired("milonga", timeout, out, err)
        return out, err

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._folder.exists():
            self.communicate()


class _Tail:
    """The lines of a file that a process still writes."""

    def __init__(self, process, path):
        self._process = process
        self._file = path.open(encoding="utf-8")
        self.close = self._file.close

    def readline(self):
        line = ""
        while not line.endswith("\n"):
            ended = self._process.poll() is not None
            line += self._file.readline()
            if ended:
                break
            time.sleep(0.002)
        return line

    def __iter__(self):
        return iter(self.readline, "")

    def read(self):
        return "".join(self)


def run_warm(arguments, *, cwd=None, env=None, timeout=300):
    """Run ``python ARGUMENTS`` to its end, as ``subprocess.run`` would, captured as text."""
    env = os.environ if env is None else env
    changed = {name for name in {*env, *os.environ} if env.get(name) != os.environ.get(name)}
    if any(name.startswith(AT_START) for name in changed):
        return subprocess.run(
            [sys.executable, *map(str, arguments)], cwd=cwd, env=env, capture_output=True,
            text=True, timeout=timeout,
        )  # fmt: skip
    process = WarmProcess(arguments, cwd=cwd, env=env)
    out, err = process.communicate(timeout)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


SHIM = """#!{python} -IS
import os, sys
from multiprocessing.connection import Client
with Client({address!r}) as server:
    server.send((["-m", "milonga", *sys.argv[1:]], os.getcwd(), dict(os.environ)))
    status, out, err = server.recv()
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(status)
"""


@contextlib.contextmanager
def warm_milonga():
    """Make a folder for the PATH of shells, whose command ``milonga`` is a warm process."""
    with tempfile.TemporaryDirectory() as folder, Listener(f"{folder}/socket") as listener:
        shim = Path(folder, "milonga")
        shim.write_text(SHIM.format(python=sys.executable, address=listener.address))
        shim.chmod(0o755)

        def serve():
            while True:
                with listener.accept() as client:
                    asked = client.recv()
                    if asked is None:
                        return
                    arguments, cwd, env = asked
                    done = run_warm(arguments, cwd=cwd, env=env)
                    client.send((done.returncode, done.stdout, done.stderr))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield folder
        finally:
            with multiprocessing.connection.Client(listener.address) as client:
                client.send(None)
            thread.join()


def _child(arguments, cwd, env, files):
    for number, name in enumerate(files, 1):
        file = os.open(name, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    for number, name, errors in ((1, "stdout", "strict"), (2, "stderr", "backslashreplace")):
        raw = io.FileIO(number, "w", closefd=False)
        setattr(sys, name, io.TextIOWrapper(raw, "utf-8", errors, write_through=True))
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    kind, what, *rest = arguments
    sys.argv = [kind, *rest]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, {"__name__": "__main__"})
