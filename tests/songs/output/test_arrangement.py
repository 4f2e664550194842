"""What plays a segment: its layers, its song, or its piece of a take of the whole song."""

import json

import numpy as np
import pytest

from milonga import audio
from milonga.errors import PlanError
from milonga.songs.output.folder import OutputFolder
from milonga.songs.output.report import write_song_report
from milonga.songs.output.take_list import list_folder, prune_folder
from milonga.songs.rendering.plan import make_plan
from milonga.songs.rendering.planned import Selection
from milonga.songs.rendering.render import render

WORDS = {"lyrics": "la la", "seconds": 2.0}
EITHER = WORDS | {
    "layers": [
        {"role": "vocals", "generators": ["tone", "natural"]},
        {"role": "backing", "generators": ["tone", "natural"]},
        {"role": "song", "generators": ["songster"]},
    ]
}
WHOLE = {"whole": {"generators": ["songster"]}}

TONE = "may be meant: A tone of 329 Hz keeps one level from beginning to end."
"""Said of takes of three seconds, which this generator makes."""


@pytest.fixture
def song(sheet, make_generator, tmp_path):
    """Renders segments into one folder, which goes on with each call."""

    def build(*segments, choose=None, takes=1, named=(), asked=False, only=(), **fields):
        made, out = sheet(*segments, **fields), tmp_path / "out"
        selection = Selection(named, only, takes=takes, whole=asked)
        plan = make_plan(made, out, selection, make_generator, need_baselines=False)
        folder = OutputFolder.begin(out, made, choose, plan.takes, named, asked)
        assert all(outcome.good for outcome in render(plan))
        return folder

    return build


def test_a_segment_is_its_layers_or_its_song_never_both(song):
    folder = song(EITHER)
    layers = {"1/vocals": "tone-s0", "1/backing": "tone-s0"}
    mixed = folder.mix()
    assert mixed.chosen == layers
    assert mixed.complete
    assert mixed.layers[2].instead
    assert mixed.layers[2].left_out == "the other layers play instead"
    assert "song" not in "\n".join(mixed.contents)
    folder.choose({"1/song": "songster-s0"})
    mixed = folder.mix()
    assert mixed.chosen == {"1/song": "songster-s0"}
    assert [layer.instead for layer in mixed.layers] == [True, True, False]
    # The latest choice decides; the earlier one stays for when the layer plays again.
    folder.choose({"1/vocals": "natural-s0"})
    assert folder.mix().chosen == layers | {"1/vocals": "natural-s0"}
    folder.choose({"1": "none"})
    assert folder.mix().chosen == layers
    assert folder.choices == {}


def test_one_call_chooses_one_of_them(song):
    folder = song(EITHER, {}, **WHOLE)
    for wrong in (
        {"1/song": "songster-s0", "1/vocals": "tone-s0"},
        {"1/song": "songster-s0", "1": "whole/songster-s0"},
        {"2": "tone-s0", "2/whole": "songster-s0"},
    ):
        with pytest.raises(PlanError, match="either its song, or its other layers, or its piece"):
            folder.choose(wrong)
    assert folder.choices == {}
    folder.choose({"1/vocals": "tone-s0", "1/backing": "natural-s0", "2/whole": "songster-s0"})


def test_generators_that_the_run_names_decide_between_song_and_layers(song):
    """The sheet gives the song to songster, the others to tone and natural."""
    assert set(song(EITHER, named=("tone", "songster")).mix().chosen) == {"1/vocals", "1/backing"}
    assert set(song(EITHER, named=("songster", "tone")).mix().chosen) == {"1/song"}
    layers = [*EITHER["layers"][:2], {"role": "song", "generators": ["songster", "tone"]}]
    assert set(song(EITHER | {"layers": layers}, named=("songster", "natural")).mix().chosen) == {
        "1/song"
    }


def test_the_song_plays_where_no_other_layer_has_a_usable_take(song):
    folder = song(EITHER)
    for path in (folder.out / "takes").rglob("tone-s0.wav"):
        audio.write(path, audio.read(path).scaled(0.5))
    # Damaged takes are no choice of their own: they are left out, and said.
    assert not folder.mix().complete
    for role in ("vocals", "backing"):
        for path in (folder.out / "takes" / "01-part-1" / role).iterdir():
            path.unlink()
    assert folder.mix().chosen == {"1/song": "songster-s0"}


def test_the_whole_take_plays_uncut_at_its_full_length(song):
    folder = song({}, WORDS, {"seconds": 1.5}, **WHOLE)
    mixed = folder.mix()
    assert set(mixed.chosen) == {"1/instrumental", "2/vocals", "3/instrumental"}
    (note,) = [note for note in mixed.notes if "whole" in note]
    assert "the whole song: songster-s0 not in the mix" in note
    assert "--choose whole=songster-s0" in note
    folder.choose({"whole": "songster-s0"})
    folder.save()
    mixed = OutputFolder.load(folder.out).mix()
    assert mixed.chosen == {"whole": "songster-s0"}
    assert mixed.complete
    assert mixed.contents == ["In the mix:", f"  The whole song: songster-s0 (chosen; {TONE})"]
    # No crossfade takes a sample: 1 + 2 + 1.5 s at 44.1 kHz.
    assert audio.read(mixed.path).n_samples == round(4.5 * 44100)
    assert mixed.loudness_lufs == pytest.approx(-14.0, abs=0.2)
    # A segment chosen later has its own again; the others stay pieces, joined as they were.
    folder.choose({"2": "tone-s0"})
    mixed = folder.mix()
    assert mixed.chosen == {"1/whole": "songster-s0", "2/vocals": "tone-s0"} | {
        "3/whole": "songster-s0"
    }
    assert mixed.seconds == pytest.approx(4.5, abs=0.01)
    folder.choose({"whole": "none", "2": "none"})
    assert set(folder.mix().chosen) == {"1/instrumental", "2/vocals", "3/instrumental"}


def test_neighbouring_pieces_of_one_take_are_not_parted(song, make_generator):
    folder = song({}, {}, WORDS, **WHOLE)
    folder.choose({"1": "whole/songster-s0", "2/whole": "songster-s0.wav"})
    assert folder.arranged().units == [(1, 2), (3,)]
    mixed = folder.mix()
    assert mixed.chosen == {"1/whole": "songster-s0", "2/whole": "songster-s0"} | {
        "3/vocals": "tone-s0"
    }
    # One crossfade, between the second and the third.
    assert mixed.seconds == pytest.approx(4.0, abs=0.001)
    sound = audio.read(mixed.path).mono
    take = audio.read(folder.out / "takes" / "whole" / "songster-s0.wav")
    want = audio.resample(take, 44100).mono[: round(1.9 * 44100)]
    have = sound[: len(want)]
    gain = float(have @ want / (want @ want))
    # The same samples but for the gain, across the seam at 1 s; 16 bits of the file.
    assert np.abs(have - gain * want).max() < 2e-4


def test_a_render_for_the_whole_is_mixed_as_that(song):
    song({}, WORDS)
    folder = song({}, WORDS, asked=True, named=("songster",))
    assert folder.mix().chosen == {"whole": "songster-s0"}
    assert OutputFolder.load(folder.out).mix().chosen == {"whole": "songster-s0"}
    # A choice by name counts more, and the next render without it brings the segments back.
    folder.choose({"1": "tone-s0"})
    assert folder.mix().chosen == {"1/instrumental": "tone-s0", "2/whole": "songster-s0"}
    assert set(song({}, WORDS).mix().chosen) == {"1/instrumental", "2/vocals"}
    folder = song({}, WORDS, asked=True, named=("songster",))
    folder.choose({"whole": "none"})
    assert "whole" not in folder.mix().chosen


def test_a_piece_of_the_whole_fills_a_segment_without_takes(song):
    song({}, WORDS, asked=True, named=("songster",))
    folder = song({}, WORDS, only=(1,))
    mixed = folder.mix()
    assert mixed.chosen == {"1/instrumental": "tone-s0", "2/whole": "songster-s0"}
    assert f"  2 Part 2, whole: songster-s0 ({TONE})" in mixed.contents
    assert mixed.complete


def test_a_stale_take_of_the_whole_is_used_only_by_name_and_whole(song):
    song({}, WORDS, asked=True, named=("songster",))
    folder = song({"seconds": 1.5}, WORDS)
    notes = "\n".join(folder.mix().notes)
    assert "the whole song: not used, since it was made for an earlier state of the sheet" in notes
    assert "segments" in notes
    folder.choose({"2": "whole/songster-s0"})
    mixed = folder.mix()
    assert mixed.chosen["2/whole"] == "songster-s0"
    assert mixed.layers[1].changes == ("seconds 3 -> 3.5", "segments")
    # With another number of segments it has no pieces, and only the whole of it can play.
    folder = song({}, WORDS, {})
    folder.choose({"3": "whole/songster-s0"})
    mixed = folder.mix()
    assert "3/whole" not in mixed.chosen
    assert "was made for other segments and has no piece for this one" in "\n".join(mixed.notes)
    folder.choose({"3": "none", "whole": "songster-s0"})
    assert folder.mix().chosen == {"whole": "songster-s0"}
    folder.choose({"1": "tone-s0"})
    mixed = folder.mix()
    assert set(mixed.chosen) == {"1/instrumental", "2/vocals", "3/instrumental"}
    assert "can only play all of them" in "\n".join(mixed.notes)


def test_report_and_comparison_have_whole_takes_and_their_pieces(song, tmp_path):
    rng = np.random.default_rng(0)
    audio.write(tmp_path / "base.wav", audio.Clip(0.1 * rng.standard_normal(48000), 24000))
    folder = song({"baseline": "base.wav"}, WORDS, takes=2, **WHOLE)
    folder.choose({"2": "whole/songster-s1"})
    mixed = folder.mix()
    page = write_song_report(folder)
    document = json.loads((folder.out / "comparison.json").read_text())
    assert [take["label"] for take in document["whole"]] == ["songster-s0", "songster-s1"]
    (cut,) = document["whole"][0]["cuts"]
    assert cut["sheet_s"] == 1.0
    assert set(cut) == {"sheet_s", "time_s", "at", "beat", "bar"}
    first, second = document["segments"]
    assert first["labels"] == ["tone-s0", "tone-s1", "whole/songster-s0", "whole/songster-s1"]
    piece = first["candidates"][2]
    assert piece["path"] == "report/segments/01-part-1-whole-songster-s0.wav"
    assert piece["cut"] == {
        "take": "takes/whole/songster-s0.wav", "from_s": 0.0, "to_s": cut["time_s"],
        "begins": None, "ends": cut,
    }  # fmt: skip
    # The baseline is compared with the piece, not with the whole take.
    assert piece["differences"]["duration_diff_s"] == pytest.approx(cut["time_s"] - 2.0, abs=1e-3)
    whole = audio.read(folder.out / "takes" / "whole" / "songster-s0.wav")
    parts = [audio.read(folder.out / each["candidates"][2]["path"]) for each in (first, second)]
    joined = np.concatenate([part.samples for part in parts], axis=1)
    assert np.array_equal(joined, whole.samples)
    html = page.read_text()
    assert "The whole song" in html
    assert "<b>2</b> segments" in html
    assert "<b>6</b> takes" in html
    assert mixed.chosen == {"1/instrumental": "tone-s0", "2/whole": "songster-s1"}
    # The licence of what plays only as a piece is listed.
    assert 'id="licences"' in html


def test_the_list_of_takes_knows_the_whole_and_its_cuts(song):
    folder = song({}, WORDS, takes=2, **WHOLE)
    folder.choose({"2": "whole/songster-s1"})
    folder.save()
    listed = {take.path: take for take in list_folder(folder)}
    one, other = (listed[f"takes/whole/songster-s{seed}.wav"] for seed in (0, 1))
    assert (one.state, one.in_mix, one.chosen) == ("current", False, False)
    assert (other.in_mix, other.chosen) == (True, True)
    assert [cut["sheet_s"] for cut in other.cuts] == [1.0]
    assert listed["takes/01-part-1/tone-s0.wav"].cuts == ()
    json.dumps(list_folder(folder).to_dict())
    # A stale one goes with --prune unless it is chosen.
    folder = song({"seconds": 1.5}, WORDS, **WHOLE)
    removed = {take.path for take in prune_folder(folder)}
    assert "takes/whole/songster-s0.wav" in removed
    assert "takes/whole/songster-s1.wav" not in removed


def test_a_record_of_before_reads(song):
    folder = song({}, WORDS)
    path = folder.out / "song.json"
    record = json.loads(path.read_text())
    del record["whole"]
    path.write_text(json.dumps(record))
    assert OutputFolder.load(folder.out).mix().complete
