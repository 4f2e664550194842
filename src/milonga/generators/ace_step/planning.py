"""A plan for a take, as the generator makes it: what keeps it from one, its needs, its codes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from milonga import weights
from milonga.compute.products.precision import BYTES
from milonga.errors import GeneratorError, Problem
from milonga.generators.ace_step.checkpoints import CODES, AceStepShape
from milonga.generators.ace_step.prompts import planner_texts
from milonga.generators.base import Licence, Request
from milonga.generators.neural.calibration import memory_speed
from milonga.generators.neural.loading import hashes_of, licences_of
from milonga.generators.neural.outlook import RenderOutlook, offline_problem, speed_on, weights_size
from milonga.generators.neural.precision import PrecisionChoice
from milonga.runtime.progress import Progress
from milonga.runtime.words import size_text
from milonga.weights import LocalWeights

if TYPE_CHECKING:
    from milonga.generators.ace_step.planner import Planner

KEY = "ace-step-planner"
_READ = 0.5e9
"""Numbers that each code takes of the smallest planner."""
_OVERHEAD = 2.0
"""Time of a code, relative to reading these."""
_BESIDE = 1.0e9
"""Bytes in use beside its weights: the libraries, and what it remembers."""


def planned(request: Request, wanted: bool) -> bool:
    """Tell if a take gets a plan: an edit has a recording to follow."""
    return wanted and request.edit is None


def codes_for(shape: AceStepShape, frames: int) -> int:
    """Codes that fill so many latent frames."""
    return math.ceil(frames / shape.pool)


def planner_problems(name: str, shape: AceStepShape) -> Iterable[Problem]:
    """Find what keeps a checkpoint from a plan.

    Raises:
        MilongaError: the planner's name is none, or its files are damaged.
    """
    if not shape.codes:
        yield Problem(
            f"A plan needs the parts {' and '.join(CODES)}, which this checkpoint lacks.",
            "planner",
            step="Use a checkpoint that has them, such as ace-step.",
        )
    missing = weights.locate(name, like=KEY) is None
    if missing and (problem := offline_problem(name)):
        yield replace(problem, where="planner_model")


def with_planner(
    seen: RenderOutlook, name: str, device: str, precision: PrecisionChoice, count: int
) -> RenderOutlook:
    """Add the planner to the outlook of a take.

    Args:
        seen: without it.
        name: of the planner.
        device: as asked for.
        precision: as asked for.
        count: of codes.
    """
    local = weights.locate(name, like=KEY)
    size = weights_size(name, local)
    each = speed_on(device, planning_work(name))
    if each is None and device in ("auto", "cpu"):
        bits = BYTES["float32" if precision == "float32" else "bfloat16"]
        each = _OVERHEAD * _READ * bits / memory_speed()
    estimate = seen.estimate_s
    if estimate is not None and each is not None:
        estimate += each * count
    memory = seen.memory
    if memory is not None and size is not None:
        memory = max(memory, size + _BESIDE)
    if local is not None:
        files = f"its files are on this machine ({size_text(size or 0)})"
    else:
        text = "its files" if size is None else f"about {size_text(size)}"
        files = f"not on this machine yet; the first take downloads {text}"
    terms = licences_of(local, name, KEY)[0]
    note = f"{name} plans the takes: {files}; licence {terms.name}."
    return replace(
        seen, estimate_s=estimate, memory=memory, notes=(*seen.notes, note),
        download=0 if local is not None else size or 0,
    )  # fmt: skip


def planning_work(name: str) -> str:
    """Name the writing of a code for the calibration."""
    return f"ace-step planning, {name}"


@dataclass
class Planning:
    """The planner that was brought, and the last plan.

    Attributes:
        name: as the user calls it.
        local: its files.
        hashes: SHA-256 of each.
        said: of the last plan, for the receipt.
    """

    name: str
    local: LocalWeights
    hashes: dict[str, str]
    said: str = ""
    _planner: Planner | None = None

    @classmethod
    def bring(cls, name: str, progress: Progress) -> Planning:
        """Find a planner, or download it.

        Raises:
            MilongaError: it can't be had, or its files are damaged.
            Cancelled: the user stopped it.
        """
        local = weights.ensure(name, like=KEY, progress=progress)
        kind = weights.load_json(local.folder / "config.json").get("model_type")
        if kind != "qwen3":
            raise GeneratorError(
                f"{name} is no planner of ACE-Step: its config.json says {kind!r}.",
                where=local.folder,
                step=f"Use ace-step.planner_model={KEY}.",
            )
        return cls(name, local, hashes_of(local, progress))

    @property
    def licences(self) -> tuple[Licence, ...]:
        return licences_of(self.local, self.name, KEY)

    def codes(
        self,
        request: Request,
        shape: AceStepShape,
        count: int,
        device: str,
        precision: PrecisionChoice,
        progress: Progress,
    ) -> list[int]:
        """Plan a take.

        Args:
            request: what to plan.
            shape: of the checkpoint that follows the plan.
            count: of codes.
            device: where to compute.
            precision: as asked for.
            progress: shows the codes, and stops them.

        Raises:
            GeneratorError: the files are damaged, or of another kind.
            Cancelled: the user stopped it.
        """
        from milonga.generators.ace_step.planner import Planner

        if self._planner is None:
            self._planner = Planner(self.local.folder, self.name, device, precision, shape.codebook)
        planner = self._planner
        found = planner.plan(*planner_texts(request), count, request.seed, progress)
        listed = " ".join(map(str, found))
        self.said = f"Planned by {self.name} in {planner.dtype_name}, codes: {listed}."
        return found
