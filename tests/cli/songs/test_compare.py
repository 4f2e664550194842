"""``milonga compare`` as a user runs it, on real recordings."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from milonga import audio
from milonga.audio import Clip

SAMPLES = Path("/usr/share/sonic-pi/samples")
GARZUL, AMEN, SNARE = (
    SAMPLES / f"{name}.flac" for name in ("loop_garzul", "loop_amen", "drum_snare_hard")
)


def test_the_table_reads_like_one(milonga):
    done = milonga("compare", GARZUL, AMEN)
    assert done.status == 0
    assert done.err == ""
    lines = done.out.splitlines()
    assert lines[0].startswith("loop_amen.flac: Nothing says that the two are alike: ")
    assert ["loop_garzul.flac", "loop_amen.flac", "difference"] in map(str.split, lines)
    (length,) = (line for line in lines if line.startswith("length"))
    assert length.split() == ["length", "8.00", "s", "1.75", "s", "−6.25", "s"]
    for label in (
        "tempo",
        "brightness",
        "loudness",
        "true peak",
        "its seconds shuffled",
        "silence",
    ):
        assert any(line.startswith(label) for line in lines), label
    common, published = (line for line in lines if line.startswith("the baseline itself"))
    assert published.split()[3:6] == ["1.000", "1.000", "1.000"]
    assert common.split()[3:10] == ["1.000"] * 7
    # Columns line up: the heading's words end where the figures do.
    (heading,) = (line for line in lines if line.startswith("as published elsewhere"))
    for word in ("MFCC", "timbre", "chroma"):
        end = heading.index(word) + len(word)
        assert published[:end].endswith("1.000")
    assert max(map(len, lines)) <= 140


def test_json_alone_is_on_standard_output(milonga):
    done = milonga("compare", GARZUL, AMEN, SNARE, "--json")
    assert done.status == 0
    assert done.err == ""
    document = done.json
    assert document["format_version"] == 3
    assert [Path(c["path"]).stem for c in document["candidates"]] == [AMEN.stem, SNARE.stem]
    assert document["candidates"][1]["features"]["tempo_bpm"] is None


def test_a_broken_candidate_is_named_and_the_others_go_on(milonga, tmp_path):
    (tmp_path / "notes.wav").write_text("no audio")
    audio.write(tmp_path / "nan.wav", Clip(np.zeros(100, dtype=np.float32), 8_000), subtype="FLOAT")
    raw = bytearray((tmp_path / "nan.wav").read_bytes())
    raw[-4:] = np.float32(np.nan).tobytes()
    (tmp_path / "nan.wav").write_bytes(raw)
    done = milonga("compare", GARZUL, "notes.wav", AMEN, "missing.wav", "nan.wav")
    assert done.status == 1
    assert "loop_amen.flac" in done.out
    errors = [line for line in done.err.splitlines() if "error:" in line]
    assert [e.split(": ")[1] for e in errors] == ["notes.wav", "missing.wav", "nan.wav"]
    assert "There is no such file." in errors[1]
    assert "NaN" in errors[2]
    document = milonga("compare", GARZUL, "notes.wav", AMEN, "--json").json
    assert set(document["candidates"][0]) == {"path", "error"}
    assert "differences" in document["candidates"][1]


def test_nothing_can_be_compared_without_a_baseline(milonga):
    done = milonga("compare", "missing.wav", GARZUL, "--json")
    assert (done.status, done.out) == (1, "")
    assert "missing.wav: There is no such file." in done.err


def test_wrong_usage(milonga):
    assert milonga("compare").status == 2
    assert milonga("compare", GARZUL).status == 2
    assert milonga("compare", GARZUL, AMEN, "--nonsense").status == 2


def test_many_unlike_candidates_get_a_line_each_and_no_mean(milonga):
    paths = sorted(SAMPLES.glob("loop_*.flac"))[:9]
    done = milonga("compare", GARZUL, *paths)
    assert done.status == 0
    lines = done.out.splitlines()
    _, published = done.out.split("as published elsewhere")
    named = [line.split()[0] for line in published.splitlines() if line.startswith("loop_")]
    assert named[: len(paths)] == [path.name for path in paths]
    assert not any(line.startswith("mean of") for line in lines)
    # No bar in a pipe, but plain lines.
    assert f"Comparing: {len(paths) + 1} of {len(paths) + 1} recordings" in done.err


def test_takes_that_differ_in_their_seed_have_a_mean_with_its_interval(milonga, tmp_path):
    clip = audio.read(AMEN)
    for seed in range(3):
        audio.write(tmp_path / f"take-s{seed}.wav", clip.scaled(0.5 + 0.1 * seed))
    out = milonga("compare", GARZUL, *(f"take-s{seed}.wav" for seed in range(3))).out
    assert "mean of 3 takes: take" in out
    assert "95 % interval" in out


def test_equal_names_are_told_apart(milonga, tmp_path):
    for folder in ("a", "b"):
        audio.write(tmp_path / folder / "take.wav", audio.read(AMEN), on_clip="level")
    out = milonga("compare", "a/take.wav", "b/take.wav").out
    assert "a/take.wav" in out
    assert "b/take.wav" in out


@pytest.mark.parametrize("seconds", [0.01, 0.5])
def test_short_baselines_say_why_a_yardstick_is_missing(milonga, tmp_path, seconds):
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal(round(seconds * 44_100))
    audio.write(tmp_path / "short.wav", Clip(noise.astype(np.float32), 44_100))
    out = milonga("compare", "short.wav", AMEN).out
    assert "nothing to shuffle" in out
    assert ("shorter than one frame" in out) == (seconds < 0.04)


def test_silence_is_compared_without_nan(milonga, tmp_path):
    audio.write(tmp_path / "silence.wav", Clip(np.zeros((2, 88_200), dtype=np.float32), 44_100))
    done = milonga("compare", "silence.wav", "silence.wav", "--json")
    assert done.status == 0
    assert "NaN" not in done.out
    assert done.json["candidates"][0]["differences"]["loudness_diff_lu"] is None
    assert "nan" not in milonga("compare", "silence.wav", AMEN).out


def test_the_report_is_written(milonga, tmp_path):
    done = milonga("compare", GARZUL, AMEN, "--json", "--report", "out")
    assert done.status == 0
    assert done.json["candidates"]
    page = tmp_path / "out" / "index.html"
    assert str(page.relative_to(tmp_path)) in done.err
    assert "loop_garzul" in page.read_text(encoding="utf-8")


def test_the_report_leaves_out_nothing_for_a_broken_candidate(milonga, tmp_path):
    (tmp_path / "broken.wav").write_text("no audio")
    done = milonga("compare", GARZUL, "broken.wav", AMEN, "--report", "out")
    assert done.status == 1
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "loop_amen" in page


def test_no_heavy_library_is_loaded():
    code = (
        "import sys\n"
        "from milonga.cli.main import main\n"
        f"assert main(['compare', {str(GARZUL)!r}, {str(AMEN)!r}]) == 0\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "120"},
    )
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    heavy = {"librosa", "numba", "scipy", "matplotlib", "pyloudnorm", "torch", "pydantic", "rich"}
    assert not loaded & heavy
