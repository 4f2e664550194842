"""ACE-Step's planner: a language model that writes five codes a second for the transformer.

Text and codes are one chat. The facts are known here, so the model isn't asked to think of them;
of its answer only codes are allowed, as many as the take is long. Each is drawn from the odds with
the facts, moved away from those without them.

Source: ACE-Step 1.5 (arXiv:2602.00744), and its program for the texts and the settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga.errors import GeneratorError
from milonga.generators.neural.cancelling import cancellable
from milonga.generators.neural.loading import WHOLE
from milonga.generators.neural.parts import TakingTurns, load_mapped, pack
from milonga.generators.neural.precision import (
    PrecisionChoice,
    choose_precision,
    confirm_speeds,
    dtype_for,
    published_precision,
)
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import fold

if TYPE_CHECKING:
    import torch

CODES_PER_SECOND = 5
GUIDANCE, TEMPERATURE, TOP_P = 2.0, 0.85, 0.9
"""As its authors' program has them."""
_DRAWN = 3 * 2**32
"""Added to a seed, so that these aren't the numbers that the music begins with."""


class Planner(TakingTurns):
    """A language model that plans takes.

    Args:
        folder: of its files.
        name: what the user calls it.
        device: ``cpu``, ``cuda:0``, ``mps``.
        wanted: precision; on a processor ``auto`` is as published, since no trial is made of it.
        codes: how many there are to choose from.

    Raises:
        GeneratorError: its tokenizer hasn't so many.
    """

    def __init__(
        self, folder: Path, name: str, device: str, wanted: PrecisionChoice, codes: int
    ) -> None:
        super().__init__(folder, name, device, dtype_for(device, wanted))
        if device == "cpu":
            confirm_speeds()
            asked: PrecisionChoice = "published" if wanted == "auto" else wanted
            self.precision = choose_precision(asked, published_precision(folder), name).precision
        self.codes = codes
        self._words = self._tokenizer()
        first, last = (self._words.token_to_id(f"<|audio_code_{n}|>") for n in (0, codes - 1))
        if first is None or last != first + codes - 1:
            raise GeneratorError(
                f"{name} has no {codes} codes of music, and the checkpoint has.",
                where=folder,
                step="Use ace-step.planner_model=ace-step-planner.",
            )
        self._first = int(first)

    @property
    def dtype_name(self) -> str:
        """Precision of its weights, in words."""
        if self.device == "cpu":
            return self.precision
        return str(self.dtype).removeprefix("torch.")

    def load(self, part: str) -> Any:
        """The network, without the odds of anything but codes."""
        from torch import nn
        from transformers import AutoModelForCausalLM

        model = load_mapped(AutoModelForCausalLM, self.folder, self.name)
        head = nn.Linear(model.lm_head.in_features, self.codes, bias=False)
        rows = slice(self._first, self._first + self.codes)
        head.weight = nn.Parameter(model.lm_head.weight.data[rows].clone(), requires_grad=False)
        model.lm_head = head
        if self.device == "cpu":
            pack(model, self.precision, "few")
            return model
        return model.to(self.dtype)

    def plan(self, told: str, untold: str, count: int, seed: int, progress: Progress) -> list[int]:
        """Write codes.

        Args:
            told, untold: from ``prompts.planner_texts``.
            count: of codes.
            seed: of the request.
            progress: shows the codes; asked in every layer whether to stop.

        Raises:
            GeneratorError: the files are damaged.
            Cancelled: the user stopped it.
        """
        import torch
        from transformers import DynamicCache

        generator = torch.Generator().manual_seed(fold(seed + _DRAWN))
        ids = [self._words.encode(text, add_special_tokens=False).ids for text in (told, untold)]
        longest = max(map(len, ids))
        # What is put before the shorter one is not looked at.
        seen = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in ids])
        put = torch.tensor([[0] * (longest - len(one)) + one for one in ids])
        found: list[int] = []
        with (
            torch.inference_mode(),
            self.at_work("planner") as model,
            cancellable(model, progress),
            progress.task(f"Planning, {count} codes", count, "codes") as task,
        ):
            device, kind = self.device, self.dtype
            cache: Any = DynamicCache()
            put, seen = put.to(device), seen.to(device)
            while len(found) < count:
                embedded = model.get_input_embeddings()(put).to(kind)
                places = (seen.cumsum(1) - 1).clamp(min=0)[:, -put.shape[1] :]
                # By place: the library has renamed them.
                states = model.model(None, seen, places, cache, embedded, use_cache=True)[0]
                states = states[:, -1:]
                with_facts, without = model.lm_head(states)[:, 0].float().cpu()
                code = drawn(without + GUIDANCE * (with_facts - without), generator)
                found.append(code)
                put = torch.full((2, 1), self._first + code, device=device)
                seen = torch.cat([seen, seen.new_ones(2, 1)], dim=1)
                task.advance()
        return found

    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        path = self.folder / "tokenizer.json"
        try:
            return Tokenizer.from_file(str(path))
        except Exception as error:  # the library has no class for it
            raise GeneratorError(
                f"The tokenizer of {self.name} can't be loaded: {error}.",
                where=path,
                step=WHOLE.format(name=self.name),
            ) from error


def drawn(odds: torch.Tensor, generator: torch.Generator) -> int:
    """Draw a code from the likeliest ones that together have a share of ``TOP_P``.

    Args:
        odds: logits, ``[codes]``.
        generator: on the processor.
    """
    import torch

    ordered, places = torch.sort(odds, descending=True)
    shares = torch.softmax(ordered, dim=0)
    # The code that reaches the share counts, too.
    kept = int((shares.cumsum(0) - shares < TOP_P).sum())
    chances = torch.softmax(ordered[: max(1, kept)] / TEMPERATURE, dim=0)
    return int(places[torch.multinomial(chances, 1, generator=generator)])
