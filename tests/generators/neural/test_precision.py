import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from milonga.compute import processor
from milonga.errors import Cancelled
from milonga.generators.neural import precision
from milonga.generators.neural.calibration import keep_figure, known_figure
from milonga.generators.neural.precision import choose_precision, published_precision, settle
from milonga.generators.neural.trials import Trial, compare, mel_distance
from milonga.runtime.progress import Progress

pytestmark = pytest.mark.usefixtures("home")

QUICK = processor.has("avx512bf16") and processor.has("avx512vnni")
needs_quick = pytest.mark.skipif(not QUICK, reason="the processor is not quick at them")
RATE = 22_050


def take(of: float = 0.0) -> np.ndarray:
    """Noise, the louder the lower, off by a share of itself."""
    generator = np.random.default_rng(0)
    sound = np.cumsum(generator.normal(size=(2, RATE)), axis=1).astype(np.float32)
    return sound / np.abs(sound).max() * (1 + of)


def trial_with(error: float, louder: float = 0.0, calls: list | None = None):
    """A trial whose int8 is off by ``error`` in a step, and plays louder."""
    velocity = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))

    def trial(wanted, inputs):
        if calls is not None:
            calls.append(wanted)
        int8 = wanted == "int8"
        assert (inputs == [1, 2, 3]) is int8
        found = velocity * (1 + error) if int8 else velocity
        return Trial([1, 2, 3], list(found), take(louder if int8 else 0.0), RATE)

    return trial


def test_the_errors_are_what_they_say():
    velocity, mel = compare(trial_with(0.013, 10 ** (0.3 / 20) - 1), "float32")
    assert velocity == pytest.approx(0.013, rel=1e-3)
    # A tenth of a decibel louder everywhere is that far away in every band.
    assert mel == pytest.approx(0.3, abs=0.02)
    assert mel_distance(take(), take(), RATE) == 0
    assert mel_distance(np.zeros((1, RATE), np.float32), np.zeros((1, RATE), np.float32), RATE) == 0


@needs_quick
@pytest.mark.parametrize(
    ("error", "decibels", "expected"),
    [(0.019, 0.4, "int8"), (0.021, 0.4, "bfloat16"), (0.019, 0.6, "bfloat16")],
)
def test_auto_takes_int8_within_two_per_cent_and_half_a_decibel(error, decibels, expected):
    calls, louder = [], 10 ** (decibels / 20) - 1
    said = []
    progress = Progress()
    progress.message = said.append  # type: ignore[method-assign]
    trial = trial_with(error, louder, calls)
    chosen = settle("auto", "bfloat16", "model 1", trial, progress)
    assert chosen.precision == expected
    assert f"{error:.2%}" in chosen.reason
    assert said
    # Known from now on: no second trial, and the plan knows it, too.
    assert settle("auto", "bfloat16", "model 1", trial, progress) == chosen
    assert calls == ["bfloat16", "int8"]
    assert choose_precision("auto", "bfloat16", "model 1") == chosen
    assert choose_precision("auto", "bfloat16", "model 2").open


@needs_quick
def test_a_trial_that_is_stopped_is_made_again():
    def stopped(wanted, inputs):
        raise Cancelled

    with pytest.raises(Cancelled):
        settle("auto", "float32", "model", stopped, Progress())
    assert choose_precision("auto", "float32", "model").open


@needs_quick
def test_the_published_precision_is_the_default_where_it_is_quick():
    assert choose_precision("published", "bfloat16", "m").precision == "bfloat16"
    assert choose_precision("published", "float32", "m").precision == "float32"
    keep_figure(precision.speed_name("float32"), 1e11)
    keep_figure(precision.speed_name("bfloat16"), 0.9e11)
    chosen = choose_precision("published", "bfloat16", "m")
    assert chosen.precision == "float32"
    assert "measured to be no quicker" in chosen.reason
    # A wish stands: it saves memory all the same.
    assert choose_precision("bfloat16", "bfloat16", "m").precision == "bfloat16"


@pytest.mark.parametrize("wanted", ["published", "auto", "float32", "bfloat16", "int8"])
def test_without_the_instructions_everything_is_float32_and_says_why(wanted):
    with processor.without("avx", "amx", "bf16", "dotprod", "i8mm"):
        chosen = choose_precision(wanted, "bfloat16", "m")
        assert settle(wanted, "bfloat16", "m", trial_with(0), Progress()) == chosen
    assert chosen.precision == "float32"
    assert not chosen.open
    assert wanted == "float32" or "the processor has no" in chosen.reason


def test_speeds_are_measured_once_and_kept():
    precision.confirm_speeds()
    first = known_figure(precision.speed_name("float32"))
    assert first
    assert first > 1e8
    precision.confirm_speeds()
    assert known_figure(precision.speed_name("float32")) == first
    assert precision.speed_of("float32") == first


def test_the_published_precision_is_read_from_the_files(tmp_path):
    assert published_precision(tmp_path) == "float32"
    tensors = {"a": torch.zeros(8, 8, dtype=torch.bfloat16), "norm": torch.zeros(4)}
    save_file(tensors, tmp_path / "one.safetensors")
    assert published_precision(tmp_path) == "bfloat16"
    save_file({"b": torch.zeros(40, 8)}, tmp_path / "two.safetensors")
    assert published_precision(tmp_path) == "float32"
    (tmp_path / "three.safetensors").write_bytes(json.dumps({"a": 1}).encode())
    assert published_precision(tmp_path) == "float32"
