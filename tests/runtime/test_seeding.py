"""Seeds of the global random states, alone and from several threads."""

import random
import threading
import time

import pytest
import torch

from milonga.errors import Cancelled
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import GLOBAL_RANDOM, fold, seeded


def draws():
    return torch.rand(3).tolist(), random.random()


def test_seeds_repeat_and_leave_no_trace():
    before = torch.get_rng_state(), random.getstate()
    with seeded(7):
        first = draws()
    with seeded(7):
        assert draws() == first
    for other in (8, 7 + 2**32, 7 + 2**64):
        with seeded(other):
            assert draws() != first
    with pytest.raises(ZeroDivisionError), seeded(2**64 + 7):
        1 / 0  # noqa: B018
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


def test_large_seeds_are_seeds_of_their_own():
    assert fold(2**32 - 1) == 2**32 - 1
    # Receipts hold such seeds: another way to fold them would make other takes of them.
    assert fold(2**32) == 1813816320
    assert len({fold(2**32 + n) for n in range(100)}) == 100


def test_threads_that_draw_at_once_get_what_each_gets_alone():
    def slow_draws(seed):
        with seeded(seed):
            found = []
            for _ in range(20):
                found.append(draws())
                time.sleep(0.001)
            return found

    before = torch.get_rng_state(), random.getstate()
    alone = {seed: slow_draws(seed) for seed in range(4)}
    together = {}
    begin = threading.Barrier(4)

    def work(seed):
        begin.wait(10)
        together[seed] = slow_draws(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert together == alone
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


def test_a_block_within_a_block_and_a_wait_that_is_cancelled():
    with seeded(1):
        outer = draws()
        with seeded(2):
            draws()
        assert draws() != outer
    progress, ended = Progress(), []

    def wait():
        with pytest.raises(Cancelled), seeded(3, progress=progress):
            pass
        ended.append(True)

    with GLOBAL_RANDOM:
        thread = threading.Thread(target=wait)
        thread.start()
        progress.cancel()
        thread.join(30)
    assert ended == [True]
