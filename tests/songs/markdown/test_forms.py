"""Forms beside Markdown: timings, chords, JSON, several songs, encodings."""

import json

import pytest

from milonga.errors import SheetError
from milonga.songs.markdown.import_ import import_file, import_markdown


def parts(text, **options):
    sheet = import_markdown(text, **options).sheet
    return [(s.section, s.seconds, s.lyrics) for s in sheet.segments]


def left(text):
    return [(found.line, found.text) for found in import_markdown(text).unplaced]


class TestTimings:
    def test_rests_and_runs_keep_their_places(self):
        text = "[ti:A]\n[00:08.00]one\n[00:12.00]two\n[00:40.00]three\n[length:01:00]\n"
        assert parts(text) == [
            ("intro", 8, None), ("verse", 8, "one\ntwo"), ("interlude", 24, None),
            ("verse", 4, "three"), ("outro", 16, None),
        ]  # fmt: skip
        assert import_markdown(text).sheet.seconds == 60

    def test_lines_are_sung_in_the_order_of_their_times(self):
        assert parts("[00:05.00]b\n[00:00.00][00:10.00]a\n")[0][2] == "a\nb\na"

    def test_sections_among_the_times(self):
        text = "[00:00.00][Verse 1]\n[00:01.00]la\n[00:05.00][Chorus]\n[00:06.00]lo\n"
        assert [(section, words) for section, _, words in parts(text)] == [
            ("verse 1", "la"), ("chorus", "lo"),
        ]  # fmt: skip
        assert [s.name for s in import_markdown(text).sheet.segments] == ["Verse 1", "Chorus"]

    def test_subtitles_of_the_web(self):
        text = "WEBVTT\n\n00:01.000 --> 00:02.500 align:start\n<i>♪ one ♪</i>\n\nNOTE why\n"
        assert parts(text) == [("intro", 1, None), ("verse", 1.5, "one")]
        assert left(text) == [(6, "NOTE why")]

    def test_hours_and_absurd_times(self):
        text = "1\n10:00:00,000 --> 10:00:02,000\nla\n"
        assert parts(text) == [("intro", 600, None), ("verse", 2, "la")]
        assert left(text) == [(3, "36000 s")]

    def test_a_time_in_a_sung_line_is_no_form(self):
        assert parts("[Verse]\n[02:00] in the night\nla\nlo\n")[0][0] == "verse"


class TestChordPro:
    def test_environments_and_what_stands_between_them(self):
        text = (
            "{t: A}\n{time: 3/4}\nfirst [Am]line\n\n{c: Chorus}\n[G]la\n"
            '{sob: label="Bridge"}\nlo\n{eob}\n'
            "after\n{sot}\ne|--3--|\n{eot}\n{chorus}\n# note\n"
        )
        assert [(section, words) for section, _, words in parts(text)] == [
            ("verse", "first line"), ("chorus", "la"), ("bridge", "lo"), ("verse", "after"),
            ("chorus", "la"),
        ]  # fmt: skip
        assert left(text) == [
            (12, "e|--3--|"), (15, "# note"),
        ]  # fmt: skip
        sheet = import_markdown(text).sheet
        assert sheet.time == "3/4"
        assert [s.chords for s in sheet.segments] == ["Am", "G", None, None, "G"]

    def test_a_grid_has_chords_between_bar_lines(self):
        grid = "{sog}\n|: Am . | C . | % . :|\n{eog}\n"
        text = "{t: A}\n{sov}\n[Am]one two\n{eov}\n" + grid + "{soc}\nla\n{eoc}\n"
        assert import_markdown(text).sheet.segments[0].chords == "Am Am C C"
        assert left(text) == []

    def test_stanzas_outside_of_environments(self):
        text = "{t: A}\n[Am]one\ntwo\n\nthree\n\n{c: Chorus}\nla\n\nlo\n"
        assert [(section, words) for section, _, words in parts(text)] == [
            ("verse", "one\ntwo"), ("verse", "three"), ("chorus", "la\nlo"),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("text", "chords", "words"),
        [
            ("{t: A}\n{sov}\n[Rem]se fue [La7]ya\n{eov}\n", "Dm A7", "se fue ya"),
            ("[Verse]\nRem     La7\nse fue ya\n", "Dm A7", "se fue ya"),
            ("[Verse]\nDo       Sol\nse fue\nFa Do\nya\n", "C G F C", "se fue\nya"),
            ("[Verse]\nDo Re Mi\nLa La La\nSim    Sim\n", None, "Do Re Mi\nLa La La\nSim    Sim"),
        ],
    )
    def test_chords_by_their_spanish_names(self, text, chords, words):
        segment = import_markdown(text).sheet.segments[0]
        assert (segment.chords, segment.lyrics) == (chords, words)

    def test_brackets_of_other_kinds_are_no_chordpro(self):
        assert parts("{x: y}\n[Verse]\nla\n") == [("verse", 2, "la")]


class TestJson:
    def test_the_request_of_a_service(self):
        document = {
            "prompt": "slow waltz", "lyrics": "[Verse]\nla", "bpm": 90, "keyscale": "A minor",
            "extra": {"seed": 7, "tags": ["x", "y"]}, "none": None, "on": True,
        }  # fmt: skip
        imported = import_markdown(json.dumps(document, indent=1))
        sheet = imported.sheet
        assert (sheet.style, sheet.tempo, sheet.key) == ("slow waltz, x, y", 90, "A minor")
        assert [(found.line, found.text) for found in imported.unplaced] == [
            (7, "seed: 7"),
            (14, "on: true"),
        ]

    def test_sections_as_a_list(self):
        verse = {"type": "verse", "lyrics": "la"}
        chorus = {"type": "chorus", "lyrics": ["lo", "li"]}
        document = {"title": "A", "sections": [verse, chorus]}
        assert [(s, words) for s, _, words in parts(json.dumps(document))] == [
            ("verse", "la"), ("chorus", "lo\nli"),
        ]  # fmt: skip

    def test_a_list_of_songs(self):
        songs = [{"title": t, "tags": "pop", "prompt": f"[Verse]\n{t} la"} for t in "AB"]
        assert parts(json.dumps(songs))[0][2] == "A la"
        assert parts(json.dumps(songs), song=2)[0][2] == "B la"

    @pytest.mark.parametrize(
        "text", ['{"a": ' * 5000 + "1" + "}" * 5000, "[1, 2]", '{"a": NaN}', "{", "[]"],
        ids=("nested", "numbers", "nan", "open", "empty"),
    )  # fmt: skip
    def test_what_is_no_song(self, text):
        with pytest.raises(SheetError, match="No song"):
            import_markdown(text)


class TestSeveralSongs:
    TEXTS = (
        "# A\n[Verse]\na\n# B\n[Verse]\nb\n",
        "Title: A\nStyle: x\n[Verse]\na\n\nTitle: B\nStyle: y\n[Verse]\nb\n",
        "Song 1: A\nStyle: x\n[Verse]\na\n\n---\n\nSong 2: B\nStyle: y\n[Verse]\nb\n",
        "# Album\n\n## A\n**Style:** x\n```\n[Verse]\na\n```\n"
        "## B\n**Style:** y\n### Verse\nb\n## Credits\nme\n",
    )

    @pytest.mark.parametrize("text", TEXTS)
    def test_are_not_merged(self, text):
        for number, title in ((1, "A"), (2, "B")):
            imported = import_markdown(text, song=number)
            assert imported.sheet.title == title
            assert [s.lyrics for s in imported.sheet.segments] == [title.lower()]
            assert any(found.reason == f"of song {3 - number}" for found in imported.unplaced)
            assert any(f"song {number} of 2" in guess.text for _, guess in imported.guesses)

    def test_a_song_that_is_not_there(self):
        with pytest.raises(SheetError, match="no song 3"):
            import_markdown(self.TEXTS[0], song=3)
        with pytest.raises(SheetError, match="no song 2"):
            import_markdown("# A\n[Verse]\na\n", song=2)


TEXT = "Style: milonga\n\n[Verse]\nCorazón, mañana\n"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (TEXT.encode("utf-8-sig"), None),
        (TEXT.replace("\n", "\r\n").encode(), None),
        (TEXT.replace("\n", "\r").encode(), None),
        (TEXT.encode("utf-16"), "UTF-16"),
        (TEXT.encode("utf-16-be"), "UTF-16"),
        (TEXT.encode("utf-16-le"), "UTF-16"),
        (TEXT.encode("latin-1"), "Windows-1252"),
        (TEXT.replace("ñ", "—").encode("cp1252"), "Windows-1252"),
    ],
)
def test_encodings(tmp_path, data, name):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    imported = import_file(path)
    assert imported.sheet.style == "milonga"
    assert imported.sheet.segments[0].lyrics.startswith("Corazón, ma")
    assert [g.text for _, g in imported.guesses if "read as" in g.text] == (
        [f"the file is read as {name}"] if name else []
    )


@pytest.mark.parametrize("data", [b"\x00" * 100, b"a\x00b\xff", b"RIFF1234", b"la\x07\xf3"])
def test_what_is_no_text(tmp_path, data):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(SheetError):
        import_file(path)
