import numpy as np
import pytest

from milonga.audio.mel.filters import hz_to_mel, mel_to_hz


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_the_scale_inverts(scale):
    hertz = np.array([0.0, 40.0, 999.0, 1000.0, 4321.0, 20_000.0])
    # Double precision through one logarithm and one power.
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hertz, scale), scale), hertz, rtol=1e-12)
