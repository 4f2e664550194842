"""Which files are chosen of a repository."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milonga.weights import CATALOGUE
from milonga.weights.selection import ANY, Files

NAMES = st.sampled_from(
    [
        "config.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
        "LICENSE.md",
        "x/model.safetensors",
    ]
)
FILES = Files(
    needed=(
        ("config.json",),
        (
            "model.safetensors",
            "model-*-of-*.safetensors model.safetensors.index.json",
            "pytorch_model.bin",
        ),
    ),
    wanted=("LICENSE*",),
)


def test_the_first_alternative_is_taken():
    everything = ["config.json", "model.safetensors", "pytorch_model.bin", "LICENSE", "README"]
    assert FILES.choose(everything) == ["LICENSE", "config.json", "model.safetensors"]


def test_a_series_comes_with_its_index():
    names = [
        "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
        "model.safetensors.index.json", "pytorch_model.bin",
    ]  # fmt: skip
    assert FILES.choose(names) == names[:4]
    assert FILES.lacking(names) == []
    assert FILES.lacking(names[:2]) == ["model-00002-of-00002.safetensors"]


def test_what_lacks_is_named():
    assert FILES.lacking([]) == [
        "config.json",
        "model.safetensors or model-*-of-*.safetensors or pytorch_model.bin",
    ]


@given(st.sets(NAMES))
def test_what_is_chosen_is_there_and_enough(names):
    chosen = FILES.choose(names)
    assert set(chosen) <= names
    assert chosen == sorted(set(chosen))
    # Choosing again of what was chosen changes nothing: a finished download counts as complete.
    assert FILES.choose(chosen) == chosen
    if not FILES.lacking(names):
        assert FILES.lacking(chosen) == []


@pytest.mark.parametrize("key", CATALOGUE)
def test_the_catalogue_is_sound(key):
    entry = CATALOGUE[key]
    assert entry.key == key
    assert entry.repo.count("/") == 1
    assert entry.size > 70_000_000
    assert entry.licence.url.startswith("https://")
    # No need is met by a file of a needless copy.
    for need in entry.files.needed:
        assert not any(name.startswith("*") for name in need)


def test_the_models_of_the_requirements_are_there():
    repos = {entry.repo for entry in CATALOGUE.values()}
    assert repos >= {
        "nvidia/bigvgan_v2_44khz_128band_512x",
        "nvidia/bigvgan_v2_44khz_128band_256x",
        "nvidia/bigvgan_v2_24khz_100band_256x",
        "nvidia/bigvgan_v2_22khz_80band_256x",
        "nvidia/bigvgan_v2_22khz_80band_fmax8k_256x",
        "suno/bark",
        "suno/bark-small",
        "stabilityai/stable-audio-open-1.0",
        *(f"stabilityai/stable-audio-3-{kind}" for kind in ("small-music", "small-sfx", "medium")),
        *(f"facebook/musicgen-{size}" for size in ("small", "medium", "large")),
        *(f"facebook/musicgen-stereo-{size}" for size in ("small", "medium", "large")),
    }
    gated = {key for key, entry in CATALOGUE.items() if entry.gated}
    # Only this one of Stability's is open to anyone.
    open_one = {"stable-audio-3-small-music-base"}
    assert gated == {key for key in CATALOGUE if key.startswith("stable-audio")} - open_one
    free = {key for key, entry in CATALOGUE.items() if entry.licence.commercial_use == "no"}
    assert free == {key for key in CATALOGUE if key.startswith("musicgen")}


def test_any_repository_gives_its_safest_weights():
    names = ["a.bin", "a.safetensors", "config.json", "b.ckpt", "picture.png"]
    assert ANY.choose(names) == ["a.safetensors", "config.json"]
    assert ANY.choose(["b.ckpt", "c.txt"]) == ["b.ckpt", "c.txt"]
