"""``Guide`` as the plan sees it: what it says before any work, its options, its licences."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga._installed import install_command
from milonga.errors import GeneratorError, MilongaError
from milonga.generators.base import LyricLine, Request, Role, SongPart
from milonga.generators.guide import Guide
from milonga.generators.guide.band.grooves import GROOVES
from milonga.generators.guide.band.instruments import INSTRUMENTS, instruments_in
from milonga.generators.registry import generator_class
from milonga.runtime.progress import Progress

VERSE = (
    "We laugh at the chaos, we play with the luck,",
    "Dreams synthetic but hearts imperfect. (susurra)",
)


def request(lines=VERSE, **changes):
    lyrics = tuple(LyricLine(text=text) for text in lines)
    usual = {"role": "vocals", "section": "verse", "key": "A minor", "tempo": 122.0, "seed": 0}
    return Request(**{**usual, "seconds": 15.0, "lyrics": lyrics, **changes})


def problems(asked):
    return Guide().assess(asked).problems


def test_the_registry_knows_it():
    assert generator_class("guide") is Guide
    assert Guide.length == "exact"
    assert Guide.roles == set(get_args(Role))


def test_a_good_request_has_no_problems():
    assessment = Guide().assess(request())
    assert assessment.problems == ()
    assert assessment.notes == ()
    assert assessment.estimate_s < 15


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"key": "H minor"}, "key"),
        ({"key": ""}, "key"),
        ({"tempo": 2.0}, "tempo"),
        ({"tempo": 1e9}, "tempo"),
        ({"seconds": 0.001}, "seconds"),
        ({"seconds": 1e6}, "seconds"),
    ],
)
def test_problems_name_the_field_and_the_step(changes, where):
    (problem,) = problems(request(**changes))
    assert problem.where == where
    assert problem.step
    with pytest.raises(GeneratorError, match=r".") as caught:
        Guide().render(request(**changes), Progress())
    assert caught.value.where == where


def test_words_that_nobody_could_sing_are_refused_with_the_seconds_they_take():
    (problem,) = problems(request(seconds=3.0))
    assert problem.where == "seconds"
    assert "23 syllables in 2 lines" in problem.message
    needed = float(problem.step.split("Give the segment ")[1].split(" ")[0])
    assert 4 < needed < 8
    assert problems(request(seconds=needed)) == ()
    assert problems(request(seconds=needed - 0.2))
    # An instrument may hurry.
    assert problems(request(seconds=3.0, role="backing")) == ()


def test_lines_without_words_are_noted():
    notes = Guide().assess(request(lines=("We laugh", "💔 💔"))).notes
    assert notes == ("No words to sing in: 💔 💔.",)


def test_options():
    asked = request(role="instrumental", lines=(), style="trap")
    assert Guide(Guide.Options(lead="violin")).score(asked).parts["lead"].program == 40
    assert "kick" in Guide().score(asked).parts
    assert "kick" not in Guide(Guide.Options(drums=False)).score(asked).parts
    with pytest.raises(MilongaError, match="no lead instrument 'kazoo'"):
        Guide.Options(lead="kazoo")
    with pytest.raises(MilongaError):
        Guide.Options(loud=True)
    for field in Guide.Options.model_fields.values():
        assert field.description


def test_vocals_bring_their_band_unless_there_is_one_or_it_is_refused():
    assert set(Guide().score(request(style="pop")).parts) >= {"drums", "bass", "chords"}
    alone = Guide(Guide.Options(a_cappella=True)).score(request(style="pop"))
    assert alone.parts == {}
    layered = Guide().score(request(style="pop", accompanied=True))
    assert layered.parts == {}


def test_without_a_voice_an_instrument_plays_the_words_tune():
    """In an interpreter where the libraries that sing can't be found."""
    code = (
        "import importlib.util\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'pyworld'"
        " else real(name, *a)\n"
        "from milonga.generators.base import LyricLine, Request\n"
        "from milonga.generators.guide import Guide\n"
        "from milonga.runtime.progress import Progress\n"
        "asked = Request(role='vocals', section='verse', key='A minor', tempo=120, seconds=4,"
        " seed=0, accompanied=True, lyrics=(LyricLine(text='We laugh at the chaos'),))\n"
        "guide = Guide()\n"
        "notes = guide.score(asked).parts['lead'].notes\n"
        "print(len(notes), guide.render(asked, Progress()).n_samples)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["6", "176400"]


def test_a_sung_take_names_its_voice():
    guide = Guide()
    clip = guide.render(request(lines=("We laugh at the chaos",), seconds=4.0), Progress())
    assert clip.n_samples == 4 * 44_100
    sung = guide.model()
    assert any("speech engine" in licence.what for licence in sung.licences)
    guide.render(request(role="instrumental", lines=(), seconds=2.0), Progress())
    assert not any("speech" in licence.what for licence in guide.model().licences)


def test_the_soundfont_s_licence_is_named():
    model = Guide().model()
    (soundfont,) = [one for one in model.licences if "TimGM6mb" in one.what]
    assert soundfont.name == "GPL-2.0"
    assert len(model.files["TimGM6mb.sf2"]) == 64
    assert {"midirenderer", "pretty_midi"} <= set(model.libraries)


def test_looking_it_up_loads_nothing_heavy():
    code = (
        "from milonga.generators.registry import generator_class\n"
        "generator_class('guide')()\n"
        "import sys\n"
        "print({'pretty_midi', 'midirenderer', 'scipy', 'librosa', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_missing_library_is_an_error_that_names_the_extra(tmp_path):
    """An interpreter in which the library can't be found."""
    code = (
        "import importlib.util, sys\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'midirenderer'"
        " else real(name, *a)\n"
        "from milonga.generators.registry import generator_class\n"
        "from milonga.errors import MissingExtraError\n"
        "try:\n"
        "    generator_class('guide')()\n"
        "except MissingExtraError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"Run: {install_command('guide')}" in done.stdout


def test_the_page_names_every_genre_and_instrument():
    page = (Path(__file__).parents[3] / "docs" / "guide.md").read_text()
    table = page[page.index("| words |") : page.index("Genres mix")]
    assert [name for name in (*GROOVES, *INSTRUMENTS) if name not in table] == []
    assert [name for name in Guide.Options.model_fields if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize(
    ("style", "left"),
    [
        ("gamelan didgeridoo", "gamelan, didgeridoo"),
        ("Gamelán, no theremin, dark drum'n'bass; R&B 4/4 at 120 BPM", "Gamelán"),
        ("tango-trap fusion, 808 drops, intense", ""),
        ("歌 y música", "歌"),
    ],
)
def test_words_that_it_does_not_know_are_said(style, left):
    notes = Guide().assess(request(style=style)).notes
    said = f"The guide doesn't know these words, and plays without them: {left}."
    assert notes == ((said,) if left else ())
    # Where it brings no band, style is not its business.
    assert Guide().assess(request(style=style, accompanied=True)).notes == ()


def test_words_that_mean_another_metre_are_said():
    (note,) = Guide().assess(request(style="waltz in 3/4, piano")).notes
    assert note == "waltz, 3/4: that is 3/4; the sheet has 4/4. To have it: time: 3/4."
    for style, time in (("waltz in 3/4, piano", "3/4"), ("zamba", "6/8"), ("zamba", "12/8")):
        assert Guide().assess(request(style=style, time=time)).notes == ()


def test_every_word_of_its_page_is_known():
    from milonga.generators.guide.band.styles import unheard

    assert unheard(request(style=", ".join([*GROOVES, *INSTRUMENTS]))) == []
    for name in INSTRUMENTS:
        assert instruments_in(name).wanted, name


@given(st.text(max_size=200), st.text(max_size=50))
@settings(max_examples=50, deadline=None)
def test_unknown_words_are_words_of_the_text(style, mood):
    from milonga.generators.guide.band.styles import unheard

    found = unheard(request(style=style, mood=mood))
    assert all(word in f"{style}, {mood}" for word in found)


def test_directions_that_its_voice_ignores_are_said():
    lines = [("Take", ("laughs", "whispers")), ("", ("spoken",)), ("the fire", ("guitar solo",))]
    lyrics = tuple(LyricLine(text=text, directions=d) for text, d in lines)
    assert Guide().assess(request(lyrics=lyrics)).notes == (
        "The guide's voice does nothing for [laughs] [guitar solo].",
    )


def test_a_song_in_one_take_is_its_segments_one_after_the_other():
    words = (LyricLine(text="the corner keeps a little light"),)
    parts = (
        SongPart(section="intro", seconds=2.0, style="tango"),
        SongPart(section="verse", seconds=4.1, lyrics=words),
    )
    whole = request(
        role="song", section="song", seconds=6.1, style="pop", lyrics=words, parts=parts
    )
    guide = Guide()
    assert guide.assess(whole).problems == ()
    clip = guide.render(whole)
    assert clip.n_samples == round(6.1 * 44100)
    alone = [
        request(lyrics=(), role="instrumental", section="intro", seconds=2.0, style="tango"),
        request(role="vocals", section="verse", seconds=4.1, style="pop", lyrics=words),
    ]
    first, second = (guide.render(one) for one in alone)
    assert np.array_equal(clip.samples[:, : first.n_samples], first.samples)
    assert np.array_equal(clip.samples[:, first.n_samples :], second.samples)
    one = request(role="song", section="verse", seconds=4.1, style="pop", lyrics=words)
    assert np.array_equal(guide.render(one).samples, second.samples)
    # The receipt names the voice, also where the last segment has none.
    backwards = whole.model_copy(update={"parts": parts[::-1]})
    guide.render(backwards)
    assert "hibari-tts" in guide.model().libraries
    crowded = SongPart(section="verse", seconds=1.0, lyrics=words * 9)
    refused = guide.assess(whole.model_copy(update={"parts": (*parts, crowded)}))
    assert [problem.where for problem in refused.problems] == ["part 3, seconds"]
