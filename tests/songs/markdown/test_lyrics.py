"""What is sung and what isn't: tags, repeats, labels, marks, chatter, other languages."""

import pytest

from milonga.errors import SheetError
from milonga.songs.markdown.import_ import import_markdown
from milonga.songs.markdown.tags import is_cue, section_tag, times_of
from milonga.songs.sheet.lyrics import parse_lyrics


def parts(text):
    return [(s.section, s.lyrics) for s in import_markdown(text).sheet.segments]


def left(text):
    return [(found.line, found.text) for found in import_markdown(text).unplaced]


@pytest.mark.parametrize(
    ("line", "section", "directions", "times"),
    [
        ("[Chorus] (x2)", "chorus", (), 2),
        ("[Chorus] x3", "chorus", (), 3),
        ("[Chorus x2]", "chorus", (), 2),
        ("[Chorus: (2x)]", "chorus", (), 2),
        ("Chorus (x2):", "chorus", (), 2),
        ("[Verse 1] [Soft piano]", "verse 1", ("Soft piano",), 1),
        ("[Verse 2: Ana & Leo] (double time)", "verse 2", ("Ana & Leo", "double time"), 1),
        ("[Chorus] Burn me down", "chorus", ("Burn me down",), 1),
        ("**[Chorus - *layered* vocals]**", "chorus", ("layered vocals",), 1),
        (r"\[Verse 1\]", "verse 1", (), 1),
        ("[inst]", "instrumental", (), 1),
        ("[Interlude / Guitar Solo]", "interlude", ("Guitar Solo",), 1),
        ("[Verse One]", "verse 1", (), 1),
        ("[Rap Verse]", "verse", (), 1),
        ("Puente hablado:", "bridge", (), 1),
        ("[Emotional Bridge]", "bridge", ("Emotional Bridge",), 1),
        ("[Bridge (spoken)]", "bridge", ("spoken",), 1),
        ("[Spoken]", "verse", ("spoken",), 1),
        ("【副歌 2】", "chorus 2", (), 1),
        ("[サビ]", "chorus", (), 1),
        ("[1절]", "verse 1", (), 1),
        ("[Припев]", "chorus", (), 1),
        ("[Куплет 2: Аня]", "verse 2", ("Аня",), 1),
        ("[Refrão]", "chorus", (), 1),
        ("[Strophe 3]", "verse 3", (), 1),
        ("[Ponte]", "bridge", (), 1),
        ("[פזמון]", "chorus", (), 1),
        ("Verse 2:", "verse 2", (), 1),
        ("CHORUS", "chorus", (), 1),
        ("--- Bridge ---", "bridge", (), 1),
        ("(Pre-Chorus)", "pre-chorus", (), 1),
        ("# Outro", "outro", (), 1),
    ],
)
def test_sections(line, section, directions, times):
    tag = section_tag(line)
    assert (tag.section, tag.directions, tag.times) == (section, directions, times)


@pytest.mark.parametrize(
    "line",
    ["[Choir joins]", "[Mood: dark]", "[singer 1: male]", "Solo", "the chorus", "Bridge the gap",
     "Most of all", "Coro, coro", "[Into the chorus]", "[Am]", "(oh oh)", "x2", "", "[" * 300],
)  # fmt: skip
def test_no_sections(line):
    assert section_tag(line) is None


@pytest.mark.parametrize(
    ("text", "times"),
    [("x2", 2), ("(3x)", 3), ("bis", 2), ("repeat 4 times", 4), ("two", None), ("x", None)],
)
def test_times(text, times):
    assert times_of(text) == times


@pytest.mark.parametrize(
    ("text", "cue"),
    [("half-spoken", True), ("pedal steel solo", True), ("whispered, softly", True),
     ("susurra conmigo", False), ("Here we are", False), ("softly", False), ("no no no", False)],
)  # fmt: skip
def test_cues(text, cue):
    assert is_cue(text) is cue


class TestRepeats:
    def test_a_line(self):
        assert parts("[Verse]\nGo (x2)\n[Chorus]\nla\n")[0] == ("verse", "Go\nGo")

    def test_the_lines_above(self):
        assert parts("[Verse]\na b\nc d\n(x2)\n")[0][1] == "a b\nc d\n\na b\nc d"

    def test_a_chorus_again(self):
        text = (
            "[Chorus] x2\nla la\n[Verse]\na\n[Chorus]\n[Full band]\n[Chorus 2]\n[Final Chorus] x2\n"
        )
        assert parts(text) == [
            ("chorus", "la la\n\nla la"),
            ("verse", "a"),
            ("chorus", "[Full band]\nla la"),
            ("chorus 2", "[Full band]\nla la"),
            ("chorus", "[Full band]\nla la\n\n[Full band]\nla la"),
        ]
        guesses = [g.text for _, g in import_markdown(text).guesses if g.field == "lyrics"]
        assert guesses.count("the chorus again") == 3

    def test_directions_of_a_chorus_again_are_said_once(self):
        text = "[Chorus - All]\nla\n[Verse]\nb\n[Chorus - All] (bis)\n[Chorus: Ana]\n"
        assert [lyrics for _, lyrics in parts(text)] == [
            "[All]\nla", "b", "[All]\nla\n\n[All]\nla", "[Ana]\n[All]\nla",
        ]  # fmt: skip

    def test_an_empty_verse_is_no_repeat_but_one_that_says_so_is(self):
        assert parts("[Verse]\na\n[Verse]\n[Chorus]\nb\n")[1] == ("verse", None)
        assert parts("[Verse]\na\n[Chorus]\nb\n[Repeat Verse]\n")[2] == ("verse", "a")

    def test_absurd_counts_are_listed(self):
        text = "[Chorus] (x999)\nla (x5000)\n[Verse]\nb\n"
        assert parts(text)[0] == ("chorus", "la")
        assert left(text) == [(1, "x999"), (2, "(x5000)")]

    def test_lines_that_only_say_so(self):
        text = "[Chorus]\nla\nx2\n[Verse]\nb\n[Chorus]\n(Repeat)\n"
        assert parts(text) == [("chorus", "la\n\nla"), ("verse", "b"), ("chorus", "la\n\nla")]
        assert left(text) == [(7, "(Repeat)")]


class TestLabels:
    HEAD = "# T\n\nStyle: pop\n{}\n\n[Verse]\nla la\n[Chorus]\nlo\n"

    @pytest.mark.parametrize(
        ("line", "listed"),
        [
            ("Weirdness: 42", ["Weirdness: 42"]),
            ("Flux Capacity: high", ["Flux Capacity: high"]),
            ("**Persona:** Luna", ["Persona: Luna"]),
            ("| Key: A minor | Time: 5/4", ["5/4"]),
            ("| Weirdness | 42 |", ["Weirdness: 42"]),
            ("🎛️ Seed: 7", ["Seed: 7"]),
            ("// at most 200 letters", ["// at most 200 letters"]),
        ],
    )
    @pytest.mark.parametrize("above", ["Style: pop", "Exclude: rock", "**Mood**: blue"])
    def test_a_line_ends_the_value_above(self, line, listed, above):
        imported = import_markdown(self.HEAD.replace("Style: pop", above).format(line))
        values = (imported.sheet.style, imported.sheet.negative, imported.sheet.mood)
        assert [value for value in values if value] == [above.rpartition(" ")[2]]
        assert [found.text for found in imported.unplaced] == listed
        assert imported.sheet.segments[0].lyrics == "la la"

    def test_a_tag_with_a_label_is_no_style(self):
        text = "[Title: Red Moon]\n[Genre: cumbia]\n[Weirdness: 42]\n[Flux: high]\n\n[Verse]\nla\n"
        imported = import_markdown(text)
        assert (imported.sheet.title, imported.sheet.style) == ("Red Moon", "cumbia")
        assert left(text) == [(3, "Weirdness: 42"), (4, "Flux: high")]

    def test_a_row_of_labels(self):
        sheet = import_markdown(self.HEAD.format("BPM: 96 | Key: A minor | Voice: alto")).sheet
        assert (sheet.tempo, sheet.key, sheet.voice, sheet.style) == (96, "A minor", "alto", "pop")

    def test_settings_are_not_sung(self):
        text = "[Verse]\nla la\nWeirdness: 42\n\n**Seed**: 7\n"
        assert parts(text) == [("verse", "la la")]
        assert left(text) == [(3, "Weirdness: 42"), (5, "Seed: 7")]

    def test_a_colon_in_a_sung_line_is_sung(self):
        text = "[Verse]\nI told myself: go\nLove: a word\nWake at 5:30\n"
        assert parts(text)[0][1] == "I told myself: go\nLove: a word\nWake at 5:30"

    def test_a_known_label_below_a_sung_line_is_sung(self):
        text = (
            "# T\nStyle: pop\n\n[Verse]\nMood: dark\nla\nStyle: that's what you said\nTime: 3 am\n"
        )
        imported = import_markdown(text)
        assert imported.sheet.style == "pop"
        assert parts(text)[0][1] == "la\nStyle: that's what you said\nTime: 3 am"
        assert import_markdown(text + "Tempo: 99\n\nVoice: alto\n").sheet.voice == "alto"

    def test_labels_in_front_matter(self):
        text = "---\ntitle: A\nbpm: 90\nkey: F# minor\nfoo: bar\nlyrics: |\n  [Verse]\n  la\n---\n"
        imported = import_markdown(text)
        assert (imported.sheet.tempo, imported.sheet.key) == (90, "F# minor")
        assert imported.sheet.segments[0].lyrics == "la"
        assert left(text) == [(5, "foo: bar")]

    def test_the_tags_of_notes_are_no_style(self):
        assert import_markdown("---\ntags: [song]\n---\n[Verse]\nla\n").sheet.style is None

    def test_label_and_value_in_bold(self):
        sheet = import_markdown(
            "Sure!\n\n**Title: A**\n\n**[Style: pop, 99 BPM]**\n\n**Verse**\nla\n"
        ).sheet
        assert (sheet.title, sheet.style, sheet.tempo) == ("A", "pop, 99 BPM", 99)

    def test_labels_in_other_languages(self):
        sheet = import_markdown(
            "제목: 밤\n장르: 발라드\nТемп: 80\nParoles:\n[Couplet 1]\nla\n"
        ).sheet
        assert (sheet.title, sheet.style, sheet.tempo) == ("밤", "발라드", 80)
        assert [(s.section, s.lyrics) for s in sheet.segments] == [("verse 1", "la")]


class TestNumbers:
    @pytest.mark.parametrize(
        ("line", "tempo", "key"),
        [
            ("Style: pop, BPM: 142", 142, None),
            ("Style: pop, tempo 98, key of A minor", 98, "A minor"),
            ("120BPM, D minor, 4/4, 240seconds", 120, "D minor"),
            ("94 BPM | Am", 94, "Am"),
            ("> Key: C major, 4/4, 98 BPM", 98, "C major"),
            ("Tempo: 98 BPM, C major", 98, "C major"),
            ("*Genre: folk | Tempo: 92 BPM | Key: D major | Time: 4/4*", 92, "D major"),
            ("Tempo: 112 ppm", 112, None),
            ("Style: tango, 112 pulsaciones por minuto", 112, None),
            ("Andamento: 76 beats per minute", 76, None),
        ],
    )
    def test_tempo_and_key(self, line, tempo, key):
        sheet = import_markdown(f"# T\n\n{line}\n\n[Verse]\nla\n[Chorus]\nlo\n").sheet
        assert (sheet.tempo, sheet.key) == (tempo, key)

    def test_units_and_marks_are_no_style(self):
        for line in ("Tempo: 112 ppm", "*Tempo: 92 BPM | Time: 4/4*", "**Tempo: 92 | Key: Am**"):
            sheet = import_markdown(f"# T\n\n{line}\n\n[Verse]\nla\n").sheet
            assert sheet.style is None
        text = "# T\n\n*Genre: folk | Time: 6/8*\n\n[Verse]\nla\n"
        sheet = import_markdown(text).sheet
        assert (sheet.style, sheet.time) == ("folk", "6/8")
        assert left(text) == []

    def test_the_length_of_a_song(self):
        for line in ("Duration: 3:20", "120 BPM, 3:20", "Song length: 200 s"):
            assert (3, "200 s") in left(f"# T\n\n{line}\n\n[Verse]\nla\n[Chorus]\nlo\n")

    def test_a_time_signature_is_no_length(self):
        for line in (
            "Time: 3/4",
            "Time signature: 3/4",
            "90 BPM, A minor, 3/4",
            "Style: waltz in 3/4",
        ):
            text = f"# T\n\n{line}\n\n[Verse]\nla\n"
            assert import_markdown(text).sheet.time == "3/4"
            assert left(text) == []
        assert left("# T\n\nTime: 7/8\n\n[Verse]\nla\n") == [(3, "7/8")]

    def test_bars_and_the_metre_of_a_segment(self):
        text = "# T\n\nTempo: 90\nTime: 3/4\n\n## Verse 1 (8 bars)\n\nla\n\n"
        text += "## Chorus\n\nBars: 4\nMeter: 6/8\n\nlo\n"
        verse, chorus = import_markdown(text).sheet.segments
        assert (verse.bars, verse.seconds) == (8, 16)
        assert (chorus.bars, chorus.time) == (4, "6/8")
        assert chorus.seconds == pytest.approx(4 * 2 * 60 / 90)


class TestMarks:
    def test_none_is_sung(self):
        text = (
            "# T\n\n## Verse\n1. One *two*\\\n2. **three** `four`<br>\n\n> five\\\n"
            "> ~~six~~ sh*t, <i>d*mn</i>\n\n- seven\n- eight &amp; nine\n"
        )
        assert parts(text) == [
            ("verse", "One two\nthree four\n\nfive\nsix sh*t, d*mn\n\nseven\neight & nine")
        ]

    def test_numbers_within_a_block(self):
        assert parts("```\n[Verse]\n1. one\n2. two\n\n[Chorus]\n24. December\n```\n") == [
            ("verse", "one\ntwo"), ("chorus", "24. December"),
        ]  # fmt: skip

    def test_a_table_of_two_languages(self):
        text = "# T\n\n## Verse\n\n| # | Letra | English |\n|--|--|--|\n| 1 | Hola | Hello |\n"
        assert parts(text) == [("verse", "Hola")]
        assert (7, "Hello") in left(text)

    def test_a_table_of_sections(self):
        text = "# T\n| Section | Lyrics |\n|--|--|\n| Verse 1 | la |\n| Chorus | lo |\n"
        assert parts(text) == [("verse 1", "la"), ("chorus", "lo")]

    def test_other_tables_are_listed(self):
        text = "# T\n\n## Verse\nla\n\n| Slider | Value |\n|--|--|\n| Weirdness | 3 |\n"
        assert parts(text) == [("verse", "la")]
        assert left(text) == [(6, "Slider | Value"), (8, "Weirdness: 3")]

    def test_comments(self):
        text = "[Verse]\nla  # softly\n// note\nlo <!-- why\nnot --> li\n"
        assert parts(text) == [("verse", "la\nlo\nli")]
        assert left(text) == [(2, "# softly"), (3, "// note"), (4, "why"), (5, "not")]

    def test_slanted_asides_and_cues(self):
        text = "[Verse]\nHola\n*(Hello)*\n*whispered* Adiós\n(spoken) ya\n(oh, oh)\n"
        assert parts(text) == [("verse", "Hola\n[whispered] Adiós\n[spoken] ya\n(oh, oh)")]
        assert left(text) == [(3, "(Hello)")]

    def test_chords(self):
        text = "[Verse]\nAm  F  C/E  G7\n[Am]Long way [F]down the wa[G]ter\nA B and C\n"
        assert parts(text) == [("verse", "Long way down the water\nA B and C")]
        assert left(text) == []
        (segment,) = import_markdown(text).sheet.segments
        assert segment.chords == "Am F C/E G7 Am F G"
        assert segment.bars == 7

    def test_charts_of_guitar_pages(self):
        text = (
            "[Solo]\ne|---3--5h7-|\nB|-----------|\nEb|--2--|\n[Verse]\nG  D  Em\nla (G to D)\n"
            "Em\nG   D (x2)\n| G | D/F# | x4\nN.C.\nlo\n[Chorus]\nA\nB\nC\n"
        )
        assert parts(text) == [
            ("instrumental", None),
            ("verse", "la (G to D)\nlo"),
            ("chorus", "A\nB\nC"),
        ]
        assert [line for line, _ in left(text)] == [2, 3, 4]
        assert [s.chords for s in import_markdown(text).sheet.segments] == [
            None, "G D Em Em G D G D/F# N.C.", None,
        ]  # fmt: skip
        text = "[Verse]\n[tab][ch]C[/ch]  [ch]G[/ch]\nla[/tab]\nC*  G  Am7add9  (let ring)\nlo\n"
        assert parts(text) == [("verse", "la\nlo")]

    def test_bold_lines_of_a_section_are_sung(self):
        text = (
            "Style: pop\n\n**Chorus**\n**Copper rain**\n**wash me**\nnow\n\n**Verse**\n"
            "**One**\n\n**Outro**\nlo\n\n**Notes**\nbright\n"
        )
        assert parts(text)[:2] == [("chorus", "Copper rain\nwash me\nnow"), ("verse", "One")]
        text = "# T\n\n### [Chorus]\n\n**Copper rain**\n**wash me**\n\n### Outro\n\n**Notes**\n"
        assert parts(text) == [("chorus", "Copper rain\nwash me"), ("outro", None)]
        labelled = "Style: pop\nLyrics:\n[Verse]\n**One**\ntwo\n[Chorus]\n**Three**\n"
        assert parts(labelled) == [("verse", "One\ntwo"), ("chorus", "Three")]

    @pytest.mark.parametrize(
        "label", ["*spoken:*", "*parlé :*", "**Whispered:**", "*susurrado*:", "*(spoken)*"]
    )
    def test_how_a_line_is_said_stands_before_it(self, label):
        ((_, lyrics),) = parts(f"# T\n\n## Bridge\n{label} Who is there?\n")
        assert lyrics == f"[{label.strip('*:() ')}] Who is there?"

    def test_notes_of_music_are_not_sung(self):
        assert parts("[Verse]\n♪ la ♪\n♪\n🎵 lo\n") == [("verse", "la\n\nlo")]
        timed = "[00:01.00]la\n[00:03.00]♪\n[00:05.00]lo\n"
        assert [p[1] for p in parts(timed) if p[1]] == ["la", "lo"]

    def test_an_underlined_last_line_is_sung(self):
        assert parts("[Verse]\nla\n\n[Outro]\nlo\n---\n") == [("verse", "la"), ("outro", "lo")]


@pytest.mark.parametrize(
    "closing",
    [
        "Would you like me to write a second version?",
        "Let me know if you'd like any changes to the lyrics!",
        "✨ *Want me to make a darker version?*",
        "Hope you enjoy the song! 🎶",
        "¿Quieres que cambie el estribillo?",
        "---\nMade with love",
    ],
)
@pytest.mark.parametrize("song", ["# T\n\n## Verse\nla la\n", "# T\n\nLyrics:\n\n[Verse]\nla la\n"])
def test_what_chat_programs_say(closing, song):
    text = f"{song}\n{closing}\n"
    assert parts(text) == [("verse", "la la")]
    assert left(text) == [(text.count("\n"), closing.rpartition("\n")[2])]


def test_what_singers_say_stays():
    assert parts("[Verse]\nla\n\nLet me know that you are there\nIf you want me\n")[0][1].endswith(
        "me"
    )


def test_notes_below_the_song_are_not_sung():
    text = "# T\n[Verse]\nla\n\n## Mixing\nThe snare is loud.\n```\ncode\n```\n## Exclude\nrock\n"
    imported = import_markdown(text)
    assert [s.lyrics for s in imported.sheet.segments] == ["la"]
    assert imported.sheet.negative == "rock"
    assert left(text) == [(5, "Mixing"), (6, "The snare is loud."), (8, "code")]


def test_scraps_of_lyrics_pages():
    text = "[Verse]\nla\n[Produced by X]\nYou might also like\nlo\n12Embed\n"
    assert parts(text) == [("verse", "la\nlo")]
    assert [line for line, _ in left(text)] == [3, 4, 6]


class TestPlainText:
    def test_sections_without_brackets(self):
        text = "My Song\n\nVerse 1\na b\nChorus\nc d\n\nSolo\n\nVERSE 2:\ne f\nBridge (Ana)\ng\n"
        imported = import_markdown(text)
        assert imported.sheet.title == "My Song"
        assert [(s.section, s.lyrics) for s in imported.sheet.segments] == [
            ("verse 1", "a b"), ("chorus", "c d"), ("instrumental", None), ("verse 2", "e f"),
            ("bridge", "[Ana]\ng"),
        ]  # fmt: skip

    def test_a_label_above_the_first_section_is_no_title(self):
        assert import_markdown("Lyrics\n\nVerse 1\nla\n").sheet.title == "Untitled"

    def test_words_behind_the_label(self):
        assert parts("Verse 1: Neon on the water\nla\n\nChorus: lo\n") == [
            ("verse 1", "Neon on the water\nla"), ("chorus", "lo"),
        ]  # fmt: skip

    def test_stanzas_without_names(self):
        text = "Mi vals\n\nuno dos\ntres\n\nGira, gira\n\ncuatro\n\nGira, gira\n"
        imported = import_markdown(text)
        assert imported.sheet.title == "Mi vals"
        assert [(s.section, s.name, s.lyrics) for s in imported.sheet.segments] == [
            ("verse 1", "Verse 1", "uno dos\ntres"), ("chorus", "Chorus", "Gira, gira"),
            ("verse 2", "Verse 2", "cuatro"), ("chorus", "Chorus", "Gira, gira"),
        ]  # fmt: skip
        assert (2, "a stanza that comes again", 6) in [
            (number, guess.text, guess.line) for number, guess in imported.guesses
        ]

    @pytest.mark.parametrize(
        "text",
        ["one line\n", "Foo: bar\nla `la`\nlo\n", f"{'word ' * 14}\n{'word ' * 14}\n\nla\n"],
    )
    def test_what_is_no_stanza(self, text):
        with pytest.raises(SheetError, match="No song"):
            import_markdown(text)

    def test_words_that_name_sections_are_sung(self):
        assert parts("Verse 1\nHe played a solo\nsolo\nDrop\nBreak\n")[0][1].count("\n") == 3


@pytest.mark.parametrize(
    "label", ["Verse 2:", "Chorus", "Verse 2", "PRE-CHORUS:", "Solo:", "副歌：", "(Bridge)"]
)
def test_the_label_of_a_section_is_not_sung_in_a_sheet(label):
    lines = parse_lyrics(f"la la\n{label}\nlo lo")
    assert [line.text for line in lines] == ["la la", "", "lo lo"]
    assert lines[1].directions == (label.strip(":：()"),)


@pytest.mark.parametrize(
    "line", ["solo", "Solo", "Coro, coro", "The chorus", "Verses of love: hear"]
)
def test_what_only_looks_like_a_label_is_sung_in_a_sheet(line):
    assert parse_lyrics(line)[0].text == line


def test_text_behind_the_label_is_sung_in_a_sheet():
    (line,) = parse_lyrics("Chorus: la la [softly]")
    assert (line.text, line.directions) == ("la la", ("Chorus", "softly"))


def test_a_plain_song_with_lengths_and_a_chart_over_the_words():
    text = """Paper Boats
Tempo: 96
Time: 6/8

[Intro - 4 bars]
| G | D/F# | | N.C. |

[Verse 1 - 15 s]
We folded the morning in boats

[Chorus]
(8 bars)
G     D
Float, float
(to the sea)

[Chorus]

[Outro]
"""
    imported = import_markdown(text)
    assert imported.sheet.title == "Paper Boats"
    assert not imported.unplaced
    intro, verse, chorus, again, outro = imported.sheet.segments
    assert (intro.bars, intro.chords, intro.lyrics) == (4, "G D/F# D/F# N.C.", None)
    assert (verse.seconds, verse.bars, verse.lyrics) == (15, None, "We folded the morning in boats")
    # The chorus that comes again has its length and chords, too.
    for segment in (chorus, again):
        assert (segment.bars, segment.chords) == (8, "G D")
        assert segment.lyrics == "Float, float\n(to the sea)"
    assert outro.lyrics is None
