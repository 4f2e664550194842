"""The memory of the compiled steps: keys and values as their attention reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from milonga.compute.tokens.plain import Memory

if TYPE_CHECKING:
    import torch

    from milonga.compute.tokens.description import Description


class FastMemory(Memory):
    """Keys and values as the compiled attention reads them; rows keep their slots.

    Keys are ``[slots, heads, blocks, width of a head, 16]``, values
    ``[slots, heads, places, width of a head]``.
    """

    def __init__(
        self, description: Description, rows: int, places: int, kind: torch.dtype,
        check: Callable[[], None],
    ) -> None:  # fmt: skip
        import torch

        blocks = -(-places // 16)
        heads, width = description.heads, description.head_width
        count = len(description.blocks)
        self.keys = torch.empty(count, rows, heads, blocks, width, 16, dtype=kind)
        self.values = torch.empty(count, rows, heads, blocks * 16, width, dtype=kind)
        self.length, self.slots, self.check = 0, torch.arange(rows), check
        self.text, self.seen = [], None
        self.text_keys: torch.Tensor | None = None
        self.text_values: torch.Tensor | None = None
        self.step: Any = None

    def add(
        self, block: int, key: torch.Tensor, value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        places = key.shape[2]
        if self.length:
            raise ValueError("Several places at once go only into an empty memory.")
        pack(key, self.keys[block])
        self.values[block, :, :, :places] = value
        if self.values.dtype != torch.float32 and places > 1:
            return key.to(self.values.dtype), value.to(self.values.dtype)
        return key, value

    def keep(self, rows: torch.Tensor) -> None:
        self.slots = self.slots[rows]
        if self.seen is not None:
            self.seen = self.seen[rows]
        self.step = None


def pack(keys: torch.Tensor, target: torch.Tensor) -> None:
    """Put keys ``[rows, heads, places, width]`` into blocks of 16 places, from the first on."""
    import torch

    rows, heads, places, width = keys.shape
    blocks = -(-places // 16)
    padded = torch.nn.functional.pad(keys, (0, 0, 0, blocks * 16 - places))
    target[:, :, :blocks] = padded.view(rows, heads, blocks, 16, width).transpose(3, 4)


def where(tensor: torch.Tensor | None) -> int:
    """The address of a tensor's numbers for a kernel; 0 for none."""
    return 0 if tensor is None else tensor.data_ptr()
