import json
import os
import shutil
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio import Clip, read, write
from milonga.errors import AudioError, Cancelled, CorpusError
from milonga.runtime.progress import Progress
from milonga.sounds.corpus.inspection import LEAST_S, Corpus
from milonga.sounds.corpus.reading import FRAME_S, GAP_S, PIECE_S, pieces

RATE = 44_100


def noise(seconds, rate=RATE, channels=1, seed=0, level=0.1):
    rng = np.random.default_rng(seed)
    return Clip(level * rng.standard_normal((channels, round(seconds * rate))), rate)


def tone(seconds, hertz, rate=RATE):
    return Clip(0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate), rate)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
def test_names_that_are_not_utf_8(tmp_path):
    folder = tmp_path / os.fsdecode(b"m\xfasica")
    # The same but for bytes that no text can hold.
    for seed, name in enumerate((b"canci\xf3n.wav", b"canci\xf2n.wav")):
        write(folder / os.fsdecode(name), noise(6, seed=seed))
    corpus = Corpus.model_validate_json(Corpus.inspect(folder).model_dump_json())
    assert [file.name for file in corpus.files] == ["canci\\xf2n.wav", "canci\\xf3n.wav"]
    assert not corpus.skipped
    for file in corpus.files:
        assert list(pieces(file.place, file.sounding, file.mix, RATE, file.sha256))
    json.dumps(corpus.to_dict(), ensure_ascii=False).encode()
    again = Corpus.inspect(folder, known=corpus)
    assert again == corpus


def silence(seconds, rate=RATE):
    return Clip(np.zeros(round(seconds * rate)), rate)


def joined(*clips):
    return Clip(np.concatenate([clip.samples for clip in clips], axis=1), clips[0].sample_rate)


def reasons(corpus):
    return {skip.name: skip.reason for skip in corpus.skipped}


def test_formats_rates_and_channels_are_counted(tmp_path):
    write(tmp_path / "a.wav", noise(3, 44_100, 1, 1))
    write(tmp_path / "b.flac", noise(3, 48_000, 2, 2))
    write(tmp_path / "in" / "ñandú 音.ogg", noise(3, 22_050, 1, 3))
    write(tmp_path / "in" / "d.mp3", noise(3, 44_100, 2, 4))
    write(tmp_path / "in" / "deep" / "e.aiff", noise(3, 96_000, 3, 5))
    (tmp_path / "read me.txt").write_text("hello")
    corpus = Corpus.inspect(tmp_path)
    names = [file.name for file in corpus.files]
    assert names == ["a.wav", "b.flac", "in/d.mp3", "in/deep/e.aiff", "in/ñandú 音.ogg"]
    about = corpus.to_dict()
    assert about["rates"] == {"22050": 1, "44100": 2, "48000": 1, "96000": 1}
    assert about["channels"] == {"1": 2, "2": 2, "3": 1}
    assert about["formats"] == {"AIFF": 1, "FLAC": 1, "MP3": 1, "OGG": 1, "WAV": 1}
    assert about["other_files"] == {".txt": 1}
    # An MP3 frame is 26 ms; encoders pad.
    assert about["seconds"] == pytest.approx(15, abs=0.1)
    assert about["skipped"] == {}
    json.dumps(about, allow_nan=False)
    corpus.check()


def test_unusable_files_are_listed_with_their_reasons(tmp_path):
    write(tmp_path / "good.wav", noise(2))
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.flac").write_text("no sound at all")
    write(tmp_path / "silent.wav", silence(2))
    write(tmp_path / "blip.wav", noise(0.01, seed=4))
    whole = tmp_path / "whole.wav"
    write(whole, noise(2, seed=5))
    (tmp_path / "half.wav").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    write(tmp_path / "again.flac", read(tmp_path / "good.wav"))
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    (tmp_path / ".hidden.wav").write_bytes(whole.read_bytes())
    write(tmp_path / ".trash" / "old.wav", noise(1))
    samples = np.full((1, RATE), np.nan, np.float32)
    import soundfile

    soundfile.write(tmp_path / "nan.wav", samples.T, RATE, "FLOAT")
    corpus = Corpus.inspect(tmp_path)
    found = reasons(corpus)
    # The names come in order, so the copy comes before what it is a copy of.
    assert [file.name for file in corpus.files] == ["again.flac", "whole.wav"]
    assert found["good.wav"] == "the same sound as again.flac"
    for name, word in {
        "empty.wav": "0 bytes",
        "text.flac": "Not a recording",
        "silent.wav": "silent",
        "blip.wav": "shorter",
        "half.wav": "truncated",
        "gone.wav": "no such file",
        ".hidden.wav": "hidden",
        ".trash/": "hidden",
        "nan.wav": "NaN",
    }.items():
        assert word in found[name], name
    assert len(found) == 10


@pytest.mark.parametrize("kind", ["missing", "none", "text"])
def test_no_recordings_at_all(tmp_path, kind):
    folder = tmp_path / "corpus"
    if kind != "missing":
        folder.mkdir()
    if kind == "text":
        folder = folder / "a.txt"
        folder.write_text("x")
    with pytest.raises(CorpusError) as caught:
        Corpus.inspect(folder)
    assert caught.value.step
    assert caught.value.where == str(folder)


def test_too_little_says_how_much_is_needed(tmp_path):
    write(tmp_path / "a.wav", noise(4))
    (tmp_path / "b.wav").write_bytes(b"")
    corpus = Corpus.inspect(tmp_path)
    with pytest.raises(CorpusError) as caught:
        corpus.check()
    text = str(caught.value)
    assert f"at least {LEAST_S:g} s" in text
    assert "4.0 s of usable sound" in text
    assert "6.0 s or more" in text
    assert "b.wav" in text


def test_links_are_followed_and_loops_end(tmp_path):
    folder = tmp_path / "corpus"
    write(folder / "a" / "one.wav", noise(1, seed=1))
    write(tmp_path / "elsewhere" / "two.wav", noise(1, seed=2))
    (folder / "a" / "up").symlink_to(folder)
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    (folder / "link.wav").symlink_to(folder / "a" / "one.wav")
    corpus = Corpus.inspect(folder)
    assert [file.name for file in corpus.files] == ["a/one.wav", "b/two.wav"]
    assert reasons(corpus) == {"link.wav": "the same sound as a/one.wav"}


def test_a_single_recording_is_a_corpus(tmp_path):
    write(tmp_path / "only.wav", noise(12))
    corpus = Corpus.inspect(tmp_path / "only.wav")
    assert [file.name for file in corpus.files] == ["only.wav"]
    corpus.check()


def test_an_unreadable_folder_within(tmp_path, monkeypatch):
    write(tmp_path / "a.wav", noise(1))
    (tmp_path / "locked").mkdir()
    listed = os.scandir

    def scandir(path):
        # The tests may run as root, to whom nothing is locked.
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert reasons(Corpus.inspect(tmp_path)) == {
        "locked/": "this folder can't be listed: Permission denied"
    }


def test_silence_and_clipping(tmp_path):
    write(tmp_path / "gaps.wav", joined(noise(2), silence(3), noise(1, seed=1)))
    loud = np.clip(3 * tone(1, 100).samples / 0.3, -1, 1)
    write(tmp_path / "loud.wav", Clip(loud, RATE))
    corpus = Corpus.inspect(tmp_path)
    gaps, clipped = corpus.files
    assert gaps.silent_s == pytest.approx(3, abs=FRAME_S)
    # A margin of 0.1 s on either side of the gap.
    assert gaps.usable_s == pytest.approx(3.2, abs=2 * FRAME_S)
    assert len(gaps.sounding) == 2
    # arcsin(1/3) / (pi/2) of a period is under full scale.
    assert clipped.clipped == pytest.approx(1 - np.arcsin(1 / 3) * 2 / np.pi, abs=0.01)
    assert set(corpus.to_dict()["clipped"]) == {"loud.wav"}


def test_channels_that_cancel_keep_one(tmp_path):
    left = noise(2).samples[0]
    write(tmp_path / "wide.wav", Clip(np.stack([left, -left]), RATE))
    (file,) = Corpus.inspect(tmp_path).files
    assert file.mix == "first"
    (piece,) = pieces(tmp_path / "wide.wav", file.sounding, file.mix, RATE, file.sha256)
    # 24-bit rounding.
    np.testing.assert_allclose(piece[1], left, atol=1e-6)


def test_versions_of_one_recording_are_found(tmp_path):
    melody = joined(*(tone(0.5, 220 * 2 ** (n / 12)) for n in (0, 3, 7, 12, 5, 9)))
    write(tmp_path / "melody.wav", melody)
    write(tmp_path / "melody.mp3", melody)
    write(tmp_path / "quiet.flac", melody.scaled(0.5))
    other = joined(*(tone(0.5, 220 * 2 ** (n / 12)) for n in (12, 7, 3, 0, 9, 5)))
    write(tmp_path / "other.wav", other.scaled(0.9))
    write(tmp_path / "noise.wav", noise(3))
    corpus = Corpus.inspect(tmp_path)
    assert len(corpus.files) == 5
    (group,) = corpus.alike
    assert set(group) == {"melody.wav", "melody.mp3", "quiet.flac"}


def test_what_has_not_changed_is_not_read_again(tmp_path):
    write(tmp_path / "a.wav", noise(1, seed=1))
    write(tmp_path / "b.wav", noise(1, seed=2))
    before = Corpus.inspect(tmp_path)
    again = Corpus.model_validate_json(before.model_dump_json())
    marked = again.model_copy(
        update={"files": tuple(f.model_copy(update={"peak": 7.0}) for f in again.files)}
    )
    write(tmp_path / "b.wav", noise(2, seed=3))
    after = Corpus.inspect(tmp_path, known=marked)
    assert [file.peak == 7.0 for file in after.files] == [True, False]
    assert after.fingerprint != before.fingerprint


def test_the_fingerprint_is_of_sounds_not_of_names(tmp_path):
    write(tmp_path / "one" / "a.wav", noise(1, seed=1))
    write(tmp_path / "one" / "b.wav", noise(1, seed=2))
    (tmp_path / "two").mkdir()
    shutil.copy(tmp_path / "one" / "a.wav", tmp_path / "two" / "z.wav")
    shutil.copy(tmp_path / "one" / "b.wav", tmp_path / "two" / "b.wav")
    one, two = (Corpus.inspect(tmp_path / name) for name in ("one", "two"))
    assert one.fingerprint == two.fingerprint


def test_joining_counts_each_sound_once_and_keeps_names_apart(tmp_path):
    write(tmp_path / "one" / "a.wav", noise(1, seed=1))
    write(tmp_path / "one" / "b.wav", noise(1, seed=2))
    write(tmp_path / "two" / "a.wav", noise(1, seed=3))
    shutil.copy(tmp_path / "one" / "b.wav", tmp_path / "two" / "copy.wav")
    one, two = (Corpus.inspect(tmp_path / name) for name in ("one", "two"))
    both = one.joined(two)
    assert [file.name for file in both.files] == ["a.wav", "b.wav", "two 2/a.wav"]
    assert reasons(both) == {"copy.wav": "the same sound as b.wav"}
    assert both.joined(two).files == both.files


def test_cancelling_stops_the_inspection(tmp_path):
    write(tmp_path / "a.wav", noise(20))
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        Corpus.inspect(tmp_path, progress=progress)


def test_a_file_that_changed_since_is_refused(tmp_path):
    write(tmp_path / "a.wav", noise(1, seed=1))
    (file,) = Corpus.inspect(tmp_path).files
    write(tmp_path / "a.wav", noise(1, seed=2))
    with pytest.raises(AudioError, match="changed"):
        list(pieces(tmp_path / "a.wav", file.sounding, file.mix, RATE, file.sha256))


def test_long_recordings_come_in_pieces(tmp_path):
    seconds = 2.2 * PIECE_S
    rate = 8_000
    write(tmp_path / "long.wav", noise(seconds, rate), subtype="PCM_16")
    (file,) = Corpus.inspect(tmp_path).files
    found = list(pieces(tmp_path / "long.wav", file.sounding, file.mix, rate, file.sha256))
    assert len(found) == 3
    whole = np.concatenate([samples for _, samples in found])
    np.testing.assert_array_equal(whole, read(tmp_path / "long.wav").mono)
    assert [start for start, _ in found] == pytest.approx([0, seconds / 3, seconds * 2 / 3])


@settings(max_examples=30, deadline=None)
@given(
    rate=st.sampled_from([8_000, 11_025, 44_100, 48_000, 96_000]),
    channels=st.integers(1, 3),
    sounds=st.lists(st.tuples(st.floats(0.05, 3.0), st.floats(0.0, 3.0)), min_size=1, max_size=4),
)
def test_every_sound_is_in_one_piece_and_in_its_place(tmp_path_factory, rate, channels, sounds):
    """Whatever the length, rate and channels: pieces hold all that sounds, at its time."""
    path = tmp_path_factory.mktemp("corpus") / "a.wav"
    parts = []
    for index, (long, gap) in enumerate(sounds):
        parts += [noise(long, rate, channels, index), Clip(
            np.zeros((channels, round(gap * rate))), rate)]  # fmt: skip
    clip = joined(*parts)
    write(path, clip)
    (file,) = Corpus.inspect(path).files
    stored = read(path).mono
    heard = np.zeros_like(stored)
    for start_s, samples in pieces(path, file.sounding, file.mix, rate, file.sha256):
        at = round(start_s * rate)
        assert not heard[at : at + len(samples)].any()
        heard[at : at + len(samples)] = samples
    # What is left out is digital silence here.
    np.testing.assert_array_equal(heard, stored)
    starts = [start for start, _ in file.sounding]
    assert starts == sorted(starts)
    between = [b[0] - a[1] for a, b in zip(file.sounding, file.sounding[1:], strict=False)]
    assert all(gap > GAP_S - 0.3 for gap in between)
