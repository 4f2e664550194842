"""Milonga from Python: whatever a command does, one call of ``milonga.X`` does."""

import json

import numpy as np
import pytest

import milonga

SHEET = """
title: Two parts
tempo: 120
key: A minor
segments:
  - {number: 1, name: Opening, section: instrumental, seconds: 2, style: trap beats}
  - {number: 2, name: Words, section: verse, seconds: 4, lyrics: We laugh at the chaos}
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "song.yaml"
    path.write_text(SHEET)
    return path


@pytest.fixture
def tone():
    time = np.arange(44_100) / 44_100
    return milonga.Clip(0.3 * np.sin(2 * np.pi * 440 * time), 44_100)


def test_a_song_from_sheet_to_replay(sheet):
    plan = milonga.plan_song(str(sheet), "out", generators=["guide"])
    assert [take.name for take in plan.takes] == ["guide-s0", "guide-s0"]
    heard = []
    song = milonga.render_song(
        sheet, "out", generators=["guide"], progress=milonga.Progress(heard.append)
    )
    assert song.good
    assert [outcome.status for outcome in song.outcomes] == ["rendered", "rendered"]
    assert song.report.is_file()
    assert heard[-1].finished
    mixed = milonga.read(song.mix.path)
    assert (mixed.sample_rate, mixed.channels) == (44_100, 2)
    assert mixed.seconds == pytest.approx(6, abs=0.3)  # joins overlap
    assert milonga.loudness_lufs(mixed) == pytest.approx(-14, abs=0.5)
    json.dumps(song.to_dict())

    again = milonga.render_song(milonga.load_sheet(str(sheet)), "out", segments=[1], takes=2)
    assert [outcome.status for outcome in again.outcomes] == ["kept", "rendered"]
    chosen = milonga.mix_song("out", choose={"1": "guide-s1"})
    assert chosen.path == song.mix.path
    assert milonga.write_report("out").is_file()
    take = next(song.mix.path.parent.glob("takes/02-*/*.wav"))
    assert milonga.replay(str(take), out="again.wav").verdict == "identical"
    assert milonga.read("again.wav").seconds == pytest.approx(4, abs=0.02)


def test_sheets(tmp_path, sheet):
    assert milonga.new_sheet("mine.yaml").is_file()
    check = milonga.check_sheet("mine.yaml", generators=["guide"])
    assert check.good
    imported = milonga.import_markdown("# Song\n\n## Verse 1\n\nWe laugh at the chaos\n")
    assert imported.sheet.segments[0].lyrics == "We laugh at the chaos"
    assert "We laugh at the chaos" in milonga.export_sheet(sheet, tmp_path / "song.md")
    assert milonga.import_sheet("song.md").sheet == milonga.load_sheet(sheet)


def test_one_generator_alone():
    guide = milonga.generator("guide", drums=False)
    request = milonga.Request(
        role="instrumental", section="verse", seconds=2, tempo=120, key="A minor", seed=3
    )
    clip = guide.render(request, milonga.Progress())
    assert clip.seconds == pytest.approx(2, abs=0.02)
    assert milonga.check_take(clip, expected_s=2) == ()
    silence = milonga.Clip(np.zeros(44_100), 44_100)
    assert [defect.code for defect in milonga.check_take(silence)] == ["silent"]


def test_audio(tmp_path, tone):
    milonga.write(str(tmp_path / "tone.flac"), tone)
    back = milonga.read(tmp_path / "tone.flac")
    assert back == milonga.read(str(tmp_path / "tone.flac"))
    assert milonga.probe("tone.flac").n_samples == 44_100
    assert milonga.resample(back, 48_000).n_samples == 48_000
    assert milonga.true_peak_dbtp(tone) == pytest.approx(20 * np.log10(0.3), abs=0.2)
    spec = milonga.MelSpec.preset("bigvgan-v2-44khz-128band-512x")
    assert spec.analyse(tone).shape == (1, 128, spec.frames(44_100))


def test_comparison(tmp_path, tone):
    milonga.write("baseline.wav", tone)
    milonga.write("candidate.wav", tone.scaled(0.5))
    comparison = milonga.compare("baseline.wav", [tmp_path / "candidate.wav"])
    json.dumps(comparison.to_dict())
    assert "<table" in comparison._repr_html_()


def test_a_sound_model(tone):
    recordings = []
    for index in range(5):
        noise = np.random.default_rng(index).standard_normal(132_300)
        clip = milonga.Clip((0.2 + 0.1 * index) * (tone.fitted(132_300).mono + 0.1 * noise), 44_100)
        milonga.write(f"recording {index}.wav", clip.scaled(0.5))
        recordings.append(f"recording {index}.wav")
    settings = milonga.TrainSettings(size="small", steps=20, batch=2, frames=64)
    milonga.train_model(recordings, "tones", settings=settings)
    assert [model.name for model in milonga.Library().models()] == ["tones"]

    how = {"seconds": 1.0, "vocoder": "griffin-lim"}
    played = milonga.play_sound("tones", "played.wav", controls={"loudness": 1}, **how)
    assert milonga.read("played.wav").seconds == pytest.approx(1, abs=0.02)
    assert played.clip() == milonga.read("played.wav")
    two = milonga.play_sounds("tones", 2, "many.flac", seed=4, export={"bits": 16}, **how)
    assert [sound.path.name for sound in two] == ["many-s4.flac", "many-s5.flac"]
    batch = milonga.play_batch("tones", "batch", seeds="0:1", grid={"loudness": [-1, 1]}, **how)
    assert batch.count("made") == 4
    library = milonga.Library()
    library.add(library.model_path("tones"), "twin")
    assert milonga.blend_sounds({"tones": 3, "twin": 1}, "blend.wav", **how).path.is_file()

    milonga.save_preset("tones", "dark", milonga.PlaySettings(controls={"loudness": -2}))
    milonga.play_sound("tones", "dark.wav", preset="dark", **how)
    assert milonga.Presets("tones").get("dark").settings.controls == {"loudness": -2}
    assert len(milonga.History().entries("tones")) == 5
    assert milonga.replay_sound(1).same
    assert milonga.compare_history([1, 2], "history").page.is_file()
    instrument = milonga.Instrument.open("tones", vocoder="griffin-lim")
    clip = instrument.play(milonga.PlaySettings(seconds=0.5))
    assert clip.seconds == pytest.approx(0.5, abs=0.02)


def test_vocoding(tone):
    milonga.write("tone.wav", tone)
    done = milonga.vocode("tone.wav", "again.wav", vocoder="griffin-lim")
    assert milonga.read("again.wav").n_samples == tone.n_samples
    json.dumps(done.to_dict())


def test_a_vocoder(tone):
    vocoder = milonga.get_vocoder("griffin-lim", spec=milonga.MelSpec.preset("tacotron-22k-80band"))
    assert vocoder.sample_rate == 22_050


def test_the_machine(tmp_path, monkeypatch):
    assert any(finding.status == "ok" for finding in milonga.doctor(offline=True))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    assert all(row.to_dict() for row in milonga.list_weights())
    assert milonga.weights.locate("bigvgan") is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: milonga.generator("nonsense"), "guide"),
        (lambda: milonga.generator("guide", nonsense=1), "no option"),
        (lambda: milonga.generator("guide", drums="perhaps"), "guide.drums"),
        (lambda: milonga.Request(role="solo", section="", seconds=1, tempo=9, key=""), "role"),
        (lambda: milonga.Request(role="vocals"), "Request"),
        (lambda: milonga.Sheet(title="x", segments=[]), "segments"),
        (lambda: milonga.PlaySettings(pace=99), "pace"),
        (lambda: milonga.ExportSettings(bits=24, format="mp3"), "mp3|MP3"),
        (lambda: milonga.TrainSettings(steps=-1), "steps"),
        (lambda: milonga.Clip(np.zeros(9), 44_100.5), "44100.5"),
        (lambda: milonga.read("missing.wav"), "missing.wav"),
        (lambda: milonga.load_sheet("missing.yaml"), "missing.yaml"),
        (lambda: milonga.render_song("missing.yaml"), "missing.yaml"),
        (lambda: milonga.mix_song("missing"), "missing"),
        (lambda: milonga.replay("missing.wav"), "missing"),
        (lambda: milonga.compare("missing.wav", ["other.wav"]), "missing.wav"),
        (lambda: milonga.play_sound("nobody"), "nobody"),
        (lambda: milonga.Instrument.open("nobody"), "nobody"),
        (lambda: milonga.Presets("nobody").all(), "nobody"),
        (lambda: milonga.History().get(7), "7"),
        (lambda: milonga.train_model("missing", "name"), "missing"),
        (lambda: milonga.vocode("missing.wav", "out.wav", vocoder="griffin-lim"), "missing.wav"),
        (lambda: milonga.get_vocoder("nonsense"), "bigvgan"),
        (lambda: milonga.MelSpec.preset("nonsense"), "bigvgan"),
        (lambda: milonga.ensure_weights("nonsense"), "nonsense"),
        (lambda: milonga.verify_weights("nonsense"), "nonsense"),
        (lambda: milonga.remove_weights("nonsense"), "nonsense"),
        (lambda: milonga.import_markdown("nothing of a song"), "No song"),
    ],
)  # fmt: skip
def test_what_a_user_can_get_wrong_is_explained(call, words):
    with pytest.raises(milonga.MilongaError, match=words):
        call()


def test_submodules():
    assert milonga.audio.Clip is milonga.Clip
    assert set(dir(milonga)) >= {"audio", "songs", "sounds", "workflows", "render_song"}
    with pytest.raises(AttributeError, match="nonsense"):
        milonga.nonsense  # noqa: B018
