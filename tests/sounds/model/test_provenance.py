"""What a model says of the recordings behind it, over several trainings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio.digest import set_sha256
from milonga.sounds.corpus.inspection import Corpus, CorpusFile
from milonga.sounds.model.header import LearntCorpus
from milonga.sounds.model.provenance import joined_licence


def corpus(*numbers):
    """Recordings of ten seconds, of which eight can be used."""
    files = [
        CorpusFile(
            name=f"{number}.wav",
            path=f"/music/{number}.wav",
            size=1,
            modified_ns=1,
            sha256=f"{number:064x}",
            rate=44_100,
            channels=1,
            seconds=10.0,
            format="WAV",
            peak=0.5,
            silent_s=2.0,
            clipped=0.0,
            mix="mean",
            sounding=((0.0, 8.0),),
            outline=(),
        )
        for number in sorted(numbers)
    ]
    return Corpus(folders=("/music",), files=tuple(files))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sets(st.integers(1, 9), min_size=1), min_size=1, max_size=5))
def test_whatever_was_learnt_is_listed_once_with_what_was_not_there_last(trainings):
    learnt = None
    for here in trainings:
        learnt = LearntCorpus.of(corpus(*here), learnt)
    names = {f"{number}.wav" for number in set().union(*trainings)}
    assert sorted(file.name for file in learnt.files) == sorted(names)
    assert {file.name for file in learnt.files if not file.absent} == {
        f"{number}.wav" for number in trainings[-1]
    }
    assert learnt.names == [file.name for file in learnt.files][: len(trainings[-1])]
    assert learnt.seconds == pytest.approx(10 * len(names))
    assert learnt.usable_seconds == pytest.approx(8 * len(names))
    assert learnt.fingerprint == set_sha256(file.sha256 for file in learnt.files)


def header(make, numbers, licence="", earlier=None):
    learnt = LearntCorpus.of(corpus(*numbers), earlier.corpus if earlier else None)
    return make.model_copy(update={"corpus": learnt, "licence": licence})


def test_licences_are_joined(sound_models):
    blank, _ = sound_models.small_model("tiny")
    old = header(blank, [1, 2], "CC-BY-4.0")
    ours = {f"{3:064x}": "CC0", f"{4:064x}": "CC-BY-4.0"}
    unknown = "CC-BY-4.0; not stated for 2 recordings"
    cases = [
        ([3], ours, "CC-BY-4.0; CC0"),
        ([4], ours, "CC-BY-4.0"),
        ([1, 2], {}, "CC-BY-4.0"),
        ([5], {}, "CC-BY-4.0; not stated for 1 recording"),
        ([5, 6], {}, unknown),
        ([3, 5], ours, "CC-BY-4.0; CC0; not stated for 1 recording"),
    ]
    for numbers, stated, text in cases:
        assert joined_licence(header(blank, numbers, earlier=old), old, stated) == text
    # One after the other they add up.
    second = header(blank, [5, 6], unknown, old)
    third = header(blank, [3, 5, 6, 7], earlier=second)
    assert joined_licence(third, second, ours) == "CC-BY-4.0; CC0; not stated for 3 recordings"
    # A model that begins anew with other recordings inherits nothing.
    assert joined_licence(header(blank, [8]), old, {}) == ""
    assert joined_licence(header(blank, [3, 8]), None, ours) == "CC0; not stated for 1 recording"
    assert joined_licence(header(blank, [8]), None, {}) == ""
    # Nobody knows the terms of a model without any.
    silent = header(blank, [1, 2])
    mixed = header(blank, [3], earlier=silent)
    assert joined_licence(mixed, silent, ours) == "CC0; not stated for 2 recordings"
    long = {f"{3:064x}": "x" * 2000}
    assert len(joined_licence(header(blank, [3]), None, long)) == 1000
