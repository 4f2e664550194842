"""``milonga song`` as a user runs it."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WHISPERS = ROOT / "examples" / "whispers"


class TestNew:
    def test_writes_a_sheet_that_checks(self, milonga, tmp_path):
        done = milonga("song", "new", "song.yaml")
        assert (done.status, done.out) == (0, "")
        assert "milonga song check song.yaml" in done.err
        checked = milonga("song", "check", "song.yaml", "--json").json
        assert checked["problems"] == checked["notes"] == []
        assert checked["totals"]["layers"] == 4
        assert "#" in (tmp_path / "song.yaml").read_text()

    def test_title(self, milonga):
        assert milonga("song", "new", "a.yaml", "--title", "No: 1 #hit").status == 0
        assert milonga("song", "check", "a.yaml", "--json").json["title"] == "No: 1 #hit"

    def test_does_not_overwrite(self, milonga, tmp_path):
        (tmp_path / "song.yaml").write_text("mine")
        done = milonga("song", "new", "song.yaml")
        assert done.status == 1
        assert "--force" in done.err
        assert (tmp_path / "song.yaml").read_text() == "mine"
        assert milonga("song", "new", "song.yaml", "--force").status == 0
        assert (tmp_path / "song.yaml").read_text() != "mine"

    @pytest.mark.parametrize("name", ["song", "song.md", "song.wav"])
    def test_the_name_is_a_sheets(self, milonga, tmp_path, name):
        done = milonga("song", "new", name)
        assert done.status == 1
        assert "song.yaml" in done.err
        assert list(tmp_path.glob("song*")) == []

    def test_a_folder(self, milonga, tmp_path):
        done = milonga("song", "new", ".")
        assert done.status == 1
        assert "song.yaml" in done.err

    def test_makes_missing_folders(self, milonga, tmp_path):
        assert milonga("song", "new", "a/b/song.yml").status == 0
        assert (tmp_path / "a" / "b" / "song.yml").is_file()


class TestCheck:
    def test_shows_what_will_be_rendered(self, milonga):
        done = milonga("song", "check", WHISPERS / "song.yaml")
        assert done.status == 0
        for text in (
            "Whispers del Futuro, Geeks in the Woods", "Digital Bandoneón", "instrumental", "122",
            "backing -6 dB", "guide", "We whisper, (susurra conmigo)", "[background whispers]",
        ):  # fmt: skip
            assert text in done.out

    def test_names_of_later_versions_are_refused(self, milonga, tmp_path):
        (tmp_path / "song.yaml").write_text(
            "title: a\nsegments:\n- {number: 1, name: b, section: verse, seconds: 2, "
            "generators: [guidde, bark]}\n"
        )
        done = milonga("song", "check", "song.yaml")
        assert done.status == 1
        assert "There is no generator 'guidde'." in done.err
        assert "(guidde), bark" in done.out

    def test_json(self, milonga):
        done = milonga("song", "check", WHISPERS / "song.yaml", "--json")
        document = done.json
        assert done.err == ""
        assert document["totals"]["segments"] == len(document["segments"]) == 5
        assert document["totals"]["seconds"] == sum(s["seconds"] for s in document["segments"])
        verse = next(s for s in document["segments"] if s["number"] == 18)
        assert [layer["role"] for layer in verse["layers"]] == ["vocals", "backing"]
        assert verse["layers"][1]["style"] == "Latin trap reggaeton backing"
        assert {"text": "", "language": None, "directions": ["background whispers"]} in (
            verse["layers"][0]["lyrics"]
        )

    def test_problems(self, milonga, tmp_path):
        (tmp_path / "song.yaml").write_text("title: a\nbpm: 3\nsegments: []\n")
        done = milonga("song", "check", "song.yaml")
        assert (done.status, done.out) == (1, "")
        assert "line 2, bpm: There is no field 'bpm'. Did you mean 'tempo'?" in done.err
        assert "line 3, segments" in done.err

    def test_problems_as_json(self, milonga, tmp_path):
        (tmp_path / "song.yaml").write_text("title: a\nbpm: 3\nsegments: []\n")
        done = milonga("song", "check", "song.yaml", "--json")
        assert done.status == 1
        assert [(p["line"], p["where"]) for p in done.json["problems"]] == [
            (2, "bpm"),
            (3, "segments"),
        ]

    def test_baselines(self, milonga, tmp_path):
        entry = "- {{number: {0}, name: b, section: verse, seconds: 2, baseline: {1}}}\n"
        names = ("there.flac", "text.wav", "missing.wav", "folder.wav")
        (tmp_path / "there.flac").symlink_to(tmp_path / "copy.flac")
        sample = Path("/usr/share/sonic-pi/samples/bd_808.flac")
        (tmp_path / "copy.flac").write_bytes(sample.read_bytes())
        (tmp_path / "text.wav").write_text("hello")
        (tmp_path / "folder.wav").mkdir()
        (tmp_path / "song.yaml").write_text(
            "title: a\nsegments:\n" + "".join(entry.format(n, x) for n, x in enumerate(names, 1))
        )
        document = milonga("song", "check", "song.yaml", "--json").json
        found = [segment["baseline"] for segment in document["segments"]]
        assert found[0]["seconds"] > 0.1
        assert found[0]["problem"] is None
        assert all(baseline["problem"] for baseline in found[1:])
        assert sum("baseline" in problem["where"] for problem in document["problems"]) == 3

    def test_notes_of_words(self, milonga, tmp_path):
        (tmp_path / "song.yaml").write_text(
            "title: a\nsegments:\n"
            f"- {{number: 1, name: a, section: verse, seconds: 2, lyrics: {'la ' * 40}}}\n"
            "- {number: 2, name: a, section: solo, seconds: 2, lyrics: la}\n"
            "- {number: 3, name: a, section: bloop, seconds: 2, layers: [{role: vocals}]}\n"
        )
        notes = " ".join(milonga("song", "check", "song.yaml", "--json").json["notes"])
        assert "segment 1: 40 words in 2 s" in notes
        assert "segment 2: its words are not sung" in notes
        assert "segment 3: it has a vocals layer and no words" in notes
        assert "'bloop' is no section that is known here" in notes

    def test_what_is_true_of_several_segments_is_said_once(self, milonga, tmp_path):
        entry = "- {{number: {0}, name: 'a [/b]', section: verse, seconds: 3, lyrics: la}}\n"
        (tmp_path / "song.yaml").write_text(
            "title: '[/i]'\nsegments:\n" + "".join(map(entry.format, (1, 2, 3)))
        )
        for command in (("song", "check"), ("render", "--dry-run")):
            done = milonga(*command, "song.yaml")
            assert done.status == 0
            assert "a [/b]" in done.out + done.err
            said = (done.out + done.err).count("segments 1, 2, 3: 3 s are 1.5 bars of 4/4")
            assert said == (command == ("song", "check"))

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("nope.yaml", "no such file"),
            (".", "a folder"),
            (ROOT / "README.md", "milonga song import"),
            ("/usr/share/sonic-pi/samples/bd_808.flac", "a recording"),
            ("/dev/null", "a device"),
        ],
    )
    def test_what_is_no_sheet(self, milonga, name, said):
        done = milonga("song", "check", name)
        assert done.status == 1
        assert said in done.err

    def test_texts_with_markup_and_wide_letters(self, milonga, tmp_path):
        (tmp_path / "song.yaml").write_text(
            "title: '[red]歌 :smile: [/nope]'\nsegments:\n"
            "- {number: 1, name: '[bold]x', section: verse, seconds: 2, lyrics: '[/b] a [b]'}\n"
        )
        done = milonga("song", "check", "song.yaml")
        assert done.status == 0
        assert "[red]歌 :smile: [/nope]" in done.out
        assert "[bold]x" in done.out


class TestImport:
    def test_writes_a_sheet_and_lists_the_rest(self, milonga):
        done = milonga("song", "import", WHISPERS / "song.md", "-o", "song.yaml")
        assert (done.status, done.out) == (0, "")
        assert "Not placed:" in done.err
        assert "line 29: Audio Features: high energy, percussive" in done.err
        assert "line 54, segment 10, seconds: the upper end of '~15-20 seconds'" in done.err
        assert milonga("song", "check", "song.yaml", "--json").json["totals"]["seconds"] == 45

    def test_json(self, milonga):
        done = milonga("song", "import", WHISPERS / "song.md", "-o", "song.yaml", "--json")
        document = done.json
        assert document["path"] == "song.yaml"
        assert {"line": 82, "text": "Notes", "reason": ""} in document["unplaced"]
        assert document["sheet"]["segments"][1]["name"] == "Susurra Conmigo"
        assert any(guess["field"] == "layers" for guess in document["guesses"])

    def test_without_output_it_prints_the_sheet(self, milonga, tmp_path):
        done = milonga("song", "import", WHISPERS / "song.md")
        assert done.out.startswith("title: Whispers del Futuro\n")
        assert "Not placed:" in done.err
        assert not list(tmp_path.glob("*.yaml"))

    def test_does_not_overwrite(self, milonga, tmp_path):
        (tmp_path / "song.yaml").write_text("mine")
        done = milonga("song", "import", WHISPERS / "song.md", "-o", "song.yaml")
        assert done.status == 1
        assert (tmp_path / "song.yaml").read_text() == "mine"

    def test_no_song(self, milonga, tmp_path):
        (tmp_path / "notes.md").write_text("# Shopping\n\nmilk\n")
        done = milonga("song", "import", "notes.md", "-o", "song.yaml")
        assert done.status == 1
        assert "No song was found" in done.err
        assert not (tmp_path / "song.yaml").exists()

    def test_the_title_from_the_file(self, milonga, tmp_path):
        (tmp_path / "late.md").write_text("## Verse\n\nla la\n")
        assert milonga("song", "import", "late.md", "--json").json["sheet"]["title"] == "late"


class TestExport:
    def test_there_and_back(self, milonga, tmp_path):
        shutil.copytree(WHISPERS / "baseline", tmp_path / "baseline")
        assert milonga("song", "export", WHISPERS / "song.yaml", "-o", "song.md").status == 0
        done = milonga("song", "import", "song.md", "-o", "song.yaml", "--json")
        assert done.json["unplaced"] == done.json["guesses"] == []
        before = milonga("song", "check", WHISPERS / "song.yaml", "--json").json
        after = milonga("song", "check", "song.yaml", "--json").json
        for document, folder in ((before, WHISPERS), (after, tmp_path)):
            document["path"] = ""
            for segment in document["segments"]:
                if segment["baseline"]:
                    found = Path(segment["baseline"]["path"])
                    segment["baseline"]["path"] = str(found.relative_to(folder))
        assert before == after

    def test_to_standard_output(self, milonga):
        done = milonga("song", "export", WHISPERS / "song.yaml")
        assert "## Segment 10 - chorus" in done.out
        assert done.err == ""

    def test_does_not_overwrite(self, milonga, tmp_path):
        (tmp_path / "song.md").write_text("mine")
        assert milonga("song", "export", WHISPERS / "song.yaml", "-o", "song.md").status == 1
        assert (tmp_path / "song.md").read_text() == "mine"

    def test_nowhere_to_write(self, milonga, tmp_path):
        (tmp_path / "file").write_text("")
        done = milonga("song", "export", WHISPERS / "song.yaml", "-o", "file/song.md")
        assert done.status == 1
        assert "in the way" in done.err


@pytest.mark.parametrize("locale", ["C", pytest.param("C.UTF-8", marks=pytest.mark.slow)])
def test_any_locale(milonga, locale):
    done = milonga("song", "check", WHISPERS / "song.yaml", LC_ALL=locale)
    assert done.status == 0
    assert "Digital Bandoneón" in done.out
