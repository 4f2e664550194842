import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milonga.songs.rendering.takes import option_hash, segment_folder, slug, take_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Digital Bandoneón", "digital-bandoneon"),
        ("Caos y Suerte", "caos-y-suerte"),
        ("../../etc/passwd", "etc-passwd"),
        ("¿Qué?", "que"),
        ("夜の歌", "夜の歌"),
        ("...", "segment"),
        ("🎵", "segment"),
        ("a" * 500, "a" * 60),
        ("CON", "con"),
    ],
)
def test_slugs(text, expected):
    assert slug(text) == expected


@given(st.text(max_size=300))
def test_a_slug_is_a_safe_file_name(text):
    name = slug(text)
    assert name
    assert len(name.encode()) <= 60
    assert re.fullmatch(r"[\w-]+", name)
    assert slug(name) == name


@given(st.integers(1, 9999), st.text(max_size=20))
def test_folders_sort_by_number_up_to_99(number, name):
    folder = segment_folder(number, name)
    assert folder.startswith(f"{number:02d}-")


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=4))
def test_the_hash_knows_options_and_not_their_order(options):
    assert option_hash(dict(reversed(options.items()))) == option_hash(options)
    assert re.fullmatch(r"[0-9a-f]{6}" if options else "", option_hash(options))
    assert take_name("bark", {}, 3) == "bark-s3"
