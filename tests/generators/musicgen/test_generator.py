"""The generator from assessment to clip, with tiny models in the real formats."""

import hashlib
import json
import os
import random
import shutil
import signal

import numpy as np
import pytest
import torch
from asking import ask, contents, two_parts
from warm_process import WarmProcess, run_warm

from milonga import audio
from milonga.compute.products import stored
from milonga.errors import Cancelled, GeneratorError, MilongaError
from milonga.generators.musicgen import MusicGen
from milonga.generators.neural.calibration import known_speed
from milonga.generators.registry import make_generator
from milonga.runtime.places import copies_folder
from milonga.runtime.progress import Progress
from milonga.songs.rendering.receipts import read_receipt

pytestmark = pytest.mark.usefixtures("home")

SMALL = "facebook/musicgen-small"
SHEET = two_parts("musicgen", negative="drums")


@pytest.fixture
def tiny(make_musicgen):
    return MusicGen(MusicGen.Options(model=str(make_musicgen(1)), precision="float32"))


@pytest.mark.slow
def test_from_a_sheet_to_a_song_and_again(hub, make_musicgen, tmp_path):
    files = contents(make_musicgen(2))
    repo = hub.add(SMALL, files)
    (tmp_path / "song.yaml").write_text(SHEET)

    def milonga(*args, **env):
        return run_warm(["-m", "milonga", *args], cwd=tmp_path, env={**os.environ, **env})

    done = milonga("render", "song.yaml", "--takes", "2", "--no-report", "--json")
    assert done.returncode == 0, done.stderr
    before_work, _, _ = done.stderr.partition("s of audio")
    # What the plan says once, although there are two segments and four takes.
    for words in ("downloads about 2.4 GB", "CC-BY-NC-4.0", "not allowed", "of memory"):
        assert before_work.count(words) == 1, done.stderr
    assert "segment 7: MusicGen has no negative prompt" in before_work
    assert done.stderr.count("Loading musicgen-small\n") == 1
    takes = json.loads(done.stdout)["takes"]
    assert [take["status"] for take in takes] == ["rendered"] * 4
    for take, seconds in zip(takes, [1.5, 1.5, 0.77, 0.77], strict=True):
        clip = audio.read(tmp_path / take["path"])
        assert (clip.sample_rate, clip.channels, clip.n_samples) == (
            32_000,
            2,
            round(seconds * 32_000),
        )
    receipts = [read_receipt(tmp_path / take["receipt"]) for take in takes]
    assert len({receipt.sound.sha256 for receipt in receipts}) == 4
    model = receipts[0].model
    assert (model.repo, model.revision) == (SMALL, repo.commit)
    weights = files["model.safetensors"]
    assert model.files["model.safetensors"] == hashlib.sha256(weights).hexdigest()
    assert (model.device, model.engine) == ("cpu", "fast")
    # Tried on this model of random numbers, and said.
    assert model.dtype in ("float32", "bfloat16", "int8")
    assert "nats a token" in "".join(model.notes)
    assert {"torch", "transformers"} <= set(model.libraries)
    assert [(one.name, one.commercial_use) for one in model.licences] == [("CC-BY-NC-4.0", "no")]
    assert (tmp_path / "out" / "song.wav").exists()

    # Once here, nothing asks the network; and what was learnt of this machine is kept.
    came = len(hub.requests)
    assert "musicgen tokens" in (tmp_path / "milonga" / "calibration.json").read_text()
    again = milonga("replay", takes[1]["receipt"], HF_HUB_OFFLINE="1")
    assert "identical" in again.stdout, again.stderr
    assert len(hub.requests) == came


def test_a_plan_loads_nothing_and_says_what_is_missing(hub, run_python):
    code = """
import sys
from milonga.generators.registry import make_generator
from milonga.generators.base import Request
request = Request(role="backing", section="verse", seconds=45, tempo=90, key="C major", seed=0)
found = make_generator("musicgen", {"model": "musicgen-stereo-medium"}).assess(request)
print(*found.general, *found.notes, *found.problems, found.estimate_s, sep="\\n")
assert not {"torch", "transformers", "scipy"} & set(sys.modules)
"""
    said = run_python(code)
    assert "not on this machine yet; the first take downloads about 8.0 GB" in said
    assert "goes on from the last 12 s" in said
    assert float(said.split()[-1]) > 1
    assert hub.requests == []
    offline = run_python(code, HF_HUB_OFFLINE="1")
    assert "the network is switched off" in offline
    assert "milonga weights get musicgen-stereo-medium" in offline


@pytest.mark.parametrize(
    ("channels", "seconds"),
    [
        (1, 0.01),
        (2, 0.77123),
        *(
            pytest.param(channels, seconds, marks=pytest.mark.slow)
            for channels, seconds in [
                (1, 0.5),
                (1, 0.77123),
                (1, 2.0),
                (2, 0.01),
                (2, 0.5),
                (2, 2.0),
            ]
        ),
    ],
)
def test_clips_are_exactly_as_long_as_asked(make_musicgen, seconds, channels):
    generator = MusicGen(MusicGen.Options(model=str(make_musicgen(channels))))
    clip = generator.render(ask(seconds=seconds), Progress())
    assert (clip.sample_rate, clip.channels, clip.n_samples) == (
        32_000,
        channels,
        round(seconds * 32_000),
    )


def test_seeds_words_and_options_change_the_clip_and_nothing_else(tiny):
    before = torch.get_rng_state(), random.getstate()
    first = tiny.render(ask(), Progress()).samples
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(first, tiny.render(ask(), Progress()).samples)
    fresh = MusicGen(tiny.options.model_copy(update={"temperature": 2.0}))
    for generator, change in [(tiny, {"seed": 1}), (tiny, {"seed": 2**70}), (tiny, {"tempo": 90}),
                              (tiny, {"mood": "calm"}), (fresh, {})]:  # fmt: skip
        other = generator.render(ask(**change), Progress()).samples
        assert not np.array_equal(first, other), change


def test_cancelling_stops_within_a_step_and_leaves_the_model_usable(tiny, monkeypatch):
    first = tiny.render(ask(), Progress()).samples
    progress = Progress()
    decoder = tiny._engine.network.decoder
    quick, calls = decoder.odds, []

    def counted(*given):
        calls.append(given)
        if len(calls) == 5:
            progress.cancel()
        return quick(*given)

    monkeypatch.setattr(decoder, "odds", counted)
    with pytest.raises(Cancelled):
        tiny.render(ask(seconds=20), progress)
    assert len(calls) == 5
    monkeypatch.undo()
    assert np.array_equal(first, tiny.render(ask(), Progress()).samples)
    progress = Progress(lambda update: update.finished and progress.cancel())
    with pytest.raises(Cancelled):
        tiny.render(ask(), progress)


def test_a_melody_checkpoint_under_another_name(make_musicgen, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(make_musicgen(1), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "musicgen_melody"}))
    generator = MusicGen(MusicGen.Options(model=str(folder)))
    assert "melody" in generator.assess(ask()).problems[0].message
    with pytest.raises(GeneratorError, match="melody"):
        generator.render(ask(), Progress())


def test_weights_that_lack_a_part_are_not_filled_with_noise(make_musicgen, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "mine"
    shutil.copytree(make_musicgen(1), folder)
    tensors = load_file(folder / "model.safetensors")
    whole = dict(tensors)
    for part in ("layers.0.fc1.weight", "quantizer.layers.2.codebook.embed"):
        tensors = {name: value for name, value in whole.items() if not name.endswith(part)}
        assert len(tensors) == len(whole) - 1
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(GeneratorError, match="lacks parts"):
            MusicGen(MusicGen.Options(model=str(folder))).render(ask(), Progress())
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(GeneratorError, match="can't be loaded"):
        MusicGen(MusicGen.Options(model=str(folder))).render(ask(), Progress())


def test_lengths_and_options_out_of_range(tiny):
    assert tiny.assess(ask(seconds=601)).problems[0].where == "seconds"
    with pytest.raises(GeneratorError, match="at most 600 s"):
        tiny.render(ask(seconds=601), Progress())
    for key, value in [("guidance", 0.5), ("temperature", 0), ("top_k", -1), ("model", "")]:
        with pytest.raises(MilongaError, match=key):
            make_generator("musicgen", {key: value})


def test_a_clip_beyond_the_window_goes_on_and_is_as_long_as_asked(tiny):
    progress_totals = set()
    progress = Progress(lambda update: progress_totals.add(update.total))
    clip = tiny.render(ask(seconds=30.3, tempo=90), progress)
    assert clip.n_samples == round(30.3 * 32_000)
    # 1,500 frames and 15 more, with three steps more for each call.
    assert 1521 in progress_totals
    after = clip.samples[:, -int(0.25 * 32_000) :]
    assert after.std() > 0.01


@pytest.mark.slow
def test_an_interrupted_render_keeps_its_takes_and_goes_on(make_musicgen, tmp_path):
    (tmp_path / "song.yaml").write_text(SHEET.replace("seconds: 0.77", "seconds: 60"))
    command = [
        "-m", "milonga", "render", "song.yaml", "--no-report", "--json",
        "--option", f"musicgen.model={make_musicgen(1)}",
    ]  # fmt: skip
    process = WarmProcess(command, cwd=tmp_path)
    for line in process.stderr:
        if "MusicGen, 60 s" in line:
            break
    process.send_signal(signal.SIGINT)
    _, whole = process.communicate()
    assert process.returncode == 130, whole
    assert "Traceback" not in whole
    (tmp_path / "song.yaml").write_text(SHEET)
    done = run_warm(command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    takes = json.loads(done.stdout)["takes"]
    assert [take["status"] for take in takes] == ["kept", "rendered"]


def test_a_model_of_which_nothing_is_known_yet(hub):
    found = make_generator("musicgen", {"model": "me/my-music"}).assess(ask())
    assert not found.problems
    assert found.estimate_s is None
    said = " ".join(found.general)
    assert "the first take downloads its files" in said
    assert "taken as CC-BY-NC-4.0; commercial use is not allowed" in said
    assert hub.requests == []


def test_the_estimate_is_learnt_from_the_takes(tiny):
    before = tiny.assess(ask(seconds=60)).estimate_s
    tiny.render(ask(), Progress())
    after = tiny.assess(ask(seconds=60)).estimate_s
    assert before != after
    work = f"musicgen tokens, {tiny.options.model}, float32, cpu"
    # From a take of 28 steps to one of 3,003: the same speed, not the same guess.
    beside = known_speed(f"musicgen beside, {tiny.options.model}, cpu")
    assert after == pytest.approx(known_speed(work) * 3003 + beside)
    (model,) = tiny.model().licences
    assert (model.name, model.commercial_use) == ("unknown; taken as CC-BY-NC-4.0", "no")


@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_checkpoints_as_they_were_published_in_2023(tiny, make_musicgen, tmp_path, form):
    """Weight norm under its old names, positions stored, perhaps pickled tensors."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "old"
    shutil.copytree(make_musicgen(1), folder)
    names = {
        "parametrizations.weight.original0": "weight_g",
        "parametrizations.weight.original1": "weight_v",
    }
    old = {}
    for name, value in load_file(folder / "model.safetensors").items():
        for new_name, old_name in names.items():
            name = name.replace(new_name, old_name)
        old[name] = value
    assert any(name.endswith("weight_g") for name in old)
    old["decoder.model.decoder.embed_positions.weights"] = torch.zeros(2048, 16)
    if form == "bin":
        (folder / "model.safetensors").unlink()
        torch.save(old, folder / "pytorch_model.bin")
    else:
        save_file(old, folder / "model.safetensors", {"format": "pt"})
    generator = MusicGen(tiny.options.model_copy(update={"model": str(folder)}))
    expected = tiny.render(ask(), Progress()).samples
    assert np.array_equal(generator.render(ask(), Progress()).samples, expected)


def test_a_checkpoint_that_wants_to_run_code_is_refused(make_musicgen, tmp_path):
    folder = tmp_path / "evil"
    shutil.copytree(make_musicgen(1), folder)
    (folder / "model.safetensors").unlink()

    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    torch.save({"lm_heads": Evil()}, folder / "pytorch_model.bin")
    with pytest.raises(GeneratorError, match="can't be loaded"):
        MusicGen(MusicGen.Options(model=str(folder))).render(ask(), Progress())


def test_letters_that_the_model_cannot_read_are_said_in_plan_and_take(make_musicgen, messages):
    generator = make_generator("musicgen", {"model": str(make_musicgen())})
    request = ask(style="明るいギター, trap beats")
    (note,) = [note for note in generator.assess(request).notes if "no sign for" in note]
    assert "明るいギター" in note
    assert "English" in note
    generator.render(request, messages)
    assert note in messages.texts
    assert note in generator.model().notes
    # Not said of the next take, which has none.
    generator.render(ask(style="calm piano"), messages)
    assert "明るい" not in "".join(generator.model().notes)
    # Two styles that give one sound are told apart before that: neither is read.
    other = generator.assess(ask(style="静かなピアノ, trap beats")).notes
    assert any("静かなピアノ" in note for note in other)


def test_before_the_download_the_plan_warns_of_other_scripts(hub):
    notes = make_generator("musicgen", {}).assess(ask(style="тихий piano")).notes
    assert any("no sign for тихий" in note for note in notes)
    assert not make_generator("musicgen", {}).assess(ask(style="bandoneón")).notes


@pytest.mark.parametrize(
    ("most", "taken"),
    [(1e9, "int8"), pytest.param(1e-9, "float32", marks=pytest.mark.slow)],
)
def test_auto_takes_fewer_bits_where_the_odds_stay(make_musicgen, monkeypatch, most, taken):
    from milonga.generators.neural import bits

    monkeypatch.setattr(bits, "LARGEST_DIVERGENCE", most)
    generator = MusicGen(MusicGen.Options(model=str(make_musicgen(1))))
    clip = generator.render(ask(), Progress())
    assert generator.model().dtype == taken
    assert any("nats a token" in note for note in generator.model().notes)
    # Kept: another process on this machine tries nothing.
    again = MusicGen(generator.options)
    monkeypatch.setattr(bits, "keep_figure", None)
    assert np.array_equal(again.render(ask(), Progress()).samples, clip.samples)
    forced = generator.options.model_copy(update={"precision": taken})
    own, calls = stored.quantise_weight, []
    monkeypatch.setattr(stored, "quantise_weight", lambda w: calls.append(1) or own(w))
    assert np.array_equal(MusicGen(forced).render(ask(), Progress()).samples, clip.samples)
    assert not calls
    if taken == "int8":
        # The stored copy was read; one that is damaged is made anew.
        (copy,) = copies_folder().iterdir()
        data = copy.read_bytes()
        copy.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
        assert np.array_equal(MusicGen(forced).render(ask(), Progress()).samples, clip.samples)
        assert calls
        assert copy.read_bytes() == data


@pytest.mark.slow
def test_a_replay_takes_the_precision_of_the_take(make_musicgen, tmp_path, monkeypatch):
    from milonga import render_song, replay
    from milonga.generators.neural import bits

    (tmp_path / "song.yaml").write_text(SHEET)
    options = {"musicgen": {"model": str(make_musicgen(1)), "precision": "float32"}}
    render_song(
        tmp_path / "song.yaml", tmp_path / "out", segments=[18], options=options, report=False
    )
    (path,) = (tmp_path / "out" / "takes").rglob("*.json")
    receipt = json.loads(path.read_text())
    # As receipts were before there was a choice.
    del receipt["request"]["options"]["precision"]
    path.write_text(json.dumps(receipt))
    monkeypatch.setattr(bits, "LARGEST_DIVERGENCE", 1e9)
    assert replay(path).verdict == "identical"
    generator = MusicGen(MusicGen.Options(model=options["musicgen"]["model"]))
    generator.render(ask(), Progress())
    assert generator.model().dtype == "int8"
