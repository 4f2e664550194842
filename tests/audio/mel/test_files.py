"""Mel files carry their convention and are refused when they don't fit."""

import numpy as np
import pytest

from milonga.audio.mel.files import Mel, read_mel, write_mel
from milonga.audio.mel.spec import MelSpec
from milonga.errors import AudioError

SPEC = MelSpec.preset("tacotron-22k-80band")


def values(channels=2, frames=7):
    return np.random.default_rng(1).normal(-4, 1, (channels, 80, frames)).astype(np.float32)


def test_round_trip(tmp_path):
    write_mel(tmp_path / "a.npz", Mel(values(), SPEC, samples=1700))
    back = read_mel(tmp_path / "a.npz")
    assert np.array_equal(back.values, values())
    assert (back.spec, back.samples) == (SPEC, 1700)


def test_bare_arrays_need_a_name(tmp_path):
    np.save(tmp_path / "a.npy", values()[0].astype(np.float64))
    with pytest.raises(AudioError, match="does not say"):
        read_mel(tmp_path / "a.npy")
    back = read_mel(tmp_path / "a.npy", SPEC)
    assert back.values.shape == (1, 80, 7)
    assert back.values.dtype == np.float32


def test_another_convention_is_named(tmp_path):
    write_mel(tmp_path / "a.npz", Mel(values(), SPEC))
    with pytest.raises(AudioError, match="padding, epsilon") as caught:
        read_mel(tmp_path / "a.npz", MelSpec.preset("bigvgan-v2-22khz-80band-fmax8k-256x"))
    assert str(tmp_path) in str(caught.value)


def test_damaged_files_are_explained(tmp_path):
    path = tmp_path / "a.npz"
    write_mel(path, Mel(values(), SPEC))
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:cut])
        with pytest.raises(AudioError):
            read_mel(path)
    path.write_bytes(b"RIFF....WAVEfmt ")
    with pytest.raises(AudioError, match="not a mel file"):
        read_mel(path)
    with pytest.raises(AudioError, match="no such file"):
        read_mel(tmp_path / "none.npz")


def test_pickled_objects_are_never_loaded(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(AudioError):
        read_mel(path, SPEC)


def test_values_are_checked():
    with pytest.raises(AudioError, match="80 bands"):
        Mel(values()[:, :79], SPEC)
    broken = values()
    broken[0, 0, 0] = np.nan
    with pytest.raises(AudioError, match="NaN"):
        Mel(broken, SPEC)
