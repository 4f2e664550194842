"""Weights from another machine: here a cache in another folder stands for one."""

import pytest

from milonga.errors import NotDownloadedError
from milonga.jobs.cluster.weights import WeightsActor
from milonga.weights import peers
from milonga.weights.cache.records import DownloadRecord, FileRecord
from milonga.weights.selection import ANY


class Machine:
    """A peer that reads from the cache in another folder, and may send something else."""

    name = "the other machine"

    def __init__(self, cache, monkeypatch):
        self._cache, self._monkeypatch = cache, monkeypatch
        self.pieces = []
        self.send = bytes

    def _there(self, ask):
        with self._monkeypatch.context() as there:
            there.setenv("HF_HUB_CACHE", str(self._cache))
            return ask()

    def offer(self, repo, revision, files):
        told = self._there(lambda: WeightsActor().offer(repo, revision, files.needed, files.wanted))
        if told is None:
            return None
        sizes = {path: FileRecord(**file) for path, file in told["files"].items()}
        return DownloadRecord(**{**told, "files": sizes})

    def read(self, *what):
        self.pieces.append(what)
        return self.send(self._there(lambda: WeightsActor().read(*what)))


@pytest.fixture
def machine(hub, bigvgan, quickly, tmp_path, monkeypatch):
    """Another machine that has the files, and a hub that would count another download."""
    quickly(cache_dir=tmp_path / "there")
    hub.requests.clear()
    monkeypatch.setattr(peers, "_PEERS", [])
    machine = Machine(tmp_path / "there", monkeypatch)
    peers.add_peer(machine)
    return machine


def test_they_come_in_pieces_without_the_hub(hub, bigvgan, machine, quickly, log, monkeypatch):
    monkeypatch.setattr(peers, "PIECE", 1_000_000)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    local = quickly(progress=log)
    assert hub.requests == []
    assert len(machine.pieces) == 4  # a config, and 3 MB
    for name in ("config.json", "bigvgan_generator.pt"):
        assert (local.folder / name).read_bytes() == bigvgan.files("main")[name].contents
    assert "bigvgan comes from the other machine." in log.messages
    quickly()
    assert len(machine.pieces) == 4


@pytest.mark.parametrize("sent", [lambda piece: bytes(len(piece)), lambda piece: 1 / 0])
def test_what_is_wrong_there_comes_from_the_hub(hub, bigvgan, machine, quickly, log, sent):
    def send(piece):
        try:
            return sent(piece)
        except ZeroDivisionError:
            raise OSError("it is gone") from None

    machine.send = send
    local = quickly(progress=log)
    weights = bigvgan.files("main")["bigvgan_generator.pt"]
    assert (local.folder / "bigvgan_generator.pt").read_bytes() == weights.contents
    assert hub.requests
    assert any("arrived wrong" in text or "it is gone" in text for text in log.messages)


def test_only_files_of_downloads_are_read(machine, bigvgan, quickly, tmp_path, monkeypatch):
    (tmp_path / "there" / "secret").write_text("secret")
    for path in ("../../../secret", "README.md", str(tmp_path / "there" / "secret")):
        with pytest.raises(TypeError):  # None, not bytes
            machine.read(bigvgan.name, bigvgan.commit, path, 0, 6)
    assert machine.offer("no/thing", "main", ANY) is None
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(NotDownloadedError):
        quickly("musicgen-small")
