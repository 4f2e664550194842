"""Blends: between the models in every way that is measured, and at an end the model itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio import read
from milonga.errors import SoundError, UnknownNameError
from milonga.sounds.controls.descriptors import CONTROLS, LOUDNESS, NAMES, describe
from milonga.sounds.instrument.blend import Blend, parse_shares
from milonga.sounds.instrument.blend_mixing import mix_mels
from milonga.sounds.instrument.instrument import Instrument
from milonga.sounds.mel_spec import MEL_SPEC
from milonga.sounds.model.file import sound_hash
from milonga.sounds.model.play_settings import PlaySettings

SETTINGS = PlaySettings(seconds=0.5, seed=2, controls={"brightness": 1.0})


@pytest.fixture
def models(library, sound_models):
    library.save("tiny", *sound_models.small_model("tiny", licence="CC0"))
    other = sound_models.small_model("other", seed=1, disabled=("pulse",), licence="CC BY 4.0")
    library.save("other", *other)
    return library


slow_to_begin = settings(deadline=None, max_examples=25)


def blend(*texts):
    return Blend.open(parse_shares(texts), vocoder="griffin-lim")


def mels(seed, frames=40, level=-4.0):
    rng = np.random.default_rng(seed)
    return (level + rng.standard_normal((1, 128, frames))).astype(np.float32)


def level_db(mel):
    """As the control "loudness" measures it."""
    return 10 * np.log10(np.mean(10 ** (describe(mel, MEL_SPEC)[0, LOUDNESS] / 10)))


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=8).filter(lambda w: sum(w) > 1e-3))
def test_weights_become_shares(weights):
    shares = parse_shares([f"model {n}:{weight!r}" for n, weight in enumerate(weights)])
    assert [name for name, _ in shares] == [f"model {n}" for n in range(len(weights))]
    assert sum(share for _, share in shares) == pytest.approx(1.0, abs=1e-12)


def test_shares_as_people_write_them():
    assert parse_shares(["a", "b"]) == [("a", 0.5), ("b", 0.5)]
    assert parse_shares([r"C:\models\a.safetensors:3", "b:1"])[0] == (
        r"C:\models\a.safetensors",
        0.75,
    )
    assert parse_shares([r"C:\a.safetensors", "b"])[0][0] == r"C:\a.safetensors"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a:1"], "2 to 8 models"),
        (["a:0", "b:0"], "All weights are 0"),
        (["a:-1", "b:1"], "not MODEL:WEIGHT"),
        (["a:nan", "b:1"], "not MODEL:WEIGHT"),
        ([":1", "b:1"], "not MODEL:WEIGHT"),
        (["a:1", "b"], "every model a weight"),
    ],
)
def test_other_forms_are_refused(texts, message):
    with pytest.raises(SoundError, match=message):
        parse_shares(texts)


@slow_to_begin
@given(st.integers(0, 99), st.floats(-5, 0), st.floats(-5, 0), st.floats(0.01, 0.99))
def test_the_level_lies_between(seed, one, other, share):
    a, b = mels(seed, level=one), mels(seed + 1, level=other)
    mixed = mix_mels([a, b], [share, 1 - share], MEL_SPEC)
    wanted = share * level_db(a) + (1 - share) * level_db(b)
    # The mel's floor of 1e-5 is taken off magnitudes from 1e-3 up: 1 %, 0.1 dB.
    assert level_db(mixed) == pytest.approx(wanted, abs=0.1)


@slow_to_begin
@given(st.integers(0, 99), st.floats(0, 1))
def test_a_mel_blended_with_itself_stays_itself(seed, share):
    mel = mels(seed)
    np.testing.assert_allclose(mix_mels([mel, mel], [share, 1 - share], MEL_SPEC), mel, atol=1e-5)


def test_a_weight_of_one_gives_that_mel_untouched():
    a, b = mels(0), mels(1)
    assert mix_mels([a, b], [1.0, 0.0], MEL_SPEC) is a
    assert mix_mels([a, b], [0.0, 1.0], MEL_SPEC) is b


def test_half_and_half_lies_between_two_unlike_recordings(tmp_path, make_corpus):
    found = []
    for kind in ("pitched", "noisy"):
        make_corpus(tmp_path / kind, kind, files=1, seconds=6.0)
        found.append(MEL_SPEC.analyse(read(tmp_path / kind / f"{kind} 0.wav")))
    values = {}
    for share in (1.0, 0.5, 0.0):
        mixed = mix_mels(found, [share, 1 - share], MEL_SPEC)
        values[share] = describe(mixed, MEL_SPEC)[0].mean(axis=1)
    # Differences that a listener just notices.
    unit = np.array([control.least_spread for control in CONTROLS])
    for name in ("loudness", "brightness", "warmth"):
        one, half, other = (values[share][NAMES.index(name)] for share in (1.0, 0.5, 0.0))
        assert min(one, other) < half < max(one, other), name
    # In all descriptors together it is nearer to either than they are to each other.
    far = np.linalg.norm((values[1.0] - values[0.0]) / unit)
    for end in (1.0, 0.0):
        assert np.linalg.norm((values[0.5] - values[end]) / unit) < far


def test_a_hundred_to_nothing_is_that_model_bit_for_bit(models):
    instrument = Instrument.open("tiny", vocoder="griffin-lim")
    asked = SETTINGS.resolve(instrument.player)
    alone = instrument.play(asked)
    whole = blend("tiny:100", "other:0")
    ready = whole.resolve(SETTINGS)
    assert whole.how == "alone"
    assert np.array_equal(whole.play(ready).samples, alone.samples)
    assert whole.provenance(SETTINGS, ready) == instrument.provenance(asked)


def test_a_receipt_holds_everything(models):
    half = blend("tiny:3", "other:1")
    made = half.provenance(SETTINGS, half.resolve(SETTINGS))
    assert made.model == "tiny:75 + other:25"
    assert made.licence == "CC0; CC BY 4.0"
    assert made.settings["controls"] == {"brightness": 1.0}
    details = made.settings["blend"]
    assert details["what"] == "mels"
    assert [part["weight"] for part in details["models"]] == [0.75, 0.25]
    hashes = [sound_hash(models.model_path(name)) for name in ("tiny", "other")]
    assert [part["model_sha256"] for part in details["models"]] == hashes
    assert "learnt_from" not in made.settings, "it would be that of one of them"
    for part in details["models"]:
        corpus = models.model(part["model"]).header.corpus
        assert part["learnt_from"]["files"] == len(corpus.files)
        assert part["learnt_from"]["corpus"] == corpus.fingerprint
    models.annotate("other", licence="")
    half = blend("tiny:3", "other:1")
    assert half.provenance(SETTINGS, ready := half.resolve(SETTINGS)).licence == (
        "CC0; not stated for other"
    )
    assert ready is not None


def test_the_same_request_gives_the_same_sound_and_the_length_asked_for(models):
    half = blend("tiny", "other")
    ready = half.resolve(SETTINGS)
    clip = half.play(ready)
    assert np.array_equal(clip.samples, half.play(ready).samples)
    assert clip.n_samples == 22_050
    assert clip.peak <= 0.97
    # Other weights without loading anything: as if it were opened with them.
    other = half.weighted([3, 1])
    assert [part.weight for part in other.parts] == [0.75, 0.25]
    opened = blend("tiny:3", "other:1")
    assert np.array_equal(other.play(ready).samples, opened.play(SETTINGS).samples)
    assert [part.weight for part in half.parts] == [0.5, 0.5]
    for weights in ([1, 0], [1], [1, -1]):
        with pytest.raises(SoundError, match="above 0"):
            half.weighted(weights)


def test_a_control_that_one_lacks_moves_the_others_and_is_told(models):
    half = blend("tiny", "other")
    settings = PlaySettings(seconds=0.5, controls={"pulse": 2.0, "brightness": 1.0})
    ready = half.resolve(settings)
    assert ready.missing == {"pulse": ["other"]}
    assert [dict(play.controls) for play in ready.plays] == [
        {"pulse": 2.0, "brightness": 1.0},
        {"brightness": 1.0},
    ]
    assert half.provenance(settings, ready).settings["blend"]["without"] == {"pulse": ["other"]}


def test_what_has_no_common_meaning_is_refused(models, sound_models):
    models.save("third", *sound_models.small_model("third", seed=2, disabled=("pulse",)))
    with pytest.raises(SoundError, match="free axes"):
        blend("tiny", "other").resolve(PlaySettings(axes={"pca1": 1.0}))
    with pytest.raises(SoundError, match="None of these models"):
        blend("other", "third").resolve(PlaySettings(controls={"pulse": 1.0}))
    with pytest.raises(UnknownNameError):
        blend("tiny", "other").resolve(PlaySettings(controls={"sweetness": 1.0}))
    with pytest.raises(SoundError, match="own vocoder"):
        Blend.open(parse_shares(["tiny", "other"]), vocoder="own")


def later(sound_models, library, name, seed, moved):
    """A model that says it was trained on from tiny; its weights are those of ``seed``, moved."""
    import torch

    header, tensors = sound_models.small_model(name, seed=seed)
    draw = torch.Generator().manual_seed(1)
    for key in tensors:
        if key.endswith("weight"):
            noise = torch.randn(tensors[key].shape, generator=draw)
            tensors[key] = tensors[key] * (1 + moved * noise)
    lineage = {"lineage": [sound_hash(library.model_path("tiny"))]}
    library.save(name, header.model_copy(update={"training": lineage}), tensors)


def test_models_of_one_ancestor_are_blended_in_their_latents(models, sound_models):
    later(sound_models, models, "next", 0, 0.01)
    half = blend("tiny", "next")
    assert half.how == "latents"
    ready = half.resolve(SETTINGS)
    # Nearly the same model: nearly the same mel, for latents and decoders both moved a little.
    alone = blend("tiny:1", "next:0")
    apart = half.mel(ready) - alone.mel(alone.resolve(SETTINGS))
    assert np.sqrt(np.mean(apart**2)) < 0.3
    later(sound_models, models, "same", 0, 0.0)
    same = blend("tiny", "same")
    expected = alone.mel(alone.resolve(SETTINGS))
    np.testing.assert_allclose(same.mel(same.resolve(SETTINGS)), expected, atol=1e-3)


def test_an_ancestor_long_left_behind_is_no_common_space(models, sound_models):
    later(sound_models, models, "far", 7, 0.0)
    half = blend("tiny", "far")
    assert half.how == "mels"
    assert "drifted apart" in half.why
