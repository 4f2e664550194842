import os
import signal
from pathlib import Path

import numpy as np
import pytest
from sound_models import steady_corpus
from warm_process import WarmProcess

from milonga.audio import Clip, write

QUICK = ("--size", "small", "--epochs", "1")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return steady_corpus(tmp_path_factory.mktemp("steady"))


def test_the_corpus_is_inspected_and_reported(milonga, tmp_path):
    rng = np.random.default_rng(0)
    for index, (rate, channels) in enumerate([(44_100, 1), (48_000, 2)]):
        samples = 0.1 * rng.standard_normal((channels, 6 * rate))
        write(tmp_path / "in" / f"{index} ñ.wav", Clip(samples, rate))
    (tmp_path / "in" / "broken.mp3").write_bytes(b"x")
    (tmp_path / "in" / "notes.txt").write_text("x")
    done = milonga("sound", "train", "in", "--inspect")
    assert done.status == 0, done.err
    for text in (
        "2 recordings, 12 s",
        "44100 Hz (1), 48000 Hz (1)",
        "broken.mp3: Not a",
        "1 .txt",
    ):
        assert text in done.err
    about = milonga("sound", "train", "in", "--name", "x", "--inspect", "--json").json
    assert about["skipped"].keys() == {"broken.mp3"}
    assert about["usable_seconds"] == 12.0


def test_too_little_is_an_error_that_says_how_much(milonga, tmp_path):
    write(tmp_path / "in" / "a.wav", Clip(0.1 * np.ones(44_100, np.float32), 44_100))
    done = milonga("sound", "train", "in", "--name", "x")
    assert done.status == 1
    assert "at least 10 s" in done.err
    assert "Add recordings of 9.0 s or more" in done.err


@pytest.mark.parametrize(
    ("args", "status", "word"),
    [
        (["--name", "x"], 2, "folder that holds your recordings"),
        (["in", "--name", "x", "--minutes", "1", "--epochs", "1"], 2, "not both"),
        (["in"], 2, "Missing option '--name'"),
        (["in", "--name", "a/b"], 1, "can't be the name"),
        (["nowhere", "--name", "x"], 1, "no such folder"),
        (["in", "--name", "x", "--minutes", "0"], 2, "0"),
        (["in", "--name", "x", "--device", "cuda:9"], 1, "cuda:9"),
    ],
)
def test_wrong_usage(milonga, tmp_path, args, status, word):
    (tmp_path / "in").mkdir()
    done = milonga("sound", "train", *args)
    assert done.status == status, done.err
    assert word in done.err


@pytest.mark.slow
def test_a_training_is_interrupted_resumed_and_repeated(milonga, corpus, tmp_path):
    """Ctrl-C while it trains; the same command goes on; then there is nothing to do."""
    command = ["-m", "milonga", "sound", "train", str(corpus), "--name", "noise"]
    environment = os.environ | {"MILONGA_HOME": str(tmp_path / "home")}
    process = WarmProcess([*command, *QUICK], cwd=tmp_path, env=environment)
    for line in process.stderr:
        if line.startswith("Training"):
            process.send_signal(signal.SIGINT)
            break
    _, rest = process.communicate()
    assert process.returncode == 130
    assert "goes on with 'noise'" in rest
    assert "Traceback" not in rest
    (entry,) = milonga("sound", "list", "--json").json
    assert "first training" in entry["problem"]
    done = milonga("sound", "train", corpus, "--name", "noise", *QUICK, "--json")
    assert done.status == 0, done.err
    assert done.json["trained"]
    assert done.json["training"]["steps"] == 20
    assert done.json["controls"]["pulse"]["enabled"] is False
    assert Path(done.json["model"]).is_file()
    again = milonga("sound", "train", corpus, "--name", "noise", *QUICK)
    assert again.status == 0
    assert "nothing to do" in again.err
    other = milonga("sound", "train", corpus, "--name", "noise", *QUICK, "--seed", 1)
    assert other.status == 1
    assert "seed was 0, now 1" in other.err
