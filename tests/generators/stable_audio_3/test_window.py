"""The window of an edit: where it lies, and that the range comes back to its place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio.clip import Clip
from milonga.generators.base import Edit, Request
from milonga.generators.stable_audio_3.window import SHARE, range_of, window_of

RATE, LONGEST = 1000, 4.0


def ask(seconds, task, **places):
    edit = Edit(task=task, source="0" * 64, **places)
    return Request(role="backing", section="solo", seconds=seconds, tempo=90, key="C major",
                   seed=0, edit=edit)  # fmt: skip


@settings(deadline=None, max_examples=50)
@given(seconds=st.floats(4.1, 40), at=st.floats(0, 1), share=st.floats(0.05, SHARE))
def test_the_range_is_in_the_window_and_comes_back_to_its_place(seconds, at, share):
    lasts = share * LONGEST
    start = at * (seconds - lasts)
    request = ask(seconds, "repaint", start=start, end=start + lasts)
    window = window_of(request, LONGEST)
    edit = window.request.edit
    assert window.request.seconds == LONGEST
    assert 0 <= window.start <= seconds - LONGEST + 1e-9
    assert edit.start + window.start == pytest.approx(start)
    assert edit.end + window.start == pytest.approx(start + lasts)
    # As much on either side, unless an end of the recording is near.
    before, after = edit.start, LONGEST - edit.end
    near = window.start in (0.0, seconds - LONGEST)
    assert near or before == pytest.approx(after)
    samples = np.arange(round(seconds * RATE), dtype=np.float32)[None]
    heard = window.of(Clip(samples, RATE), request.edit.offset)
    made = Clip(heard.samples[:, : round(LONGEST * RATE)], RATE)
    found = window.within(made, seconds).samples
    assert found.shape == samples.shape
    low, high = (round(place * RATE) for place in (start, start + lasts))
    # What is put back lies within a sample of where it was.
    inner = slice(low + 1, max(low + 1, high - 1))
    assert np.abs(found[:, inner] - samples[:, inner]).max(initial=0) <= 1


def test_an_extension_before_and_after():
    after = window_of(ask(30.0, "extend", start=29.0, end=30.0), LONGEST)
    assert (after.start, after.request.edit.start, after.request.edit.end) == (26.0, 3.0, 4.0)
    before = window_of(ask(30.0, "extend", offset=1.0, start=0.0, end=1.0), LONGEST)
    assert (before.start, before.request.edit.offset, before.request.edit.end) == (0.0, 1.0, 1.0)


def test_what_gets_no_window():
    short, cover = ask(4.0, "repaint", start=1.0, end=2.0), ask(9.0, "cover")
    for request in (short, cover):
        assert window_of(request, LONGEST).request is request
    assert range_of(cover) == 9.0
    assert range_of(short) == 1.0
