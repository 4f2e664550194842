"""A cache that can't be written or is full: found before work where that can be known."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from milonga.errors import CacheError
from milonga.weights import ensure_weights, locate

MB = 1024 * 1024

AS_NOBODY = """
import os, sys, tempfile
import milonga.weights, milonga.weights.hub.client, huggingface_hub.utils, filelock, httpx2, click
from milonga.cli.main import main
os.setgid(65534); os.setuid(65534)
sys.exit(main(["weights", *sys.argv[1:]]))
"""


@contextmanager
def small_disk(folder, size):
    """A file system of ``size`` bytes at ``folder``; yields whether there is one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
    )
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", folder], check=True)


def arrived(folder):
    return max((part.stat().st_size for part in folder.rglob("*.part")), default=0)


def test_a_disk_that_fills_up(hub, bigvgan, tmp_path):
    disk = tmp_path / "disk"
    filler = disk / "filler"
    with small_disk(disk, 4 * MB) as limited:
        code = "from milonga.weights import ensure_weights; ensure_weights('bigvgan')"
        if limited:
            # There is room when the download starts; another program takes it meanwhile.
            def fill():
                # What was sent may still be on its way to the disk.
                deadline = time.monotonic() + 30
                while arrived(disk) < MB and time.monotonic() < deadline:
                    time.sleep(0.01)
                with filler.open("wb") as handle, pytest.raises(OSError, match="space"):
                    handle.write(b"\0" * 4 * MB)

            hub.fault("bigvgan_generator.pt", call_at=2 * MB, call=fill)
        else:
            # Without the right to mount: the system's limit on the size of a file.
            code = (
                f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({2 * MB},) * 2)\n"
                + code
            )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "HF_HUB_CACHE": str(disk)},
            capture_output=True,
            text=True,
        )
        assert "CacheError" in done.stderr
        assert "The disk is full. What has arrived is kept." in done.stderr
        assert locate("bigvgan", cache_dir=disk) is None
        part = next(disk.rglob("*.part"))
        held = part.stat().st_size
        assert held >= MB
        contents = bigvgan.files("main")["bigvgan_generator.pt"].contents
        assert part.read_bytes() == contents[:held]

        filler.unlink(missing_ok=True)
        found = ensure_weights("bigvgan", cache_dir=disk)
        assert (found / "bigvgan_generator.pt").read_bytes() == contents
        assert hub.requests[-1].range == f"bytes={held}-"


def test_too_little_space_is_found_before(hub, bigvgan, tmp_path):
    disk = tmp_path / "disk"
    with small_disk(disk, 2 * MB) as limited:
        if not limited:
            bigvgan.files("main")["bigvgan_generator.pt"].size = 10**15
        with pytest.raises(CacheError, match=r"free, and the download needs") as caught:
            ensure_weights("bigvgan", cache_dir=disk)
        assert "milonga weights remove KEY" in str(caught.value)
        assert hub.bytes_served == 0


@contextmanager
def read_only(folder):
    """Makes a folder one that this process can't write; yields whether that could be done."""
    if os.geteuid() != 0:
        folder.chmod(0o555)
        try:
            yield True
        finally:
            folder.chmod(0o755)
        return
    mount = ["mount", "-o", "bind,ro", folder, folder]
    done = subprocess.run(mount, capture_output=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], capture_output=True)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", folder], check=True)


def test_a_read_only_cache_is_found_before_work(hub, bigvgan, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    with read_only(cache) as limited:
        if not limited:
            cache = tmp_path / "file"
            cache.write_text("in the way")
        with pytest.raises(CacheError, match="can't be written") as caught:
            ensure_weights("bigvgan", cache_dir=cache)
    assert str(cache) in str(caught.value)
    assert "--cache-dir FOLDER" in str(caught.value)
    assert "HF_HOME=FOLDER" in str(caught.value)
    assert hub.requests == []


def test_a_read_only_cache_that_holds_the_files_works(hub, bigvgan, tmp_path):
    cache = tmp_path / "cache"
    folder = ensure_weights("bigvgan", cache_dir=cache)
    before = len(hub.requests)
    with read_only(cache):
        assert ensure_weights("bigvgan", cache_dir=cache) == folder
        assert locate("bigvgan", cache_dir=cache).folder == folder
    assert len(hub.requests) == before


def test_files_of_other_tools_in_a_read_only_cache_are_checked_once(hub, bigvgan, log, run_python):
    run_python(
        f"from huggingface_hub import snapshot_download; snapshot_download({bigvgan.name!r})"
    )
    with read_only(hub.cache) as limited:
        ensure_weights("bigvgan", progress=log)
        assert [update.label for update in log.updates if update.finished] == ["bigvgan: checking"]
        ensure_weights("bigvgan", progress=log)
        assert sum(update.finished for update in log.updates) == 1
        # Its record went where this user may write.
        assert not limited or list((hub.home / "milonga" / "weights").rglob("main-*.json"))


def test_the_fallback_is_taken_where_the_user_agreed(hub, bigvgan, tmp_path, log):
    cache, fallback = tmp_path / "file", tmp_path / "fallback"
    cache.write_text("in the way")
    (hub.home / "milonga").mkdir()
    (hub.home / "milonga" / "config.toml").write_text(
        f'[weights]\ncache_dir = "{cache}"\nfallback_cache_dir = "{fallback}"\n'
    )
    os.environ.pop("HF_HOME")
    folder = ensure_weights("bigvgan", progress=log)
    assert folder.is_relative_to(fallback)
    assert any("as the configuration allows" in message for message in log.messages)
    before = len(hub.requests)
    assert ensure_weights("bigvgan", offline=True) == folder
    assert locate("bigvgan").folder == folder
    assert len(hub.requests) == before


@pytest.fixture
def open_place():
    """A folder that any user may enter, which pytest's own isn't."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o777)
        yield place


@pytest.mark.parametrize("owned", ["cache", "repository", "locks"])
def test_a_cache_of_another_user(hub, bigvgan, folder, open_place, owned):
    """As after one run with sudo: some folders belong to root."""
    cache = open_place / "hub"
    foreign = {
        "cache": cache,
        "repository": cache / folder.name / "blobs",
        "locks": cache / ".locks" / folder.name,
    }[owned]
    foreign.mkdir(parents=True)
    for each in foreign.parents:
        if each.is_relative_to(cache):
            each.chmod(0o777)
    root = os.geteuid() == 0
    foreign.chmod(0o755 if root else 0o555)
    program = ["-c", AS_NOBODY] if root else ["-m", "milonga", "weights"]
    done = subprocess.run(
        [sys.executable, *program, "get", "bigvgan"],
        env={**os.environ, "HF_HUB_CACHE": str(cache), "MILONGA_HOME": str(open_place / "data")},
        cwd=open_place,
        capture_output=True,
        text=True,
    )
    foreign.chmod(0o755)
    assert done.returncode == 1
    assert "can't be written" in done.stderr
    assert str(foreign) in done.stderr
    if root:
        assert "is owned by root, and you are nobody" in done.stderr
        assert "sudo chown -R nobody" in done.stderr
    assert "Traceback" not in done.stderr
    assert hub.requests == []
