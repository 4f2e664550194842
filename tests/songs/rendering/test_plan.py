import tracemalloc

import numpy as np
import pytest
import soundfile

from milonga import audio
from milonga.errors import PlanError
from milonga.songs.rendering.plan import make_plan
from milonga.songs.rendering.planned import Selection
from milonga.songs.rendering.render import iter_render, render
from milonga.songs.rendering.takes import takes_in

TWO_LAYERS = {
    "lyrics": "la la",
    "layers": [
        {"role": "vocals", "generators": ["tone"]},
        {"role": "backing", "generators": ["tone", "natural"], "gain_db": -6},
    ],
}


def names(plan, out):
    return [str(take.sound_path.relative_to(out)) for take in plan.takes]


def test_where_takes_go(sheet, make_generator, tmp_path):
    song = sheet({"name": "Digital Bandoneón", "number": 7}, TWO_LAYERS | {"number": 18})
    plan = make_plan(song, tmp_path, Selection(), make_generator)
    assert names(plan, tmp_path) == [
        "takes/07-digital-bandoneon/tone-s0.wav",
        "takes/18-part-2/vocals/tone-s0.wav",
        "takes/18-part-2/backing/tone-s0.wav",
        "takes/18-part-2/backing/natural-s0.wav",
    ]
    assert plan.takes[0].receipt_path.name == "tone-s0.json"
    assert plan.seconds == 4.0
    assert plan.estimate_s == pytest.approx(0.04)


def test_takes_under_another_name_of_the_segment_are_named(sheet, make_generator, tmp_path):
    render(make_plan(sheet({"name": "A"}), tmp_path, Selection(), make_generator))
    layers = [{"role": role, "generators": ["tone"]} for role in ("instrumental", "backing")]
    two_layers = {"name": "A", "layers": layers}
    for change, folder in (({"name": "B"}, "01-b"), (two_layers, "01-a/instrumental")):
        song = sheet(change, {"name": "A", "number": 11})
        before = make_plan(song, tmp_path, Selection(), make_generator)
        (note,) = [note for note in before.notes if "lie in" in note]
        assert str(tmp_path / "takes" / "01-a") in note
        # What it advises, works.
        there = tmp_path / "takes" / folder
        assert str(there) in note
        there.mkdir()
        for file in (tmp_path / "takes" / "01-a").glob("tone-s0.*"):
            file.rename(there / file.name)
        after = make_plan(song, tmp_path, Selection(), make_generator)
        assert not [note for note in after.notes if "lie in" in note]
        # With a second layer the request is another one: it is accompanied.
        assert after.takes[0].name == ("tone-s0" if folder == "01-b" else "tone-s0.2")
        assert next(iter_render(after)).status == ("kept" if folder == "01-b" else "rendered")
        for file in there.glob("tone-s0.*"):
            file.rename(tmp_path / "takes" / "01-a" / file.name)


def test_takes_seeds_and_options(sheet, make_generator, tmp_path):
    selection = Selection(takes=3, seed=5, options={"tone": {"level": 0.1}})
    plan = make_plan(sheet(), tmp_path, selection, make_generator)
    assert [take.request.seed for take in plan.takes] == [5, 6, 7]
    assert [take.request.options for take in plan.takes] == [{"level": 0.1}] * 3
    first = plan.takes[0].name
    assert first.startswith("tone-")
    assert first.endswith("-s5")
    other = make_plan(
        sheet(), tmp_path, Selection(seed=5, options={"tone": {"level": 0.2}}), make_generator
    )
    assert other.takes[0].name != first
    # One object serves all takes of the same options.
    assert len({id(take.generator) for take in plan.takes}) == 1


def test_options_of_the_sheet_and_over_them(sheet, make_generator, tmp_path):
    song = sheet({"options": {"tone": {"level": 0.1, "delay_s": 0.5}}})
    selection = Selection(options={"tone": {"delay_s": 0.0}})
    plan = make_plan(song, tmp_path, selection, make_generator)
    assert plan.takes[0].request.options == {"level": 0.1, "delay_s": 0.0}


def test_with_stands_in_for_the_layers_generators(sheet, make_generator, tmp_path):
    song = sheet({"generators": ["bark"]}, {"generators": ["stable-audio"]})
    plan = make_plan(song, tmp_path, Selection(generators=("natural",)), make_generator)
    assert {take.generator.name for take in plan.takes} == {"natural"}


def test_only_some_segments(sheet, make_generator, tmp_path):
    plan = make_plan(sheet({}, {}, {}), tmp_path, Selection(segments=(3, 1)), make_generator)
    assert [take.segment for take in plan.takes] == [1, 3]


def test_every_problem_is_named_and_nothing_is_written(sheet, make_generator, tmp_path):
    out = tmp_path / "out"
    song = sheet(
        {"generators": ["barq"]},
        {"style": "impossible"},
        {"baseline": "nothing.wav"},
        {"layers": [{"role": "texture", "generators": ["tone"]}]},
    )
    with pytest.raises(PlanError) as caught:
        make_plan(song, out, Selection(segments=(1, 2, 3, 4, 99)), make_generator)
    text = str(caught.value)
    assert "no segment 99" in text
    assert "There is no generator 'barq'" in text
    assert "segment 2, tone, style: This style can't be played. Choose another." in text
    assert "nothing.wav: There is no such file" in text
    assert "--no-report" in text
    assert "nothing was started" in text
    assert not out.exists()


def test_a_role_that_no_generator_can_make(sheet, make_generator, tmp_path):
    song = sheet({"layers": [{"role": "texture", "generators": ["tone"]}]})
    with pytest.raises(PlanError, match="None of tone can make texture"):
        make_plan(song, tmp_path, Selection(), make_generator)


def test_a_missing_baseline_is_a_note_without_a_report(sheet, make_generator, tmp_path):
    song = sheet({"baseline": "nothing.wav"})
    plan = make_plan(song, tmp_path, Selection(), make_generator, need_baselines=False)
    assert any("nothing.wav" in note for note in plan.notes)


def test_a_damaged_baseline_stops_the_plan(sheet, make_generator, tmp_path):
    (tmp_path / "base.wav").write_text("this is text")
    with pytest.raises(PlanError, match="Not a recording"):
        make_plan(sheet({"baseline": "base.wav"}), tmp_path, Selection(), make_generator)


@pytest.mark.parametrize("fault", ["cut", "NaN", "damaged", "folder"])
def test_a_baseline_is_read_to_its_end_before_the_work(sheet, make_generator, tmp_path, fault):
    path = tmp_path / "base.flac"
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 40_000)
    audio.write(path, audio.Clip(sound, 8000))
    content = bytearray(path.read_bytes())
    if fault == "cut":
        path.write_bytes(content[:-2000])
    elif fault == "damaged":
        content[60_000:60_500] = bytes(500)
        path.write_bytes(content)
    elif fault == "folder":
        path.unlink()
        path.mkdir()
    else:
        sound[-1] = np.nan
        soundfile.write(path, sound, 8000, format="WAV", subtype="FLOAT")
    song = sheet({"baseline": "base.flac"}, {"baseline": "base.flac"})
    with pytest.raises(PlanError, match="nothing was started") as caught:
        make_plan(song, tmp_path / "out", Selection(), make_generator)
    assert [problem.where for problem in caught.value.problems] == [
        "segment 1, baseline",
        "segment 2, baseline",
    ]


def test_a_good_baseline_beside_the_sheet(sheet, make_generator, tmp_path):
    audio.write(tmp_path / "base.wav", audio.Clip(np.zeros(100), 8000))
    plan = make_plan(sheet({"baseline": "base.wav"}), tmp_path, Selection(), make_generator)
    assert len(plan.takes) == 1


def test_a_full_disk_is_found_before_the_work(sheet, make_generator, tmp_path, monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 9, 1))
    with pytest.raises(PlanError, match="1 B free on the disk"):
        make_plan(sheet(), tmp_path / "deep" / "out", Selection(), make_generator)


def test_a_role_that_a_generator_plays_seldom(sheet, make_generator, tmp_path):
    class Singer(make_generator("tone", {}).__class__):
        name = "singer"
        seldom = frozenset({"backing"})

    def make(name, options):
        return Singer() if name == "singer" else make_generator(name, options)

    def plan(backing, *wanted):
        layers = [{"role": "vocals"}, {"role": "backing", "generators": [*backing]}]
        song = sheet({"lyrics": "la", "layers": layers})
        found = make_plan(song, tmp_path, Selection(generators=wanted), make)
        played = [t.generator.name for t in found.takes if t.request.role == "backing"]
        return played, [note for note in found.notes if "left out" in note]

    played, notes = plan(["tone"], "singer", "tone")
    assert played == ["tone"]
    assert notes == [
        "segment 1, backing: singer is left out; its backing is made only for layers that name it "
        "in the sheet."
    ]
    assert plan(["singer"], "singer", "tone") == (["singer", "tone"], [])
    assert plan(["tone"], "singer") == (["singer"], [])
    assert plan(["singer"]) == (["singer"], [])


def test_notes_of_a_take_stay_with_it(sheet, make_generator, tmp_path):
    plan = make_plan(sheet(), tmp_path, Selection(), make_generator)
    assert plan.takes[0].notes == ("a plain tone",)
    assert plan.notes == plan.about_song == ("segment 1: a plain tone",)


WORDS = {"lyrics": "la la\n[softly]", "section": "verse"}


def test_the_whole_song_in_one_take(sheet, make_generator, tmp_path):
    song = sheet(
        WORDS | {"mood": "sad", "seconds": 2.0},
        {"section": "solo", "tempo": 90.0, "lyrics": "not sung [drums]"},
        {"lyrics": "bye", "key": "D minor", "layers": [{"role": "song", "lyrics": "adios"}]}
        | {"generators": ["songster"]},
        whole={"generators": ["songster"], "style": "tango"},
        style="pop",
        mood="calm",
    )
    plan = make_plan(song, tmp_path, Selection(takes=2), make_generator)
    first, second = (take for take in plan.takes if not take.segment)
    assert (first.label, first.place) == ("The whole song, songster-s0",) * 2
    assert second.sound_path == tmp_path / "takes" / "whole" / "songster-s1.wav"
    asked = first.request
    assert (asked.role, asked.seconds, asked.tempo, asked.style) == ("song", 4.0, 120, "tango")
    assert [line.text for line in asked.lyrics] == ["la la", "", "", "adios"]
    assert [part.seconds for part in asked.parts] == [2.0, 1.0, 1.0]
    # What a segment doesn't say itself is the song's.
    assert [(part.style, part.mood) for part in asked.parts] == [("", "sad"), ("", ""), ("", "")]
    assert [line.directions for line in asked.parts[1].lyrics] == [("drums",)]
    notes = "\n".join(plan.about_song)
    assert "the whole song: one tempo throughout, 120; segments with another: 2." in notes
    assert "the whole song: one key throughout, C major; segments with another: 3." in notes
    assert list(list(plan.rows())[-2][:4]) == ["", "The whole song", "song", "songster-s0"]
    outcomes = render(plan)
    assert [outcome.status for outcome in render(plan)] == ["kept"] * len(outcomes)
    assert outcomes[-1].receipt.segment == 0


@pytest.mark.parametrize(
    ("selection", "segments"),
    [
        (Selection(), [1, 2]),
        (Selection(segments=(2,)), [2]),
        (Selection(whole=True, generators=("songster",)), [0]),
    ],
)
def test_what_is_rendered_of_segments_and_the_whole(
    sheet, make_generator, tmp_path, selection, segments
):
    plan = make_plan(sheet({}, {}), tmp_path, selection, make_generator)
    assert [take.segment for take in plan.takes] == segments
    if selection == Selection():
        wanted = sheet({}, {}, whole={"generators": ["songster"]})
        plan = make_plan(wanted, tmp_path, selection, make_generator)
        assert [take.segment for take in plan.takes] == [1, 2, 0]


def test_a_generator_that_makes_no_songs_is_left_out_of_the_whole(sheet, make_generator, tmp_path):
    song = sheet(whole={"generators": ["songster"]})
    plan = make_plan(song, tmp_path, Selection(generators=("tone",)), make_generator)
    assert [take.segment for take in plan.takes] == [1]
    assert any("tone makes" in note and "no song" in note for note in plan.notes)
    with pytest.raises(PlanError, match="None of tone can make song"):
        make_plan(song, tmp_path, Selection(("tone",), whole=True), make_generator)


def test_a_song_stands_in_for_vocals_that_nothing_else_plays_under(sheet, make_generator, tmp_path):
    """A segment has one layer of vocals by itself; ace-step makes no vocals, but songs."""
    alone = sheet(WORDS | {"generators": ["songster", "tone"]})
    plan = make_plan(alone, tmp_path, Selection(), make_generator)
    assert [take.request.role for take in plan.takes] == ["song", "vocals"]
    render(plan)
    now = alone.request(alone.segments[0], alone.segments[0].layers[0], seed=0)
    found, _ = takes_in(plan.takes[0].folder, ("songster",), now)
    assert [(take.name, take.stale) for take in found] == [
        ("songster-s0", False),
        ("tone-s0", False),
    ]
    layers = [{"role": "vocals", "generators": ["songster"]}, {"role": "backing"}]
    with pytest.raises(PlanError, match="None of songster can make vocals"):
        make_plan(sheet(WORDS | {"layers": layers}), tmp_path, Selection(), make_generator)


def test_ten_thousand_takes_take_little_memory_and_no_look_each(sheet, make_generator, tmp_path):
    takes = 2000
    tracemalloc.start()
    plan = make_plan(sheet(), tmp_path, Selection(("tone",), (), takes), make_generator)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(plan.takes) >= takes
    # A request and its place: 10,000 takes stay under 100 MB.
    assert most / len(plan.takes) < 10_000
    assert {take.request.seed for take in plan.takes} == set(range(takes))


def test_a_plan_says_what_a_generator_cannot_follow(sheet, make_generator, tmp_path):
    song = sheet({"time": "3/4", "chords": "Am E7", "pickup": 1.0}, {}, time="4/4")
    notes = make_plan(song, tmp_path, Selection(), make_generator).about_song
    ignored = [note for note in notes if "goes without" in note]
    assert ignored == ["segment 1: tone goes without the sheet's time, chords, pickup."]


def test_a_take_stays_where_only_the_next_segment_has_another_tempo(
    sheet, make_generator, tmp_path
):
    render(make_plan(sheet({}, {}), tmp_path, Selection(), make_generator))
    again = make_plan(
        sheet({}, {"tempo": 90.0}), tmp_path, Selection(segments=(1,)), make_generator
    )
    assert again.takes[0].request.next_tempo == 90.0
    assert [outcome.status for outcome in render(again)] == ["kept"]
