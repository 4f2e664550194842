"""Models' files that a node gets from the head of its cluster, once.

On the head an actor reads what its cache holds; a node's workers ask it (``weights.peers``) before
they ask the hub. Pieces go through Ray's object store, a few megabytes at a time.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from milonga.errors import MilongaError
from milonga.runtime.config import load_config
from milonga.runtime.progress import Progress
from milonga.weights import local
from milonga.weights.cache import records
from milonga.weights.cache.layout import RepoCache
from milonga.weights.cache.records import DownloadRecord, FileRecord
from milonga.weights.ensure import roots
from milonga.weights.selection import Files
from milonga.weights.sources import ModelSource

_ANSWER_S = 120.0


class WeightsActor:
    """Reads the files of complete downloads in the caches of its node, and nothing else."""

    def offer(self, repo: str, revision: str, needed: Any, wanted: Any) -> dict[str, Any] | None:
        """Describe a complete download; None without one."""
        files = Files(tuple(map(tuple, needed)), tuple(wanted))
        source = ModelSource(repo, files, repo, revision)
        for cache in _caches(repo):
            found = local.find(source, cache)
            if found is None:
                for commit, paths in local.leftovers(source, cache, any_commit=False):
                    found = local.adopt(source, cache, commit, paths, Progress(), unchecked=False)
            if found is not None:
                return asdict(found)
        return None

    def read(self, repo: str, commit: str, path: str, start: int, size: int) -> bytes | None:
        """Read a piece of a file of a download that is on record; None for any other."""
        for cache in _caches(repo):
            for _, record in records.every(cache):
                if record.commit == commit and path in record.files:
                    with open(cache.pointer(commit, path), "rb") as file:
                        file.seek(start)
                        return file.read(size)
        return None


def _caches(repo: str) -> list[RepoCache]:
    return [RepoCache(root, repo) for root in roots(None, load_config())]


class HeadPeer:
    """The head, as a worker of another node asks it.

    Args:
        actor: a ``WeightsActor`` there.
    """

    name = "the head of the cluster"

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def offer(self, repo: str, revision: str, files: Files) -> DownloadRecord | None:
        try:
            told = self._asked(self._actor.offer.remote(repo, revision, files.needed, files.wanted))
        except OSError:
            return None
        if told is None:
            return None
        sizes = {path: FileRecord(**file) for path, file in told["files"].items()}
        return DownloadRecord(**{**told, "files": sizes})

    def read(self, repo: str, commit: str, path: str, start: int, size: int) -> bytes:
        piece: bytes | None = self._asked(self._actor.read.remote(repo, commit, path, start, size))
        if piece is None or len(piece) != size:
            raise OSError("it hasn't got them any more")
        return piece

    def _asked(self, ref: Any) -> Any:
        import ray

        try:
            return ray.get(ref, timeout=_ANSWER_S)
        except (ray.exceptions.RayError, MilongaError, OSError) as error:
            raise OSError(str(error).partition("\n")[0]) from error


def weights_of_head(ray: Any, nodes: list[dict[str, Any]]) -> Any | None:
    """Start the actor on the head of a cluster; None where no other node could ask it."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    heads = [node["NodeID"] for node in nodes if "node:__internal_head__" in node["Resources"]]
    if len(nodes) < 2 or not heads:
        return None
    there = NodeAffinitySchedulingStrategy(heads[0], soft=False)
    return ray.remote(WeightsActor).options(
        num_cpus=0, max_concurrency=4, scheduling_strategy=there
    ).remote()  # fmt: skip
