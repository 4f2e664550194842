"""What is played: style words, sections, roles."""

import pytest

from milonga.generators.base import LyricLine, Request
from milonga.generators.guide.arrange import arrange
from milonga.generators.guide.band.harmony import parse_key
from milonga.generators.guide.band.instruments import INSTRUMENTS, instruments_in
from milonga.generators.guide.band.styles import band_for
from milonga.generators.guide.sections import SHAPES
from milonga.generators.guide.tune.melody import bar_scale

LYRICS = (
    LyricLine(text="We laugh at the chaos, we play with the luck,"),
    LyricLine(text="Dreams synthetic but hearts imperfect."),
)


def request(**changes):
    usual = {"role": "instrumental", "section": "chorus", "key": "A minor", "tempo": 120.0}
    return Request(**{**usual, "seconds": 16.0, "seed": 0, **changes})


def band(style, **changes):
    return band_for(request(style=style, **changes))


def test_the_reference_prompts():
    solo = band("Bandoneón solo with trap beats, 808 drops, tango-trap fusion")
    assert solo.lead.name == "bandoneon"
    assert solo.lead.program == 23
    assert solo.bass.synth == "808"
    assert solo.genres[:2] == ("trap", "tango")
    assert solo.rolls
    assert solo.drums
    latin = band("Latin trap reggaeton backing")
    assert latin.genres[0] == "reggaeton"
    assert latin.rolls
    fusion = band("Latin trap / reggaetón / electronic milonga fusion")
    assert fusion.drums
    assert fusion.comping.signature


@pytest.mark.parametrize(
    ("style", "name", "job"),
    [
        ("bandoneon", "bandoneon", "lead"),
        ("BANDONEÓN melancólico", "bandoneon", "lead"),
        ("808 bass", "808", "bass"),
        ("soft piano", "piano", "chords"),
        ("cuerdas y piano", "strings", "pad"),
        ("lush pads", "warm pad", "pad"),
        ("guitarra española", "nylon guitar", "chords"),
        ("distorted guitars", "distorted guitar", "chords"),
        ("flauta", "flute", "lead"),
        ("metales brillantes", "brass", "chords"),
        ("trumpet solo", "trumpet", "lead"),
        ("Rhodes", "electric piano", "chords"),
        ("upright bass", "upright bass", "bass"),
        ("synth lead", "saw synth", "lead"),
    ],
)
def test_instruments_are_taken_at_their_word(style, name, job):
    assert getattr(band(style), job).name == name


@pytest.mark.parametrize(
    ("style", "genre"),
    [
        ("reggaetón", "reggaeton"),
        ("dembow", "reggaeton"),
        ("dark trap", "trap"),
        ("tango", "tango"),
        ("milonga", "milonga"),
        ("deep house", "house"),
        ("boom bap hip hop", "hip-hop"),
        ("indie rock", "rock"),
        ("ambient drone", "ambient"),
        ("balada romántica", "ballad"),
        ("Latin pop ballad", "ballad"),
        ("bossa nova", "bossa"),
        ("cumbia villera", "cumbia"),
        ("lo-fi chillhop", "lo-fi"),
        ("drum & bass", "drum and bass"),
    ],
)
def test_genres(style, genre):
    assert band(style).genres[0] == genre


@pytest.mark.parametrize(
    ("style", "negative"),
    [
        ("trap, no drums", ""),
        ("trap without drums", ""),
        ("trap sin batería", ""),
        ("trap", "drums"),
        ("pop", "heavy percussion, vocals"),
        ("drumless pop", ""),
    ],
)
def test_drums_refused(style, negative):
    score = arrange(request(style=style, negative=negative))
    assert not {"kick", "drums"} & set(score.parts)
    assert "kick" in arrange(request(style=style, negative=negative), drums=True).parts


def test_other_refusals():
    assert band("trap, no 808").bass.synth != "808"
    assert band("trap, no bass").bass is None
    assert "guitar" not in band("folk, no guitars").chords.name
    assert band("pop with bells but no piano", seed=2).chords.name != "piano"
    assert band("trap with no drums but deep 808").bass.synth == "808"
    assert band("pop without piano, with violin").lead.name == "violin"
    assert "trap" not in band("reggaeton, no trap").genres
    assert "trap" not in band("reggaeton trap", negative="trap").genres
    assert instruments_in("violin, no piano", "flute").unwanted == {"piano", "flute"}
    assert instruments_in("tango with drums").drums is True
    assert instruments_in("tango").drums is None


def test_style_words_change_what_is_played():
    styles = ["trap", "reggaeton", "tango", "milonga", "house", "rock", "ballad", "ambient", "jazz"]
    scores = [arrange(request(style=style)) for style in styles]
    played = [tuple((n, p.program, p.notes) for n, p in s.parts.items()) for s in scores]
    assert len(set(played)) == len(styles)
    kicks = {style: s.parts.get("kick") for style, s in zip(styles, scores, strict=True)}
    assert kicks["tango"] is kicks["milonga"] is kicks["ambient"] is None


def test_dembow():
    """Kick on every beat; snare on the fourth, seventh, twelfth and fifteenth sixteenth."""
    score = arrange(request(style="reggaeton"))
    step = 60 / 120 / 4
    first_bar = [round(n.start_s / step) for n in score.parts["kick"].notes if n.start_s < 1.9]
    assert first_bar == [0, 4, 8, 12]
    snares = {round(n.start_s / step) for n in score.parts["drums"].notes if n.pitch in (37, 38)}
    assert {3, 6, 11, 14} <= snares


def test_trap_is_in_half_time_with_rolls():
    score = arrange(request(style="trap"))
    step = 60 / 120 / 4
    claps = [n.start_s / step for n in score.parts["drums"].notes if n.pitch == 39]
    assert {round(at) % 16 for at in claps} == {8}
    hats = [n.start_s / step for n in score.parts["drums"].notes if n.pitch == 42]
    assert any(abs(at - round(at)) > 0.2 for at in hats)


def test_tango_and_milonga_lean_on_three_three_two():
    score = arrange(request(style="milonga"))
    step = 60 / 120 / 4
    chords = {round(n.start_s / step) % 8 for n in score.parts["chords"].notes}
    assert {0, 3, 6} <= chords
    for section, accents in (("chorus", {0, 6, 12}), ("verse", {0, 4, 8, 12})):
        found = set()
        for seed in range(12):
            part = arrange(request(style="tango", seed=seed, section=section)).parts["chords"]
            loud = [n for n in part.notes if n.velocity > 72]
            found.add(frozenset(round(n.start_s / step) % 16 for n in loud))
        assert frozenset(accents) in found


def test_sections_differ_in_density():
    def notes(section, style):
        score = arrange(request(section=section, style=style))
        return sum(len(part.notes) for part in score.parts.values())

    for style in ("pop", "trap", "reggaeton", "house", "rock", "tango", "ballad"):
        counts = {section: notes(section, style) for section in ("breakdown", "verse", "chorus")}
        assert counts["breakdown"] < counts["verse"] < counts["chorus"], style
        assert notes("intro", style) < counts["chorus"]
        assert notes("outro", style) < counts["chorus"]


def test_roles():
    full = arrange(request(style="pop", section="verse"))
    assert {"lead", "kick", "drums", "bass", "chords"} <= set(full.parts)
    bed = arrange(request(role="texture", style="pop"))
    assert not {"kick", "drums", "bass"} & set(bed.parts)
    assert "pad" in bed.parts
    sung = request(role="vocals", style="pop", lyrics=LYRICS)
    assert set(arrange(sung, band=False).parts) == {"lead"}
    assert {"lead", "bass"} <= set(arrange(sung).parts)


def test_a_backing_leaves_room_for_the_singer():
    backing = arrange(
        request(role="backing", style="pop", section="verse", lyrics=LYRICS, seconds=20)
    )
    assert "lead" not in backing.parts
    onsets = [n.start_s for line in backing.melody for n in line.notes]
    for answer in backing.parts["answer"].notes:
        # An answer begins at least a beat after a syllable, and ends before the next line.
        before = [at for at in onsets if at <= answer.start_s]
        assert answer.start_s - before[-1] >= 0.25
        assert not any(answer.start_s < at < answer.end_s for at in onsets)


def test_layers_of_a_segment_play_the_same_tune_over_the_same_chords():
    voice = arrange(request(role="vocals", style="pop", lyrics=LYRICS))
    under = arrange(request(role="backing", style="dark trap", lyrics=LYRICS))
    assert voice.bars == under.bars
    octaves = {
        (a.pitch - b.pitch) % 12
        for left, right in zip(voice.melody, under.melody, strict=True)
        for a, b in zip(left.notes, right.notes, strict=True)
    }
    assert octaves == {0}


@pytest.mark.parametrize("key", ["A minor", "Eb major", "D dorian", "E phrygian dominant"])
@pytest.mark.parametrize("style", ["pop", "tango", "trap", "lo-fi", "rock", "salsa"])
def test_the_band_agrees(key, style):
    """Chords and pad in the bar's chord (or the key's seventh), the bass on its root when it
    changes, no melody note outside the bar's scale."""
    for section in SHAPES:
        score = arrange(request(style=style, key=key, section=section, seed=5, seconds=17.0))
        for name, part in score.parts.items():
            if part.drums:
                continue
            for note in part.notes:
                bar = next(b for b in reversed(score.bars) if b.start_s <= note.start_s + 1e-3)
                scale = bar_scale(parse_key(key), bar)
                if name in ("chords", "pad"):
                    assert note.pitch % 12 in scale | parse_key(key).pitch_classes
                if name in ("lead", "second", "answer"):
                    assert note.pitch % 12 in scale
        bass = score.parts.get("bass")
        for bar in score.bars if bass else ():
            firsts = [n for n in bass.notes if abs(n.start_s - bar.start_s) < 1e-3]
            assert all(n.pitch % 12 == bar.chord.root for n in firsts)


@pytest.mark.parametrize("lead", ["violin", "bandoneon", "piano"])
def test_the_lead_can_be_chosen(lead):
    score = arrange(request(style="trap", section="verse"), lead=lead)
    assert score.parts["lead"].program == INSTRUMENTS[lead].program


def test_seeds_vary_drums_chords_and_tune():
    for name in ("kick", "drums", "bass", "chords", "lead"):
        parts = {arrange(request(style="pop", seed=s)).parts[name].notes for s in range(6)}
        assert len(parts) > 1, name


def test_every_note_is_playable():
    for seed, style in enumerate(["", "🎸🎸", "tango " * 400, "no no no", "808", "x" * 5000]):
        for role in ("vocals", "backing", "instrumental", "texture"):
            for tempo, seconds in ((240.0, 3.0), (40.0, 1.0), (97.3, 11.7)):
                score = arrange(request(role=role, style=style, tempo=tempo, seconds=seconds,
                                        seed=seed, mood=style, negative=style))  # fmt: skip
                assert score.parts
                for part in score.parts.values():
                    for note in part.notes:
                        assert 0 <= note.start_s < seconds
                        assert note.end_s > note.start_s
                        assert 21 <= note.pitch <= 108
                        assert 1 <= note.velocity <= 127
