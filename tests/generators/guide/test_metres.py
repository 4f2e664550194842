"""Metres, given chords, pickups and joins, measured on what is heard."""

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.generators.base import LyricLine, Request, SongPart
from milonga.generators.guide import Guide
from milonga.generators.guide.arrange import arrange
from milonga.generators.guide.band.grooves import GROOVES
from milonga.generators.guide.tune.melody import compose_melody
from milonga.generators.measures import METRES, metre_of, parse_chords
from milonga.songs.output.mix import MixInput, mixdown


def request(**changes):
    usual = {"role": "instrumental", "section": "verse", "key": "A minor", "tempo": 120.0}
    return Request(**{**usual, "seconds": 12.0, "seed": 0, **changes})


def likeness(clip, tempo):
    """How much the onsets look like themselves some beats later, by that number of beats."""
    hop = 256
    onsets = librosa.onset.onset_strength(y=clip.mono, sr=clip.sample_rate, hop_length=hop)
    onsets = onsets - onsets.mean()
    beat = 60 / tempo * clip.sample_rate / hop

    def at(beats):
        lags = round(beats * beat) + np.arange(-2, 3)
        return max(
            float((onsets[:-lag] * onsets[lag:]).mean() / (onsets * onsets).mean()) for lag in lags
        )

    return at


@pytest.mark.parametrize(
    ("style", "time", "tempo"),
    [("waltz", "3/4", 150.0), ("vals criollo, bandoneón", "3/4", 170.0), ("rock", "3/4", 100.0),
     ("pop", "4/4", 110.0)],
)  # fmt: skip
def test_accents_come_back_with_the_bar(style, time, tempo):
    """Seen: 0.79 to 0.91 after three beats of a waltz or rock in 3/4, 0.63 to 0.79 after four."""
    at = likeness(Guide().render(request(style=style, time=time, tempo=tempo)), tempo)
    if time == "3/4":
        assert at(3) > at(4)
        assert at(3) > at(2)
    else:
        assert at(4) > at(3)


@pytest.mark.parametrize(
    ("style", "time", "tempo", "section"),
    [("ballad", "6/8", 60.0, "verse"), ("chacarera", "6/8", 110.0, "verse"),
     ("pop", "12/8", 70.0, "verse"), ("milonga", "2/4", 100.0, "chorus")],
)  # fmt: skip
def test_beats_have_three_eighths_or_two(style, time, tempo, section):
    at = likeness(
        Guide().render(request(style=style, time=time, tempo=tempo, section=section)), tempo
    )
    if METRES[time].compound:
        assert at(1 / 3) > at(1 / 2) + 0.3
    else:
        assert at(1 / 2) > at(1 / 3) + 0.3
        assert at(2) > at(3)


def steps(part, beat_s, count):
    """The places of a part's notes in a cycle of eighths or sixteenths."""
    return {round(note.start_s / beat_s) % count for note in part.notes}


def test_a_chacarera_has_two_against_three():
    """Bass and drum on three quarters of the bar, the rim on two dotted ones."""
    eighth = 60 / 110 / 3
    parts = arrange(request(style="chacarera", time="6/8", tempo=110.0, section="chorus")).parts
    assert {0, 2, 4} <= steps(parts["bass"], eighth, 6)
    assert {2, 4} <= steps(parts["kick"], eighth, 6)
    rims = [n for n in parts["drums"].notes if n.pitch == 37 and n.velocity > 80]
    assert {round(n.start_s / eighth) % 6 for n in rims} >= {0, 3}


def test_a_milonga_in_two_four_leans_on_three_three_two():
    sixteenth = 60 / 100 / 4
    part = arrange(request(style="milonga", time="2/4", tempo=100.0, section="chorus")).parts
    assert {0, 3, 6} <= steps(part["chords"], sixteenth, 8)


@pytest.mark.parametrize("time", METRES)
@pytest.mark.parametrize("genre", GROOVES)
def test_every_genre_plays_in_every_metre(genre, time):
    score = arrange(request(style=genre, time=time, section="chorus", pickup=1.0, seconds=13.1))
    assert {"chords"} <= set(score.parts)
    assert score.bars[0].hold
    assert score.bars[-1].end_s == 13.1
    for part in score.parts.values():
        assert all(0 <= note.start_s < 13.1 and note.end_s > note.start_s for note in part.notes)


PROGRESSION = "Am Dm7 G7 C/E F Bdim E7:1/2 E:1/2 Am"


@pytest.mark.parametrize(("time", "tempo"), [("3/4", 100.0), ("6/8", 60.0), ("4/4", 120.0)])
def test_given_chords_are_heard(time, tempo):
    """The triad that fits a bar's chroma best has its root; seen: all, save the diminished one."""
    bar_s = metre_of(time).bar_s(tempo)
    asked = request(style="piano ballad, no drums", time=time, tempo=tempo, seconds=8 * bar_s,
                    chords=PROGRESSION, section="chorus")  # fmt: skip
    clip = Guide().render(asked)
    chroma = librosa.feature.chroma_cqt(y=clip.mono, sr=clip.sample_rate, hop_length=1024)
    frame_s = 1024 / clip.sample_rate
    right, at = 0, 0.0
    changes = parse_chords(PROGRESSION)
    for change in changes:
        end = at + float(change.bars) * bar_s
        heard = chroma[:, round((at + 0.05) / frame_s) : round(end / frame_s)].mean(axis=1)
        fits = {
            (root, third): heard[[root, (root + third) % 12, (root + 7) % 12]].sum()
            for root in range(12)
            for third in (3, 4)
        }
        right += max(fits, key=fits.get)[0] == change.chord.root
        at = end
    assert right >= len(changes) - 2


def test_given_chords_are_played_as_they_stand():
    score = arrange(request(style="pop", chords="C/E Gsus4:1/2 G7:1/2", key="C major", seconds=8.0))
    assert [bar.chord.name for bar in score.bars] == ["C/E", "Gsus4", "G7"] * 2
    assert [bar.start_s for bar in score.bars] == [0, 2, 3, 4, 6, 7]
    for bar in score.bars:
        first = next(n for n in score.parts["bass"].notes if abs(n.start_s - bar.start_s) < 1e-6)
        assert first.pitch % 12 == bar.chord.low
        played = {n.pitch % 12 for n in score.parts["chords"].notes
                  if bar.start_s - 1e-6 <= n.start_s < bar.end_s - 1e-6}  # fmt: skip
        assert played <= set(bar.chord.pitch_classes)


def test_bars_without_a_chord_are_left_to_the_drums_and_the_tune():
    score = arrange(request(style="pop", chords="Am N.C. F:1/2 N.C.:1/2 C", seconds=16.0))
    silent = [(bar.start_s, bar.end_s) for bar in score.bars if bar.chord.silent]
    assert silent == [(2, 4), (5, 6), (10, 12), (13, 14)]

    def sounds(name, start_s, end_s):
        notes = score.parts[name].notes
        return any(n.start_s < end_s - 1e-6 and n.end_s > start_s + 1e-6 for n in notes)

    for start_s, end_s in silent:
        for name in ("bass", "chords", "pad"):
            assert name not in score.parts or not sounds(name, start_s, end_s)
        assert any(sounds(name, start_s, end_s) for name in score.parts)
    assert all(sounds(name, 0, 2) for name in ("bass", "chords"))
    assert any(2 <= note.start_s < 4 for line in score.melody for note in line.notes)


def test_a_line_without_a_stress_begins_in_the_pickup():
    lines = (LyricLine(text="The river is wide and deep"), LyricLine(text="Carry me over the sea"))
    asked = request(role="vocals", lyrics=lines, time="3/4", pickup=1.0, seconds=12.5)
    first, second = compose_melody(asked)
    beat_s = 0.5
    assert first.notes[0].start_s == 0
    assert first.notes[1].start_s <= beat_s
    # "Carry" has its stress first: it waits for the bar.
    assert (second.start_s - beat_s) % (3 * beat_s) == pytest.approx(0, abs=1e-9)


def level_db(samples):
    return 10 * np.log10(np.mean(np.square(samples), dtype=np.float64) + 1e-12)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    style=st.sampled_from(
        [
            "pop",
            "tango",
            "trap",
            "milonga",
            "waltz",
            "folk",
            "ambient",
            "piano ballad, no drums",
            "house",
            "jazz",
        ]
    ),
    time=st.sampled_from(sorted(METRES)),
    tempi=st.lists(st.integers(55, 150), min_size=2, max_size=2),
    sections=st.lists(
        st.sampled_from(["intro", "verse", "chorus", "bridge", "breakdown", "instrumental"]),
        min_size=2,
        max_size=2,
    ),
    seconds=st.lists(st.floats(3.0, 7.0), min_size=2, max_size=2),
)
def test_joins_have_no_hole(style, time, tempi, sections, seconds):
    """Half a second around a join is within 6 dB of the three seconds on either side, whatever the
    lengths, tempi and keys."""
    clips = [
        Guide().render(
            request(style=style, time=time, tempo=float(tempo), section=section, seconds=length,
                    key=key, next_tempo=after)
        )
        for tempo, after, section, length, key in zip(
            tempi, [float(tempi[1]), None], sections, seconds, ["A minor", "C major"], strict=True
        )
    ]  # fmt: skip
    song = mixdown([[MixInput(clip, "guide")] for clip in clips])
    at, half = clips[0].n_samples, song.sample_rate // 4
    near = song.mono[at - half : at + half]
    around = song.mono[max(0, at - 12 * half) : at + 12 * half]
    assert abs(level_db(near) - level_db(around)) < 6.0


def test_a_change_of_tempo_is_led_over():
    """The last two beats go from the pace of sixteenths at 90 to that at 120 BPM."""
    asked = request(
        style="rock", tempo=90.0, next_tempo=120.0, seconds=60 / 90 * 16, section="chorus"
    )
    score = arrange(asked)
    begins = asked.seconds - 2 * 60 / 90
    strokes = sorted(
        {
            n.start_s
            for n in score.parts["drums"].notes
            if n.start_s > begins - 1e-6 and n.pitch == 38
        }
    )
    gaps = np.diff([*strokes, asked.seconds])
    assert np.all(np.diff(gaps) < 0)
    assert gaps[0] == pytest.approx(15 / 90, rel=0.1)
    assert gaps[-1] == pytest.approx(15 / 120, rel=0.1)
    same = arrange(asked.model_copy(update={"next_tempo": 91.0}))
    assert same.parts == arrange(asked.model_copy(update={"next_tempo": None})).parts


def test_the_segments_of_a_whole_song_have_their_own_time():
    parts = (
        SongPart(section="verse", seconds=4.0, chords="Am E7"),
        SongPart(section="chorus", seconds=4.5, tempo=80.0, time="3/4", key="C major"),
    )
    asked = request(role="song", section="song", seconds=8.5, style="pop", parts=parts)
    guide = Guide()
    assert guide.render(asked).n_samples == round(8.5 * 44100)
    alone = request(
        section="chorus", seconds=4.5, tempo=80.0, time="3/4", key="C major", style="pop"
    )
    (in_song, by_itself) = (
        next(part for part in guide.notation(each).parts if part.group == "bass")
        for each in (asked, alone)
    )
    behind = [note.pitch for note in in_song.notes if note.start_s >= 4.0]
    assert behind == [note.pitch for note in by_itself.notes]


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [({"time": "5/4"}, "time", "no metre"), ({"chords": "Am Hm"}, "chords", "no chord"),
     ({"pickup": 20.0}, "pickup", "more than half")],
)  # fmt: skip
def test_what_cannot_be_played_is_said(changes, field, said):
    (problem,) = Guide().assess(request(**changes)).problems
    assert problem.where == field
    assert said in problem.message
