"""What the system refuses is found before the work, explained, and never called damage."""

import json

import numpy as np
import pytest
import sound_models

from milonga import audio
from milonga.errors import (
    ConfigError,
    MilongaError,
    OutputError,
    PlanError,
    SoundError,
    UnreadableError,
)
from milonga.runtime.config import load_config
from milonga.runtime.logs import explained
from milonga.sounds.library.history import History
from milonga.sounds.library.library import Library
from milonga.sounds.library.presets import Presets
from milonga.sounds.model.play_settings import PlaySettings
from milonga.workflows.comparing import compare
from milonga.workflows.playing import play_sound
from milonga.workflows.songs import mix_song, plan_song, render_song, replay, write_report
from milonga.workflows.takes import list_takes
from milonga.workflows.training import train_model
from milonga.workflows.vocoding import vocode

SHEET = "title: A\nsegments:\n- {number: 1, name: Uno, section: intro, seconds: 1}\n"


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    folder = tmp_path_factory.mktemp("song")
    (folder / "song.yaml").write_text(SHEET)
    render_song(folder / "song.yaml", folder / "out", report=False)
    return folder


@pytest.fixture
def tone(tmp_path):
    path = tmp_path / "tone.wav"
    wave = 0.3 * np.sin(np.arange(22_050) / 9)
    audio.write(path, audio.Clip(wave.astype(np.float32)[None], 22_050))
    return path


def takes(song):
    return song / "out" / "takes" / "01-uno"


def test_an_output_that_cannot_be_written_is_no_plan(tmp_path, closed):
    (tmp_path / "song.yaml").write_text(SHEET)
    (tmp_path / "file").write_text("in the way")
    for out, words in ((tmp_path / "file", "in the way"), (tmp_path / "file" / "x", "in the way")):
        with pytest.raises(PlanError, match="nothing was started") as caught:
            plan_song(tmp_path / "song.yaml", out)
        assert words in str(caught.value)
    (tmp_path / "locked").mkdir()
    closed(tmp_path / "locked", 0o555)
    with pytest.raises(PlanError) as caught:
        plan_song(tmp_path / "song.yaml", tmp_path / "locked")
    assert "No permission to write here. Check its owner" in str(caught.value)


def test_a_folder_of_takes_that_cannot_be_written_is_no_plan(song, closed):
    closed(takes(song), 0o555)
    with pytest.raises(PlanError, match="nothing was started") as caught:
        plan_song(song / "song.yaml", song / "out", takes=2)
    assert str(takes(song)) in str(caught.value)


@pytest.mark.parametrize("name", ["guide-s0.json", "guide-s0.wav", "."])
def test_a_take_that_cannot_be_read_is_not_taken_for_damaged(song, closed, name):
    closed(takes(song) / name)
    with pytest.raises(UnreadableError, match="can't be read: Permission denied") as caught:
        plan_song(song / "song.yaml", song / "out")
    assert caught.value.step == "Check its owner and permissions."
    if name == ".":
        for call in (mix_song, list_takes):
            with pytest.raises(UnreadableError, match="can't be read"):
                call(song / "out")
    else:
        mixed = mix_song(song / "out")
        assert not mixed.complete
        assert "can't be read: Permission denied" in "".join(mixed.notes)


@pytest.mark.parametrize("name", ["song.json", "session.json", "."])
def test_a_record_that_cannot_be_read_is_not_called_damaged(song, closed, name):
    if name == "session.json":
        # As milonga 0.1 called it.
        document = json.loads((song / "out" / "song.json").read_text())
        (song / "out" / name).write_text(json.dumps(document | {"format_version": 1}))
        (song / "out" / "song.json").rename(song / "aside")
    try:
        closed(song / "out" / name)
        for call in (mix_song, list_takes, write_report):
            with pytest.raises(MilongaError, match="can't be read: Permission denied") as caught:
                call(song / "out")
            assert "owner and permissions" in caught.value.step
            assert "damaged" not in str(caught.value)
    finally:
        if (song / "aside").exists():
            (song / "out" / name).unlink()
            (song / "aside").rename(song / "out" / "song.json")


def test_mix_and_report_are_refused_before_they_work(song, closed, monkeypatch):
    monkeypatch.setattr("milonga.songs.output.mixing.mixdown", None)
    monkeypatch.setattr("milonga.songs.output.report.compare_clips", None)
    closed(song / "out", 0o555)
    for call in (mix_song, write_report):
        with pytest.raises(OutputError, match="No permission"):
            call(song / "out")


def test_files_are_refused_before_there_is_any_sound(song, tone, tmp_path, closed, monkeypatch):
    (tmp_path / "locked").mkdir()
    closed(tmp_path / "locked", 0o555)
    out = tmp_path / "locked" / "x.wav"
    for name in ("workflows.songs.replay_take", "vocoders.copy_synthesis.analyse"):
        monkeypatch.setattr(f"milonga.{name}", None)
    monkeypatch.setattr("milonga.analysis.comparison.compare", None)
    for call in (
        lambda: replay(takes(song) / "guide-s0.json", out=out),
        lambda: vocode(tone, out, vocoder="griffin-lim"),
        lambda: compare(tone, [tone], report=tmp_path / "locked" / "page"),
    ):
        with pytest.raises(OutputError, match="No permission"):
            call()


def test_links_out_of_the_output_are_not_written_through(song, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    kept = [elsewhere / ".part-0123abcd-x.wav", elsewhere / "guide-s0.wav"]
    for path in kept:
        path.write_text("x")
    for place in ("takes", "takes/01-uno", "takes/01-uno/damaged"):
        out = tmp_path / place.replace("/", "-")
        (out / place).parent.mkdir(parents=True)
        (out / place).symlink_to(elsewhere)
        with pytest.raises(PlanError, match="nothing was started") as caught:
            render_song(song / "song.yaml", out, report=False)
        assert "a link to another place" in str(caught.value)
    for place in ("report", "report/audio", "report/pictures"):
        out = tmp_path / place.replace("/", "-")
        (out / place).parent.mkdir(parents=True)
        (out / place).symlink_to(elsewhere)
        with pytest.raises(OutputError, match="a link to another place"):
            render_song(song / "song.yaml", out)
        assert not (out / "takes").exists()
    assert sorted(elsewhere.iterdir()) == sorted(kept)


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    library = Library()
    library.save("tiny", *sound_models.small_model())
    return library


def test_a_library_that_cannot_be_written(library, tone, closed):
    closed(library.folder, 0o555)
    for call in (
        lambda: library.rename("tiny", "other"),
        lambda: library.delete("tiny"),
        lambda: library.annotate("tiny", tags=["x"]),
        lambda: Presets("tiny").save("p", PlaySettings(seed=1)),
        lambda: History().prune(keep=0),
        lambda: train_model(tone, "new"),
    ):
        with pytest.raises(OutputError, match="No permission") as caught:
            call()
        assert "owner and permissions" in caught.value.step


def test_one_model_that_cannot_be_read_stops_no_list(library, closed):
    library.save("other", *sound_models.small_model())
    closed(library.folder / "tiny")
    found = {saved.name: saved.problem for saved in library.models()}
    assert found["other"] == ""
    assert "can't be read: Permission denied" in found["tiny"]


def test_presets_history_and_configuration_that_cannot_be_read(library, tmp_path, closed):
    Presets("tiny").save("p", PlaySettings(seed=1))
    closed(library.folder / "tiny" / "presets.json")
    with pytest.raises(SoundError, match="can't be read: Permission denied"):
        Presets("tiny").all()
    play_sound("tiny", tmp_path / "x.wav", seconds=1, vocoder="griffin-lim")
    (entry,) = (library.folder / "tiny").rglob("entry.json")
    closed(entry)
    with pytest.raises(SoundError, match="Number 1 of the history can't be read"):
        History().get(1)
    (tmp_path / "home" / "config.toml").write_text("")
    closed(tmp_path / "home" / "config.toml")
    with pytest.raises(ConfigError, match="can't be read: Permission denied"):
        load_config()


def test_what_else_the_system_refuses_is_no_surprise(tmp_path, closed):
    closed(tmp_path)
    try:
        (tmp_path / "x").read_bytes()
    except PermissionError as error:
        said = explained(error)
    assert said.startswith(f"{tmp_path / 'x'}: Permission denied.")
    assert "did not expect" not in said
