"""MP3 files as they are found: streams, joined and cut files, wrong headers."""

import contextlib

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio import probe, read
from milonga.audio.reading.mpeg import scan_mp3
from milonga.errors import AudioError
from milonga.sounds.corpus.reading import Measured, measure

SECONDS = 4.0


def encode(path, *, rate=44100, channels=2, mode="VARIABLE", seconds=SECONDS):
    """Quiet, then noise: the first bit rate says nothing about the others. The first frame is
    a header with the number of frames."""
    rng = np.random.default_rng(3)
    sound = 0.01 * rng.standard_normal((round(seconds * rate), channels))
    sound[len(sound) // 2 :] *= 25
    soundfile.write(path, sound, rate, format="MP3", bitrate_mode=mode, compression_level=0.3)
    return path.read_bytes()


def frames_of(content):
    mp3 = scan_mp3(content)
    assert len(mp3.infos) == 1
    assert mp3.infos[0][1] == mp3.frames[0][0]
    return content[mp3.frames[0][0] :]


def seconds(path):
    """By every way in, which must agree."""
    clip = read(path)
    assert probe(path).n_samples == clip.n_samples
    *_, measured = measure(path)
    assert isinstance(measured, Measured)
    assert measured.seconds == clip.seconds
    return clip.seconds


@pytest.fixture
def mp3(tmp_path):
    return tmp_path / "take.mp3"


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT", "AVERAGE"])
@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (22050, 2), (16000, 1)])
def test_a_stream_without_a_header_is_read_to_its_end(mp3, mode, rate, channels):
    whole = encode(mp3, mode=mode, rate=rate, channels=channels)
    before = read(mp3)
    assert before.seconds == SECONDS
    mp3.write_bytes(frames_of(whole))
    # The encoder's delay and padding are in the header.
    assert SECONDS <= seconds(mp3) < SECONDS + 4 * 1152 / rate
    after = read(mp3)
    delay = max(
        range(0, 2400),
        key=lambda d: float(after.samples[0, d : d + 40000] @ before.samples[0, :40000]),
    )
    part = after.samples[:, delay : delay + before.n_samples]
    assert np.abs(part - before.samples[:, : part.shape[1]]).max() < 1e-3


@pytest.mark.parametrize("count", [0, 1, 40, 100_000, 0xFFFFFFFF])
def test_a_header_with_a_wrong_count_is_not_believed(mp3, count):
    whole = encode(mp3)
    at = whole.index(b"Info") if b"Info" in whole[:200] else whole.index(b"Xing")
    mp3.write_bytes(whole[: at + 8] + count.to_bytes(4, "big") + whole[at + 12 :])
    assert seconds(mp3) == SECONDS


def test_joined_files_are_read_to_the_end(mp3):
    whole = encode(mp3)
    mp3.write_bytes(whole * 3)
    assert seconds(mp3) == pytest.approx(3 * SECONDS, abs=0.2)
    clip = read(mp3)
    third = clip.between(2.75 * SECONDS)
    assert np.sqrt(np.mean(third.samples**2)) == pytest.approx(0.25, rel=0.1)


def test_files_of_other_kinds_joined_are_refused_with_the_step(tmp_path, mp3):
    other = encode(tmp_path / "other.mp3", channels=1)
    mp3.write_bytes(encode(mp3) + other)
    with pytest.raises(AudioError, match="joined") as caught:
        read(mp3)
    assert "ffmpeg -i " in str(caught.value)


def test_tags_stay_and_count_as_no_sound(mp3):
    stream = frames_of(encode(mp3))
    title = b"TIT2\0\0\0\x06\0\0\x03Tango"
    id3v2 = b"ID3\x04\0\0\0\0\0" + bytes([len(title)]) + title
    id3v1 = b"TAG" + b"x" * 125
    ape = b"APETAGEX" + (2000).to_bytes(4, "little") + (32).to_bytes(4, "little") + bytes(16)
    mp3.write_bytes(stream)
    plain = read(mp3)
    mp3.write_bytes(id3v2 + stream + ape + id3v1)
    assert read(mp3) == plain
    assert probe(mp3).tags.title == "Tango"


def test_sound_after_junk_is_found(mp3):
    stream = frames_of(encode(mp3))
    junk = np.random.default_rng(0).bytes(3000)
    mp3.write_bytes(stream)
    expected = seconds(mp3)
    mp3.write_bytes(junk + stream)
    assert seconds(mp3) == pytest.approx(expected, abs=0.06)


def test_a_stream_is_truncated_where_its_last_frame_is(mp3):
    stream = frames_of(encode(mp3))
    ends = [stop for _, stop in scan_mp3(stream).frames]
    for end in (ends[9], ends[99]):
        mp3.write_bytes(stream[:end])
        read(mp3)
        for missing in (1, 30):
            mp3.write_bytes(stream[: end - missing])
            with pytest.raises(AudioError, match="truncated: it ends within frame"):
                read(mp3)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damage_is_read_or_explained(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("mp3") / "x.mp3"
    content = bytearray(encode(path, seconds=0.3))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, max(0, len(content) - 1)))
        kind = data.draw(st.sampled_from(["change", "drop", "add", "cut"]))
        if kind == "change" and content:
            content[at] = data.draw(st.integers(0, 255))
        elif kind == "drop":
            del content[at : at + data.draw(st.integers(1, 500))]
        elif kind == "add":
            content[at:at] = data.draw(st.binary(max_size=50))
        else:
            del content[at + 1 :]
    path.write_bytes(content)
    # Anything but an AudioError is a failure.
    with contextlib.suppress(AudioError):
        clip = read(path)
        assert clip.n_samples == probe(path).n_samples
