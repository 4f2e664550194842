import pytest
from hypothesis import given
from hypothesis import strategies as st

from milonga.generators.sound.generator import _CONTROLS
from milonga.generators.sound.words import moves_of
from milonga.sounds.controls.descriptors import NAMES


@pytest.mark.parametrize(
    ("style", "moves"),
    [
        ("bright and dense", {"brightness": 1.5, "density": 1.5}),
        ("Dark, WARM pads", {"brightness": -1.5, "warmth": 1.5}),
        ("dark oscuro muffled", {"brightness": -3.0}),
        ("dark dark dark", {"brightness": -1.5}),
        ("dark but bright", {}),
        ("cálida y ásperas, pulsantes", {"warmth": 1.5, "roughness": 1.5}),
        ("tenso, denso, rítmico", {"tension": 1.5, "density": 1.5, "pulse": 1.5}),
        ("not dark, no dense layers, sin brillo, less rough", {}),
        ("brightly darkened", {}),
        ("", {}),
        ("tango-trap fusion, 808 drops", {}),
    ],
)
def test_words_move_controls(style, moves):
    assert moves_of(style)[0] == moves


def test_mood_counts_too_and_the_words_are_named():
    moves, used = moves_of("dark drone", "tense")
    assert moves == {"brightness": -1.5, "pulse": -1.5, "tension": 1.5}
    assert used == {"dark": "brightness", "drone": "pulse", "tense": "tension"}


def test_the_controls_are_those_of_sound_models():
    assert _CONTROLS == NAMES


@given(st.text(max_size=200))
def test_any_text_gives_settings_within_range(text):
    moves, _ = moves_of(text, text)
    assert set(moves) <= set(_CONTROLS)
    assert all(0 < abs(value) <= 3 for value in moves.values())
