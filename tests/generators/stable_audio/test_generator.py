"""The generator from assessment to clip, with tiny models in the real formats."""

import hashlib
import json
import os
import shutil
import signal

import numpy as np
import pytest
from asking import ask, contents, two_parts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from warm_process import WarmProcess, run_warm

from milonga import audio
from milonga.compute.products.precision import why_slow
from milonga.errors import Cancelled, GeneratorError, MilongaError
from milonga.generators.neural.calibration import known_speed, learn_speed
from milonga.generators.registry import make_generator
from milonga.generators.stable_audio import StableAudio
from milonga.runtime.progress import Progress
from milonga.songs.rendering.receipts import read_receipt

pytestmark = pytest.mark.usefixtures("home")

REPO = "stabilityai/stable-audio-open-1.0"
SHEET = two_parts("stable-audio", negative="vocals")


@pytest.fixture
def tiny(make_stable_audio):
    return make(make_stable_audio())


def make(folder, **options):
    return StableAudio(StableAudio.Options(model=str(folder), **{"steps": 3} | options))


def test_from_a_sheet_to_a_song_and_again(hub, make_stable_audio, tmp_path):
    files = contents(make_stable_audio())
    repo = hub.add(REPO, files, gated=True)
    hub.tokens["hf_good"] = hub.account(repos=frozenset([REPO]))
    (tmp_path / "song.yaml").write_text(SHEET)

    def milonga(*args, **env):
        return run_warm(["-m", "milonga", *args], cwd=tmp_path, env={**os.environ, **env})

    command = ["render", "song.yaml", "--takes", "2", "--no-report", "--json",
               "--option", "stable-audio.steps=4"]  # fmt: skip
    refused = milonga(*command)
    assert refused.returncode == 1
    assert "nothing was started" in refused.stderr
    assert "there is no access token" in refused.stderr
    assert not (tmp_path / "out").exists()

    done = milonga(*command, HF_TOKEN="hf_good")
    assert done.returncode == 0, done.stderr
    before_work, _, _ = done.stderr.partition("s of audio")
    # What the plan says once, although there are two segments and four takes.
    for words in ("downloads about 5.3 GB", "Stability AI Community", "allowed on conditions",
                  "GB of memory", "a guided step computes 4.6 TFLOP"):  # fmt: skip
        assert before_work.count(words) == 1, done.stderr
    assert done.stderr.count("Preparing stable-audio\n") == 1
    assert done.stderr.count("s0: Stable Audio, 4 steps\n") == 2
    takes = json.loads(done.stdout)["takes"]
    assert [take["status"] for take in takes] == ["rendered"] * 4
    for take, seconds in zip(takes, [1.5, 1.5, 0.77, 0.77], strict=True):
        clip = audio.read(tmp_path / take["path"])
        assert (clip.sample_rate, clip.channels, clip.n_samples) == (
            44_100,
            2,
            round(seconds * 44_100),
        )
    receipts = [read_receipt(tmp_path / take["receipt"]) for take in takes]
    assert len({receipt.sound.sha256 for receipt in receipts}) == 4
    model = receipts[0].model
    assert (model.repo, model.revision) == (REPO, repo.commit)
    weights = "transformer/diffusion_pytorch_model.safetensors"
    assert model.files[weights] == hashlib.sha256(files[weights]).hexdigest()
    assert (model.device, model.dtype) == ("cpu", "float32")
    assert {"torch", "transformers", "diffusers", "torchsde"} <= set(model.libraries)
    licence = ("Stability AI Community", "conditional")
    assert [(one.name, one.commercial_use) for one in model.licences] == [licence]
    assert (tmp_path / "out" / "song.wav").exists()
    assert "hf_good" not in "".join(path.read_text() for path in (tmp_path / "out").rglob("*.json"))

    # Once here, nothing asks the network; and what was learnt of this machine is kept.
    came = len(hub.requests)
    assert "stable-audio steps" in (tmp_path / "milonga" / "calibration.json").read_text()
    again = milonga("replay", takes[1]["receipt"], HF_HUB_OFFLINE="1")
    assert "identical" in again.stdout, again.stderr
    assert len(hub.requests) == came


ACCESS = {
    "no token": (None, {}, "there is no access token on this machine"),
    "no licence": ("hf_new", {}, "has not accepted its licence"),
    "pending": ("hf_new", {"pending": True}, "has not been answered"),
    "bad token": ("hf_wrong", None, "wrong or has expired"),
    "scope": ("hf_new", {"gated_scope": False}, "does not allow reading"),
}


@pytest.mark.parametrize("case", ACCESS)
def test_what_keeps_from_a_gated_model_is_said_before_any_work(
    hub, monkeypatch, make_stable_audio, case
):
    token, account, words = ACCESS[case]
    hub.add(REPO, contents(make_stable_audio()), gated=True)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
        if account is not None:
            hub.tokens[token] = hub.account(**account)
    generator = StableAudio()
    (problem,) = generator.assess(ask()).problems
    assert words in problem.message
    assert problem.step
    assert problem.where == "model"
    asked = len(hub.requests)
    # Another segment of the same run is not another question.
    assert generator.assess(ask(seconds=3)).problems == (problem,)
    assert len(hub.requests) == asked
    with pytest.raises(MilongaError, match=words):
        generator.render(ask(), Progress())
    assert hub.bytes_served == 0


def test_access_that_is_granted_and_a_hub_that_cannot_be_asked(hub, monkeypatch):
    hub.add(REPO, {"model_index.json": b"{}"}, gated=True)
    hub.tokens["hf_good"] = hub.account(repos=frozenset([REPO]))
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    found = StableAudio().assess(ask())
    assert not found.problems
    assert found.estimate_s > 0
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    found = StableAudio().assess(ask())
    assert not found.problems
    assert "can't be asked now" in " ".join(found.general)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (problem,) = StableAudio().assess(ask()).problems
    assert "the network is switched off" in problem.message
    assert "milonga weights get stable-audio" in problem.step


def test_a_plan_loads_nothing(hub, run_python):
    hub.add(REPO, {"model_index.json": b"{}"})
    said = run_python("""
import sys
from milonga.generators.registry import make_generator
from milonga.generators.base import Request
request = Request(role="backing", section="verse", seconds=45, tempo=90, key="C major", seed=0,
                  negative="drums")
for options in ({}, {"guidance": 1}, {"window": "short"}, {"device": "cuda"}):
    found = make_generator("stable-audio", options).assess(request)
    print(*found.general, *found.notes, *found.problems, found.estimate_s, sep="\\n")
assert not {"torch", "transformers", "diffusers", "scipy"} & set(sys.modules)
""")
    assert "not on this machine yet; the first take downloads about 5.3 GB" in said
    assert "stable-audio.steps=50 would save" in said
    assert "without guidance there is no negative prompt" in said
    assert "trained on windows of 47 s" in said
    assert "computes on cuda, in float16" in said
    assert said.splitlines()[-1] == "None"


def test_more_than_47_s_is_refused_before_any_work(hub, tiny):
    for generator in (tiny, StableAudio()):
        problem = generator.assess(ask(seconds=60)).problems[0]
        assert problem.message == "Stable Audio renders at most 47 s at once, not 60 s."
        assert problem.step == "Split the segment, for example into 2 parts of 30 s."
        assert problem.where == "seconds"
    problem = tiny.assess(ask(seconds=100.5)).problems[0]
    assert "3 parts of 33.5 s" in problem.step
    with pytest.raises(GeneratorError, match="at most 47 s"):
        tiny.render(ask(seconds=47.01), Progress())
    assert tiny.assess(ask(seconds=47)).problems == ()


def test_a_model_with_a_shorter_window_says_so(make_stable_audio):
    generator = make(make_stable_audio(frames=64))
    assert "at most 2.9 s" in generator.assess(ask(seconds=3)).problems[0].message
    assert generator.render(ask(seconds=2.9), Progress()).n_samples == round(2.9 * 44_100)


@settings(deadline=None, max_examples=12,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(seconds=st.floats(0.001, 2.9), window=st.sampled_from(["full", "short"]))
def test_clips_are_exactly_as_long_as_asked(make_stable_audio, seconds, window):
    generator = make(make_stable_audio(frames=64), window=window, steps=2)
    clip = generator.render(ask(seconds=seconds), Progress())
    assert (clip.sample_rate, clip.channels, clip.n_samples) == (44_100, 2, round(seconds * 44_100))
    assert np.isfinite(clip.samples).all()


def test_a_whole_window(tiny):
    clip = tiny.render(ask(seconds=47), Progress())
    assert clip.n_samples == 47 * 44_100
    assert clip.samples[:, -4410:].std() > 0.01


def test_a_clip_is_the_beginning_of_a_full_window_and_another_in_a_short_one(make_stable_audio):
    folder = make_stable_audio()
    first = make(folder).render(ask(), Progress()).samples
    assert np.array_equal(first, make(folder).render(ask(), Progress()).samples)
    short = make(folder, window="short").render(ask(), Progress()).samples
    assert short.shape == first.shape
    assert not np.allclose(short, first, atol=1e-3)


def test_seeds_words_and_options_change_the_clip(tiny, make_stable_audio):
    first = tiny.render(ask(), Progress()).samples
    other_options = make(make_stable_audio(), guidance=3)
    for generator, change in [(tiny, {"seed": 1}), (tiny, {"seed": 2**70}), (tiny, {"tempo": 90}),
                              (tiny, {"mood": "calm"}), (tiny, {"negative": "drums"}),
                              (other_options, {})]:  # fmt: skip
        other = generator.render(ask(**change), Progress()).samples
        assert np.abs(other - first).max() > 1e-3 * np.abs(first).max(), change


def test_cancelling_while_it_samples_and_while_it_decodes(
    tiny, make_stable_audio, stops_after_two_steps
):
    first = tiny.render(ask(), Progress()).samples
    with pytest.raises(Cancelled):
        make(make_stable_audio(), steps=1000).render(ask(), stops_after_two_steps)
    assert stops_after_two_steps.steps == 2
    progress = Progress(lambda update: update.label == "Decoding" and progress.cancel())
    with pytest.raises(Cancelled):
        tiny.render(ask(seconds=10), progress)
    assert np.array_equal(first, tiny.render(ask(), Progress()).samples)


@pytest.mark.slow
def test_an_interrupted_render_keeps_its_takes_and_goes_on(make_stable_audio, tmp_path):
    long = SHEET + "    options: {stable-audio: {steps: 1000}}\n"
    (tmp_path / "song.yaml").write_text(long)
    command = [
        "-m", "milonga", "render", "song.yaml", "--no-report", "--json",
        "--option", f"stable-audio.model={make_stable_audio()}",
    ]  # fmt: skip
    process = WarmProcess(command, cwd=tmp_path)
    for line in process.stderr:
        if "Stable Audio, 1000 steps" in line:
            break
    process.send_signal(signal.SIGINT)
    _, whole = process.communicate()
    assert process.returncode == 130, whole
    assert "Traceback" not in whole
    (tmp_path / "song.yaml").write_text(long.replace("1000", "5"))
    done = run_warm(command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    takes = json.loads(done.stdout)["takes"]
    assert [take["status"] for take in takes] == ["kept", "rendered"]


def test_a_folder_with_another_pipeline_or_a_damaged_configuration(make_stable_audio, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(make_stable_audio(), folder)
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
    (folder / "model_index.json").write_text("[]")
    assert "no JSON object" in said()
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "vae/config.json").write_text("{}")
    assert "configuration of" in said()
    (folder / "vae/config.json").unlink()
    assert "lacks vae/config.json" in said()


def test_the_texts_can_be_asked_for():
    (text,) = StableAudio().prompts(ask(negative="drums "))
    assert text == "trap beats, verse, instrumental, 120 BPM, A minor\nnegative: drums"
    (text,) = StableAudio(StableAudio.Options(guidance=1)).prompts(ask(negative="drums"))
    assert "drums" not in text


def test_options_out_of_range():
    for key, value in [("guidance", 0.5), ("steps", 1), ("steps", 1001), ("model", ""),
                       ("window", "half")]:  # fmt: skip
        with pytest.raises(MilongaError, match=key):
            make_generator("stable-audio", {key: value})


def test_the_estimate_is_learnt_from_the_takes(tiny, make_stable_audio):
    before = tiny.assess(ask(seconds=10)).estimate_s
    tiny.render(ask(), Progress())
    name = str(make_stable_audio())
    works = f"steps, {name}, float32", f"decoding, {name}", f"beside, {name}"
    step, second, beside = (known_speed(f"stable-audio {work}, cpu") for work in works)
    after = tiny.assess(ask(seconds=10)).estimate_s
    assert before != after
    # A guided step: each of the parameters and, in attention, each pair of 1,025 positions.
    parameters = sum(
        path.stat().st_size for path in (make_stable_audio() / "transformer").glob("*.safetensors")
    ) / 4  # fmt: skip
    tera = 2 * (2 * parameters * 1025 + 4 * 2 * 16 * 1025**2) / 1e12
    assert after == pytest.approx(3 * tera * step + 10 * second + beside)
    halved = make(make_stable_audio(), guidance=1).assess(ask(seconds=10)).estimate_s
    assert halved == pytest.approx(3 * tera / 2 * step + 10 * second + beside)
    learn_speed(f"stable-audio steps, {name}, float16, cuda:0", 1, 1e-9)
    assert tiny.assess(ask(seconds=10)).estimate_s < after


def test_a_model_of_which_nothing_is_known_yet(hub):
    hub.add("me/my-audio", {"model_index.json": b"{}"})
    found = make_generator("stable-audio", {"model": "me/my-audio"}).assess(ask())
    assert not found.problems
    said = " ".join(found.general)
    assert "the first take downloads its files" in said
    assert "taken as Stability AI Community; commercial use is allowed on conditions" in said
    gone = make_generator("stable-audio", {"model": "me/nothing"}).assess(ask())
    assert "There is no repository me/nothing" in gone.problems[0].message


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_another_precision_is_another_take_and_stands_in_the_receipt(make_stable_audio, precision):
    def made(wanted):
        options = StableAudio.Options(
            model=str(make_stable_audio()), device="cpu", steps=3, precision=wanted
        )
        generator = StableAudio(options)
        return generator.render(ask(seconds=1.0)).samples, generator.model()

    plain, model = made("published")
    assert (model.dtype, model.engine) == ("float32", "fast")
    other, model = made(precision)
    if why_slow(precision) is not None:
        assert model.dtype == "float32"
        assert any("the processor has no" in note for note in model.notes)
        return
    assert model.dtype == precision
    assert not np.array_equal(plain, other)
    assert np.array_equal(other, made(precision)[0])
