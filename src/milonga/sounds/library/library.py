"""The library: the user's sound models by name, a folder for each.

::

    sounds/NAME/model.safetensors       the model; all that is needed to play it
    sounds/NAME/training/               what an interrupted or later training goes on from
    sounds/NAME/restart/                a training that will replace model and training when done
    sounds/.locks/NAME                  held by the process that trains NAME
    sounds/NAME/...                     presets, history, a vocoder of its own

A folder that lacks its model (half copied, or its first training isn't done) is shown as such and
harms no other.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from milonga.audio.reading.opening import RECORDINGS
from milonga.errors import ModelFileError, SoundError
from milonga.runtime.files import (
    check_writable,
    make_folder,
    output_error,
    part_folder,
    sweep_parts,
)
from milonga.runtime.places import data_folder
from milonga.sounds.folder import ModelFolder
from milonga.sounds.library.names import check_name, same_name
from milonga.sounds.library.saved_model import SavedModel, models_html
from milonga.sounds.model.file import load, read_header
from milonga.sounds.model.file import save as write_model
from milonga.sounds.model.header import ModelHeader
from milonga.sounds.training.run_state import TrainingState

if TYPE_CHECKING:
    import torch

    from milonga.sounds.model.player import SoundPlayer

_LOCK, _LOCKS = ".lock", ".locks"
_WAIT_S = 10.0


class Library:
    """All models in one folder.

    Changes hold a lock, so that processes don't disturb each other; reading needs none, since
    every change is one rename.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder else data_folder() / "sounds"

    def models(self) -> list[SavedModel]:
        """List every folder by name, also those whose model can't be read."""
        try:
            folders = self._listed()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise SoundError(
                f"The library can't be read: {error.strerror or error}.", where=self.folder
            ) from error
        return [
            SavedModel.of(folder) for folder in sorted(folders, key=lambda f: same_name(f.name))
        ]

    def search(self, words: Sequence[str]) -> list[SavedModel]:
        """Find the models with every word in name, tags, notes, recordings' names or licence."""
        wanted = [same_name(word) for word in words]
        return [e for e in self.models() if all(word in e.haystack for word in wanted)]

    def model(self, name: str) -> SavedModel:
        """Find the model of a name, whatever its letters' case.

        Raises:
            SoundError: there is none; names those that are like it.
        """
        check_name(name)
        if (folder := self._named(name)) is not None:
            return SavedModel.of(folder)
        raise self._unknown(name)

    def path_of(self, name: str) -> Path:
        """Return the folder of a name, which need not exist; where the library has the name in
        another case, that one.

        Raises:
            SoundError: no file system would take the name.
        """
        check_name(name)
        return self._named(name) or self.folder / name

    def model_path(self, name_or_file: str | Path) -> Path:
        """Find the file of a model, given its name in the library or a path.

        Raises:
            SoundError: there is neither such a model nor such a file, or it is a recording.
        """
        path = Path(name_or_file)
        if path.suffix.lower() in RECORDINGS and self._named(str(name_or_file)) is None:
            raise SoundError(
                "This is the name of a recording, not of a sound model.",
                where=path,
                step="To play it again by a model: milonga sound play MODEL --like "
                f"{quote(str(path))}\n  To make a model of recordings: milonga sound train FOLDER "
                "--name NAME",
            )
        if path.suffix == ".safetensors" or len(path.parts) > 1:
            if path.is_file():
                return path
            raise SoundError(
                "There is no such model file.",
                where=path,
                step="milonga sound list shows the models of your library.",
            )
        entry = self.model(str(name_or_file))
        entry.readable  # noqa: B018
        return entry.model_path

    def find(self, name_or_file: str | Path) -> SavedModel:
        """Find a model of the library by its name, or any model's file.

        Raises:
            SoundError: there is neither such a model nor such a file.
            ModelFileError: it is damaged or hostile.
        """
        path = self.model_path(name_or_file)
        files = ModelFolder.of_model(path)
        name = files.name if path == files.model else path.stem
        return SavedModel(
            name=name,
            folder=files.path,
            header=read_header(path),
            size=path.stat().st_size,
            problem="",
            in_training=files.in_training,
            model_path=path,
        )

    def _repr_html_(self) -> str:
        return models_html(self.models())

    def save(self, name: str, header: ModelHeader, tensors: dict[str, torch.Tensor]) -> SavedModel:
        """Save a trained model under a name; one that is there gives way to it.

        Raises:
            SoundError: the name can't be used.
            OutputError: it can't be written.
        """
        with self.locked():
            folder = self.path_of(name)
            write_model(ModelFolder(folder).model, header, tensors)
            return SavedModel.of(folder)

    def add(self, file: str | Path, name: str | None = None) -> SavedModel:
        """Copy a model's file into the library.

        Args:
            file: read as a whole and checked before it is copied.
            name: by default the one that it carries.

        Raises:
            ModelFileError: it is no sound model or damaged.
            SoundError: the name is taken or can't be used.
        """
        header, tensors = load(Path(file))
        wanted = name or header.name
        try:
            check_name(wanted)
        except SoundError as error:
            raise SoundError(error.message, where=file, step="Choose one with --name.") from error
        with self.training(wanted), self.locked():
            self._check_free(wanted)
            folder = self.folder / wanted
            write_model(
                ModelFolder(folder).model, header.model_copy(update={"name": wanted}), tensors
            )
            return SavedModel.of(folder)

    def rename(self, name: str, new: str) -> SavedModel:
        """Give a model another name; what belongs to it goes along.

        Raises:
            SoundError: there is no such model, or the new name is taken or can't be used.
        """
        check_name(new)
        with contextlib.ExitStack() as held:
            # The new name's, too: its first training may have begun with an inspection.
            for each in {same_name(known) for known in (self.model(name).name, new)}:
                held.enter_context(self.training(each))
            held.enter_context(self.locked())
            entry = self.model(name)
            if same_name(new) != same_name(entry.name):
                self._check_free(new)
            target = ModelFolder(self.folder / new)
            try:
                entry.folder.rename(target.path)
            except OSError as error:
                raise output_error(error, self.folder / new) from error
            # The name that the file carries when it is shared.
            with contextlib.suppress(ModelFileError):
                header, tensors = load(target.model)
                renamed = header.model_copy(update={"name": new})
                write_model(target.model, renamed, tensors)
            return SavedModel.of(self.folder / new)

    def delete(self, name: str) -> SavedModel:
        """Remove a model with its training, presets and history.

        Raises:
            SoundError: there is no such model.
            OutputError: it can't be removed.
        """
        with self.training(self.model(name).name), self.locked():
            entry = self.model(name)
            # Out of sight with one rename: a kill in between leaves no half model behind.
            self._discard(entry.folder)
            return entry

    def annotate(
        self,
        name: str,
        *,
        tags: Sequence[str] | None = None,
        notes: str | None = None,
        licence: str | None = None,
    ) -> SavedModel:
        """Replace tags, notes or licence; None leaves them.

        Raises:
            SoundError: there is no such model, or its file can't be read.
        """
        changes: dict[str, object] = {"notes": notes, "licence": licence}
        changes["tags"] = None if tags is None else tuple(dict.fromkeys(tags))
        with self.locked():
            entry = self.model(name)
            header, tensors = load(entry.model_path)
            wanted = {field: value for field, value in changes.items() if value is not None}
            write_model(entry.model_path, header.model_copy(update=wanted), tensors)
            return SavedModel.of(entry.folder)

    @contextlib.contextmanager
    def training(self, name: str) -> Iterator[ModelFolder]:
        """Hold the training of a name, whose folder need not exist, for this process alone.

        Raises:
            SoundError: another process trains that model.
        """
        folder = ModelFolder(self.path_of(name))
        # Not in the model's folder: that may be renamed or not be there yet.
        make_folder(self.folder / _LOCKS)
        busy = SoundError(
            f"Another process trains {name!r} right now.",
            where=folder.path,
            step="Wait for it or stop it; or choose another --name.",
        )
        with _held(self.folder / _LOCKS / same_name(name), 0, busy):
            self.take_place(name)
            yield folder

    def take_place(self, name: str) -> None:
        """Put a model whose training began anew, and is done, in the place of the one before.

        The vocoder of its own and the training of the model before go with it. Killed in between,
        the next use of the training finishes it.

        Raises:
            OutputError: it can't be written.
        """
        folder = ModelFolder(self.path_of(name))
        beside, state = folder.beside, TrainingState.read(folder.beside)
        if state is None or not state.done:
            return
        with self.locked():
            try:
                if beside.made.exists():
                    beside.made.replace(folder.model)
                for gone in (folder.vocoder, folder.training):
                    if gone.exists():
                        self._discard(gone)
                beside.training.rename(folder.training)
            except OSError as error:
                raise output_error(error, folder.path) from error

    def _discard(self, path: Path) -> None:
        """Remove a file or a folder: out of sight with one rename, first of all."""
        with part_folder(self.folder) as hidden:
            path.rename(hidden / path.name)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the library alone: for changes, also to what lies in the models' folders.

        Raises:
            SoundError: another process has held it for too long.
        """
        make_folder(self.folder)
        check_writable(self.folder)
        busy = SoundError(
            f"Another process has been changing the library for {_WAIT_S:g} s.",
            where=self.folder,
            step="Run the same command again when it is done.",
        )
        with _held(self.folder / _LOCK, _WAIT_S, busy):
            self._sweep()
            yield

    def _sweep(self) -> None:
        sweep_parts(self.folder)
        # The name that milonga 0.1 gave them.
        for leftover in self.folder.glob(".deleted-*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _listed(self) -> list[Path]:
        found = [Path(entry.path) for entry in os.scandir(self.folder) if entry.is_dir()]
        return [folder for folder in found if not folder.name.startswith(".")]

    def _folders(self) -> list[Path]:
        try:
            return self._listed()
        except OSError:
            return []

    def _named(self, name: str) -> Path | None:
        """Find the folder of a name, whatever its letters' case."""
        same = (f for f in self._folders() if same_name(f.name) == same_name(name))
        return next(same, None)

    def _check_free(self, name: str) -> None:
        if (folder := self._named(name)) is not None:
            raise SoundError(
                f"The library has a model {folder.name!r} already.",
                where=folder,
                step="Choose another name, or rename or delete that one.",
            )

    def _unknown(self, name: str) -> SoundError:
        from difflib import get_close_matches

        names = {same_name(folder.name): folder.name for folder in self._folders()}
        near = [names[key] for key in get_close_matches(same_name(name), names, n=3)]
        step = "milonga sound list shows your models."
        if near:
            step = f"Did you mean {' or '.join(map(repr, near))}? {step}"
        return SoundError(f"The library has no model {name!r}.", where=self.folder, step=step)


def open_model(name_or_file: str | Path, library: Library | None = None) -> SoundPlayer:
    """Open a model of the library, or a model's file, to be played.

    Raises:
        SoundError: there is no such model or file.
        ModelFileError: it is damaged or hostile.
        MissingExtraError: torch isn't installed.
    """
    path = (library or Library()).model_path(name_or_file)
    header, tensors = load(path)
    from milonga.sounds.model.player import SoundPlayer

    try:
        player = SoundPlayer.of(header, tensors)
        player.place = path
        return player
    except ModelFileError as error:
        raise ModelFileError(error.message, where=path, step=error.step) from error
    except (KeyError, IndexError, TypeError, ValueError) as error:
        # Well-formed by itself, and yet not what the player needs.
        raise ModelFileError(
            f"This sound model is incomplete ({type(error).__name__}: {error}).",
            where=path,
            step="Copy or download it again, or train it anew.",
        ) from error


@contextlib.contextmanager
def _held(path: Path, wait_s: float, busy: SoundError) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise busy from error
    except (OSError, NotImplementedError) as error:
        # Some network drives have no locks.
        raise SoundError(
            f"The library can't be locked: {error}.",
            where=path,
            step="Keep it on a disk of this machine: set MILONGA_HOME=FOLDER.",
        ) from error
    try:
        yield
    finally:
        lock.release()
