import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tinytag import TinyTag
from warm_process import run_warm

from milonga._version import __version__
from milonga.audio import Clip, Tags, loudness_lufs, read, resample, true_peak_dbtp
from milonga.audio.export.receipt import Provenance, check_export, read_export_receipt, receipt_path
from milonga.audio.export.settings import FORMATS, RATES, ExportSettings
from milonga.audio.export.write import check_target, export
from milonga.errors import AudioError, MilongaError, OutputError, ReceiptError

RECORDINGS = [
    *sorted(Path("/usr/share/sonic-pi/samples").glob("*.flac"))[::42],
    Path("/usr/share/asterisk/moh/manolo_camp-morning_coffee.wav"),
]
MADE = Provenance(
    model="tango",
    model_sha256="ab" * 32,
    seed=7,
    licence="CC BY 4.0",
    settings={"brightness": -1.5},
)
CASES = [
    (name, bits, rate)
    for name, format in FORMATS.items()
    for bits in format.subtypes
    for rate in format.rates
]


def check_and_read(path):
    check_export(path)
    return read(path)


def tone(seconds=1.0, rate=44_100, level=0.5, channels=2):
    time = np.arange(round(seconds * rate)) / rate
    return Clip([level * np.sin(2 * np.pi * 330 * (c + 1) * time) for c in range(channels)], rate)


@pytest.mark.parametrize(("name", "bits", "rate"), CASES)
def test_every_format_at_every_rate_by_other_readers(tmp_path, name, bits, rate):
    path = tmp_path / f"á b.{name}"
    clip = tone()
    result = export(
        clip, path, ExportSettings(bits=bits, rate=rate), made=MADE, tags=Tags("Título", "Ñandú")
    )
    samples, found_rate = soundfile.read(path, dtype="float32")
    known = resample(clip, rate)
    assert (found_rate, samples.shape) == (rate, (known.n_samples, 2))
    # Half a step and one of dither; float exact; the lossy ones 34 dB under full scale, apart
    # from the cut at the tone's end.
    lossy = bits is None
    tolerance = 0.02 if lossy else 0 if bits == 32 else 1.6 * 2.0 ** (1 - bits)
    inner = slice(2400, -2400) if lossy else slice(None)
    assert np.abs(samples.T - known.samples)[:, inner].max() <= tolerance

    info = TinyTag.get(path)
    assert (info.title, info.artist) == ("Título", "Ñandú")
    assert (info.samplerate, info.channels) == (rate, 2)
    assert info.duration == pytest.approx(1.0, abs=0.06)
    assert info.year == f"{result.receipt.created:%Y-%m-%d}"
    identity = result.receipt.id
    assert info.comment == f"model tango; seed 7; licence CC BY 4.0; receipt {identity}"
    rest = {text for texts in info.other.values() for text in texts}
    assert any(text.startswith(f"milonga {__version__}") for text in rest)
    assert "CC BY 4.0" in rest
    if not lossy:
        assert soundfile.info(path).subtype == ("FLOAT" if bits == 32 else f"PCM_{bits}")
    assert check_export(path).made == MADE


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda p: p.stem)
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("channels", ["mono", "stereo", "binaural"])
def test_recordings_in_every_format_and_layout(tmp_path, path, name, channels):
    clip = read(path)
    clip = clip.fitted(min(clip.n_samples, 4 * clip.sample_rate))
    out = tmp_path / f"x.{name}"
    result = export(clip, out, ExportSettings(channels=channels, level=True))
    back = read(out)
    assert back.channels == (1 if channels == "mono" else 2)
    assert back.sample_rate in (*FORMATS[name].rates, clip.sample_rate)
    assert back.n_samples == round(clip.n_samples * back.sample_rate / clip.sample_rate)
    assert check_export(out) == result.receipt
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".part")]


def test_what_a_format_cannot_hold_is_said_before_any_work():
    for options, words in [
        ({"format": "mp3", "rate": 96_000}, "MP3 can't hold 96000 Hz, only 44100 or 48000"),
        ({"format": "opus", "rate": 44_100}, "OPUS can't hold 44100 Hz, only 48000"),
        ({"format": "flac", "bits": 32}, "FLAC can't hold 32 bits, only 16 or 24"),
        ({"format": "ogg", "bits": 16}, "lossy"),
        ({"sofa": "x.sofa"}, "binaural"),
        ({"azimuth": 400}, "azimuth"),
    ]:
        with pytest.raises(AudioError, match=words):
            ExportSettings(**options)
    for options in (
        {"format": "m4a"},
        {"bits": 8},
        {"rate": 22_050},
        {"width": 2},
        {"nonsense": 1},
    ):
        with pytest.raises(AudioError, match=next(iter(options))):
            ExportSettings(**options)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("x.m4a", {}, "suffix '.m4a'"),
        ("x", {}, "suffix ''"),
        ("x.wav", {"format": "flac"}, "format is flac, the suffix .wav"),
        ("x.mp3", {"rate": 96_000}, "MP3 can't hold 96000 Hz"),
        ("x.flac", {"bits": 32}, "32 bits"),
    ],
)
def test_a_path_that_does_not_fit(tmp_path, name, options, words):
    with pytest.raises(AudioError, match=words):
        check_target(tmp_path / name, ExportSettings(**options))
    with pytest.raises(AudioError, match=words):
        export(tone(), tmp_path / name, ExportSettings(**options))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_without_force(tmp_path):
    path = tmp_path / "x.wav"
    export(tone(level=0.5), path)
    before = path.read_bytes(), receipt_path(path).read_bytes()
    with pytest.raises(OutputError, match="already there") as caught:
        export(tone(level=0.1), path)
    assert "--force" in str(caught.value)
    assert (path.read_bytes(), receipt_path(path).read_bytes()) == before
    export(tone(level=0.1), path, force=True)
    assert read(path).peak == pytest.approx(0.1, abs=1e-3)
    assert check_export(path)


def test_clipping_is_never_silent(tmp_path):
    loud = tone(level=1.5)
    for name in FORMATS:
        result = export(loud, tmp_path / f"lowered.{name}")
        assert result.notes[0].startswith("lowered by 3.5 dB so that it does not clip; --level")
        (gain,) = [step for step in result.receipt.chain if step.name == "gain"]
        assert gain.details["peak_db"] == pytest.approx(3.52, abs=0.01)
        if not FORMATS[name].lossy:
            # Nothing but the gain: the shape of the wave is that of the clip.
            quiet = loud.scaled(10 ** (gain.details["gain_db"] / 20))
            assert np.abs(check_and_read(result.path).samples - quiet.samples).max() < 1e-6
    result = export(loud, tmp_path / "x.flac", ExportSettings(level=True))
    assert true_peak_dbtp(read(tmp_path / "x.flac")) < -0.99
    assert [step.name for step in result.receipt.chain] == ["limit", "dither", "encode"]
    result = export(loud, tmp_path / "x.wav", ExportSettings(bits=32))
    assert read(tmp_path / "x.wav").peak == pytest.approx(1.5, abs=1e-3)
    assert "peaks at +3.5 dBFS" in result.notes[0]
    quiet = export(tone(), tmp_path / "y.wav", ExportSettings(level=True))
    assert "limit" not in [step.name for step in quiet.receipt.chain]


def test_a_lossy_file_that_decodes_over_full_scale_is_noted(tmp_path):
    noise = np.clip(np.random.default_rng(0).standard_normal((2, 48_000)), -1, 1)
    result = export(Clip(noise, 48_000), tmp_path / "x.mp3")
    assert result.peak_db > 0
    assert "decoded, it peaks at" in result.notes[0]


def test_loudness(tmp_path):
    clip = Clip(0.02 * np.random.default_rng(0).standard_normal((2, 5 * 44_100)), 44_100)
    export(clip, tmp_path / "x.wav", ExportSettings(loudness=-16))
    # The limiter's own tolerance.
    assert loudness_lufs(read(tmp_path / "x.wav")) == pytest.approx(-16, abs=0.1)


def test_the_chain_says_what_was_done_in_order(tmp_path):
    settings = ExportSettings(
        rate=96_000, channels="binaural", azimuth=-20, loudness=-20, bits=16, dither_seed=5
    )
    result = export(tone(channels=1), tmp_path / "x.wav", settings)
    names = [step.name for step in result.receipt.chain]
    assert names == ["resample", "channels", "loudness", "dither", "encode"]
    assert result.receipt.chain[0].details == {"from": 44_100, "to": 96_000}
    assert result.receipt.chain[3].details == {"bits": 16, "seed": 5}
    names = [
        s.name
        for s in export(tone(), tmp_path / "y.wav", ExportSettings(channels="mono")).receipt.chain
    ]
    assert names == ["channels", "dither", "encode"]


def test_dither_only_where_bits_are_lost(tmp_path):
    step = 2.0**-15
    held = Clip(np.random.default_rng(0).integers(-1000, 1000, (1, 5000)) * step, 44_100)
    export(held, tmp_path / "a.wav", ExportSettings(bits=16))
    assert np.array_equal(read(tmp_path / "a.wav").samples, held.samples)
    between = Clip(held.samples + np.float32(step / 3), 44_100)
    export(between, tmp_path / "b.wav", ExportSettings(bits=16))
    error = (read(tmp_path / "b.wav").samples - between.samples) / step
    # Triangular dither: 1/4 of a squared step; one sigma of 5000 is 2 %.
    assert error.var() == pytest.approx(0.25, rel=0.08)
    export(between, tmp_path / "c.wav", ExportSettings(bits=16, dither=False))
    assert np.abs(read(tmp_path / "c.wav").samples - between.samples).max() <= 0.51 * step


def test_the_same_export_is_the_same_file_and_another_has_another_id(tmp_path):
    results = [
        export(tone(), tmp_path / f"{n}.flac", ExportSettings(bits=16), made=made)
        for n, made in enumerate((MADE, MADE, MADE.model_copy(update={"seed": 8})))
    ]
    a, b, c = (result.receipt for result in results)
    assert a.id == b.id != c.id
    assert a.sound == b.sound
    assert (tmp_path / "0.flac").read_bytes() == (tmp_path / "1.flac").read_bytes()


@hypothesis_settings(max_examples=25, deadline=None)
@given(
    frames=st.integers(1, 6000),
    channels=st.integers(1, 3),
    rate=st.sampled_from([8000, 22_050, 32_000, *RATES]),
    case=st.sampled_from(CASES),
    layout=st.sampled_from(["mono", "stereo", "binaural"]),
    level=st.sampled_from([0.3, 1.0, 8.0]),
)
def test_any_clip(tmp_path_factory, frames, channels, rate, case, layout, level):
    name, bits, out_rate = case
    clip = Clip(level * np.random.default_rng(frames).uniform(-1, 1, (channels, frames)), rate)
    path = tmp_path_factory.mktemp("any") / f"x.{name}"
    settings = ExportSettings(bits=bits, rate=out_rate, channels=layout)
    if not round(frames * out_rate / rate):
        return
    export(clip, path, settings)
    back = read(path)
    assert FORMATS[name].lossy or bits == 32 or back.peak <= 1.0
    assert back.n_samples == round(frames * out_rate / rate)
    assert check_export(path).sound.channels == back.channels == (1 if layout == "mono" else 2)


def test_an_empty_clip_and_undefined_settings_are_refused(tmp_path):
    with pytest.raises(AudioError, match="empty"):
        export(Clip(np.zeros((1, 0)), 44_100), tmp_path / "x.wav")
    with pytest.raises(AudioError, match="NaN"):
        export(tone(), tmp_path / "x.wav", made=Provenance(settings={"x": float("nan")}))
    assert list(tmp_path.iterdir()) == []


def test_texts_that_would_break_a_tag(tmp_path):
    for name in FORMATS:
        export(tone(), tmp_path / f"x.{name}", tags=Tags("a\0b \udce9", comment="x" * 5000))
        assert TinyTag.get(tmp_path / f"x.{name}").title == "a b \\xe9"


def test_receipts_are_read_back_and_checked(tmp_path):
    path = tmp_path / "x.flac"
    result = export(tone(), path, made=MADE)
    assert read_export_receipt(path) == read_export_receipt(receipt_path(path)) == result.receipt
    assert json.loads(receipt_path(path).read_text())["id"] == result.receipt.id
    soundfile.write(path, np.zeros((10, 2)), 44_100)
    with pytest.raises(ReceiptError, match="changed since"):
        check_export(path)


def test_a_receipt_of_version_1_is_read(tmp_path):
    path = tmp_path / "x.flac"
    result = export(tone(), path, made=MADE)
    document = json.loads(receipt_path(path).read_text())
    assert document["format_version"] == 2
    for part in (document["source"], document["sound"]):
        part["frames"], part["rate"] = part.pop("n_samples"), part.pop("sample_rate")
    receipt_path(path).write_text(json.dumps(document | {"format_version": 1}))
    assert check_export(path) == result.receipt


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: "[]", "not a receipt"),
        (lambda d: "{" * 5000, "not a receipt"),
        (lambda d: "x" * (5 << 20), "larger than any"),
        (lambda d: json.dumps(d | {"kind": "other"}), "not the receipt of an export"),
        (lambda d: json.dumps(d | {"format_version": 9}), "version is 9"),
        (lambda d: json.dumps(d | {"sound": {}}), "damaged: sound"),
        (lambda d: json.dumps(d | {"more": 1}), "damaged: more"),
        (lambda d: json.dumps(d | {"settings": d["settings"] | {"azimuth": 999}}), "azimuth"),
    ],
)
def test_damaged_receipts(tmp_path, change, words):
    path = tmp_path / "x.flac"
    export(tone(), path)
    file = receipt_path(path)
    file.write_text(change(json.loads(file.read_text())))
    with pytest.raises(MilongaError, match=words) as caught:
        read_export_receipt(path)
    assert isinstance(caught.value, ReceiptError)
    file.unlink()
    # The file's own tags hold it, too.
    assert read_export_receipt(path).file == "x.flac"
    with pytest.raises(ReceiptError, match="can't be read"):
        read_export_receipt(tmp_path / "none.flac")


def test_a_killed_export_leaves_a_whole_file_that_its_receipt_may_not_know(tmp_path):
    path = tmp_path / "x.flac"
    export(tone(level=0.25), path)
    code = textwrap.dedent(f"""
        import numpy as np
        from milonga.audio import Clip
        from milonga.audio.export.write import export
        clip = Clip(np.random.default_rng(0).uniform(-0.9, 0.9, (2, 400_000)), 44100)
        print("ready", flush=True)
        while True:
            export(clip, {str(path)!r}, force=True)
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        while not list(tmp_path.glob(".part-*")):
            pass
        process.send_signal(signal.SIGKILL)
    assert read(path).n_samples in (44_100, 400_000)
    try:
        known = check_export(path).sound.n_samples
    except ReceiptError as error:
        known = None if "changed since" in str(error) else error
    assert known in (None, 44_100, 400_000)


@pytest.mark.parametrize("dies_at", [1, 2])
def test_killed_between_sound_and_receipt_the_same_export_works(tmp_path, dies_at):
    path = tmp_path / "x.flac"
    code = textwrap.dedent(f"""
        import os, signal, sys
        import numpy as np
        from milonga.audio import Clip
        from milonga.audio.export.write import export
        replace, done = os.replace, []
        def dying(source, target):
            done.append(target)
            if len(done) == int(sys.argv[1]):
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)
        os.replace = dying
        export(Clip(np.full((1, 100), 0.1), 44100), {str(path)!r})
    """)
    run_warm(["-c", code, dies_at])
    assert not path.exists(), "a sound is never without its receipt"
    assert list(tmp_path.glob(".part-*"))
    check_target(path)
    export(tone(), path)
    assert check_export(path)
    assert {p.name for p in tmp_path.iterdir()} == {"x.flac", "x.flac.json"}


def test_what_isnt_the_receipt_of_the_missing_sound_is_not_replaced(tmp_path):
    receipt_path(tmp_path / "x.flac").write_text('{"mine": 1}')
    export(tone(), tmp_path / "y.wav")
    receipt_path(tmp_path / "y.wav").rename(receipt_path(tmp_path / "z.wav"))
    for name in ("x.flac", "z.wav"):
        with pytest.raises(OutputError, match="already there"):
            export(tone(), tmp_path / name)


def test_a_receipt_of_version_1_is_still_read(tmp_path):
    path = tmp_path / "old.wav"
    export(tone(), path, made=Provenance(model="hum", seed=7))
    document = json.loads(receipt_path(path).read_text())
    document["format_version"] = 1
    for part in ("source", "sound"):
        sound = document[part]
        document[part] = {
            "sha256": sound["sha256"],
            "frames": sound["n_samples"],
            "rate": sound["sample_rate"],
            "channels": sound["channels"],
        }
    receipt_path(path).write_text(json.dumps(document))
    old = check_export(path)
    assert old.made.seed == 7
    assert (old.sound.n_samples, old.sound.sample_rate) == (tone().n_samples, tone().sample_rate)
