"""The best of several takes by a rule: take checks first, figures said, choices by name kept."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from milonga import audio
from milonga.cli.songs.choices import best_by_option
from milonga.errors import UnknownNameError
from milonga.generators.base import Request
from milonga.songs.output.best import RULES, Judged, Pick, Rule, rule_named
from milonga.songs.output.folder import OutputFolder
from milonga.songs.output.report import write_song_report
from milonga.songs.rendering.plan import make_plan
from milonga.songs.rendering.planned import Selection
from milonga.songs.rendering.render import render


@pytest.fixture
def song(sheet, make_generator, tmp_path):
    def build(*segments, takes=4, named=(), choose=None, **fields):
        made, out = sheet(*segments, **fields), tmp_path / "out"
        selection = Selection(named, takes=takes)
        plan = make_plan(made, out, selection, make_generator, need_baselines=False)
        folder = OutputFolder.begin(out, made, choose, plan.takes, named)
        render(plan, attempts=1)
        return folder

    return build


def seed_is_the_figure(folder, figures):
    """A rule that knows takes by their samples, as their seeds make them."""
    known = {}
    for path in (folder.out / "takes").rglob("*.wav"):
        known[audio.read(path).samples.tobytes()] = figures.get(int(path.stem[-1]))
    return lambda judged: known[judged.clip.samples.tobytes()]


def test_the_best_figure_is_mixed_said_and_kept(song, monkeypatch):
    folder = song({}, {"section": "solo"})
    measure = seed_is_the_figure(folder, {0: 3.0, 1: 1.5, 2: 0.25, 3: None})
    monkeypatch.setitem(RULES, "made up", Rule("For this test.", "% off", "lower", measure))
    assert folder.choose_best("made up") == []
    folder.save()
    words = "best of 4 by made up: tone-s2 0.25 % off, tone-s0 3 % off, tone-s1 1.5 % off, "
    words += "tone-s3 – % off"
    for each in (folder, OutputFolder.load(folder.out)):
        mixed = each.mix()
        assert mixed.chosen == {"1/instrumental": "tone-s2", "2/instrumental": "tone-s2"}
        assert mixed.layers[0].best == words
        assert f"  1 Part 1, instrumental: tone-s2 ({words})" in mixed.contents
        assert not mixed.layers[0].chosen
    html = write_song_report(folder).read_text()
    assert words in html
    document = json.loads((folder.out / "comparison.json").read_text())
    pick = document["segments"][0]["best_by"]["1/instrumental"]
    assert (pick["take"], pick["rule"]) == ("tone-s2", "made up")
    assert pick["figures"]["tone-s0"] == {"% off": 3.0}
    # The other way round, and a higher figure counts.
    monkeypatch.setitem(RULES, "made up", Rule("For this test.", "% off", "higher", measure))
    folder.choose_best("made up")
    assert folder.mix().chosen["1/instrumental"] == "tone-s0"


def test_a_choice_by_name_stays_and_is_said(song):
    folder = song({}, {}, choose={"2": "tone-s3"})
    notes = folder.choose_best("checks")
    assert notes == ["segment 2: chosen by name, so not by the rule checks."]
    assert folder.mix().chosen == {"1/instrumental": "tone-s0", "2/instrumental": "tone-s3"}
    assert folder.mix().layers[1].best == ""
    folder.choose({"1": "tone-s1"})
    assert folder.mix().chosen["1/instrumental"] == "tone-s1", "by name also after a rule"


def test_take_checks_come_first(song, monkeypatch):
    folder = song({"style": "first-bad"})
    measure = seed_is_the_figure(folder, {0: 9.0, 1: 1.0, 2: 2.0, 3: 1.0})
    monkeypatch.setitem(RULES, "made up", Rule("For this test.", "points", "higher", measure))
    folder.choose_best("made up")
    (layer,) = folder.mix().layers
    assert layer.take == "tone-s2"
    assert layer.best.startswith("best of 3 by made up")
    folder.choose_best("checks")
    (layer,) = folder.mix().layers
    assert (layer.take, layer.best) == ("tone-s1", "best of 3 by checks")


def test_a_rule_that_is_always_applied_comes_before_the_named_one(song, monkeypatch):
    """So a score of the words goes before a figure of the sound."""
    folder = song({})
    words = seed_is_the_figure(folder, {0: 0.5, 1: 1.0, 2: 1.0, 3: 0.2})
    taste = seed_is_the_figure(folder, {0: 9.0, 1: 1.0, 2: 2.0, 3: 8.0})
    monkeypatch.setitem(RULES, "words", Rule("", "of the words", "higher", words, always=True))
    monkeypatch.setitem(RULES, "taste", Rule("", "points", "higher", taste))
    folder.choose_best("taste")
    (layer,) = folder.mix().layers
    assert layer.take == "tone-s2"
    assert "tone-s2 1 of the words, 2 points" in layer.best


def test_a_pick_counts_among_the_takes_of_the_generator_that_is_preferred(song):
    folder = song({"generators": ["tone", "natural"]})
    folder.choose_best("length")
    folder.save()
    assert folder.mix().layers[0].best.startswith("best of 4 by length: tone-s0 0 s off the length")
    # Another generator is named: its takes come first, and the pick is of others.
    folder = song({"generators": ["tone", "natural"]}, named=("natural",))
    assert folder.mix().chosen == {"1/instrumental": "natural-s0"}
    assert folder.mix().layers[0].best == ""
    # The sheet changes: the pick is stale, and nothing stale is used by itself.
    folder = song({"generators": ["tone"], "seconds": 2.0})
    assert folder.mix().layers[0].best == ""


def test_rules_measure_what_they_say(tmp_path):
    rate, seconds = 22_050, 8
    t = np.arange(seconds * rate) / rate
    clicks = np.where(t % 0.5 < 0.01, 0.5, 0.0) * np.sin(2 * np.pi * 1000 * t)
    asked = Request(role="backing", section="verse", seconds=6, tempo=60, key="C major", seed=0)
    judged = Judged(audio.Clip(clicks, rate), asked)
    # 120 BPM is 60 an octave up; the figure's resolution at 120 is 3 %.
    assert RULES["tempo"].measure(judged) < 3
    assert RULES["length"].measure(judged) == pytest.approx(2.0)
    assert RULES["timbre"].measure(judged) is RULES["chroma"].measure(judged) is None
    like = Judged(judged.clip, asked, judged.features)
    tone = audio.Clip(0.3 * np.sin(2 * np.pi * 220 * t), rate)
    for name in ("timbre", "chroma"):
        other = RULES[name].measure(Judged(tone, asked, judged.features))
        assert RULES[name].measure(like) == pytest.approx(1.0)
        assert other < 0.99
    assert RULES["tempo"].measure(Judged(audio.Clip(np.zeros(rate), rate), asked)) is None


def test_a_rule_without_its_figure_is_said(song):
    folder = song({}, takes=2)
    assert folder.choose_best("timbre") == ["segment 1: the rule timbre tells nothing here."]
    (layer,) = folder.mix().layers
    assert layer.take == "tone-s0"
    assert layer.best == "the first of 2: timbre tells nothing here"


def test_the_whole_song_has_a_best_take_too(song):
    folder = song({"generators": ["songster"], "lyrics": "la"}, whole={"generators": ["songster"]})
    folder.choose_best("length")
    assert set(folder.best) == {"1/vocals", "whole"}
    for path in (folder.out / "takes" / "01-part-1").iterdir():
        path.unlink()
    (whole, _) = folder.mix().layers
    assert whole.best.startswith("best of 4 by length")


def test_an_unknown_rule_is_refused_with_those_there_are():
    with pytest.raises(UnknownNameError, match="no rule 'taste'"):
        rule_named("taste")


def test_the_help_and_the_docs_name_every_rule():
    import click

    @click.command()
    @best_by_option
    def command(best_by):
        pass

    (option,) = command.params
    docs = (Path(__file__).parents[3] / "docs" / "song-sheet.md").read_text()
    for name in RULES:
        assert re.search(rf"\b{name}\b", option.help)
        assert f"`{name}`" in docs


def test_a_pick_reads_back():
    pick = Pick(take="a", rule="tempo", figures={"a": {"% off the tempo": None}})
    assert Pick.model_validate(json.loads(pick.model_dump_json())) == pick
