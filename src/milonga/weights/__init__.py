"""Models' files: where they come from, how they get here, whether they are still whole.

``ensure_weights(key)`` is what a part of milonga calls; the command is ``milonga weights``.
"""

from milonga.weights.catalogue import CATALOGUE, Entry, Licence, entry
from milonga.weights.ensure import (
    Options,
    ensure,
    ensure_bigvgan_weights,
    ensure_weights,
    locate,
)
from milonga.weights.loading import load_array, load_checkpoint, load_json
from milonga.weights.local import LocalWeights

__all__ = [
    "CATALOGUE",
    "Entry",
    "Licence",
    "LocalWeights",
    "Options",
    "ensure",
    "ensure_bigvgan_weights",
    "ensure_weights",
    "entry",
    "load_array",
    "load_checkpoint",
    "load_json",
    "locate",
]
