"""Voices: Bark's presets by language and sex, where their files are, and reading them.

A preset is the tokens of a few spoken seconds. The sexes are those of the list of presets that
Suno published with version 2 of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from milonga import weights
from milonga.errors import DamagedFileError, GeneratorError, NotDownloadedError, UnsafeFileError
from milonga.generators.bark.notation import Phrase
from milonga.generators.bark.parts import syllables
from milonga.generators.words.directions import FEMALE_WORDS, MALE_WORDS, says
from milonga.runtime.progress import Progress
from milonga.runtime.words import plain
from milonga.weights import LocalWeights
from milonga.weights.cache.hashing import hash_file
from milonga.weights.selection import Files

if TYPE_CHECKING:
    import numpy as np

    from milonga.generators.bark.stages import Tokens

AUTO, NONE = "auto", "none"

_USUAL: dict[str, tuple[int, int | None]] = {
    "en": (6, 9),
    "es": (0, 8),
    "de": (4, 3),
    "fr": (3, 1),
    "hi": (2, 0),
    "it": (4, 2),
    "ja": (2, 0),
    "ko": (1, 0),
    "pl": (0, 4),
    "pt": (0, None),
    "ru": (0, 5),
    "tr": (0, 4),
    "zh": (0, 4),
}
"""A man's and a woman's preset by language; of Portuguese there is no woman's."""

LANGUAGES = tuple(_USUAL)
"""Codes of the languages that Bark was trained on."""

KNOWN = tuple(f"v2/{language}_speaker_{n}" for language in _USUAL for n in range(10))
"""The presets of Suno's repositories, version 2."""

_KEYS = ("semantic_prompt", "coarse_prompt", "fine_prompt")
_FOLDER, _INDEX = "speaker_embeddings", "speaker_embeddings_path.json"
_NAME = re.compile(r"(?:v2/)?\w[\w.-]*")
_LIMIT = 16 << 20


def sex_of(voice: str) -> str | None:
    """``man`` or ``woman`` from a sheet's words; None where they don't say, or say both."""
    words = plain(voice)
    male, female = says(words, MALE_WORDS), says(words, FEMALE_WORDS)
    if male == female:
        return None
    return "man" if male else "woman"


def main_language(phrases: Sequence[Phrase]) -> str:
    """The language of most syllables: one voice sings all, also where lines mix languages."""
    counts: dict[str, int] = {}
    for phrase in phrases:
        if phrase.words:
            code = phrase.language.split("-")[0]
            counts[code] = counts.get(code, 0) + syllables(phrase.words, code)
    return max(counts, key=lambda code: counts[code], default="en")


def usual_voice(language: str, sex: str | None) -> str:
    """The preset for a language and a sex; nothing said is a man's, the best known of Bark's."""
    code = language if language in _USUAL else "en"
    man, woman = _USUAL[code]
    number = woman if sex == "woman" and woman is not None else man
    return f"v2/{code}_speaker_{number}"


def is_file(voice: str) -> bool:
    """Tell a voice that is a file of the user's from a preset."""
    return voice.endswith(".npz")


def files_of(preset: str) -> Files:
    """List a preset's files in a repository: three arrays, or one collection of them."""
    stem = f"{_FOLDER}/{preset}"
    arrays = " ".join(f"{stem}_{key}.npy" for key in _KEYS)
    return Files(needed=((arrays, f"{stem}.npz"),))


def presets_in(folder: Path) -> list[str]:
    """The presets that a model's folder has or whose index it has, sorted."""
    found: set[str] = set()
    index = folder / _INDEX
    if index.is_file():
        listed = weights.load_json(index)
        found |= {name for name, of in listed.items() if isinstance(of, Mapping)}
    root = folder / _FOLDER
    for path in root.rglob("*.np[yz]"):
        name = path.relative_to(root).as_posix()
        if name.endswith(".npz"):
            found.add(name.removesuffix(".npz"))
        elif name.endswith(f"_{_KEYS[0]}.npy"):
            found.add(name.removesuffix(f"_{_KEYS[0]}.npy"))
    return sorted(name for name in found if _NAME.fullmatch(name))


def unknown(voice: str, names: Sequence[str]) -> GeneratorError:
    """The error for a voice that isn't there."""
    listed = ", ".join(names) if names else "none"
    return GeneratorError(
        f"There is no voice {voice!r}.",
        where="voice",
        step=f"This model has: {listed}. Or give the path of a file that ends in .npz, or none.",
    )


def paths_of(local: LocalWeights, preset: str) -> list[Path]:
    """The files of a preset in a model's folder; empty where they are not (all) there."""
    stem = local.folder / _FOLDER / preset
    arrays = [stem.with_name(f"{stem.name}_{key}.npy") for key in _KEYS]
    if all(path.is_file() for path in arrays):
        return arrays
    whole = stem.with_name(f"{stem.name}.npz")
    return [whole] if whole.is_file() else []


def fetch(
    model: str, like: str, local: LocalWeights, preset: str, progress: Progress
) -> tuple[list[Path], dict[str, str]]:
    """The files of a preset, downloaded where they aren't here, and their hashes by path.

    Raises:
        GeneratorError: the model has no such voice; the others are listed.
        NotDownloadedError: it isn't here, and no network may be used.
    """
    names = presets_in(local.folder)
    if not _NAME.fullmatch(preset) or (names and preset not in names):
        raise unknown(preset, names or list(KNOWN))
    paths = paths_of(local, preset)
    if not paths:
        if local.repo is None:
            raise unknown(preset, names)
        try:
            brought = weights.ensure(model, like=like, files=files_of(preset), progress=progress)
        except NotDownloadedError as error:
            here = [name for name in names if paths_of(local, name)]
            raise NotDownloadedError(
                f"The voice {preset} is not on this machine, and the network is switched off.",
                where="voice",
                step=f"Render once with a network, or use one that is here: "
                f"{', '.join(here) or 'none'}.",
            ) from error
        paths = paths_of(brought, preset)
        return paths, brought.hashes
    known = local.hashes
    hashes = {}
    for path in paths:
        name = path.relative_to(local.folder).as_posix()
        hashes[name] = known.get(name) or hash_file(path).sha256
    return paths, hashes


def read_voice(*paths: Path) -> Tokens:
    """A voice from one ``.npz`` or from three ``.npy``: semantic, coarse, fine.

    Raises:
        UnsafeFileError: it holds Python objects, which could run code; nothing was loaded.
        DamagedFileError: it isn't there, or is no voice.
    """
    import torch

    from milonga.generators.bark.stages import Tokens

    if len(paths) == 1:
        arrays = _collection(paths[0])
    else:
        arrays = [weights.load_array(path) for path in paths]
    for array, dimensions in zip(arrays, (1, 2, 2), strict=True):
        if array.ndim != dimensions or array.dtype.kind not in "iu" or not array.size:
            raise _damaged(paths[0], "Its arrays are not those of a voice.")
    semantic, coarse, fine = (torch.from_numpy(array.astype("int64")) for array in arrays)
    if coarse.shape[0] > fine.shape[0]:
        raise _damaged(paths[0], "Its arrays are not those of a voice.")
    return Tokens(semantic, coarse, fine)


def _collection(path: Path) -> list[np.ndarray]:
    from milonga.runtime.arrays import HoldsObjectsError, NoArrayError, read_arrays

    if not path.is_file():
        raise DamagedFileError(
            "This voice is not there.", where=path, step="Correct bark.voice, or leave it out."
        )
    if path.stat().st_size > _LIMIT:
        raise _damaged(path, "This is too large for a voice.")
    try:
        held = read_arrays(path, _KEYS)
    except HoldsObjectsError as error:
        raise UnsafeFileError(
            "Reading this voice would mean letting it run code. It was not read.",
            where=path,
            step="Use another voice.",
        ) from error
    except NoArrayError as error:
        raise _damaged(path, f"This file can't be read as a voice: {error}.") from error
    if not isinstance(held, dict):
        raise _damaged(path, "This is one array, no voice.")
    if lacking := [key for key in _KEYS if key not in held]:
        raise _damaged(path, f"This is no voice: it lacks {', '.join(lacking)}.")
    return [held[key] for key in _KEYS]


def _damaged(path: Path, message: str) -> DamagedFileError:
    step = "A voice is a .npz with semantic_prompt, coarse_prompt and fine_prompt."
    return DamagedFileError(message, where=path, step=step)
