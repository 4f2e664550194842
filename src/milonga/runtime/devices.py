"""Devices that models run on, tried before they are used.

A device that torch lists can still fail at its first operation (a driver that is too old, an
architecture that the build has no code for), so a device counts only after a small computation
on it agreed with the processor's.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from milonga.errors import DeviceError, MissingExtraError
from milonga.runtime.memory import is_out_of_memory
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

Piece = TypeVar("Piece")

_SHORT, _LONG = 64, 70_000
"""Samples of the trials: some systems of Apple's refuse, or get wrong, convolutions of more than
65,536."""

_REFUSED = re.compile(
    r"\bMPS\b|canUse32BitIndexMath|CUDNN_STATUS_NOT_SUPPORTED|invalid configuration argument"
)
"""How torch says that a device has no code for this, or none for this length."""


def torch_installed() -> bool:
    """Tell if torch could be imported, without importing it."""
    return find_spec("torch") is not None


def core_count() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_count() -> int:
    """Return the threads that networks compute with in this process, without importing torch."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_num_threads"):
        return int(torch.get_num_threads())
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(asked) if asked.isdecimal() and int(asked) else core_count()


_lock, _held, _limits = threading.Lock(), 0, None


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let each product of NumPy's use one thread while the block runs, in all threads.

    OpenBLAS wakes its threads for vectors of 10,000 numbers already, and they wait for more in a
    loop: many short recordings took twice the processor's time, and a second worker gained nothing.
    Blocks may overlap; when the last one ends, all is as it was.
    """
    global _held, _limits
    with _lock:
        if not _held:
            from threadpoolctl import threadpool_limits

            _limits = threadpool_limits(1, "blas")
        _held += 1
    try:
        yield
    finally:
        with _lock:
            _held -= 1
            if not _held and _limits is not None:
                _limits.restore_original_limits()


def has_accelerator() -> bool:
    """Tell if the system shows a graphics card that torch may use, without importing torch."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any(Path("/dev", name).exists() for name in ("nvidia0", "kfd", "dxg"))


def device_names() -> list[str]:
    """List the devices that torch knows, the fastest kind first, ``cpu`` last.

    Raises:
        MissingExtraError: torch isn't installed.
    """
    if not torch_installed():
        raise MissingExtraError("Computing with models", "models")
    import torch

    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


@functools.cache
def fault_of(device: str) -> str | None:
    """Try a small computation on ``device``.

    Returns:
        None if it works, otherwise what went wrong.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    kernel = torch.randn(4, 4, 5, generator=generator)
    for length in (_SHORT, _LONG):
        signal = torch.randn(1, 4, length, generator=generator)
        expected = torch.nn.functional.conv1d(signal, kernel)
        try:
            found = torch.nn.functional.conv1d(signal.to(device), kernel.to(device)).cpu()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            if length == _LONG and is_refused(error):
                # Whoever computes something as long goes on in chunks.
                return None
            return _first_line(error)
        # Accelerators may compute in TF32, which keeps about three decimal digits.
        if not torch.allclose(found, expected, rtol=1e-2, atol=1e-2):
            return "it computes wrong results"
    return None


def pick_device(wanted: str = "auto") -> str:
    """Pick the device to compute on.

    Args:
        wanted: ``auto`` for the best that really works, or ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises:
        DeviceError: the wanted device isn't there or doesn't work.
        MissingExtraError: torch isn't installed.
    """
    names = device_names()
    if wanted == "auto":
        return next((name for name in names if name == "cpu" or fault_of(name) is None), "cpu")
    matching = [name for name in names if name == wanted or name.split(":")[0] == wanted]
    if not matching:
        raise DeviceError(
            f"There is no device {wanted!r} on this machine.",
            step=f"Use auto, or one of: {', '.join(names)}.",
        )
    fault = fault_of(matching[0])
    if fault is not None:
        raise DeviceError(
            f"The device {matching[0]!r} doesn't work: {fault}.",
            step="Use auto or cpu; for a graphics card, update its driver and torch.",
        )
    return matching[0]


def is_refused(error: BaseException) -> bool:
    """Tell if an accelerator can't compute something, or not at this length; the processor can."""
    return isinstance(error, (NotImplementedError, RuntimeError, TypeError)) and (
        _REFUSED.search(str(error)) is not None and not is_out_of_memory(error)
    )


def in_chunks(
    total: int,
    chunk: int,
    smallest: int,
    compute: Callable[[int, int], Piece],
    device: Callable[[], str],
    to_processor: Callable[[], object],
    progress: Progress,
) -> Iterator[tuple[int, int, Piece]]:
    """Compute a whole chunk by chunk: shorter ones where a device can't do more at once, and at
    last on the processor. Every such step is a message.

    Args:
        total: frames of the whole.
        chunk: frames to begin with.
        smallest: frames of a chunk that is not divided further.
        compute: makes the frames from the first to before the second.
        device: where that computes now.
        to_processor: moves it to the processor; False where another thread had done so.
        progress: gets the messages.

    Yields:
        The first frame, the one behind the last, and what they became.
    """
    at, size = 0, chunk
    while at < total:
        stop, used = min(at + size, total), device()
        try:
            piece = compute(at, stop)
        except Exception as error:
            # A processor refuses nothing.
            if not (is_out_of_memory(error) or (used != "cpu" and is_refused(error))):
                raise
            short = stop - at <= smallest
            if short and used == "cpu":
                raise
            reason = "ran out of memory"
            if not is_out_of_memory(error):
                reason = f"can't compute so much at once ({_first_line(error)})"
        else:
            yield at, stop, piece
            at = stop
            continue
        # The error, which holds the memory of what failed, is gone here.
        if short:
            size = chunk
            if to_processor() is not False:
                progress.message(f"{used} {reason}; going on on the CPU.")
        else:
            size = max(smallest, (stop - at) // 2)
            progress.message(f"{used} {reason}; going on in chunks of {size} frames.")


def device_of(module: torch.nn.Module) -> str:
    """Return the device that a network is on."""
    return str(next(module.parameters()).device)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
