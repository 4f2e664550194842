"""The divergence between two runs, and the tokens that the second one takes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from milonga.compute.tokens.divergence import Witness


@given(rows=st.integers(1, 4), tokens=st.integers(2, 9), steps=st.integers(1, 4),
       apart=st.sampled_from([0.0, 0.01, 1.0]))  # fmt: skip
def test_divergence_is_that_of_the_distributions(rows, tokens, steps, apart):
    source = torch.Generator().manual_seed(tokens)
    first, expected = Witness(), []
    other = Witness(first)
    for _ in range(steps):
        odds = torch.randn(rows, tokens, generator=source)
        odds[:, 0] = -torch.inf
        changed = odds + apart * torch.randn(rows, tokens, generator=source)
        drawn = first(odds, torch.arange(rows))
        assert torch.equal(other(changed, torch.zeros(rows)), drawn)
        true, wrong = odds[:, 1:].softmax(-1), changed[:, 1:].softmax(-1)
        expected.append(torch.nn.functional.kl_div(wrong.log(), true, reduction="batchmean"))
    # Float32 logarithms of odds about 1.
    assert other.divergence() == pytest.approx(float(sum(expected)) / steps, abs=1e-6)
    assert other.divergence() >= -1e-6
    with pytest.raises(ValueError, match="no first run"):
        first.divergence()
