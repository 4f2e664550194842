"""Listening tests from a rendered song, from recordings and from folders of them."""

import json

import numpy as np
import pytest

from milonga import audio
from milonga.errors import AudioError, MilongaError, OutputError
from milonga.workflows.judging.listening import (
    make_listening_test,
    read_listening_test,
    write_listening_picture,
)


def noise(path, seconds=1.0, seed=0):
    rng = np.random.default_rng(seed)
    audio.write(path, audio.Clip(0.1 * rng.standard_normal(round(8000 * seconds)), 8000))
    return path


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    from milonga.workflows.songs import render_song

    root = tmp_path_factory.mktemp("song")
    (root / "song.yaml").write_text(
        "title: One\nsegments:\n"
        "- {number: 1, name: Uno, section: intro, seconds: 2, baseline: base.wav}\n"
        "- {number: 2, name: Dos, section: instrumental, seconds: 2}\n"
    )
    noise(root / "base.wav", 2.0)
    render_song(root / "song.yaml", root / "out", takes=2, report=False)
    return root / "out"


def test_a_rendered_song_meets_its_baselines(song, tmp_path):
    made = make_listening_test(song, tmp_path / "test", kind="mushra", seconds=1)
    # The second segment has one way of being made, and nothing to compare.
    assert made.to_dict()["items"] == ["1 Uno"]
    assert made.key.reference == "baseline"
    assert made.key.sources["1 Uno"]["guide"].endswith("guide-s0.wav")
    assert len(list((made.page.parent / "sounds").glob("*.js"))) == 5


def test_folders_meet_by_the_names_in_them(tmp_path):
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        for number, name in enumerate(("verse", "chorus")):
            noise(tmp_path / folder / f"{name}.wav", seed=number)
    noise(tmp_path / "new" / "extra.wav")
    (tmp_path / "new" / "verse.json").write_text("{}")
    made = make_listening_test([tmp_path / "old", tmp_path / "new"], tmp_path / "test")
    assert sorted(made.key.sources) == ["chorus", "verse"]
    assert sorted(made.key.conditions) == ["new", "old"]


def test_nothing_is_written_where_something_is_wrong(tmp_path):
    one, two = noise(tmp_path / "one.wav"), noise(tmp_path / "two.wav", seed=1)
    silent = tmp_path / "silent.wav"
    audio.write(silent, audio.Clip(np.zeros(8000), 8000))
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    for recordings, error, words in (
        ([one], MilongaError, "a comparison needs two"),
        ([one, tmp_path / "none.wav"], AudioError, "none.wav"),
        ([one, tmp_path / "bad.wav"], AudioError, "bad.wav"),
        ([one, silent], MilongaError, "silent is silent"),
        ([one, tmp_path], MilongaError, "can't be mixed"),
        ([tmp_path], MilongaError, "no recordings of the same name"),
    ):
        with pytest.raises(error, match=words):
            make_listening_test(recordings, tmp_path / "test")
        assert not (tmp_path / "test" / "key.json").exists()
        assert not (tmp_path / "test" / "for-listeners").exists()
    made = make_listening_test([one, two], tmp_path / "test")
    before = made.page.read_bytes()
    with pytest.raises(OutputError, match="There is a listening test already"):
        make_listening_test([one, two], tmp_path / "test", seed=1)
    assert made.page.read_bytes() == before


def test_answers_in_a_folder_are_read_with_a_picture(tmp_path):
    made = make_listening_test(
        [noise(tmp_path / "one.wav"), noise(tmp_path / "two.wav", seed=1)], tmp_path / "test"
    )
    for who in range(7):
        answers = [
            {"trial": trial.name, "seconds": 2,
             "choice": "ab"[[s.condition for s in trial.stimuli].index("one")]}
            for trial in made.key.trials
        ]  # fmt: skip
        document = {"format_version": 1, "test": made.key.test, "kind": "ab",
                    "listener": f"L{who}", "answers": answers}  # fmt: skip
        (tmp_path / "test" / f"answers-{who}.json").write_text(json.dumps(document))
    result = read_listening_test(tmp_path / "test")
    (pair,) = result.pairs
    assert pair.verdict == "one is preferred to two."
    # All seven on one side: 2 of 128 signs.
    assert pair.p == pytest.approx(2 / 128)
    assert "7 listeners" in write_listening_picture(result, tmp_path / "r.svg").read_text()
    with pytest.raises(MilongaError, match="There are no answers here"):
        read_listening_test(tmp_path)
