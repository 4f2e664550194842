"""Models' files: download, verification, safe loading.

``ensure_weights(key)`` is what a part of milonga calls; the command is ``milonga weights``.
"""

from milonga.weights.catalogue import CATALOGUE, KnownModel, Licence, known_model
from milonga.weights.ensure import (
    WeightsOptions,
    ensure,
    ensure_bigvgan_weights,
    ensure_weights,
    locate,
)
from milonga.weights.inventory import InventoryRow, list_weights, remove_weights
from milonga.weights.loading import load_array, load_checkpoint, load_json
from milonga.weights.local import LocalWeights
from milonga.weights.verification import Verification, verify_weights

__all__ = [
    "CATALOGUE",
    "InventoryRow",
    "KnownModel",
    "Licence",
    "LocalWeights",
    "Verification",
    "WeightsOptions",
    "ensure",
    "ensure_bigvgan_weights",
    "ensure_weights",
    "known_model",
    "list_weights",
    "load_array",
    "load_checkpoint",
    "load_json",
    "locate",
    "remove_weights",
    "verify_weights",
]
