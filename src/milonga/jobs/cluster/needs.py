"""What a worker of a cluster needs, and how many of them its nodes hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from milonga.errors import ClusterError
from milonga.jobs.takes.dealer import largest_of
from milonga.runtime.words import size_text
from milonga.songs.rendering.planned import PlannedTake
from milonga.workflows.batches import BatchOrder


@dataclass(frozen=True, slots=True)
class Need:
    """What the actor of a model takes from its node.

    Attributes:
        cpus: processor cores.
        gpus: graphics cards.
        memory: bytes; 0 where that isn't known.
    """

    cpus: int = 1
    gpus: int = 0
    memory: int = 0

    def on(self, resources: dict[str, Any]) -> int:
        """Return how many fit on a node."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory}
        counts = [int(resources.get(name, 0.0) // amount) for name, amount in wanted.items()
                  if amount]  # fmt: skip
        return min(counts)

    def __str__(self) -> str:
        parts = [f"{self.cpus} cores"]
        if self.gpus:
            parts.append("a graphics card")
        if self.memory:
            parts.append(f"{size_text(self.memory)} of memory")
        return ", ".join(parts)


def needs_of(
    takes: Sequence[PlannedTake], nodes: Sequence[dict[str, Any]]
) -> tuple[dict[str, Need], int]:
    """Return what each model needs, and how many actors of the most needy one the nodes hold.

    A graphics card is taken where a model is to run on one, or may and some node has one. On
    processors a worker gets the cores that remain where memory bounds their number.

    Raises:
        ClusterError: no node can ever meet a need; Ray itself would wait for ever.
    """
    cards = any(node["Resources"].get("GPU", 0) >= 1 for node in nodes)
    models = largest_of(takes)
    needs = {key: _need(take, cards, nodes) for key, take in models.items()}
    for key, need in needs.items():
        if not any(need.on(node["Resources"]) for node in nodes):
            raise ClusterError(
                f"No node of the cluster can render {models[key].generator.name}: it needs {need}.",
                step=f"Its nodes: {_described(nodes)}. Start one that can, or choose another "
                "device or model.",
            )
    hardest = min(needs.values(), key=lambda need: _held(need, nodes))
    return needs, _held(hardest, nodes)


def needs_of_sounds(
    order: BatchOrder, nodes: Sequence[dict[str, Any]]
) -> tuple[dict[str, Need], int]:
    """Return what playing a sound model needs, and how many actors for it the nodes hold.

    Raises:
        ClusterError: no node can ever meet it.
    """
    device = order.settings.device
    need = Need(gpus=int(device.startswith(("cuda", "mps"))))
    if not (held := _held(need, nodes)):
        raise ClusterError(
            f"No node of the cluster can play {order.stem}: it needs {need}.",
            step=f"Its nodes: {_described(nodes)}. Start one that can, or add --device cpu.",
        )
    return {str(order.plays_with["model"]): need}, held


def _need(take: PlannedTake, cards: bool, nodes: Iterable[dict[str, Any]]) -> Need:
    device = str(getattr(take.generator.options, "device", "cpu"))
    gpus = int(device.startswith(("cuda", "mps")) or (device == "auto" and cards))
    memory = take.memory or 0
    cpus = 1
    if memory and not gpus:
        for node in nodes:
            cores = int(node["Resources"].get("CPU", 0))
            fits = int(node["Resources"].get("memory", 0) // memory)
            if cores and fits:
                cpus = max(cpus, cores // min(cores, fits))
    # On a card, memory is the card's own, which Ray doesn't count.
    return Need(cpus, gpus, 0 if gpus else memory)


def _held(need: Need, nodes: Iterable[dict[str, Any]]) -> int:
    return sum(need.on(node["Resources"]) for node in nodes)


def _described(nodes: Iterable[dict[str, Any]]) -> str:
    found = []
    for node in nodes:
        has = node["Resources"]
        found.append(
            f"{node.get('NodeManagerHostname', '')} ({has.get('CPU', 0):.0f} cores, "
            f"{has.get('GPU', 0):.0f} graphics cards, {size_text(has.get('memory', 0))})"
        )
    return ", ".join(found)
