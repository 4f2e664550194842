"""What generators with a checkpoint share, with a network of one line."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from milonga.errors import GeneratorError, MilongaError, Problem
from milonga.generators.base import Request
from milonga.generators.neural.calibration import known_speed
from milonga.generators.neural.checkpoint import (
    CheckpointGenerator,
    checkpoint_option,
    checkpoints_of,
)
from milonga.generators.neural.loading import loading_explained
from milonga.generators.neural.outlook import RenderOutlook
from milonga.generators.registry import make_generator
from milonga.runtime.progress import Progress

pytestmark = pytest.mark.usefixtures("home")


@dataclass
class Hum:
    dtype: str = "float32"

    def samples(self, seconds):
        return np.full((1, round(seconds * 1000) + 3), 0.1, np.float32)


class Hummer(CheckpointGenerator[Hum]):
    name = "bark"
    title = "Hum"
    like = "bark-small"
    roles = frozenset(("texture",))
    length = "exact"
    less_memory = "Hum less."
    libraries = ("torch",)

    class Options(CheckpointGenerator.Options):
        model: str = checkpoint_option("bark", "bark-small")

    loads = 0

    def problems(self, request, local):
        if request.tempo > 200:
            yield Problem("Too fast to hum.", "tempo", step="Slow down.")

    def notes(self, request, local):
        yield "It hums."

    def outlook(self, request, local):
        return RenderOutlook(request.seconds, 1e6, notes=("A hum is short.",))

    def load(self, local, device):
        self.loads += 1
        return Hum()

    def make(self, engine, request, progress):
        if request.seed == 13:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        if request.seed == 14:
            raise NotImplementedError("The operator 'aten::hum' is not currently implemented for "
                                      "the MPS device.")  # fmt: skip
        with self.learning("hum", request.seconds):
            return self.exactly(engine.samples(request.seconds), 1000, request.seconds)


def ask(**changes):
    values = {"role": "texture", "section": "verse", "seconds": 2.0, "tempo": 120,
              "key": "A minor", "seed": 0}  # fmt: skip
    return Request(**(values | changes))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text(json.dumps({"model_type": "bark"}))
    (made / "model.safetensors").write_bytes(b"1")
    (made / "tokenizer.json").write_text("{}")
    return made


def hummer(model):
    return Hummer(Hummer.Options(model=str(model)))


def test_a_generator_is_small_with_it(folder):
    generator = hummer(folder)
    assert generator.model().files == {}
    found = generator.assess(ask())
    assert (found.problems, found.notes) == ((), ("It hums.",))
    # What it says, and loading its 30 bytes.
    assert found.estimate_s == pytest.approx(2.0, abs=1e-6)
    assert [line.removeprefix(f"{folder}: ").split(" ")[0] for line in found.general] == [
        "its", "licence", "computes", "A"
    ]  # fmt: skip
    assert generator.loads == 0
    # Without a progress, too, and loaded once.
    clip = generator.render(ask())
    assert (clip.n_samples, clip.sample_rate) == (2000, 1000)
    generator.render(ask(), Progress())
    assert generator.loads == 1
    model = generator.model()
    assert set(model.files) == {"config.json", "model.safetensors", "tokenizer.json"}
    assert set(model.libraries) == {"torch", "tokenizers"}
    assert model.licences[0].name == "unknown; taken as MIT"
    assert known_speed(f"hum, {model.device}") > 0
    assert checkpoints_of("bark") == ("bark", "bark-small")


def test_what_is_refused_is_refused_before_it_loads(folder):
    generator = hummer(folder)
    (problem,) = generator.assess(ask(tempo=300)).problems
    assert str(problem) == "tempo: Too fast to hum. Slow down."
    with pytest.raises(GeneratorError, match="Too fast"):
        generator.render(ask(tempo=300))
    (folder / "config.json").write_text(json.dumps({"model_type": "gong"}))
    problems = generator.assess(ask(tempo=300)).problems
    assert [one.where for one in problems] == ["tempo", f"model, {folder}"]
    assert "its config.json says 'gong'" in problems[1].message
    assert problems[1].step == "Use one of: bark, bark-small."
    with pytest.raises(GeneratorError, match="not a Hum model"):
        generator.render(ask())
    with pytest.raises(MilongaError, match="not a Hum model"):
        hummer("musicgen-small").render(ask())
    assert generator.loads == 0


def test_a_failure_keeps_its_cause_and_says_how_to_fix_it(folder):
    with pytest.raises(GeneratorError, match="not enough memory") as caught:
        hummer(folder).render(ask(seed=13))
    assert caught.value.step == "Hum less."
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert not caught.value.seed_may_help

    with pytest.raises(GeneratorError, match="aten::hum") as caught:
        hummer(folder).render(ask(seed=14))
    assert caught.value.step == "Set bark.device=cpu."

    class Heavy(Hummer):
        def load(self, local, device):
            with loading_explained("It", local.folder, "bark"):
                raise OSError("El archivo de paginación es demasiado pequeño. (os error 1455)")

    with pytest.raises(GeneratorError, match="not enough memory"):
        Heavy(Hummer.Options(model=str(folder))).render(ask())
    with pytest.raises(GeneratorError, match=r"made 0.003 s in place of 1 s"):
        hummer(folder).exactly(Hum().samples(0), 1000, 1)


def test_a_configuration_of_more_layers_than_any_model_has_is_refused(folder):
    """Making the empty modules alone would take all time and memory."""
    for absurd in ({"num_layers": 10**9}, {"codec": {"upsampling_ratios": [2, 1e300]}}):
        text = json.dumps({"model_type": "bark", **absurd})
        (folder / "config.json").write_text(text)
        (problem,) = hummer(folder).assess(ask()).problems
        assert "more than any model has" in problem.message
        assert "config.json" in problem.where
        with pytest.raises(GeneratorError, match=r"is 1000|is 1e\+300"):
            hummer(folder).render(ask())


def test_a_failure_to_load_is_explained(folder, monkeypatch):
    def fail(*_):
        raise TypeError("int() argument must be a number, not 'NoneType'")

    for step in ("outlook", "check"):
        with monkeypatch.context() as patch:
            patch.setattr(Hummer, step, fail)
            (problem,) = hummer(folder).assess(ask()).problems
            assert "can't be loaded: int() argument" in problem.message
            assert "milonga weights verify" in problem.step
    monkeypatch.setattr(Hummer, "load", fail)
    with pytest.raises(GeneratorError, match="can't be loaded: int") as caught:
        hummer(folder).render(ask())
    assert "milonga weights verify" in caught.value.step


@pytest.mark.parametrize(
    ("variable", "value", "fix"),
    [
        ("ALL_PROXY", "socks://127.0.0.1:1", "socks5://"),
        ("https_proxy", "http://127.0.0.1:99999", "HOST:PORT"),
        ("SSL_CERT_FILE", "/nowhere.pem", "PEM"),
        ("HF_ENDPOINT", "a mirror", "huggingface.co"),
    ],
)
def test_a_model_that_cannot_be_downloaded_is_a_problem_of_the_plan(
    hub, monkeypatch, variable, value, fix
):
    monkeypatch.setenv(variable, value)
    for name, role in (("bark", "vocals"), ("musicgen", "backing"), ("stable-audio", "backing")):
        request = Request(role=role, section="verse", seconds=4, tempo=120, key="C", seed=0)
        problem = make_generator(name, {}).assess(request).problems[-1]
        assert variable in problem.message
        assert fix in problem.step
    assert hub.requests == []
