"""The generator: requests, limits, options, cancelling, seeds."""

import json
import shutil

import numpy as np
import pytest
import tiny_ace_step
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milonga import weights
from milonga.compute.products.precision import why_slow
from milonga.errors import Cancelled, GeneratorError, MilongaError
from milonga.generators.ace_step import AceStep
from milonga.generators.base import LyricLine, Request, SongPart
from milonga.generators.registry import make_generator
from milonga.runtime.progress import Progress

pytestmark = pytest.mark.usefixtures("home")

REPO = "Runware/acestep-v15-turbo-diffusers"


def ask(**fields):
    return Request(**{
        "role": "song", "section": "verse", "style": "latin trap", "seconds": 10, "tempo": 120,
        "key": "A minor", "seed": 0, "lyrics": (LyricLine(text="la la"),), **fields,
    })  # fmt: skip


def make(folder, **options):
    return make_generator("ace-step", {"model": str(folder), **options})


@pytest.fixture(scope="module")
def tiny(make_ace_step):
    return make(make_ace_step())


@pytest.mark.parametrize("role", ["song", "instrumental", "backing", "texture"])
def test_it_renders_each_role(tiny, role):
    assert role in tiny.roles
    clip = tiny.render(ask(role=role), Progress())
    assert (clip.sample_rate, clip.channels, clip.n_samples) == (48_000, 2, 480_000)
    assert 0.01 < clip.samples.std() < 0.5


def test_a_song_in_one_take(tiny):
    parts = (
        SongPart(section="intro", seconds=4.5),
        SongPart(section="verse", seconds=7, lyrics=(LyricLine(text="la la"),)),
    )
    request = ask(section="song", seconds=11.5, parts=parts)
    assert not tiny.assess(request).problems
    assert tiny.prompts(request)[1].endswith("[Intro]\n\n[Verse]\nla la<|endoftext|>")
    assert tiny.render(request, Progress()).n_samples == round(11.5 * 48_000)


@settings(deadline=None, max_examples=8,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(seconds=st.floats(10, 18))
def test_clips_are_exactly_as_long_as_asked(make_ace_step, seconds):
    clip = make(make_ace_step(), steps=1).render(ask(seconds=seconds), Progress())
    assert clip.n_samples == round(seconds * 48_000)


def test_too_short_and_too_long_is_refused_before_any_work(hub, tiny):
    for generator in (tiny, AceStep()):
        for seconds in (9.5, 601):
            (problem,) = generator.assess(ask(seconds=seconds)).problems
            assert "10 s to 600 s" in problem.message
            assert problem.where == "seconds"
    with pytest.raises(GeneratorError, match="10 s to 600 s"):
        tiny.render(ask(seconds=5), Progress())
    assert hub.requests == []


def test_a_text_that_would_be_cut_is_refused_before_any_work(tiny):
    (problem,) = tiny.assess(ask(style="x" * 300)).problems
    assert "ACE-Step reads 256" in problem.message
    with pytest.raises(GeneratorError, match="reads 256"):
        tiny.render(ask(style="x" * 300), Progress())


def test_the_model_is_brought_from_the_hub_with_what_covers_need(hub, make_ace_step):
    folder = make_ace_step()
    hub.add(REPO, tiny_ace_step.files(folder))
    generator = AceStep()
    (said, *_) = generator.assess(ask()).general
    assert "the first take downloads about 6.3 GB" in said
    clip = generator.render(ask(), Progress())
    assert clip == make(folder).render(ask(), Progress())
    model = generator.model()
    assert (model.repo, model.dtype, model.device) == (REPO, "float32", "cpu")
    assert "audio_tokenizer/config.json" in model.files
    assert [licence.name for licence in model.licences] == ["MIT", "Apache-2.0"]
    assert "would change it by" in model.notes[-1]


@pytest.mark.parametrize(
    ("kind", "usual"),
    [("turbo", (8, 1.0, 3.0)), ("base", (50, 7.0, 1.0)), ("sft", (50, 7.0, 1.0))],
)
def test_each_checkpoint_gets_what_it_was_made_for(make_ace_step, kind, usual):
    from milonga.generators.ace_step.checkpoints import shape_of

    generator = make(make_ace_step(kind))
    shape = shape_of(generator.find(), "any name")
    assert shape.kind == kind
    assert shape.usual == usual
    found = generator._settings(ask(), shape)
    assert (found.steps, found.guidance, found.shift) == usual


def test_guidance_of_a_turbo_checkpoint_is_said_to_be_unused(make_ace_step):
    generator = make(make_ace_step(), guidance=7)
    assert "guidance is not used" in generator.assess(ask()).notes[0]
    plain = make(make_ace_step()).render(ask(), Progress())
    assert generator.render(ask(), Progress()) == plain


def test_the_names_of_the_catalogue_tell_what_a_download_will_be():
    steps = {
        key: AceStep(AceStep.Options(model=key)).outlook(ask(), None).notes[0]
        for key in ("ace-step", "ace-step-base", "ace-step-xl", "ace-step-xl-base")
    }
    assert "a take has 8 of them" in steps["ace-step"]
    assert "a guided step" in steps["ace-step-xl-base"]
    assert "50 of them" in steps["ace-step-base"]
    assert weights.known_model("ace-step-xl-base").repo == "ACE-Step/acestep-v15-xl-base-diffusers"


def test_the_same_request_gives_the_same_samples_and_everything_counts(tiny, make_ace_step):
    first = tiny.render(ask(), Progress()).samples
    np.random.seed(1)  # noqa: NPY002
    assert np.array_equal(first, make(make_ace_step()).render(ask(), Progress()).samples)
    for generator, change in [(tiny, {"seed": 1}), (tiny, {"seed": 2**70}), (tiny, {"tempo": 90}),
                              (tiny, {"mood": "calm"}), (tiny, {"negative": "drums"}),
                              (tiny, {"lyrics": (LyricLine(text="lo lo"),)}),
                              (make(make_ace_step(), steps=4), {}),
                              (make(make_ace_step(), shift=1), {})]:  # fmt: skip
        other = generator.render(ask(**change), Progress()).samples
        assert np.abs(other - first).max() > 1e-3 * np.abs(first).max(), change


@pytest.mark.parametrize(("precision", "most"), [("bfloat16", 0.2), ("int8", 0.5)])
def test_other_precisions_are_near(make_ace_step, precision, most):
    first = make(make_ace_step(), precision="float32").render(ask(), Progress()).samples
    narrow = make(make_ace_step(), precision=precision)
    found = narrow.render(ask(), Progress()).samples
    slow = why_slow(precision) is not None
    assert narrow.model().dtype == ("float32" if slow else precision)
    # Eight steps of random weights, each on what the rounding of those before made.
    assert np.abs(found - first).std() < most * first.std()
    assert np.array_equal(found, first) == slow


def test_cancelling_while_it_samples(make_ace_step, stops_after_two_steps):
    with pytest.raises(Cancelled):
        make(make_ace_step(), steps=200).render(ask(), stops_after_two_steps)
    assert stops_after_two_steps.steps == 2


def test_a_folder_with_another_pipeline_or_a_damaged_configuration(make_ace_step, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(make_ace_step(), folder)
    index = json.loads((folder / "model_index.json").read_text())

    def said():
        generator = make(folder)
        (problem,) = generator.assess(ask()).problems
        with pytest.raises(MilongaError):
            generator.render(ask(), Progress())
        return problem.message

    other = {**index, "transformer": ["diffusers", "FluxTransformer2DModel"]}
    (folder / "model_index.json").write_text(json.dumps(other))
    assert "the transformer in its model_index.json is 'FluxTransformer2DModel'" in said()
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "vae/config.json").write_text("{}")
    assert "configuration of" in said()


@pytest.mark.parametrize(
    ("model", "use"),
    [("ACE-Step/acestep-v15-xl-base", "ace-step-xl-base"),
     ("ACE-Step/acestep-v15-sft@main", "ace-step-base")],
)  # fmt: skip
def test_the_authors_transformer_alone_is_refused_with_what_to_use(hub, model, use):
    generator = make(model)
    (problem,) = generator.assess(ask()).problems
    assert "without vae and Qwen3-Embedding-0.6B" in problem.message
    assert f"ace-step.model={use}," in problem.step
    with pytest.raises(GeneratorError, match="the transformer alone"):
        generator.render(ask(), Progress())
    assert hub.requests == []


def test_a_folder_of_the_transformer_alone(tmp_path):
    part = tmp_path / "acestep-v15-xl-turbo"
    part.mkdir()
    (part / "silence_latent.pt").write_bytes(b"")
    (problem,) = make(part).assess(ask()).problems
    assert "the transformer alone" in problem.message
    assert "ace-step.model=ace-step-xl," in problem.step
    (problem,) = make(tmp_path).assess(ask()).problems
    assert "lacks" in problem.message


def test_a_plan_loads_nothing(hub, run_python):
    said = run_python("""
import sys
from milonga.generators.registry import make_generator
from milonga.generators.base import LyricLine, Request
request = Request(role="song", section="verse", seconds=45, tempo=90, key="C major", seed=0,
                  lyrics=(LyricLine(text="We laugh"),))
for options in ({}, {"model": "ace-step-xl-base"}, {"device": "cuda"}):
    found = make_generator("ace-step", options).assess(request)
    print(*found.general, *found.notes, *found.problems, found.estimate_s, sep="\\n")
assert not {"torch", "transformers", "diffusers", "scipy"} & set(sys.modules)
""")
    assert "not on this machine yet; the first take downloads about 6.3 GB" in said
    assert "computes on cuda, in bfloat16" in said
    assert "licence MIT; commercial use is allowed" in said


def test_options_out_of_range():
    for key, value in [("guidance", 0.5), ("steps", 0), ("shift", 0), ("precision", "float16")]:
        with pytest.raises(MilongaError, match=key):
            make_generator("ace-step", {key: value})
