import hashlib
import random
import shutil
import signal
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from warm_process import run_warm

from milonga.audio import Clip, read, write
from milonga.errors import Cancelled, CorpusError, SoundError
from milonga.runtime.progress import Progress
from milonga.sounds import Corpus, MelStore
from milonga.sounds.corpus.augment import Augmenter
from milonga.sounds.corpus.mel_store import (
    AUGMENTED_S,
    LEAST_STD,
    MEL_SPEC,
    MOST_COPIES,
    copies_for,
)
from milonga.sounds.corpus.reading import pieces
from milonga.sounds.corpus.split import GAP_S, SHARE, assign, parts_of


def contents(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def build(recordings, folder, **options):
    return MelStore.build(Corpus.inspect(recordings), folder, **options)


def test_tracks_are_the_mels_of_the_recordings(recordings, tmp_path):
    store = build(recordings, tmp_path / "store", augmentations=0)
    corpus = Corpus.inspect(recordings)
    tracks = store.tracks("train") + store.tracks("validation")
    assert sorted(track.file for track in tracks) == [0, 1, 2, 3]
    for track in tracks:
        clip = read(corpus.files[track.file].path)
        expected = MEL_SPEC.analyse(clip)[0]
        assert isinstance(track.mel, np.memmap)
        # Half of float16's step between 8 and 16, where the lowest mel values lie.
        np.testing.assert_allclose(track.mel, expected, atol=0.5 * 2**-7 + 1e-6)
        assert track.start_s == 0
    assert store.seconds == pytest.approx(12, abs=0.01)


def test_statistics_are_of_unaugmented_training_frames(recordings, tmp_path):
    store = build(recordings, tmp_path / "store", augmentations=2)
    frames = np.concatenate(
        [t.mel.astype(np.float64) for t in store.tracks("train") if not t.augmented], axis=1
    )
    np.testing.assert_allclose(store.mean, frames.mean(axis=1), rtol=1e-5)
    # float32 storage, and a difference of squares in double precision.
    np.testing.assert_allclose(store.std, np.maximum(frames.std(axis=1), LEAST_STD), rtol=1e-5)


def test_whole_files_are_held_out_and_never_varied(make_corpus, tmp_path):
    recordings = make_corpus(tmp_path / "many", "noisy", files=9, seconds=1.5)
    store = build(recordings, tmp_path / "store", augmentations=2)
    train, validation = store.tracks("train"), store.tracks("validation")
    held = {track.file for track in validation}
    assert held
    assert not held & {track.file for track in train}
    assert not any(track.augmented for track in validation)
    assert [t.augmented for t in train].count(True) == 2 * [t.augmented for t in train].count(False)
    seconds = sum(track.mel.shape[1] for track in validation) / MEL_SPEC.frame_rate
    assert 0.1 < seconds / store.seconds < 0.25


@pytest.mark.parametrize("files", [1, 2])
def test_one_or_two_files_are_split_in_time(make_corpus, tmp_path, files):
    recordings = make_corpus(tmp_path / "few", files=files, seconds=12.0)
    store = build(recordings, tmp_path / "store", augmentations=1)
    train = [track for track in store.tracks("train") if not track.augmented]
    validation = store.tracks("validation")
    assert len(train) == len(validation) == files
    for a, b in zip(train, validation, strict=True):
        end = a.start_s + a.mel.shape[1] / MEL_SPEC.frame_rate
        # A frame either way.
        assert b.start_s - end == pytest.approx(GAP_S, abs=2 / MEL_SPEC.frame_rate)
        assert b.mel.shape[1] / MEL_SPEC.frame_rate == pytest.approx(12 * SHARE, abs=0.03)


def test_versions_of_a_recording_stay_on_one_side(make_corpus, tmp_path):
    recordings = make_corpus(tmp_path / "many", "pitched", files=6, seconds=2.0)
    for path in sorted(recordings.glob("*.wav")):
        write(path.with_suffix(".mp3"), read(path))
    corpus = Corpus.inspect(recordings)
    assert len(corpus.alike) == 6
    by_hash = {file.sha256: file.name for file in corpus.files}
    for seed in range(5):
        parts = {by_hash[key]: part for key, part in assign(corpus, seed, {}).items()}
        assert "validation" in parts.values()
        for name, part in parts.items():
            twin = name.replace(".mp3", ".wav") if ".mp3" in name else name.replace("wav", "mp3")
            assert parts[twin] == part


def test_the_same_files_and_seed_give_the_same_store(recordings, tmp_path):
    build(recordings, tmp_path / "a", seed=3)
    copied = shutil.copytree(recordings, tmp_path / "moved")
    build(copied, tmp_path / "b", seed=3)
    build(recordings, tmp_path / "c", seed=4)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_a_killed_build_goes_on_to_the_same_store(recordings, tmp_path):
    build(recordings, tmp_path / "whole")
    code = (
        "import os, signal\nfrom pathlib import Path\n"
        "from milonga.runtime.progress import Progress\n"
        "from milonga.sounds import Corpus, MelStore\n"
        f"corpus = Corpus.inspect(Path({str(recordings)!r}))\n"
        "dies = Progress(lambda update: update.done > 4 and os.kill(os.getpid(), signal.SIGKILL))\n"
        f"MelStore.build(corpus, Path({str(tmp_path / 'cut')!r}), progress=dies)"
    )
    assert run_warm(["-c", code]).returncode == -signal.SIGKILL
    assert list((tmp_path / "cut").glob("*.npy"))
    assert not (tmp_path / "cut" / "store.json").exists()
    with pytest.raises(SoundError):
        MelStore.open(tmp_path / "cut")
    build(recordings, tmp_path / "cut")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_cancelling_keeps_the_finished_files(recordings, tmp_path):
    progress = Progress(lambda update: update.done > 4 and progress.cancel())
    with pytest.raises(Cancelled):
        build(recordings, tmp_path / "store", progress=progress, augmentations=0)
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").glob("*.json")}
    assert done
    build(recordings, tmp_path / "store", augmentations=0)
    assert all(path.stat().st_mtime_ns == changed for path, changed in done.items())


def test_more_files_keep_what_was_there(make_corpus, recordings, tmp_path):
    corpus = Corpus.inspect(recordings)
    first = MelStore.build(corpus, tmp_path / "store", augmentations=1)
    more = make_corpus(tmp_path / "more", "noisy", files=6, seconds=1.0, seed=5)
    held = {corpus.files[t.file].sha256 for t in first.tracks("validation")}
    trained = {corpus.files[t.file].sha256 for t in first.tracks("train")}
    both = corpus.joined(Corpus.inspect(more))
    # The first recordings may be gone by then.
    gone = both.model_copy(
        update={
            "files": tuple(
                f.model_copy(update={"path": "/gone"}) if f.sha256 in held | trained else f
                for f in both.files
            )
        }
    )
    second = MelStore.build(gone, tmp_path / "store", augmentations=1)
    now_held = {gone.files[t.file].sha256 for t in second.tracks("validation")}
    assert held <= now_held
    assert not trained & now_held
    old = {index for index, file in enumerate(gone.files) if file.path == "/gone"}
    before = second.restricted(old)
    assert len(before.tracks("train")) == len(first.tracks("train"))
    assert len(before.tracks("validation")) == len(first.tracks("validation"))
    assert len({t.file for t in second.tracks("train")} | {
        t.file for t in second.tracks("validation")}) == 10  # fmt: skip


def test_a_finished_store_opens_as_it_was_built(recordings, tmp_path):
    built = build(recordings, tmp_path / "store")
    opened = MelStore.open(tmp_path / "store")
    for split in ("train", "validation"):
        for one, other in zip(built.tracks(split), opened.tracks(split), strict=True):
            assert (one.file, one.start_s, one.augmented) == (
                other.file,
                other.start_s,
                other.augmented,
            )
            np.testing.assert_array_equal(one.mel, other.mel)
    np.testing.assert_array_equal(built.mean, opened.mean)
    assert opened.spec == MEL_SPEC


@pytest.mark.parametrize("damage", ["manifest", "array", "missing"])
def test_a_damaged_store_is_refused_and_mended(recordings, tmp_path, damage):
    folder = tmp_path / "store"
    build(recordings, folder, augmentations=0)
    array = next(folder.glob("*.npy"))
    if damage == "manifest":
        (folder / "store.json").write_text("{}")
    elif damage == "array":
        np.save(array, np.zeros((3, 3)))
    else:
        array.unlink()
    with pytest.raises(SoundError, match="can't be used"):
        MelStore.open(folder)
    if damage == "missing":
        build(recordings, folder, augmentations=0)
        assert array.exists()


def test_a_recording_that_vanished_is_an_error(recordings, tmp_path):
    copied = shutil.copytree(recordings, tmp_path / "copied")
    corpus = Corpus.inspect(copied)
    (copied / "pitched 1.wav").unlink()
    with pytest.raises(CorpusError) as caught:
        MelStore.build(corpus, tmp_path / "store")
    assert "pitched 1.wav" in str(caught.value)


def test_very_short_recordings_give_at_least_a_frame(tmp_path, make_corpus):
    recordings = make_corpus(tmp_path / "corpus", files=4, seconds=3.0)
    rng = np.random.default_rng(0)
    write(recordings / "tick.wav", Clip(0.2 * rng.standard_normal(1000), 44_100))
    store = build(recordings, tmp_path / "store")
    tracks = store.tracks("train") + store.tracks("validation")
    assert min(track.mel.shape[1] for track in tracks) >= 1


def test_memory_does_not_grow_with_the_recording(tmp_path):
    """Half an hour at 44.1 kHz is 318 MB as float32; a piece of two minutes is 21 MB, and there
    are up to four copies of one on the way: as read, joined, resampled, and given out."""
    rng = np.random.default_rng(0)
    samples = np.tile(0.1 * rng.standard_normal(8_000 * 60), 30)
    write(tmp_path / "long.wav", Clip(samples, 8_000), subtype="PCM_16")
    del samples
    tracemalloc.start()
    (file,) = Corpus.inspect(tmp_path).files
    seconds = 0.0
    for _, piece in pieces(tmp_path / "long.wav", file.sounding, "mean", 44_100, file.sha256):
        seconds += len(piece) / 44_100
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds == pytest.approx(1800, abs=0.01)
    assert peak < 4.5 * 21e6


def test_copies_are_bounded_by_the_length_of_the_corpus():
    assert copies_for(60) == MOST_COPIES
    assert copies_for(AUGMENTED_S / 2) == 2
    assert copies_for(500 * 300) == 0
    for seconds in np.geomspace(10, 1e6, 50):
        assert copies_for(seconds) * seconds <= AUGMENTED_S


def test_a_split_in_time_covers_the_piece():
    for samples in (1, 44_099, 44_100, 500_000):
        stretches = list(parts_of("both", samples, 44_100))
        assert stretches[0][1] == 0
        assert stretches[-1][2] == samples
        assert all(first < last for _, first, last in stretches)


def test_variations_follow_from_the_seed_and_leave_global_states_alone():
    rng = np.random.default_rng(0)
    sound = (0.1 * rng.standard_normal(44_100)).astype(np.float32)
    sound.flags.writeable = False  # as a clip's samples are
    augmenter = Augmenter(44_100)
    random.seed(1)
    before = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, again, other = (augmenter.vary(sound, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, again)
    assert one.shape != other.shape or not np.array_equal(one, other)
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_variations_stay_near_what_they_vary():
    time = np.arange(2 * 44_100) / 44_100
    sound = (0.1 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    augmenter = Augmenter(44_100)
    for seed in range(30):
        varied = augmenter.vary(sound, seed)
        assert np.isfinite(varied).all()
        # A tenth in speed.
        assert 0.9 - 0.01 <= len(varied) / len(sound) <= 1 / 0.9 + 0.01
        # 6 dB of gain and 4 of a filter down, 3 and 4 up; edges of the pitch shifter.
        assert 0.02 < varied.std() / np.sqrt(2) / 0.1 * 2 < 2.5
        middle = varied[len(varied) // 4 :][:44_100] * np.hanning(44_100)
        hertz = np.argmax(np.abs(np.fft.rfft(middle)))
        # Two semitones.
        assert 440 * 2 ** (-2.1 / 12) < hertz < 440 * 2 ** (2.1 / 12)


def test_threads_that_vary_at_once_get_what_each_gets_alone():
    augmenter = Augmenter(8_000)
    samples = 0.1 * np.random.default_rng(0).standard_normal(2_000).astype(np.float32)
    alone = [augmenter.vary(samples, seed) for seed in range(24)]
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: augmenter.vary(samples, seed), range(24)))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert random.getstate() == before[0]
    assert all(map(np.array_equal, np.random.get_state(), before[1]))  # noqa: NPY002
