"""NumPy files from strangers: read whole, or refused by one error before memory is asked for."""

import io
import os
import tracemalloc

import numpy as np
import pytest
from damage import damaged

from milonga.runtime.arrays import HoldsObjectsError, NoArrayError, read_arrays

MINE = {"a": np.arange(12.0).reshape(3, 4), "b": np.array("text"), "c": np.asfortranarray([[1, 2]])}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.npz"


def archive(save=np.savez, **arrays):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def single(array, **header):
    """A ``.npy`` whose header says what is given."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, np.lib.format.header_data_from_array_1_0(array) | header
    )
    return buffer.getvalue() + array.tobytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_those_that_are_asked_for_and_there(path, save):
    path.write_bytes(archive(save, **MINE))
    found = read_arrays(path, ("a", "b", "c", "d"))
    assert list(found) == ["a", "b", "c"]
    assert all(np.array_equal(found[name], MINE[name]) for name in found)
    assert list(read_arrays(path, ("c",))) == ["c"]


def test_one_array(path):
    for array in (MINE["a"], MINE["c"], np.float16(3), np.zeros((0, 5)), np.array([1], ">i2")):
        np.save(path.with_suffix(".npy"), array)
        found = read_arrays(path.with_suffix(".npy"), ())
        assert np.array_equal(found, array)
        assert found.flags.writeable


@pytest.mark.parametrize("shape", [(10**12,), (1 << 40, 1 << 40), (3, 5), (-1, 12)])
def test_more_than_the_file_holds_is_never_asked_for(path, shape):
    path.write_bytes(single(MINE["a"], shape=shape))
    tracemalloc.start()
    with pytest.raises(NoArrayError, match="ends before its numbers"):
        read_arrays(path, ())
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_more_than_memory_holds_is_refused(path, monkeypatch):
    path.write_bytes(archive(np.savez_compressed, a=np.zeros(1_000_000)))
    monkeypatch.setattr("milonga.runtime.arrays.available_memory", lambda: 5_000_000)
    with pytest.raises(NoArrayError, match="takes 8 MB, and 5 MB are free"):
        read_arrays(path, ("a",))


def test_objects_are_never_loaded(path):
    path.write_bytes(archive(a=np.array([{}], object), b=np.arange(3)))
    with pytest.raises(HoldsObjectsError):
        read_arrays(path, ("a",))
    assert list(read_arrays(path, ("b",))) == ["b"]
    np.save(path.with_suffix(".npy"), np.array([{}], object))
    with pytest.raises(HoldsObjectsError):
        read_arrays(path.with_suffix(".npy"), ())


def test_what_is_no_file(path, tmp_path):
    with pytest.raises(FileNotFoundError):
        read_arrays(path, ())
    os.mkfifo(path)
    for place in (path, tmp_path):
        with pytest.raises(NoArrayError, match="no file"):
            read_arrays(place, ())


@pytest.mark.parametrize(
    "contents", [b"", b"PK", b"PK\x03\x04", b"\x93NUMPY", b"\x93NUMPY\x03\x00" + b"\0" * 9, b"text"]
)
def test_what_holds_no_array(path, contents):
    path.write_bytes(contents)
    with pytest.raises(NoArrayError):
        read_arrays(path, ("a",))


def test_any_damage_ends_in_one_error(path):
    for save in (np.savez, np.savez_compressed):
        whole = archive(save, **MINE)
        for seed in range(150):
            path.write_bytes(damaged(whole, seed))
            try:
                found = read_arrays(path, tuple(MINE))
                assert isinstance(found, (dict, np.ndarray))
            except NoArrayError as error:
                assert str(error)  # noqa: PT017 - or the damage does no harm
