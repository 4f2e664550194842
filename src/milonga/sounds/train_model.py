"""Training of a sound model into the library: recordings, mels, network, model file."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga._version import __version__
from milonga.audio.export.receipt import read_export_receipt
from milonga.errors import CorpusError, ModelFileError, ReceiptError, SoundError, needs_extra
from milonga.runtime.devices import pick_device
from milonga.runtime.files import check_writable, write_text
from milonga.runtime.progress import Progress
from milonga.sounds.corpus.inspection import Corpus
from milonga.sounds.corpus.mel_store import MelStore
from milonga.sounds.folder import ModelFolder
from milonga.sounds.library.generated import generated, marked
from milonga.sounds.library.library import Library
from milonga.sounds.library.saved_model import SavedModel
from milonga.sounds.mel_spec import MEL_SPEC
from milonga.sounds.model.file import load, read_header, sound_hash
from milonga.sounds.model.file import save as write_model
from milonga.sounds.model.header import LearntCorpus, ModelHeader
from milonga.sounds.model.provenance import joined_licence
from milonga.sounds.model.training_record import TrainingRecord
from milonga.sounds.training.run_state import TrainingState
from milonga.sounds.training.settings import TrainSettings

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    Model = tuple[ModelHeader, dict[str, torch.Tensor]]

_KEPT_PREVIEWS = 20

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A model in the library after a training.

    Attributes:
        model: in the library.
        corpus: all that it has learnt from.
        record: of the training; ``earlier_recordings`` in it says what more recordings did to
            the ones before.
        trained: False where the very same training had been done before.
    """

    model: SavedModel
    corpus: Corpus
    record: TrainingRecord
    trained: bool

    def _repr_html_(self) -> str:
        return self.model._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values, for JSON."""
        header = self.model.header
        return {
            "name": self.model.name,
            "model": str(self.model.model_path),
            "trained": self.trained,
            "corpus": self.corpus.to_dict(),
            "training": self.record.to_dict(),
            "controls": header.model_dump(mode="json")["controls"] if header is not None else {},
        }


def train_into_library(
    recordings: Paths,
    name: str,
    *,
    add: Paths = (),
    settings: TrainSettings | None = None,
    restart: bool = False,
    library: Library | None = None,
    progress: Progress | None = None,
    on_corpus: Callable[[Corpus], None] | None = None,
) -> TrainingResult:
    """Learn a sound model from recordings and put it into the library.

    WAV, FLAC, OGG, MP3 and AIFF are read, in a folder and all folders within. After an
    interruption the same call goes on where it was.

    Args:
        recordings: a folder, a recording, or several. With ``add`` they may be ``()``: those that
            the model has learnt from are known.
        name: in the library.
        add: likewise: recordings with which a model of the library goes on.
        settings: budget and method.
        restart: begin anew, beside an earlier model or training of that name, and take its place
            once this one is done; the same call goes on with it.
        library: by default the user's.
        progress: shows it, and may cancel.
        on_corpus: is given the corpus before the training starts.

    Raises:
        CorpusError: there is too little to learn from, or nothing new.
        SoundError: the name is that of another model, or the recordings or settings differ from
            those of the unfinished training; says in what.
        MissingExtraError: torch isn't installed.
        Cancelled: the user stopped it; it can go on.
    """
    with needs_extra("Training a sound model", "sounds"):
        import torch  # noqa: F401
    places, more = _listed(recordings), _listed(add)
    if not places and not more:
        raise SoundError("There is no folder of recordings to learn from.")
    library, settings = library or Library(), settings or TrainSettings()
    check_writable(library.path_of(name))
    settings = settings.model_copy(update={"device": pick_device(settings.device)})
    # With recordings to add, the model that is there stays anyway until the new one is whole.
    beside = restart and not more
    before = TrainingState.read(ModelFolder(library.path_of(name)).beside) if beside else None
    with library.training(name) as folder:
        run = _Run(library, folder.beside if beside else folder, settings, progress or Progress())
        # One that was killed while it took its place is there no more by now: it has taken it.
        before = TrainingState.read(run.folder) or before
        return run.train(places, more, before, restart, on_corpus or (lambda corpus: None))


class _Run:
    """A training.

    Args:
        folder: of the model, with the training that is meant.
    """

    def __init__(
        self, library: Library, folder: ModelFolder, settings: TrainSettings, progress: Progress
    ) -> None:
        self._library, self.folder = library, folder
        self._settings, self._progress = settings, progress

    def train(
        self,
        places: Sequence[Path],
        add: Sequence[Path],
        before: TrainingState | None,
        restart: bool,
        on_corpus: Callable[[Corpus], None],
    ) -> TrainingResult:
        folder = self.folder
        base = Corpus.kept(folder.corpus) if add else None
        if add and not folder.model.exists():
            raise SoundError(
                f"There is no model {folder.name!r} yet that could learn more.",
                step="Give the folder alone, without --add.",
            )
        corpus = self._inspect([*places, *add], base)
        on_corpus(corpus)
        corpus.check()
        fixed = json.loads(json.dumps(self._settings.fixed()))
        wanted = TrainingState(adds=bool(add), fingerprint=corpus.fingerprint, fixed=fixed)
        goes_on = before is not None and before.model_copy(update={"done": False}) == wanted
        if goes_on and before is not None and before.done and folder.model.exists():
            model = self._library.model(folder.name)
            record = model.header.record if model.header is not None else None
            if record is not None:
                return TrainingResult(model, corpus, record, trained=False)
        if not goes_on:
            if not restart:
                self._check_may_begin(before, wanted)
            if add and not self._news(corpus):
                raise CorpusError(
                    "These folders hold nothing that the model hasn't learnt from.",
                    where=", ".join(map(str, add)),
                )
            self._begin(wanted)
        write_text(folder.inspected, corpus.model_dump_json())
        return self._train(corpus, base, wanted)

    def _inspect(self, places: list[Path], base: Corpus | None) -> Corpus:
        known = Corpus.kept(self.folder.inspected)
        if known is None:
            known = Corpus.kept(ModelFolder(self.folder.path).inspected)
        chosen = generated(self.folder.path)
        if chosen is not None and chosen.absolute() not in {p.absolute() for p in places}:
            places.append(chosen)
        found = [Corpus.inspect(p, known=known, progress=self._progress) for p in places]
        corpus = functools.reduce(Corpus.joined, found if base is None else [base, *found])
        corpus = marked(corpus, self.folder.path)
        return corpus

    def _news(self, corpus: Corpus) -> bool:
        """Whether the model that is there lacks some of these recordings."""
        known = {file.sha256 for file in read_header(self.folder.model).corpus.files}
        return any(file.sha256 not in known for file in corpus.files)

    def _check_may_begin(self, before: TrainingState | None, wanted: TrainingState) -> None:
        """Check that a new training may take the place of what is there."""
        name = self.folder.name
        if before is not None and not before.done:
            raise SoundError(
                f"An unfinished training of {name!r} is here, and this one differs: "
                f"{before.differences(wanted)}.",
                where=self.folder.training,
                step="Repeat its command to go on with it; --restart begins anew; or choose "
                "another --name.",
            )
        if self.folder.model.exists() and not wanted.adds:
            about = f" ({before.differences(wanted)})" if before is not None else ""
            raise SoundError(
                f"There is a model {name!r} already, from another training{about}.",
                where=self.folder.model,
                step="--add FOLDER goes on from it with more recordings, --restart replaces it; "
                "or choose another --name.",
            )

    def _begin(self, wanted: TrainingState) -> None:
        self.folder.checkpoint.unlink(missing_ok=True)
        shutil.rmtree(self.folder.previews, ignore_errors=True)
        if self.folder.is_beside:
            shutil.rmtree(self.folder.training, ignore_errors=True)
        if wanted.adds:
            self.folder.training.mkdir(exist_ok=True)
            shutil.copyfile(self.folder.model, self.folder.start)
        wanted.write(self.folder)

    def _train(self, corpus: Corpus, base: Corpus | None, state: TrainingState) -> TrainingResult:
        from milonga.sounds.training.result import StartModel
        from milonga.sounds.training.train import train

        folder = self.folder
        store = MelStore.build(
            corpus, folder.store, seed=self._settings.seed, progress=self._progress
        )
        start = load(folder.start) if state.adds else None
        previous = None
        if base is not None:
            old = {file.sha256 for file in base.files}
            previous = store.restricted(
                {index for index, file in enumerate(corpus.files) if file.sha256 in old}
            )
        model = train(
            store,
            folder.training,
            self._settings,
            self._progress,
            None if start is None else StartModel(start[0].architecture, start[1]),
            previous=previous,
            preview=self._preview,
        )
        learnt = {track.file for track in store.tracks("train")}
        held_out = {file.sha256 for n, file in enumerate(corpus.files) if n not in learnt}
        record = model.record.model_copy(
            update={"milonga": __version__, "lineage": lineage(start, folder.start)}
        )
        header = ModelHeader(
            name=folder.name,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            mel_spec=MEL_SPEC.to_dict(),
            corpus=LearntCorpus.of(corpus, start[0].corpus if start else None, held_out),
            architecture=model.architecture,
            training=record.to_dict(),
            controls=model.controls,
        )
        header = self._inherited(header, start[0] if start else None, _licences(corpus))
        if folder.is_beside:
            write_model(folder.made, header, model.tensors)
        else:
            self._library.save(folder.name, header, model.tensors)
        write_text(folder.corpus, corpus.model_dump_json())
        state.model_copy(update={"done": True}).write(folder)
        folder.checkpoint.unlink(missing_ok=True)
        folder.start.unlink(missing_ok=True)
        self._library.take_place(folder.name)
        return TrainingResult(self._library.model(folder.name), corpus, record, trained=True)

    def _inherited(
        self, header: ModelHeader, start: ModelHeader | None, licences: Mapping[str, str]
    ) -> ModelHeader:
        """Take over tags, notes and licence, which are the user's, from the model before."""
        earlier = start
        with suppress(ModelFileError):
            earlier = read_header(self.folder.model)
        words = {"tags": earlier.tags, "notes": earlier.notes} if earlier else {}
        return header.model_copy(
            update={**words, "licence": joined_licence(header, earlier, licences)}
        )

    def _preview(self, mel: NDArray[np.float32], step: int) -> None:
        from milonga import audio
        from milonga.audio import Clip
        from milonga.vocoders import get_vocoder

        path = self.folder.previews / f"step-{step:06d}.wav"
        vocoder = get_vocoder("griffin-lim", "cpu", spec=MEL_SPEC, iterations=16)
        clip = Clip(vocoder.mel_to_waveform(mel)[0], MEL_SPEC.sample_rate)
        audio.write(path, clip, on_clip="level")
        for old in sorted(path.parent.glob("step-*.wav"))[:-_KEPT_PREVIEWS]:
            old.unlink()
        self._progress.message(f"Preview: {path}")


def lineage(start: Model | None, file: Path) -> tuple[str, ...]:
    """The models that this one was trained on from, the nearest first, by how they sound."""
    if start is None:
        return ()
    # A record that lacks something else has its ancestors still.
    earlier = start[0].training.get("lineage", ())
    known = earlier if isinstance(earlier, (list, tuple)) else ()
    return (sound_hash(file), *(each for each in known if isinstance(each, str)))


def _licences(corpus: Corpus) -> dict[str, str]:
    """The licences of recordings that milonga made, by hash, from their receipts."""
    found = {}
    for file in corpus.files:
        with suppress(ReceiptError):
            found[file.sha256] = read_export_receipt(file.path).made.licence
    return found


def _listed(paths: Paths) -> list[Path]:
    return [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]
