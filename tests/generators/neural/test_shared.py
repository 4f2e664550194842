"""Cancelling and estimates, apart from any model."""

import pytest
import torch

from milonga.errors import Cancelled
from milonga.generators.neural.calibration import (
    calibration_file,
    compute_speed,
    known_speed,
    learn_speed,
    memory_speed,
)
from milonga.generators.neural.cancelling import cancellable
from milonga.runtime.progress import Progress


def test_every_block_asks_whether_to_stop():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(3))
            self.ran = 0

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
                self.ran += 1
                if self.ran == 2:
                    progress.cancel()
            return x

    net, progress = Net(), Progress()
    with pytest.raises(Cancelled), cancellable(net, progress):
        net(torch.zeros(1, 2))
    assert net.ran == 2
    net(torch.zeros(1, 2))
    assert net.ran == 5


def test_chosen_kinds_of_modules_ask_as_well():
    asked = []

    class Watching(Progress):
        def check(self):
            asked.append(1)
            super().check()

    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 2))
    with cancellable(net, Watching(), (torch.nn.Linear,)):
        net(torch.zeros(1, 2))
    assert len(asked) == 2
    with cancellable(net, Watching()):
        net(torch.zeros(1, 2))
    assert len(asked) == 2


def test_speeds_are_learnt_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    assert known_speed("tokens") is None
    learn_speed("tokens", 100, 50)
    assert known_speed("tokens") == 0.5
    learn_speed("tokens", 100, 150)
    # Half way from the old speed to the new one.
    assert known_speed("tokens") == 1.0
    learn_speed("tokens", 0, 1)
    assert memory_speed() == memory_speed() > 1e6
    assert compute_speed() == compute_speed() > 1e6
    assert known_speed("tokens") == 1.0
    for damage in ("{", "[]", '{"a": 1}'):
        calibration_file().write_text(damage)
        assert known_speed("tokens") is None
    learn_speed("tokens", 1, 2)
    assert known_speed("tokens") == 2.0


def test_a_data_folder_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "file"))
    learn_speed("tokens", 1, 2)
    assert known_speed("tokens") is None


def test_a_long_block_stops_between_chunks_of_its_rows():
    """Of ten minutes of music a block takes seconds; the hooks before it are too seldom."""
    import torch

    from milonga.compute.diffusion.rows import CHUNK, WatchedBlock

    class Long(WatchedBlock):
        done = 0

        def forward(self, rows):
            for part in self.chunks(rows):
                self.done += part.stop - part.start
                if self.done == 2 * CHUNK:
                    progress.cancel()

    progress, block = Progress(), Long()
    with pytest.raises(Cancelled), cancellable(torch.nn.Sequential(block), progress):
        block(10 * CHUNK)
    assert block.done == 2 * CHUNK
    block.done = 3 * CHUNK
    block(CHUNK)  # nobody watches any more
