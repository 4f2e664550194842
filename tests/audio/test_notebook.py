import base64
import io
import re

import numpy as np
import pytest
import soundfile
from PIL import Image

from milonga.audio import Clip


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def parts(clip):
    """The player's media type and bytes, the picture's bytes, the rest of the text."""
    html = clip._repr_html_()
    found = dict(re.findall(r'src="data:([a-z]+/[a-z]+);base64,([^"]+)"', html))
    return {kind: base64.b64decode(data) for kind, data in found.items()}, html


@pytest.mark.parametrize(
    ("rate", "channels", "kept_rate"),
    [(44_100, 1, 44_100), (48_000, 2, 48_000), (1_000, 1, 44_100), (192_000, 6, 44_100)],
)
def test_a_short_clip_is_played_without_loss(rate, channels, kept_rate, rng):
    clip = Clip(rng.uniform(-0.5, 0.5, (channels, rate)), rate)
    files, html = parts(clip)
    samples, played_rate = soundfile.read(io.BytesIO(files["audio/flac"]), always_2d=True)
    assert played_rate == kept_rate
    assert samples.shape == (kept_rate, min(channels, 2))
    if rate == kept_rate:
        # 16 bits round by at most half a step.
        assert np.abs(samples.T - clip.samples).max() <= 2**-16 * 1.01
    assert Image.open(io.BytesIO(files["image/png"])).size == (560, 192)
    assert f"1.000 s, {channels} channel" in html


def test_a_long_clip_is_bounded(rng):
    clip = Clip(rng.uniform(-0.3, 0.3, (1, 400 * 8_000)), 8_000)
    files, html = parts(clip)
    samples, rate = soundfile.read(io.BytesIO(files["audio/mpeg"]))
    # MP3 pads to whole frames.
    assert len(samples) / rate == pytest.approx(300, abs=0.5)
    assert len(html) < 7_000_000
    assert "first 5 minutes" in html


@pytest.mark.parametrize("samples", [1, 100, 44_100])
@pytest.mark.parametrize("level", [0.0, 40.0])
def test_silence_and_overload_are_shown(samples, level):
    files, _ = parts(Clip(np.full((2, samples), level), 44_100))
    played, _ = soundfile.read(io.BytesIO(files["audio/flac"]), always_2d=True)
    assert np.abs(played).max() == pytest.approx(min(level, 0.98), abs=1e-3)


def test_an_empty_clip_says_so():
    assert "an empty clip" in Clip(np.zeros(0), 44_100)._repr_html_()
