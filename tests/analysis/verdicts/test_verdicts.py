"""Verdicts are places on a ladder, and nothing but the baseline's own music gets one."""

import numpy as np
import pytest

from milonga import audio
from milonga.analysis import yardsticks
from milonga.analysis.comparison import compare_clips
from milonga.analysis.pairs.figures import SIMILARITIES, Common
from milonga.analysis.pairs.measure import common
from milonga.analysis.verdicts.damages import DAMAGES, RATE, stretched, working
from milonga.analysis.verdicts.judge import NAMED, SHUFFLED, Rung, judge, placed, sentence
from milonga.analysis.verdicts.ladder import EXCERPT_S, excerpt
from milonga.analysis.verdicts.others import others, packed
from milonga.audio import Clip

DAMAGE = {damage.name: damage for damage in DAMAGES}
UNLIKE = 24
"""Recordings that have nothing to do with one another, at least 4 s long."""


def _common(**values):
    return Common(band_hz=16_000.0, **values)


def test_a_figure_counts_only_where_it_is_clear_of_every_impostor():
    impostors = {"noise": _common(sound_similarity=0.3), SHUFFLED: _common(sound_similarity=0.5)}
    for value, counts, text in (
        (0.4, False, f"{SHUFFLED} scores as much"),
        (0.79, False, f"{SHUFFLED} scores nearly as much"),
        (0.81, True, f"clear of {SHUFFLED}"),
        (0.9995, True, "as the baseline itself"),
    ):
        verdict = judge(_common(sound_similarity=value), impostors)["sound_similarity"]
        assert (verdict.counts, verdict.text) == (counts, text)
        assert (verdict.impostor, verdict.impostor_value) == (SHUFFLED, 0.5)


def test_where_an_impostor_scores_nearly_one_nothing_counts():
    impostors = {"noise": _common(sound_similarity=0.99)}
    verdict = judge(_common(sound_similarity=0.998), impostors)["sound_similarity"]
    assert not verdict.counts
    assert "can't tell anything apart" in verdict.text


def test_means_over_time_count_only_beside_a_course():
    impostors = {
        "noise": _common(timbre_similarity=0.5, sound_similarity=0.2),
        SHUFFLED: _common(timbre_similarity=1.0, sound_similarity=0.3),
    }
    alone = judge(_common(timbre_similarity=0.98, sound_similarity=0.3), impostors)
    assert not alone["timbre_similarity"].counts
    both = judge(_common(timbre_similarity=0.98, sound_similarity=0.9), impostors)
    assert both["timbre_similarity"].counts


def test_a_place_lies_between_two_steps():
    ladder = [
        Rung("noise", step, f"hiss {step}", _common(sound_similarity=value))
        for step, value in ((40, 0.99), (20, 0.9), (0, 0.5))
    ]
    ladder.append(Rung("pitch", 25, "25 cents up", _common(sound_similarity=0.96)))
    impostors = {"noise": _common(sound_similarity=0.1)}
    for value, better, worse in ((0.95, "hiss 40", "hiss 20"), (0.995, None, "hiss 40")):
        found = judge(_common(sound_similarity=value), impostors)
        verdict = placed(found["sound_similarity"], ladder)
        assert (verdict.better, verdict.worse) == (better, worse)
    assert verdict.text == "closer than hiss 40"


def test_a_sentence_names_what_was_done():
    impostors = {"noise": _common(sound_similarity=0.1, rhythm_similarity=0.1)}
    found = _common(
        sound_similarity=0.95,
        rhythm_similarity=0.97,
        pitch_shift_semitones=3.02,
        tempo_ratio=1.04,
        changes=("transposed", "faster"),
    )
    text = sentence(found, judge(found, impostors))
    assert text.startswith("3 semitones up, 4 % faster, otherwise alike")


def test_a_part_is_called_a_part():
    impostors = {"noise": _common(sound_similarity=0.1)}
    for place, text in ((None, "The same recording"), ((3.0, 7.0), "A part of the same recording")):
        found = _common(sound_similarity=1.0, matched_s=place)
        assert sentence(found, judge(found, impostors)).startswith(text)


@pytest.fixture(scope="module")
def damaged(sample):
    clip = sample("guit_em9")
    wave = working(clip)
    clips = {
        "rate": audio.resample(clip, 24_000),
        "3 up": Clip(DAMAGE["pitch"].apply(wave, 300), RATE),
        "4 faster": Clip(stretched(wave, 1 / 1.04), RATE),
        "mp3": Clip(DAMAGE["bit_rate"].apply(wave, 24), RATE),
        "silence": Clip(np.zeros(10 * RATE), RATE),
        "hiss": sample("vinyl_hiss"),
        "noise": yardsticks.noise(clip, seed=3),
        "other": sample("loop_amen_full"),
    }
    found = compare_clips(clip, clips)
    return found, {candidate.path: candidate for candidate in found.candidates}


def test_what_was_done_to_a_recording_is_said(damaged):
    _, by_name = damaged
    assert by_name["rate"].sentence == "The same recording, as far as these figures can tell."
    assert by_name["3 up"].sentence.startswith("3 semitones up, mono, otherwise alike; its notes: ")
    assert by_name["4 faster"].sentence.startswith("4 % faster, mono, otherwise alike")
    assert "its sound: " in by_name["mp3"].sentence
    assert by_name["rate"].warnings[0].startswith("It has 24,000 Hz, the baseline 44,100 Hz")


def test_what_is_not_the_recording_gets_nothing(damaged):
    _, by_name = damaged
    for name in ("hiss", "noise", "other"):
        candidate = by_name[name]
        assert candidate.sentence.startswith("Nothing says that the two are alike: ")
        assert not any(verdict.counts for verdict in candidate.verdicts.values())
        # The alignment of two unrelated recordings has a slope, too.
        assert candidate.common.tempo_ratio is None
        assert candidate.common.changes == ()
    silence = by_name["silence"]
    assert silence.sentence == "It is silent (digital silence)."
    assert (silence.common, silence.verdicts) == (None, {})


def test_the_ladder_stands_in_the_document_once_somebody_climbs(damaged, sample):
    found, _ = damaged
    document = found.to_dict()
    # Pitch and speed have figures of their own, which name them.
    assert len(document["ladder"]) == 3 * (len(DAMAGES) - len(NAMED))
    assert {rung["damage"] for rung in document["ladder"]} == set(DAMAGE) - set(NAMED)
    unrelated = compare_clips(sample("guit_em9"), {"x": sample("loop_amen_full")}).to_dict()
    assert unrelated["ladder"] is None


def test_the_other_recordings_are_shipped():
    kept = others()
    assert len(kept) == 16
    again = packed(dict(list(kept.items())[:2]))
    assert len(again) < 100_000
    baseline = next(iter(kept.values()))
    scores = [common(baseline, other).sound_similarity for other in list(kept.values())[1:]]
    # Unlike pieces: none is another one in disguise.
    assert max(scores) < 0.6


def test_an_excerpt_is_the_loudest_part():
    wave = np.full(30 * 1000, 0.01)
    wave[12_000:20_000] = 0.5
    assert excerpt(Clip(wave, 1000)).mono.min() == np.float32(0.5)
    short = Clip(wave[:3000], 1000)
    assert excerpt(short) is short
    assert excerpt(Clip(wave, 1000)).seconds == EXCERPT_S


def _unlike(recordings):
    """Recordings and pieces of long ones; each name stands for one source."""
    found = {}
    for path in recordings:
        clip = audio.read(path)
        if clip.seconds >= 60:
            found[path.stem] = clip.between(20, 32)
        elif clip.seconds >= 4:
            found[path.stem] = clip
    return found


def _favoured(baselines, impostors):
    """Every pair, and every figure of one, that speaks in favour of what isn't the baseline."""
    figures, pairs, asked = [], [], 0
    for name, clip in baselines.items():
        takes = {other: one for other, one in impostors.items() if other != name}
        takes["own noise"] = yardsticks.noise(clip, seed=11)
        takes["own shadow"] = yardsticks.shadow(clip, seed=11)
        takes["own shape"] = yardsticks.shaped(clip, seed=11)
        takes["backwards"] = Clip(clip.samples[:, ::-1].copy(), clip.sample_rate)
        for candidate in compare_clips(clip, takes).candidates:
            asked += 1
            counting = [n for n, verdict in candidate.verdicts.items() if verdict.counts]
            figures += [(name, candidate.path, figure) for figure in counting]
            figures += [(name, candidate.path, "borrowed")] if candidate.borrowed else []
            if counting or not candidate.sentence.startswith(("Nothing", "It is", "It needs")):
                pairs.append((name, candidate.path))
    return asked, pairs, figures


def test_impostors_are_never_favoured(recordings):
    unlike = _unlike(recordings)
    few = {name: unlike[name] for name in ("loop_garzul", "guit_em9", "macroform-cold_day")}
    others_ = dict(list(unlike.items())[::4]) | {"hiss": unlike["vinyl_hiss"]}
    asked, pairs, _ = _favoured(few, others_)
    assert asked >= 30
    assert pairs == []


@pytest.mark.slow
def test_impostors_are_never_favoured_over_all_recordings(recordings):
    unlike = _unlike(recordings)
    assert len(unlike) >= UNLIKE
    rng = np.random.default_rng(4)
    noises = {
        "white": Clip(0.1 * rng.standard_normal(8 * 24_000), 24_000),
        "hum": Clip(0.1 * np.sin(2 * np.pi * 50 * np.arange(8 * 24_000) / 24_000), 24_000),
        "silence": Clip(np.zeros(8 * 24_000), 24_000),
    }
    asked, pairs, figures = _favoured(unlike, unlike | noises)
    assert asked > 20 * 20
    assert (pairs, figures) == ([], [])


def test_every_similarity_has_words(damaged):
    _, by_name = damaged
    assert set(by_name["rate"].verdicts) == set(SIMILARITIES)
