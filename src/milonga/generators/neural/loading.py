"""Models from folders on this machine: found, brought, and loaded without a network.

Transformers gets folders alone: given a repository's name it would ask the hub again and might
start a conversion there.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from milonga import weights
from milonga.errors import GeneratorError, MilongaError
from milonga.generators.base import Licence
from milonga.runtime.devices import is_refused
from milonga.runtime.documents import parse_json
from milonga.runtime.memory import is_out_of_memory, raise_if_short
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import seeded
from milonga.weights import LocalWeights
from milonga.weights.cache.hashing import hash_file
from milonga.weights.settings import quiet_libraries

_MOST, _COUNTED = 4096, re.compile(r"num_|layers|codebooks|n_codes|bandwidths|ratios|multiples")
WHOLE = "See whether the files are whole: milonga weights verify {name}"


def names_of(local: LocalWeights) -> list[str]:
    """List the files of a model that count, by their paths within its folder."""
    if local.files:
        return sorted(local.files)
    there = [path for path in local.folder.rglob("*") if path.is_file()]
    return local.source.files.choose([p.relative_to(local.folder).as_posix() for p in there])


def size_of(local: LocalWeights) -> int:
    """Add up the bytes of a model's files."""
    return sum((local.folder / name).stat().st_size for name in names_of(local))


def numbers_in(folder: Path, prefix: str = "") -> int:
    """Count the numbers in a folder's safetensors files by their headers; 0 for a damaged one.

    Args:
        folder: of the files.
        prefix: beginning of the names that count.

    Source: https://github.com/huggingface/safetensors#format
    """
    count = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as handle, contextlib.suppress(ValueError):
            header = parse_json(handle.read(int.from_bytes(handle.read(8), "little")))
            if isinstance(header, dict):
                shapes = (
                    entry.get("shape", [0])
                    for name, entry in header.items()
                    if name.startswith(prefix)
                )
                count += sum(math.prod(shape) for shape in shapes)
    return count


def hashes_of(local: LocalWeights, progress: Progress) -> dict[str, str]:
    """Hash a model's files (SHA-256); those of a download are known, a folder is read once."""
    if local.hashes:
        return local.hashes
    hashes = {}
    with progress.task(f"{local.source.name}: hashing", size_of(local), "B") as task:
        for name in names_of(local):
            hashes[name] = hash_file(local.folder / name, task.advance).sha256
    return hashes


def licences_of(local: LocalWeights | None, name: str, like: str) -> tuple[Licence, ...]:
    """Find the terms of a model's weights, and of parts of it that have terms of their own.

    A model that the catalogue doesn't know is taken for one that was made from ``like``, so it
    is at least as restricted.
    """
    known = weights.CATALOGUE.get(name) or (local.source.known if local else None)
    others = (known or weights.known_model(like)).parts
    parts = (Licence(what=f"{part} of {name}", **asdict(terms)) for part, terms in others)
    return (licence_of(local, name, like), *parts)


def licence_of(local: LocalWeights | None, name: str, like: str) -> Licence:
    """Find the terms of a model's weights; ``licences_of`` knows those of its parts, too."""
    known = weights.CATALOGUE.get(name) or (local.source.known if local else None)
    if known is not None:
        what = f"{known.title} (weights of {known.repo})"
        return Licence(what=what, **asdict(known.licence))
    model = weights.known_model(like)
    unknown = {
        "name": f"unknown; taken as {model.licence.name}",
        "note": f"Milonga doesn't know this model's terms; those of {model.title} hold "
        "for what was made from it.",
    }
    return Licence(what=f"weights of {name}", **asdict(model.licence) | unknown)


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' bars and advice out of the block's output; errors still show."""
    quiet_libraries()
    from transformers.utils import logging as transformers_logging

    # The library's functions carry no types.
    logging: Any = transformers_logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def refuse_absurd(local: LocalWeights) -> None:
    """Refuse a configuration of more layers, heads or codebooks than any model has: making the
    empty modules alone would take all time and memory.

    Raises:
        GeneratorError: the entry and its file are named.
    """
    for path in sorted(local.folder.rglob("config.json")):
        waiting: list[tuple[str, Any]] = [("", weights.load_json(path))]
        while waiting:
            key, value = waiting.pop()
            if isinstance(value, (dict, list)):
                pairs = value.items() if isinstance(value, dict) else ((key, v) for v in value)
                waiting.extend(pairs)
            elif isinstance(value, (int, float)) and value > _MOST and _COUNTED.search(key):
                raise GeneratorError(
                    f"{local.source.name} can't be loaded: {key} is {str(value)[:20]}, more than "
                    "any model has.",
                    where=path,
                    step=WHOLE.format(name=local.source.name),
                )


def load_pretrained(model_class: Any, folder: Path, name: str, **settings: Any) -> Any:
    """Load a model of transformers from a folder, in float32, ready to compute.

    Args:
        model_class: with ``from_pretrained``.
        folder: with configuration and weights.
        name: the model, as the user calls it.
        **settings: more for ``from_pretrained``.

    Raises:
        GeneratorError: the files can't be loaded, or lack a part of the model. (Transformers
            itself would fill that with random numbers.)
    """
    import torch

    # Making the modules draws numbers, which the weights then replace.
    with loading_explained(name, folder, name), quiet_transformers(), seeded(0):
        model, found = model_class.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True, **settings
        )
    # Codebooks are buffers; other buffers follow from the configuration.
    needed = {key for key, _ in model.named_parameters()}
    needed |= {key for key, _ in model.named_buffers() if key.endswith("codebook.embed")}
    lacking = sorted(needed & set(found["missing_keys"]))
    lacking += sorted(str(key) for key in found.get("mismatched_keys") or ())
    refuse_lacking(lacking, folder, name)
    return model.eval()


def refuse_lacking(lacking: Sequence[str], folder: Path, name: str) -> None:
    """Refuse files in which tensors of the model are lacking.

    Raises:
        GeneratorError: there are such; the first are named.
    """
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise GeneratorError(
            f"{name} lacks parts of the model: {', '.join(lacking[:3])}{more}.",
            where=folder,
            step=WHOLE.format(name=name),
        )


def load_tokenizer(folder: Path, name: str) -> Any:
    """Load the tokenizer of a model of transformers from its folder.

    Raises:
        GeneratorError: its files are missing or damaged.
    """
    with quiet_transformers(), loading_explained(f"The tokenizer of {name}", folder, name):
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


@contextlib.contextmanager
def loading_explained(what: str, folder: Path, name: str) -> Iterator[None]:
    """Turn a library's failure to load files into an error for the user.

    Args:
        what: can't be loaded then.
        folder: of the files.
        name: of the model.

    Raises:
        GeneratorError: the block failed; lack of memory passes through.
    """
    try:
        yield
    except MilongaError:
        raise
    except Exception as error:
        raise_if_short(error)
        lines = str(error).strip().splitlines() or [type(error).__name__]
        # A list of faults begins with a line that names none.
        line = lines[-1] if lines[0].endswith(":") else lines[0]
        raise GeneratorError(
            f"{what} can't be loaded: {line.strip().rstrip('.')}.",
            where=folder,
            step=WHOLE.format(name=name),
        ) from error


@contextlib.contextmanager
def machine_explained(name: str, less: str, elsewhere: str) -> Iterator[None]:
    """Turn what this machine or its device can't do into an error for the user.

    Args:
        name: of the model.
        less: how to need less memory.
        elsewhere: how to compute on the processor.

    Raises:
        GeneratorError: the block ran out of memory, or a device has no code for it.
    """
    try:
        yield
    except MilongaError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise GeneratorError(f"There is not enough memory for {name}.", step=less) from error
        if is_refused(error):
            raise GeneratorError(
                f"The device can't compute {name}: {str(error).splitlines()[0].rstrip('.')}.",
                step=elsewhere,
            ) from error
        raise
