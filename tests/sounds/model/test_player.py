"""Playing: lengths, pieces, seeds, starts, extremes, and what controls do."""

import dataclasses

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.errors import ModelFileError, SoundError, UnknownNameError
from milonga.sounds.controls.descriptors import LOUDNESS, describe
from milonga.sounds.model import latents
from milonga.sounds.model import player as playing
from milonga.sounds.model.latents import encode_mel
from milonga.sounds.model.player import SoundPlayer
from milonga.sounds.model.resolved_play import ResolvedPlay
from milonga.sounds.model.walk import LatentWalk
from milonga.sounds.training.effects import POSITIONS, measure_effects, spearman
from milonga.vocoders import get_vocoder


@settings(max_examples=12, deadline=None)
@given(
    seconds=st.floats(0.001, 9.0),
    seed=st.integers(0, 9),
    pace=st.sampled_from([0, 1e-320, 0.4, 1, 3]),
)
def test_any_length_at_any_pace(player, seconds, seed, pace):
    mel = player.mel(ResolvedPlay(seconds=seconds, seed=seed, pace=pace))
    assert mel.shape == (1, 128, int(np.ceil(round(seconds * 44_100) / 512)))
    assert mel.dtype == np.float32
    assert np.isfinite(mel).all()


@settings(max_examples=6, deadline=None)
@given(chunk=st.integers(1, 40), seconds=st.floats(2.0, 6.0))
def test_pieces_are_what_the_whole_is(player, chunk, seconds):
    request = ResolvedPlay(seconds=seconds, seed=3, controls={"loudness": -1}, axes={"pca1": 1})
    whole = player.mel(request)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playing, "_CHUNK", chunk)
        pieces = player.mel(request)
    # Kernels of another length sum in another order: float32 rounding.
    np.testing.assert_allclose(pieces, whole, atol=1e-4)


def test_other_controls_leave_the_loudness(player):
    def loudness(**controls):
        mel = player.mel(ResolvedPlay(seconds=5, seed=2, controls=controls))
        return describe(mel, player.spec)[0, LOUDNESS]

    alone, loud = loudness(), loudness(loudness=2.0)
    for name in set(player.enabled) - {"loudness"}:
        for value in (-4.0, 4.0):
            changed = loudness(**{name: value})
            # Seen: up to 0.7 dB; without it, 23.
            assert np.median(np.abs(changed - alone)) < 1.0, name
            # The control of the loudness itself works beside it.
            assert np.median(np.abs(loudness(**{name: value, "loudness": 2.0}) - loud)) < 1.0
    assert loud.mean() > alone.mean() + 1


@settings(max_examples=4, deadline=None)
@given(chunk=st.integers(1, 40), seconds=st.floats(2.0, 6.0))
def test_pieces_are_what_the_whole_is_at_one_loudness(player, chunk, seconds):
    request = ResolvedPlay(seconds=seconds, seed=3, controls={"brightness": 3, "loudness": -1})
    whole = player.mel(request)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playing, "_CHUNK", chunk)
        np.testing.assert_allclose(player.mel(request), whole, atol=1e-3)


def test_a_longer_walk_begins_like_a_shorter_one(player):
    short = player.mel(ResolvedPlay(seconds=4, seed=1))
    long = player.mel(ResolvedPlay(seconds=20, seed=1))
    keep = 4 * 86 - 8 * 16
    np.testing.assert_allclose(short[:, :, :keep], long[:, :, :keep], atol=1e-4)


def test_seeds_repeat_and_differ(player):
    one, same, other = (player.mel(ResolvedPlay(seconds=3, seed=s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).mean() > 0.05


def test_a_recording_at_a_pace_next_to_nothing_stands_still(player):
    def mel(pace):
        return player.mel(ResolvedPlay(seconds=1.0, seed=1, pace=pace, start="corpus:0"))

    np.testing.assert_allclose(mel(1e-320), mel(0), atol=1e-4)


def test_a_walk_does_not_stand_still_and_pace_zero_does(player):
    def change(pace):
        blocks = LatentWalk(player.kept, np.random.default_rng(0), pace).blocks()
        latents = np.concatenate([next(blocks)[0] for _ in range(20)])
        return np.abs(np.diff(latents, axis=0)).mean()

    assert change(0.2) < change(1.0)


def test_a_walk_at_pace_zero_stays_where_it_is(player):
    blocks = LatentWalk(player.kept, np.random.default_rng(0), 0.0).blocks()
    latents = np.concatenate([next(blocks)[0] for _ in range(3)])
    # Timbre is not drawn further, nothing wanders, and one vector is read.
    assert len(latents) > 1000
    assert np.abs(latents - latents[0]).max() < 1e-5


def test_starts(player, store, sounds):
    named = player.mel(ResolvedPlay(seconds=1, start="corpus:made 5.wav"))
    numbered = player.mel(ResolvedPlay(seconds=1, start="corpus:5"))
    np.testing.assert_array_equal(named, numbered)
    own = store.tracks("train")[5].mel[None, :, :86].astype(np.float32)
    other = player.mel(ResolvedPlay(seconds=1, start="corpus:3"))
    assert np.abs(named[:, :, :86] - own).mean() < np.abs(other[:, :, :86] - own).mean()

    recording = sounds.mel_of(sounds.pitched(1.5, 262, 0.6, 3))[None]
    again = player.mel(ResolvedPlay(start=recording))
    assert abs(again.shape[2] - recording.shape[2]) <= 1
    louder = player.mel(ResolvedPlay(start=recording, controls={"loudness": 1}))
    assert louder.mean() > again.mean()
    longer = player.mel(ResolvedPlay(start=recording, seconds=6))
    assert longer.shape[2] == 517

    for start in ("corpus:nothing.wav", "corpus:99", "elsewhere"):
        with pytest.raises(UnknownNameError, match="recording of this model"):
            player.mel(ResolvedPlay(start=start))
    with pytest.raises(SoundError, match="isn't"):
        player.mel(ResolvedPlay(start=np.zeros((128, 9), np.float32)))


def test_a_long_recording_is_encoded_in_pieces_as_in_one(player, sounds, monkeypatch):
    mel = sounds.mel_of(sounds.percussive(7, 2) + sounds.pitched(7, 300, 0.6))[None]
    whole = encode_mel(player.net, mel, sounds.spec)
    monkeypatch.setattr(latents, "_CHUNK", 16)
    pieces = encode_mel(player.net, mel, sounds.spec)
    # float32 sums in another order, through seven layers.
    np.testing.assert_allclose(pieces.latents, whole.latents, atol=5e-3)
    np.testing.assert_allclose(pieces.controls, whole.controls, atol=5e-3)


def test_one_sound_turns_into_another(player):
    def of(**given):
        return player.mel(ResolvedPlay(seconds=1.5, seed=2, **given))

    one, other = of(start="corpus:0"), of(start="corpus:3")
    between = of(start="corpus:0", to="corpus:3")
    first, last = slice(8, 40), slice(-40, -8)
    assert np.abs(between - one)[..., first].mean() < np.abs(between - other)[..., first].mean()
    assert np.abs(between - other)[..., last].mean() < np.abs(between - one)[..., last].mean()


def test_extremes_of_everything_are_sound(player):
    vocoder = get_vocoder("griffin-lim", device="cpu")
    for sign in (-4.0, 4.0):
        every = dict.fromkeys(player.enabled, sign)
        axes = dict.fromkeys(player.axes, sign)
        clip = player.clip(ResolvedPlay(seconds=1.5, controls=every, axes=axes), vocoder)
        assert clip.n_samples == round(1.5 * 44_100)
        assert clip.channels == 1
        assert 1e-3 < clip.peak <= 10 ** (playing.CEILING_DBTP / 20)


def test_wrong_requests_are_explained(player):
    with pytest.raises(UnknownNameError, match="sharpness"):
        player.mel(ResolvedPlay(controls={"sharpness": 1}))
    with pytest.raises(UnknownNameError, match="pca99"):
        player.mel(ResolvedPlay(axes={"pca99": 1}))
    for wrong in ({"controls": {"loudness": 5}}, {"controls": {"loudness": float("nan")}},
                  {"axes": {"pca1": -9}}, {"pace": -1}, {"pace": float("nan")}, {"tempo": 1},
                  {"seconds": 0}, {"seconds": -3}, {"seconds": float("nan")}):  # fmt: skip
        with pytest.raises(SoundError):
            player.mel(ResolvedPlay(**wrong))


def test_a_disabled_control_says_why(trained):
    off = {"enabled": False, "reason": "It hardly differs."}
    controls = {**trained.controls, "pulse": trained.controls["pulse"].model_copy(update=off)}
    player = SoundPlayer(trained.architecture, controls, trained.tensors)
    assert "pulse" not in player.enabled
    with pytest.raises(SoundError, match="hardly differs"):
        player.mel(ResolvedPlay(controls={"pulse": 1}))


def test_parts_that_do_not_fit_are_refused(trained):
    tensors = trained.tensors

    def opened(tensors, controls=trained.controls):
        return SoundPlayer(trained.architecture, controls, tensors)

    for name in ("encoder.out.weight", "atlas.latents", "axes.mean"):
        with pytest.raises(ModelFileError, match="no tensor"):
            opened({n: t for n, t in tensors.items() if n != name})
    with pytest.raises(ModelFileError, match="architecture"):
        opened({**tensors, "middle": torch.zeros(5)})
    runs = tensors["atlas.runs"].clone()
    runs[0, 2] = 10**6
    with pytest.raises(ModelFileError, match="fit"):
        opened({**tensors, "atlas.runs": runs})
    with pytest.raises(ModelFileError):
        opened(tensors, {"loudness": trained.controls["loudness"]})


def test_effects_are_measured(trained, player):
    controls = trained.controls
    effect = controls["loudness"].effect
    assert effect.spearman["loudness"] > 0.95
    assert len(effect.curve) == len(POSITIONS) == 9
    assert effect.moved["loudness"] > 1.0
    for name in player.enabled:
        assert set(controls[name].effect.spearman) == set(controls)
    # What is measured can be chosen: here silence, which no control changes.
    silent = measure_effects(
        player, controls, seeds=(0,), seconds=0.5,
        through=lambda request: np.full((1, 128, 43), -11.5, np.float32),
    )  # fmt: skip
    assert silent["loudness"].effect.spearman["loudness"] == 0.0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=12))
def test_spearman_is_scipys(pairs):
    a, b = np.array(pairs, float).T
    expected = 0.0
    if np.ptp(a) and np.ptp(b):
        expected = scipy.stats.spearmanr(a, b).statistic
    assert spearman(a, b) == pytest.approx(expected, abs=1e-9)


def test_a_request_is_a_value():
    request = ResolvedPlay(seconds=1)
    assert dataclasses.replace(request, seed=2).seed == 2
    assert torch.get_default_dtype() == torch.float32


def test_opening_and_playing_leaves_the_random_state_of_torch(trained):
    before = torch.get_rng_state()
    SoundPlayer(trained.architecture, trained.controls, trained.tensors).mel(
        ResolvedPlay(seconds=1.0)
    )
    assert torch.equal(torch.get_rng_state(), before)
