"""Choices on the command line."""

import click
import pytest

from milonga.cli.songs.choices import parse_choices


def test_choices_are_read():
    assert parse_choices(["18/vocals=guide-s1", "2=x"]) == {"18/vocals": "guide-s1", "2": "x"}
    assert parse_choices(["whole=a-s0", "7=whole/a-s0"]) == {"whole": "a-s0", "7": "whole/a-s0"}


@pytest.mark.parametrize(
    "pair", ["²=x", "①/vocals=x", "x=y", "=x", "1=", "1", "", "whole/7=x", "wholes=x"]
)
def test_what_is_no_choice_is_wrong_usage(pair):
    with pytest.raises(click.BadParameter, match="SEGMENT"):
        parse_choices([pair])
