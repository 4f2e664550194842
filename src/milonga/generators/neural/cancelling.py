"""Cancelling inside a model's work, without changing the model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    import torch


@contextlib.contextmanager
def cancellable(
    model: torch.nn.Module, progress: Progress, also: tuple[type[torch.nn.Module], ...] = ()
) -> Iterator[None]:
    """Within the block, asks before every block of the model whether the user wants to stop.

    One step of a large model can take many seconds on a processor, one of its blocks doesn't.
    Blocks are the entries of the model's module lists: the layers of transformers and the stages
    of codecs.

    Args:
        model: asked in its blocks.
        progress: knows of the user's wish.
        also: kinds of modules that ask, too, where a block alone takes long.

    Raises:
        Cancelled: from within the model's own call; the hooks are gone then.
    """
    import torch

    def check(*_: Any) -> None:
        progress.check()

    handles = []
    watched: list[Any] = [each for each in model.modules() if hasattr(each, "watch")]
    try:
        for module in watched:
            module.watch = progress.check
        for module in model.modules():
            if isinstance(module, torch.nn.ModuleList):
                handles += [block.register_forward_pre_hook(check) for block in module]
            if isinstance(module, also):
                handles.append(module.register_forward_pre_hook(check))
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module in watched:
            module.watch = None
