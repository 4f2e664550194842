"""EnCodec's decoder through the kernels against transformers' own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import EncodecConfig, EncodecModel

from milonga.compute import processor
from milonga.errors import Cancelled
from milonga.generators.neural.codec import decode, engine_of
from milonga.runtime.progress import Progress

VARIANTS = {
    "causal, as Bark's": {},
    "as MusicGen's": {"use_causal_conv": False, "use_conv_shortcut": False},
    "zeros, trimmed on both sides": {"pad_mode": "constant", "trim_right_ratio": 0.4},
    "odd rates, more layers": {
        "use_causal_conv": False, "num_residual_layers": 2, "upsampling_ratios": [5, 3, 2],
    },
}  # fmt: skip


def make(**changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = EncodecModel(
            EncodecConfig(num_filters=8, hidden_size=16, codebook_size=32, **changes)
        )
        for layer in model.quantizer.layers:
            layer.codebook.embed.normal_()
    return model.eval().requires_grad_(False)


CODECS = {name: make(**changes) for name, changes in VARIANTS.items()}


@settings(max_examples=25, deadline=None)
@given(variant=st.sampled_from(list(VARIANTS)), frames=st.integers(1, 300), batch=st.integers(1, 2))
def test_the_samples_are_those_of_the_library(variant, frames, batch):
    codec = CODECS[variant]
    draw = torch.Generator().manual_seed(frames)
    codes = torch.randint(0, 32, (batch, 4, frames), generator=draw)
    whole = codec.decode(codes[None], [None]).audio_values
    assert engine_of(codec) == "fast"
    found = decode(codec, codes, Progress())
    assert found.shape == whole.shape
    # Minimal filtering: see test_engine.
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-5 * float(whole.abs().max()))


def test_what_has_no_kernels_is_computed_by_torch():
    codec = make(norm_type="time_group_norm", use_causal_conv=False)
    assert engine_of(codec) == "torch"
    codes = torch.randint(0, 32, (1, 4, 20), generator=torch.Generator().manual_seed(0))
    whole = codec.decode(codes[None], [None]).audio_values
    torch.testing.assert_close(decode(codec, codes, Progress()), whole)


@pytest.mark.skipif(processor.machine() != "x86_64", reason="elsewhere no feature is missing")
def test_without_the_features_torch_computes():
    codec = make()
    with processor.without("fma"):
        assert engine_of(codec) == "torch"


def test_it_stops():
    progress = Progress()
    progress.cancel()
    codes = torch.zeros(1, 4, 20, dtype=torch.long)
    with pytest.raises(Cancelled):
        decode(CODECS["as MusicGen's"], codes, progress)
