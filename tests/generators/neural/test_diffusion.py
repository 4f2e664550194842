"""What the generators with a diffusion model share: precision by a trial, and the outlook."""

from types import SimpleNamespace

import pytest

from milonga.compute import processor
from milonga.compute.products.precision import why_slow
from milonga.generators.base import Request
from milonga.generators.neural import diffusion, oobleck, takes
from milonga.generators.neural.calibration import keep_figure, known_speed, learn_speed
from milonga.generators.neural.takes import Take, foresee
from milonga.generators.registry import make_generator
from milonga.runtime.progress import Progress

pytestmark = pytest.mark.usefixtures("home")

TAKE = Take(
    generator="g", steps=20, guided=True, tera=2.0, overhead=1.3, parameters=1e9, decoding=30.0,
    unit=1e11, beside=1e9, least=3e9, published="float32", elsewhere="bfloat16",
)  # fmt: skip


@pytest.mark.skipif(why_slow("int8") is not None, reason="the processor is not quick at int8")
@pytest.mark.parametrize(
    ("name", "seconds", "more"),
    [("stable-audio", 1.0, {"steps": 3}), ("stable-audio-3", 1.0, {}),
     ("ace-step", 10.0, {"steps": 1})],
)  # fmt: skip
def test_auto_tries_int8_once_and_says_what_it_found(request, name, seconds, more):
    folder = request.getfixturevalue(f"make_{name.replace('-', '_')}")()
    options = {"model": str(folder), "device": "cpu", "precision": "auto", **more}
    asked = Request(role="backing", section="verse", style="trap", seconds=seconds, tempo=120,
                    key="A minor", seed=0)  # fmt: skip
    said = []

    class Heard(Progress):
        def message(self, text):
            said.append(text)

    for trials in (1, 0):
        generator = make_generator(name, options)
        said.clear()
        generator.render(asked, Heard())
        model = generator.model()
        assert sum("in a short take" in text for text in said) == trials
        assert any("off by" in note and "in a step" in note for note in model.notes)
        assert model.dtype in ("float32", "int8")
    if name != "stable-audio":
        return
    with processor.without("avx", "amx"):
        generator = make_generator(name, options)
        generator.render(asked)
        assert generator.model().dtype == "float32"
        assert any("no int8 products" in note for note in generator.model().notes)


def test_an_estimate_is_guessed_and_then_learnt():
    guessed = foresee("m", None, "cpu", "published", TAKE)
    assert guessed.estimate_s > 0
    assert "a guided step computes 2 TFLOP" in guessed.notes[0]
    assert "g.steps=10 would save" in guessed.notes[0]
    assert guessed.memory is None
    learn_speed(f"{TAKE.step_work('m', 'float32')}, cpu", 1, 0.5)
    learn_speed(f"{TAKE.decoding_work('m')}, cpu", 1, 0.25)
    assert known_speed("g steps, m, float32, cpu") == pytest.approx(0.5)
    learnt = foresee("m", None, "cpu", "published", TAKE)
    # Twenty steps of 2 TFLOP, and 30 units.
    assert learnt.estimate_s == pytest.approx(20 * 2 * 0.5 + 30 * 0.25)
    assert foresee("m", None, "cuda", "published", TAKE).estimate_s is None


@pytest.mark.parametrize(
    ("lacking", "device", "precision", "said"),
    [((), "cpu", "published", True), ((), "auto", "published", True),
     ((), "cuda", "published", False), ((), "cpu", "float32", False),
     (("avx", "amx"), "cpu", "published", False)],
)  # fmt: skip
def test_the_plan_names_int8_where_the_processor_is_quick_at_it(
    monkeypatch, lacking, device, precision, said
):
    # Not a processor that was measured to be no quicker.
    monkeypatch.setattr(takes, "why_slow_here", why_slow)
    with processor.without(*lacking):
        seen = foresee("m", None, device, precision, TAKE)
        assert any("g.precision=auto tries int8" in note for note in seen.notes) == (
            said and why_slow("int8") is None
        )


@pytest.mark.parametrize(
    ("device", "precision", "least", "gigabytes"),
    [("cpu", "float32", 0.0, 5.0), ("cpu", "float32", 6e9, 7.0), ("cuda", "published", 0.0, 3.0)],
)
def test_the_largest_part_decides_on_the_memory(device, precision, least, gigabytes):
    from dataclasses import replace

    seen = foresee("ace-step", None, device, precision, replace(TAKE, least=least))
    assert seen.memory == pytest.approx(gigabytes * 1e9)


def test_what_a_take_needed_is_announced_for_the_next(make_stable_audio):
    options = {"model": str(make_stable_audio()), "device": "cpu", "steps": 3}
    generator = make_generator("stable-audio", options)
    asked = Request(role="backing", section="verse", style="trap", seconds=1.0, tempo=120,
                    key="A minor", seed=0)  # fmt: skip
    keep_figure(f"stable-audio memory, {options['model']}, float32", 7.5e9)
    assert generator.assess(asked).memory == 7_500_000_000
    # One step or a hundred: what comes beside them is learnt apart.
    generator.render(asked)
    name = options["model"]
    step, decoding, beside = (
        known_speed(f"stable-audio {what}, cpu")
        for what in (f"steps, {name}, float32", f"decoding, {name}", f"beside, {name}")
    )
    shape = generator._engine.shape
    tera = shape.step_operations(shape.frames, True) / 1e12
    assert generator.assess(asked).estimate_s == pytest.approx(3 * step * tera + decoding + beside)


@pytest.mark.parametrize(("name", "seconds"), [("stable-audio", 1.0), ("ace-step", 10.0)])
def test_what_a_first_take_does_once_is_not_learnt_as_decoding(request, monkeypatch, name, seconds):
    clock, packed = [0.0], []
    monkeypatch.setattr(diffusion, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def slow(work, took):
        def wrapped(*args, **kwargs):
            clock[0] += took
            found = work(*args, **kwargs)
            packed.append(found in oobleck._ENGINES if work is load else None)
            return found

        return wrapped

    load = oobleck.load
    monkeypatch.setattr(oobleck, "load", slow(load, 100.0))
    monkeypatch.setattr(oobleck, "decode", slow(oobleck.decode, 3.0))
    folder = str(request.getfixturevalue(f"make_{name.replace('-', '_')}")())
    generator = make_generator(name, {"model": folder, "device": "cpu", "steps": 2})
    generator.render(Request(role="backing", section="verse", style="trap", seconds=seconds,
                             tempo=120, key="A minor", seed=0))  # fmt: skip
    assert packed == [True, None]
    decoding = known_speed(f"{name} decoding, {folder}, cpu")
    units = 1.0 if name == "stable-audio" else seconds
    assert decoding * units == pytest.approx(3.0)
