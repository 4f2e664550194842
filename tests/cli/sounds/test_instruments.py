"""play with presets and in batches, blend, preset and history, as a user types them."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sound_models import small_model
from warm_process import WarmProcess

from milonga.audio import probe, read
from milonga.audio.export.receipt import check_export
from milonga.cli.main import main
from milonga.sounds import Library
from milonga.sounds.library.history import History
from milonga.sounds.library.presets import Presets

SHORT = ("--seconds", "0.3", "--vocoder", "griffin-lim")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command in this process; status, standard output and standard error."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)
    Library().save("tiny", *small_model("tiny"))
    Library().save("other", *small_model("other", seed=1, disabled=("pulse",)))

    def run(*args, status=0):
        found = main(["sound", *map(str, args)])
        out, err = capsys.readouterr()
        assert found == status, err
        return out, err

    yield run
    signal.signal(signal.SIGTERM, before)


def test_a_preset_from_saving_to_playing(run, tmp_path):
    run("preset", "save", "tiny", "hall", "--set", "brightness=-2", "--set", "pulse=1",
        "--pace", 0.5, "--format", "flac", "--channels", "stereo", *SHORT)  # fmt: skip
    out, _ = run("preset", "list", "tiny")
    assert "brightness=-2" in out
    out, _ = run("preset", "use", "tiny", "hall", "--seed", 4, "-o", "used.flac", "--json")
    assert json.loads(out)[0]["seed"] == 4
    info = probe("used.flac")
    assert (info.channels, info.format, info.n_samples) == (2, "FLAC", 13_230)
    made = check_export("used.flac").made.settings
    assert (made["controls"], made["pace"]) == ({"brightness": -2.0, "pulse": 1.0}, 0.5)
    # What is given goes over the preset, also where it is what is usual.
    run("play", "tiny", "--preset", "hall", "--set", "pulse=-1", "--pace", 1, "--channels",
        "keep", "-o", "over.flac")  # fmt: skip
    made = check_export("over.flac").made.settings
    assert (made["controls"], made["pace"]) == ({"brightness": -2.0, "pulse": -1.0}, 1.0)
    assert probe("over.flac").channels == 1
    run("preset", "rename", "tiny", "hall", "room")
    _, err = run("preset", "use", "tiny", "hall", status=1)
    assert "Known: room" in err
    run("preset", "save", "tiny", "again", "--from-last")
    assert Presets("tiny").get("again").settings.controls == {"brightness": -2.0, "pulse": -1.0}
    assert "seed" not in Presets("tiny").get("again").settings.model_fields_set
    run("preset", "delete", "tiny", "room", "--yes")
    out, _ = run("preset", "list", "tiny", "--json")
    assert [preset["name"] for preset in json.loads(out)] == ["again"]


def test_a_preset_that_can_not_be_played_is_not_saved(run):
    _, err = run("preset", "save", "tiny", "x", "--set", "tension=1", status=1)
    assert "no control 'tension'" in err
    run("preset", "save", "tiny", "x", status=2)
    run("preset", "save", "tiny", "x", "--set", "brightness", status=2)
    _, err = run("preset", "save", "tiny", "x", "--format", "mp3", "--bits", 24, status=1)
    assert "MP3 is lossy" in err
    assert Presets("tiny").all() == {}


def test_after_another_training_the_preset_plays_with_what_is_left(run):
    run("preset", "save", "tiny", "hall", "--set", "pulse=1", "--set", "brightness=1", *SHORT)
    Library().save("tiny", *small_model("tiny", seed=3, disabled=("pulse",)))
    out, err = run("play", "tiny", "--preset", "hall", "--json")
    assert "Left out of the preset: pulse." in err
    assert [*json.loads(out)[0]["left_out"]] == ["pulse"]
    out, _ = run("preset", "list", "tiny", "--json")
    assert [*json.loads(out)[0]["left_out"]] == ["pulse"]


def test_a_blend_with_its_receipt_and_history(run):
    out, err = run("blend", "tiny:60", "other:40", "--set", "pulse=1", "--seed", 3, "--rate", 48000,
                   "-o", "blend.flac", "--json", *SHORT)  # fmt: skip
    document = json.loads(out)
    assert document["models"] == {"tiny": 0.6, "other": 0.4}
    assert (document["blended"], document["without"]) == ("mels", {"pulse": ["other"]})
    assert "other can't do pulse" in err
    receipt = check_export("blend.flac")
    assert receipt.made.model == "tiny:60 + other:40"
    assert receipt.sound.sample_rate == 48_000
    _, err = run("history", "replay", document["history"])
    assert "The same, bit for bit." in err
    out, _ = run("history", "other")
    assert "tiny:60 other:40" in out


def test_a_hundred_to_nothing_is_the_model_itself(run):
    run("play", "tiny", "-o", "alone.wav", "--bits", 32, *SHORT)
    run("blend", "tiny:100", "other:0", "-o", "blend.wav", "--bits", 32, *SHORT)
    sounds = [check_export(name).sound.sha256 for name in ("alone.wav", "blend.wav")]
    assert sounds[0] == sounds[1]


def test_history_lists_replays_compares_and_prunes(run, tmp_path):
    run("play", "tiny", "--set", "brightness=1", *SHORT)
    run("play", "tiny", "--seed", 1, "--no-history", *SHORT)
    run("play", "other", "--seed", 2, *SHORT)
    out, _ = run("history", "--json")
    found = json.loads(out)
    assert [entry["number"] for entry in found] == [1, 2]
    assert Path(found[0]["picture"]).read_bytes()[:4] == b"\x89PNG"
    out, _ = run("history", "tiny", "--json")
    assert [entry["number"] for entry in json.loads(out)] == [1]
    out, _ = run("history", "replay", 1, "--format", "mp3", "-o", "again.mp3", "--json")
    assert json.loads(out)["same"] is True
    assert probe("again.mp3").format == "MP3"
    out, _ = run("history", "compare", 1, 2, "-o", "ab", "--json")
    page = (tmp_path / "ab" / "index.html").read_text()
    assert "1. tiny" in page
    assert "2. other" in page
    assert json.loads(out)["baseline"]["features"]
    run("history", "pin", 1)
    out, _ = run("history", "prune", "--keep", 0, "--json")
    assert json.loads(out) == {"sounds": [], "entries": [2]}
    _, err = run("history", "replay", 2, status=1)
    assert "no number 2" in err


def test_a_sound_that_has_gone_for_room_is_compared_all_the_same(run, tmp_path):
    run("play", "tiny", *SHORT)
    run("play", "other", *SHORT)
    (History().get(1).folder / "sound.flac").unlink()
    _, err = run("history", "compare", 1, 2)
    assert "1: The same, bit for bit." in err
    assert (tmp_path / "compare-1-2" / "index.html").exists()


def test_chosen_sounds_are_for_the_next_training(run):
    run("play", "tiny", *SHORT)
    out, err = run("history", "use", 1, "--for", "other")
    assert Path(out.strip()).parent == Library().folder / "other" / "generated"
    assert "milonga sound train --name 'other' --add" in err


def test_a_history_that_can_not_be_written_costs_no_sound(run):
    (Library().folder / "tiny" / "history").write_text("in the way")
    out, err = run("play", "tiny", "-o", "safe.wav", "--json", *SHORT)
    assert "The history couldn't keep this" in err
    assert json.loads(out)[0]["history"] is None
    check_export("safe.wav")


def test_a_batch_and_what_is_refused_before_it(run, tmp_path):
    grid = ("--grid", "brightness=-1:1:2", "--grid", "pca1=0.5")
    out, _ = run("play", "tiny", "--seeds", "0:1,7", *grid, "--format", "flac", "--rate", 48000,
                 "--bits", 24, "--channels", "stereo", "-o", "many", "--json", *SHORT)  # fmt: skip
    assert json.loads(out)["made"] == 6
    info = probe("many/tiny-s7-brightness+1-pca1+0.5.flac")
    assert (info.sample_rate, info.channels, info.subtype) == (48_000, 2, "PCM_24")
    assert History().entries() == []
    run("play", "tiny", "--seeds", "0:1", *SHORT, status=2)
    run("play", "tiny", "--seeds", "0:1", "-n", 2, "-o", "x", *SHORT, status=2)
    _, err = run("play", "tiny", "--seeds", "0:9999", "-o", "x", *SHORT, status=1)
    assert "10,000 sounds" in err
    assert "--yes" in err
    _, err = run("play", "tiny", "--grid", "tension=1,2", "-o", "x", *SHORT, status=1)
    assert "no control 'tension'" in err
    assert not (tmp_path / "x").exists()


def test_a_killed_batch_goes_on(run, tmp_path):
    args = ["sound", "play", "tiny", "--seeds", "0:7", "--format", "flac", "-o", "many", *SHORT]
    process = WarmProcess(["-m", "milonga", *args], cwd=tmp_path)
    folder = tmp_path / "many"
    while len(list(folder.glob("tiny*.json"))) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    whole = len(list(folder.glob("tiny*.json")))
    out, _ = run(*args[1:], "--json")
    document = json.loads(out)
    assert document["made"] + document["kept"] == 8
    assert document["kept"] >= min(whole, 2)
    assert all(read(path).n_samples == 13_230 for path in folder.glob("tiny*.flac"))
    assert not list(folder.glob(".part-*"))


def test_help_loads_no_torch(milonga):
    for command in (["preset"], ["history"], ["blend"], ["preset", "save"], ["history", "compare"]):
        code = (
            "import sys; from milonga.cli.main import main; "
            f"status = main(['sound', *{command!r}, '--help']); "
            "assert status == 0; assert 'torch' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=300)
