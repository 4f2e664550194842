import json
from pathlib import Path

import pytest
import torch

from milonga.compute.products import stored
from milonga.compute.products.stored import FORMAT, copy_file, open_copy
from milonga.errors import Cancelled
from milonga.runtime.progress import Progress


def layers() -> list[torch.nn.Linear]:
    torch.manual_seed(0)
    return [torch.nn.Linear(32, 16), torch.nn.Linear(32, 8, bias=False)]


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path))
    return copy_file("model/of mine transformer", "ab" * 32)


def built(path: Path, source: str = "ab" * 32, progress: Progress | None = None) -> torch.Tensor:
    both, x = layers(), torch.randn(20, 32, generator=torch.Generator().manual_seed(1))
    with open_copy(path, source, progress) as maker, torch.inference_mode():
        first = maker.make("first", *both)
        second = maker.make("second", torch.nn.Linear(32, 4), rows="few")
        second(x)
        return first(x)


def rounding(monkeypatch) -> list[int]:
    """Counts how many matrices are rounded."""
    calls: list[int] = []
    own = stored.quantise_weight
    monkeypatch.setattr(stored, "quantise_weight", lambda w: calls.append(1) or own(w))
    return calls


def test_a_copy_is_made_once_and_gives_the_same_layers(path, monkeypatch):
    calls = rounding(monkeypatch)
    first = built(path)
    assert len(calls) == 2
    assert path.is_file()
    assert path.is_relative_to(Path(path.parents[1]))
    head = FORMAT.read_head(path)
    assert head.header["source"] == "ab" * 32
    assert head.layout["first.weight"]["shape"] == [24, 32]
    assert torch.equal(built(path), first)
    assert len(calls) == 2
    assert [part.name for part in path.parent.iterdir()] == [path.name]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(bytes(data))


def garbage(path: Path) -> None:
    path.write_bytes(b"not a safetensors file")


def older(path: Path) -> None:
    data = path.read_bytes()
    method = json.dumps(stored._METHOD)[1:-1].encode()
    path.write_bytes(data.replace(method, b"x" * len(method)))


@pytest.mark.parametrize("damage", [cut, flip, garbage, older])
def test_a_damaged_copy_is_made_anew(path, damage, monkeypatch):
    first = built(path)
    whole = path.read_bytes()
    damage(path)
    calls = rounding(monkeypatch)
    assert torch.equal(built(path), first)
    assert len(calls) == 2
    assert path.read_bytes() == whole


def test_a_copy_of_other_files_is_made_anew(path, monkeypatch):
    built(path)
    calls = rounding(monkeypatch)
    built(path, source="cd" * 32)
    assert len(calls) == 2
    assert FORMAT.read_head(path).header["source"] == "cd" * 32
    assert copy_file("m", "ab" * 32) != copy_file("m", "cd" * 32)


def test_a_stop_leaves_no_copy(path):
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        built(path, progress=progress)
    assert not list(path.parent.iterdir())


def test_a_disk_that_refuses_the_copy_is_no_reason_to_stop(path, monkeypatch):
    first = built(path)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("a file where the folder should be")
    assert torch.equal(built(path), first)
    path.parent.unlink()

    def full(self, name, tensor):
        self._failed = OSError(28, "No space left on device")

    monkeypatch.setattr(stored._Writer, "add", full)
    assert torch.equal(built(path), first)
    assert not list(path.parent.iterdir())
