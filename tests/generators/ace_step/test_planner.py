"""The planner: its texts, its codes, and the take that follows them."""

import json

import pytest
import tiny_ace_step
import torch
from ace_step_parity import ask, engine_of, pipeline_of, same, theirs

from milonga.errors import Cancelled, GeneratorError
from milonga.generators.ace_step.codes import latents_of
from milonga.generators.ace_step.engine import Phase, Settings
from milonga.generators.ace_step.planner import GUIDANCE, TEMPERATURE, TOP_P, Planner, drawn
from milonga.generators.ace_step.prompts import planner_texts, texts_of
from milonga.generators.base import Edit
from milonga.generators.registry import make_generator
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import fold

pytestmark = pytest.mark.usefixtures("home")

REPO = "ACE-Step/acestep-5Hz-lm-0.6B"
FEW = 40


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A planner of 40 codes."""
    return tiny_ace_step.save_planner(tmp_path_factory.mktemp("few"), FEW)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One of as many codes as the checkpoints have."""
    return tiny_ace_step.save_planner(tmp_path_factory.mktemp("whole"))


def test_the_chat_is_that_of_the_authors_program():
    told, untold = planner_texts(ask(time="3/4", style="milonga", mood="", seconds=12.6))
    assert told == (
        "<|im_start|>system\n# Instruction\nGenerate audio semantic tokens based on the given "
        "conditions:\n\n<|im_end|>\n<|im_start|>user\n# Caption\nmilonga\n\n# Lyric\n[Verse]\n"
        "We laugh at the chaos\n<|im_end|>\n<|im_start|>assistant\n<think>\nbpm: 122\n"
        "duration: 12\nkeyscale: A minor\ntimesignature: 3\n</think>\n\n<|im_end|>\n"
    )
    facts = "bpm: 122\nduration: 12\nkeyscale: A minor\ntimesignature: 3"
    assert untold == told.replace(facts, "")
    # What isn't known is left out.
    assert "<think>\nduration: 10\n</think>" in planner_texts(ask(role="texture"))[0]


def test_codes_are_drawn_from_the_librarys_odds(few):
    """Each code is the one that the library's model leads to, token by token without a memory."""
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    told, untold = planner_texts(ask())
    planner = Planner(few, "few", "cpu", "float32", FEW)
    found = planner.plan(told, untold, 6, 3, Progress())
    model = AutoModelForCausalLM.from_pretrained(few, dtype=torch.float32)
    words = Tokenizer.from_file(str(few / "tokenizer.json"))
    first = words.token_to_id("<|audio_code_0|>")
    generator = torch.Generator().manual_seed(fold(3 + 3 * 2**32))
    written = []
    with torch.inference_mode():
        for _ in found:
            rows = [
                model(torch.tensor([words.encode(text).ids + written])).logits[0, -1]
                for text in (told, untold)
            ]
            one, other = (row[first : first + FEW] for row in rows)
            written.append(first + drawn(other + GUIDANCE * (one - other), generator))
    assert found == [token - first for token in written]
    assert len(set(found)) > 1


@pytest.mark.parametrize("seed", range(3))
def test_only_the_likeliest_codes_are_drawn(seed):
    generator = torch.Generator().manual_seed(seed)
    odds = torch.randn(50, generator=generator)
    shares, places = torch.softmax(odds, 0).sort(descending=True)
    kept = int((shares.cumsum(0) < TOP_P).sum()) + 1
    counts = torch.zeros(50)
    for _ in range(600):
        counts[drawn(odds, generator)] += 1
    assert set(counts.nonzero()[:, 0].tolist()) <= set(places[:kept].tolist())
    expected = torch.softmax(odds[places[:kept]] / TEMPERATURE, 0)
    # Three standard deviations of 600 draws.
    assert (counts[places[:kept]] / 600 - expected).abs().max() < 3 * (0.25 / 600) ** 0.5
    assert drawn(torch.tensor([9.0, 1.0, 0.0]), generator) == 0


def test_latents_that_follow_codes_are_those_of_the_pipeline(make_ace_step):
    folder, request = make_ace_step(), ask()
    engine, settings = engine_of(folder), Settings(3, 1, 250, 3.0)
    codes = torch.randint(64_000, (50,), generator=torch.Generator().manual_seed(1)).tolist()
    there = latents_of(engine, codes, settings.frames, Progress())
    texts = engine.conditions.encoded(texts_of(request, "cover"), Progress())
    phase = Phase(texts, engine.context(settings.frames, there), settings.steps)
    found = engine.latents([phase], request.seed, settings, Progress())
    listed = "".join(f"<|audio_code_{code}|>" for code in codes)
    same(found, theirs(pipeline_of(folder), request, settings, audio_codes=listed))


def test_a_planned_take_from_the_hub_with_its_codes_in_the_receipt(hub, make_ace_step, whole):
    hub.add(REPO, tiny_ace_step.files(whole))
    options = {"model": str(make_ace_step()), "planner": True, "device": "cpu"}
    generator = make_generator("ace-step", options)
    request = ask(seconds=10.3)
    found = generator.assess(request)
    assert not found.problems
    (said,) = (note for note in found.general if "plans the takes" in note)
    assert "ace-step-planner plans the takes: not on this machine yet" in said
    assert "about 1.4 GB; licence MIT" in said
    assert found.download == 1_350_000_000
    plain = make_generator("ace-step", {**options, "planner": False})
    assert found.estimate_s > plain.assess(request).estimate_s
    description, _, chat = generator.prompts(request)
    assert "Generate audio semantic tokens" in description
    assert chat == planner_texts(request)[0]
    seen = []
    clip = generator.render(request, Progress(seen.append))
    assert clip.n_samples == round(10.3 * 48_000)
    assert any("ace-step-planner" in update.label for update in seen)
    assert clip != plain.render(request, Progress())
    model = generator.model()
    head, _, listed = model.notes[0].rstrip(".").partition(", codes: ")
    assert head.startswith("Planned by ace-step-planner in ")
    # 10.3 s are 258 latents, of which a code stands for five.
    assert len(listed.split()) == 52
    assert all(0 <= int(code) < 64_000 for code in listed.split())
    assert "planner/model.safetensors" in model.files
    assert [one.name for one in model.licences][-2:] == ["MIT", "Apache-2.0"]
    again = make_generator("ace-step", options)
    assert again.render(request, Progress()) == clip
    assert again.model().notes == model.notes
    other = request.model_copy(update={"seed": 6})
    generator.render(other, Progress())
    assert generator.model().notes[0] != model.notes[0]


def test_an_edit_gets_no_plan(make_ace_step, whole):
    generator = make_generator(
        "ace-step", {"model": str(make_ace_step()), "planner": True, "planner_model": str(whole)}
    )
    edit = Edit(task="repaint", source="x", start=1.0, end=2.0)
    request = ask(edit=edit)
    assert any("planner is not used" in note for note in generator.assess(request).notes)
    assert len(generator.prompts(request)) == 2


def test_a_plan_stops_between_codes(few):
    def stop(update):
        if update.label.startswith("Planning") and update.done >= 2:
            progress.cancel()

    progress = Progress(stop)
    planner = Planner(few, "few", "cpu", "published", FEW)
    with pytest.raises(Cancelled):
        planner.plan(*planner_texts(ask()), 1000, 0, progress)


def test_what_keeps_from_a_plan_is_said_before_any_work(
    hub, make_ace_step, few, tmp_path, monkeypatch
):
    def problems(**options):
        known = {"model": str(make_ace_step()), "planner": True, **options}
        return make_generator("ace-step", known).assess(ask()).problems

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (problem,) = problems()
    assert problem.where == "planner_model"
    assert "the network is switched off" in problem.message
    (problem,) = problems(planner_model=str(tmp_path))
    assert "lacks config.json" in problem.message
    mine = tiny_ace_step.save(tmp_path / "mine")
    (mine / "audio_token_detokenizer/config.json").unlink()
    (problem,) = problems(model=str(mine), planner_model=str(few))
    assert "A plan needs the parts" in problem.message
    assert hub.requests == []
    generator = make_generator(
        "ace-step", {"model": str(make_ace_step()), "planner": True, "planner_model": str(few)}
    )
    with pytest.raises(GeneratorError, match="no 64000 codes"):
        generator.render(ask(), Progress())
    other = tmp_path / "other"
    tiny_ace_step.save_planner(other, FEW)
    (other / "config.json").write_text(json.dumps({"model_type": "llama"}))
    generator = make_generator(
        "ace-step", {"model": str(make_ace_step()), "planner": True, "planner_model": str(other)}
    )
    with pytest.raises(GeneratorError, match="no planner of ACE-Step"):
        generator.render(ask(), Progress())
