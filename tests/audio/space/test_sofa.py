import math
import sys

import h5py
import numpy as np
import pytest

from milonga._installed import install_command
from milonga.audio import Clip
from milonga.audio.space.binaural import TRAVEL_S, SphericalHead, binaural
from milonga.audio.space.sofa import read_sofa
from milonga.errors import AudioError, MissingExtraError

RATE = 48_000
AZIMUTHS = np.arange(0, 360, 10)


def make_sofa(path, *, rate=RATE, cartesian=False, swap=False, delays=None, gain=3.0, **changes):
    """A SOFA file as AES69 describes it: the sphere's responses every 10 degrees."""
    head = SphericalHead()
    taps = gain * np.stack([head.response(a, 0, rate).taps for a in AZIMUTHS])
    positions = np.stack([AZIMUTHS, 0 * AZIMUTHS, 1.5 + 0 * AZIMUTHS], axis=1).astype(float)
    kind, units = "spherical", "degree, degree, metre"
    if cartesian:
        angle = np.radians(AZIMUTHS)
        positions = 1.5 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
        kind, units = "cartesian", "metre"
    ears = np.array([[0, 0.09, 0], [0, -0.09, 0]])[:, :, np.newaxis]
    if swap:
        taps, ears = taps[:, ::-1], ears[::-1]
    arrays = {
        "Data.IR": taps,
        "Data.SamplingRate": np.array([float(rate)]),
        "Data.Delay": np.zeros((1, 2)) if delays is None else delays,
        "SourcePosition": positions,
        "ReceiverPosition": ears,
        "ListenerView": np.array([[1.0, 0.0, 0.0]]),
    }
    attributes = {
        "Conventions": "SOFA",
        "SOFAConventions": "SimpleFreeFieldHRIR",
        "DataType": "FIR",
        "SourcePosition:Type": kind,
        "SourcePosition:Units": units,
        "Data.SamplingRate:Units": "hertz",
    }
    for key, value in changes.items():
        key = key.replace("__", ":").replace("_", ".")
        (arrays if key in arrays else attributes)[key] = value
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            if values is not None:
                file.create_dataset(name, data=values, compression="gzip", shuffle=True)
        for name, value in attributes.items():
            owner, _, field = name.rpartition(":")
            (file[owner] if owner else file).attrs[field] = np.bytes_(value)
    return path


@pytest.fixture
def sofa(tmp_path):
    return make_sofa(tmp_path / "head.sofa")


def transfer(response, rate):
    return np.fft.rfft(response.taps, rate, axis=1)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("azimuth", [0, 40, 90, 250])
def test_time_and_level_differences_survive_file_and_resampling(sofa, rate, azimuth):
    found, known = (
        transfer(head.response(azimuth, 0, rate), rate)
        for head in (read_sofa(sofa), SphericalHead())
    )
    hertz = np.arange(100, 16_001, 100)
    turn = np.angle((found[0] / found[1] / (known[0] / known[1]))[hertz])
    # The sphere's filter at one rate against the same filter designed at another.
    assert np.abs(turn / (2 * math.pi * hertz)).max() < 3e-6
    ratio = np.abs((found[0] / found[1]) / (known[0] / known[1]))[hertz]
    assert np.abs(20 * np.log10(ratio)).max() < 1.5
    assert np.abs(20 * np.log10(ratio[:40])).max() < 0.3


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_time_0_and_level_do_not_depend_on_the_output_rate(sofa, rate):
    head = read_sofa(sofa)
    clip = Clip(np.sin(2 * np.pi * 500 * np.arange(rate) / rate), rate)
    ears = binaural(clip, head, azimuth=90).samples.astype(np.float64)
    wave = np.exp(-2j * np.pi * 500 * np.arange(rate) / rate)
    left, right = (2 * np.mean(ear * wave) for ear in ears)
    reference = binaural(Clip(clip.samples, rate), SphericalHead(), azimuth=90).samples
    known = 2 * np.mean(reference[0].astype(np.float64) * wave)
    # The file's taps begin before time 0; that is a delay of both ears.
    delay = SphericalHead().response(90, 0, RATE).before / RATE
    shift = np.angle(left / known * np.exp(2j * np.pi * 500 * delay)) / (2 * np.pi * 500)
    # Half a sample at 48 kHz would be 10 microseconds.
    assert abs(shift) < 2e-6
    assert abs(left) > abs(right)


def test_noise_keeps_its_level_over_all_directions(tmp_path):
    quiet = read_sofa(make_sofa(tmp_path / "quiet.sofa", gain=1e-3))
    loud = read_sofa(make_sofa(tmp_path / "loud.sofa", gain=1e3))
    assert quiet.taps == pytest.approx(loud.taps, abs=1e-9)
    assert np.mean(np.sum(quiet.taps**2, axis=2)) == pytest.approx(1.0)


@pytest.mark.parametrize("variant", [{"cartesian": True}, {"swap": True}, {"Data_Delay": None}])
def test_other_ways_to_say_the_same(tmp_path, sofa, variant):
    other = read_sofa(make_sofa(tmp_path / "other.sofa", **variant)).response(50, 0, RATE)
    assert other.taps == pytest.approx(read_sofa(sofa).response(50, 0, RATE).taps, abs=1e-9)


def test_delays_are_added(tmp_path, sofa):
    delays = np.array([[10.0, 25.5]])
    late = transfer(
        read_sofa(make_sofa(tmp_path / "late.sofa", delays=delays)).response(0, 0, RATE), RATE
    )
    plain = transfer(read_sofa(sofa).response(0, 0, RATE), RATE)
    hertz = np.arange(100, 16_000, 100)
    for ear, delay in enumerate(delays[0]):
        turned = (late[ear] / plain[ear])[hertz] * np.exp(2j * np.pi * hertz / RATE * delay)
        # The fractional delay is good to 1e-4.
        assert np.abs(turned - 1).max() < 1e-3


def test_the_nearest_direction_and_how_near_it_is(sofa):
    head = read_sofa(sofa)
    assert head.nearest(42, 0) == (4, pytest.approx(2, abs=1e-6))
    assert head.nearest(-91, 0) == (27, pytest.approx(1, abs=1e-6))
    assert head.nearest(0, 90)[1] == pytest.approx(90, abs=1e-6)
    with pytest.raises(AudioError):
        binaural(Clip(np.zeros((1, 5)), RATE), head, azimuth=500)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Conventions": "other"}, "not a SOFA file"),
        ({"SOFAConventions": "GeneralFIR"}, "convention is 'GeneralFIR', not SimpleFreeFieldHRIR"),
        ({"DataType": "TF"}, "data are 'TF'"),
        ({"Data_IR": None}, "no Data.IR"),
        ({"Data_IR": np.zeros((36, 3, 8))}, r"shape \(36, 3, 8\)"),
        ({"Data_IR": np.zeros((36, 2, 8))}, "silent"),
        ({"Data_IR": np.full((36, 2, 8), np.nan)}, "NaN or infinite"),
        ({"Data_IR": np.full((36, 2, 8), 1e200)}, "too large"),
        ({"Data_IR": np.zeros((1, 2, 70_000))}, "too long for a head"),
        ({"Data_IR": np.full((36, 2, 8), b"x")}, "no real numbers"),
        ({"Data_IR": np.zeros((0, 2, 8))[:0].reshape(0)}, "shape"),
        ({"Data_SamplingRate": np.array([0.0])}, "0 Hz"),
        ({"Data_SamplingRate": np.array([44_100.5])}, "whole number"),
        ({"Data_SamplingRate": np.array([44_100.0, 48_000.0])}, "not one whole number"),
        ({"Data.SamplingRate__Units": "kilohertz"}, "not in hertz"),
        ({"Data_Delay": np.array([[-1.0, 0.0]])}, "below 0"),
        ({"Data_Delay": np.zeros((5, 2))}, "Data.Delay has the shape"),
        ({"SourcePosition": np.zeros((7, 3))}, "SourcePosition has the shape"),
        ({"SourcePosition": np.full((36, 3), 500.0)}, "angles beyond"),
        ({"SourcePosition__Units": "radian, radian, metre"}, "not in degrees"),
        ({"SourcePosition__Type": "spherical harmonics"}, "'spherical harmonics'"),
        ({"SourcePosition__Type": "cartesian", "SourcePosition": np.zeros((36, 3))}, "centre"),
        ({"ListenerView": np.array([[0.0, 1.0, 0.0]])}, "straight ahead"),
        ({"ReceiverPosition": np.zeros((4, 3))}, "ReceiverPosition has the shape"),
    ],
)
def test_other_conventions_and_damage_are_refused_by_name(tmp_path, changes, words):
    path = tmp_path / "odd ñ.sofa"
    if changes.get("Data_IR") is not None and not changes["Data_IR"].size:
        make_sofa(path)
        with h5py.File(path, "r+") as file:
            del file["Data.IR"]
            file.create_dataset("Data.IR", data=changes["Data_IR"])
    else:
        make_sofa(path, **changes)
    with pytest.raises(AudioError, match=words) as caught:
        read_sofa(path)
    assert str(path) in str(caught.value)
    assert "SimpleFreeFieldHRIR" in str(caught.value)


def test_data_outside_the_file_are_not_followed(tmp_path, sofa):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(36 * 2 * 8 * 8))
    taps = np.ones((36, 2, 8))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["taps"] = taps
    with h5py.File(sofa, "r+") as file:
        del file["Data.IR"]
        file["Data.IR"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "taps")
    with pytest.raises(AudioError, match=r"no Data\.IR of its own"):
        read_sofa(sofa)
    with h5py.File(sofa, "r+") as file:
        del file["Data.IR"]
        file.create_dataset(
            "Data.IR", taps.shape, "f8", external=[(str(secret), 0, h5py.h5f.UNLIMITED)]
        )
    with pytest.raises(AudioError, match="not an array within the file"):
        read_sofa(sofa)
    layout = h5py.VirtualLayout(taps.shape, "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "taps", taps.shape)
    with h5py.File(sofa, "r+") as file:
        del file["Data.IR"]
        file.create_virtual_dataset("Data.IR", layout)
    with pytest.raises(AudioError, match="not an array within the file"):
        read_sofa(sofa)


def test_a_small_file_that_unpacks_into_terabytes_is_refused(sofa):
    with h5py.File(sofa, "r+") as file:
        del file["Data.IR"]
        file.create_dataset("Data.IR", (10_000_000, 2, 60_000), "f8", chunks=(1000, 2, 1000))
    with pytest.raises(AudioError, match="has the shape"):
        read_sofa(sofa)


def test_files_that_are_no_hdf5(tmp_path, sofa):
    with pytest.raises(AudioError, match="No such file"):
        read_sofa(tmp_path / "none.sofa")
    with pytest.raises(AudioError, match="directory"):
        read_sofa(tmp_path)
    text = tmp_path / "text.sofa"
    text.write_text("hello")
    with pytest.raises(AudioError, match="not an HDF5 file"):
        read_sofa(text)


@pytest.mark.parametrize(
    "seed", [*range(12), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(12, 60))]
)
def test_a_damaged_file_is_explained_or_still_finite(tmp_path, sofa, seed):
    content = bytearray(sofa.read_bytes())
    generator = np.random.default_rng(seed)
    if seed % 3 == 0:
        content = content[: int(generator.integers(len(content)))]
    else:
        # The structure lies in the first kilobytes.
        end = 4096 if seed % 3 == 1 else len(content)
        for at in generator.integers(0, end, 20):
            content[at] = int(generator.integers(256))
    path = tmp_path / "damaged.sofa"
    path.write_bytes(content)
    try:
        head = read_sofa(path)
    except AudioError as error:
        explained = str(path) in str(error)
    else:
        explained = bool(np.isfinite(head.response(30, 0, 44_100).taps).all())
    assert explained


def test_without_h5py_the_extra_is_named(sofa, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError) as refusal:
        read_sofa(sofa)
    assert install_command("sofa") in str(refusal.value)


def test_the_sphere_s_travel_time_is_in_the_file(sofa):
    left, right = binaural(Clip(np.eye(1, 2000, 500), RATE), read_sofa(sofa), azimuth=90).samples
    lag = np.argmax(np.abs(right)) - np.argmax(np.abs(left))
    # Woodworth at the side, plus what the shadow smears: within three samples.
    assert lag == pytest.approx(TRAVEL_S * (1 + math.pi / 2) * RATE, abs=3)
