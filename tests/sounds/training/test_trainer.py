"""Training: full batches, falling losses, resuming, going on with more recordings."""

import json
import os
import signal
import time

import numpy as np
import pytest
import torch
from safetensors.torch import save as pack
from warm_process import WarmProcess

from milonga.errors import Cancelled, CorpusError, SoundError
from milonga.runtime.progress import Progress
from milonga.sounds.controls.descriptors import NAMES
from milonga.sounds.controls.statistics import control_statistics
from milonga.sounds.corpus.segments import Segments, consecutive, moved
from milonga.sounds.folder import CHECKPOINT
from milonga.sounds.training import checkpoint
from milonga.sounds.training.result import StartModel
from milonga.sounds.training.train import train
from milonga.sounds.training.trainer import Trainer


class _StopAt(Progress):
    """Cancels at a step, as Ctrl-C does."""

    def __init__(self, step):
        super().__init__()
        self._step = step

    def show(self, update):
        if update.label == "Training" and update.done >= self._step:
            self.cancel()


def test_five_short_files_make_full_batches(sounds):
    short = [sounds.pitched(0.3, 200 * n, 0.6, n) for n in range(1, 6)]
    store = sounds.store(short, [])
    segments = Segments(store.tracks("train"), 256, 0)
    for step in range(5):
        batch = segments.batch(step, 6)
        assert batch.shape == (6, 128, 256)
        assert batch.dtype == np.float32
        assert np.isfinite(batch).all()
        # Every stretch of half a second sounds.
        assert (batch.max(axis=1).reshape(6, -1, 32).max(axis=2) > -8).all()
    np.testing.assert_array_equal(segments.batch(3, 6), segments.batch(3, 6))
    assert (segments.batch(3, 6) != segments.batch(4, 6)).any()


def test_nothing_to_train_on_is_said(sounds):
    with pytest.raises(CorpusError, match="no audio"):
        Segments([], 256, 0)


def test_moving_a_mel_keeps_a_whole_shift_exact():
    mel = np.random.default_rng(0).standard_normal((128, 40)).astype(np.float32)
    np.testing.assert_array_equal(moved(mel, 40, 1.0, 0.0), mel)
    np.testing.assert_array_equal(moved(mel, 20, 2.0, 3.0)[3:], mel[:-3, ::2])


def test_consecutive_stretches_cover_a_corpus(store):
    stretches = list(consecutive(store.tracks("train"), 64, 1000))
    assert all(s.shape[2] % 8 == 0 and s.shape[1] == 128 for s in stretches)
    assert len(list(consecutive(store.tracks("train"), 64, 5))) == 5


def test_losses_fall_and_the_record_says_so(trained):
    tensors, record = trained.tensors, trained.record
    history = record.history
    assert history[-1]["asked"] < history[0]["asked"]
    assert record.error < 0.6 * record.error_of_constant
    assert record.steps == 150
    controls = {name: about.model_dump() for name, about in trained.controls.items()}
    json.dumps([trained.architecture, controls, record.to_dict()], allow_nan=False)
    assert all(torch.isfinite(value).all() for value in tensors.values())
    assert set(record.controls_in_latent) == set(NAMES)


def test_every_parameter_learns(store, tiny, tmp_path):
    run = Trainer(store, tmp_path, tiny(), Progress())
    before = {name: value.clone() for name, value in run.net.named_parameters()}
    for _ in range(3):
        run._one_step()
    for name, value in run.net.named_parameters():
        assert not torch.equal(value, before[name]), name


def test_a_resumed_training_is_the_uninterrupted_one(store, tiny, tmp_path):
    settings = tiny(steps=8, evaluate_every=3)
    whole = train(store, tmp_path / "whole", settings)
    for step in (2, 7):
        with pytest.raises(Cancelled):
            train(store, tmp_path / "parts", settings, _StopAt(step))
    parts = train(store, tmp_path / "parts", settings)
    assert whole.tensors.keys() == parts.tensors.keys()
    for name, value in whole.tensors.items():
        assert torch.equal(value, parts.tensors[name]), name
    assert whole.controls == parts.controls
    assert whole.record.history == parts.record.history
    # A finished one is only read again.
    again = train(store, tmp_path / "parts", settings)
    assert all(torch.equal(value, again.tensors[name]) for name, value in parts.tensors.items())


def test_a_checkpoint_of_something_else_is_refused(store, sounds, tiny, tmp_path):
    train(store, tmp_path, tiny(steps=2))
    with pytest.raises(SoundError, match="other settings"):
        train(store, tmp_path, tiny(steps=2, seed=1))
    other = sounds.store([sounds.noisy(1, 100, 900)], [])
    with pytest.raises(SoundError, match="other settings or recordings"):
        train(other, tmp_path, tiny(steps=2))
    data = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(data[: len(data) // 2])
    with pytest.raises(SoundError, match="can't be read") as caught:
        train(store, tmp_path, tiny(steps=2))
    assert "Remove this file" in str(caught.value)


_WRITER = """
import sys
from pathlib import Path
import torch
from milonga.sounds.training import checkpoint
step = 0
while True:
    step += 1
    checkpoint.save(Path(sys.argv[1]), {"step": step}, {"a": torch.full((3_000_000,), float(step))})
    print(step, flush=True)
"""


@pytest.mark.parametrize(
    "wait", [0.004, *(pytest.param(wait, marks=pytest.mark.slow) for wait in (0.0, 0.011))]
)
def test_a_kill_while_a_checkpoint_is_written_does_no_harm(tmp_path, wait):
    process = WarmProcess(["-c", _WRITER, tmp_path])
    for _ in range(2):
        process.stdout.readline()
    time.sleep(wait)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    state, tensors = checkpoint.load(tmp_path)
    assert (tensors["a"] == state["step"]).all()
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_checkpoint_of_version_0_1_is_read(tmp_path):
    header = json.dumps({"step": 7, "best_score": None, "format": 1})
    data = pack({"net.a": torch.arange(3.0)}, {"milonga": header})
    (tmp_path / CHECKPOINT).write_bytes(data)
    state, tensors = checkpoint.load(tmp_path)
    assert (state["step"], state["best_score"]) == (7, None)
    assert torch.equal(tensors["net.a"], torch.arange(3.0))


@pytest.mark.slow
def test_training_goes_on_with_other_recordings(store, sounds, tiny, trained, tmp_path):
    tensors = trained.tensors
    more = sounds.store([sounds.pitched(2, 700, 0.4, 9), sounds.noisy(2, 3000, 9000)],
                        [sounds.pitched(1, 600, 0.4, 5)])  # fmt: skip
    told = train(
        more,
        tmp_path,
        tiny(steps=10),
        start=StartModel(trained.architecture, tensors),
        previous=store,
    )
    earlier = told.record.earlier_recordings
    assert earlier.error_before == pytest.approx(trained.record.error, abs=2e-4)
    assert earlier.error_after > 0
    # The scale of the network stays, so that its latents keep their meaning.
    assert torch.equal(told.tensors["mel_mean"], tensors["mel_mean"])
    assert not torch.equal(told.tensors["encoder.out.weight"], tensors["encoder.out.weight"])


def test_training_stops_when_nothing_gets_better(store, tiny, tmp_path):
    settings = tiny(steps=400, evaluate_every=1, patience=2, learning_rate=1e-12)
    record = train(store, tmp_path, settings).record
    assert record.stopped_early
    assert record.steps < 400


@pytest.mark.slow
def test_budgets_and_previews(store, tiny, tmp_path):
    shown = []
    settings = tiny(steps=None, epochs=1, preview_s=0.0, checkpoint_s=0.0)
    train(store, tmp_path, settings, preview=lambda mel, step: shown.append((mel.shape, step)))
    assert [step for _, step in shown] == list(range(1, 21))
    assert all(shape[:2] == (1, 128) for shape, _ in shown)
    short = tiny(steps=None, minutes=0.01)
    record = train(store, tmp_path / "clock", short).record
    assert record.seconds >= 0.6
    assert record.budget == {"minutes": 0.01, "steps": None}


@pytest.mark.slow
def test_a_corpus_of_one_file_and_of_one_frame(sounds, tiny, tmp_path):
    for name, samples in (("one", sounds.pitched(1, 300, 0.5)), ("frame", np.ones(600) * 0.1)):
        made = train(sounds.store([samples], []), tmp_path / name, tiny(steps=2))
        assert made.record.held_out is False
        assert np.isfinite(made.record.error)


def test_a_control_that_the_corpus_does_not_vary_is_disabled(sounds):
    steady = sounds.store([sounds.noisy(4, 100, 5000)], [])
    controls = control_statistics(steady.tracks("train"), sounds.spec)
    assert not controls["loudness"].enabled
    assert "hardly differs" in controls["loudness"].reason
    assert "1 is needed" in controls["loudness"].reason


def test_numbers_out_of_range_end_the_training(store, tiny, tmp_path):
    run = Trainer(store, tmp_path, tiny(), Progress())
    run.net.decoder.out.bias.data.fill_(float("nan"))
    with pytest.raises(SoundError, match="range of numbers"):
        run._one_step()
