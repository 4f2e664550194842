"""What this processor can do, by LLVM's names: ``fma``, ``avx2``, ``avx512f``, ``neon``."""

from __future__ import annotations

import contextlib
import functools
import platform
from collections.abc import Iterator

_off: tuple[str, ...] = ()


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

    return dict(llvm.get_host_cpu_features().items())


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
