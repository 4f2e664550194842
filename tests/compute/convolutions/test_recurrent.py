import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.compute import processor
from milonga.compute.convolutions.recurrent import ERROR, Lstm, rounded
from milonga.runtime.seeding import seeded


@settings(max_examples=30, deadline=None)
@given(
    layers=st.integers(1, 3),
    inputs=st.integers(1, 9),
    size=st.integers(1, 17),
    batch=st.integers(1, 4),
    pieces=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    threads=st.integers(1, 3),
)
def test_it_is_torchs_lstm_whatever_the_pieces(layers, inputs, size, batch, pieces, threads):
    with seeded(0), torch.inference_mode():
        theirs = torch.nn.LSTM(inputs, size, layers).eval()
        x = torch.randn(sum(pieces), batch, inputs)
        expected, (_, cells) = theirs(x)
        lstm = Lstm(theirs, threads, kinds=())
        state = lstm.start(batch)
        found = [lstm.run(piece.numpy(), state) for piece in torch.split(x, pieces)]
    # Float32, sums in another order, 80 steps at most.
    np.testing.assert_allclose(np.concatenate(found), expected, atol=2e-6, rtol=1e-5)
    kept = [cell[:, :size] for _, cell in state]
    np.testing.assert_allclose(kept, cells, atol=2e-6, rtol=1e-5)


DRAWS = {
    "even": lambda shape: torch.rand(shape) * 2 - 1,
    "normal": torch.randn,
    "sharp": lambda shape: torch.distributions.Laplace(0.0, 1.0).sample(shape),
    "heavy": lambda shape: torch.distributions.StudentT(2.0).sample(shape),
    # A number in each 64 that is a thousand times as large as the others.
    "spikes": lambda shape: torch.randn(shape) * (1 + 999 * (torch.arange(shape[1]) % 64 == 0)),
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("off", [(), ("avx512",)], ids=["all", "AVX2"])
def test_integers_hear_no_difference(draw, off):
    size, steps = 256, 40
    with seeded(1), torch.inference_mode(), processor.without(*off):
        theirs = torch.nn.LSTM(size, size, 2).eval()
        for index in range(2):
            drawn = DRAWS[draw]((4 * size, size))
            # As loud as those that torch draws, so that the steps depend on each other.
            getattr(theirs, f"weight_hh_l{index}").copy_(drawn / drawn.std() / (3 * size) ** 0.5)
        x = torch.randn(steps, 1, size)
        lstm = Lstm(theirs, 2)
        found = lstm.run(x.numpy(), lstm.start(1))
        expected = theirs.double()(x.double())[0].numpy()
    # Half of what a decoder may be off by; this is added to the LSTM's input, and goes through it.
    assert np.abs(found - expected).max() < 5e-5 * np.abs(expected).max()


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(DRAWS)), st.integers(0, 99), st.floats(-6, 6))
def test_rounding_is_bounded_or_refused(draw, seed, power):
    with seeded(seed):
        weights = DRAWS[draw]((8, 128)).reshape(2, 4, 128).numpy() * np.float32(10**power)
    numbers, scales = rounded(weights)
    if draw == "even":
        assert numbers is not None
    if draw == "spikes":
        assert numbers is None
    if numbers is not None:
        off = numbers * np.repeat(scales, 64, axis=2).astype(float) - weights
        norm = np.linalg.norm(weights.astype(float), axis=2)
        # A little more for the division in float32.
        assert (np.linalg.norm(off, axis=2) <= 1.001 * ERROR * norm).all()


@pytest.mark.parametrize("kind", [{"bidirectional": True}, {"proj_size": 2}, {"bias": False}])
def test_other_kinds_are_refused(kind):
    with pytest.raises(NotImplementedError):
        Lstm(torch.nn.LSTM(4, 4, **kind))
