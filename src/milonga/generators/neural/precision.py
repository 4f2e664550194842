"""Precision of a diffusion model's weights on a processor: what was asked for, what the processor
is quick at, and what the model in hand bears.

int8 is tried before ``auto`` takes it: a short take in both precisions. The errors are kept in the
calibration, so a model is tried once on a machine, and receipts name them.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from milonga.compute.products.precision import SPEED, Precision, quick_precisions, why_slow
from milonga.generators.neural.calibration import compute_speed, keep_figure, known_figure
from milonga.generators.neural.loading import names_of
from milonga.generators.neural.trials import Try, compare
from milonga.runtime.documents import parse_json
from milonga.runtime.progress import Progress
from milonga.runtime.tensor_file import LARGEST_HEADER
from milonga.weights import LocalWeights

if TYPE_CHECKING:
    import torch

    from milonga.compute.products.making import LayerMaker

PrecisionChoice = Literal["published", "auto", "float32", "bfloat16", "int8"]

LARGEST_VELOCITY_ERROR = 0.02
"""Of the norm: what ``auto`` accepts of int8 in one step."""
LARGEST_MEL_DISTANCE = 0.5
"""Decibels: what ``auto`` accepts of int8 in a short take."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The precision that a model is loaded in.

    Attributes:
        precision: of its weights.
        reason: why it isn't the one that was asked for, or what the trial found; may be empty.
        open: only a trial can tell whether int8 is good enough.
    """

    precision: Precision
    reason: str = ""
    open: bool = False


def foreseen(
    wanted: PrecisionChoice,
    name: str,
    local: LocalWeights | None,
    device: str,
    published: Precision,
    elsewhere: str,
) -> tuple[Chosen, str]:
    """Choose the precision of a plan, and say it.

    Args:
        wanted: the option.
        name: of the model, as the user calls it.
        local: its files, if they are here.
        device: as asked for.
        published: precision that the network's weights came in.
        elsewhere: precision on an accelerator.

    Returns:
        The choice on a processor, and the words for the plan.
    """
    chosen = choose_precision(wanted, published, key_of(name, local))
    words = chosen.precision + (f" ({chosen.reason})" if chosen.reason else "")
    if device == "auto":
        return chosen, f"{words}, or {elsewhere} on a graphics card"
    return chosen, words if device == "cpu" else elsewhere


class LoadedPrecision:
    """The precision of a network that an engine loads on a processor.

    Args:
        wanted: the option.
        folder: of the network's files.
        key: from ``key_of``.
        device: where the engine computes; elsewhere than on a processor all this is not used.

    Attributes:
        chosen: what to load.
        notes: what a receipt says of it.
    """

    def __init__(self, wanted: PrecisionChoice, folder: Path, key: str, device: str) -> None:
        self.chosen = Chosen("float32")
        self._asked = wanted, published_precision(folder), key
        if device == "cpu":
            confirm_speeds()
            self.chosen = choose_precision(*self._asked)

    @property
    def notes(self) -> tuple[str, ...]:
        return (self.chosen.reason,) if self.chosen.reason else ()

    def settle(self, trial: Try, progress: Progress) -> None:
        """Choose by a trial.

        Raises:
            Cancelled: the user stopped it.
        """
        self.chosen = settle(*self._asked, trial, progress)


def dtype_for(device: str, wanted: PrecisionChoice) -> torch.dtype:
    """Choose the numbers of the transformer: never float16, whose range it leaves.

    On a processor what goes in and out is float32; elsewhere bfloat16, where the device computes
    in it.
    """
    import torch

    if device == "cpu":
        return torch.float32
    if wanted in ("float32", "bfloat16"):
        return torch.float32 if wanted == "float32" else torch.bfloat16
    if device.startswith("cuda"):
        able = torch.cuda.get_device_capability(device) >= (8, 0) or torch.version.hip is not None
        return torch.bfloat16 if able else torch.float32
    try:
        torch.ones(2, 2, dtype=torch.bfloat16, device=device) @ torch.ones(
            2, 2, dtype=torch.bfloat16, device=device
        )
    except (RuntimeError, TypeError):
        # Systems of Apple's before macOS 14.
        return torch.float32
    return torch.bfloat16


@contextlib.contextmanager
def layer_maker(
    precision: Precision, name: str, source: str, progress: Progress | None = None
) -> Iterator[LayerMaker]:
    """Make the layers of a network in a precision; those in int8 come from a stored copy.

    Args:
        precision: of the weights.
        name: of the network, for the copy's file.
        source: hash of its files; empty for no copy.
        progress: asked before every layer whether to stop.
    """
    if precision == "int8" and source:
        from milonga.compute.products.stored import copy_file, open_copy

        with open_copy(copy_file(name, source), source, progress) as maker:
            yield maker
    else:
        from milonga.compute.products.making import LayerMaker

        yield LayerMaker(precision, progress)


def precision_option() -> Any:
    """Make the option ``precision`` of a generator."""
    return Field(
        default="published",
        description="Numbers of the network on a processor: published (as the checkpoint came, "
        "where the processor is quick at that), float32, bfloat16, int8 (fastest, least memory), "
        "auto (int8 where a short trial finds it as good). Another precision gives another take.",
    )


def published_precision(folder: Path) -> Precision:
    """Read the precision that most weights of a folder's safetensors files have, from their heads;
    float32 where there are none."""
    sizes: dict[str, int] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            with open(path, "rb") as handle:
                length = int.from_bytes(handle.read(8), "little")
                head = parse_json(handle.read(min(length, LARGEST_HEADER)))
            for name, entry in head.items():
                if name != "__metadata__":
                    first, last = entry["data_offsets"]
                    sizes[entry["dtype"]] = sizes.get(entry["dtype"], 0) + last - first
    most = max(sizes, key=lambda kind: sizes[kind], default="F32")
    return "bfloat16" if most in ("BF16", "F16") else "float32"


def choose_precision(wanted: PrecisionChoice, published: Precision, key: str) -> Chosen:
    """Choose for a processor, as far as that is known without loading anything.

    Args:
        wanted: the option.
        published: of the checkpoint.
        key: from ``key_of``.
    """
    usual = _quick(published, why_slow_here(published))
    if wanted == "published":
        return usual
    if wanted != "auto":
        found = _quick(wanted, why_slow(wanted))
        if found.precision == "int8" and (errors := known_errors(key)) is not None:
            return Chosen("int8", _figures(errors))
        return found
    if (slow := why_slow_here("int8")) is not None:
        return Chosen(usual.precision, f"not int8: {slow}")
    if (errors := known_errors(key)) is None:
        return Chosen(usual.precision, "int8, where a short trial finds it as good", open=True)
    if good_enough(errors):
        return Chosen("int8", _figures(errors))
    return Chosen(usual.precision, f"not int8: {_figures(errors)}")


def settle(
    wanted: PrecisionChoice, published: Precision, key: str, trial: Try, progress: Progress
) -> Chosen:
    """Choose for a processor; where only a trial can tell, make it.

    Args:
        wanted, published, key: as for ``choose_precision``.
        trial: makes a short take.
        progress: shows the trial, and stops it.

    Raises:
        Cancelled: the user stopped it; the next render tries again.
    """
    chosen = choose_precision(wanted, published, key)
    if not chosen.open:
        return chosen
    with progress.task(f"Trying int8 beside {chosen.precision}"):
        errors = compare(trial, chosen.precision)
    for figure, value in zip(_names(key), errors, strict=True):
        # The calibration keeps positive numbers.
        keep_figure(figure, max(value, 1e-9))
    chosen = choose_precision(wanted, published, key)
    progress.message(f"{chosen.precision}: {chosen.reason}.")
    return chosen


def good_enough(errors: tuple[float, float]) -> bool:
    """Tell if ``auto`` takes int8 with these errors."""
    return errors[0] <= LARGEST_VELOCITY_ERROR and errors[1] <= LARGEST_MEL_DISTANCE


def known_errors(key: str) -> tuple[float, float] | None:
    """The errors of int8 that a trial on this machine found; None before."""
    velocity, mel = (known_figure(name) for name in _names(key))
    return None if velocity is None or mel is None else (velocity, mel)


def key_of(name: str, local: LocalWeights | None) -> str:
    """Name a model's files for the calibration: other files of the same name are another model."""
    if local is None:
        return name
    sizes = [f"{file} {(local.folder / file).stat().st_size}" for file in names_of(local)]
    text = "\n".join([local.commit or "", *sizes])
    return f"{name} {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def why_slow_here(precision: Precision) -> str | None:
    """Explain why a precision isn't worth it here: the processor lacks the instructions, or was
    measured to be no quicker; None if it is worth it."""
    if (reason := why_slow(precision)) is not None:
        return reason
    measured, plain = (known_figure(speed_name(one)) for one in (precision, "float32"))
    if precision != "float32" and measured and plain and measured < plain:
        return f"this processor was measured to be no quicker at {precision} than at float32"
    return None


def confirm_speeds() -> None:
    """Measure products in each precision, once on a machine: a tenth of a second in all. They take
    turns, and the best counts: the machine may have other work."""
    import torch

    from milonga.compute.products.linear import make_linear

    wanted = quick_precisions()
    if all(known_figure(speed_name(one)) is not None for one in wanted):
        return
    rows, inputs, outputs = 256, 1024, 1024
    x, took = torch.ones(rows, inputs), dict.fromkeys(wanted, math.inf)
    layers = {one: make_linear(torch.ones(outputs, inputs), None, one) for one in wanted}
    with torch.inference_mode():
        for _ in range(12):
            for one, layer in layers.items():
                begun = time.perf_counter()
                layer(x)
                took[one] = min(took[one], time.perf_counter() - begun)
    for one, seconds in took.items():
        keep_figure(speed_name(one), 2 * rows * inputs * outputs / max(seconds, 1e-6))


def speed_name(precision: str) -> str:
    """Name the operations per second of torch's products for the calibration."""
    return f"operations per second, {precision}"


def speed_of(precision: Precision) -> float:
    """Operations per second in a precision: as measured, else guessed from numpy's in float32."""

    measured = known_figure(speed_name(precision))
    return measured if measured is not None else compute_speed() * SPEED[precision]


def _quick(precision: Precision, slow: str | None) -> Chosen:
    if slow is None:
        return Chosen(precision)
    return Chosen("float32", f"not {precision}: {slow}")


def _names(key: str) -> tuple[str, str]:
    return f"int8 velocity error, {key}", f"int8 log-mel distance, {key}"


def _figures(errors: tuple[float, float]) -> str:
    return f"int8 is off by {errors[0]:.2%} in a step and {errors[1]:.2f} dB in a short take"
