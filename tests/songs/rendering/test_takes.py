import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milonga.songs.rendering.plan import make_plan
from milonga.songs.rendering.planned import Selection
from milonga.songs.rendering.receipts import attempt_seed
from milonga.songs.rendering.render import render
from milonga.songs.rendering.takes import (
    option_hash,
    request_changes,
    segment_folder,
    slug,
    take_name,
    takes_in,
)


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


@pytest.mark.parametrize("order", [("tone", "natural"), ("natural", "tone")])
def test_takes_come_in_the_layers_order_then_by_seed(sheet, make_generator, tmp_path, order):
    song = sheet({"generators": ["tone", "natural"], "seconds": 0.5})
    louder = {"tone": {"level": 0.2}}
    for seed, options in ((10, {}), (2, {}), (2, louder)):
        selection = Selection(seed=seed, options=options)
        plan = make_plan(song, tmp_path, selection, make_generator)
        render(plan)
    takes, broken = takes_in(plan.takes[0].folder, order)
    assert not broken
    # A seed is a number: 2 comes before 10. What the sheet asks for comes before other options.
    tone = ["tone-s2", "tone-s10", take_name("tone", louder["tone"], 2)]
    expected = {"tone": tone, "natural": ["natural-s2", "natural-s10"]}
    assert [take.name for take in takes] == [name for key in order for name in expected[key]]


def test_the_seeds_of_further_attempts():
    """Receipts name them: a change would make other takes of old receipts."""
    assert attempt_seed(7, 1) == 7
    assert attempt_seed(7, 2) == 462121814
    seeds = [attempt_seed(seed, attempt) for seed in range(20) for attempt in range(2, 5)]
    assert len(set(seeds)) == len(seeds)


def test_the_sheets_own_options_come_first(sheet, make_generator, tmp_path):
    song = sheet({"options": {"tone": {"level": 0.2}}, "seconds": 0.5})
    for options in ({"tone": {"level": 0.3}}, {}):
        plan = make_plan(song, tmp_path, Selection(options=options), make_generator)
        render(plan)
    takes, _ = takes_in(plan.takes[0].folder, ("tone",), options=song.segments[0].options)
    assert [take.receipt.request.options["level"] for take in takes] == [0.2, 0.3]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, ()),
        ({"tempo": 122.0}, ("tempo 120 -> 122",)),
        ({"key": "D minor"}, ("key C major -> D minor",)),
        ({"seconds": 2.5}, ("seconds 1 -> 2.5",)),
        ({"section": "solo"}, ("role vocals -> instrumental", "section verse -> solo")),
        ({"mood": "wild"}, ("mood none -> wild",)),
        ({"style": "x" * 50}, ("style",)),
        ({"lyrics": "lo lo"}, ("lyrics",)),
        ({"tempo": 60.0, "key": "A minor"}, ("tempo 120 -> 60", "key C major -> A minor")),
        ({"options": {"tone": {"level": 0.1}}}, ()),
    ],
)
def test_what_a_take_was_not_made_for(sheet, fields, said):
    def asked(seed, **fields):
        song = sheet({"lyrics": "la la"} | fields)
        segment = song.segments[0]
        options = segment.options.get("tone")
        request = song.request(segment, segment.layers[0], seed=seed, options=options)
        return request if "section" not in fields else request.model_copy(update={"lyrics": then})

    then = asked(0).lyrics
    assert request_changes(asked(0), asked(3, **fields)) == said


def test_another_layer_is_a_change(sheet):
    alone = {"lyrics": "la", "layers": [{"role": "vocals"}]}
    played = {"lyrics": "la", "layers": [{"role": "vocals"}, {"role": "backing"}]}
    first, second = (
        song.request(song.segments[0], song.segments[0].layers[0], seed=0)
        for song in (sheet(alone), sheet(played))
    )
    assert request_changes(first, second) == ("now with other layers",)
    assert request_changes(second, first) == ("now without other layers",)
