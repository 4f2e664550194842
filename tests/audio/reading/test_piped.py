"""Files whose writer couldn't go back to fill in the length: programs that write into a pipe."""

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio import Clip, probe, read, write
from milonga.errors import AudioError
from milonga.sounds.corpus.reading import measure

RATE = 22050


@pytest.fixture(scope="module")
def clip():
    return Clip(np.random.default_rng(5).uniform(-0.5, 0.5, (2, RATE)), RATE)


def check(path, clip):
    """By every way in."""
    assert np.abs(read(path).samples - clip.samples).max() < 1e-4
    assert probe(path).n_samples == clip.n_samples
    *_, measured = measure(path)
    assert measured.seconds == clip.seconds


@pytest.mark.parametrize("between", [b"", b"LIST\x04\0\0\0INFO"])
@pytest.mark.parametrize(
    "size",
    # flac -dc, espeak-ng and sox, a speech program, arecord, ffmpeg.
    [0, 0x7FFFF000, 2_000_000_000, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF024],
)
def test_wav_with_a_size_that_stands_for_the_end(tmp_path, clip, size, between):
    path = tmp_path / "piped.wav"
    write(path, clip, subtype="PCM_16")
    whole = path.read_bytes()
    at = whole.index(b"data")
    sizes = struct.pack("<I", size)
    path.write_bytes(b"RIFF" + sizes + whole[8:at] + between + b"data" + sizes + whole[at + 8 :])
    check(path, clip)


def test_rf64_without_sizes(tmp_path, clip):
    path = tmp_path / "piped.wav"
    soundfile.write(path, clip.samples.T, RATE, format="RF64")
    whole = bytearray(path.read_bytes())
    at = whole.index(b"ds64")
    whole[at + 8 : at + 32] = bytes(24)
    path.write_bytes(whole)
    check(path, clip)


def test_bw64(tmp_path, clip):
    path = tmp_path / "long.wav"
    soundfile.write(path, clip.samples.T, RATE, format="RF64")
    path.write_bytes(b"BW64" + path.read_bytes()[4:])
    check(path, clip)


@pytest.mark.parametrize("after", [b"", b"LIST\x04\0\0\0INFO"])
def test_a_wav_that_holds_nothing_is_still_said_to(tmp_path, after):
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros((0, 1)), RATE)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"data") + 8] + after)
    with pytest.raises(AudioError, match="no audio"):
        read(path)


def test_a_wav_cut_short_is_still_refused(tmp_path, clip):
    path = tmp_path / "cut.wav"
    write(path, clip)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(AudioError, match="truncated"):
        read(path)


@pytest.mark.parametrize("part", [0.6, 0.99])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "BW64", "W64", "AU", "AIFF"])
def test_any_header_that_promises_more_is_cut_short(tmp_path, clip, kind, part):
    path = tmp_path / "cut.snd"
    soundfile.write(path, clip.samples.T, RATE, format=kind.replace("BW", "RF"), subtype="PCM_16")
    whole = path.read_bytes()
    path.write_bytes((b"BW64" + whole[4:]) if kind == "BW64" else whole)
    check(path, clip)
    path.write_bytes(path.read_bytes()[: round(part * len(whole))])
    with pytest.raises(AudioError, match=r"truncated: .* bytes of sound are there"):
        read(path)


@pytest.mark.parametrize("suffix", [".wav", ".aiff"])
def test_cut_short_behind_tags_longer_than_the_log_of_libsndfile(tmp_path, clip, suffix):
    path = tmp_path / f"cut{suffix}"
    with soundfile.SoundFile(path, "w", RATE, clip.channels) as file:
        file.title = file.artist = file.comment = "x" * 1800
        file.write(clip.samples.T)
    check(path, clip)
    path.write_bytes(path.read_bytes()[: clip.n_samples])
    with pytest.raises(AudioError, match="truncated"):
        read(path)


@pytest.mark.parametrize("size", [0, 0x7F000008])
def test_aiff(tmp_path, clip, size):
    path = tmp_path / "piped.aiff"
    write(path, clip, subtype="PCM_16")
    whole = bytearray(path.read_bytes())
    whole[4:8] = struct.pack(">I", size)
    at = whole.index(b"COMM") + 10
    whole[at : at + 4] = struct.pack(">I", size // 4)
    at = whole.index(b"SSND") + 4
    whole[at : at + 4] = struct.pack(">I", size)
    path.write_bytes(whole)
    check(path, clip)


def without_total(content):
    """A FLAC as an encoder writes it that can't go back: no number of samples."""
    return content[:21] + bytes([content[21] & 0xF0]) + bytes(4) + content[26:]


@settings(deadline=None, max_examples=40)
@given(samples=st.integers(1, 9000), channels=st.integers(1, 3), level=st.sampled_from([0, 0.5]))
def test_flac_of_unknown_length(tmp_path_factory, samples, channels, level):
    path = tmp_path_factory.mktemp("flac") / "piped.flac"
    sound = level * np.random.default_rng(samples).uniform(-1, 1, (samples, channels))
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, RATE, format="FLAC", subtype="PCM_16")
    path.write_bytes(without_total(buffer.getvalue()))
    assert probe(path).n_samples == samples
    assert np.abs(read(path).samples - sound.T).max() < 1e-4


def test_a_longer_flac_of_unknown_length(tmp_path):
    # Frame numbers of more than one byte.
    path = tmp_path / "piped.flac"
    long = Clip(np.random.default_rng(1).uniform(-0.1, 0.1, 700_001), 44100)
    write(path, long, subtype="PCM_16")
    path.write_bytes(without_total(path.read_bytes()))
    check(path, long)


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_flac_of_unknown_length_that_is_cut_is_refused(tmp_path, clip, part):
    path = tmp_path / "piped.flac"
    write(path, clip)
    content = without_total(path.read_bytes())
    path.write_bytes(content[: round(part * len(content))])
    with pytest.raises(AudioError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "truncated" in str(caught.value)
