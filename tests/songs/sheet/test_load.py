"""Song sheets from YAML: what they hold, what is filled in, and what is said of mistakes."""

import contextlib
import os
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from milonga.errors import SheetError
from milonga.generators.measures import chords_text, parse_chords
from milonga.songs.sheet.load import load_sheet, parse_sheet
from milonga.songs.sheet.model import Layer, Segment, Sheet
from milonga.songs.sheet.overview import overview

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "song-sheet.md"
BASE = "title: Test\nsegments:\n  - number: 1\n    name: One\n    section: verse\n    seconds: 8\n"


def problems(text, source=None):
    with pytest.raises(SheetError) as caught:
        parse_sheet(text, source)
    return caught.value.problems


def only(text):
    found = problems(text)
    assert len(found) == 1, found
    return found[0]


def found_in(text):
    """The problems of a text; none where it is a sheet."""
    try:
        parse_sheet(text)
    except SheetError as error:
        return error.problems
    return None


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)


class TestReading:
    @pytest.fixture
    def sheet(self):
        return parse_sheet(blocks("yaml")[1], Path("/songs/whispers/song.yaml"))

    def test_the_song(self, sheet):
        assert sheet.title == "Whispers del Futuro"
        assert sheet.artist == "Geeks in the Woods"
        assert sheet.seconds == 25
        assert [s.number for s in sheet.segments] == [7, 18]

    def test_a_segment_alone_has_one_layer(self, sheet):
        assert sheet.segments[0].layers == (Layer(role="instrumental", generators=("guide",)),)

    def test_the_nearest_value_counts(self, sheet):
        first, second = sheet.segments
        assert sheet.request(first, first.layers[0], seed=3).style.startswith("Bandoneón solo")
        vocals, backing = (sheet.request(second, layer, seed=0) for layer in second.layers)
        assert vocals.style == "Latin trap / reggaetón / electronic milonga fusion"
        assert backing.style == "Latin trap reggaeton backing"
        assert (vocals.tempo, vocals.key, vocals.mood) == (122, "A minor", "playful and reflective")
        assert second.layers[0].generators == ("bark", "guide")
        assert second.layers[1].generators == ("guide",)
        assert second.layers[1].gain_db == -6

    def test_the_request_is_complete(self, sheet):
        segment = sheet.segments[1]
        request = sheet.request(segment, segment.layers[0], seed=5, options={"x": 1})
        assert (request.role, request.section, request.seconds) == ("vocals", "verse", 15)
        assert (request.seed, request.options) == (5, {"x": 1})
        assert request.voice == "smooth male lead"

    def test_lyrics_hold_directions_apart(self, sheet):
        segment = sheet.segments[1]
        lines = sheet.lyrics_of(segment, segment.layers[0])
        assert [line.text for line in lines] == [
            "We laugh at the chaos, we play with the luck,",
            "Dreams synthetic but hearts imperfect. (susurra)",
            "",
        ]
        assert lines[2].directions == ("background whispers",)
        assert all(line.language is None for line in lines)

    def test_the_baseline_starts_from_the_sheets_folder(self, sheet):
        path = sheet.baseline_path(sheet.segments[0])
        assert path == Path("/songs/whispers/baseline/segment7.wav")
        assert sheet.baseline_path(sheet.segments[1]) is None

    @pytest.mark.parametrize(
        ("section", "lyrics", "role"),
        [
            ("verse", "sing", "vocals"),
            ("verse", None, "instrumental"),
            ("verse", "[only a direction]", "instrumental"),
            ("verse", "...", "instrumental"),
            ("instrumental", "sing", "instrumental"),
            ("Solo", "sing", "instrumental"),
        ],
    )
    def test_the_role_follows_from_section_and_lyrics(self, section, lyrics, role):
        segment = Segment(number=1, name="a", section=section, seconds=1, lyrics=lyrics)
        assert [layer.role for layer in segment.layers] == [role]

    def test_music_alone_gets_directions_only(self):
        text = BASE + "    lyrics: sing [softly]\n    layers: [{role: texture}, {role: backing}]\n"
        sheet = parse_sheet(text)
        segment = sheet.segments[0]
        texture, backing = (sheet.lyrics_of(segment, layer) for layer in segment.layers)
        assert [(x.text, x.directions) for x in texture] == [("", ("softly",))]
        assert [(x.text, x.directions) for x in backing] == [("sing", ("softly",))]

    def test_options_are_put_together(self):
        sheet = parse_sheet(
            "options: {bark: {a: 1, b: no}, guide: {x: 2}}\n"
            + BASE
            + "    options: {bark: {a: 3}}\n"
        )
        assert sheet.segments[0].options == {"bark": {"a": 3, "b": "no"}, "guide": {"x": 2}}

    def test_language_of_song_and_segment(self):
        sheet = parse_sheet("language: es\n" + BASE + "    lyrics: hola\n")
        assert sheet.lyrics_of(sheet.segments[0], sheet.segments[0].layers[0])[0].language == "es"

    def test_defaults(self):
        sheet = parse_sheet(BASE)
        request = sheet.request(sheet.segments[0], sheet.segments[0].layers[0], seed=0)
        assert (request.tempo, request.key, request.style) == (120, "C major", "")
        assert sheet.segments[0].layers[0].generators == ("guide",)

    def test_a_sheet_does_not_change(self):
        with pytest.raises(ValidationError):
            parse_sheet(BASE).title = "other"

    def test_where_it_was_read_from_does_not_count(self):
        assert parse_sheet(BASE, Path("/a/song.yaml")) == parse_sheet(BASE, Path("/b/song.yaml"))

    @pytest.mark.parametrize("number", range(len(blocks("yaml"))))
    def test_the_examples_of_the_docs(self, number):
        parse_sheet(blocks("yaml")[number])

    @pytest.mark.parametrize("part", [Sheet, Segment, Layer])
    def test_the_docs_name_every_field(self, part):
        text = DOCS.read_text()
        assert not [name for name in part.model_fields if f"`{name}`" not in text]

    def test_the_example_is_the_reference_plan(self):
        sheet = load_sheet(ROOT / "examples" / "whispers" / "song.yaml")
        by_number = {segment.number: segment for segment in sheet.segments}
        assert {7, 10, 18} <= by_number.keys()
        assert by_number[7].seconds == 10
        assert [layer.role for layer in by_number[18].layers] == ["vocals", "backing"]
        assert sheet.tempo_of(by_number[18]) == 122
        for segment in sheet.segments:
            for layer in segment.layers:
                assert "guide" in layer.generators


class TestYamlTraps:
    """Values that YAML 1.1 would read as something else."""

    @pytest.mark.parametrize(
        "text",
        ["no", "On", "yes", "y", "1984", "010", "0x1f", "1:30", "12e3", "2024-01-01", "1_000", "A",
         "true", ".inf", "=", "3.10", "+1"],
    )  # fmt: skip
    def test_a_text_stays_as_written(self, text):
        sheet = parse_sheet(BASE.replace("Test", text).replace("One", text) + f"    key: {text}\n")
        segment = sheet.segments[0]
        assert (sheet.title, segment.name, segment.key) == (text, text, text)

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("010", 10), ("1:30", 90), ("0:08.5", 8.5), ("12 s", 12), ("7.25", 7.25), ("'9'", 9),
         ("1e1", 10), ("+3", 3)],
    )  # fmt: skip
    def test_seconds(self, text, seconds):
        assert parse_sheet(BASE.replace("8", text)).segments[0].seconds == seconds

    def test_an_empty_field_is_not_given(self):
        sheet = parse_sheet(BASE + "    mood:\n    voice: ~\n    key: ''\n    layers:\n")
        segment = sheet.segments[0]
        assert (segment.mood, segment.voice, segment.key) == (None, None, None)

    def test_option_values_are_typed(self):
        text = (
            "options: {bark: {a: 1, b: 1.5, c: true, d: no, e: '1', f: [x, 2], g: null, h: .inf}}\n"
        )
        assert parse_sheet(text + BASE).options["bark"] == {
            "a": 1, "b": 1.5, "c": True, "d": "no", "e": "1", "f": ["x", 2], "g": None, "h": ".inf",
        }  # fmt: skip

    def test_aliases(self):
        text = (
            BASE + "    style: &s dark\n  - {number: 2, name: b, section: c, seconds: 1, style: *s}"
        )
        assert parse_sheet(text).segments[1].style == "dark"

    def test_json_is_yaml(self):
        text = (
            '{"title": "a", "segments": [{"number": 1, "name": "b", "section": "c", "seconds": 2}]}'
        )
        assert parse_sheet(text).segments[0].seconds == 2

    def test_windows_line_ends_and_byte_order_mark(self, tmp_path):
        path = tmp_path / "song.yaml"
        text = BASE + "    lyrics: |\n      one\n      two\n"
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        assert load_sheet(path) == parse_sheet(text)


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "message", "step"),
        [
            (BASE.replace("    seconds: 8\n", ""), "It has no seconds.", "seconds: 12"),
            (BASE.replace("seconds: 8", "seconds:"), "It is empty.", "seconds: 12"),
            (BASE.replace("seconds: 8", "seconds: 0.1"), "0.5 to 600 seconds", ""),
            (BASE.replace("seconds: 8", "seconds: 601"), "0.5 to 600 seconds", ""),
            (BASE.replace("seconds: 8", "seconds: .nan"), "not a number of seconds", "12.5"),
            (BASE.replace("seconds: 8", "seconds: 8,5"), "not a number of seconds", "8.5"),
            (BASE.replace("seconds: 8", "seconds: long"), "not a number of seconds", "1:30"),
            (BASE.replace("seconds: 8", "seconds: [8]"), "reads a list", "quotes"),
            ("tempo: 10\n" + BASE, "20 to 300 BPM", ""),
            ("tempo: fast\n" + BASE, "not a tempo", "122"),
            ("bpm: 120\n" + BASE, "no field 'bpm'", "'tempo'"),
            (BASE + "    stlye: x\n", "no field 'stlye'", "'style'"),
            (BASE + "    duración: 3\n", "no field 'duración'", "'seconds'"),
            (BASE + "    letra: x\n", "no field 'letra'", "'lyrics'"),
            (BASE + "    zzz: 3\n", "no field 'zzz'", "Known fields: number"),
            (BASE + "    name: Two\n", "second time; the first is on line 4", ""),
            (BASE + "    layers: [{role: vocal}]\n", "no role 'vocal'", "'vocals'"),
            (BASE + "    layers: [{role: drums}]\n", "no role 'drums'", "backing"),
            (BASE + "    layers: [{role: vocals}, {role: vocals}]\n", "Two layers", ""),
            (BASE + "    layers: [{role: vocals, gain_db: 99}]\n", "-60 to 24 dB", ""),
            (BASE + "    layers: {role: vocals}\n", "This is a list", ""),
            (BASE + "    lyrics: [softly]\n", "reads a list", "lyrics: |"),
            (BASE + "    lyrics: >\n      a\n      b\n", "joins these lines", "lyrics: |"),
            (BASE + "    lyrics: a\n      b\n", "joins these lines", "lyrics: |"),
            (BASE + "    lyrics: |\n      a\n      b [c\n", "Line 2 of the lyrics", ""),
            (BASE + "    lyrics: a] b\n", "a ']' has no '['", ""),
            (BASE + "    language: Spanish\n", "not a language code", ""),
            (BASE + "    generators: [Bark]\n", "'Bark' can't be a generator's name", ""),
            (BASE + "    generators: [a, a]\n", "named twice", ""),
            (BASE + "    options: {bark: 3}\n", "settings by name", ""),
            (BASE + "    baseline: ../x.wav\n", "leaves the sheet's folder", ""),
            (BASE + "    baseline: a/../../x.wav\n", "leaves the sheet's folder", ""),
            (BASE + "    baseline: a\\b.wav\n", "Write / between folders", ""),
            (BASE + "    baseline: https://x.org/a.wav\n", "Download it", ""),
            (BASE.replace("number: 1", "number: 0"), "1 to 9999", ""),
            (BASE.replace("number: 1", "number: 1.5"), "not a whole number", "7"),
            (BASE.replace("One", '"a\\u0007b"'), "U+0007", ""),
            (BASE.replace("One", "x" * 201), "201 characters", ""),
            (BASE.replace("title: Test\n", ""), "It has no title.", "title: My song"),
            ("title: #1\n" + BASE[12:], "It is empty.", "title: My song"),
            ("title: a\n", "It has no segments.", "segments:"),
            ("title: a\nsegments: []\n", "There is no segment.", "segments:"),
            ("title: a\nsegments: {}\n", "This is a list", ""),
            ("title: a\nsegments: [x]\n", "An entry holds fields", ""),
            (BASE + "  - *x\n", "alias", "begins with *"),
            ("title: a: b\n", "mapping values", "needs quotes"),
            ("title: @x\n", "cannot start", "needs quotes"),
            ("title: 'x\n", "unexpected end", "quotation mark"),
            ("title: !!python/name:os.system x\n" + BASE[12:], "tags", "!"),
            ("title: !x y\n" + BASE[12:], "tags", "!"),
            ("\ttitle: x\n", "'\\t'", "not with tabs"),
            (BASE + "   x: y\n", "block", "indentation"),
            (BASE + "---\n" + BASE, "another document", "'---'"),
            ("<<: {title: x}\n" + BASE, "no field '<<'", "Merge keys"),
            ("? [a]\n: b\n" + BASE, "name is a word", ""),
            ("- a\n", "It holds a list", ""),
            ("hello\n", "plain text", ""),
            ("", "It is empty.", "song new"),
            ("# only a comment\n", "It is empty.", "song new"),
        ],
    )  # fmt: skip
    def test_each_is_explained(self, text, message, step):
        problem = only(text)
        assert message in problem.message
        assert step in problem.step or step in problem.message

    def test_all_are_listed_with_lines_and_places(self):
        text = (
            "title: Test\n"
            "tempo: fast\n"
            "segments:\n"
            "  - number: 7\n"
            "    name: a\n"
            "    section: verse\n"
            "    seconds: 0\n"
            "    layers:\n"
            "      - {role: backing, gain_db: loud}\n"
            "  - number: 7\n"
            "    section: verse\n"
            "    seconds: 3\n"
        )
        assert [(p.line, p.where) for p in problems(text)] == [
            (2, "tempo"),
            (7, "segment 7, seconds"),
            (9, "segment 7, layer backing, gain_db"),
            (10, "segment 7, number"),
            (10, "segment 7, name"),
        ]

    def test_the_error_reads_as_a_list(self, tmp_path):
        path = tmp_path / "song.yaml"
        path.write_text(BASE.replace("seconds: 8", "seconds: 0"))
        with pytest.raises(SheetError) as caught:
            load_sheet(path)
        assert str(caught.value) == (
            f"{path}: The song sheet has a problem.\n"
            "  - line 6, segment 1, seconds: 0 is out of range: 0.5 to 600 seconds."
        )

    def test_lines_are_those_of_an_editor(self):
        # U+2028 ends a line for YAML, not in an editor.
        text = BASE.replace("One", '"a\u2028b"') + "    zzz: 1\n"
        assert only(text).line == 7


class TestHostileInput:
    @pytest.mark.parametrize(
        "text",
        [
            "title: &a [x,x,x,x,x,x,x,x]\n"
            + "".join(f"b{n}: &b{n} [*a,*a,*a,*a,*a,*a,*a,*a]\n" for n in range(9)),
            "options: &a {bark: *a}\n",
            "options: {bark: &a {x: *a}}\n",
            "options: {bark: {x: &a [*a]}}\n",
            "segments: &a [*a]\n",
            "[" * 100_000,
            "{a: " * 50_000,
            "".join(" " * n + "a:\n" for n in range(400)),
            "- " * 100_000,
            "? " * 100_000,
            "title: !!python/object/apply:os.system [touch hacked]\n",
            "title: " + "'" * 100_001,
            "&a " * 10_000,
            "%YAML 9.9\n---\n",
            "title: x\n" + "segments: []\n" * 2000,
            "\u0085" * 1000,
        ],
        ids=range(16),
    )
    def test_is_refused(self, text):
        assert problems(text)  # each would take hours or all memory if it were followed

    # The first would be followed within seconds by a reader without a limit, the second never.
    @pytest.mark.parametrize("levels", [6, 9])
    def test_an_alias_bomb_of_options(self, levels):
        rows = ["options:\n  bark:\n    a: &a0 [" + ",".join("x" * 10) + "]\n"]
        rows += [
            f"    b{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, levels)
        ]  # fmt: skip
        found = problems("".join(rows) + BASE)
        assert "unfold" in found[0].message or "nested" in found[0].message

    def test_an_alias_bomb_of_text(self):
        many = "".join(
            f"  - {{number: {n}, name: b, section: c, seconds: 1, lyrics: *a}}\n"
            for n in range(2, 200)
        )
        found = problems(BASE + "    lyrics: &a " + "la " * 10_000 + "\n" + many)
        assert "unfold" in found[0].message

    @settings(max_examples=100, deadline=None)
    @given(st.text(st.sampled_from("title:segmnubr -[]{}&*!|>'\"%@`#\n\t \\~<,?1"), max_size=120))
    @example("title: \x85")
    def test_any_text_gives_a_sheet_or_problems(self, text):
        assert found_in(text) is None or found_in(text)

    @settings(max_examples=50, deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        [*Sheet.model_fields, *Segment.model_fields, *Layer.model_fields]
                    ),
                    inner,
                    max_size=6,
                )
            ),
            max_leaves=20,
        )
    )
    def test_any_document_gives_a_sheet_or_problems(self, document):
        text = yaml.safe_dump(document, allow_unicode=True)
        assert found_in(text) is None or found_in(text)

    @settings(max_examples=30, deadline=None)
    @given(data=st.binary(max_size=60), cut=st.integers(0, 90))
    def test_any_bytes_are_a_sheet_or_an_explanation(self, tmp_path_factory, data, cut):
        path = tmp_path_factory.mktemp("bytes") / "song.yaml"
        path.write_bytes(BASE.encode()[:cut] + data)
        with contextlib.suppress(SheetError):
            load_sheet(path)


class TestFiles:
    @pytest.mark.parametrize(
        ("data", "message", "step"),
        [
            ("title: mañana\n".encode("latin-1"), "not saved as UTF-8", "UTF-8"),
            ("title: x\n".encode("utf-16"), "UTF-16", "UTF-8"),
            (b"title: x\0\n", "not a text file", "song new"),
            (b"RIFF\x00\x00\x00\x00WAVE", "a recording", "song new"),
            (b"title: x\x1b[31m\n", "can't be read as text", "UTF-8"),
            (b"#" * (2 << 20), "larger than 1 MiB", ""),
        ],
    )
    def test_no_sheet(self, tmp_path, data, message, step):
        path = tmp_path / "song.yaml"
        path.write_bytes(data)
        with pytest.raises(SheetError, match=message) as caught:
            load_sheet(path)
        assert step in (caught.value.step or "")
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "step"),
        [("song.yaml", "milonga song new"), ("song", "Check its name."), ("-", "Check its name.")],
    )
    def test_a_missing_file_is_started_only_under_a_name_of_a_sheet(self, tmp_path, name, step):
        with pytest.raises(SheetError, match="no such file") as caught:
            load_sheet(tmp_path / name)
        assert step in caught.value.step

    def test_the_line_of_a_wrong_byte(self, tmp_path):
        path = tmp_path / "song.yaml"
        path.write_bytes(b"title: x\n\nartist: \xe9\n")
        with pytest.raises(SheetError) as caught:
            load_sheet(path)
        assert caught.value.problems[0].line == 3

    def test_markdown_names_the_import(self, tmp_path):
        path = tmp_path / "song.md"
        path.write_text("# Song\n")
        with pytest.raises(SheetError) as caught:
            load_sheet(path)
        assert f"milonga song import {path} -o {path.with_suffix('.yaml')}" in caught.value.step

    def test_markdown_by_another_name(self, tmp_path):
        path = tmp_path / "song.txt"
        path.write_text("# Song\n\n## Segment 1 - Verse\n\n**Style**: x\n")
        with pytest.raises(SheetError) as caught:
            load_sheet(path)
        assert "song import" in caught.value.step

    def test_a_folder_names_its_sheets(self, tmp_path):
        (tmp_path / "song.yaml").write_text(BASE)
        with pytest.raises(SheetError) as caught:
            load_sheet(tmp_path)
        assert "song.yaml" in caught.value.step

    def test_a_missing_file_names_the_nearest(self, tmp_path):
        (tmp_path / "song.yaml").write_text(BASE)
        with pytest.raises(SheetError) as caught:
            load_sheet(tmp_path / "sing.yaml")
        assert str(tmp_path / "song.yaml") in caught.value.step

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        path = tmp_path / "song.yaml"
        os.mkfifo(path)
        with pytest.raises(SheetError, match="pipe"):
            load_sheet(path)


class TestBaselinePaths:
    def sheet(self, folder, baseline):
        path = folder / "song.yaml"
        path.write_text(BASE + f"    baseline: {baseline}\n")
        return load_sheet(path)

    def test_a_link_that_leaves_the_folder(self, tmp_path):
        inside = tmp_path / "song"
        inside.mkdir()
        (tmp_path / "secret.wav").write_bytes(b"")
        (inside / "link.wav").symlink_to(tmp_path / "secret.wav")
        (inside / "up").symlink_to(tmp_path)
        for name in ("link.wav", "up/secret.wav"):
            with pytest.raises(SheetError, match="leaves the sheet's folder"):
                self.sheet(inside, name)

    def test_a_loop_of_links(self, tmp_path):
        (tmp_path / "a.wav").symlink_to(tmp_path / "b.wav")
        (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
        with pytest.raises(SheetError, match="can't be followed"):
            self.sheet(tmp_path, "a.wav")

    def test_links_within_the_folder_are_fine(self, tmp_path):
        (tmp_path / "takes").mkdir()
        (tmp_path / "base").symlink_to(tmp_path / "takes")
        sheet = self.sheet(tmp_path, "base/x.wav")
        assert sheet.baseline_path(sheet.segments[0]) == tmp_path / "base" / "x.wav"

    def test_a_folder_that_is_a_link_itself(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        assert self.sheet(tmp_path / "link", "x.wav").folder == tmp_path / "link"

    def test_a_whole_path_may_lead_anywhere(self, tmp_path):
        sheet = self.sheet(tmp_path, "/somewhere/else.wav")
        assert sheet.baseline_path(sheet.segments[0]) == Path("/somewhere/else.wav")

    def test_home(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", "/home/someone")
        sheet = self.sheet(tmp_path, "~/x.wav")
        assert sheet.baseline_path(sheet.segments[0]) == Path("/home/someone/x.wav")


def test_reading_a_sheet_loads_nothing_heavy(run_python):
    heavy = ("torch", "librosa", "scipy", "transformers", "soundfile", "rich", "matplotlib")
    loaded = run_python(
        "import sys, milonga.songs.sheet.load, milonga.songs.markdown.import_\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    assert loaded.strip() == "[]"


class TestMusicalTime:
    def sheet(self, fields, top="time: 3/4\ntempo: 90\n"):
        return parse_sheet(top + BASE.replace("seconds: 8", fields))

    @pytest.mark.parametrize(
        ("fields", "seconds"),
        [
            ("bars: 8", 16.0),
            ("bars: 8\n    seconds: 16", 16.0),
            ("bars: 8\n    pickup: 1", 16.0 + 60 / 90),
            ("bars: 8\n    time: 6/8", 8 * 2 * 60 / 90),
            ("bars: 8\n    time: 12/8\n    tempo: 120", 16.0),
            ("bars: 3\n    time: 2/4\n    tempo: 120", 3.0),
        ],
    )
    def test_bars_are_seconds_by_tempo_and_metre(self, fields, seconds):
        sheet = self.sheet(fields)
        (segment,) = sheet.segments
        assert segment.seconds == pytest.approx(seconds, abs=1e-9)
        assert sheet.bars_of(segment) == pytest.approx(segment.bars)
        request = sheet.request(segment, segment.layers[0], seed=0)
        assert (request.time, request.pickup) == (sheet.time_of(segment), segment.pickup)

    def test_seconds_written_with_two_decimals_agree_with_their_bars(self):
        (segment,) = self.sheet("bars: 7\n    seconds: 14.01").segments
        assert segment.seconds == 14.0

    @pytest.mark.parametrize(
        ("fields", "field", "said"),
        [
            ("bars: 8\n    seconds: 15", "bars", "8 bars are 16 s at 90 BPM in 3/4, not 15"),
            ("bars: 900", "bars", "a segment has 0.5 to 600"),
            ("bars: 0", "bars", "out of range"),
            ("bars: eight", "bars", "'eight' is not a number"),
            ("time: 7/4\n    bars: 8", "time", "no metre"),
            ("chords: Am Hm\n    bars: 8", "chords", "'Hm' is no chord"),
            ("chords: Am:x\n    bars: 8", "chords", "how many bars"),
            ("pickup: -1\n    bars: 8", "pickup", "out of range"),
            ("mood: sad", "seconds", "has no seconds"),
        ],
    )
    def test_what_is_wrong_has_its_place(self, fields, field, said):
        with pytest.raises(SheetError) as caught:
            self.sheet(fields)
        (problem,) = caught.value.problems
        assert said in problem.message
        assert problem.where == f"segment 1, {field}"
        assert problem.line is not None
        with pytest.raises(SheetError, match="has no seconds"):
            Segment(number=1, name="A", section="verse")

    def test_chords_reach_the_request_in_one_form(self):
        text = "Am:2 F C/E:1/2 G7:1/2"
        for chords in (
            text, "'| Am | % | F | C/E G7 |'", "[Am:2, F, C/E:1/2, G7:1/2]",
            "|\n      | Am | % |\n      | F | C/E G7 |",
        ):  # fmt: skip
            sheet = self.sheet(f"bars: 8\n    chords: {chords}")
            request = sheet.request(sheet.segments[0], sheet.segments[0].layers[0], seed=0)
            written = chords_text(parse_chords(request.chords))
            assert written.replace("Am Am", "Am:2") == text

    def test_a_whole_song_has_the_tempo_key_and_metre_of_each_part(self):
        sheet = self.sheet("bars: 4\n    tempo: 100\n    key: E minor\n    time: 6/8")
        (part,) = sheet.whole_request(seed=0).parts
        assert (part.tempo, part.key, part.time) == (100, "E minor", "6/8")
        (same,) = self.sheet("bars: 4\n    tempo: 90").whole_request(seed=0).parts
        assert (same.tempo, same.key, same.time) == (None, "", "")

    @pytest.mark.parametrize(
        ("fields", "left", "bars"),
        [
            ("bars: 8", 8 * 3 - 1, 8),
            ("bars: 1", 2, 1),
            ("bars: 8\n    seconds: 16", 8 * 3 - 1, 8),  # as sheets were kept before
            ("seconds: 16", 8 * 3, 8),
            # A dotted quarter has one quarter and a half.
            ("bars: 8\n    time: 6/8", 8 * 2 - 1 / 1.5, 8),
            ("bars: 8\n    time: 4/4", 8 * 4 - 1, 8),
        ],
    )
    def test_a_pickup_takes_the_last_beat_of_the_bars_before_it(self, fields, left, bars):
        sheet = self.sheet(
            f"{fields}\n  - {{number: 2, name: B, section: verse, bars: 4, pickup: 1}}"
        )
        first, second = sheet.segments
        assert first.seconds == pytest.approx(left * 60 / 90, abs=1e-9)
        assert second.seconds == pytest.approx(13 * 60 / 90, abs=1e-9)
        assert [sheet.bars_of(s) for s in sheet.segments] == pytest.approx([bars, 4])
        notes = overview(sheet, ["guide"])["notes"]
        assert any("pickup of segment 2 comes after" in note for note in notes) == (
            fields == "seconds: 16"
        )
        assert not any("off the grid" in note for note in notes)
        assert Sheet.restore(sheet.to_dict(), Path("song.yaml")) == sheet

    def test_a_pickup_longer_than_the_bars_before_it_is_refused(self):
        with pytest.raises(SheetError, match="1 bars without the next segment's pickup of 3 beats"):
            self.sheet("bars: 1\n  - {number: 2, name: B, section: verse, bars: 4, pickup: 3}")
