"""Health check of the vocoder, for ``milonga doctor``."""

from __future__ import annotations

from collections.abc import Iterator

from milonga._installed import install_command
from milonga.runtime.devices import torch_installed
from milonga.runtime.health import HealthContext, HealthFinding, ok, warning


def vocoder_kernels(context: HealthContext) -> Iterator[HealthFinding]:
    """Check that the compiled kernels work here; plain torch is several times slower."""
    if context.keys and not any(key.startswith("bigvgan") for key in context.keys):
        return
    if not torch_installed():
        return
    from milonga.compute.convolutions.kernels.available import describe_kernels, why_no_kernels

    reason = why_no_kernels()
    if reason is None:
        yield ok(f"BigVGAN on the CPU: {describe_kernels()}.")
        return
    yield warning(
        f"BigVGAN on the CPU runs through plain torch, several times slower: {reason}.",
        f"Run: {install_command('models')}" if "installed" in reason else "",
    )
