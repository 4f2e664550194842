import shutil
from pathlib import Path

import numpy as np
import pytest
from sound_models import small_model

from milonga.audio import Clip, write


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A model's file, as somebody might send it."""
    from milonga.sounds.model.file import save

    path = tmp_path_factory.mktemp("shared") / "theirs.safetensors"
    save(path, *small_model("río"))
    return path


@pytest.fixture
def home(tmp_path, file):
    """The library of ``milonga`` with the model 'río'."""
    folder = tmp_path / "home" / "sounds" / "río"
    folder.mkdir(parents=True)
    shutil.copy(file, folder / "model.safetensors")
    return folder.parent


def test_an_empty_library_says_how_to_begin(milonga):
    done = milonga("sound", "list")
    assert done.status == 0
    assert "milonga sound train" in done.err
    assert milonga("sound", "list", "--json").json == []


def test_list_shows_what_is_there_and_what_is_broken(milonga, home):
    (home / "half").mkdir()
    done = milonga("sound", "list")
    assert "río" in done.out
    assert "12 s in 3 files" in done.out
    assert "2026-01-02" in done.out
    assert "not there" in done.out
    half, rio = sorted(milonga("sound", "list", "--json").json, key=lambda e: e["name"])
    assert half["problem"]
    assert rio["problem"] is None
    assert rio["controls"] == [
        "loudness", "brightness", "warmth", "roughness", "pulse", "density"
    ]  # fmt: skip
    assert rio["files"] == 3


def test_the_library_is_shown_without_torch(milonga, home, run_python):
    run_python(
        "import sys; from milonga.cli.main import main\n"
        "for args in (['list'], ['info', 'río'], ['search', 'drone'], ['--help'],\n"
        "             ['train', '--help'], ['play', '--help']):\n"
        "    main(['sound', *args])\n"
        "assert not {'torch', 'audiomentations', 'librosa'} & set(sys.modules)",
        MILONGA_HOME=str(home.parent),
    )


def test_info_of_a_name_and_of_a_file(milonga, home, file):
    done = milonga("sound", "info", "río")
    for text in (
        "drone ñ.wav",
        "5 steps",
        "to 50% (0% is a steady sound",
        "rank",
        "no control tension",
    ):
        assert text in done.out
    about = milonga("sound", "info", file, "--json").json
    assert about["name"] == "río"
    assert about["controls"]["brightness"]["effect"]["spearman"]["brightness"] == 0.97
    assert len(about["sound_sha256"]) == 64


def test_tags_and_notes(milonga, home, file):
    milonga("sound", "info", "río", "--tag", "water", "--tag", "night", "--note", "Recorded in May")
    done = milonga("sound", "info", "río", "--untag", "night", "--licence", "CC0", "--json").json
    assert (done["tags"], done["notes"], done["licence"]) == (["water"], "Recorded in May", "CC0")
    (found,) = milonga("sound", "search", "WATER", "may", "--json").json
    assert found["name"] == "río"
    assert milonga("sound", "search", "desert").status == 1
    assert milonga("sound", "search", "desert", "--json").json == []
    refused = milonga("sound", "info", file, "--tag", "x")
    assert refused.status == 2
    assert "sound add" in refused.err


def test_adding_renaming_and_deleting(milonga, home, file):
    clash = milonga("sound", "add", file)
    assert clash.status == 1
    assert "already" in clash.err
    assert milonga("sound", "add", file, "--name", "copy").status == 0
    assert milonga("sound", "rename", "copy", "other", "--json").json["name"] == "other"
    assert not (home / "copy").exists()
    # Nobody answers: nothing is deleted.
    asked = milonga("sound", "delete", "other")
    assert asked.status == 130
    assert "for good?" in asked.err
    assert (home / "other").exists()
    assert milonga("sound", "delete", "other", "--yes", "--json").json["name"] == "other"
    assert not (home / "other").exists()


def test_errors_say_what_to_do(milonga, home, tmp_path):
    for name in ("hit.wav", "./hit.M4A"):
        mistaken = milonga("sound", "play", name)
        assert mistaken.status == 1
        assert f"sound play MODEL --like {Path(name)}" in mistaken.err
        assert "sound train" in mistaken.err
    unknown = milonga("sound", "info", "rio grande")
    assert unknown.status == 1
    assert "sound list" in unknown.err
    (tmp_path / "evil.safetensors").write_bytes(b"\x80\x04\x95junkjunkjunk")
    evil = milonga("sound", "info", "evil.safetensors")
    assert evil.status == 1
    assert "could run code" in evil.err
    bad = milonga("sound", "rename", "río", "a/b")
    assert bad.status == 1
    assert "can't be the name" in bad.err
    assert milonga("sound", "lst").status == 2


def test_playing_leaves_sound_and_receipt(milonga, home, tmp_path):
    done = milonga(
        "sound", "play", "río", "--seconds", 1, "--set", "brightness=+2", "--seed", 4,
        "--vocoder", "griffin-lim", "-o", "a.wav",
    )  # fmt: skip
    assert done.status == 0, done.err
    from milonga.audio.export.receipt import check_export

    made = check_export(tmp_path / "a.wav").made
    assert made.model == "río"
    assert made.seed == 4
    assert made.model_sha256 == milonga("sound", "info", "río", "--json").json["sound_sha256"]
    assert made.settings["controls"] == {"brightness": 2.0}


@pytest.mark.parametrize(
    ("args", "status", "word"),
    [
        (["--set", "sparkle=1"], 1, "Known: brightness"),
        (["--set", "tension=1"], 1, "no control 'tension'"),
        (["--set", "pulse=9"], 1, "-4 to 4"),
        (["--set", "pulse"], 2, "CONTROL=VALUE"),
        (["--like", "nothing.wav"], 1, "no recording 'nothing.wav'"),
        (["--like", "click.wav"], 1, "click.wav: The recording lasts 0.023 ms, too short"),
        (["-o", "a.xyz"], 1, "suffix"),
    ],
)
def test_what_cannot_be_played_is_explained(milonga, home, tmp_path, args, status, word):
    write(tmp_path / "click.wav", Clip(np.ones(1), 44_100))
    done = milonga("sound", "play", "río", "--vocoder", "griffin-lim", *args)
    assert done.status == status
    assert word in done.err
    assert not list(tmp_path.glob("*-s0.wav"))
