"""The authors' names of tensors, and the same tensors under a library's names.

What is wanted of a file is fully known from the configuration: names and shapes. A tensor that is
missing, has another shape or isn't in the table is an error that names it; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from milonga.errors import GeneratorError

if TYPE_CHECKING:
    import torch

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Table:
    """The names of a part's tensors in the authors' file.

    Attributes:
        beginnings: the library's beginning of a name, and the authors'; the first that fits counts.
        middles: the library's piece of a name, and the authors', each wherever it stands.
        prefixes: beginnings of all names in the file that belong to the part.
    """

    beginnings: tuple[tuple[str, str], ...]
    middles: tuple[tuple[str, str], ...] = ()
    prefixes: tuple[str, ...] = ()

    def published(self, name: str) -> str:
        """The authors' name of a tensor.

        Args:
            name: the library's.

        Raises:
            KeyError: the table has none.
        """
        for begun, theirs in self.beginnings:
            if name.startswith(begun):
                found = theirs + name.removeprefix(begun)
                break
        else:
            raise KeyError(name)
        for middle, theirs in self.middles:
            found = found.replace(middle, theirs)
        return found


def convert(
    table: Table,
    tensors: Mapping[str, torch.Tensor],
    wanted: Mapping[str, torch.Size],
    excused: Callable[[str, torch.Tensor], bool] = lambda name, tensor: False,
    *,
    what: str,
    where: Path,
    step: str,
) -> dict[str, torch.Tensor]:
    """The tensors of a part under the library's names, as the file has them.

    Args:
        table: of the part.
        tensors: all of the file.
        wanted: shape of each tensor of the part, by the library's name.
        excused: tells of a tensor of the part that isn't wanted if it may be there.
        what: the part, for people.
        where: the file.
        step: what to use instead.

    Raises:
        GeneratorError: a tensor is lacking, has another shape, or is unknown.
    """
    found: dict[str, torch.Tensor] = {}
    faults: list[str] = []
    used: set[str] = set()
    for ours, shape in wanted.items():
        theirs = table.published(ours)
        used.add(theirs)
        tensor = tensors.get(theirs)
        if tensor is None:
            faults.append(f"{theirs} is missing")
        elif tensor.shape != shape:
            faults.append(f"{theirs} is {list(tensor.shape)}, not {list(shape)}")
        else:
            found[ours] = tensor
    rest = _belonging(table, tensors.keys() - used)
    faults += [f"{name} is unknown" for name in rest if not excused(name, tensors[name])]
    if faults:
        more = f" and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        raise GeneratorError(
            f"{what} can't be converted: {', '.join(sorted(faults)[:_NAMED])}{more}.",
            where=where,
            step=step,
        )
    return found


def _belonging(table: Table, names: Collection[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(table.prefixes))
