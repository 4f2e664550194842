"""Generators that load a checkpoint: the part that is the same for each of them."""

from __future__ import annotations

import hashlib
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from milonga import weights
from milonga.audio.clip import Clip
from milonga.errors import GeneratorError, MilongaError, Problem, require_extra
from milonga.generators.base import Assessment, Generator, Model, Request, problem_of, refuse
from milonga.generators.neural.calibration import keep_figure, known_figure, learn_speed
from milonga.generators.neural.loading import (
    hashes_of,
    licences_of,
    loading_explained,
    machine_explained,
    refuse_absurd,
)
from milonga.generators.neural.outlook import (
    RenderOutlook,
    access_problem,
    notes_of,
    offline_problem,
    speed_on,
    weights_size,
)
from milonga.generators.neural.reading import unread, unread_note
from milonga.runtime.devices import pick_device
from milonga.runtime.memory import peak_memory, resident_memory
from milonga.runtime.progress import Progress
from milonga.weights import LocalWeights

_BESIDE_SPEED = 1e9
"""Bytes of a model's files that are loaded in a second, before that was measured."""
_LITTLE = 1.2e9
"""Bytes of a process that holds libraries, but no other model."""


class LoadedEngine(Protocol):
    """A loaded network that renders."""

    @property
    def dtype(self) -> str:
        """Precision of its weights, such as ``float32``."""


EngineT = TypeVar("EngineT", bound=LoadedEngine)


def checkpoints_of(generator: str) -> tuple[str, ...]:
    """List the catalogue's models of a generator."""
    used_by = f"generator {generator}"
    return tuple(key for key, model in weights.CATALOGUE.items() if model.used_by == used_by)


def checkpoint_option(generator: str, default: str) -> Any:
    """Make the option ``model`` of a generator: a checkpoint of the catalogue, or another."""
    listed = ", ".join(checkpoints_of(generator))
    return Field(
        default=default,
        min_length=1,
        description=f"The checkpoint: {listed}; or a repository (owner/name) or folder with one "
        "of the same kind.",
    )


class CheckpointGenerator(Generator, Generic[EngineT]):
    """A generator whose model is a checkpoint of the catalogue, or another of the same kind.

    A subclass says which checkpoints are its own (the class attributes and ``check``), what it
    can't render (``problems``), what a render takes (``outlook``), how to load (``load``) and how
    to render (``make``).

    Raises:
        MissingExtraError: the extra 'models' isn't installed.
    """

    title: ClassVar[str]
    """Name of the model, for people."""
    like: ClassVar[str]
    """Model of the catalogue whose files others must have, too."""
    use: ClassVar[str] = ""
    """Advice where a model of another kind was chosen; empty to list the catalogue's."""
    less_memory: ClassVar[str]
    """Advice where memory is short."""
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    loading: ClassVar[str] = "Loading"
    tokenizer: ClassVar[str] = "tokenizer.json"
    """File of the model that tells which letters it can read."""
    multilingual: ClassVar[bool] = False
    """True where that file alone can tell."""

    class Options(Generator.Options):
        """Settings that every such generator has."""

        model: str
        device: str = Field(
            default="auto",
            description="Where to compute: auto (the best that works), cpu, cuda, cuda:1, mps.",
        )

    options: Options

    def __init__(self, options: BaseModel | None = None) -> None:
        super().__init__(options)
        require_extra(f"The generator {self.name!r}", "models", self.libraries)
        self._engine: EngineT | None = None
        self._local: LocalWeights | None = None
        self._model: Model | None = None
        self._hashes: dict[str, str] = {}
        self._dropped: tuple[str, ...] = ()
        self._learnt_s = 0.0
        self._access: tuple[Problem | None, str | None] | None = None

    # What a subclass says.

    @abstractmethod
    def outlook(self, request: Request, local: LocalWeights | None) -> RenderOutlook:
        """Foresee memory and time of a render that has no problem."""

    @abstractmethod
    def load(self, local: LocalWeights, device: str) -> EngineT:
        """Load the network from checked files."""

    @abstractmethod
    def make(self, engine: EngineT, request: Request, progress: Progress) -> Clip:
        """Render a request that has no problem."""

    def remake(
        self,
        engine: EngineT,
        request: Request,
        source: Clip,
        reference: Clip | None,
        progress: Progress,
    ) -> Clip:
        """Make an edit that has no problem; of a generator that has ``tasks``."""
        raise NotImplementedError

    def bring(self, progress: Progress) -> None:
        """Bring what else the options name, such as a second model.

        Raises:
            MilongaError: it can't be had.
            Cancelled: the user stopped it.
        """

    def check(self, local: LocalWeights) -> None:
        """Refuse files of another model.

        Raises:
            GeneratorError: they are of another model.
            DamagedFileError: their configuration can't be read.
        """
        found = weights.load_json(local.folder / "config.json").get("model_type")
        if found != self.name:
            raise self.refused(local, f"its config.json says {found!r}")

    def refusal(self, name: str) -> GeneratorError | None:
        """Refuse a model by its name, as far as that tells."""
        if name in weights.CATALOGUE and name not in checkpoints_of(self.name):
            return GeneratorError(f"{name} is not {self._kind()}.", step=self._use())
        return None

    def problems(self, request: Request, local: LocalWeights | None) -> Iterable[Problem]:
        """Find what keeps this model from rendering a request."""
        return ()

    def notes(self, request: Request, local: LocalWeights | None) -> Iterable[str]:
        """Say what the plan should tell about a request."""
        return ()

    # What follows from it.

    def refused(self, local: LocalWeights, reason: str) -> GeneratorError:
        """The error for files of another model."""
        return GeneratorError(
            f"{local.source.name} is not {self._kind()}: {reason}.",
            where=local.folder,
            step=self._use(),
        )

    def find(self) -> LocalWeights | None:
        """Find the model's files if they are on this machine, and check them.

        Raises:
            MilongaError: the name is of another kind of model, or the files are, or are damaged.
        """
        name = self.options.model
        if (error := self.refusal(name)) is not None:
            raise error
        local = weights.locate(name, like=self.like)
        if local is not None:
            with loading_explained(name, local.folder, name):
                self.check(local)
                refuse_absurd(local)
        return local

    def assess(self, request: Request) -> Assessment:
        """Check a request and the model's files. Loads nothing.

        Problems: what ``problems`` finds; a checkpoint of another kind, damaged, or not here while
        the network is switched off or the hub refuses it. Only for a gated model that isn't here
        the hub is asked, once.
        """
        name = self.options.model
        try:
            local = self.find()
            # A configuration that is there may hold anything.
            with loading_explained(name, local.folder, name) if local else nullcontext():
                return self._assess(request, local)
        except MilongaError as error:
            where = "model" if error.where is None else f"model, {error.where}"
            return Assessment(problems=(*self.problems(request, None), problem_of(error, where)))

    def _assess(self, request: Request, local: LocalWeights | None) -> Assessment:
        name = self.options.model
        problems, general = list(self.problems(request, local)), []
        if local is None:
            unreachable, note = self._reachable()
            problems += [unreachable] if unreachable else []
            general += [note] if note else []
        if problems:
            return Assessment(problems=tuple(problems))
        seen = self._with_learnt(self.outlook(request, local), local)
        licences = licences_of(local, name, self.like)
        return Assessment(
            notes=(*self.notes(request, local), *self._unread(request, local)),
            general=(*notes_of(name, local, licences, self.options.device, seen), *general),
            estimate_s=seen.estimate_s,
            memory=None if seen.memory is None else round(seen.memory),
            download=seen.download + (0 if local else weights_size(name, None) or 0),
        )

    def render(self, request: Request, progress: Progress | None = None) -> Clip:
        return self._made(request, progress or Progress(), self.make)

    def edit(
        self,
        request: Request,
        source: Clip,
        reference: Clip | None = None,
        progress: Progress | None = None,
    ) -> Clip:
        if request.edit is None or request.edit.task not in self.tasks:
            return super().edit(request, source, reference, progress)

        def remake(engine: EngineT, request: Request, progress: Progress) -> Clip:
            return self.remake(engine, request, source, reference, progress)

        return self._made(request, progress or Progress(), remake)

    def _made(
        self,
        request: Request,
        progress: Progress,
        make: Callable[[EngineT, Request, Progress], Clip],
    ) -> Clip:
        elsewhere = f"Set {self.name}.device=cpu."
        with machine_explained(self.options.model, self.less_memory, elsewhere):
            engine = self._engine
            alone = engine is None and (resident_memory() or _LITTLE) < _LITTLE
            if engine is None:
                refuse(self.problems(request, self.find()))
                engine = self._load(progress)
            refuse(self.problems(request, self._local))
            self._dropped = self._unread(request, self._local)
            for note in self._dropped:
                progress.message(note)
            self._learnt_s, begun = 0.0, time.perf_counter()
            clip = make(engine, request, progress)
            self._learn_rest(time.perf_counter() - begun, alone)
            return clip

    def model(self) -> Model:
        model = self._model or Model(name=self.options.model)
        engine: Any = self._engine
        said = getattr(engine, "notes", ())
        update: dict[str, Any] = {"notes": (*model.notes, *said, *self._dropped)}
        if engine is not None:
            # What a first take tried may have changed it.
            update["dtype"] = engine.dtype
        return model.model_copy(update=update)

    def digest_of(self, part: str) -> str:
        """Hash the hashes of the weights in a folder of the model, while it is loaded."""
        files = [
            f"{name} {digest}"
            for name, digest in sorted(self._hashes.items())
            if name.startswith(f"{part}/") and name.endswith(".safetensors")
        ]
        return hashlib.sha256("\n".join(files).encode()).hexdigest()

    def learn(self, work: str, units: float, seconds: float) -> None:
        """Keep how long ``units`` of ``work`` took on this device."""
        learn_speed(f"{work}, {self.model().device}", units, seconds)
        self._learnt_s += seconds

    @contextmanager
    def learning(self, work: str, units: float) -> Iterator[None]:
        """Keep how long the block took for ``units`` of ``work`` on this device."""
        begun = time.perf_counter()
        yield
        self.learn(work, units, time.perf_counter() - begun)

    def _learn_rest(self, seconds: float, alone: bool) -> None:
        """Keep what a take took beside the work that has a name, and what memory it needed.

        Args:
            seconds: of all of the take.
            alone: whether the process held nothing large before, whose memory would count.
        """
        device = self.model().device
        learn_speed(f"{self._beside()}, {device}", 1, seconds - self._learnt_s)
        if alone and device == "cpu" and (peak := peak_memory()) is not None:
            figure = self._memory(self.model().dtype)
            keep_figure(figure, max(peak, known_figure(figure) or 0))

    def _beside(self) -> str:
        """Name what a take does beside its steps for the calibration: loading, reading texts."""
        return f"{self.name} beside, {self.options.model}"

    def _memory(self, precision: str) -> str:
        """Name the memory of a take on a processor for the calibration."""
        return f"{self.name} memory, {self.options.model}, {precision}"

    def _with_learnt(self, seen: RenderOutlook, local: LocalWeights | None) -> RenderOutlook:
        """Add what earlier takes on this machine have shown: time beside the steps, memory."""
        device, size = self.options.device, weights_size(self.options.model, local) or 0
        estimate, memory = seen.estimate_s, seen.memory
        if estimate is not None:
            rest = speed_on(device, self._beside())
            estimate += size / _BESIDE_SPEED if rest is None else rest
        if memory is not None and device in ("auto", "cpu"):
            memory = max(memory, known_figure(self._memory(seen.precision)) or 0)
        return replace(seen, estimate_s=estimate, memory=memory)

    def exactly(self, samples: NDArray[np.float32], rate: int, seconds: float) -> Clip:
        """Cut ``[channels, samples]`` to the length that was asked for.

        Raises:
            GeneratorError: there are fewer.
        """
        wanted = round(seconds * rate)
        if samples.shape[1] < wanted:
            raise GeneratorError(
                f"{self.title} made {samples.shape[1] / rate:g} s in place of {seconds:g} s."
            )
        return Clip(samples[:, :wanted], rate, copy=False)

    def _unread(self, request: Request, local: LocalWeights | None) -> tuple[str, ...]:
        """Say what of a request's texts the model can't read."""
        path = None if local is None else self._tokenizer(local)
        if self.multilingual and (path is None or not path.is_file()):
            return ()
        pieces = unread(path, self.prompts(request))
        return (unread_note(self.title, pieces),) if pieces else ()

    def _kind(self) -> str:
        return f"{'an' if self.title[0] in 'AEIOU' else 'a'} {self.title} model"

    def _tokenizer(self, local: LocalWeights) -> Path:
        return local.folder / self.tokenizer

    def _use(self) -> str:
        return self.use or f"Use one of: {', '.join(checkpoints_of(self.name))}."

    def _reachable(self) -> tuple[Problem | None, str | None]:
        name = self.options.model
        if problem := offline_problem(name):
            return problem, None
        if not (weights.CATALOGUE.get(name) or weights.known_model(self.like)).gated:
            return None, None
        if self._access is None:
            self._access = access_problem(name, self.like)
        return self._access

    def _load(self, progress: Progress) -> EngineT:
        name = self.options.model
        local = weights.ensure(name, like=self.like, progress=progress)
        self.check(local)
        refuse_absurd(local)
        device = pick_device(self.options.device)
        hashes = hashes_of(local, progress)
        self._hashes = hashes
        self.bring(progress)
        progress.check()
        with (
            progress.task(f"{self.loading} {name}"),
            loading_explained(name, local.folder, name),
        ):
            engine = self.load(local, device)
        progress.check()
        self._engine, self._local = engine, local
        self._model = Model(
            name=name,
            repo=local.repo,
            revision=local.commit,
            files=hashes,
            libraries={lib: version(lib) for lib in (*self.libraries, "tokenizers")},
            device=device,
            engine=getattr(engine, "engine", "torch"),
            dtype=engine.dtype,
            licences=licences_of(local, name, self.like),
        )
        return engine
