"""Cuts of a take of the whole song: the pieces are the take, each near its place in the sheet."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio.clip import Clip
from milonga.generators.base import Edit, Model, Request, SongPart
from milonga.generators.guide import Guide
from milonga.songs.rendering.cuts import Cut, beats_of, cut_take, find_cuts, pieces
from milonga.songs.rendering.receipts import Edited, Receipt, TakeSound


def receipt_of(lengths, tempo=120.0, edit=None, **fields):
    request = Request(
        role="song", section="song", seconds=sum(lengths), tempo=tempo, key="C major", seed=0,
        parts=tuple(SongPart(section="verse", seconds=length) for length in lengths), **fields,
    )  # fmt: skip
    edited = None
    if edit is not None:
        edited, request = Edited(answers=request), request.model_copy(update={"edit": edit})
    return Receipt(
        title="t", segment=0, name="The whole song", generator="x", request=request,
        model=Model(name="x"), seed=0, attempt=1, seed_used=0, length="exact",
        started=datetime.now(UTC), duration_s=1.0, edited=edited,
        sound=TakeSound(
            file="x.wav", sha256="0", n_samples=1, sample_rate=1, channels=1, seconds=1
        ),
    )  # fmt: skip


def clicks(seconds, rate, tempo=120.0, lead_s=0.0):
    sound = 1e-3 * np.random.default_rng(0).standard_normal(round(seconds * rate))
    t = np.arange(round(0.08 * rate)) / rate
    for beat in range(int((seconds - lead_s) * tempo / 60)):
        start = round((lead_s + beat * 60 / tempo) * rate)
        pitch, level = (55, 0.9) if beat % 4 == 0 else (300, 0.3)
        wave = level * np.sin(2 * np.pi * pitch * t) * np.exp(-t / 0.03)
        sound[start : start + len(wave)] += wave[: len(sound) - start]
    return Clip(np.stack((sound, 0.5 * sound)), rate)


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.floats(0.5, 9.0), min_size=1, max_size=5),
    rate=st.sampled_from([16_000, 44_100, 48_000]),
    lead=st.floats(0.0, 0.6),
    stretch=st.sampled_from([1.0, 0.8, 1.25]),
)
def test_the_pieces_are_the_take_to_the_sample(lengths, rate, lead, stretch):
    clip = clicks(sum(lengths) * stretch, rate, lead_s=lead)
    receipt = receipt_of(lengths)
    found = cut_take(clip, receipt)
    assert len(found) == len(lengths)
    joined = np.concatenate([piece.clip.samples for piece in found], axis=1)
    assert np.array_equal(joined, clip.samples)
    assert [piece.start for piece in found[1:]] == [piece.end for piece in found[:-1]]
    assert (found[0].begins, found[-1].ends) == (None, None)
    scale = clip.seconds / sum(lengths)
    for piece, length in zip(found, lengths, strict=True):
        # Half a bar either side at most, and never more than nearly half of a neighbour.
        assert (
            abs(piece.clip.seconds - length * scale) <= 2 * min(1.05, 0.45 * length * scale) + 1e-3
        )
        assert piece.clip.n_samples
    again = find_cuts(clip, receipt)
    assert [piece.begins for piece in found[1:]] == list(again)


def test_a_cut_moves_to_the_downbeat_and_says_how_sure_it_is():
    clip = clicks(32, 22_050, tempo=119.0, lead_s=0.3)
    cuts = find_cuts(clip, receipt_of([8.0, 16.0, 8.0]))
    bar_s = 4 * 60 / 119
    for cut, sheet, bar in zip(cuts, (8.0, 24.0), (4, 12), strict=True):
        assert cut.at == "downbeat"
        assert cut.sheet_s == sheet
        # Frames are 12 ms apart.
        assert cut.time_s == pytest.approx(0.3 + bar * bar_s, abs=0.03)
        assert cut.bar >= 0.6
        assert f"at a downbeat {cut.time_s - sheet:+.2f} s from the sheet's place" in cut.text
        assert Cut.model_validate(cut.to_dict()) == cut


def test_without_a_beat_the_cut_is_the_sheets():
    noise = Clip(0.1 * np.random.default_rng(0).standard_normal(10 * 8000), 8000)
    (cut,) = find_cuts(noise, receipt_of([4.0, 6.0]))
    assert (cut.at, cut.time_s) == ("sheet", 4.0)
    assert "no clear beat" in cut.text
    assert [piece.clip.seconds for piece in pieces(noise, [cut])] == [4.0, 6.0]


@pytest.mark.parametrize(
    ("second", "at"), [({}, "downbeat"), ({"tempo": 90.0}, "sheet"), ({"time": "3/4"}, "sheet"),
                       ({"tempo": 121.0}, "downbeat")],
)  # fmt: skip
def test_a_cut_where_the_pulse_changes_is_the_sheets(second, at):
    receipt = receipt_of([8.0, 8.0])
    first, last = receipt.request.parts
    parts = (first, last.model_copy(update=second))
    receipt = receipt.model_copy(
        update={"request": receipt.request.model_copy(update={"parts": parts})}
    )
    (cut,) = find_cuts(clicks(16.0, 24000, lead_s=0.1), receipt)
    assert cut.at == at


def test_what_an_edit_added_belongs_to_the_first_or_the_last_segment():
    noise = Clip(0.1 * np.random.default_rng(0).standard_normal(14 * 8000), 8000)
    before = Edit(task="extend", source="0" * 64, offset=4.0, start=0.0, end=4.0)
    (cut,) = find_cuts(noise, receipt_of([4.0, 6.0], edit=before))
    assert cut.time_s == 8.0
    after = Edit(task="extend", source="0" * 64, start=10.0)
    (cut,) = find_cuts(noise, receipt_of([4.0, 6.0], edit=after))
    assert cut.time_s == 4.0


@pytest.mark.parametrize(
    ("time", "beats"), [("4/4", 4), ("3/4", 3), ("2/4", 2), ("6/8", 2), ("12/8", 4), ("3/8", 3)]
)
def test_beats_of_a_bar(time, beats):
    assert beats_of(time) == beats


STYLES = (
    "Latin trap / reggaeton", "tango with bandoneon", "piano ballad calm", "house", "rock",
    "ambient pads", "hip-hop", "milonga", "electronic pop energetic", "bolero",
)  # fmt: skip


@pytest.mark.slow
def test_cuts_of_the_guides_songs_lie_on_their_beats():
    """The bars are known, the take begins 0.37 s late, and the tempo asked for is 1 % off."""
    found = []
    for style in STYLES:
        for tempo in (84.0, 122.0):
            lengths = [bars * 240 / tempo for bars in (4, 8, 8, 4)]
            parts = tuple(
                SongPart(section=section, seconds=length)
                for section, length in zip(
                    ("intro", "verse", "chorus", "outro"), lengths, strict=True
                )
            )
            request = Request(
                role="song", section="song", style=style, seconds=sum(lengths), tempo=tempo,
                key="A minor", seed=1, parts=parts,
            )  # fmt: skip
            clip = Guide().render(request)
            late = np.pad(clip.samples, ((0, 0), (round(0.37 * 44100), 0)))
            asked = receipt_of(lengths, tempo * 1.01)
            cuts = find_cuts(Clip(late[:, : clip.n_samples], 44100), asked)
            for cut in cuts:
                off = (cut.time_s - cut.sheet_s - 0.37) * tempo / 60
                grid = 4 if cut.at == "downbeat" else 1
                seconds = (off - grid * round(off / grid)) * 60 / tempo
                found.append((cut.at, abs(seconds) < 0.03))
    right = [at for at, good in found if good]
    assert len(found) == 60
    assert {at for at, good in found if not good} == set()
    # Where no beat of the bars stands out it says so: 27 of 60 are sure.
    assert right.count("downbeat") >= 25
