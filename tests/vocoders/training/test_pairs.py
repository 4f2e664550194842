import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio.clip import Clip
from milonga.audio.mel.spec import MelSpec
from milonga.errors import VocoderError
from milonga.vocoders.training.pairs import Pairs

SPEC = MelSpec.preset("bigvgan-v2-24khz-100band-256x")


class Doubler:
    """Stands for a sound model: one nat more."""

    context = 5

    def __init__(self):
        self.lengths = []

    def __call__(self, mel):
        self.lengths.append(mel.shape[1])
        return mel + np.float32(1)


@given(
    samples=st.integers(1, 12_000),
    first=st.integers(0, 30),
    frames=st.integers(1, 20),
    context=st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_a_cut_has_the_mel_of_the_whole(samples, first, frames, context):
    wave = (0.1 * np.random.default_rng(samples).standard_normal(samples)).astype(np.float32)
    count = -(-samples // SPEC.hop)
    first = min(first, count - 1)
    remake = Doubler()
    remake.context = context
    pair = Pairs([wave], SPEC, remake).pair(0, first, frames, remade=context > 0)
    padded = np.pad(wave, (0, max(0, (first + frames) * SPEC.hop - samples)))
    np.testing.assert_array_equal(pair.wave, padded[first * SPEC.hop : (first + frames) * SPEC.hop])
    assert pair.mel.shape == (SPEC.n_mels, frames)
    if first + frames <= samples // SPEC.hop and samples % SPEC.hop == 0:
        whole = SPEC.analyse(Clip(wave, SPEC.sample_rate))[0] + (context > 0)
        # The same double-precision transform of the same samples.
        np.testing.assert_allclose(pair.mel, whole[:, first : first + frames], atol=1e-5)


def test_every_recording_is_drawn_by_its_length_and_draws_repeat():
    waves = [np.full(n * SPEC.hop, level, np.float32) for n, level in ((300, 0.1), (100, 0.2))]
    pairs = Pairs(waves, SPEC)
    mels, sounds = pairs.batch(np.random.default_rng(3), 400, 4, 0.0)
    assert mels.shape == (400, 100, 4)
    assert sounds.shape == (400, 1, 4 * SPEC.hop)
    again = pairs.batch(np.random.default_rng(3), 400, 4, 0.0)
    np.testing.assert_array_equal(mels, again[0])
    # Gains from -9 to 0 dB: levels over 0.1 are certainly of the second, of a quarter of the
    # draws; 6 of 9 dB of its range lie there. Five standard deviations of a binomial.
    loud = (np.abs(sounds).max((1, 2)) > 0.1001).mean()
    assert abs(loud - 0.25 * 6.02 / 9) < 5 * np.sqrt(0.167 * 0.833 / 400)


def test_the_model_makes_its_share_of_the_mels_with_context():
    wave = (0.1 * np.random.default_rng(0).standard_normal(100 * SPEC.hop)).astype(np.float32)
    remake = Doubler()
    Pairs([wave], SPEC, remake).batch(np.random.default_rng(0), 60, 8, 0.25)
    assert 5 < len(remake.lengths) < 28
    assert max(remake.lengths) == 8 + 2 * (2 + remake.context)


def test_a_target_stays_below_full_scale_and_its_mel_goes_along():
    wave = (2.0 * np.sin(np.arange(60 * SPEC.hop) * 0.1)).astype(np.float32)
    pair = Pairs([wave], SPEC).pair(0, 20, 8, remade=False)
    assert np.abs(pair.wave).max() == pytest.approx(0.99, abs=1e-6)
    half = Pairs([wave / 4], SPEC).pair(0, 20, 8, remade=False)
    # Logs of magnitudes: 0.99 / 2 of the amplitude of the first.
    loud = pair.mel > 0
    np.testing.assert_allclose((pair.mel - half.mel)[loud], np.log(0.99 / 0.5), atol=0.01)


def test_excerpts_are_spread_over_the_recordings():
    waves = [np.zeros(n * SPEC.hop, np.float32) for n in (2000, 10, 700)]
    places = Pairs(waves, SPEC).excerpts(12.0, 4.0)
    assert {index for index, _, _ in places} == {0, 1, 2}
    seconds = sum(count for _, _, count in places) / SPEC.frame_rate
    assert 12.0 <= seconds <= 16.0
    assert len(Pairs(waves, SPEC).excerpts(0.001)) == 1
    many = [index for index, _, _ in Pairs(waves * 30, SPEC).excerpts(60.0)]
    assert len(many) == len(set(many)) > 8
    assert max(many) > 70
    for index, first, count in Pairs(waves, SPEC).excerpts(1e9):
        assert count > 0
        assert (first + count) * SPEC.hop <= len(waves[index])


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(VocoderError, match="no sound"):
        Pairs([np.zeros(0, np.float32)], SPEC)
    with pytest.raises(VocoderError, match="'same'"):
        Pairs([np.zeros(9, np.float32)], MelSpec.preset("tacotron-22k-80band"))
