import io
import threading

import pytest

from milonga.errors import Cancelled
from milonga.runtime.bar import BarProgress
from milonga.runtime.progress import LineProgress, Progress


def test_a_callback_sees_the_start_each_step_and_the_end():
    seen = []
    progress = Progress(seen.append)
    with progress.task("takes", 2, "takes") as task:
        task.advance()
        task.advance()
    assert [(u.done, u.total, u.finished) for u in seen] == [
        (0, 2, False),
        (1, 2, False),
        (2, 2, False),
        (2, 2, True),
    ]


def test_cancel_from_another_thread_stops_at_the_next_check():
    progress = Progress()
    thread = threading.Thread(target=progress.cancel)
    thread.start()
    thread.join()
    with pytest.raises(Cancelled), progress.task("work", 3) as task:
        task.advance()


def test_cancelled_is_no_exception_that_a_handler_swallows():
    assert not issubclass(Cancelled, Exception)


def test_lines_for_a_log():
    stream = io.StringIO()
    progress = LineProgress(stream, every_s=0)
    with progress.task("Rendering", 4, "takes") as task:
        task.advance()
        progress.message("a word between")
        task.advance(3)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "Rendering"
    assert lines[1].startswith("Rendering: 1 of 4 takes, about ")
    assert lines[2] == "a word between"
    assert lines[-1] == "Rendering: 4 of 4 takes"


def test_lines_are_few_when_steps_are_many():
    stream = io.StringIO()
    progress = LineProgress(stream, every_s=3600)
    with progress.task("bytes", 1000, "B") as task:
        for _ in range(1000):
            task.advance()
    assert len(stream.getvalue().splitlines()) == 2


@pytest.mark.parametrize("unit", ["B", "takes"])
def test_the_bar_survives_tasks_within_tasks_and_errors(unit, capsys):
    progress = BarProgress()

    def work():
        with progress.task("outer", 2, unit) as outer:
            with progress.task("inner", None, unit) as inner:
                inner.advance(5)
            progress.message("[not markup]")
            outer.advance()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert "[not markup]" in capsys.readouterr().err
