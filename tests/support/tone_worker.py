"""A generator for tests of workers, and their program: quick, and as wicked as its options say."""

import os
import signal
import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from milonga.audio.clip import Clip
from milonga.generators.base import Assessment, Generator, Model
from milonga.generators.registry import GENERATORS, KnownGenerator
from milonga.jobs.cluster.actor import TakeActor
from milonga.jobs.local import process
from milonga.weights import ensure_weights


def _workers(folder):
    return {line.split()[2] for line in (folder / "who.txt").read_text().splitlines()}


class Tone(Generator):
    """A tone whose pitch is its seed."""

    name: ClassVar[str] = "tone"
    roles: ClassVar = frozenset(("vocals", "backing", "instrumental", "texture", "song"))
    length: ClassVar[str] = "exact"
    any_sound: ClassVar[bool] = True

    class Options(Generator.Options):
        folder: str = ""
        """Takes note here who rendered them; ``die-*`` kills, ``freeze-*`` stops a process."""
        model: str = "a"
        device: str = "cpu"
        wait_for: str = ""
        work_s: float = 0.0
        weights: str = ""
        """A repository whose files it needs."""

    def assess(self, request):
        return Assessment(estimate_s=1.0, memory=1000)

    def model(self):
        return Model(name=self.options.model)

    def render(self, request, progress=None):
        folder = Path(self.options.folder)
        if self.options.weights:
            ensure_weights(self.options.weights, progress=progress)
        if self.options.folder:
            with open(folder / "who.txt", "a") as file:
                file.write(f"{self.options.model} {request.seed} {os.getpid()}\n")
            # A worker that is slow to start still gets a take.
            for order in folder.glob("together-*"):
                while len(_workers(folder)) < int(order.name.rpartition("-")[2]):
                    time.sleep(0.02)
            for pattern, kind in (("die-*", signal.SIGKILL), ("freeze-*", signal.SIGSTOP)):
                for orders in sorted(folder.glob(pattern))[:1]:
                    orders.unlink()
                    os.kill(os.getpid(), kind)
        while self.options.wait_for and not Path(self.options.wait_for).exists():
            progress.check()
            time.sleep(0.01)
        end = time.process_time() + self.options.work_s
        while time.process_time() < end:
            progress.check()
        rate = 8000
        at = np.arange(round(request.seconds * rate)) / rate
        noise = np.random.default_rng(request.seed).standard_normal(len(at))
        wave = 0.2 * np.sin(2 * np.pi * (200 + 10 * request.seed) * at) + 0.05 * noise
        return Clip(np.stack([wave, 0.9 * wave]).astype(np.float32), rate)


class ToneActor(TakeActor):
    """The actor of a node that knows the generator, too, since this module is its home."""


GENERATORS["tone"] = KnownGenerator("tone_worker:Tone", "guide", "a tone")

if __name__ == "__main__":
    import tone_worker  # noqa: F401

    process.main()
