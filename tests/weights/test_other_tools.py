"""Files that another tool downloaded, in the states in which they are found."""

import errno
import shutil
import time
from importlib import import_module

import pytest

from milonga.errors import CacheError, DamagedFileError, DownloadError, NotDownloadedError
from milonga.weights import (
    ensure_weights,
    list_weights,
    load_checkpoint,
    locate,
    verify_weights,
)
from milonga.weights.cache.layout import RepoCache
from milonga.weights.ensure import Waiting
from milonga.weights.inventory import remove_weights

BIGVGAN = "nvidia/bigvgan_v2_44khz_128band_512x"
NEEDED = ["bigvgan_generator.pt", "config.json"]


@pytest.fixture
def copies(hub, bigvgan, folder):
    """The files as plain copies, without links: as on Windows, or copied by hand."""
    snapshot = folder / "snapshots" / bigvgan.commit
    snapshot.mkdir(parents=True)
    for name in NEEDED:
        (snapshot / name).write_bytes(bigvgan.files("main")[name].contents)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(bigvgan.commit)
    return snapshot


@pytest.fixture
def unreachable(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


def refs_missing(folder, bigvgan):
    shutil.rmtree(folder / "refs")


def refs_moved_on(folder, bigvgan):
    """Another tool has taken one file of the newest commit."""
    later = folder / "snapshots" / ("f" * 40)
    later.mkdir()
    (later / "config.json").write_text("{}")
    (folder / "refs" / "main").write_text(later.name)


def refs_without_files(folder, bigvgan):
    (folder / "refs" / "main").write_text("e" * 40)


def as_it_was(folder, bigvgan):
    """With a line break at its end, as an editor or ``echo`` leaves it."""
    (folder / "refs" / "main").write_text(f"{bigvgan.commit}\n")


STATES = [as_it_was, refs_missing, refs_moved_on, refs_without_files]


@pytest.mark.parametrize("change", STATES)
def test_used_with_a_message_where_the_hub_can_not_be_reached(
    bigvgan, folder, copies, unreachable, log, quickly, change
):
    change(folder, bigvgan)
    found = quickly(progress=log)
    assert found.folder == copies
    assert found.hashes["config.json"] == bigvgan.files("main")["config.json"].sha256
    said = " ".join(log.messages)
    assert f"another tool left here (commit {bigvgan.commit[:7]})" in said
    assert "could not be compared with the hub's" in said
    assert "The hub can't be reached" in said
    # From now on it is known, and what happens to it is seen.
    (copies / "config.json").write_bytes(b'{"num_mels": 127}')
    assert verify_weights("bigvgan").faults[0].state in ("changed", "wrong size")


@pytest.mark.parametrize("change", STATES)
def test_used_where_the_network_is_switched_off(bigvgan, folder, copies, log, quickly, change):
    change(folder, bigvgan)
    assert quickly(progress=log, offline=True).folder == copies
    assert "could not be compared" in log.messages[0]


def test_found_before_it_is_used(copies, folder, bigvgan, monkeypatch):
    refs_missing(folder, bigvgan)
    assert locate("bigvgan") is None
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert locate("bigvgan").folder == copies
    (row,) = [row for row in list_weights() if row.source.name == "bigvgan"]
    assert (row.status, row.folder) == ("found", copies)


def test_compared_with_the_hub_where_that_answers(hub, bigvgan, copies, quickly, log):
    (copies / "config.json").write_bytes(b'{"num_mels": 127}')
    assert quickly(progress=log).folder == copies
    assert (copies / "config.json").read_bytes() == b'{"num_mels": 128}'
    assert hub.bytes_served == len(b'{"num_mels": 128}')
    assert log.messages == []


def test_a_wrong_link_is_never_used(bigvgan, folder, copies, unreachable, quickly):
    blob = folder / "blobs" / bigvgan.files("main")["bigvgan_generator.pt"].etag
    blob.parent.mkdir()
    blob.write_bytes(b"not the contents of that name")
    (copies / "bigvgan_generator.pt").unlink()
    (copies / "bigvgan_generator.pt").symlink_to(blob)
    for options in ({}, {"offline": True}):
        with pytest.raises((DownloadError, NotDownloadedError)):
            quickly(**options)


def test_a_cache_that_is_read_only(bigvgan, copies, unreachable, monkeypatch, quickly, log):
    monkeypatch.setattr("milonga.weights.cache.disk.write_fault", lambda cache: "it is read-only")
    assert quickly(progress=log).folder == copies
    assert any("it is read-only" in message for message in log.messages)


def test_nothing_stands_in_for_an_update_or_another_revision(
    bigvgan, folder, copies, unreachable, quickly
):
    with pytest.raises(DownloadError, match="can't be reached"):
        quickly(update=True)
    with pytest.raises(DownloadError, match="can't be reached"):
        quickly(revision="v2")
    (copies / "config.json").unlink()
    with pytest.raises(DownloadError, match="can't be reached"):
        quickly()


ODD = "samples/What is love?.txt"


def test_a_needless_file_with_an_odd_name_stops_nothing(hub, contents):
    files = {"model.safetensors": contents(2000), "config.json": b"{}"}
    odd = {ODD: b"la", "samples/What is love?.wav": b"la", "../up.wav": b"la", "a:b\\c.wav": b""}
    hub.add("owner/model", {**files, **odd})
    folder = ensure_weights("owner/model")
    assert sorted(path.name for path in folder.rglob("*")) == sorted(files)


def test_a_needed_file_with_an_odd_name_is_refused(hub):
    hub.add("owner/model", {"what?.safetensors": b"x" * 2000})
    with pytest.raises(DownloadError, match=r"what\?\.safetensors"):
        ensure_weights("owner/model")


def test_another_tool_s_files_with_odd_names(hub, bigvgan, folder, copies, quickly):
    (copies / "samples").mkdir()
    (copies / ODD).write_text("la")
    hub.add("owner/model", {"model.safetensors": b"x" * 2000, ODD: b"la"})
    other = hub.cache / "models--owner--model" / "snapshots" / ("a" * 40)
    shutil.copytree(copies, other)
    (other / "model.safetensors").write_bytes(b"x")
    assert quickly(offline=True).folder == copies
    assert quickly("owner/model", offline=True).folder == other
    assert list_weights()
    assert verify_weights("owner/model").faults == ()
    remove_weights("owner/model")
    assert not (other / "model.safetensors").exists()


def test_who_holds_the_lock_is_named(hub, folder, log, monkeypatch):
    cache = RepoCache(hub.cache, BIGVGAN)
    monkeypatch.setattr(import_module(Waiting.__module__), "_TELL_EVERY_S", 1.0)
    waiting = Waiting(log, "bigvgan")

    class EnoughError(Exception):
        pass

    def wait(holder):
        waiting(holder)
        if len(log.messages) == 2:
            raise EnoughError

    with cache.lock(lambda _: None):
        (cache.own / "holder").write_text("process 4711 on nas2")
        began = time.monotonic()
        with pytest.raises(EnoughError), cache.lock(wait):
            pass
        # Said again, so that nobody waits for ever for nothing that is seen.
        assert time.monotonic() - began > 0.9
    for message in log.messages:
        assert "process 4711 on nas2, for 0 min; lock" in message
        assert str(cache.lock_file) in message
        assert "remove the lock" in message
    with cache.lock(lambda _: None):
        assert "process" in (cache.own / "holder").read_text()
    assert not (cache.own / "holder").exists()


def test_a_drive_without_locks(hub, folder, monkeypatch):
    """As some network drives are: a file stands for the lock."""

    def refuse(self, *_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    cache = RepoCache(hub.cache, BIGVGAN)

    class EnoughError(Exception):
        pass

    def stop(holder):
        raise EnoughError(holder)

    with (
        cache.lock(stop),
        pytest.raises(EnoughError, match=r"lock .*milonga\.held"),
        cache.lock(stop),
    ):
        pass
    assert not cache.lock_file.with_suffix(".held").exists()
    monkeypatch.setattr("filelock.SoftFileLock.acquire", refuse)
    with pytest.raises(CacheError, match=r"can't be locked.*No locks"), cache.lock(stop):
        pass

    def forbid(self, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    # The lock of another user, who would not see a file in its place.
    monkeypatch.setattr("filelock.FileLock.acquire", forbid)
    with pytest.raises(CacheError, match=r"can't be locked.*Permission"), cache.lock(stop):
        pass


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>Log in</html>", "web page"),
    ],
)
def test_what_stands_in_the_place_of_weights(hub, tmp_path, quickly, contents, words):
    (tmp_path / "mine").mkdir()
    for name in NEEDED:
        (tmp_path / "mine" / name).write_bytes(b"{}")
    (tmp_path / "mine" / NEEDED[0]).write_bytes(contents)
    with pytest.raises(DamagedFileError, match=words) as caught:
        quickly(str(tmp_path / "mine"), like="bigvgan")
    assert NEEDED[0] in str(caught.value)
    with pytest.raises(DamagedFileError, match=words):
        load_checkpoint(tmp_path / "mine" / NEEDED[0])
