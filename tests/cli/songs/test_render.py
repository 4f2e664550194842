"""render, mix, replay and report with the real guide."""

import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from warm_process import WarmProcess

from milonga import audio
from milonga.audio import loudness_lufs, true_peak_dbtp
from milonga.songs.rendering.receipts import intact_clip, read_receipt

SHEET = """
title: "Two <Parts> & 'más'"
artist: Nobody
tempo: 120
key: A minor
style: electronic milonga
segments:
  - number: 7
    name: Digital Bandoneón
    section: instrumental
    seconds: 4
    style: Bandoneón solo with trap beats
    generators: [guide]
    {baseline}
  - number: 18
    name: Caos y Suerte
    section: verse
    seconds: 6
    lyrics: |
      We laugh at the chaos
      [background whispers]
    layers:
      - {{role: vocals, generators: [guide]}}
      - {{role: backing, generators: [guide], gain_db: -6}}
"""


@pytest.fixture
def song(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "base").mkdir()
    noise = audio.Clip(0.1 * rng.standard_normal((2, 4 * 44100)), 44100)
    audio.write(tmp_path / "base" / "7.wav", noise)
    path = tmp_path / "song.yaml"
    path.write_text(SHEET.format(baseline="baseline: base/7.wav"))
    return path


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_a_sheet_becomes_a_song_and_a_report(milonga, song, out):
    result = milonga("render", song, "--out", out, process=True)
    assert result.status == 0, result.err
    # The plan comes first and the paths come last, on standard output.
    assert "3 takes" in result.err
    assert result.out.split() == [str(out / "song.wav"), str(out / "report" / "index.html")]
    takes = sorted(str(p.relative_to(out)) for p in out.glob("takes/**/*.*"))
    assert takes == [
        "takes/07-digital-bandoneon/guide-s0.json",
        "takes/07-digital-bandoneon/guide-s0.wav",
        "takes/18-caos-y-suerte/backing/guide-s0.json",
        "takes/18-caos-y-suerte/backing/guide-s0.wav",
        "takes/18-caos-y-suerte/vocals/guide-s0.json",
        "takes/18-caos-y-suerte/vocals/guide-s0.wav",
    ]
    clip = audio.read(out / "song.wav")
    assert (clip.sample_rate, clip.channels) == (44100, 2)
    # 4 + 6 s less one crossfade of 30 ms; each take is within 20 ms.
    assert clip.seconds == pytest.approx(9.97, abs=0.05)
    assert loudness_lufs(clip) == pytest.approx(-14.0, abs=0.2)
    assert true_peak_dbtp(clip) <= -1.0
    assert audio.probe(out / "song.wav").tags.title == "Two <Parts> & 'más'"
    assert (out / "comparison.json").exists()


def test_json_again_mix_replay_and_report(milonga, song, out):
    first = milonga("render", song, "-o", out, "--json", "--takes", "2", "--segment", "7")
    assert first.status == 0, first.err
    document = first.json
    assert [t["status"] for t in document["takes"]] == ["rendered"] * 2
    assert document["chosen"] == {"7/instrumental": "guide-s0"}
    assert any("18" in note for note in document["notes"])
    assert document["loudness_lufs"] == pytest.approx(-14, abs=0.2)
    before = audio.read(out / "song.wav")

    again = milonga("render", song, "-o", out, "--json", "--takes", "2", "--segment", "7").json
    assert [t["status"] for t in again["takes"]] == ["kept"] * 2

    mixed = milonga("mix", out, "--choose", "7=guide-s1", "--json")
    assert mixed.status == 0, mixed.err
    assert mixed.json["chosen"] == {"7/instrumental": "guide-s1"}
    assert not np.array_equal(audio.read(out / "song.wav").samples, before.samples)
    assert milonga("mix", out, "--json").json["chosen"] == {"7/instrumental": "guide-s1"}

    replayed = milonga("replay", document["takes"][1]["receipt"], "--json")
    assert replayed.status == 0
    assert replayed.json["verdict"] == "identical"
    assert replayed.json["sha256"] == replayed.json["sha256_then"]
    said = milonga("replay", document["takes"][1]["path"], "--out", out / "again.flac")
    assert "identical" in said.out
    assert (out / "again.flac").exists()

    page = milonga("report", out, "--json").json["report"]
    assert "guide-s1" in Path(page).read_text()


def test_a_changed_sheet_keeps_old_takes_out_of_the_song(milonga, song, out):
    """Render, choose, change the tempo, render again: the song is of the sheet as it is now."""
    args = ["render", song, "-o", out, "--segment", "7", "--no-report"]
    first = milonga(*args, "--takes", "2")
    assert "In the mix:\n  7 Digital Bandoneón, instrumental: guide-s0\n" in first.err
    assert milonga("mix", out, "--choose", "7=guide-s1").status == 0
    song.write_text(song.read_text().replace("tempo: 120", "tempo: 122"))
    result = milonga(*args)
    assert result.status == 0, result.err
    assert "The chosen take guide-s1 is not used" in result.err
    assert "tempo 120 -> 122" in result.err
    assert "  7 Digital Bandoneón, instrumental: guide-s0.2\n" in result.err
    folder = out / "takes" / "07-digital-bandoneon"
    tempos = {p.stem: read_receipt(p).request.tempo for p in folder.glob("*.json")}
    assert tempos == {"guide-s0": 120, "guide-s1": 120, "guide-s0.2": 122}
    again = milonga("mix", out, "--choose", "7=guide-s1")
    assert again.status == 0
    assert "guide-s1 (chosen; made for an earlier state of the sheet: tempo 120 -> 122)" in (
        again.err
    )


def test_a_mix_without_a_layer_that_has_takes_is_a_failure(milonga, song, out):
    args = ["render", song, "-o", out, "--no-report"]
    assert milonga(*args).status == 0
    take = out / "takes" / "18-caos-y-suerte" / "backing" / "guide-s0.wav"
    audio.write(take, audio.read(take).scaled(0.5))
    result = milonga("mix", out)
    assert result.status == 1
    assert "is not what its receipt says" in result.err
    assert "  18 Caos y Suerte, backing: left out" in result.err
    assert milonga("mix", out, "--partial").status == 0
    assert milonga(*args).status == 0
    listed = milonga("takes", out)
    assert listed.status == 0
    assert "18-caos-y-suerte/backing/damaged" in listed.out.replace("\n", "")
    assert milonga("takes", out, "--prune", "--json").status == 2
    pruned = milonga("takes", out, "--prune", "--yes", "--json")
    assert pruned.json["removed"]["takes"] == []


def test_wrong_choices_are_refused_before_any_work(milonga, song, out):
    for choice, words in [
        ("7=guide-s9", "no take 'guide-s9'. Takes: guide-s0"),
        ("18=guide-s0", "Which layer? Use one of: 18/vocals, 18/backing"),
        ("18/texture=guide-s0", "no layer 'texture'"),
        ("5=guide-s0", "no segment 5. It has: 7, 18"),
    ]:
        result = milonga("render", song, "-o", out, "--choose", choice)
        assert result.status == 1, result.err
        assert words in result.err
        assert not (out / "takes").exists()
    assert milonga("render", song, "-o", out, "--choose", "seven").status == 2


def test_problems_stop_before_any_work(milonga, song, out):
    song.write_text(SHEET.format(baseline="baseline: base/missing.wav"))
    for args, words in [
        ([], "missing.wav"),
        (["--with", "gide"], "There is no generator 'gide'"),
        (["--segment", "3"], "no segment 3"),
        (["--no-report", "--option", "guide.nonsense=1"], "guide has no option 'nonsense'"),
    ]:
        result = milonga("render", song, "-o", out, *args)
        assert result.status == 1, args
        assert words in result.err
        assert not out.exists()
    assert milonga("render", song, "-o", out, "--option", "level=3").status == 2


def test_without_a_report_a_missing_baseline_is_only_noted(milonga, song, out):
    song.write_text(SHEET.format(baseline="baseline: base/missing.wav"))
    result = milonga("render", song, "-o", out, "--no-report", "--segment", "7")
    assert result.status == 0
    assert "missing.wav" in result.err
    assert not (out / "report").exists()


def test_a_dry_run_writes_nothing(milonga, song, out):
    result = milonga("render", song, "-o", out, "--dry-run", "--json")
    assert result.status == 0
    assert [row["take"] for row in result.json["plan"]] == ["guide-s0"] * 3
    assert not out.exists()


def test_options_are_listed(milonga):
    result = milonga("render", "--list-options")
    assert result.status == 0
    assert re.search(r"^guide: ", result.out, re.MULTILINE)
    assert re.search(r"^  guide\.\w+=", result.out, re.MULTILINE)


def test_an_output_in_the_way(milonga, song, tmp_path):
    (tmp_path / "file").write_text("x")
    result = milonga("render", song, "-o", tmp_path / "file")
    assert result.status == 1
    assert "in the way" in result.err


def test_folders_that_hold_no_song(milonga, tmp_path):
    for command in ("mix", "report"):
        result = milonga(command, tmp_path)
        assert result.status == 1
        assert "no rendered song" in result.err
    (tmp_path / "song.json").write_text("{")
    assert "damaged" in milonga("mix", tmp_path).err


def test_a_sheet_in_place_of_its_folder_is_told_what_is_needed(milonga, song, tmp_path):
    studio = tmp_path / "studio"
    for command in (("mix",), ("report",), ("takes",), ("export", "-o", studio)):
        result = milonga(command[0], song, *command[1:])
        assert result.status == 1
        assert "is a file" in result.err
        assert "milonga render SHEET --out FOLDER" in result.err
    assert not studio.exists()


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        signal.SIGKILL,
    ],
)
def test_an_interrupted_render_goes_on(milonga, song, out, tmp_path, kind):
    many = ["render", str(song), "--out", str(out), "--takes", "5"]
    process = WarmProcess(
        ["-m", "milonga", *many],
        cwd=tmp_path,
        env={**os.environ, "MILONGA_HOME": str(tmp_path / "home")},
    )
    deadline = time.monotonic() + 120
    while len(list(out.rglob("guide-*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(kind)
    _, stderr = process.communicate()
    assert process.returncode == (-9 if kind == signal.SIGKILL else 130)
    assert "Traceback" not in stderr
    finished = list(out.rglob("guide-*.json"))
    for receipt in finished:
        assert intact_clip(read_receipt(receipt), receipt.parent) is not None
    result = milonga("render", song, "-o", out, "--takes", "5", "--json", "--no-report")
    assert result.status == 0
    kept = sum(take["status"] == "kept" for take in result.json["takes"])
    assert len(finished) <= kept + 1
    assert kept >= 2
    assert not list(out.rglob(".part-*"))
