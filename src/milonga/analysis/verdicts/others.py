"""Other recordings: what any piece of music scores against a baseline.

Sixteen unlike pieces of eight seconds, made by milonga's guide (``tools/make_others.py``). Only
their sketches are shipped, in five bits a value, the levels in decibels.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.pairs.sketch import Sketch

FILE = "others.npz"
_STEP_DB, _STEPS = 1.0, 31
_TOP_DB = 20.0


def packed(sketches: Mapping[str, Sketch]) -> bytes:
    """Pack sketches as the file's bytes; of the bands whole decibels, of the rest the roots."""
    arrays: dict[str, NDArray[np.generic]] = {"names": np.array(list(sketches))}
    for index, one in enumerate(sketches.values()):
        arrays[f"bands{index}"] = np.clip((_TOP_DB - one.bands) / _STEP_DB, 0, 255).astype("u1")
        for name, track in (("onsets", one.onsets), ("pitch", one.pitch)):
            top = float(track.max(initial=0)) or 1.0
            arrays[f"{name}{index}"] = np.round(np.sqrt(track / top) * _STEPS).astype("u1")
            arrays[f"{name}{index}top"] = np.array([top], dtype=np.float32)
        arrays[f"rest{index}"] = np.array([one.seconds, one.groups])
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


@cache
def others() -> dict[str, Sketch]:
    """Load the sketches by the style of each."""
    with np.load(io.BytesIO(files(__package__).joinpath(FILE).read_bytes())) as stored:
        found = {}
        for index, name in enumerate(stored["names"].tolist()):
            seconds, groups = stored[f"rest{index}"].tolist()
            parts = {
                part: (stored[f"{part}{index}"].astype(np.float32) / _STEPS) ** 2
                * stored[f"{part}{index}top"]
                for part in ("onsets", "pitch")
            }
            bands = _TOP_DB - _STEP_DB * stored[f"bands{index}"].astype(np.float32)
            found[name] = Sketch(seconds, int(groups), bands, **parts, channels=None)
    return found
