"""audiobox-aesthetics at tiny size, with numbers that follow from the names of its tensors.

``aesthetics_golden.json`` beside the tests holds the names and shapes as the authors' own program
makes them, and what it says of three windows; ``tools/make_aesthetics_golden.py`` wrote it.
"""

import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parents[1] / "analysis/scores/aesthetics_golden.json"
SAMPLES = 160_000


def golden():
    return json.loads(GOLDEN.read_text())


def numbers(shapes):
    """Tensors by name: matrices of a size that keeps a layer's level, the rest near 1/2."""
    made = {}
    for index, (name, shape) in enumerate(sorted(shapes.items())):
        drawn = np.random.default_rng(index).standard_normal(shape)
        size = 1.5 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
        made[name] = (size * drawn + (0.5 if len(shape) == 1 else 0)).astype(np.float32)
    return made


def windows(lengths):
    waves = np.random.default_rng(0).normal(0, 0.1, (len(lengths), SAMPLES)).astype(np.float32)
    for wave, length in zip(waves, lengths, strict=True):
        wave[length:] = 0
    return waves


def write_tiny(folder):
    """Write a checkpoint as the hub has it."""
    from safetensors.numpy import save_file

    found = golden()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(found["config"]))
    save_file(numbers(found["shapes"]), folder / "model.safetensors")
    return folder
