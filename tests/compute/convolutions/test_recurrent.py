import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.compute.convolutions.recurrent import Lstm
from milonga.runtime.seeding import seeded


@settings(max_examples=30, deadline=None)
@given(
    layers=st.integers(1, 3),
    inputs=st.integers(1, 9),
    size=st.integers(1, 17),
    batch=st.integers(1, 4),
    pieces=st.lists(st.integers(1, 20), min_size=1, max_size=4),
)
def test_it_is_torchs_lstm_whatever_the_pieces(layers, inputs, size, batch, pieces):
    with seeded(0), torch.inference_mode():
        theirs = torch.nn.LSTM(inputs, size, layers).eval()
        x = torch.randn(sum(pieces), batch, inputs)
        expected, (_, cells) = theirs(x)
        lstm = Lstm(theirs)
        state = lstm.start(batch)
        found = [lstm.run(piece.numpy(), state) for piece in torch.split(x, pieces)]
    # Float32, sums in another order, 80 steps at most.
    np.testing.assert_allclose(np.concatenate(found), expected, atol=2e-6, rtol=1e-5)
    np.testing.assert_allclose([cell for _, cell in state], cells, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", [{"bidirectional": True}, {"proj_size": 2}, {"bias": False}])
def test_other_kinds_are_refused(kind):
    with pytest.raises(NotImplementedError):
        Lstm(torch.nn.LSTM(4, 4, **kind))
