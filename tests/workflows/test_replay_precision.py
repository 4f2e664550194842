from types import SimpleNamespace

import pytest

from milonga.workflows.songs import options_then


def receipt(generator: str, dtype: str, **options):
    return SimpleNamespace(
        generator=generator,
        request=SimpleNamespace(options=options),
        model=SimpleNamespace(dtype=dtype),
    )


@pytest.mark.parametrize("name", ["stable-audio", "ace-step"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_a_replay_computes_in_the_precision_of_the_take(name, dtype):
    assert options_then(receipt(name, dtype)) == {"precision": dtype}
    asked = options_then(receipt(name, dtype, precision="auto", steps=3))
    assert asked == {"precision": dtype, "steps": 3}


def test_a_take_of_a_graphics_card_or_of_another_generator_stays_as_it_was_asked_for():
    assert options_then(receipt("stable-audio", "float16", steps=3)) == {"steps": 3}
    assert options_then(receipt("guide", "float32")) == {}
