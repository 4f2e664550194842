import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from warm_process import WarmProcess

from milonga.errors import Cancelled, VocoderError
from milonga.runtime.progress import Progress
from milonga.vocoders.training import state
from milonga.vocoders.training.pairs import Pairs
from milonga.vocoders.training.settings import VocoderSettings


def test_losses_fall(begin):
    training = begin(critics_from=45)
    mels = [training.train_step().mel for _ in range(52)]
    # Measured: from 5.9 to 3.0.
    assert np.mean(mels[47:]) < 0.6 * np.mean(mels[:5])
    assert training.history[0][0] == 50


def test_critics_learn_to_tell(begin):
    training = begin(critics_from=0)
    critics = [training.train_step().critics for _ in range(10)]
    # Measured: from 8.0 to 5.6; the best constant answer, 0.5, would lose 4.
    assert np.mean(critics[-5:]) < np.mean(critics[:3])


def test_gradients_reach_every_parameter(begin):
    training = begin(critics_from=0)
    training.train_step()
    for module in (training.generator, training.critics):
        for name, parameter in module.named_parameters():
            memory = _memory(training, parameter)
            assert memory is not None, name
            assert float(memory["exp_avg"].abs().max()) > 0, name


def test_the_average_follows(begin):
    training = begin(average=0.5)
    before = training.result()
    for _ in range(3):
        training.train_step()
    weights = training.generator.state_dict()
    for name, kept in training.result().items():
        start, end = before[name], weights[name]
        assert float((kept - end).abs().mean()) < float((start - end).abs().mean()), name
    plain = begin(average=0.0)
    plain.train_step()
    for name, value in plain.result().items():
        assert torch.equal(value, plain.generator.state_dict()[name])


def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(begin, tmp_path):
    whole = begin(tmp_path / "whole", steps=7)
    whole.run()
    # Stopped before the critics join and after.
    for stop in (2, 5, 7):
        begin(tmp_path / "parts", steps=stop).run()
    parts = begin(tmp_path / "parts", steps=7)
    assert parts.step == whole.step == 7
    _same(whole, parts)
    assert parts._recent == whole._recent


def test_cancel_keeps_all_steps(begin, tmp_path):
    progress = Progress(lambda update: progress.cancel() if update.done == 4 else None)
    training = begin(tmp_path, steps=9)
    with pytest.raises(Cancelled):
        training.run(progress)
    again = begin(tmp_path, steps=9)
    assert again.step == 4
    _same(training, again)
    again.run()
    whole = begin(steps=9)
    whole.run()
    _same(whole, again)


KILLED = """
import sys
from pathlib import Path
import numpy as np, torch
sys.path.insert(0, sys.argv[1])
import conftest
from milonga.vocoders.bigvgan.config import BigVGANConfig
from milonga.vocoders.training.fresh import fresh_generator
from milonga.vocoders.training.pairs import Pairs
from milonga.vocoders.training.settings import VocoderSettings
from milonga.vocoders.training.trainer import VocoderTraining
pairs = Pairs([conftest.tone(220, 0.9), conftest.tone(330, 0.7, 1)], conftest.SPEC)
settings = VocoderSettings(minutes=None, steps=int(sys.argv[3]), batch=1, frames=24,
                           critics_from=2, critics_width=0.05, checkpoint_s=0.0)
generator = fresh_generator(BigVGANConfig.from_dict(conftest.CONFIG), pairs, 0)
training = VocoderTraining(generator, pairs, settings, Path(sys.argv[2]))
print(training.step, flush=True)
training.run()
total = sum(float(v.double().sum()) for v in training.result().values())
print(training.step, repr(total), flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(tmp_path):
    folder = tmp_path / "killed"
    # Every step writes a checkpoint, so most kills fall into one.
    for delay in (0.3, 0.55):
        with _process(folder, 10**6) as process:
            process.stdout.readline()
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
    assert list(folder.glob("checkpoint*")) or list(folder.glob(".part-*"))
    done = json.loads(_finish(folder, 1)[0])
    steps = done + 2
    assert _finish(folder, steps)[-1] == _finish(tmp_path / "whole", steps)[-1]
    assert not list(folder.glob(".part-*"))


def test_other_settings_or_sounds_are_refused(begin, tmp_path, waves, config):
    begin(tmp_path, steps=2).run()
    for changes in ({"learning_rate": 1e-3}, {"seed": 1}, {"origin": {"corpus": "other"}}):
        with pytest.raises(VocoderError, match="other settings") as error:
            begin(tmp_path, **changes)
        assert "--again" in str(error.value)
    assert begin(tmp_path, steps=99, checkpoint_s=3.0).step == 2


@pytest.mark.parametrize("fault", ["cut", "noise", "empty", "version", "shapes", "pickle"])
def test_a_damaged_checkpoint_is_refused(begin, tmp_path, fault):
    begin(tmp_path, steps=2).run()
    path = tmp_path / state.FILE
    data = path.read_bytes()
    if fault == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif fault == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(5000))
    elif fault == "empty":
        path.write_bytes(b"")
    elif fault == "pickle":
        torch.save({"step": 1}, path)
    else:
        values, tensors = state.load(tmp_path)
        if fault == "shapes":
            name = next(n for n in tensors if n.startswith("generator_optimizer") and "exp" in n)
            tensors[name] = torch.zeros(3)
        state.save(tmp_path, values, tensors)
        if fault == "version":
            path.write_bytes(path.read_bytes().replace(b'\\"version\\": 1', b'\\"version\\": 9'))
    told = {
        "version": "format version 9",
        "pickle": "could run code",
        "noise": "no checkpoint, or one whose beginning is damaged",
    }
    words = told.get(fault, "can't be used")
    with pytest.raises(VocoderError, match=words) as error:
        begin(tmp_path)
    assert error.value.where == str(path)


def test_a_loss_out_of_range_ends_the_training(begin, tmp_path):
    training = begin(tmp_path, steps=3)
    training.run()
    with torch.no_grad():
        training.generator.conv_pre.bias.fill_(float("nan"))
    with pytest.raises(VocoderError, match="range of numbers at step 3"):
        training.train_step()
    assert begin(tmp_path).step == 3


def test_a_budget_in_minutes_ends_by_the_clock(begin, tmp_path):
    training = begin(tmp_path, steps=None, minutes=0.02)
    training.run()
    assert 1.2 <= training.seconds < 6
    assert training.step >= 1
    again = begin(tmp_path, steps=None, minutes=0.02)
    assert again.done
    said = []
    again.run(Progress(said.append))
    assert again.step == training.step


def test_lines_tell_of_the_losses(begin):
    training = begin()
    assert training.line() == "step 0"
    training.train_step()
    assert training.line().startswith("step 1: mel ")
    for _ in range(4):
        training.train_step()
    assert "critics" in training.line()


@pytest.mark.parametrize(
    "changes",
    [{"steps": None}, {"batch": 0}, {"learning_rate": float("nan")}, {"remade": 1.5},
     {"steps": -1}, {"frames": 0}],
)  # fmt: skip
def test_impossible_settings(changes):
    with pytest.raises(VocoderError):
        VocoderSettings(**{"minutes": None, "steps": 1, **changes})


def test_pairs_too_short_for_the_losses(begin, waves):
    with pytest.raises(VocoderError, match="too short"):
        begin(frames=16)
    assert Pairs(waves, begin().generator.config.mel_spec).seconds > 2


def _memory(training, parameter):
    for optimizer in training._optimizers.values():
        if parameter in optimizer.state:
            return optimizer.state[parameter]
    return None


def _same(one, other):
    for name in ("generator", "average", "critics"):
        mine, theirs = getattr(one, name).state_dict(), getattr(other, name).state_dict()
        assert mine.keys() == theirs.keys()
        for key in mine:
            assert torch.equal(mine[key], theirs[key]), key


def _process(folder, steps):
    command = ["-c", KILLED, Path(__file__).parent, folder, steps]
    return WarmProcess(command)


def _finish(folder, steps):
    with _process(folder, steps) as process:
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out.splitlines()
