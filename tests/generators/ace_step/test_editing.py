"""Edits against the library's pipeline at tiny size in float32, and what holds of each task."""

import shutil

import numpy as np
import pytest
import torch
from ace_step_parity import ask, engine_of, pipeline_of, same, theirs
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio.clip import Clip
from milonga.errors import Cancelled, GeneratorError
from milonga.generators.ace_step.editing import (
    cover_steps,
    phases_of,
    range_mask,
    source_samples,
    timbre_samples,
)
from milonga.generators.ace_step.engine import Settings
from milonga.generators.base import Edit
from milonga.generators.registry import make_generator
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import fold

pytestmark = pytest.mark.usefixtures("home")


def noise(seconds, rate=48_000, channels=2, seed=0):
    samples = np.random.default_rng(seed).standard_normal((channels, round(seconds * rate)))
    return Clip((0.1 * samples).astype(np.float32), rate)


def edit_of(task, **fields):
    return Edit(task=task, source="00", **fields)


def ours(engine, request, source, chosen, reference=None):
    phases = phases_of(engine, request, request.edit, source, reference, chosen, Progress())
    return engine.latents(phases, request.seed, chosen, Progress())


def seed_theirs(request, nth=0):
    """The pipeline draws the encoder's spread from the global generator."""
    torch.manual_seed(fold(request.seed + (1 + nth) * 2**32))


@pytest.mark.parametrize(
    ("kind", "edit", "more"),
    [
        ("turbo", {"task": "repaint", "start": 3.0, "end": 6.48}, {"repainting_start": 3.0,
                                                                     "repainting_end": 6.48}),
        ("base", {"task": "repaint", "start": 3.0}, {"repainting_start": 3.0}),
        ("turbo", {"task": "cover"}, {}),
        ("base", {"task": "extract", "track": "drums"}, {"track_name": "drums"}),
        ("base", {"task": "lego", "track": "bass", "start": 2.0, "end": 8.0},
         {"track_name": "bass", "repainting_start": 2.0, "repainting_end": 8.0}),
        ("base", {"task": "complete", "track": "drums, bass"},
         {"complete_track_classes": ["drums", "bass"]}),
    ],
    ids=["repaint", "repaint to the end, guided", "cover", "extract", "lego", "complete"],
)  # fmt: skip
def test_latents_are_those_of_the_pipeline(make_ace_step, kind, edit, more):
    folder, source = make_ace_step(kind), noise(10)
    engine, request = engine_of(folder), ask(edit=edit_of(**edit))
    chosen = Settings(3, 7.0 if kind == "base" else 1, 250, 3.0)
    found = ours(engine, request, source, chosen)
    pipeline = pipeline_of(folder)
    with torch.random.fork_rng():
        seed_theirs(request)
        expected = theirs(
            pipeline, request, chosen, task_type=edit["task"],
            src_audio=torch.from_numpy(source.samples.copy()), **more,
        )  # fmt: skip
    same(found, expected)


@pytest.mark.slow
def test_the_timbre_of_a_reference_is_the_pipeline_s(make_ace_step):
    folder, reference = make_ace_step(), noise(34, seed=3)
    engine = engine_of(folder)
    request, chosen = ask(edit=edit_of("cover", strength=0)), Settings(2, 1, 250, 3.0)
    found = ours(engine, request, noise(10), chosen, reference)
    pipeline = pipeline_of(folder)
    with torch.random.fork_rng():
        seed_theirs(request, nth=1)
        expected = theirs(
            pipeline, request, chosen,
            reference_audio=torch.from_numpy(reference.samples.copy()),
        )  # fmt: skip
    same(found, expected)
    assert not torch.allclose(found, ours(engine, request, noise(10), chosen), atol=1e-3)


def test_a_cover_of_strength_0_keeps_nothing_and_one_of_1_all_it_can(make_ace_step):
    """In the pipeline, a cover of strength 0 still follows the source."""
    folder, source = make_ace_step(), noise(10)
    engine, chosen = engine_of(folder), Settings(8, 1, 250, 3.0)
    made = [
        ours(engine, ask(edit=edit_of("cover", strength=strength)), source, chosen)
        for strength in (0, 0.5, 1)
    ]
    same(made[0], theirs(pipeline_of(folder), ask(), chosen))
    assert len({round(float(latents.sum()), 3) for latents in made}) == 3
    assert [cover_steps(8, strength) for strength in (0, 0.05, 0.5, 0.6, 1)] == [0, 0, 4, 5, 8]
    phases = phases_of(engine, ask(), edit_of("cover", strength=0.5), source, None, chosen,
                       Progress())  # fmt: skip
    assert [phase.until for phase in phases] == [4, 8]


@settings(deadline=None, max_examples=30)
@given(start=st.floats(0, 12), length=st.floats(0.001, 5), frames=st.integers(250, 400))
def test_every_frame_that_the_range_touches_is_made_anew(start, length, frames):
    mask = range_mask(edit_of("repaint", start=start, end=start + length), frames, 25.0)
    assert mask.sum() >= 1
    made = mask.nonzero()[:, 0]
    first, last = int(made[0]), int(made[-1])
    assert mask[first : last + 1].all()
    if start + length <= frames / 25:
        assert first / 25 <= start + 1e-6
        assert (last + 1) / 25 >= start + length - 1e-6
        assert last - first <= length * 25 + 1


@settings(deadline=None, max_examples=25)
@given(
    rate=st.sampled_from([8_000, 44_100, 48_000, 96_000]),
    channels=st.integers(1, 6),
    seconds=st.floats(0.05, 3),
    offset=st.floats(0, 3),
)
def test_any_recording_becomes_what_the_encoder_takes(rate, channels, seconds, offset):
    clip = noise(seconds, rate, channels)
    found = source_samples(clip, 48_000, offset, 96_000)
    start = min(96_000, round(offset * 48_000))
    assert found.shape == (2, 96_000)
    assert not found[:, :start].any()
    if start + 100 < 96_000:
        assert found[:, start : start + 100].any()
    # A clip is whole samples long: at 8 kHz up to 3 of 48 kHz more than was asked for.
    assert not found[:, start + round(clip.seconds * 48_000) + 1 :].any()
    assert timbre_samples(clip, 48_000).shape == (2, 30 * 48_000)


def make(folder, **options):
    return make_generator("ace-step", {"model": str(folder), "steps": 2, **options})


@pytest.mark.parametrize("task", ["extend", "cover"])
def test_an_edit_is_as_long_as_asked_and_the_same_each_time(make_ace_step, task):
    generator = make(make_ace_step())
    edit = edit_of(task, start=1.0, end=4.0, offset=2.0 if task == "extend" else 0.0)
    request, source = ask(seconds=10.3, edit=edit), noise(5, 44_100, 1)
    assert not generator.assess(request).problems
    clip = generator.edit(request, source)
    assert (clip.sample_rate, clip.n_samples) == (48_000, round(10.3 * 48_000))
    torch.manual_seed(77)
    assert clip == make(make_ace_step()).edit(request, source)
    assert clip != generator.edit(request.model_copy(update={"seed": 1}), source)
    assert clip != generator.edit(request, noise(5, 44_100, 1, seed=5))


def test_a_recording_shorter_than_the_model_was_taught(make_ace_step):
    generator = make(make_ace_step())
    request = ask(seconds=4.5, edit=edit_of("repaint", start=1, end=2))
    said = generator.assess(request)
    assert not said.problems
    assert "shorter than the 10 s" in said.notes[0]
    assert "duration: 10 seconds" in generator.prompts(request)[0]
    assert generator.edit(request, noise(4.5)).n_samples == round(4.5 * 48_000)


@pytest.mark.parametrize("kind", ["turbo", "sft"])
@pytest.mark.parametrize("task", ["extract", "lego", "complete"])
def test_tasks_of_base_are_refused_on_others_with_the_reason(make_ace_step, kind, task):
    generator = make(make_ace_step(kind))
    request = ask(edit=edit_of(task, track="drums"))
    (problem,) = generator.assess(request).problems
    assert f"Only base checkpoints of ACE-Step were taught to {task}" in problem.message
    assert f"this one is {kind}" in problem.message
    assert problem.step == "Set ace-step.model=ace-step-base."
    with pytest.raises(GeneratorError, match="Only base"):
        generator.edit(request, noise(10))


def test_a_checkpoint_without_codes_can_t_cover(make_ace_step, tmp_path):
    folder = shutil.copytree(make_ace_step(), tmp_path / "mine")
    shutil.rmtree(folder / "audio_tokenizer")
    generator = make(folder)
    (problem,) = generator.assess(ask(edit=edit_of("cover"))).problems
    assert "audio_tokenizer" in problem.message
    assert not generator.assess(ask(edit=edit_of("repaint", end=2))).problems


def test_an_instrument_that_the_model_doesn_t_know_is_said(make_ace_step):
    generator = make(make_ace_step("base"))
    notes = generator.assess(ask(edit=edit_of("lego", track="bandoneón, backing vocals"))).notes
    assert "wasn't taught the instrument bandoneón; it knows" in " ".join(notes)


def test_cancelling_while_it_encodes(make_ace_step):
    progress = Progress(lambda update: update.label == "Encoding" and progress.cancel())
    request = ask(edit=edit_of("repaint", start=1, end=2))
    with pytest.raises(Cancelled):
        make(make_ace_step()).edit(request, noise(10), progress=progress)
