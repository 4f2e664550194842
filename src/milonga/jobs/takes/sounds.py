"""Batches of sounds given to processes, here or elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from milonga.audio.export.receipt import (
    ExportReceipt,
    receipt_path,
    sound_of,
    write_export_receipt,
)
from milonga.errors import AudioError, MilongaError, OutputError, SoundError
from milonga.jobs.takes.crew import Crew, Hand
from milonga.jobs.takes.dealing import Deal, raise_fatal
from milonga.jobs.takes.packets import Bench, Done, Packet
from milonga.runtime.files import atomic_paths
from milonga.runtime.progress import Progress
from milonga.sounds.folder import ModelFolder
from milonga.sounds.instrument.batch import Job, Outcome
from milonga.workflows.batches import BatchOrder

_STATUS: dict[str, Literal["made", "kept", "failed"]] = {
    "rendered": "made", "kept": "kept", "failed": "failed",
}  # fmt: skip


class SoundPacket(Packet):
    """A sound of a batch that travels."""

    kind: Literal["sound"] = "sound"
    order: BatchOrder
    job: Job

    @property
    def key(self) -> str:
        return str(self.order.plays_with["model"])

    def supplies(self) -> dict[str, Path]:
        model = Path(self.order.model)
        files = [model]
        if self.order.settings.vocoder == "own":
            files.append(ModelFolder.of_model(model).vocoder)
        return {file.name: file for file in files}

    def prepare(self, bench: Bench, folder: Path) -> None:
        order = replace(self.order, model=str(folder / Path(self.order.model).name))
        bench.ready(self.key, order.open)

    def make(self, bench: Bench, progress: Progress) -> Done:
        # The folder of a node is new for every sound; the instrument stays.
        maker = bench.ready(self.key, self.order.open)
        progress.check()
        try:
            done = maker(self.job, self.folder)
        except MilongaError as error:
            # A full disk, or a folder that can't be written.
            raise OutputError(error.message, where=error.where, step=error.step) from error
        if done.error is not None:
            return Done(name=self.job.name, error=str(done.error))
        status: Literal["kept", "rendered"] = "kept" if done.status == "kept" else "rendered"
        return Done(status, self.job.name, notes=done.notes)

    def files(self, done: Done) -> tuple[Path, Path]:
        sound = self.folder / f"{self.job.name}.{self.order.export.format or 'wav'}"
        return sound, receipt_path(sound)


class SoundDealer:
    """A ``RunJobs``: makes the sounds of a batch with a crew.

    Args:
        crew: of processes; closed after the work.
        order: what the sounds share.
    """

    def __init__(self, crew: Crew, order: BatchOrder) -> None:
        self._crew, self._order = crew, order

    def __call__(self, jobs: Sequence[Job], progress: Progress) -> Iterator[Outcome]:
        """Make sounds; yields their outcomes as they come.

        Raises:
            OutputError: the folder can't be written.
            Cancelled: the user stopped it; the sounds before are kept.
            JobError: no process of the crew starts.
        """
        folder = self._order.folder
        packets = [SoundPacket(number=number, folder=folder, order=self._order, job=job)
                   for number, job in enumerate(jobs)]  # fmt: skip
        try:
            yield from Deal(self._crew, packets, self._outcome, progress).outcomes()
        finally:
            self._crew.close()

    def _outcome(self, packet: SoundPacket, done: Done, hand: Hand) -> Outcome | None:
        path, beside = packet.files(done)
        raise_fatal(done)
        if done.error:
            return Outcome(packet.job, path, "failed", SoundError(done.error))
        if done.sound is not None and done.receipt is not None:
            receipt = ExportReceipt.model_validate_json(done.receipt)
            try:
                _place(path, beside, done.sound, receipt)
            except AudioError:
                return None
        return Outcome(packet.job, path, _STATUS[done.status], notes=done.notes)


def _place(path: Path, beside: Path, sound: bytes, receipt: ExportReceipt) -> None:
    """Put a sound that was made elsewhere where it belongs.

    Raises:
        AudioError: the file doesn't hold the samples that the receipt names.
        OutputError: the output can't be written.
    """
    with atomic_paths(path, beside) as (sound_part, receipt_part):
        sound_part.write_bytes(sound)
        arrived = receipt.model_copy(update={"file": sound_part.name})
        if sound_of(sound_part, arrived) != receipt.sound:
            raise AudioError("The samples arrived damaged.", where=path)
        write_export_receipt(receipt, receipt_part)
