"""Presets as files, and the joins of parts."""

import json

import numpy as np
import pytest
from damage import damaged
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.errors import DamagedFileError, UnsafeFileError
from milonga.generators.bark.joining import join
from milonga.generators.bark.voices import files_of, presets_in, read_voice

RATE = 24_000


def test_a_voice_is_the_same_from_one_file_or_three(tmp_path, make_voice):
    arrays = make_voice(0)
    np.savez(tmp_path / "mine.npz", **arrays)
    whole = read_voice(tmp_path / "mine.npz")
    for key, array in arrays.items():
        np.save(tmp_path / f"{key}.npy", array.astype(np.int32))
    apart = read_voice(*(tmp_path / f"{key}.npy" for key in arrays))
    for name in ("semantic", "coarse", "fine"):
        expected = arrays[f"{name}_prompt"]
        assert np.array_equal(getattr(whole, name), expected)
        assert np.array_equal(getattr(apart, name), expected)


def test_voices_that_run_code_or_are_none(tmp_path, make_voice):
    arrays = make_voice(0)
    evil = np.array([print], dtype=object)
    np.savez(tmp_path / "evil.npz", **{**arrays, "fine_prompt": evil})
    with pytest.raises(UnsafeFileError, match="run code"):
        read_voice(tmp_path / "evil.npz")
    np.save(tmp_path / "evil.npy", evil)
    with pytest.raises(UnsafeFileError):
        read_voice(*[tmp_path / "evil.npy"] * 3)
    np.savez(tmp_path / "less.npz", semantic_prompt=arrays["semantic_prompt"])
    with pytest.raises(DamagedFileError, match="lacks coarse_prompt, fine_prompt"):
        read_voice(tmp_path / "less.npz")
    for changes in (
        {"semantic_prompt": np.zeros((2, 3), int)},
        {"coarse_prompt": np.zeros((2, 3))},
        {"fine_prompt": np.zeros((1, 3), int)},
        {"semantic_prompt": np.zeros(0, int)},
    ):
        np.savez(tmp_path / "odd.npz", **{**arrays, **changes})
        with pytest.raises(DamagedFileError, match="not those of a voice"):
            read_voice(tmp_path / "odd.npz")
    whole = (tmp_path / "less.npz").read_bytes()
    for damage in (b"", b"PK\3\4 broken", whole[: len(whole) // 2]):
        (tmp_path / "broken.npz").write_bytes(damage)
        with pytest.raises(DamagedFileError):
            read_voice(tmp_path / "broken.npz")
    with pytest.raises(DamagedFileError, match="not there"):
        read_voice(tmp_path / "nowhere.npz")


def test_the_presets_of_a_folder(tmp_path):
    assert presets_in(tmp_path) == []
    presets = tmp_path / "speaker_embeddings" / "v2"
    presets.mkdir(parents=True)
    for name in ("a_semantic_prompt.npy", "a_fine_prompt.npy", "b.npz"):
        (presets / name).touch()
    assert presets_in(tmp_path) == ["v2/a", "v2/b"]
    index = {"repo_or_path": "x/y", "v2/c": {}, "../../d": {}}
    (tmp_path / "speaker_embeddings_path.json").write_text(json.dumps(index))
    assert presets_in(tmp_path) == ["v2/a", "v2/b", "v2/c"]


def test_only_the_files_of_one_preset_are_asked_for():
    stem = "speaker_embeddings/v2/en_speaker_"
    names = [
        f"{stem}{number}{end}"
        for number in (6, 60)
        for end in ("_semantic_prompt.npy", "_coarse_prompt.npy", "_fine_prompt.npy", ".npz")
    ]
    chosen = files_of("v2/en_speaker_6").choose(names)
    assert chosen == sorted(names[:3])
    assert files_of("v2/en_speaker_6").choose([names[3]]) == [names[3]]


def tone(seconds, before=0.0, after=0.0):
    time = np.arange(round(seconds * RATE)) / RATE
    quiet = [np.zeros(round(s * RATE)) for s in (before, after)]
    return np.concatenate([quiet[0], 0.3 * np.sin(2 * np.pi * 220 * time), quiet[1]]).astype("f4")


def test_silence_at_joins_is_cut_to_a_breath():
    first, second = tone(1, before=0.5, after=2), tone(1, before=3, after=0.5)
    joined = join([first, second], RATE)
    # The outer silences stay; of the inner five seconds, 0.12 s on each side, within a step.
    assert len(joined) / RATE == pytest.approx(0.5 + 1 + 0.24 + 1 + 0.5, abs=0.03)
    assert np.array_equal(joined[: round(1.5 * RATE)], first[: round(1.5 * RATE)])
    assert np.array_equal(joined[-round(1.5 * RATE) :], second[-round(1.5 * RATE) :])


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), max_size=4),
    noise=st.floats(0, 0.0003),
)
def test_all_sound_stays(shapes, noise):
    drawn = np.random.default_rng(0)
    parts = [tone(s, before, after) for s, before, after in shapes]
    parts = [p + noise * drawn.standard_normal(len(p)).astype("f4") for p in parts]
    joined = join(parts, RATE)
    assert joined.dtype == np.float32
    assert len(joined) <= sum(map(len, parts))
    # The tones alone, whatever was cut around them; the noise is 60 dB below.
    power = sum(float(np.sum(tone(s).astype(float) ** 2)) for s, _, _ in shapes)
    slack = 1e-3 * power + noise**2 * 4 * sum(map(len, parts)) + 1
    assert float(np.sum(joined.astype(float) ** 2)) == pytest.approx(power, abs=slack)


def test_a_silent_part_is_a_pause():
    assert len(join([tone(0.5), np.zeros(3 * RATE, np.float32), tone(0.5)], RATE)) < 1.3 * RATE
    assert len(join([], RATE)) == 0


def test_what_is_cut_off_fades():
    time = np.arange(RATE) / RATE
    tone = (0.3 * np.sin(2 * np.pi * 220 * time)).astype(np.float32)
    # Under the 40 dB that count as silence, but heard to click where it begins at once.
    hum = np.full(RATE // 2, 0.0015, np.float32)
    joined = join([tone, np.concatenate([hum, tone])], RATE)
    assert joined[RATE - 1] == tone[-1]
    fade = joined[RATE : RATE + round(0.005 * RATE)]
    assert fade[0] == 0
    assert np.all(np.diff(fade) > 0)
    assert joined[RATE + round(0.006 * RATE)] == hum[0]


def test_any_damage_of_a_voice_ends_in_a_named_error(tmp_path, make_voice):
    arrays = make_voice(0)
    np.savez_compressed(tmp_path / "whole.npz", **arrays)
    whole = (tmp_path / "whole.npz").read_bytes()
    pieces = [tmp_path / f"piece_{key}.npy" for key in arrays]
    for seed in range(120):
        (tmp_path / "bad.npz").write_bytes(damaged(whole, seed))
        for path, array in zip(pieces, arrays.values(), strict=True):
            np.save(path, array)
        pieces[seed % 3].write_bytes(damaged(pieces[seed % 3].read_bytes(), seed))
        for paths in ([tmp_path / "bad.npz"], pieces):
            try:
                assert read_voice(*paths).fine.shape[0] > 0
            except (DamagedFileError, UnsafeFileError) as error:
                assert error.where in map(str, paths)  # noqa: PT017 - or it does no harm
