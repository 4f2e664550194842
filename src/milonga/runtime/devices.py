"""Devices that models run on, tried before they are used.

A device that torch lists can still fail at its first operation (a driver that is too old, an
architecture that the build has no code for), so a device counts only after a small computation
on it agreed with the processor's.
"""

from __future__ import annotations

import functools
from importlib.util import find_spec

from milonga.errors import DeviceError, MissingExtraError


def torch_installed() -> bool:
    """Tell if torch could be imported, without importing it."""
    return find_spec("torch") is not None


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

    try:
        generator = torch.Generator().manual_seed(0)
        signal = torch.randn(1, 4, 64, generator=generator)
        kernel = torch.randn(4, 4, 5, generator=generator)
        expected = torch.nn.functional.conv1d(signal, kernel)
        found = torch.nn.functional.conv1d(signal.to(device), kernel.to(device)).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        return first.rstrip(".")
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
