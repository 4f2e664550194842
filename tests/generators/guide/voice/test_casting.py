import pytest

from milonga.generators.base import LyricLine
from milonga.generators.guide.tune.melody import FEMALE, MALE
from milonga.generators.guide.voice.casting import cast
from milonga.generators.guide.voice.vocals import line_manners


@pytest.mark.parametrize(
    ("voice", "notes"),
    [
        ("smooth male lead", MALE),
        ("Voz masculina", MALE),
        ("baritone", MALE),
        ("female", FEMALE),
        ("mujer, susurrante", FEMALE),
        ("", FEMALE),
        ("male and female duet", FEMALE),
    ],
)
def test_ranges(voice, notes):
    assert cast(voice).lead.range == notes


def test_duets_take_turns_an_octave_apart():
    both = cast("duet")
    assert both.turns
    assert both.lead.range.low - both.answer.range.low == 12


def test_the_answer_is_another_voice():
    for voice in ("male", "female", "child", "duet"):
        singers = cast(voice)
        assert singers.answer.tract != singers.lead.tract


def test_manners():
    assert cast("robotic male").lead.vibrato == 0
    assert cast("breathy female").lead.air > 0
    assert cast("whispered vocals").lead.whisper
    assert not cast("smooth").lead.whisper
    assert cast("deep male").lead.tract > cast("male").lead.tract > cast("female").lead.tract


def lines(*entries):
    return [LyricLine(text=text, directions=tuple(directions)) for text, *directions in entries]


def test_directions_on_a_line_are_for_that_line():
    found = line_manners(lines(("one", "whispers"), ("two",), ("tres", "susurrando")))
    assert [m.whispered for m in found] == [True, False, True]


def test_directions_alone_are_for_the_lines_that_follow():
    found = line_manners(
        lines(("one",), ("", "Whispered"), ("two",), ("three",), ("", "full voice"), ("four",))
    )
    assert [m.whispered for m in found] == [False, True, True, False]


def test_background_whispers_double_the_line_before():
    found = line_manners(lines(("one",), ("two",), ("", "background whispers"), ("three",)))
    assert [m.behind for m in found] == [False, True, False]
    assert not any(m.whispered for m in found)
    assert line_manners(lines(("", "susurros de fondo"), ("uno",)))[0].behind


def test_other_directions_change_nothing():
    found = line_manners(lines(("one", "guitar solo"), ("", "drop"), ("two",)))
    assert [(m.whispered, m.behind) for m in found] == [(False, False)] * 2
    assert line_manners([]) == []
