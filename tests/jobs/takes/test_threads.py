"""How cores are divided among workers."""

import pytest

from milonga.generators.neural.calibration import known_speed, learn_speed
from milonga.jobs.local import threads
from milonga.jobs.local.threads import Division, Learning, divide
from milonga.runtime.progress import Progress
from milonga.songs.rendering.render import render_takes


@pytest.fixture(autouse=True)
def table(tmp_path, monkeypatch):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    known = {"apart": (1.9, 1.1), "together": (1.05, 1.6)}
    monkeypatch.setattr(threads, "_table", lambda: known)


def test_a_generator_gets_what_it_makes_most_of():
    assert divide("apart", 8, 99) == Division(8, 1)
    assert divide("apart", 8, 3) == Division(3, 2)
    assert divide("together", 2, 99) == Division(1, 2)
    assert divide("together", 8, 99) == Division(1, 8)
    assert divide("unknown", 2, 99) == Division(2, 1)
    assert divide("unknown", 1, 0) == Division(1, 1)


def test_what_the_machine_shows_goes_before_the_table():
    # Here two processes keep each other from the memory.
    learn_speed(Division(2, 1).work("apart"), 1.0, 4.0)
    assert divide("apart", 2, 99) == Division(2, 1)  # of the other way nobody knows more
    learn_speed(Division(1, 2).work("apart"), 1.0, 1.0)
    assert divide("apart", 2, 99) == Division(1, 2)


def test_takes_teach_and_few_of_them_do_not(tones):
    way = Division(1, 2)
    for count, learnt in ((2, False), (3, True)):
        runner = Learning(render_takes, way)
        assert len(list(runner(tones(count, out=f"out-{count}", work_s=0.01), Progress()))) == count
        assert (known_speed(way.work("tone")) is not None) == learnt
