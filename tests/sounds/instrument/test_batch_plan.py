"""Batches: planned before they start, resumable, exactly what single plays make."""

import json

import numpy as np
import pytest

from milonga.audio import read
from milonga.audio.export.settings import ExportSettings
from milonga.errors import Cancelled, OutputError, SoundError, UnknownNameError
from milonga.runtime.progress import Progress
from milonga.sounds.instrument.batch_plan import MANY, plan_batch
from milonga.sounds.instrument.instrument import Instrument
from milonga.sounds.model.play_settings import PlaySettings

EXPORT = ExportSettings(format="flac", bits=16)


@pytest.fixture
def instrument(library, sound_models):
    library.save("tiny", *sound_models.small_model())
    return Instrument.open("tiny", vocoder="griffin-lim")


@pytest.fixture
def asked(instrument):
    settings = PlaySettings(seconds=0.2, controls={"warmth": 1.0, "brightness": 4.0})
    return settings.resolve(instrument.player)


def test_every_seed_with_every_value_and_over_what_all_share(instrument, asked, tmp_path):
    grid = {"brightness": [-1.0, 1.0], "pca1": [0.5]}
    plan = plan_batch(instrument, asked, [4, 5], grid, EXPORT, "tiny")
    assert [job.name for job in plan.jobs][:2] == [
        "tiny-s4-brightness-1-pca1+0.5",
        "tiny-s4-brightness+1-pca1+0.5",
    ]
    result = plan.make(tmp_path)
    assert result.count("made") == 4
    receipt = json.loads((tmp_path / "tiny-s5-brightness+1-pca1+0.5.flac.json").read_text())
    settings = receipt["made"]["settings"]
    assert settings["controls"] == {"warmth": 1.0, "brightness": 1.0}
    assert settings["axes"] == {"pca1": 0.5}
    single = PlaySettings(
        seconds=0.2, seed=5, controls={"warmth": 1.0, "brightness": 1.0}, axes={"pca1": 0.5}
    )
    clip = instrument.play(single)
    stored = read(tmp_path / "tiny-s5-brightness+1-pca1+0.5.flac")
    # 16 bits with dither: one and a half steps.
    assert np.abs(stored.samples - clip.samples).max() <= 1.5 / 32768 + 1e-7
    size = sum(path.stat().st_size for path in tmp_path.glob("tiny*"))
    assert size <= plan.size


def test_it_goes_on_where_it_was_cancelled(instrument, asked, tmp_path):
    plan = plan_batch(instrument, asked, range(4), {}, EXPORT, "tiny")

    def stop(update):
        if update.label == "Playing" and update.done == 2:
            progress.cancel()

    progress = Progress(stop)
    with pytest.raises(Cancelled):
        plan.make(tmp_path, progress=progress)
    result = plan.make(tmp_path)
    assert (result.count("kept"), result.count("made")) == (2, 2)


@pytest.mark.parametrize(
    ("grid", "error"),
    [
        ({"sweetness": [1.0]}, UnknownNameError),
        ({"tension": [1.0]}, SoundError),
        ({"brightness": [0.0, 5.0]}, SoundError),
        ({"pca9": [1.0]}, UnknownNameError),
    ],
)
def test_what_the_model_can_not_do_is_found_before_any_sound(instrument, asked, grid, error):
    with pytest.raises(error):
        plan_batch(instrument, asked, [0], grid, EXPORT, "tiny")


def test_very_many_sounds_need_a_yes(instrument, asked, tmp_path):
    plan = plan_batch(instrument, asked, range(MANY + 1), {}, EXPORT, "tiny")
    with pytest.raises(SoundError, match=r"1,001 sounds, up to .* MB"):
        plan.check_room(tmp_path)
    plan.check_room(tmp_path, many=True)


def test_a_disk_with_too_little_room_is_found_before(instrument, tmp_path):
    settings = PlaySettings(seconds=3600 * 24)
    export = ExportSettings(rate=96_000, bits=32, format="wav", channels="stereo")
    plan = plan_batch(instrument, settings, range(MANY), {}, export, "tiny")
    assert plan.size > MANY * 3600 * 24 * 96_000 * 8
    with pytest.raises(OutputError, match="are free"):
        plan.check_room(tmp_path / "not" / "yet")
    assert not (tmp_path / "not").exists()
