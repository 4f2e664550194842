"""The precision of a token model's weights: as asked for, or the quickest whose odds are as good.

A decoder reads its weights for every token, so fewer bits are quicker on every processor that the
compiled decoder runs on. ``auto`` tries them on the model in hand before the first take, and keeps
what it found in the calibration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from pydantic import Field

from milonga.compute.tokens.matrix import Precision
from milonga.generators.neural.calibration import keep_figure, known_figure
from milonga.runtime.progress import Progress
from milonga.weights import LocalWeights

LARGEST_DIVERGENCE = 0.01
"""Nats: what ``auto`` accepts on average between the odds of both precisions."""
TRIED: tuple[Precision, ...] = ("int8", "bfloat16")
"""From the quickest on."""
TRIAL_PROMPT = "Latin trap with bandoneón, 808 drums. bpm: 122. key: A minor."
"""What models of music are tried on."""
BITS: dict[str, int] = {"float32": 32, "bfloat16": 16, "float16": 16, "int8": 8}
"""Of a weight."""
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class Bits:
    """A precision, and why it was chosen; open where only a trial can tell."""

    precision: Precision
    reason: str = ""
    open: bool = False


def bits_option(usual: str = "float32") -> Any:
    """Make the option ``precision`` of a generator."""
    return Field(
        default="auto",
        description="Bits of the weights that are read for every token: auto (the fewest whose "
        "odds differ by less than 0.01 nats from float32's, measured before the first take; "
        f"{usual} elsewhere than on a processor), float32, bfloat16, int8.",
    )


def key_of_files(hashes: Mapping[str, str]) -> str:
    """Name a model by the hashes of its files, for the calibration."""
    return source_of_files(hashes)[:12]


def source_of_files(hashes: Mapping[str, str]) -> str:
    """Join the hashes of a model's files into one, for stored copies; empty without any."""
    return sha256("\n".join(sorted(hashes.values())).encode()).hexdigest() if hashes else ""


def choose_bits(wanted: str, usual: Precision, quick: bool, key: str | None) -> Bits:
    """Choose as far as it is known without a trial.

    Args:
        wanted: the option.
        usual: without a choice.
        quick: whether the compiled decoder computes.
        key: from ``key_of_files``; None where they aren't known yet.
    """
    if wanted != "auto":
        return Bits(_named(wanted))
    if not quick:
        return Bits(usual)
    said = []
    for precision in TRIED:
        error = None if key is None else known_figure(_figure(key, precision))
        if error is None:
            return Bits(usual, open=True)
        said.append(f"{precision} is off by {error:.2g} nats a token")
        if error <= LARGEST_DIVERGENCE:
            return Bits(precision, said[-1])
    return Bits(usual, "; ".join(said))


def settle_bits(
    wanted: str, usual: Precision, quick: bool, key: str, trial: Callable[[Precision], float],
    progress: Progress,
) -> Bits:  # fmt: skip
    """Choose; where only a trial can tell, make it, and keep what it found.

    Args:
        wanted, usual, quick, key: as for ``choose_bits``.
        trial: the divergence of a precision's odds from float32's, in nats.
        progress: shows the trial, and stops it.

    Raises:
        Cancelled: the user stopped it; the next take tries again.
    """
    chosen = choose_bits(wanted, usual, quick, key)
    if not chosen.open:
        return chosen
    for precision in TRIED:
        name = _figure(key, precision)
        found = known_figure(name)
        if found is None:
            with progress.task(f"Trying {precision} beside {usual}"):
                found = max(trial(precision), _SMALLEST)
            # What isn't a number is no good, either.
            found = found if found < 1e9 else 1e9
            keep_figure(name, found)
        if found <= LARGEST_DIVERGENCE:
            chosen = Bits(precision, f"{precision} is off by {found:.2g} nats a token")
            break
    else:
        chosen = choose_bits(wanted, usual, quick, key)
    chosen = replace(chosen, open=False)
    progress.message(f"{chosen.precision}: {chosen.reason}.")
    return chosen


def foreseen_bits(wanted: str, usual: Precision, local: LocalWeights | None, device: str) -> Bits:
    """The precision that a render will most likely take, without loading or hashing anything."""
    key = key_of_files(local.hashes) if local is not None and local.hashes else None
    return choose_bits(wanted, usual, device in ("auto", "cpu"), key)


def likely(chosen: Bits) -> tuple[Precision, ...]:
    """The precisions in which takes may have been made here before, the likeliest first."""
    return (*TRIED, chosen.precision) if chosen.open else (chosen.precision,)


def words_of(wanted: str, chosen: Bits) -> str:
    """The precision in words, for the plan."""
    if wanted != "auto" or not chosen.open:
        return chosen.precision
    return f"int8, bfloat16 or {chosen.precision} (the first take finds out which is good enough)"


def _figure(key: str, precision: str) -> str:
    # What int8 is has changed: what was found before says nothing of it now.
    which = "int8 with rounded windows" if precision == "int8" else precision
    return f"nats between the odds of {which} and float32, {key}"


def _named(wanted: str) -> Precision:
    known: dict[str, Precision] = {
        "float32": "float32", "bfloat16": "bfloat16", "float16": "float16", "int8": "int8",
    }  # fmt: skip
    return known[wanted]
