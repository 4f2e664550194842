"""The generator from assessment to clip and edit, with tiny models in the real formats."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from asking import ask, contents, two_parts
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milonga import audio
from milonga.audio.clip import Clip
from milonga.cli.main import cli
from milonga.errors import Cancelled, GeneratorError, MilongaError
from milonga.generators.base import Edit
from milonga.generators.neural.calibration import known_speed
from milonga.generators.stable_audio_3 import StableAudio3
from milonga.generators.stable_audio_3.layout import layout_of
from milonga.runtime.progress import Progress
from milonga.songs.rendering.receipts import read_receipt
from milonga.songs.sheet.model import Sheet
from milonga.weights.inventory import list_weights
from milonga.workflows.edits import edit_take
from milonga.workflows.songs import render_song, replay

pytestmark = pytest.mark.usefixtures("home")

REPO = "stabilityai/stable-audio-3-small-music"
SHEET = two_parts("stable-audio-3")


@pytest.fixture
def tiny(make_published):
    return make(make_published())


def make(folder, **options):
    return StableAudio3(StableAudio3.Options(model=str(folder), **{"steps": 3} | options))


def test_from_a_sheet_to_a_song_and_again(hub, milonga, make_published, tmp_path):
    files = contents(make_published(small=True))
    repo = hub.add(REPO, files, gated=True)
    hub.tokens["hf_good"] = hub.account(repos=frozenset([REPO]))
    (tmp_path / "song.yaml").write_text(SHEET)

    command = ["render", "song.yaml", "--takes", "2", "--no-report", "--json"]
    refused = milonga(*command)
    assert refused.returncode == 1
    assert "there is no access token" in refused.stderr
    assert not (tmp_path / "out").exists()

    done = milonga(*command, HF_TOKEN="hf_good")
    assert done.returncode == 0, done.stderr
    before_work, _, _ = done.stderr.partition("s of audio")
    # What the plan says once, although there are two segments and four takes.
    for words in ("downloads about 3.5 GB", "licence Stability AI Community", "GB of memory",
                  "licence Gemma Terms of Use", "a minute of music takes 8 steps"):  # fmt: skip
        assert before_work.count(words) == 1, done.stderr
    assert done.stderr.count("s0: Stable Audio 3, 8 steps\n") == 2
    takes = json.loads(done.stdout)["takes"]
    assert [take["status"] for take in takes] == ["rendered"] * 4
    for take, seconds in zip(takes, [1.5, 1.5, 0.77, 0.77], strict=True):
        clip = audio.read(tmp_path / take["path"])
        assert (clip.sample_rate, clip.channels) == (44_100, 2)
        assert clip.n_samples == round(seconds * 44_100)
    receipts = [read_receipt(tmp_path / take["receipt"]) for take in takes]
    assert len({receipt.sound.sha256 for receipt in receipts}) == 4
    model = receipts[0].model
    assert (model.repo, model.revision) == (REPO, repo.commit)
    weights = files["model.safetensors"]
    assert model.files["model.safetensors"] == hashlib.sha256(weights).hexdigest()
    assert (model.device, model.dtype) == ("cpu", "float32")
    assert [(one.name, one.commercial_use) for one in model.licences] == [
        ("Stability AI Community", "conditional"), ("Gemma Terms of Use", "conditional"),
    ]  # fmt: skip
    assert "T5Gemma" in model.licences[1].what

    # Once here, nothing asks the network.
    came = len(hub.requests)
    again = milonga("replay", takes[1]["receipt"], HF_HUB_OFFLINE="1")
    assert "identical" in again.stdout, again.stderr
    assert len(hub.requests) == came


def test_both_licences_are_in_the_list_of_weights():
    rows = {row.source.name: row.to_dict() for row in list_weights()}
    row = rows["stable-audio-3-medium"]
    assert row["licence"] == "Stability AI Community, Gemma Terms of Use"
    assert row["commercial_use"] == "conditional"
    assert rows["stable-audio"]["licence"] == "Stability AI Community"


def test_a_plan_loads_nothing(hub, run_python):
    for repo in (REPO, "stabilityai/stable-audio-3-medium-base"):
        hub.add(repo, {"model_config.json": b"{}"})
    said = run_python("""
import sys
from milonga.generators.registry import make_generator
from milonga.generators.base import Request
request = Request(role="backing", section="verse", seconds=100, tempo=90, key="C major", seed=0,
                  negative="drums")
for options in ({}, {"precision": "bfloat16"}, {"device": "cuda"}, {"guidance": 3},
                {"model": "stable-audio-3-medium-base", "device": "cpu"}):
    found = make_generator("stable-audio-3", options).assess(request)
    print(*found.general, *found.notes, *found.problems, found.estimate_s, sep="\\n")
assert not {"torch", "transformers", "diffusers", "scipy"} & set(sys.modules)
""")
    assert "not on this machine yet; the first take downloads about 3.5 GB" in said
    assert said.count("without guidance there is no negative prompt") == 3
    assert "in float32, or bfloat16 on a graphics card" in said
    assert "computes on cuda, in bfloat16" in said
    assert "a minute of music takes 100 guided steps of" in said
    assert "float16" not in said.replace("bfloat16", "")


def test_too_long_is_refused_before_any_work(hub, make_published):
    hub.add(REPO, {"model_config.json": b"{}"})
    (problem,) = StableAudio3().assess(ask(seconds=200)).problems
    assert problem.message == "stable-audio-3-small-music renders at most 120 s at once, not 200 s."
    assert "2 parts of 100 s" in problem.step
    assert "model=stable-audio-3-medium" in problem.step
    medium = StableAudio3(StableAudio3.Options(model="stable-audio-3-medium"))
    assert not list(medium.problems(ask(seconds=380), None))
    (problem,) = medium.problems(ask(seconds=400), None)
    assert "at most 380 s" in problem.message
    assert "medium" not in problem.step
    # What the files say counts.
    tiny = make(make_published(frames=43))
    assert "at most 3 s" in tiny.assess(ask(seconds=3.1)).problems[0].message
    with pytest.raises(GeneratorError, match="at most 3 s"):
        tiny.render(ask(seconds=3.1), Progress())
    assert tiny.render(ask(seconds=3), Progress()).n_samples == 3 * 44_100


@settings(deadline=None, max_examples=12,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(seconds=st.floats(0.001, 3), small=st.booleans())
def test_clips_are_exactly_as_long_as_asked(make_published, seconds, small):
    generator = make(make_published(small=small), steps=1)
    clip = generator.render(ask(seconds=seconds), Progress())
    assert (clip.sample_rate, clip.channels, clip.n_samples) == (44_100, 2, round(seconds * 44_100))
    assert np.isfinite(clip.samples).all()


def test_steps_and_guidance_are_those_that_the_model_was_made_for(make_published):
    for distilled, steps, texts in ((True, 8, 1), (False, 100, 2)):
        seen = []
        generator = make(make_published(distilled=distilled), steps=None)
        generator.render(ask(negative="drums"), Progress(seen.append))
        found = [update for update in seen if update.unit == "steps"]
        assert found[-1].total == steps
        notes = generator.assess(ask(negative="drums")).notes
        assert bool(notes) == (texts == 1)
    base = StableAudio3(StableAudio3.Options(model="stable-audio-3-medium-base"))
    assert base.prompts(ask(negative="drums"))[0].endswith("A minor\nnegative: drums")
    assert StableAudio3().prompts(ask(negative="drums"))[0].endswith("A minor")


def test_words_beyond_the_limit_are_said_before_the_work(make_published, messages):
    generator = make(make_published())
    assert generator.assess(ask()).notes == ()
    request = ask(style="tango-trap fusion with bandoneón, " * 40)
    (note,) = generator.assess(request).notes
    assert "Stable Audio 3 reads 256 tokens of a description, and this has" in note
    assert "tango" in note
    generator.render(request, messages)
    assert note in messages.texts
    assert note in generator.model().notes
    generator.render(ask(), Progress())
    assert generator.model().notes == ()


def test_letters_of_any_script_are_read(make_published):
    assert make(make_published()).assess(ask(style="баян, 三味線")).notes == ()


def test_cancelling_while_it_samples_and_while_it_decodes(
    tiny, make_published, stops_after_two_steps
):
    first = tiny.render(ask(), Progress()).samples
    with pytest.raises(Cancelled):
        make(make_published(), steps=1000).render(ask(), stops_after_two_steps)
    assert stops_after_two_steps.steps == 2
    progress = Progress(lambda update: update.label == "Decoding" and progress.cancel())
    with pytest.raises(Cancelled):
        tiny.render(ask(seconds=3), progress)
    assert np.array_equal(first, tiny.render(ask(), Progress()).samples)


def test_a_render_teaches_the_plan(tiny):
    before = tiny.assess(ask()).estimate_s
    tiny.render(ask(), Progress())
    model = tiny.options.model
    assert known_speed(f"stable-audio-3 steps, {model}, float32, cpu") > 0
    assert known_speed(f"stable-audio-3 decoding, {model}, cpu") > 0
    assert tiny.assess(ask()).estimate_s != before


def source_of(seconds=2.0, rate=44_100, channels=2):
    generator = np.random.default_rng(4)
    samples = 0.1 * generator.standard_normal((channels, round(seconds * rate)))
    return Clip(samples.astype(np.float32), rate)


def edit(task, **more):
    return Edit(task=task, source="0" * 64, **more)


def test_a_repaint_hears_what_surrounds_the_range(tiny):
    request = ask(seconds=2.0, edit=edit("repaint", start=0.8, end=1.2))
    assert not tiny.assess(request).problems
    first = tiny.edit(request, source_of())
    assert (first.sample_rate, first.channels, first.n_samples) == (44_100, 2, 88_200)
    assert np.array_equal(first.samples, tiny.edit(request, source_of()).samples)
    for change in ({"seed": 1}, {"edit": edit("repaint", start=0.4, end=1.2)}, {"mood": "calm"}):
        other = tiny.edit(request.model_copy(update=change), source_of())
        assert np.abs(other.samples - first.samples).max() > 1e-3
    other = tiny.edit(request, source_of().scaled(0.5))
    assert np.abs(other.samples - first.samples).max() > 1e-3


def test_a_cover_keeps_as_much_as_is_asked(tiny):
    source = source_of()
    made = [tiny.edit(ask(seconds=2.0, edit=edit("cover", strength=strength)), source)
            for strength in (0.0, 0.5, 1.0)]  # fmt: skip
    # Nothing of it is a take like any other.
    assert np.array_equal(made[0].samples, tiny.render(ask(seconds=2.0)).samples)
    assert np.abs(made[1].samples - made[0].samples).max() > 1e-3
    assert np.abs(made[2].samples - made[1].samples).max() > 1e-3


@pytest.mark.parametrize(("offset", "start", "end"), [(0.0, 2.0, 3.0), (1.0, 0.0, 1.0)])
def test_an_extension_before_or_after(tiny, offset, start, end):
    request = ask(seconds=3.0, edit=edit("extend", offset=offset, start=start, end=end))
    first = tiny.edit(request, source_of())
    assert first.n_samples == 3 * 44_100
    silent = tiny.edit(request, source_of().scaled(0.0))
    assert np.abs(first.samples - silent.samples).max() > 1e-3


def test_edits_of_takes_keep_the_rest_and_can_be_made_again(make_published, tmp_path):
    model = {"stable-audio-3": {"model": str(make_published(small=True)), "steps": 2}}
    segment = {"number": 1, "name": "Uno", "section": "solo", "seconds": 2, "options": model}
    sheet = Sheet(title="Song", generators=["stable-audio-3"], segments=[segment])
    out = tmp_path / "out"
    assert render_song(sheet.with_source(tmp_path / "song.yaml"), out, report=False).good
    folder = out / "takes/01-uno"
    (first,) = folder.glob("*.wav")
    before, _ = soundfile.read(first, dtype="int32")
    done = edit_take(out, 1, "repaint", start=0.7, end=1.3, options=model)
    after, rate = soundfile.read(done.paths[0], dtype="int32")
    start, end = round(0.7 * rate), round(1.3 * rate)
    assert np.array_equal(after[:start], before[:start])
    assert np.array_equal(after[end:], before[end:])
    assert not np.array_equal(after[start:end], before[start:end])
    longer = edit_take(out, 1, "extend", take=first.stem, by=1.0, options=model)
    after, _ = soundfile.read(longer.paths[0], dtype="int32")
    assert len(after) == 3 * rate
    assert np.array_equal(after[: 2 * rate], before)
    other = edit_take(out, 1, "cover", take=first.stem, strength=0.5, options=model)
    assert audio.read(other.paths[0]).seconds == 2
    # Of a recording that is longer than the model, from the command line.
    rng, longest = np.random.default_rng(0), layout_of(make_published(small=True), "tiny").longest_s
    total = round((longest + 3) * rate)
    sound = np.round(0.1 * rng.standard_normal((total, 2)) * 2**23).astype(np.int32) << 8
    soundfile.write(tmp_path / "long.wav", sound, rate, subtype="PCM_24")
    said = CliRunner().invoke(
        cli,
        ["edit", str(out), "1", "repaint", "--source", str(tmp_path / "long.wav"), "--from",
         f"{longest + 1:g}", "--to", f"{longest + 2:g}", "--json"],
        standalone_mode=False, catch_exceptions=False,
    )  # fmt: skip
    assert said.return_value == 0, said.output
    assert "hears as much around the range" in said.stderr
    (path,) = (take["path"] for take in json.loads(said.stdout)["takes"])
    after, _ = soundfile.read(path, dtype="int32")
    start, end = (round((longest + place) * rate) for place in (1, 2))
    assert np.array_equal(after[:start], sound[:start])
    assert np.array_equal(after[end:], sound[end:])
    assert not np.array_equal(after[start:end], sound[start:end])
    assert replay(Path(path).with_suffix(".json")).verdict == "identical"
    for edited in (done, longer, other):
        receipt = edited.paths[0].with_suffix(".json")
        assert len(read_receipt(receipt).model.licences) == 2
        assert replay(receipt).verdict == "identical"


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (22_050, 2), (44_100, 6)])
def test_sources_of_other_kinds_are_taken(tiny, rate, channels):
    source = source_of(1.0, rate, channels)
    clip = tiny.edit(ask(seconds=1.5, edit=edit("extend", start=1.0)), source)
    assert (clip.sample_rate, clip.channels, clip.n_samples) == (44_100, 2, round(1.5 * 44_100))


def test_edits_that_it_cannot_make_are_refused(tiny):
    long = ask(seconds=900.0, edit=edit("repaint", start=0.0, end=800.0))
    assert "makes a range of at most" in tiny.assess(long).problems[0].message
    assert "at most" in tiny.assess(ask(seconds=900.0, edit=edit("cover"))).problems[0].message
    request = ask(edit=edit("extract", track="drums"))
    assert "can't extract" in tiny.assess(request).problems[0].message
    with pytest.raises(GeneratorError, match="can't extract"):
        tiny.edit(request, source_of())
    request = ask(edit=edit("cover", reference="1" * 64))
    assert "no recording as a reference" in tiny.assess(request).problems[0].message
    with pytest.raises(GeneratorError, match="reference"):
        tiny.edit(request, source_of(), source_of())


def test_folders_of_another_model_or_with_a_damaged_configuration(
    make_published, make_stable_audio_3, make_stable_audio, tmp_path
):
    def said(folder):
        generator = make(folder)
        problem = generator.assess(ask()).problems[-1]
        with pytest.raises(MilongaError):
            generator.render(ask(), Progress())
        return problem.message

    assert "lacks" in said(make_stable_audio())
    theirs, own = tmp_path / "theirs", tmp_path / "own"
    shutil.copytree(make_stable_audio_3(), theirs)
    index = json.loads((theirs / "model_index.json").read_text())
    index["transformer"] = ["diffusers", "FluxTransformer2DModel"]
    (theirs / "model_index.json").write_text(json.dumps(index))
    assert "the transformer in its model_index.json is 'FluxTransformer2DModel'" in said(theirs)
    shutil.copytree(make_published(), own)
    config = json.loads((own / "model_config.json").read_text())
    config["model"]["conditioning"]["configs"][0]["type"] = "t5"
    (own / "model_config.json").write_text(json.dumps(config))
    assert "names no t5gemma" in said(own)
    (own / "model_config.json").write_text("{}")
    assert "names no t5gemma" in said(own)
    (own / "model_config.json").write_text("[]")
    assert "no JSON object" in said(own)
    (own / "model.safetensors").unlink()
    assert "lacks model.safetensors" in said(own)


def test_the_form_of_diffusers_renders_as_well(make_stable_audio_3):
    generator = make(make_stable_audio_3())
    clip = generator.render(ask(), Progress())
    assert clip.n_samples == 22_050
    (licence, gemma) = generator.model().licences
    assert licence.name == "unknown; taken as Stability AI Community"
    assert gemma.name == "Gemma Terms of Use"
