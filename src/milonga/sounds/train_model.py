"""A sound model from folders of recordings: inspection, store, training and library in one.

The folder ``training`` of a model holds what goes on after an interruption::

    inspected.json           the recordings as last inspected, so that they aren't read again
    corpus.json              what the model in the library has learnt from
    session.json             the training that runs, or ran last
    start.safetensors        the model that a training with more recordings began with
    store/, checkpoint...    mels, and the state of the training
    previews/                what the model sounded like on the way
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict

from milonga._version import __version__
from milonga.errors import CorpusError, MissingExtraError, ModelFileError, SoundError
from milonga.runtime.files import dump_json, write_text
from milonga.runtime.progress import Progress
from milonga.sounds.corpus.inspection import Corpus
from milonga.sounds.corpus.mel_store import STORE, MelStore
from milonga.sounds.library.generated import generated, marked
from milonga.sounds.library.library import MODEL, Library, SavedModel
from milonga.sounds.model.file import MEL_SPEC, LearntCorpus, ModelHeader, load, sound_hash

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from milonga.sounds.training.settings import TrainSettings

PREVIEWS = "previews"
_KEPT_PREVIEWS = 20
_START = "start.safetensors"

SIZES: dict[str, dict[str, Any]] = {
    "normal": {},
    "small": {"latent": 16, "widths": (32, 40, 48, 64), "blocks": (1, 1, 1, 1), "hidden": 32},
}
"""Networks by name: fields of ``Architecture`` that aren't the usual ones. The small one is for
trying things out: a twentieth of the parameters."""

Tell = Callable[[Corpus], None]
T = TypeVar("T", bound=BaseModel)


class _Session(BaseModel):
    """A training: what must be the same for it to go on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = 1
    adds: bool
    fingerprint: str
    fixed: dict[str, Any]
    done: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A trained model.

    Attributes:
        entry: in the library.
        corpus: all that it has learnt from.
        record: of the training; ``earlier_recordings`` in it says what more recordings did to
            the ones before.
        trained: False where the very same training had been done before.
    """

    entry: SavedModel
    corpus: Corpus
    record: dict[str, Any]
    trained: bool


def make_model(
    name: str,
    folder: Path | None = None,
    *,
    add: Sequence[Path] = (),
    settings: TrainSettings | None = None,
    restart: bool = False,
    library: Library | None = None,
    progress: Progress | None = None,
    inspected: Tell | None = None,
) -> Made:
    """Trains a model and puts it into the library; the same call goes on after an interruption.

    Args:
        name: in the library.
        folder: of recordings. With ``add`` it may be left out: the model's own are known.
        add: folders that a model that is there goes on with.
        settings: budget and method.
        restart: forget an earlier model or training of that name, once this one is trained.
        library: by default the user's.
        progress: shows it, and may cancel.
        inspected: is told of the corpus before the training starts.

    Raises:
        CorpusError: there is too little to learn from, or nothing new.
        SoundError: the name is that of another model, or the recordings or settings differ from
            those of the unfinished training; says in what.
        MissingExtraError: torch isn't installed.
        Cancelled: the user stopped it; it can go on.
    """
    try:
        from milonga.sounds.training.settings import TrainSettings
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("milonga"):
            raise
        raise MissingExtraError("Training a sound model", "sounds") from error
    if folder is None and not add:
        raise SoundError("There is no folder of recordings to learn from.")
    library = library or Library()
    with library.training(name) as work:
        making = _Making(
            library, library.path_of(name).name, work, settings or TrainSettings(),
            progress or Progress(),
        )  # fmt: skip
        return making.run(folder, add, restart, inspected or (lambda corpus: None))


class _Making:
    def __init__(
        self,
        library: Library,
        name: str,
        work: Path,
        settings: TrainSettings,
        progress: Progress,
    ) -> None:
        self._library, self._name, self._work = library, name, work
        self._settings, self._progress = settings, progress
        self._model = work.parent / MODEL

    def run(self, folder: Path | None, add: Sequence[Path], restart: bool, inspected: Tell) -> Made:
        if restart:
            self._forget()
        session = _read(self._work / "session.json", _Session)
        base = _read(self._work / "corpus.json", Corpus)
        if add and not self._model.exists():
            raise SoundError(
                f"There is no model {self._name!r} yet that could learn more.",
                step="Give the folder alone, without --add.",
            )
        corpus = self._inspect(folder, add, base)
        inspected(corpus)
        corpus.check()
        wanted = _Session(
            adds=bool(add), fingerprint=corpus.fingerprint, fixed=_plain(self._settings.fixed())
        )
        if session is not None and session.model_copy(update={"done": False}) == wanted:
            if session.done and self._model.exists():
                entry = self._library.model(self._name)
                record = entry.header.training if entry.header is not None else {}
                return Made(entry, corpus, record, trained=False)
        else:
            self._check_may_begin(session, wanted, restart)
            self._begin(wanted)
        if add and base is not None and corpus.fingerprint == base.fingerprint:
            raise CorpusError(
                "These folders hold nothing that the model hasn't learnt from.",
                where=", ".join(map(str, add)),
            )
        return self._train(corpus, base if add else None, wanted)

    def _inspect(self, folder: Path | None, add: Sequence[Path], base: Corpus | None) -> Corpus:
        known = _read(self._work / "inspected.json", Corpus)
        corpus = base if add else None
        chosen = generated(self._work.parent)
        named = {place.absolute() for place in add}
        more_places = (*add, *((chosen,) if chosen and chosen.absolute() not in named else ()))
        for place in (*((folder,) if folder is not None else ()), *more_places):
            more = Corpus.inspect(place, known=known, progress=self._progress)
            corpus = more if corpus is None else corpus.joined(more)
        assert corpus is not None
        corpus = marked(corpus, self._work.parent)
        write_text(self._work / "inspected.json", corpus.model_dump_json())
        return corpus

    def _check_may_begin(self, session: _Session | None, wanted: _Session, restart: bool) -> None:
        """Whether a new training may take this place."""
        if restart:
            return
        if session is not None and not session.done:
            raise SoundError(
                f"An unfinished training of {self._name!r} is here, and this one differs: "
                f"{_differences(session, wanted)}.",
                where=self._work,
                step="Repeat its command to go on with it; --restart begins anew; or choose "
                "another --name.",
            )
        if self._model.exists() and not wanted.adds:
            about = f" ({_differences(session, wanted)})" if session is not None else ""
            raise SoundError(
                f"There is a model {self._name!r} already, from another training{about}.",
                where=self._model,
                step="--add FOLDER goes on from it with more recordings, --restart replaces it; "
                "or choose another --name.",
            )

    def _forget(self) -> None:
        for path in self._work.iterdir():
            if path.name.startswith(".lock"):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _begin(self, wanted: _Session) -> None:
        from milonga.sounds.training.checkpoint import FILE

        (self._work / FILE).unlink(missing_ok=True)
        shutil.rmtree(self._work / PREVIEWS, ignore_errors=True)
        if wanted.adds:
            shutil.copyfile(self._model, self._work / _START)
        write_text(self._work / "session.json", dump_json(wanted.model_dump(mode="json")))

    def _train(self, corpus: Corpus, base: Corpus | None, session: _Session) -> Made:
        from milonga.sounds.training.checkpoint import FILE
        from milonga.sounds.training.trainer import train

        store = MelStore.build(
            corpus,
            self._work / STORE,
            seed=self._settings.seed,
            progress=self._progress,
        )
        start: tuple[ModelHeader, dict[str, torch.Tensor]] | None = None
        previous = None
        if session.adds:
            start = load(self._work / _START)
            if base is not None:
                old = {file.sha256 for file in base.files}
                previous = store.restricted(
                    {index for index, file in enumerate(corpus.files) if file.sha256 in old}
                )
        architecture, tensors, record, controls = train(
            store,
            self._work,
            self._settings,
            self._progress,
            None if start is None else (start[0].model_dump(mode="json"), start[1]),
            previous=previous,
            preview=self._preview,
        )
        earlier = self._earlier(start)
        header = ModelHeader(
            name=self._name,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            mel_spec=MEL_SPEC.to_dict(),
            corpus=LearntCorpus.model_validate(corpus.summary()),
            architecture=architecture,
            training={"milonga": __version__, **record, "lineage": lineage(start, self._work)},
            controls=controls,
            tags=earlier.tags if earlier else (),
            notes=earlier.notes if earlier else "",
            licence=earlier.licence if earlier else "",
        )
        entry = self._library.save(self._name, header, tensors)
        write_text(self._work / "corpus.json", corpus.model_dump_json())
        done = session.model_copy(update={"done": True})
        write_text(self._work / "session.json", dump_json(done.model_dump(mode="json")))
        for leftover in (FILE, _START):
            (self._work / leftover).unlink(missing_ok=True)
        return Made(entry, corpus, header.training, trained=True)

    def _earlier(
        self, start: tuple[ModelHeader, dict[str, torch.Tensor]] | None
    ) -> ModelHeader | None:
        """The header of the model that this one replaces: its tags and notes are the user's."""
        if start is not None:
            return start[0]
        with suppress(ModelFileError):
            return load(self._model)[0]
        return None

    def _preview(self, mel: NDArray[np.float32], step: int) -> None:
        from milonga import audio
        from milonga.audio import Clip
        from milonga.vocoders import get_vocoder

        folder = self._work / PREVIEWS
        vocoder = get_vocoder("griffin-lim", "cpu", spec=MEL_SPEC, iterations=16)
        wave = vocoder.mel_to_waveform(mel)
        clip = Clip(wave[0], MEL_SPEC.sample_rate)
        audio.write(folder / f"step-{step:06d}.wav", clip, on_clip="level")
        for old in sorted(folder.glob("step-*.wav"))[:-_KEPT_PREVIEWS]:
            old.unlink()
        self._progress.message(f"Preview: {folder / f'step-{step:06d}.wav'}")


def lineage(start: tuple[ModelHeader, Any] | None, work: Path) -> list[str]:
    """The models that this one was trained on from, the nearest first, by how they sound."""
    if start is None:
        return []
    earlier = start[0].training.get("lineage", [])
    return [sound_hash(work / _START), *(earlier if isinstance(earlier, list) else [])]


def _differences(before: _Session | None, wanted: _Session) -> str:
    if before is None:
        return "no record of how it was trained is there"
    found = []
    if before.adds != wanted.adds:
        found.append("it " + ("adds" if before.adds else "doesn't add") + " recordings to a model")
    if before.fingerprint != wanted.fingerprint:
        found.append("its recordings are others")
    for key in sorted({*before.fixed, *wanted.fixed}):
        old, new = before.fixed.get(key), wanted.fixed.get(key)
        if old != new:
            found.append(f"{key} was {old}, now {new}")
    return "; ".join(found) or "it is the same"


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives it back."""
    found: dict[str, Any] = json.loads(json.dumps(values))
    return found


def _read(path: Path, kind: type[T]) -> T | None:
    """A record of an earlier run; None where it isn't there or can't be read."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None
