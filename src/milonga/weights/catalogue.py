"""The models that milonga knows: their repositories, needed files and terms.

Sizes are what the needed files come to, rounded; the hub's own listing is what a download goes by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from milonga.errors import UnknownNameError
from milonga.weights.selection import Files


@dataclass(frozen=True, slots=True)
class Licence:
    """The terms of a model's weights."""

    name: str
    url: str
    commercial_use: Literal["yes", "no", "conditional"]
    note: str = ""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One model.

    Attributes:
        key: its name in milonga.
        title: for people.
        repo: ``owner/name`` on the hub.
        files: the files that are needed of it.
        size: bytes, about.
        licence: its terms.
        used_by: the part of milonga that loads it.
        libraries: the libraries that this part needs to load it.
        extra: the pip extra that brings these.
        gated: whether the owner must grant access first.
        parts: parts of it that others made, and their terms.
    """

    key: str
    title: str
    repo: str
    files: Files
    size: int
    licence: Licence
    used_by: str
    libraries: tuple[str, ...]
    extra: str = "models"
    gated: bool = False
    parts: tuple[tuple[str, Licence], ...] = ()

    @property
    def terms(self) -> str:
        """The names of the licences of all of it."""
        return ", ".join((self.licence.name, *(terms.name for _, terms in self.parts)))

    @property
    def commercial_use(self) -> Literal["yes", "no", "conditional"]:
        """The strictest of them."""
        uses = {self.licence.commercial_use, *(terms.commercial_use for _, terms in self.parts)}
        return "no" if "no" in uses else "conditional" if "conditional" in uses else "yes"


MIT = "https://opensource.org/license/mit"
_NVIDIA = Licence("MIT", MIT, "yes")
_SUNO = Licence("MIT", MIT, "yes")
_ACE_STEP = Licence("MIT", MIT, "yes")
_QWEN = Licence("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0", "yes")
_LAION = Licence("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0", "yes")
_OPENAI = Licence("MIT", MIT, "yes")
_META_BY = Licence(
    "CC-BY-4.0",
    "https://creativecommons.org/licenses/by/4.0/",
    "yes",
    "Name its authors (Meta) where you publish what it says.",
)
_META = Licence(
    "CC-BY-NC-4.0",
    "https://creativecommons.org/licenses/by-nc/4.0/",
    "no",
    "The weights may not be used commercially.",
)
_STABILITY = Licence(
    "Stability AI Community",
    "https://huggingface.co/stabilityai/stable-audio-open-1.0/blob/main/LICENSE.md",
    "conditional",
    "Commercial use is free below a yearly revenue that the licence names; above it needs a "
    "licence from Stability AI.",
)

_STABILITY_3 = Licence(
    "Stability AI Community",
    "https://stability.ai/license",
    "conditional",
    "Commercial use is free below a yearly revenue that the licence names; above it needs a "
    "licence from Stability AI.",
)
_GEMMA = Licence(
    "Gemma Terms of Use",
    "https://ai.google.dev/gemma/terms",
    "conditional",
    "Uses that Google's prohibited use policy names are not allowed.",
)

_TRANSFORMERS_WEIGHTS = (
    "model.safetensors",
    "model-*-of-*.safetensors model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model-*-of-*.bin pytorch_model.bin.index.json",
)
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


def _diffusers(*parts: str) -> tuple[tuple[str, ...], ...]:
    """The needs of parts that diffusers saved."""
    stem = "diffusion_pytorch_model"
    return tuple(
        slot
        for part in parts
        for slot in (
            (f"{part}/config.json",),
            (
                f"{part}/{stem}.safetensors",
                f"{part}/{stem}-*-of-*.safetensors {part}/{stem}.safetensors.index.json",
            ),
        )
    )


_BIGVGAN_FILES = Files(needed=(("config.json",), ("bigvgan_generator.pt",)), wanted=("LICENSE*",))
_BARK_FILES = Files(
    needed=(("config.json",), _TRANSFORMERS_WEIGHTS, ("tokenizer.json", "vocab.txt")),
    wanted=(
        "generation_config.json",
        "vocab.txt",
        *_TOKENIZER,
        "speaker_embeddings_path.json",
        # The voices that English and Spanish lyrics get; others come when they are asked for.
        *(
            f"speaker_embeddings/v2/{voice}{part}"
            for voice in ("en_speaker_6", "en_speaker_9", "es_speaker_0", "es_speaker_8")
            for part in ("_*_prompt.npy", ".npz")
        ),
        "LICENSE*",
    ),
)
_MUSICGEN_FILES = Files(
    needed=(
        ("config.json",),
        _TRANSFORMERS_WEIGHTS,
        ("preprocessor_config.json", "processor_config.json"),
        ("tokenizer.json", "spiece.model"),
    ),
    wanted=(
        "generation_config.json",
        "preprocessor_config.json",
        "processor_config.json",
        "spiece.model",
        *_TOKENIZER,
        "LICENSE*",
    ),
)
_STABLE_AUDIO_FILES = Files(
    needed=(
        ("model_index.json",),
        ("scheduler/scheduler_config.json",),
        *_diffusers("transformer", "vae", "projection_model"),
        ("text_encoder/config.json",),
        ("text_encoder/model.safetensors",),
        ("tokenizer/tokenizer.json", "tokenizer/spiece.model"),
    ),
    wanted=("tokenizer/*.json", "tokenizer/spiece.model", "LICENSE*"),
)
_OWN_ACE_STEP = "acestep-v15-*"
_OWN_TEXTS = "Qwen3-Embedding-0.6B"
# Either form: the folder of parts that diffusers saves (first in each need), or the authors'.
_ACE_STEP_FILES = Files(
    needed=(
        ("model_index.json", f"{_OWN_ACE_STEP}/silence_latent.pt"),
        *(
            (
                *slot,
                f"{_OWN_ACE_STEP}/config.json",
            )
            if slot[0].endswith("config.json")
            else (
                *slot,
                f"{_OWN_ACE_STEP}/model.safetensors",
                f"{_OWN_ACE_STEP}/model-*-of-*.safetensors "
                f"{_OWN_ACE_STEP}/model.safetensors.index.json",
            )
            for slot in _diffusers("transformer", "condition_encoder")
        ),
        *_diffusers("vae"),
        ("text_encoder/config.json", f"{_OWN_TEXTS}/config.json"),
        (
            "text_encoder/model.safetensors",
            "text_encoder/model-*-of-*.safetensors text_encoder/model.safetensors.index.json",
            f"{_OWN_TEXTS}/model.safetensors",
        ),
        (
            "tokenizer/tokenizer.json",
            "tokenizer/vocab.json tokenizer/merges.txt",
            f"{_OWN_TEXTS}/tokenizer.json",
        ),
    ),
    # The audio tokenizer and its opposite are for covers alone.
    wanted=(
        "audio_token*/config.json",
        "audio_token*/*.safetensors*",
        "scheduler/*.json",
        "tokenizer/*",
        f"{_OWN_TEXTS}/*.json",
        f"{_OWN_TEXTS}/merges.txt",
        "LICENSE*",
    ),
)

_PLANNER_FILES = Files(
    needed=(
        ("config.json",),
        (
            "model.safetensors",
            "model-*-of-*.safetensors model.safetensors.index.json",
        ),
        ("tokenizer.json",),
    ),
    wanted=("LICENSE*",),
)

_PARTS_3 = ("transformer", "vae", "duration_embedder")
# Either form: the authors' (first in each need), or the folder of parts that diffusers saves.
_STABLE_AUDIO_3_FILES = Files(
    needed=(
        ("model_config.json", "model_index.json"),
        ("model_config.json", "scheduler/scheduler_config.json"),
        *(("model_config.json", f"{part}/config.json") for part in _PARTS_3),
        *(
            (
                "model.safetensors",
                f"{part}/diffusion_pytorch_model.safetensors",
                f"{part}/diffusion_pytorch_model-*-of-*.safetensors "
                f"{part}/diffusion_pytorch_model.safetensors.index.json",
            )
            for part in _PARTS_3
        ),
        ("t5gemma-b-b-ul2/config.json", "text_encoder/config.json"),
        ("t5gemma-b-b-ul2/model.safetensors", "text_encoder/model.safetensors"),
        ("t5gemma-b-b-ul2/tokenizer.json", "tokenizer/tokenizer.json"),
    ),
    wanted=(
        "t5gemma-b-b-ul2/*.json",
        "t5gemma-b-b-ul2/tokenizer.model",
        "tokenizer/*.json",
        "LICENSE*",
        "NOTICE*",
    ),
)
_CLAP_FILES = Files(
    needed=(
        ("config.json",),
        _TRANSFORMERS_WEIGHTS,
        ("preprocessor_config.json",),
        ("tokenizer.json", "vocab.json merges.txt"),
    ),
    wanted=("preprocessor_config.json", "vocab.json", "merges.txt", *_TOKENIZER, "LICENSE*"),
)
_AESTHETICS_FILES = Files(
    needed=(("config.json",), ("model.safetensors",)), wanted=("README.md", "LICENSE*")
)
_WHISPER_FILES = Files(
    # In CTranslate2's own form, which is numbers alone and no pickle.
    needed=(("model.bin",), ("config.json",), ("tokenizer.json",), ("vocabulary.*",)),
    wanted=("preprocessor_config.json", "vocabulary.*", "README.md", "LICENSE*"),
)

_MB, _GB = 1_000_000, 1_000_000_000


def _bigvgan(key: str, name: str, title: str, size: int) -> KnownModel:
    repo = f"nvidia/bigvgan_v2_{name}"
    return KnownModel(
        key, title, repo, _BIGVGAN_FILES, size, _NVIDIA, "vocoder", ("torch",), extra="sounds"
    )


def _bark(key: str, title: str, size: int) -> KnownModel:
    libraries = ("torch", "transformers")
    return KnownModel(
        key, title, f"suno/{key}", _BARK_FILES, size, _SUNO, "generator bark", libraries
    )


def _musicgen(size_name: str, title: str, size: int) -> KnownModel:
    key = f"musicgen-{size_name}"
    libraries = ("torch", "transformers")
    return KnownModel(key, title, f"facebook/{key}", _MUSICGEN_FILES, size, _META,
                 "generator musicgen", libraries)  # fmt: skip


def _ace_step(key: str, repo: str, title: str, size: int) -> KnownModel:
    libraries = ("torch", "transformers", "diffusers")
    return KnownModel(key, title, repo, _ACE_STEP_FILES, size, _ACE_STEP, "generator ace-step",
                 libraries, parts=(("Qwen3-Embedding-0.6B, the text encoder", _QWEN),))  # fmt: skip


def _stable_audio_3(name: str, title: str, size: int, gated: bool = True) -> KnownModel:
    key = f"stable-audio-3-{name}"
    return KnownModel(
        key, f"Stable Audio 3 {title}", f"stabilityai/{key}", _STABLE_AUDIO_3_FILES, size,
        _STABILITY_3, "generator stable-audio-3", ("torch", "transformers", "diffusers"),
        gated=gated, parts=(("text encoder T5Gemma", _GEMMA),),
    )  # fmt: skip


def _clap(key: str, repo: str, title: str, size: int) -> KnownModel:
    libraries = ("torch", "transformers")
    return KnownModel(key, title, repo, _CLAP_FILES, size, _LAION, "score", libraries)


def _whisper(size_name: str, repo: str, title: str, size: int) -> KnownModel:
    return KnownModel(f"whisper-{size_name}", title, repo, _WHISPER_FILES, size, _OPENAI, "score",
                 ("faster_whisper",), extra="scores")  # fmt: skip


CATALOGUE: dict[str, KnownModel] = {
    model.key: model
    for model in (
        _bigvgan("bigvgan", "44khz_128band_512x", "BigVGAN v2, 44.1 kHz, hop 512", 489 * _MB),
        _bigvgan("bigvgan-44k-256x", "44khz_128band_256x", "BigVGAN v2, 44.1 kHz, hop 256",
                 489 * _MB),
        _bigvgan("bigvgan-24k", "24khz_100band_256x", "BigVGAN v2, 24 kHz", 450 * _MB),
        _bigvgan("bigvgan-22k", "22khz_80band_256x", "BigVGAN v2, 22.05 kHz", 450 * _MB),
        _bigvgan("bigvgan-22k-fmax8k", "22khz_80band_fmax8k_256x",
                 "BigVGAN v2, 22.05 kHz, up to 8 kHz", 450 * _MB),
        _ace_step("ace-step", "Runware/acestep-v15-turbo-diffusers", "ACE-Step 1.5 turbo, 2B",
                  6_300 * _MB),
        _ace_step("ace-step-base", "Runware/acestep-v15-base-diffusers", "ACE-Step 1.5 base, 2B",
                  6_300 * _MB),
        _ace_step("ace-step-xl", "ACE-Step/acestep-v15-xl-turbo-diffusers",
                  "ACE-Step 1.5 XL turbo, 4B", 11_500 * _MB),
        _ace_step("ace-step-xl-base", "ACE-Step/acestep-v15-xl-base-diffusers",
                  "ACE-Step 1.5 XL base, 4B", 11_500 * _MB),
        KnownModel("ace-step-planner", "ACE-Step 1.5 planner, 0.6B",
              "ACE-Step/acestep-5Hz-lm-0.6B", _PLANNER_FILES, 1_350 * _MB, _ACE_STEP,
              "planner of ace-step", ("torch", "transformers", "diffusers"),
              parts=(("Qwen3-0.6B, which it was made from", _QWEN),)),
        _bark("bark", "Bark", 4_500 * _MB),
        _bark("bark-small", "Bark small", 1_700 * _MB),
        KnownModel("stable-audio", "Stable Audio Open 1.0", "stabilityai/stable-audio-open-1.0",
              _STABLE_AUDIO_FILES, 5_300 * _MB, _STABILITY, "generator stable-audio",
              ("torch", "transformers", "diffusers", "torchsde"), gated=True),
        _stable_audio_3("small-music", "small, music", 3_450 * _MB),
        _stable_audio_3("small-sfx", "small, sounds", 3_450 * _MB),
        _stable_audio_3("medium", "medium", 10_440 * _MB),
        _stable_audio_3("small-music-base", "small, music, not distilled", 3_450 * _MB, False),
        _stable_audio_3("small-sfx-base", "small, sounds, not distilled", 3_450 * _MB),
        _stable_audio_3("medium-base", "medium, not distilled", 10_440 * _MB),
        _musicgen("small", "MusicGen small", 2_400 * _MB),
        _musicgen("medium", "MusicGen medium", 8 * _GB),
        _musicgen("large", "MusicGen large", 13_700 * _MB),
        _musicgen("stereo-small", "MusicGen small, stereo", 2_400 * _MB),
        _musicgen("stereo-medium", "MusicGen medium, stereo", 8 * _GB),
        _musicgen("stereo-large", "MusicGen large, stereo", 13_700 * _MB),
        _clap("clap", "laion/larger_clap_music_and_speech", "CLAP, music and speech", 780 * _MB),
        _clap("clap-small", "laion/clap-htsat-unfused", "CLAP, unfused", 615 * _MB),
        KnownModel("aesthetics", "Audiobox Aesthetics, ratings", "facebook/audiobox-aesthetics",
                   _AESTHETICS_FILES, 416 * _MB, _META_BY, "score", ("torch", "transformers")),
        _whisper("tiny", "Systran/faster-whisper-tiny", "Whisper tiny", 78 * _MB),
        _whisper("base", "Systran/faster-whisper-base", "Whisper base", 148 * _MB),
        _whisper("small", "Systran/faster-whisper-small", "Whisper small", 487 * _MB),
        _whisper("medium", "Systran/faster-whisper-medium", "Whisper medium", 1_530 * _MB),
        _whisper("large-v3", "Systran/faster-whisper-large-v3", "Whisper large v3", 3_100 * _MB),
    )
}  # fmt: skip
"""Every model by its key."""


def known_model(key: str) -> KnownModel:
    """Return the model of that name.

    >>> model = known_model("musicgen-small")
    >>> model.repo, model.licence.name, model.gated
    ('facebook/musicgen-small', 'CC-BY-NC-4.0', False)

    Raises:
        UnknownNameError: there is none.
    """
    if key not in CATALOGUE:
        raise UnknownNameError("model", key, CATALOGUE)
    return CATALOGUE[key]
