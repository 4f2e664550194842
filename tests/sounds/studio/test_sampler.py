import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milonga.sounds.studio.sampler import Zone, dspreset_text, sfz_text, velocities

ZONES = [
    Zone("a-samples/b-2.0-s0.wav", 57.25, 1, 63, 1000, 88_199),
    Zone("a-samples/b+2.0-s0.wav", 57.25, 64, 127, 2000, 88_199),
]


@given(st.integers(1, 127))
def test_velocities_share_the_range_without_a_hole(count):
    found = velocities(count)
    assert [v for low, high in found for v in range(low, high + 1)] == list(range(1, 128))
    assert len(found) == count


def test_the_sfz_has_a_region_for_each_zone():
    text = sfz_text(ZONES, "Año\nnuevo", "CC0-1.0")
    comment, licence, *_ = text.splitlines()
    assert comment.startswith("// Año nuevo, played by milonga")
    assert licence == "// licence: CC0-1.0"
    common, *regions = (dict(re.findall(r"(\w+)=(\S+)", part)) for part in split(text))
    assert common["loop_mode"] == "loop_continuous"
    assert [region["sample"] for region in regions] == [zone.file for zone in ZONES]
    for region, zone in zip(regions, ZONES, strict=True):
        assert (region["loop_start"], region["loop_end"]) == (str(zone.start), str(zone.end))
        assert (region["pitch_keycenter"], region["tune"]) == ("57", "-25")
        assert (region["lokey"], region["hikey"]) == ("33", "81")
        assert (region["lovel"], region["hivel"]) == (
            str(zone.low_velocity), str(zone.high_velocity),
        )  # fmt: skip


def split(text):
    return re.split(r"<(?:global|region)>", text)[1:]


def test_the_preset_of_decent_sampler_says_the_same():
    root = ElementTree.fromstring(dspreset_text(ZONES, "Año <nuevo>"))
    samples = list(root.iter("sample"))
    assert [s.get("path") for s in samples] == [zone.file for zone in ZONES]
    assert [float(s.get("tuning")) for s in samples] == pytest.approx([-0.25, -0.25])
    assert [int(s.get("loopStart")) for s in samples] == [1000, 2000]


def test_samples_that_take_turns_say_which_turn_is_theirs():
    zones = [Zone("a.wav", None, 1, 127, 0, 9, turn, 2) for turn in (1, 2)]
    assert "seq_length=2 seq_position=2" in sfz_text(zones, "x", "")
    groups = list(ElementTree.fromstring(dspreset_text(zones, "x")).iter("group"))
    assert [g.get("seqPosition") for g in groups] == ["1", "2"]
    # Without a pitch it plays as it is on middle C.
    assert zones[0].root == 60
    assert zones[0].keys == (36, 84)
