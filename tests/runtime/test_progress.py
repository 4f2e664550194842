import io
import sys
import threading
import time

import pytest

from milonga.errors import Cancelled
from milonga.runtime.progress import LineProgress, Progress
from milonga.runtime.terminal import BarProgress


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
    assert lines[3:] == ["Rendering: 4 of 4 takes"]


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


class Kept(Progress):
    """Keeps the updates, and notices when two threads show at once."""

    def __init__(self):
        super().__init__()
        self.updates, self.inside, self.overlaps = [], 0, 0

    def show(self, update):
        self.inside += 1
        self.overlaps += self.inside > 1
        time.sleep(0)
        self.updates.append(update)
        self.inside -= 1


def in_threads(*functions):
    """Runs functions at once; returns what they raised."""
    raised = [None] * len(functions)
    ready = threading.Barrier(len(functions))

    def run(index):
        ready.wait()
        try:
            functions[index]()
        except BaseException as error:  # noqa: BLE001
            raised[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(functions))]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    return raised


def test_two_threads_advance_one_task():
    progress = Kept()
    with progress.task("parts", 1000) as task:

        def advance():
            for _ in range(500):
                task.advance()

        assert in_threads(advance, advance) == [None, None]
    assert task.done == 1000
    assert [update.done for update in progress.updates] == [0, *range(1, 1001), 1000]
    assert progress.overlaps == 0


def test_tasks_of_two_threads_may_have_one_label():
    stream = io.StringIO()
    progress = LineProgress(stream, every_s=0)

    def work():
        with progress.task("same", 200, "takes") as task:
            for _ in range(200):
                task.advance()

    assert in_threads(work, work) == [None, None]
    lines = stream.getvalue().splitlines()
    assert lines.count("same") == 2
    assert lines.count("same: 200 of 200 takes") == 2
    assert len(lines) == 2 * (1 + 199 + 1)


def test_a_third_thread_cancels_two():
    progress = Progress()
    begun = threading.Semaphore(0)

    def work():
        with progress.task("endless") as task:
            begun.release()
            for _ in range(10_000_000):
                task.advance()

    def cancel():
        begun.acquire()
        begun.acquire()
        progress.cancel()

    kinds = [type(error) for error in in_threads(work, work, cancel)]
    assert kinds == [Cancelled, Cancelled, type(None)]


def test_the_bar_is_drawn_by_one_thread_at_a_time(capsys):
    progress = BarProgress()

    def work():
        for _ in range(5):
            with progress.task("same", 40, "takes") as task:
                for _ in range(40):
                    task.advance()
                progress.message("a word")

    assert in_threads(work, work, work) == [None] * 3
    assert progress._bars is None
    assert capsys.readouterr().err.count("a word") == 15


def test_a_message_within_an_update_does_not_wait_for_itself():
    # As the handler of an interrupt does.
    stream = io.StringIO()

    class Interrupted(LineProgress):
        def show(self, update):
            self.message("interrupted")
            super().show(update)

    with Interrupted(stream).task("work", 1) as task:
        task.advance()
    assert stream.getvalue().count("interrupted") == 3


def test_a_place_before_the_labels_and_rounded_amounts():
    stream = io.StringIO()
    progress = LineProgress(stream, every_s=0)
    with progress.task("Rendering"):
        with progress.about("Segment 2, vocals"), progress.task("singing", 180, "s") as task:
            task.advance(5.7945)
        with progress.task("Mixing"):
            pass
    lines = stream.getvalue().splitlines()
    assert lines[1] == "Segment 2, vocals: singing"
    assert lines[2].startswith("Segment 2, vocals: singing: 6 of 180 s, about ")
    assert lines[4] == "Mixing"
