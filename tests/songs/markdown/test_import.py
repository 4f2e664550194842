"""Markdown from people's folders: each thing lands in its field."""

import time
from contextlib import suppress
from pathlib import Path

import pytest

from milonga.errors import SheetError
from milonga.songs.markdown.heading import read_heading
from milonga.songs.markdown.import_ import import_file, import_markdown
from milonga.songs.sheet.load import parse_sheet
from milonga.songs.sheet.quantities import find_duration, find_tempo

ROOT = Path(__file__).parents[3]


def segments(text):
    return import_markdown(text).sheet.segments


def left(imported):
    return [(found.line, found.text) for found in imported.unplaced]


class TestTheReferenceExample:
    @pytest.fixture
    def imported(self):
        return import_file(ROOT / "examples" / "whispers" / "song.md")

    @pytest.fixture
    def by_number(self, imported):
        return {segment.number: segment for segment in imported.sheet.segments}

    def test_song(self, imported):
        assert imported.sheet.title == "Whispers del Futuro"
        assert imported.sheet.artist == "Geeks in the Woods"
        assert imported.sheet.tempo == 120

    def test_instrumental(self, by_number):
        segment = by_number[7]
        assert (segment.name, segment.section) == ("Digital Bandoneón", "instrumental")
        assert (segment.seconds, segment.tempo) == (10, 120)
        assert segment.style == (
            "Latin trap / reggaetón / electronic milonga fusion, mid-slow urban flow, "
            "Bandoneón solo with trap beats and 808 drops"
        )
        assert segment.mood == "mystical + intense + rhythmic"
        assert segment.negative == "vocals"
        assert segment.lyrics == "[Bandoneón solo with 808 drops]\n[Drop]"
        assert [layer.role for layer in segment.layers] == ["instrumental"]

    def test_chorus(self, by_number):
        segment = by_number[10]
        assert (segment.name, segment.section, segment.seconds) == ("Susurra Conmigo", "chorus", 20)
        assert segment.voice == "smooth male lead + layered vocals"
        assert segment.lyrics == (
            "[layered vocals]\n"
            "We whisper, (susurra conmigo)\n"
            "Whisper del futuro, amor y código.\n"
            "\n"
            "[Echo tail with reverb]"
        )
        assert [layer.role for layer in segment.layers] == ["vocals", "backing"]

    def test_verse(self, by_number):
        segment = by_number[18]
        assert (segment.section, segment.tempo, segment.seconds) == ("verse", 122, 15)

    def test_what_has_no_place_is_listed(self, imported):
        assert left(imported) == [
            (5, "Three parts of the song, as they are kept for a commercial service."),
            (29, "Audio Features: high energy, percussive"),
            (82, "Notes"),
            (84, "- Download each one as WAV."),
        ]

    def test_guesses_stand_in_the_sheet(self, imported):
        text = imported.to_yaml()
        assert "seconds: 20  # the upper end of '~15-20 seconds'" in text
        assert "#   line 29: Audio Features: high energy, percussive" in text
        assert parse_sheet(text) == imported.sheet


# The same song in the ways that people write it.
DIALECTS = {
    "bold labels with the colon inside": """\
# Susurros

### 7. Instrumental: Digital Bandoneón
**Style:** bandoneón, 808
**Tempo:** 120 BPM
**Mood:** dark
**Voice:** none at all
**Duration:** 1:30
**Lyrics:**
[solo]

### 8. Chorus: Susurra
**Lyrics:**
Susurra conmigo
(we whisper)
**Duration:** 12 s
""",
    "headings for labels": """\
# Susurros

## Segment 7 — Instrumental

### Title
Digital Bandoneón

### Style Prompt
bandoneón, 808

### Tempo
120

### Mood
dark

### Voice
none at all

### Length
90s

### Lyrics (copy to the Lyrics field)
```text
[solo]
```

## Segment 8 — Chorus

### Title
Susurra

### Lyrics
```
Susurra conmigo
(we whisper)
```

### Length
0.2 min
""",
    "lists, tags and quotes": """\
# Susurros

## Segment 7 – Instrumental
- **Title**: "Digital Bandoneón"
- **Style Tags**: [bandoneón] [808] [Tempo: 120 BPM] [Mood: dark] [Voice: none at all]
- **Duration Target**: ~1 min 30 s
- **Lyrics**: [solo]

## Segment 8 – Chorus
* Title: Susurra
* Duration: 10-12 secs
* Lyrics:

> Susurra conmigo
> (we whisper)
""",
    "Spanish": """\
# Susurros

## Segmento 7: Instrumental
**Título**: Digital Bandoneón
**Etiquetas de estilo**: bandoneón, 808
**Ánimo**: dark
**Voz**: none at all
**Tempo**: 120
**Duración**: un minuto y medio, 90 segundos
**Letra**:
~~~
[solo]
~~~

## Segmento 8: Estribillo
**Título**: Susurra
**Duración objetivo**: entre 10 y 12 segundos
**Letra**:
```
[Estribillo]
Susurra conmigo
(we whisper)
```
""",
    "tables and underlined headings": """\
Susurros
========

Segment 7 - Instrumental
------------------------

| Title | Digital Bandoneón |
|-------|-------------------|
| **Style** | bandoneón, 808 |
| Tempo | 120 |
| Mood | dark |
| Voice | none at all |
| Duration | 45 bars |

**Lyrics**
```
[solo]
```

**Segment 8 - Chorus**

| Title | Susurra |
| Duration | 6 bars |

**Lyrics**
```
Susurra conmigo
(we whisper)
```
""",
}


@pytest.mark.parametrize("text", DIALECTS.values(), ids=DIALECTS)
def test_dialects(text):
    sheet = import_markdown(text).sheet
    first, second = sheet.segments
    assert sheet.title == "Susurros"
    assert (first.number, second.number) == (7, 8)
    assert (first.name, second.name) == ("Digital Bandoneón", "Susurra")
    assert (first.section, second.section) == ("instrumental", "chorus")
    assert (first.seconds, second.seconds) == (90, 12)
    assert sheet.tempo_of(first) == 120
    assert first.style.split(", ")[:2] == ["bandoneón", "808"]
    assert (first.mood, first.voice) == ("dark", "none at all")
    assert first.lyrics == "[solo]"
    assert second.lyrics == "Susurra conmigo\n(we whisper)"


class TestWholeSongs:
    TEXT = """\
Title: Night Drive
Style: synthwave, 110 BPM, A minor, male vocals

[Mood: lonely]

[Intro]

[Verse 1 - soft]
Neon on the water
The city hums along

[Chorus]
Drive, drive, drive
[Guitar Solo]

[Outro: fade out]
"""

    def test_is_divided_at_its_markers(self):
        found = segments(self.TEXT)
        assert [(s.number, s.name, s.section) for s in found] == [
            (1, "Intro", "intro"),
            (2, "Verse 1", "verse 1"),
            (3, "Chorus", "chorus"),
            (4, "Guitar Solo", "instrumental"),
            (5, "Outro", "outro"),
        ]
        assert found[1].lyrics == "[soft]\nNeon on the water\nThe city hums along"
        assert found[3].lyrics == "[Guitar Solo]"
        assert found[4].lyrics == "[fade out]"

    def test_the_song_has_the_style(self):
        sheet = import_markdown(self.TEXT).sheet
        assert (sheet.title, sheet.style) == (
            "Night Drive", "synthwave, 110 BPM, A minor, male vocals",
        )  # fmt: skip
        assert (sheet.tempo, sheet.key, sheet.mood) == (110, "A minor", "lonely")

    def test_in_a_fence_below_a_heading(self):
        text = "# S\n## Lyrics\n```\n[Verse]\na b\n[Chorus]\nc d\n```\n## Exclude Styles\nrock\n"
        sheet = import_markdown(text).sheet
        assert [s.section for s in sheet.segments] == ["verse", "chorus"]
        assert sheet.negative == "rock"

    def test_without_markers_it_is_one_segment(self):
        sheet = import_markdown("# Small\n**Lyrics**: one two\n**Duration**: 9 s\n").sheet
        assert [(s.name, s.section, s.seconds, s.lyrics) for s in sheet.segments] == [
            ("Small", "verse", 9, "one two")
        ]

    def test_without_words(self):
        text = "# Rain\n**Style**: piano\n[Instrumental only - no vocals]\n**Length**: 0:45\n"
        sheet = import_markdown(text).sheet
        assert [(s.section, s.seconds) for s in sheet.segments] == [("instrumental", 45)]
        assert sheet.style == "piano"

    def test_the_length_of_a_whole_song_is_listed(self):
        imported = import_markdown("# S\n**Duration**: 3:00\n[Verse]\na\n[Chorus]\nb\n")
        assert left(imported) == [(2, "180 s")]


class TestSegments:
    def test_missing_seconds_are_estimated(self):
        imported = import_markdown("# S\n## Verse\n**Lyrics**: " + "la " * 24 + "\n")
        # 24 words at 1.5 a second are 16 s, 8 bars of 2 s at 120 BPM.
        assert imported.sheet.segments[0].seconds == 16
        assert any(g.field == "seconds" and "24 words" in g.text for _, g in imported.guesses)

    def test_an_instrumental_without_seconds_has_eight_bars(self):
        assert segments("# S\n**Tempo**: 96\n## Solo\n**Style**: piano\n")[0].seconds == 20

    def test_numbers_given_twice(self):
        imported = import_markdown(
            "## Segment 4 - Verse\n**Style**: a\n## Segment 4 - Chorus\n**Style**: b\n"
            "## Outro\n**Style**: c\n"
        )
        assert [s.number for s in imported.sheet.segments] == [4, 5, 6]
        assert any(g.field == "number" for _, g in imported.guesses)

    def test_a_later_heading_ends_a_segment(self):
        imported = import_markdown(
            "## Segment 1 - Verse\n**Style**: a\n"
            "## Tips\n**Style**: not this\n- **Mood**: nor this\n"
        )
        assert imported.sheet.segments[0].style == "a"
        assert imported.sheet.segments[0].mood is None
        assert left(imported) == [(3, "Tips"), (4, "Style: not this"), (5, "Mood: nor this")]

    def test_a_deeper_heading_does_not(self):
        found = segments("## Segment 1 - Verse\n### Ideas\n**Style**: a\n")[0]
        assert found.style == "a"

    def test_text_without_labels_is_sung(self):
        imported = import_markdown("# S\n## Verse 1\none two\n\nthree\n## Chorus\nfour\n")
        assert [s.lyrics for s in imported.sheet.segments] == ["one two\n\nthree", "four"]
        assert not imported.unplaced

    def test_text_beside_labels_is_listed(self):
        imported = import_markdown("## Verse 1\nThis is the best part.\n**Lyrics**: one two\n")
        assert imported.sheet.segments[0].lyrics == "one two"
        assert left(imported) == [(2, "This is the best part.")]

    def test_a_second_value_is_listed(self):
        imported = import_markdown(
            "## Verse\n**Title**: a\n**Title**: b\n**Tempo**: 90\n[Tempo: 95]"
        )
        assert (imported.sheet.segments[0].name, imported.sheet.segments[0].tempo) == ("a", 90)
        assert left(imported) == [(3, "b"), (5, "95")]

    def test_a_tag_before_the_words_is_a_field_and_later_a_direction(self):
        found = segments(
            "## Verse\n**Lyrics**:\n```\n[Mood: dark]\none\n[Voice: whisper]\ntwo\n```\n"
        )
        assert found[0].mood == "dark"
        assert found[0].voice is None
        assert found[0].lyrics == "one\n[Voice: whisper]\ntwo"

    def test_another_sections_marker_stays(self):
        found = segments("## Segment 1 - Verse\n**Lyrics**:\n```\none\n[Chorus]\ntwo\n```\n")
        assert found[0].lyrics == "one\n[Chorus]\ntwo"

    def test_a_direction_over_several_lines(self):
        found = segments("## Verse\n**Lyrics**:\n```\n[whispers\nand rain]\none\n```\n")
        assert found[0].lyrics == "[whispers and rain]\none"

    def test_a_bracket_that_is_never_closed(self):
        imported = import_markdown("## Verse\n**Lyrics**:\n```\none [soft\n\ntwo] three\n```\n")
        assert imported.sheet.segments[0].lyrics == "one [soft]\n\ntwo three"
        assert sum(g.field == "lyrics" for _, g in imported.guesses) == 2

    @pytest.mark.parametrize(
        "words", ["N/A", "Instrumental", "[Instrumental]", "none", "(sin letra)"]
    )
    def test_words_that_say_there_are_none(self, words):
        found = segments(f"## Segment 2\n**Lyrics**: {words}\n")[0]
        assert (found.lyrics, found.section) == (None, "instrumental")

    def test_a_fence_that_is_never_closed(self):
        found = segments("## Verse\n**Lyrics**:\n```\none\n\n## Chorus\n**Lyrics**: two\n")
        assert [s.lyrics for s in found] == ["one", "two"]

    def test_unfenced_lyrics_may_hold_a_colon(self):
        found = segments("## Verse\n**Lyrics**:\nThey say\nTime: the healer\n\n**Mood**: blue\n")
        assert found[0].lyrics == "They say\nTime: the healer"
        assert found[0].mood == "blue"

    def test_a_baseline_is_a_recording(self):
        text = "## Verse\n**Reference**: a song I like\n**Baseline**: `base/seg 1.wav`\n"
        imported = import_markdown(text)
        assert imported.sheet.segments[0].baseline == "base/seg 1.wav"
        assert left(imported) == [(2, "a song I like")]

    def test_a_baseline_outside_is_listed(self):
        imported = import_markdown("## Verse\n**Baseline**: ../a.wav\n")
        assert imported.sheet.segments[0].baseline is None
        assert left(imported) == [(2, "../a.wav")]

    def test_generators(self):
        imported = import_markdown("## Verse\n**Model**: Bark, Stable Audio Open\n")
        assert imported.sheet.segments[0].generators == ("bark", "stable-audio")
        assert left(import_markdown("## Verse\n**Model**: Service v5\n")) == [(2, "Service v5")]

    def test_a_length_that_no_segment_has(self):
        imported = import_markdown("## Verse\n**Duration**: 12 min\n**Lyrics**: a b c\n")
        assert left(imported) == [(2, "12 min")]
        assert imported.sheet.segments[0].seconds == 2

    def test_several_labels_on_a_line(self):
        sheet = import_markdown("# S\n**Tempo:** 98 BPM | **Key**: D minor\n## Verse\nla\n").sheet
        assert (sheet.tempo, sheet.key, sheet.style) == (98, "D minor", None)

    def test_slanted_labels(self):
        assert segments("## Verse\n*Voice: low*\n_Mood: dark_\n")[0].voice == "low"

    def test_the_length_in_a_heading(self):
        text = (
            "# S\n**Tempo**: 120\n## Verse (0:10-0:25)\nla\n## Solo (8 bars)\n## Outro (7 s)\nla\n"
        )
        assert [segment.seconds for segment in segments(text)] == [15, 16, 7]

    def test_marks_of_markdown(self):
        found = segments("## Verse\n**Title**: **A \\*star\\***\n**Style**: R&amp;B, *slow*\n")[0]
        assert (found.name, found.style) == ("A *star*", "R&B, *slow*")


@pytest.mark.parametrize(
    ("heading", "number", "section", "name"),
    [
        ("Segment 10 - Chorus (Vocal + Instrumental)", 10, "chorus", None),
        ("Segment 7 - Instrumental Break", 7, "instrumental", None),
        ("7. Instrumental: Digital Bandoneón", 7, "instrumental", "Digital Bandoneón"),
        ("Segment 7", 7, None, None),
        ("Segment 18: Caos y Suerte (Verse)", 18, "verse", "Caos y Suerte"),
        ("🎵 Segmento 10 — Estribillo", 10, "chorus", None),
        ("Verso 2 – Caos y Suerte", None, "verse 2", "Caos y Suerte"),
        ("[Pre-Chorus]", None, "pre-chorus", None),
        ("10) Coro: “Susurra Conmigo”", 10, "chorus", "Susurra Conmigo"),
        ("Final Chorus x2", None, "chorus", None),
        ("Part 2 - Bridge", 2, "bridge", None),
        ("3. Solo de bandoneón", 3, "instrumental", "Solo de bandoneón"),
        ("Guitar Solo (8 bars)", None, "instrumental", "Guitar Solo"),
        ("Final", None, "outro", None),
    ],
)
def test_headings_of_segments(heading, number, section, name):
    found = read_heading(heading)
    assert (found.number, found.section, found.name) == (number, section, name)


@pytest.mark.parametrize(
    "heading",
    ["Generation Instructions", "Bridge the gap", "1. Introduction", "2. Run the model", "Part 2",
     "Notes on the chorus", "Comparison Matrix", "", "MusicGen (Instrumental comparison)"],
)  # fmt: skip
def test_other_headings(heading):
    assert read_heading(heading) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("~15-20 seconds", 20), ("15–20s", 20), ("15 to 20 seconds", 20), ("1:30", 90),
        ("0:45-1:00", 60), ("90s", 90), ("2 min", 120), ("1 min 30 s", 90), ("2m30s", 150),
        ("1.5 minutes", 90), ("10,5 s", 10.5), ("10", 10), ("≈ 14.12 seconds", 14.12),
        ("1-2 min", 120),
        ("entre 15 y 20 segundos", 20), ("take 3, 12 seconds", 12), ("12″", 12), ("3'", 180),
    ],
)  # fmt: skip
def test_durations(text, seconds):
    assert find_duration(text).value == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "short", "x2", "v3.1.2"])
def test_no_duration(text):
    assert find_duration(text) is None


def test_bars():
    found = find_duration("8 compases")
    assert (found.value, found.unit) == (8, "bars")


@pytest.mark.parametrize(
    ("text", "tempo"),
    [("mid-slow urban flow (120 BPM)", 120), ("122", 122), ("90-100 BPM", 95), ("♩ = 96.5", 96.5),
     ("4/4 at 88bpm", 88)],
)  # fmt: skip
def test_tempi(text, tempo):
    assert find_tempo(text).value == tempo


@pytest.mark.parametrize(
    "text", ["", "# A title\n\nSome prose about a song.\n", "```\ncode\n```\n"]
)
def test_no_song(text):
    with pytest.raises(SheetError) as caught:
        import_markdown(text)
    assert "## Segment 10 - Chorus" in caught.value.step


class TestExportedAndEdited:
    TEXT = (
        "<!-- milonga song sheet -->\n\n# A\n\n## Segment 1 - verse\n\n"
        "- **Title**: b\n- **Duration**: 8 seconds\n"
    )

    def test_values_mean_what_they_say(self):
        sheet = import_markdown(self.TEXT + "- **Style Tags**: [Tempo: 90 BPM]\n").sheet
        assert sheet.segments[0].style == "[Tempo: 90 BPM]"
        assert sheet.segments[0].tempo is None

    def test_what_was_added_is_listed(self):
        imported = import_markdown(self.TEXT + "\nA note.\n- **Remark**: x\n\n## Ideas\n")
        assert left(imported) == [(10, "A note."), (11, "Remark: x"), (13, "Ideas")]

    def test_a_wrong_value_is_explained_with_its_line(self):
        with pytest.raises(SheetError) as caught:
            import_markdown(self.TEXT.replace("8 seconds", "long"))
        assert [(p.line, p.where) for p in caught.value.problems] == [(8, "segment 1, seconds")]


SIZE = 40_000


@pytest.mark.parametrize(
    "line",
    [
        " " * 900_000 + "x",
        "\u3000" * 300_000 + "# x",
        "**a**: b " * 20_000,
        "Weirdness: 42 | " * 20_000,
        "[Verse] " * 20_000,
        " ".join(["a" * 10_000] * 20),
        "*a **b_ " * 10_000,
        "(x2) " * 10_000,
        "<!-- " * 10_000,
        "[Am]la " * 10_000,
        "---\n" + "a: [" * 4_000,
        "[00:01.00]" * 5_000,
    ],
    ids=range(12),
)
@pytest.mark.parametrize(
    "form", ["{}\n[Verse]\nla\n", "[Verse]\n{}\n", "Style: x\n{}\n\n[Verse]\nla\n"]
)
def test_hostile_lines_take_no_time(line, form):
    """Less than a second, or on a slow machine no more than in step with their length.

    Sixteen times the length takes sixteen times as long then, and would take 256 where every place
    is tried from every place: half way, in logarithms, is 64.
    """

    def seconds(line):
        begun = time.process_time()
        with suppress(SheetError):
            import_markdown(form.replace("{}", line))
        return time.process_time() - begun

    whole = seconds(line)
    assert whole < 1 or whole < 64 * seconds(line[: len(line) // 16])


@pytest.mark.parametrize(
    "line",
    [
        "|" * SIZE + "x",
        "# " + " " * SIZE + "x",
        "# " + "#" * SIZE + " x",
        "`" * SIZE,
        "*" * SIZE,
        "(" * SIZE,
        "[" * SIZE,
        "**a**: " + "*" * SIZE,
        "# Chorus (vocal " + "y" * SIZE + "! instr)",
        "**Tempo**: (" + " " * SIZE + "1",
        "**Duration**: " + "1" * SIZE + ":30",
        "- " * SIZE,
        "**Duration**: " + "1:" * SIZE,
        "**Tempo**: " + "9" * SIZE,
        "> " * SIZE,
        "# " + "a — " * SIZE,
        "[Chorus" + " " * SIZE + "- x]",
        "```a\n# b\n" * (SIZE // 8),
        "&" * SIZE,
        "\\" * SIZE,
        "**Style**: " + "[" * SIZE + "]" * SIZE,
        "[a\n" * (SIZE // 3),
        "x\n" * (SIZE // 2),
    ],
    ids=range(23),
)
def test_hostile_lines_end(line):
    """Each would take hours with a pattern that tries again from every place."""
    text = f"## Verse\n**Lyrics**: la\n## Chorus\n{line}\n**Lyrics**:\n{line}\n"
    imported = import_markdown(text)
    assert parse_sheet(imported.to_yaml()) == imported.sheet
