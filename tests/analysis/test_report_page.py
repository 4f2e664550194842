import base64
import hashlib
import html
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from milonga import audio
from milonga.analysis.report import (
    Report,
    ReportSection,
    ReportTrack,
    write_comparison_report,
    write_report,
)
from milonga.audio import Clip
from milonga.errors import Cancelled, OutputError
from milonga.runtime.progress import Progress

HOSTILE = (
    "</title><script>alert('x')</script><img src=x onerror=\"alert(1)\"> "
    "& 'quoted' \"double\" {{ 7*7 }}"
)
"""Breaks out of a title, an attribute, a text or a template, wherever escaping is missing."""


def tone(hertz=330.0, seconds=0.6, rate=22050, level=0.4, channels=1):
    time = np.arange(round(seconds * rate)) / rate
    return Clip(np.tile(level * np.sin(2 * np.pi * hertz * time), (channels, 1)), rate)


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    for take in ("guide-s0", "guide-s1"):
        audio.write(folder / "takes" / "01-x" / f"{take}.wav", tone())
    audio.write(folder / "song.wav", tone(channels=2))
    audio.write(tmp_path / "baseline" / "first.wav", tone(440.0))
    return folder


def example(out, **changes):
    takes = out / "takes" / "01-x"
    section = ReportSection(
        "First",
        tracks=[
            ReportTrack("guide-s0", takes / "guide-s0.wav", chosen=True),
            ReportTrack("guide-s1", takes / "guide-s1.wav", findings=[("silence", "All silent.")]),
            ReportTrack("Original", out.parent / "baseline" / "first.wav", "baseline"),
        ],
    )
    values = {"title": "Song", "sections": [section]} | changes
    return Report(song=ReportTrack("song.wav", out / "song.wav"), **values)


class Reader(HTMLParser):
    """Collects tags, attributes and text as a browser would."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def values(self, tag, attribute):
        return [a[attribute] for t, a in self.tags if t == tag and attribute in a]


def read_page(page):
    return Reader(page.read_text(encoding="utf-8"))


def test_every_reference_is_relative_and_leads_to_a_file(out):
    page = write_report(example(out), out / "report")
    reader = read_page(page)
    sources = reader.values("audio", "src") + reader.values("img", "src")
    assert len(sources) == 4 * 3
    for source in sources:
        assert not re.match(r"[a-z]+:|/", source)
        assert (page.parent / unquote(source)).resolve().is_file()
    assert reader.values("audio", "src")[0] == "../song.wav"
    assert "../takes/01-x/guide-s0.wav" in sources
    # The baseline lies outside of the output, and is copied.
    copied = [source for source in sources if source.startswith("audio/first.")]
    assert len(copied) == 1
    original = (out.parent / "baseline" / "first.wav").read_bytes()
    assert (page.parent / copied[0]).read_bytes() == original


def test_the_baseline_comes_first_and_findings_are_shown(out):
    page = write_report(example(out), out / "report")
    reader = read_page(page)
    labels = [a["data-label"] for _, a in reader.tags if "data-label" in a]
    assert labels == ["song.wav", "Original", "guide-s0", "guide-s1"]
    classes = {a["data-label"]: a["class"] for _, a in reader.tags if "data-label" in a}
    assert "flawed" in classes["guide-s1"]
    assert "flawed" not in classes["guide-s0"]
    assert "chosen" in classes["guide-s0"]
    assert "All silent." in reader.text


def hostile_report(out):
    takes = out / "takes" / "01-x"
    track = ReportTrack(
        HOSTILE,
        takes / "guide-s0.wav",
        findings=[(HOSTILE, HOSTILE)],
        features={"tempo_bpm": None, "loudness_lufs": -14.0},
        differences={"mfcc_similarity": 0.9},
        receipt={"generator": HOSTILE, "model": {"name": HOSTILE}, "request": {"style": HOSTILE}},
        note=HOSTILE,
    )
    section = ReportSection(
        HOSTILE,
        HOSTILE,
        {HOSTILE: "short", "lyrics": f"{HOSTILE}\n{HOSTILE}"},
        [track, ReportTrack("b", takes / "guide-s1.wav", "baseline")],
        {"noise": {"differences": {"mfcc_similarity": 0.8}}},
    )
    return Report(
        HOSTILE,
        HOSTILE,
        [section, section],
        song=ReportTrack(HOSTILE, out / "song.wav", note=HOSTILE),
        licences=[
            {"what": HOSTILE, "name": HOSTILE, "url": "javascript:alert(1)", "note": HOSTILE},
            {"what": "x", "name": "y", "url": 'https://e.org/"onclick="x', "commercial_use": "no"},
        ],
        warnings=[HOSTILE],
        made={HOSTILE: HOSTILE},
    )


def test_hostile_text_stays_text(out):
    page = write_report(hostile_report(out), out / "report")
    reader = read_page(page)
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("script") == 1
    assert tags.count("title") == 1
    assert not [a for _, a in reader.tags for name in a if name.startswith("on") or name == "style"]
    assert all(re.match(r"#|https://e\.org/", href) for href in reader.values("a", "href"))
    assert reader.values("img", "src") == [
        source for source in reader.values("img", "src") if source.startswith("pictures/")
    ]
    assert sum(HOSTILE in text for text in reader.text) > 10
    assert "49 " not in "".join(text for text in reader.text if "quoted" in text)


def test_the_policy_allows_the_pages_own_script_and_style_only(out):
    page = write_report(example(out), out / "report")
    text = page.read_text(encoding="utf-8")
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1])
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    for kind in ("script", "style"):
        inline = re.search(rf"<{kind}>(.*?)</{kind}>", text, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize(
    ("name", "subtype", "level", "says"),
    [
        ("float.wav", "FLOAT", 0.4, "WAV FLOAT became FLAC"),
        ("loud.wav", "FLOAT", 1.6, "lowered by 4.1 dB"),
        ("whole.wav", "PCM_32", 0.4, "PCM_32"),
        ("apple.aiff", None, 0.4, "AIFF"),
        ("vorbis.ogg", None, 0.4, "OGG"),
    ],
)
def test_what_browsers_do_not_all_play_becomes_flac(out, name, subtype, level, says):
    clip = tone(level=level, channels=2)
    audio.write(out / "takes" / name, clip, subtype=subtype)
    section = ReportSection("S", tracks=[ReportTrack("t", out / "takes" / name)])
    page = write_report(Report("R", sections=[section]), out / "report")
    reader = read_page(page)
    (source,) = reader.values("audio", "src")
    assert source.startswith("audio/")
    assert source.endswith(".flac")
    assert says in "".join(reader.text)
    played = audio.read(page.parent / source)
    assert (played.n_samples, played.sample_rate) == (clip.n_samples, clip.sample_rate)
    gain = min(1.0, 0.999 / level)
    if name != "vorbis.ogg":
        # 24 bits: half a step is 6e-8; the gain is applied in float32.
        assert np.allclose(played.samples, clip.samples * gain, atol=2e-7)


def test_surround_and_absurd_rates_are_made_playable(out):
    audio.write(out / "six.wav", tone(channels=6, rate=4000))
    page = write_report(
        Report("R", sections=[ReportSection("S", tracks=[ReportTrack("t", out / "six.wav")])]),
        out / "report",
    )
    reader = read_page(page)
    info = audio.probe(page.parent / reader.values("audio", "src")[0])
    assert (info.channels, info.sample_rate) == (2, 48_000)
    assert "6 channels became 2" in "".join(reader.text)


@pytest.mark.parametrize("name", ["wav-in-disguise.mp3", "á ñ #?%20&'.wav"])
def test_odd_names_reach_the_page(out, name):
    shutil.copy(out / "song.wav", out / name)
    page = write_report(
        Report("R", sections=[ReportSection("S", tracks=[ReportTrack("t", out / name)])]),
        out / "report",
    )
    (source,) = read_page(page).values("audio", "src")
    found = page.parent / unquote(source)
    assert found.suffix == ".wav" or found.suffix == ".flac"
    assert audio.read(found).n_samples == audio.read(out / name).n_samples


def test_nothing_stale_stays_and_nothing_foreign_goes(out):
    folder = out / "report"
    write_report(example(out), folder)
    before = {path for path in folder.rglob("*") if path.is_file()}
    foreign = [
        folder / "notes.txt",
        folder / "pictures" / "holiday.png",
        folder / "pictures" / "holiday.0123456789abcdef.png",
        folder / "audio" / "mine.wav",
    ]
    for path in foreign:
        path.write_bytes(b"mine")
    (folder / "pictures" / ".part-00001234-x.png").write_bytes(b"left by a killed run")
    audio.write(out / "takes" / "01-x" / "guide-s0.wav", tone(1000.0))
    section = ReportSection(
        "First", tracks=[ReportTrack("guide-s0", out / "takes" / "01-x" / "guide-s0.wav")]
    )
    page = write_report(Report("Song", sections=[section]), folder)
    after = {path for path in folder.rglob("*") if path.is_file()}
    used = {folder / unquote(source) for source in read_page(page).values("img", "src")}
    assert after == {page, *used, *foreign}
    assert not before & used
    assert all(path.read_bytes() == b"mine" for path in foreign)


def test_an_unchanged_report_is_written_the_same(out):
    page = write_report(example(out), out / "report")
    once = {path: path.read_bytes() for path in page.parent.rglob("*") if path.is_file()}
    write_report(example(out), out / "report")
    again = {path: path.read_bytes() for path in page.parent.rglob("*") if path.is_file()}
    assert once == again


def test_a_page_of_somebody_else_is_not_replaced(out):
    page = out / "report" / "index.html"
    page.parent.mkdir()
    page.write_text("<h1>My home page</h1>")
    with pytest.raises(OutputError, match="Another page is in the way") as caught:
        write_report(example(out), out / "report")
    assert caught.value.where == os.fspath(page)
    assert page.read_text() == "<h1>My home page</h1>"
    assert list(page.parent.iterdir()) == [page]


def test_a_file_where_the_folder_should_be_is_explained(out):
    (out / "report").write_text("x")
    with pytest.raises(OutputError):
        write_report(example(out), out / "report")


def test_stopping_leaves_the_earlier_report_whole(out):
    page = write_report(example(out), out / "report")
    before = page.read_bytes()
    audio.write(out / "takes" / "01-x" / "guide-s0.wav", tone(1000.0))
    progress = Progress(lambda update: update.done == 2 and progress.cancel())
    with pytest.raises(Cancelled):
        write_report(example(out, title="New"), out / "report", progress)
    assert page.read_bytes() == before
    reader = read_page(page)
    for source in reader.values("audio", "src") + reader.values("img", "src"):
        assert (page.parent / unquote(source)).is_file()


def test_a_recording_that_is_gone_or_broken_is_named_and_the_others_stay(out):
    (out / "takes" / "01-x" / "guide-s0.wav").unlink()
    (out / "takes" / "01-x" / "guide-s1.wav").write_bytes(b"not audio at all, but some text")
    page = write_report(example(out), out / "report")
    text = "".join(read_page(page).text)
    assert "guide-s0.wav: There is no such file." in text
    assert "guide-s1.wav: Not a recording that can be read" in text
    assert len(read_page(page).values("audio", "src")) == 2


def test_an_empty_report_is_a_page(tmp_path):
    page = write_report(Report("Nothing yet", sections=[ReportSection("One")]), tmp_path / "r")
    assert "There is no recording here yet." in "".join(read_page(page).text)
    assert not (tmp_path / "r" / "pictures").exists()


def test_progress_counts_the_recordings(out):
    seen = []
    write_report(example(out), out / "report", Progress(seen.append))
    assert [update.done for update in seen] == [0, 1, 2, 3, 4, 4]
    assert seen[-1].finished
    assert {update.total for update in seen} == {4}


def test_silence_and_a_single_sample_have_their_pictures(out):
    audio.write(out / "silent.wav", Clip(np.zeros(8000), 8000))
    audio.write(out / "one.wav", Clip(np.array([0.5]), 44100))
    sections = [
        ReportSection(name, tracks=[ReportTrack(name, out / f"{name}.wav")])
        for name in ("silent", "one")
    ]
    page = write_report(Report("R", sections=sections), out / "report")
    images = read_page(page).values("img", "src")
    assert len(images) == 4
    silence = np.asarray(Image.open(page.parent / images[0]).convert("RGBA"))
    drawn = silence[silence[..., 3] == 255]
    assert len(drawn)
    # The darkest colour: silence isn't drawn as the loudest thing of a silent section.
    assert drawn[:, :3].max() < 30


def test_licences_that_restrict_come_first_and_stand_out(out):
    licences = [
        {"what": "a", "name": "MIT", "commercial_use": "yes", "url": "https://e.org/mit"},
        {"what": "b", "name": "Community", "commercial_use": "conditional"},
        {"what": "c", "name": "CC-BY-NC 4.0", "commercial_use": "no"},
        {"what": "d", "name": "unheard of"},
    ]
    page = write_report(example(out, licences=licences), out / "report")
    reader = read_page(page)
    assert [a["class"] for _, a in reader.tags if a.get("class", "").startswith("use-")] == [
        "use-no",
        "use-conditional",
        "use-conditional",
        "use-yes",
    ]
    text = " ".join(" ".join(reader.text).split())
    assert "One part forbids commercial use" in text
    assert "not known" in text
    assert "https://e.org/mit" in reader.values("a", "href")


def test_a_receipt_shows_what_matters_and_holds_the_rest(out):
    receipt = {
        "generator": "bark",
        "model": {"repo": "suno/bark-small", "revision": "abc123", "device": "cpu"},
        "seed": 7,
        "attempt": 3,
        "seed_used": 99,
        "sound": {"sha256": "f" * 64},
        "request": {"style": "tango"},
    }
    track = ReportTrack("bark-s7", out / "song.wav", receipt=receipt)
    page = write_report(Report("R", sections=[ReportSection("S", tracks=[track])]), out / "report")
    reader = read_page(page)
    assert "3, with seed 99" in reader.text
    assert "f" * 64 in reader.text
    assert json.loads(next(text for text in reader.text if text.startswith("{"))) == receipt


def test_without_a_baseline_the_figures_stand_alone(out):
    features = {"duration_s": 0.6, "loudness_lufs": None, "chroma_mean": [0.1] * 12}
    track = ReportTrack("t", out / "song.wav", features=features, receipt={"seed": 1})
    layers = ReportTrack("all layers", out / "song.wav", features=features)
    section = ReportSection("S", tracks=[track, layers])
    page = write_report(Report("R", sections=[section, section]), out / "report")
    reader = read_page(page)
    assert (
        reader.values("abbr", "title")
        == [
            "Duration in seconds.",
            "Integrated loudness (ITU-R BS.1770).",
        ]
        * 2
    )
    text = " ".join(" ".join(reader.text).split())
    assert "There is no baseline to compare with" in text
    assert "What the similarities are worth" not in text
    assert "2 segments 2 takes" in text


@pytest.mark.parametrize("name", ["yardsticks", "controls"])  # the latter is version 0.1's
def test_a_comparison_stands_alone(tmp_path, name):
    (tmp_path / "a").mkdir()
    audio.write(tmp_path / "a" / "x.wav", tone())
    audio.write(tmp_path / "x.wav", tone(500.0))
    features = {"duration_s": 0.6, "loudness_lufs": -10.0}
    document = {
        "baseline": {"path": str(tmp_path / "x.wav"), "features": features},
        "candidates": [
            {
                "path": str(tmp_path / "a" / "x.wav"),
                "features": features,
                "differences": {"duration_diff_s": 0.0, "mfcc_similarity": 0.95},
            }
        ],
        name: {"noise": {"differences": {"mfcc_similarity": 0.9}}},
    }
    page = write_comparison_report(document, tmp_path / "report")
    assert '<tbody class="yardsticks">' in page.read_text()
    sources = read_page(page).values("audio", "src")
    assert len(sources) == 2
    assert all(source.startswith("audio/") for source in sources)
    moved = tmp_path / "elsewhere"
    shutil.move(page.parent, moved)
    assert all((moved / unquote(source)).is_file() for source in sources)
    # Two files of one name: the labels tell them apart.
    labels = [a["data-label"] for _, a in read_page(moved / "index.html").tags if "data-label" in a]
    assert labels == [str(tmp_path / "x.wav"), str(tmp_path / "a" / "x.wav")]


def test_real_recordings(tmp_path):
    recordings = [
        Path("/usr/share/sonic-pi/samples/loop_amen.flac"),
        Path("/usr/share/sonic-pi/samples/ambi_lunar_land.flac"),
        *sorted(Path("/usr/share/asterisk/moh").glob("*.wav"))[:1],
    ]
    tracks = [ReportTrack(path.stem, path) for path in recordings]
    page = write_report(Report("R", sections=[ReportSection("S", tracks=tracks)]), tmp_path / "r")
    assert len(read_page(page).values("audio", "src")) == 3
