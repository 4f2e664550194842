"""What this processor can do, by LLVM's names: ``fma``, ``avx2``, ``avx512f``, ``neon``."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

_off: tuple[str, ...] = ()

_ARM = {
    "bf16": ("bf16", "FEAT_BF16"),
    "dotprod": ("asimddp", "FEAT_DotProd"),
    "i8mm": ("i8mm", "FEAT_I8MM"),
}
"""Features that LLVM knows but doesn't look for on ARM: their names in Linux and macOS.

Source: the kernel's "ARM64 ELF hwcaps"; Apple's "Determining instruction set characteristics"."""

_CPUINFO = Path("/proc/cpuinfo")


def machine() -> str:
    """Name the kind of processor: ``x86_64``, ``arm64`` or another."""
    found = platform.machine().lower()
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(found, found)


def name() -> str:
    """Name the processor as LLVM does, such as ``znver4``."""
    import llvmlite.binding as llvm

    return str(llvm.get_host_cpu_name())


def features() -> dict[str, bool]:
    """List the features that LLVM knows of, and which of them are there.

    Raises:
        ImportError: llvmlite isn't installed.
    """
    return {key: there and not key.startswith(_off) for key, there in _host_features().items()}


@functools.cache
def _host_features() -> dict[str, bool]:
    import llvmlite.binding as llvm

    found = dict(llvm.get_host_cpu_features().items())
    if machine() == "arm64":
        found |= dict.fromkeys(_found_on_arm(), True)
    return found


def _found_on_arm() -> set[str]:
    if sys.platform == "darwin":
        return {name for name, (_, apples) in _ARM.items() if _has_apples(apples)}
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    # Cores may differ: only what all of them can do.
    cores = [set(line.split()) for line in text.splitlines() if line.startswith("Features")]
    there = set.intersection(*cores) if cores else set()
    return {name for name, (linux, _) in _ARM.items() if linux in there}


def _has_apples(feature: str) -> bool:
    found, size = ctypes.c_int(0), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
    failed = ctypes.CDLL(None).sysctlbyname(
        f"hw.optional.arm.{feature}".encode(), ctypes.byref(found), ctypes.byref(size), None, 0
    )
    return not failed and bool(found.value)


def target() -> str:
    """Write the features as LLVM reads them: ``+avx2,-avx512f``."""
    return ",".join(sorted(f"{'+' if there else '-'}{key}" for key, there in features().items()))


def has(feature: str) -> bool:
    """Check for one feature; there is none without llvmlite."""
    try:
        return features().get(feature, False)
    except ImportError:
        return False


@contextlib.contextmanager
def without(*prefixes: str) -> Iterator[None]:
    """Act as a processor that lacks the features whose names begin so, for tests.

    It holds for engines that are made meanwhile, in every thread: ``without("avx512")`` gives
    those of a processor with AVX2.
    """
    global _off
    before = _off
    _off = (*before, *prefixes)
    try:
        yield
    finally:
        _off = before
