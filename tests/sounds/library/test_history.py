"""History: whole entries whatever happens, within bounds."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from milonga.audio import Clip, read
from milonga.audio.export.receipt import Provenance
from milonga.errors import ConfigError, OutputError, SoundError
from milonga.runtime.devices import thread_count
from milonga.sounds.instrument.instrument import Instrument
from milonga.sounds.instrument.replay import replayed
from milonga.sounds.library.history import History
from milonga.sounds.library.history_entry import ENTRY, PlayedModel, played_model
from milonga.sounds.model.play_settings import PlaySettings

RATE = 44_100


@pytest.fixture
def models(library, sound_models):
    for seed, name in enumerate(("tiny", "other")):
        library.save(name, *sound_models.small_model(name, seed=seed))
    return library


def noise(seed=0, seconds=0.5):
    rng = np.random.default_rng(seed)
    return Clip(0.1 * rng.standard_normal(round(seconds * RATE)), RATE)


def put(history, model="tiny", seed=0, seconds=0.5, **more):
    return history.record(
        noise(seed, seconds),
        models=[PlayedModel(model=model, sha256="0" * 64)],
        settings=PlaySettings(seed=seed),
        made=Provenance(model=model, seed=seed),
        **more,
    )


def numbers(history, model=None):
    return [kept.number for kept in history.entries(model)]


def test_an_entry_holds_settings_sound_and_picture(models):
    history = History()
    kept = put(history, seed=7, picture=b"\x89PNG", export={"format": "flac"})
    assert kept.number == 1
    assert kept.folder == models.folder / "tiny" / "history" / "000001"
    assert kept.entry.settings == PlaySettings(seed=7)
    assert kept.picture.read_bytes() == b"\x89PNG"
    # 16 bits: half a step of rounding and one of triangular dither.
    stored = history.clip(1)
    assert np.abs(stored.samples - noise(7).samples).max() <= 1.5 / 32768 + 1e-7
    document = kept.to_dict()
    assert (document["models"][0]["model"], document["pinned"]) == ("tiny", False)


def test_numbers_run_through_all_models_and_are_never_given_twice(models):
    history = History()
    for model in ("tiny", "other", "tiny"):
        put(history, model)
    blend = [PlayedModel(model=name, sha256="0" * 64, weight=0.5) for name in ("tiny", "other")]
    history.record(noise(), models=blend, settings=PlaySettings(), made=Provenance(), kind="blend")
    assert numbers(history) == [1, 2, 3, 4]
    assert numbers(history, "tiny") == [1, 3, 4]
    assert history.last("tiny").number == 3
    history.prune(keep=0)
    assert numbers(history) == []
    assert put(history).number == 5
    assert history.last("tiny").number == 5
    with pytest.raises(SoundError, match=r"no number 4\.\s+The last one is 5"):
        history.get(4)


def test_played_again_it_is_the_same_bit_for_bit(models):
    instrument = Instrument.open("tiny", vocoder="griffin-lim")
    settings = PlaySettings(seed=3, seconds=0.4, controls={"brightness": 1.0})
    asked = settings.resolve(instrument.player)
    kept = History().record(
        instrument.play(asked),
        models=[played_model(instrument.path, instrument.sha256)],
        settings=settings,
        made=instrument.provenance(asked),
    )
    assert replayed(kept).same


def test_played_again_it_says_what_has_changed(models, sound_models):
    instrument = Instrument.open("tiny", vocoder="griffin-lim")
    settings = PlaySettings(seconds=0.4, controls={"pulse": 1.0})
    asked = settings.resolve(instrument.player)
    kept = History().record(
        instrument.play(asked),
        models=[played_model(instrument.path, instrument.sha256)],
        settings=settings,
        made=instrument.provenance(asked),
    )
    models.save("tiny", *sound_models.small_model("tiny", seed=5))
    threads = thread_count()
    made = kept.entry.made.model_copy(update={"threads": threads + 1})
    again = replayed(replace(kept, entry=kept.entry.model_copy(update={"made": made})))
    assert not again.same
    assert again.notes[0] == "'tiny' was trained again since."
    assert again.notes[1].startswith(f"Networks had {threads + 1} threads, now {threads}: ")
    # What was kept before receipts named them.
    made = kept.entry.made.model_copy(update={"threads": None})
    unknown = replayed(replace(kept, entry=kept.entry.model_copy(update={"made": made})))
    assert not any("threads" in note for note in unknown.notes)
    models.save("tiny", *sound_models.small_model("tiny", seed=5, disabled=("pulse",)))
    with pytest.raises(SoundError, match=r"Number 1 can't be played again: .* no control 'pulse'"):
        replayed(kept)


def test_the_oldest_sounds_go_first_and_pinned_ones_stay(models):
    history = History()
    sizes = [put(history, seed=n).size for n in range(6)]
    history.pin(2)
    pruned = history.prune(max_bytes=sum(sizes) - 2.5 * sizes[0])
    assert (pruned.sounds, pruned.entries) == ((1, 3, 4), ())
    assert [kept.number for kept in history.entries() if kept.sound] == [2, 5, 6]
    with pytest.raises(SoundError, match="gone for room"):
        history.clip(1)
    pruned = history.prune(max_bytes=0)
    assert pruned.entries == (1, 3, 4, 5, 6)
    assert numbers(history) == [2]
    history.pin(2, False)
    history.prune(keep=0)
    assert numbers(history) == []


def test_the_limit_holds_by_itself_but_not_against_the_newest(models):
    one = put(History()).size
    history = History(limit=3.2 * one)
    for seed in range(5):
        put(history, seed=seed)
    whole = [kept.number for kept in history.entries() if kept.sound]
    assert whole == [4, 5, 6]
    assert sum(kept.size for kept in history.entries()) <= 3.2 * one
    assert put(History(limit=1.0)).sound is not None
    assert put(History(limit=0)) is None


def test_the_configuration_sets_the_limit(models):
    path = models.folder.parent / "config.toml"
    path.write_text("[sounds]\nhistory_mb = 2.5\n")
    assert History().limit == 2.5e6
    path.write_text("[sounds]\nhistory_mb = -1\n")
    with pytest.raises(ConfigError, match="history_mb"):
        History()


def test_entries_go_where_their_model_goes(models):
    history = History()
    put(history)
    models.rename("tiny", "small")
    assert history.entries("small")[0].models == ("small",)
    models.delete("small")
    assert numbers(history) == []
    assert put(history, "other").number == 2


def test_a_model_that_was_deleted_meanwhile_does_not_come_back(models):
    models.delete("tiny")
    with pytest.raises(OutputError):
        put(History())
    assert not (models.folder / "tiny").exists()


@pytest.mark.parametrize("text", ["", "{}", '{"number": 1'])
def test_a_damaged_entry_is_left_out(models, text):
    history = History()
    put(history)
    (put(history).folder / ENTRY).write_text(text)
    assert numbers(history) == [1]
    assert put(history).number == 3


def test_a_half_copied_library_keeps_counting(models):
    history = History()
    put(history)
    put(history)
    shutil.rmtree(models.folder / ".history")
    assert put(history).number == 3


def test_a_library_of_version_0_1_keeps_counting(models):
    """It kept the last number alone, and its leftovers beside the entries."""
    history = History()
    put(history, picture=b"PNG")
    place = models.folder / "tiny" / "history"
    shutil.rmtree(models.folder / ".history")
    (models.folder / ".history").mkdir()
    (models.folder / ".history" / "last").write_text("41\n")
    for leftover in (".making-0011", ".deleted-0011"):
        (place / leftover).mkdir()
    assert numbers(history) == [1]
    assert put(history).number == 42
    assert {folder.name for folder in place.iterdir()} == {"000001", "000042"}


def test_what_others_change_in_the_folders_is_counted(models, tmp_path):
    """Entries come with a copied folder, and go with a removed one."""
    history = History()
    one = put(history).size
    copied = models.folder / "copied" / "history" / "000070"
    shutil.copytree(history.get(1).folder, copied)
    entry = copied / ENTRY
    entry.write_text(entry.read_text().replace('"number": 1,', '"number": 70,'))
    assert numbers(history) == [1, 70]
    assert put(History(limit=4.5 * one)).number == 71
    shutil.rmtree(copied.parent.parent)
    # Of the 4.5 there are two: nothing has to go.
    assert put(History(limit=4.5 * one)).number == 72
    assert [kept.number for kept in history.entries() if kept.sound] == [1, 71, 72]
    # A number far off (whoever made that folder) holds nobody up.
    (models.folder / "tiny" / "history" / "999999999").mkdir()
    limited = put(History(limit=2.5 * one))
    assert limited.number == 1_000_000_000
    assert [kept.number for kept in history.entries() if kept.sound] == [72, 1_000_000_000]


def test_an_entry_that_is_pinned_no_longer_may_go_again(models):
    one = put(History()).size
    history = History(limit=2.5 * one)
    history.pin(1)
    for _ in range(3):
        put(history)
    assert [kept.number for kept in history.entries() if kept.sound] == [1, 4]
    history.pin(1, False)
    put(history)
    assert [kept.number for kept in history.entries() if kept.sound] == [4, 5]


def test_recording_reads_no_other_entry(models, monkeypatch):
    """5,000 entries: 3 s for each more, under the lock of the library."""
    history = History()
    one = put(history).size
    template = history.get(1).folder
    for number in range(2, 400):
        shutil.copytree(template, template.with_name(f"{number:06d}"))
    history = History(limit=401.5 * one)
    put(history)
    looked = []
    for name in ("scandir", "listdir"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda path, real=real: looked.append(str(path)) or real(path)
        )
    # The first two fit, then the oldest go.
    for _ in range(4):
        put(history)
    assert not any(path.endswith("history") for path in looked)
    assert len({path for path in looked if Path(path).name.isdecimal()}) <= 4
    gone = [
        number
        for number in range(1, 405)
        if not (template.with_name(f"{number:06d}") / "sound.flac").exists()
    ]
    assert gone[:3] == [1, 2, 3][: len(gone)]
    assert gone


RECORDER = """
import numpy as np
from milonga.audio import Clip
from milonga.audio.export.receipt import Provenance
from milonga.sounds.library.history import History
from milonga.sounds.library.history_entry import PlayedModel
from milonga.sounds.model.play_settings import PlaySettings

history = History()
for seed in range({count}):
    clip = Clip(0.1 * np.random.default_rng(seed).standard_normal(8000), 44_100)
    history.record(
        clip,
        models=[PlayedModel(model="tiny", sha256="0" * 64)],
        settings=PlaySettings(seed=seed),
        made=Provenance(model="tiny"),
        picture=b"PNG",
    )
    print("kept", flush=True)
"""


def recorder(count):
    return subprocess.Popen(
        [sys.executable, "-c", RECORDER.format(count=count)], stdout=subprocess.PIPE
    )


def test_two_processes_at_once_get_numbers_of_their_own(models):
    running = [recorder(12), recorder(12)]
    assert [process.communicate(timeout=300) and process.returncode for process in running] == [
        0,
        0,
    ]
    assert numbers(History()) == list(range(1, 25))


def test_killed_at_any_moment_all_entries_are_whole(models):
    rng = np.random.default_rng(0)
    before = 0
    for _ in range(3):
        process = recorder(10_000)
        for _ in range(3):
            process.stdout.readline()
        time.sleep(rng.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait(300)
        process.stdout.close()
        kept = History().entries()
        assert len(kept) >= before + 3
        assert all(read(one.sound).n_samples == 8000 for one in kept)
        assert all(one.picture.read_bytes() == b"PNG" for one in kept)
        assert len({one.number for one in kept}) == len(kept)
        before = len(kept)
    assert put(History()).number > max(one.number for one in kept)
