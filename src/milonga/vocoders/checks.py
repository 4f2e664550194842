"""What ``milonga doctor`` finds out about the vocoder."""

from __future__ import annotations

from collections.abc import Iterator

from milonga.runtime.checks import Context, Finding
from milonga.runtime.devices import torch_installed


def vocoder_kernels(context: Context) -> Iterator[Finding]:
    """Whether the compiled kernels work here, or plain torch has to do."""
    if context.keys and not any(key.startswith("bigvgan") for key in context.keys):
        return
    if not torch_installed():
        return
    from milonga.vocoders.bigvgan.kernels import describe_kernels, why_no_kernels

    reason = why_no_kernels()
    if reason is None:
        yield Finding("vocoder", "ok", f"BigVGAN on the CPU: {describe_kernels()}.")
        return
    yield Finding(
        "vocoder",
        "warning",
        f"BigVGAN on the CPU runs through plain torch, several times slower: {reason}.",
        "Run: pip install 'milonga[models]'" if "installed" in reason else "",
    )
