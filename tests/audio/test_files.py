import os
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio import SUFFIXES, Clip, Tags, probe, read, write
from milonga.errors import AudioError, OutputError

RECORDINGS = sorted(Path("/usr/share/sonic-pi/samples").glob("*.flac"))[:20] + sorted(
    Path("/usr/share/asterisk/moh").glob("*.wav")
)


def tone(seconds=0.5, rate=44100, channels=2, level=0.5):
    time = np.arange(round(seconds * rate)) / rate
    waves = [level * np.sin(2 * np.pi * (220 + 110 * c) * time) for c in range(channels)]
    return Clip(np.array(waves), rate)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_keeps_sound_and_tags(tmp_path, suffix):
    clip = tone(rate=48000)
    tags = Tags("Título <1>", "Geeks", "milonga", "seed 7", "2026-03-01", "CC BY 4.0")
    path = tmp_path / f"á b{suffix}"
    write(path, clip, tags=tags)
    back, info = read(path), probe(path)
    assert (back.sample_rate, back.channels, back.n_samples) == (48000, 2, clip.n_samples)
    assert (info.sample_rate, info.channels, info.n_samples) == (48000, 2, clip.n_samples)
    assert info.tags.title == tags.title
    assert info.tags.artist == tags.artist
    assert info.tags.comment == tags.comment
    assert info.tags.software == "milonga"
    aiff = suffix in (".aif", ".aiff")
    assert info.tags.date == ("" if aiff else tags.date)
    assert info.tags.licence == ("" if aiff or suffix == ".mp3" else tags.licence)
    # 24-bit rounding is 6e-8; the lossy formats at their default quality stay under -26 dB here,
    # but that Opus starves the last frames.
    lossy = suffix in (".mp3", ".ogg", ".opus")
    inner = slice(0, -4800 if suffix == ".opus" else None)
    error = np.abs(back.samples - clip.samples)[:, inner].max()
    assert error < (0.05 if lossy else 1e-6)


@settings(max_examples=30, deadline=None)
@given(
    frames=st.integers(1, 70_000),
    channels=st.integers(1, 5),
    rate=st.sampled_from([8000, 22050, 44100, 48000, 96000]),
)
def test_float_wav_is_exact_for_any_shape(tmp_path_factory, frames, channels, rate):
    samples = np.random.default_rng(frames).standard_normal((channels, frames))
    path = tmp_path_factory.mktemp("shape") / "x.wav"
    clip = Clip(samples, rate)
    write(path, clip, subtype="FLOAT")
    back = read(path)
    assert back.sample_rate == rate
    assert np.array_equal(back.samples, clip.samples)


@pytest.mark.parametrize(
    "path",
    [
        # Every fifth, and all music on hold: the others repeat them.
        path if index % 5 == 0 or index >= 20 else pytest.param(path, marks=pytest.mark.slow)
        for index, path in enumerate(RECORDINGS)
    ],
    ids=lambda p: p.name,
)
def test_real_recordings_read_as_soundfile_reads_them(path):
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    clip = read(path)
    assert clip.sample_rate == rate
    assert np.array_equal(clip.samples, samples.T)


def test_there_are_real_recordings():
    assert len(RECORDINGS) >= 20, "install sonic-pi-samples and asterisk-moh-opsound-wav"


def wav(channels=2, rate=44100, frames=1000, declared=None, tag=1, bits=16):
    data = bytes(frames * channels * bits // 8)
    declared = len(data) if declared is None else declared
    frame = max(channels, 1) * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate, (rate * frame) & 0xFFFFFFFF, frame, bits)
    body = b"WAVE" + b"fmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", declared)
    return b"RIFF" + struct.pack("<I", len(body) + len(data)) + body + data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello, this is text\n" * 50, "Not a recording"),
        (b"# A song\n", "Not a recording"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "Not a recording"),
        (b"RIFF", "Not a recording"),
        (wav()[:20], "truncated"),
        (wav()[:30], "read|truncated"),
        (wav(channels=0), "0 channels"),
        (wav(rate=0), "0 Hz"),
        (wav(rate=4_000_000_000), "4000000000 Hz"),
        (wav(frames=0), "no audio"),
        (wav(declared=400_000), "truncated"),
        (wav()[:-1500], "truncated"),
        (wav(channels=2000, frames=4), "2000 channels|Not a recording"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path, content, words):
    path = tmp_path / "take ñ.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_an_mp3_without_a_frame_is_not_called_missing(tmp_path):
    path = tmp_path / "take.mp3"
    path.write_bytes(bytes(5000))
    with pytest.raises(AudioError, match="Not a recording that can be read\\.\n"):
        read(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused_in_every_format(tmp_path, suffix, part):
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 48000))
    write(whole, Clip(noise, 48000))
    content = whole.read_bytes()
    cut.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(AudioError) as caught:
        read(cut)
    assert str(cut) in str(caught.value)


@pytest.mark.parametrize("suffix", [".ogg", ".opus"])
def test_chained_ogg_is_refused_with_the_step(tmp_path, suffix):
    path = tmp_path / f"two songs{suffix}"
    write(path, tone(rate=48000))
    path.write_bytes(path.read_bytes() * 2)
    for way in (read, probe):
        with pytest.raises(AudioError, match="Several Ogg streams are joined") as caught:
            way(path)
        assert f"ffmpeg -i '{path}'" in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_in_a_float_file_are_refused(tmp_path, value):
    path = tmp_path / "nan.wav"
    samples = np.zeros((1000, 2), dtype=np.float32)
    samples[500, 1] = value
    soundfile.write(path, samples, 44100, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN or infinite") as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_a_stream_header_without_a_length_is_read(tmp_path):
    # ffmpeg and others write 0xFFFFFFFF when they write into a pipe.
    path = tmp_path / "pipe.wav"
    path.write_bytes(wav(declared=0xFFFFFFFF))
    assert read(path).n_samples == 1000


def test_a_small_file_of_many_hours_is_refused_before_memory_is_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 48000, 2, "PCM_16", format="FLAC") as file:
        for _ in range(20):
            file.write(np.zeros((1_000_000, 2), dtype=np.int16))
    monkeypatch.setattr("milonga.audio.files.available_memory", lambda: 100_000_000)
    monkeypatch.setattr(np, "empty", None)
    with pytest.raises(
        AudioError, match=r"lasts 6\.9 min, .* 160 MB of memory; 100 MB are"
    ) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_missing_folder_and_unreadable_files(tmp_path):
    with pytest.raises(AudioError, match="no such file"):
        read(tmp_path / "nothing.wav")
    with pytest.raises(AudioError, match="folder"):
        read(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_a_named_pipe_is_refused_without_waiting(tmp_path):
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    for way in (read, probe):
        with pytest.raises(AudioError, match="pipe or a device") as caught:
            way(path)
        assert str(path) in str(caught.value)


@settings(deadline=None, max_examples=50)
@given(
    suffix=st.sampled_from(SUFFIXES),
    lengths=st.tuples(*[st.sampled_from([0, 1, 90, 200, 1500, 2500, 9000, 70_000, 300_000])] * 6),
    letters=st.sampled_from(["x", "ñ", "日本", "a b\n", "\0\udcf3", "🎵"]),
)
def test_no_text_is_too_long_for_a_tag(tmp_path_factory, suffix, lengths, letters):
    path = tmp_path_factory.mktemp("tags") / f"a{suffix}"
    texts = [(letters * length)[:length] for length in lengths]
    clip = tone(seconds=0.05, rate=48000)
    write(path, clip, tags=Tags(*texts))
    assert abs(read(path).n_samples - clip.n_samples) < 3000
    found = probe(path).tags
    for name, text in zip(Tags.__slots__, texts, strict=True):
        shown = getattr(found, name)
        if name in ("date", "licence") and suffix in (".aiff", ".aif", ".mp3") and not shown:
            continue
        if name == "software" and suffix.startswith(".aif"):
            # libsndfile reads it up to the first letter beyond ASCII, also that of "…".
            continue
        kept = text.replace("\0", " ").replace("\udcf3", "\\xf3").rstrip("\n ")
        if shown.endswith("…"):
            assert len(shown.encode()) >= 90
            assert kept.startswith(shown[:-1])
        else:
            assert shown.rstrip("\n ") == kept


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names_that_are_not_utf_8(tmp_path, suffix):
    clip = tone(rate=48000)
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/canci\xf3n" + suffix.encode()))
    write(path, clip)
    assert read(path).n_samples == probe(path).n_samples == clip.n_samples


def test_a_file_of_another_user_says_so(tmp_path):
    path = tmp_path / "locked.wav"
    write(path, tone())
    path.chmod(0)
    script = textwrap.dedent(f"""
        import os
        from milonga import audio
        from milonga.errors import AudioError
        def attempt(path):
            try:
                audio.read(path)
            except AudioError as error:
                return str(error)
        attempt(__file__)  # imports what it needs while this user can still read Python
        if os.getuid() == 0:
            os.setuid(65534)
        print(attempt({str(path)!r}))
    """)
    program = tmp_path / "program.py"
    program.write_text(script)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o755)
    run = subprocess.run([sys.executable, program], capture_output=True, text=True)
    assert "permission" in run.stdout.lower()
    assert str(path) in run.stdout


def test_levels_beyond_full_scale(tmp_path):
    loud = tone(level=2.0)
    path = tmp_path / "loud.wav"
    write(path, loud, subtype="FLOAT")
    assert read(path).peak == pytest.approx(2.0, abs=1e-3)
    with pytest.raises(AudioError, match="would clip") as caught:
        write(path, loud)
    assert "on_clip='level'" in str(caught.value)
    assert read(path).peak > 1.9, "a refused write leaves the old file"
    write(path, loud, on_clip="level")
    assert read(path).peak == pytest.approx(0.999, abs=1e-3)
    with pytest.warns(UserWarning, match="dBFS"):
        write(path, loud, on_clip="warn")
    assert read(path).peak == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "clip", "options", "words"),
    [
        ("x.m4a", tone(), {}, r"suffix '.m4a'"),
        ("x", tone(), {}, "suffix ''"),
        ("x.flac", tone(), {"subtype": "FLOAT"}, "FLAC files have no sample format FLOAT"),
        ("x.wav", Clip(np.zeros((1, 0)), 44100), {}, "nothing to write"),
        ("x.wav", tone(), {"on_clip": "clip"}, "on_clip is 'clip'"),
        ("x.mp3", tone(rate=5000), {}, "MP3 can't hold"),
        ("x.mp3", tone(channels=3), {}, "MP3 can't hold 3 channels"),
    ],
)
def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path, name, clip, options, words):
    with pytest.raises(AudioError, match=words):
        write(tmp_path / name, clip, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="in the way"):
        write(tmp_path / "file" / "x.wav", tone())


@pytest.mark.skipif(os.name == "nt", reason="Windows has other limits")
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))", "Can't write: File too"),
        ("resource.setrlimit(resource.RLIMIT_FSIZE, (size - 500,) * 2)", "Can't write: File too"),
        ("os.getuid() or os.setuid(65534)", "No permission to write here"),
    ],
    ids=["a limit", "a limit near the end", "no permission"],
)
def test_what_the_system_refuses_is_not_blamed_on_the_format(tmp_path, suffix, limit, words):
    script = textwrap.dedent(f"""
        import os, resource
        import numpy as np
        from milonga import audio
        clip = audio.Clip(np.random.default_rng(0).uniform(-0.5, 0.5, (2, 96_000)), 48000)
        audio.write("before" + {suffix!r}, clip)  # imports what it needs
        size = os.path.getsize("before" + {suffix!r})
        os.remove("before" + {suffix!r})
        {limit}
        try:
            audio.write("take" + {suffix!r}, clip)
        except Exception as error:
            print(type(error).__name__, error)
    """)
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert run.stdout.startswith("OutputError"), run.stdout + run.stderr
    assert words in run.stdout
    assert list(tmp_path.iterdir()) == []


def test_killed_writers_leave_no_half_file(tmp_path):
    """A process killed while it writes leaves the old file, whole."""
    path = tmp_path / "song.wav"
    write(path, tone(level=0.25))
    script = textwrap.dedent(f"""
        import numpy as np
        from milonga import audio
        clip = audio.Clip(np.random.default_rng(0).uniform(-1, 1, (2, 4_000_000)), 44100)
        print("ready", flush=True)
        while True:
            audio.write({str(path)!r}, clip)
            print("again", flush=True)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        for _ in range(2000):
            if list(tmp_path.glob(".part-*")):
                break
        process.kill()
    clip = read(path)
    assert clip.peak == pytest.approx(0.25, abs=1e-3) or clip.n_samples == 4_000_000
