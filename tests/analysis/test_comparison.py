import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milonga import audio
from milonga.analysis.comparing.conditions import conditions
from milonga.analysis.comparison import compare, compare_clips, measure_baseline
from milonga.analysis.differences import differences, similarity, summarised
from milonga.analysis.features import features
from milonga.analysis.text import comparison_text
from milonga.audio import Clip
from milonga.errors import AudioError, Cancelled, ComparisonError
from milonga.runtime.files import dump_json
from milonga.runtime.progress import Progress

DIFFERENCES = {
    "duration_diff_s",
    "tempo_diff_bpm",
    "tempo_diff_pct",
    "spectral_centroid_diff_hz",
    "spectral_centroid_diff_pct",
    "spectral_bandwidth_diff_hz",
    "spectral_bandwidth_diff_pct",
    "spectral_rolloff_diff_hz",
    "spectral_rolloff_diff_pct",
    "mfcc_similarity",
    "timbre_similarity",
    "chroma_similarity",
    "zcr_diff",
    "rms_diff",
    "loudness_diff_lu",
    "true_peak_diff_db",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory, sample):
    folder = tmp_path_factory.mktemp("clips")
    paths = {}
    for name in ("loop_garzul", "loop_amen", "drum_snare_hard"):
        paths[name] = folder / f"{name}.wav"
        audio.write(paths[name], sample(name), on_clip="level")
    paths["broken"] = folder / "broken.wav"
    paths["broken"].write_text("this is no recording")
    return paths


def test_a_notebook_shows_a_table(files):
    comparison = compare(files["loop_garzul"], [files["loop_amen"], files["broken"]])
    html = comparison._repr_html_()
    assert html.count("<tr>") == 1 + 1 + 2 + 6
    assert "loop_amen.wav" in html
    assert comparison.candidates[0].sentence in html
    assert comparison.failed[0].error in html
    named = compare_clips(None, {"<script>alert(1)</script>": audio.read(files["loop_amen"])})
    assert "<script>" not in named._repr_html_()
    assert "&lt;script&gt;" in named._repr_html_()
    short = Clip(np.zeros(100, dtype=np.float32), 8_000)
    assert "nothing to shuffle" in compare_clips(short, {"x": short})._repr_html_()


def test_one_candidate_needs_no_list(files):
    alone = compare(files["loop_garzul"], str(files["loop_amen"]))
    assert [one.path for one in alone.candidates] == [str(files["loop_amen"])]


def test_document(files):
    comparison = compare(files["loop_garzul"], [files["loop_amen"]])
    # Through JSON as it is printed: no NaN, no tuple.
    document = json.loads(dump_json(comparison.to_dict()))
    assert list(document) == [
        *("format_version", "milonga", "settings", "baseline", "candidates", "yardsticks"),
        *("impostors", "ladder"),
    ]
    assert document["settings"]["least_s"]["form_similarity"] == 8.0
    assert document["baseline"]["path"] == str(files["loop_garzul"])
    (candidate,) = document["candidates"]
    assert list(candidate) == [
        *("path", "sha256", "features", "tempo", "tuning_cents", "image", "findings"),
        *("remarks", "differences", "common", "verdicts", "sentence", "borrowed", "warnings"),
    ]
    digest = hashlib.sha256(files["loop_amen"].read_bytes()).hexdigest()
    assert candidate["sha256"] == digest
    assert set(candidate["differences"]) == DIFFERENCES
    yardsticks = document["yardsticks"]
    assert list(yardsticks) == ["self", "silence", "noise", "shadow", "shaped", "shuffled"]
    for name, yardstick in yardsticks.items():
        assert set(yardstick["common"]) == set(candidate["common"])
        assert yardstick["reason"] is None
        if name not in ("shadow", "shaped"):
            assert set(yardstick["differences"]) == DIFFERENCES
            assert set(yardstick["features"]) == set(candidate["features"])
    assert len(document["impostors"]) == 5 + 16
    for verdict in candidate["verdicts"].values():
        assert verdict["impostor"] in document["impostors"]


def test_differences_are_candidate_minus_baseline(sample):
    before, after = features(sample("loop_garzul")), features(sample("loop_amen"))
    found = differences(before, after)
    assert found.duration_diff_s == after.duration_s - before.duration_s
    assert found.tempo_diff_bpm == after.tempo_bpm - before.tempo_bpm
    assert found.tempo_diff_pct == pytest.approx(100 * (after.tempo_bpm / before.tempo_bpm - 1))
    assert found.spectral_centroid_diff_pct == pytest.approx(
        100 * (after.spectral_centroid_hz / before.spectral_centroid_hz - 1)
    )
    cosine = np.dot(before.mfcc_mean, after.mfcc_mean) / (
        np.linalg.norm(before.mfcc_mean) * np.linalg.norm(after.mfcc_mean)
    )
    assert found.mfcc_similarity == pytest.approx(cosine, abs=1e-12)
    assert found.loudness_diff_lu == after.loudness_lufs - before.loudness_lufs


def test_order_is_kept_and_a_broken_candidate_stands_in_its_place(files):
    order = ["drum_snare_hard", "broken", "loop_amen", "loop_garzul"] * 3
    found = compare(files["loop_garzul"], [files[name] for name in order], workers=2)
    assert [c.path for c in found.candidates] == [str(files[name]) for name in order]
    assert [c.path for c in found.failed] == [str(files["broken"])] * 3
    document = found.candidates[1].to_dict()
    assert set(document) == {"path", "error"}
    assert "Not a recording" in document["error"]
    assert found.candidates[3].differences.mfcc_similarity == 1.0


def test_one_worker_and_two_find_the_same(files):
    paths = [files["loop_amen"], files["drum_snare_hard"]]
    one = compare(files["loop_garzul"], paths, workers=1)
    two = compare(files["loop_garzul"], paths, workers=2)
    assert one.to_dict() == two.to_dict()


def test_a_broken_baseline_is_an_error(files):
    with pytest.raises(AudioError, match="Not a recording"):
        compare(files["broken"], [files["loop_amen"]])


def test_cancelled_while_it_runs(files):
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        compare(files["loop_garzul"], [files["loop_amen"]] * 50, progress=progress)


def test_progress_counts_recordings(files):
    seen = []
    compare(files["loop_garzul"], [files["loop_amen"]] * 3, progress=Progress(seen.append))
    assert [update.done for update in seen if update.unit == "recordings"][-1] == 4
    assert seen[-1].total == 4


def test_clips_in_memory_reuse_a_measured_baseline(sample):
    baseline, other = sample("loop_garzul"), sample("loop_amen")
    reference = measure_baseline(baseline, "garzul")
    anew = compare_clips(baseline, {"amen": other})
    reused = compare_clips(reference, {"amen": other})
    assert anew.candidates == reused.candidates
    assert reused.baseline is reference
    assert reused.to_dict()["baseline"]["path"] == "garzul"
    assert reused.candidates[0].path == "amen"


def test_without_a_baseline_there_are_features_alone(sample):
    document = compare_clips(None, {"amen": sample("loop_amen")}).to_dict()
    assert document["baseline"] is None
    assert document["yardsticks"] is None
    measured = {"tempo", "tuning_cents", "image", "findings", "remarks"}
    assert set(document["candidates"][0]) == {"path", "features"} | measured


def test_an_empty_clip_is_an_error(sample):
    empty = Clip(np.zeros((1, 0), dtype=np.float32), 44_100)
    with pytest.raises(ComparisonError):
        compare_clips(sample("loop_amen"), {"empty": empty})
    with pytest.raises(ComparisonError):
        compare_clips(empty, {})


@pytest.mark.parametrize("frames", [1, 500, 2047, 2048, 30_000, 44_100, 44_101])
def test_baselines_of_any_length(frames, rng):
    clip = Clip((0.1 * rng.standard_normal(frames)).astype(np.float32), 44_100)
    document = compare_clips(clip, {"same": clip}).to_dict()
    dump_json(document)
    for name, limit in (("noise", 2048), ("shuffled", 44_101)):
        yardstick = document["yardsticks"][name]
        missing = frames < limit
        assert (yardstick["differences"] is None) == missing
        assert bool(yardstick["reason"]) == missing
    assert document["yardsticks"]["self"]["differences"]["mfcc_similarity"] == 1.0


def test_a_silent_baseline(sample):
    silent = Clip(np.zeros((2, 3 * 44_100), dtype=np.float32), 44_100)
    document = json.loads(dump_json(compare_clips(silent, {"x": sample("loop_amen")}).to_dict()))
    found = document["candidates"][0]["differences"]
    undefined = {name for name, value in found.items() if value is None}
    assert undefined == DIFFERENCES - {"duration_diff_s", "mfcc_similarity", "zcr_diff", "rms_diff"}
    assert "silent" in document["yardsticks"]["noise"]["reason"]
    assert document["yardsticks"]["self"]["differences"]["mfcc_similarity"] == 1.0


def test_the_yardsticks_show_what_a_similarity_is_worth(sample):
    found = compare_clips(sample("loop_amen_full"), {}).baseline.yardsticks
    # Noise, which holds no music, reaches these; so a take that does has shown nothing yet.
    assert found["noise"].differences.chroma_similarity > 0.99
    assert found["noise"].differences.mfcc_similarity > 0.8
    assert found["silence"].differences.mfcc_similarity > 0.4
    # Means over time don't hear the order of a piece.
    assert found["shuffled"].differences.mfcc_similarity > 0.999


vectors = st.lists(st.floats(-1e3, 1e3), min_size=12, max_size=12)


@given(vectors, vectors)
def test_similarity_is_a_cosine(a, b):
    found = similarity(a, b)
    if found is None:
        assert min(np.linalg.norm(a), np.linalg.norm(b)) < 1e-4
    else:
        assert -1 <= found <= 1
        assert found == similarity(b, a)
        # Rounding of numbers around 1.
        assert similarity([2 * x for x in a], b) == pytest.approx(found, abs=1e-9)


def test_similarity_is_undefined_without_a_direction():
    assert similarity([0.0] * 12, [1.0] * 12) is None
    assert similarity(None, [1.0] * 12) is None


def test_an_interval_needs_three():
    two, three = summarised([1.0, 2.0, None]), summarised([1.0, 2.0, 4.5])
    assert (two.n, two.mean, two.half_interval) == (2, 1.5, None)
    # Student's t for two degrees of freedom at 97.5 % is 4.30265.
    assert three.half_interval == pytest.approx(4.30265 * np.std([1, 2, 4.5], ddof=1) / 3**0.5)
    assert summarised([]) == summarised([None])
    assert summarised([]).mean is None


def test_takes_of_one_condition_are_those_that_differ_in_their_seed(sample):
    clips = {
        **{f"takes/guide-s{n}.wav": sample("loop_mika") for n in range(3)},
        **{f"takes/bark-s{n}.wav": sample("loop_mika") for n in range(2)},
        "takes/other.wav": sample("loop_tabla"),
    }
    compared = compare_clips(sample("loop_garzul"), clips)
    groups = conditions(compared.candidates)
    assert {name: len(found) for name, found in groups.items()} == {"guide": 3}


def test_what_the_checks_found_stands_beside_the_sentences_and_in_no_mean(sample):
    loop = sample("loop_garzul").between(0, 4)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, loop.n_samples))
    left = loop.mono
    takes = {
        "hiss.wav": Clip(noise, loop.sample_rate),
        "silent.wav": Clip(np.zeros_like(left), loop.sample_rate),
        "dead.wav": Clip(np.stack([left, 0 * left]), loop.sample_rate),
    }
    found = compare_clips(loop, takes)
    text = comparison_text(found)
    lines = text.splitlines()
    after = {name: lines.index(line) + 1 for line in lines for name in takes if f"{name}: " in line}
    assert "May be meant: It is steady noise." in lines[after["hiss.wav"]]
    assert "silent while 1 of 2 play" in lines[after["dead.wav"]]
    rows = [line for line in lines if line.startswith(("silent.wav ", "dead.wav "))]
    assert len(rows) == 2
    assert all(row.startswith("dead.wav *") for row in rows)
    assert "* Broken" in text
    hiss, *broken = found.candidates
    assert [one.broken for one in (hiss, *broken)] == [False, True, True]
    assert hiss.to_dict()["remarks"][0]["code"] == "noise"
