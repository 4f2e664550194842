"""Ogg files that hold several streams, or not all of one."""

import itertools

import numpy as np
import pytest

from milonga.audio import Clip, probe, read, write
from milonga.errors import AudioError
from milonga.sounds.corpus.reading import measure

KINDS = [(".ogg", 1, 44100), (".ogg", 2, 48000), (".opus", 1, 48000), (".opus", 6, 48000)]


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ogg")
    found = []
    for suffix, channels, rate in KINDS:
        path = folder / f"{channels}{suffix}"
        noise = np.random.default_rng(0).uniform(-0.3, 0.3, (channels, rate))
        write(path, Clip(noise, rate))
        found.append(path.read_bytes())
    return found


@pytest.mark.parametrize("pair", list(itertools.product(range(4), range(4))))
def test_joined_streams_are_refused_with_the_step(streams, tmp_path, pair):
    path = tmp_path / "radio show.ogg"
    path.write_bytes(b"".join(streams[each] for each in pair))
    for way in (read, probe, lambda path: list(measure(path))):
        with pytest.raises(AudioError, match="Several Ogg streams are joined") as caught:
            way(path)
        assert f"ffmpeg -i '{path}'" in str(caught.value)


@pytest.mark.parametrize("kind", range(4))
def test_a_stream_that_ends_too_early_is_refused(streams, tmp_path, kind):
    path = tmp_path / "a.ogg"
    for size in (len(streams[kind]) // 2, len(streams[kind]) - 1):
        path.write_bytes(streams[kind][:size])
        with pytest.raises(AudioError, match="truncated"):
            read(path)
