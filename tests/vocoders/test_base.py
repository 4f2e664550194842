"""What every vocoder promises: refusals before any work, shapes, kinds of arrays."""

import numpy as np
import pytest
import torch

from milonga.errors import UnknownNameError
from milonga.vocoders import VocoderError, get_vocoder


@pytest.fixture(scope="module")
def vocoder(folder):
    return get_vocoder("bigvgan", "cpu", model=folder()[0])


def test_unknown_names_list_the_known():
    with pytest.raises(UnknownNameError, match="bigvgan, griffin-lim"):
        get_vocoder("wavenet")


def test_no_frames_give_no_samples(vocoder, mel):
    assert vocoder.mel_to_waveform(mel(0)).shape == (1, 1, 0)
    assert list(vocoder.stream(mel(0))) == []


def test_tensors_come_back_as_tensors(vocoder, mel):
    values = mel(5)
    out = vocoder.mel_to_waveform(torch.from_numpy(values))
    assert isinstance(out, torch.Tensor)
    assert np.array_equal(out.numpy(), vocoder.mel_to_waveform(values))


def test_batches_are_what_their_items_are(vocoder, mel):
    values = mel(21, batch=3)
    together = vocoder.mel_to_waveform(values)
    assert together.shape == (3, 1, 21 * 16)
    for index in range(3):
        alone = vocoder.mel_to_waveform(values[index : index + 1])
        np.testing.assert_allclose(together[index], alone[0], atol=1e-5 * np.abs(alone).max())


def broken(values, what):
    values[0, 3, 2] = what
    return values


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v[0], "shape"),
        (lambda v: v[:, :19], "20 bands"),
        (lambda v: v.astype(np.float64), "float64"),
        (lambda v: (v * 100).astype(np.int16), "int16"),
        (lambda v: broken(v, np.nan), "NaN"),
        (lambda v: broken(v, np.inf), "NaN"),
        (lambda v: np.exp(v + 12), "another convention"),
        (lambda v: v * 10, "another convention"),
    ],
)
def test_wrong_mels_are_refused_before_any_work(vocoder, mel, change, message):
    values = change(mel(8))
    with pytest.raises(VocoderError, match=message):
        vocoder.mel_to_waveform(values)
    with pytest.raises(VocoderError, match=message):
        vocoder.stream(values)


def test_a_chunk_needs_a_frame(vocoder, mel):
    with pytest.raises(VocoderError, match="0 frames"):
        vocoder.stream(mel(8), 0)


def test_a_mel_that_was_scaled_to_between_0_and_1_is_named(vocoder):
    drawn = np.random.default_rng(0)
    for values in (drawn.uniform(0, 1, (1, 20, 9)), drawn.uniform(0.1, 0.7, (1, 20, 9))):
        with pytest.raises(VocoderError, match="between 0 and 1") as caught:
            vocoder.mel_to_waveform(values.astype(np.float32))
        assert "MelAdapter" in str(caught.value)
    # A constant says nothing of its convention.
    assert vocoder.mel_to_waveform(np.full((1, 20, 3), 0.5, np.float32)).shape == (1, 1, 48)
