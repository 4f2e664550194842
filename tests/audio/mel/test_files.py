"""Mel files carry their convention and are refused when they don't fit."""

import io
import json
import random

import numpy as np
import pytest
from damage import damaged

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
    with pytest.raises(AudioError, match=r"\(0, 80, 7\)"):
        Mel(values()[:0], SPEC)
    for samples in (-1, "1700", 1.5, True):
        with pytest.raises(AudioError, match="samples"):
            Mel(values(), SPEC, samples)


def test_any_damage_ends_in_a_named_error(tmp_path):
    write_mel(tmp_path / "a.npz", Mel(values(), SPEC, samples=1700))
    np.save(tmp_path / "a.npy", values())
    for suffix in (".npz", ".npy"):
        whole = (tmp_path / f"a{suffix}").read_bytes()
        path = tmp_path / f"b{suffix}"
        for seed in range(150):
            path.write_bytes(damaged(whole, seed))
            try:
                assert read_mel(path, SPEC).values.shape[1] == 80
            except AudioError as error:
                assert error.where == str(path)  # noqa: PT017 - or the damage does no harm


ODD = [None, -1, 0, 1.5, 1e308, 10**400, "x", [], {}, True, float("nan"), float("inf"), 1 << 62]


def test_any_header_ends_in_a_named_error(tmp_path):
    path, chance = tmp_path / "a.npz", random.Random(0)
    for _ in range(150):
        header = {"format": "milonga-mel-1", "spec": SPEC.to_dict(), "samples": 1700}
        part = chance.choice([header, header["spec"], header["spec"], header["spec"]])
        part[chance.choice([*part, "more"])] = chance.choice(ODD)
        buffer = io.BytesIO()
        np.savez(buffer, mel=values(), header=np.array(json.dumps(header)))
        path.write_bytes(buffer.getvalue())
        try:
            spec = read_mel(path).spec
            assert spec.filters().shape == (80, spec.n_fft // 2 + 1)
        except AudioError as error:
            assert error.where == str(path)  # noqa: PT017 - or the value is a possible one


@pytest.mark.parametrize(
    "change",
    [
        {"n_fft": 1024.0}, {"hop": True}, {"n_mels": 1 << 30}, {"n_mels": 70_000, "n_fft": 1 << 10},
        {"floor": float("inf")}, {"epsilon": "0"}, {"f_min": float("nan")}, {"f_max": None},
    ],
)  # fmt: skip
def test_a_spec_of_impossible_numbers(change):
    with pytest.raises(AudioError, match="no such mel-spectrogram"):
        MelSpec(**(SPEC.to_dict() | change))
