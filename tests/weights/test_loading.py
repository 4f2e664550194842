"""No file can run code; what can't be loaded is explained."""

import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from damage import damaged
from safetensors.torch import save_file

from milonga.errors import DamagedFileError, UnsafeFileError
from milonga.weights import load_array, load_checkpoint, load_json


class Malicious:
    """On unpickling, it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def tensors():
    generator = torch.Generator().manual_seed(0)
    return {"a": torch.randn(3, 4, generator=generator), "b": torch.arange(5)}


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_safetensors(tmp_path):
    save_file(tensors(), tmp_path / "x.safetensors")
    assert same(load_checkpoint(tmp_path / "x.safetensors"), tensors())


def test_a_checkpoint(tmp_path):
    torch.save({"generator": tensors(), "steps": 5}, tmp_path / "x.pt")
    loaded = load_checkpoint(tmp_path / "x.pt")
    assert same(loaded["generator"], tensors())
    assert loaded["steps"] == 5
    assert loaded["generator"]["a"].device.type == "cpu"


def test_a_checkpoint_of_the_old_format(tmp_path):
    torch.save(tensors(), tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    assert same(load_checkpoint(tmp_path / "x.pt"), tensors())


def malicious_files(folder, mark):
    evil = Malicious(mark)
    torch.save({"generator": evil}, folder / "zip.pt")
    torch.save({"generator": evil}, folder / "old.pt", _use_new_zipfile_serialization=False)
    (folder / "bare.pt").write_bytes(pickle.dumps(evil))
    (folder / "bare.bin").write_bytes(pickle.dumps({"a": evil}, protocol=2))
    with zipfile.ZipFile(folder / "made.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(evil, protocol=2))
        archive.writestr("archive/version", "3\n")
    return [folder / name for name in ("zip.pt", "old.pt", "bare.pt", "bare.bin", "made.pt")]


def test_a_malicious_pickle_runs_nothing(tmp_path):
    mark = tmp_path / "it ran".replace(" ", "_")
    files = malicious_files(tmp_path, mark)
    for path in files:
        with pytest.raises(UnsafeFileError, match="letting it run code") as caught:
            load_checkpoint(path)
        assert str(path) in str(caught.value)
        assert "nothing of it ran" in str(caught.value)
    assert "it asks for posix.system" in str(caught.value)
    assert not mark.exists()
    # It is a real one: free unpickling would have run it.
    pickle.loads((tmp_path / "bare.pt").read_bytes())
    assert mark.exists()


@pytest.mark.parametrize("name", ["x.pt", "x.safetensors", "x.bin"])
@pytest.mark.parametrize(
    "contents", [b"", b"not a checkpoint", b"\x80\x02}q\x00.", b"PK\x03\x04broken", b"\0" * 5000]
)
def test_what_is_no_checkpoint(tmp_path, name, contents):
    path = tmp_path / name
    path.write_bytes(contents)
    if name != "x.safetensors" and contents.startswith(b"\x80\x02"):
        # A whole pickle, but not one of torch's.
        with pytest.raises(DamagedFileError):
            load_checkpoint(path)
        return
    with pytest.raises(DamagedFileError) as caught:
        load_checkpoint(path)
    assert "milonga weights verify" in str(caught.value)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_truncated_checkpoint(tmp_path, suffix, keep):
    path = tmp_path / f"x{suffix}"
    big = {"a": torch.zeros(1000, 100)}
    save_file(big, path) if suffix == ".safetensors" else torch.save(big, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(DamagedFileError):
        load_checkpoint(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DamagedFileError, match="not there"):
        load_checkpoint(tmp_path / "x.pt")


def test_a_pickle_called_safetensors(tmp_path):
    mark = tmp_path / "ran"
    (tmp_path / "x.safetensors").write_bytes(pickle.dumps(Malicious(mark)))
    with pytest.raises(DamagedFileError):
        load_checkpoint(tmp_path / "x.safetensors")
    assert not mark.exists()


def test_json(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({"a": 1}))
    assert load_json(tmp_path / "x.json") == {"a": 1}
    for text in ("", "[1]", "{"):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(DamagedFileError):
            load_json(tmp_path / "x.json")
    with pytest.raises(DamagedFileError):
        load_json(tmp_path / "none.json")


def test_arrays(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6))
    assert load_array(tmp_path / "x.npy").tolist() == [0, 1, 2, 3, 4, 5]
    mark = tmp_path / "ran"
    np.save(tmp_path / "evil.npy", np.array([Malicious(mark)], dtype=object), allow_pickle=True)
    with pytest.raises(UnsafeFileError):
        load_array(tmp_path / "evil.npy")
    assert not mark.exists()
    for contents in (b"", b"text", (tmp_path / "x.npy").read_bytes()[:-4]):
        (tmp_path / "bad.npy").write_bytes(contents)
        with pytest.raises((DamagedFileError, UnsafeFileError)):
            load_array(tmp_path / "bad.npy")
    buffer = io.BytesIO()
    np.savez(buffer, a=np.arange(3))
    (tmp_path / "many.npy").write_bytes(buffer.getvalue())
    with pytest.raises(DamagedFileError, match="collection"):
        load_array(tmp_path / "many.npy")


@pytest.mark.parametrize("name", ["x.safetensors", "x.pt"])
def test_a_lack_of_memory_is_not_called_damage(tmp_path, monkeypatch, name):
    def full(*_, **__):
        raise OSError(
            "The paging file is too small for this operation to complete. (os error 1455)"
        )

    save_file(tensors(), tmp_path / "x.safetensors")
    torch.save(tensors(), tmp_path / "x.pt")
    monkeypatch.setattr("safetensors.torch.load_file", full)
    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(MemoryError):
        load_checkpoint(tmp_path / name)


@pytest.mark.parametrize("depth", [100, 500, 100_000])
def test_json_that_is_nested_without_end(tmp_path, depth):
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        path = tmp_path / "config.json"
        path.write_text(f'{{"x": {opening * depth}1{closing * depth}}}')
        with pytest.raises(DamagedFileError, match="nested too deep"):
            load_json(path)


def test_any_damage_of_a_checkpoint_ends_in_a_named_error(tmp_path):
    save_file(tensors(), tmp_path / "x.safetensors")
    torch.save({"generator": tensors(), "steps": 5}, tmp_path / "x.pt")
    torch.save(tensors(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("x.safetensors", "x.pt", "old.pt"):
        whole = (tmp_path / name).read_bytes()
        path = tmp_path / f"bad{name[-3:]}" if name.endswith(".pt") else tmp_path / f"bad-{name}"
        for seed in range(80):
            path.write_bytes(damaged(whole, seed))
            try:
                load_checkpoint(path)
            except (DamagedFileError, UnsafeFileError) as error:
                assert error.where == str(path)  # noqa: PT017 - or the damage does no harm


def test_a_failure_of_any_kind_is_damage(tmp_path, monkeypatch):
    torch.save(tensors(), tmp_path / "x.pt")
    save_file(tensors(), tmp_path / "x.safetensors")
    kinds = [struct.error("unpack"), zipfile.BadZipFile("bad"), AssertionError(), ValueError("x")]
    for failure in [*kinds, OverflowError("large"), NotImplementedError(), LookupError("x")]:

        def fail(*_, failure=failure, **__):
            raise failure

        monkeypatch.setattr(torch, "load", fail)
        monkeypatch.setattr("safetensors.torch.load_file", fail)
        for name in ("x.pt", "x.safetensors"):
            with pytest.raises(DamagedFileError, match=r"can't be read|no whole"):
                load_checkpoint(tmp_path / name)
