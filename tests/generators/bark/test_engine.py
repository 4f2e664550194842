"""The engine against the library's own generation, and batches against single rows."""

import dataclasses

import numpy as np
import pytest
import torch

from milonga.errors import Cancelled, GeneratorError
from milonga.generators.bark.engine import BarkEngine, Sampling, batch_sizes
from milonga.generators.bark.stages import Tokens, fine_windows
from milonga.generators.bark.voices import read_voice
from milonga.runtime.progress import Progress

PROMPTS = ["♪ We whisper ♪", "♪ la noche contesta, nobody loses as long as we dance ♪", "[laughs]",
           "♪ amor y código ♪", "Tiro los dados"]  # fmt: skip
LIKELIEST = Sampling(0, 0, 0)
FREE = Sampling(1.0, 1.0, 1.0, top_k=0, min_eos_p=0.1)


@pytest.fixture(scope="module")
def engine(make_bark):
    return BarkEngine.load(make_bark(), "tiny", "cpu")


@pytest.fixture(scope="module")
def voice(make_bark):
    stem = make_bark() / "speaker_embeddings" / "v2" / "en_speaker_6"
    keys = ("semantic", "coarse", "fine")
    return read_voice(*(stem.with_name(f"{stem.name}_{key}_prompt.npy") for key in keys))


def say(engine, prompts, voice=None, sampling=FREE, seed=0, batch=8):
    return list(
        engine.together(
            prompts, voice, sampling, seed, Progress(), batch=batch, expected_s=[1.0] * len(prompts)
        )
    )


def differ(ours, others):
    return [not np.array_equal(a.samples, b.samples) for a, b in zip(ours, others, strict=True)]


def test_changed_tokens_change_the_audio(engine):
    codes = torch.randint(0, 32, (8, 30), generator=torch.Generator().manual_seed(0))
    before = engine.audio(codes, Progress())
    assert before.shape == (30 * 320,)
    assert before.std() > 1e-3
    for row in range(8):
        changed = codes.clone()
        changed[row, 10] = (changed[row, 10] + 1) % 32
        assert not np.array_equal(before, engine.audio(changed, Progress()))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("alone", [True, False], ids=["no voice", "voice"])
def test_the_likeliest_tokens_are_the_librarys(make_bark, voice, seed, alone):
    engine = BarkEngine.load(make_bark(seed=seed), "tiny", "cpu")
    model, history = engine._model, None if alone else voice
    held = None
    if history is not None:
        held = {f"{name}_prompt": getattr(voice, name) for name in ("semantic", "coarse", "fine")}
    for stage in ("semantic_config", "coarse_acoustics_config"):
        getattr(model.generation_config, stage)["do_sample"] = False
    model.generation_config.fine_acoustics_config["temperature"] = 1.0
    for prompt in PROMPTS[:2]:
        (ours,) = say(engine, [prompt], history, dataclasses.replace(LIKELIEST, min_eos_p=0.2))
        texts, (length,) = engine.encode([prompt])
        mask = (torch.arange(texts.shape[1]) < length).long()[None]
        with torch.inference_mode():
            theirs = model.generate(texts, history_prompt=held, attention_mask=mask, min_eos_p=0.2)[
                0
            ].numpy()
        assert theirs.shape == ours.samples.shape
        # Float32 in another order of sums, with the same tokens.
        np.testing.assert_allclose(ours.samples, theirs, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("alone", [True, False], ids=["no voice", "voice"])
@pytest.mark.parametrize("sampling", [LIKELIEST, FREE], ids=["likeliest", "drawn"])
def test_a_part_is_the_same_with_others_as_alone(make_bark, voice, alone, sampling):
    history = None if alone else voice
    if sampling is FREE:
        # So that parts end at different times.
        sampling = dataclasses.replace(FREE, min_eos_p=0.025)
    lengths = set()
    for seed in (0, 3):
        engine = BarkEngine.load(make_bark(seed=seed), "tiny", "cpu")
        together = say(engine, PROMPTS, history, sampling)
        single = say(engine, PROMPTS, history, sampling, batch=1)
        for a, b in zip(together, single, strict=True):
            for name in ("semantic", "coarse", "fine"):
                assert torch.equal(getattr(a.tokens, name), getattr(b.tokens, name))
            # Nothing of what padding would sound like: the length is the part's own.
            assert len(a.samples) == len(b.samples) == a.tokens.fine.shape[1] * 320
            np.testing.assert_allclose(a.samples, b.samples, atol=1e-6)
            lengths.add(len(a.samples))
    assert sampling is LIKELIEST or len(lengths) > 3


def test_seeds_texts_and_voices_decide_the_sound(engine, voice):
    first = say(engine, PROMPTS, voice)
    assert not any(differ(first, say(engine, PROMPTS, voice)))
    assert all(differ(first, say(engine, PROMPTS, voice, seed=1)))
    assert all(differ(first, say(engine, PROMPTS)))
    changed = say(engine, [PROMPTS[0], "baila", *PROMPTS[2:]], voice)
    assert differ(first, changed) == [False, True, False, False, False]
    for change in [{"semantic_temperature": 0.3}, {"coarse_temperature": 0.3}, {"top_k": 2},
                   {"fine_temperature": 0.3}, {"least": 60}, {"most": 5}]:  # fmt: skip
        assert any(differ(first, say(engine, PROMPTS, voice, dataclasses.replace(FREE, **change))))


def test_parts_go_on_from_the_tokens_before(engine, voice):
    def chain(prompts, history):
        return list(
            engine.chained(prompts, history, FREE, 0, Progress(), expected_s=[1.0] * len(prompts))
        )

    first, second, third = chain(PROMPTS[:3], voice)
    together = say(engine, PROMPTS[:3], voice)
    assert differ([first, second, third], together) == [False, True, True]
    # The third hangs on what the second made, not on its text alone.
    other = chain([PROMPTS[0], "baila", PROMPTS[2]], voice)
    assert differ([first, second, third], other) == [False, True, True]
    past = voice.then(first.tokens)
    assert past.fine.shape[1] == 70 + first.tokens.fine.shape[1]
    with Progress().task("") as task:
        from milonga.generators.bark.drawing import generator_for
        from milonga.generators.bark.work import Work

        work = Work(task, engine.numbers, [1.0])
        (again,) = engine._call([PROMPTS[1]], past, FREE, [generator_for(0, 1)], Progress(), work)
    assert not any(differ([second], [again]))


def test_text_is_never_cut(engine):
    words = "la " * 256
    texts, lengths = engine.encode([words, "la"])
    assert texts.shape == (2, 256)
    assert lengths[1] <= 2
    with pytest.raises(GeneratorError, match="Bark reads 256"):
        engine.encode([words + "la la"])


def test_what_is_left_to_do_never_grows_beyond_all(engine):
    seen = []
    progress = Progress(lambda update: seen.append((update.done, update.total)))
    parts = list(engine.together(PROMPTS, None, FREE, 0, progress, batch=2, expected_s=[0.1] * 5))
    assert len(parts) == 5
    done = [value for value, _ in seen]
    assert done == sorted(done)
    assert 90 < done[-1] <= 100


def test_cancelling_stops_within_a_block_of_every_stage(engine, voice):
    for calls in (1, 50, 260, 700, 900):

        class Impatient(Progress):
            left = calls

            def check(self):
                self.left -= 1
                if self.left == 0:
                    self.cancel()
                super().check()

        with pytest.raises(Cancelled):
            list(engine.together(
                PROMPTS, voice, FREE, 0, Impatient(), batch=8, expected_s=[1.0] * 5
            ))  # fmt: skip
    assert not any(differ(say(engine, PROMPTS, voice), say(engine, PROMPTS, voice)))


def test_half_precision_computes(make_bark, voice):
    half = BarkEngine.load(make_bark(), "tiny", "cpu", precision="float16")
    assert half.dtype == "float16"
    (part,) = say(half, PROMPTS[:1], voice)
    assert np.isfinite(part.samples).all()
    assert part.samples.std() > 1e-3


def test_a_voice_of_another_model_is_refused(engine, voice):
    engine.check_voice(voice, "good")
    for wrong in (
        Tokens(voice.semantic + 60, voice.coarse, voice.fine),
        Tokens(voice.semantic, voice.coarse + 32, voice.fine),
        Tokens(voice.semantic, voice.coarse, voice.fine - 40),
        Tokens(voice.semantic, voice.coarse, voice.fine[:4]),
    ):
        with pytest.raises(GeneratorError, match="doesn't fit"):
            engine.check_voice(wrong, "bad")


def test_batches_are_about_equal():
    for parts in range(1, 40):
        for batch in range(1, 12):
            sizes = batch_sizes(parts, batch)
            assert sum(sizes) == parts
            assert max(sizes) <= batch
            assert max(sizes) - min(sizes) <= 1


def test_the_fine_windows_cover_every_frame(engine):
    for history in (0, 10, 40):
        for frames in range(1, 300, 7):
            filled = set()
            for begin, fill in fine_windows(engine.numbers, frames, history):
                assert begin <= fill <= begin + 80
                filled |= set(range(fill, begin + 80))
            assert filled >= set(range(history, history + frames))
