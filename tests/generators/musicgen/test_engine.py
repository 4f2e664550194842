"""The engine against the library's own generation and decoding."""

import numpy as np
import pytest
import torch

from milonga.compute.tokens.sampling import Choice
from milonga.generators.musicgen.engine import MusicGenEngine
from milonga.generators.neural.codec import decode
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import seeded

PROMPT = "calm piano, night. bpm: 70."
ALL = Choice(guidance=3.0)


@pytest.fixture(scope="module", params=[1, 2], ids=["mono", "stereo"])
def engine(request, make_musicgen):
    return MusicGenEngine.load(make_musicgen(request.param), "tiny", "cpu")


@pytest.fixture(scope="module")
def library(engine, make_musicgen):
    """The library's own model, of the same weights as ``engine``."""
    from transformers import MusicgenForConditionalGeneration

    folder = make_musicgen(engine.channels)
    return MusicgenForConditionalGeneration.from_pretrained(folder).eval()


def draw(engine, frames, seed=0, prompt=PROMPT, sampling=ALL, **windows):
    plan = engine.plan(frames, **windows)
    with Progress().task("", engine.steps(plan)) as task, seeded(seed):
        tokens = engine.tokens(prompt, plan, sampling, task.advance, lambda: None)
    assert task.done == task.total == engine.steps(plan)
    return tokens


def go_on(engine, kept, new, choice):
    with torch.inference_mode():
        text, seen = engine.read(PROMPT, choice)
        return engine.network.draw(text, seen, kept, new, choice, lambda: None, lambda: None)


def test_changed_tokens_change_the_audio(engine):
    tokens = draw(engine, 20)
    before = engine.audio(tokens, Progress())
    assert before.shape == (engine.channels, 20 * 640)
    assert before.std() > 1e-3
    for row in range(len(tokens)):
        changed = tokens.clone()
        changed[row, 10] = (changed[row, 10] + 1) % 64
        after = engine.audio(changed, Progress())
        # In stereo, left and right are codebooks of their own.
        moved = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
        assert moved == [row % engine.channels == channel for channel in range(engine.channels)]


def test_seed_prompt_and_settings_decide_the_tokens(engine):
    first = draw(engine, 20)
    assert torch.equal(first, draw(engine, 20))
    for change in [
        {"seed": 1},
        {"prompt": "trap beats"},
        {"sampling": Choice(guidance=1)},
        {"sampling": Choice(3.0, 0.5)},
        {"sampling": Choice(3.0, top_k=3)},
    ]:
        assert not torch.equal(first, draw(engine, 20, **change)), change
    likeliest = {"sampling": Choice(3.0, top_k=1)}
    assert torch.equal(draw(engine, 9, **likeliest), draw(engine, 9, seed=5, **likeliest))


@pytest.mark.parametrize("frames", [1, 5, 41])
def test_the_samples_are_those_of_the_library(engine, library, frames):
    sound = engine.audio(draw(engine, frames), Progress())
    text = engine._tokenizer([PROMPT], return_tensors="pt")
    with seeded(0):
        theirs = library.generate(
            **text, do_sample=True, guidance_scale=3.0, top_k=0, max_new_tokens=max(8, frames + 3)
        )
    theirs = theirs[0, :, : frames * 640].numpy()
    if frames < 5:
        # Theirs is longer: the shortest call makes five frames, and the decoder looks ahead.
        assert sound.shape == (engine.channels, frames * 640)
    else:
        assert sound.shape == theirs.shape
        # Float32 in another order of sums.
        np.testing.assert_allclose(sound, theirs, atol=1e-5 * np.abs(theirs).max())


def test_continuation_uses_the_tokens_before(engine):
    windows = {"longest_s": 0.8, "kept_s": 0.3}
    long = draw(engine, 90, **windows)
    assert long.shape == (4 * engine.channels, 90)
    # The first window is what it is alone, and each later one hangs on what came before it.
    assert torch.equal(long[:, :40], draw(engine, 40))
    plan = engine.plan(65, **windows)
    assert [(w.kept, w.new) for w in plan] == [(0, 40), (15, 25)]
    kept, likeliest = long[:, 25:40], Choice(3.0, top_k=1)
    after = go_on(engine, kept, 25, likeliest)
    other = go_on(engine, (kept + 1) % 64, 25, likeliest)
    again = go_on(engine, kept.clone(), 25, likeliest)
    assert torch.equal(after, again)
    assert not torch.equal(after, other)


def test_the_library_continues_alike(engine, library):
    """What a window gets as its past is what the library would decode as the past."""
    kept = draw(engine, 15)
    text = engine._tokenizer([PROMPT], return_tensors="pt")
    with seeded(3):
        new = go_on(engine, kept, 10, ALL)
    with seeded(3):
        theirs = library.generate(
            **text, decoder_input_ids=kept, do_sample=True, guidance_scale=3.0, top_k=0,
            max_new_tokens=13,
        )  # fmt: skip
    ours = engine.audio(torch.cat([kept, new], dim=1), Progress())
    assert ours.shape == theirs[0].shape
    np.testing.assert_allclose(ours, theirs[0].numpy(), atol=1e-5 * float(theirs.abs().max()))


@pytest.mark.parametrize(("computed_by", "within"), [("torch", 1e-5), ("auto", 1e-4)])
@pytest.mark.parametrize("frames", [1, 250, 251, 620])
def test_decoding_in_pieces_is_decoding(engine, frames, computed_by, within):
    generator = torch.Generator().manual_seed(frames)
    codes = torch.randint(0, 64, (2, 4, frames), generator=generator)
    codec = engine.parts[1]
    with torch.inference_mode():
        whole = codec.decode(codes[None], [None]).audio_values
    pieces = decode(codec, codes, Progress(), computed_by)
    assert pieces.shape == whole.shape == (2, 1, frames * 640)
    # Float32 in another order of sums; by the kernels 1e-4 of the peak, which is small here beside
    # what is inside: the codebooks are empty.
    torch.testing.assert_close(pieces, whole, rtol=0, atol=within * float(whole.abs().max()))


@pytest.mark.parametrize(("limit", "left"), [(65_536, "mps"), (300, "cpu")])
def test_a_mac_that_refuses_long_convolutions_decodes_all_the_same(
    engine, mac, messages, monkeypatch, limit, left
):
    codes = torch.randint(0, 64, (1, 4, 260), generator=torch.Generator().manual_seed(0))
    codec = engine.parts[1]
    mac.on = False
    whole = decode(codec, codes, Progress())
    mac.on, mac.limit = True, limit
    monkeypatch.setattr("milonga.generators.neural.codec.device_of", mac.device_of)
    found = decode(codec, codes, messages)
    assert mac.refused
    assert mac.device_of() == left
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-5 * float(whole.abs().max()))
    assert "mps can't compute so much at once (Output channels > 65536 not" in messages.texts[0]
    assert "in chunks of 125 frames" in messages.texts[0] + messages.texts[-1]
    assert (left == "cpu") == messages.texts[-1].endswith("going on on the CPU.")
