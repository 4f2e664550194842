"""Disks that fill up, on every machine: by a limit of the system on the size of files; and by a
small file system in memory, where one may be mounted."""

import contextlib
import resource
import shutil
import subprocess
import tempfile

import psutil
import pytest


def _mounted(folder, size):
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    return (
        shutil.which("mount") is not None
        and not subprocess.run(command, capture_output=True, check=False).returncode
    )


def _unmount(folder):
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _may_mount():
    with tempfile.TemporaryDirectory() as folder:
        if allowed := _mounted(folder, "64k"):
            _unmount(folder)
        return allowed


KINDS = ["limit", *([pytest.param("disk", marks=pytest.mark.slow)] if _may_mount() else [])]
"""What the tests that take a kind run with."""


class Limit:
    """Files that the workers of today write can't grow over a size; those of tomorrow may."""

    says = "limit of file sizes"

    def fill(self, room):
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if {"tone_worker", "milonga.jobs.local.process"} & set(process.cmdline()):
                    _set_limit(process.pid, room)

    @contextlib.contextmanager
    def here(self, size):
        """Limit the files of this process."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        _set_limit(0, size)
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def free(self):
        pass


class Disk:
    """A disk, 60 MB of memory, of which a filler takes all but some room."""

    says = "disk is full"

    def __init__(self, folder):
        self._folder, self._filler = folder, folder / "filler"

    def fill(self, room):
        # Who writes at the same time may be quicker.
        with contextlib.suppress(OSError), open(self._filler, "wb") as file:
            file.write(bytes(max(0, shutil.disk_usage(self._folder).free - room)))

    @contextlib.contextmanager
    def here(self, size):
        """Leave it full."""
        yield

    def free(self):
        self._filler.unlink()


@contextlib.contextmanager
def small_disk(kind, folder):
    """What fills the disk of a folder."""
    if kind == "limit":
        yield Limit()
        return
    assert _mounted(folder, "60m")
    try:
        yield Disk(folder)
    finally:
        _unmount(folder)


def _set_limit(pid, size):
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
