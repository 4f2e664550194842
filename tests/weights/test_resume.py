"""A download that stopped, for whatever reason, goes on where it was."""

import os
import signal
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milonga.errors import DownloadError
from milonga.weights import ensure_weights, locate

SIZE = 3_000_000


def starts(hub):
    """Where each request for the weights began."""
    return [
        int(seen.range.removeprefix("bytes=").rstrip("-")) if seen.range else 0
        for seen in hub.requests
        if seen.server == "store"
    ]


def part_of(folder, repo):
    return folder / ".milonga" / "parts" / f"{repo.files('main')['bigvgan_generator.pt'].etag}.part"


def check(found, repo):
    contents = (found.folder / "bigvgan_generator.pt").read_bytes()
    assert contents == repo.files("main")["bigvgan_generator.pt"].contents


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("offset", [0, 1, 65_536, 1_048_576, 1_048_577, 2_999_999])
def test_a_broken_connection(hub, bigvgan, quickly, log, offset, reset):
    hub.fault("bigvgan_generator.pt", cut_at=offset or 1, reset=reset)
    check(quickly(progress=log), bigvgan)
    # What a reset threw away in the network's buffers is asked for again, no more.
    assert starts(hub)[0] == 0
    assert 0 <= starts(hub)[1] <= (offset or 1)
    if not reset:
        assert starts(hub)[1] == (offset or 1)
    assert any("trying again" in message for message in log.messages)


@given(cuts=st.lists(st.integers(1, SIZE - 1), min_size=1, max_size=4, unique=True))
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_number_of_broken_connections(hub, bigvgan, quickly, tmp_path, cuts):
    hub.requests.clear()
    hub.faults.clear()
    for cut in sorted(cuts):
        hub.fault("bigvgan_generator.pt", cut_at=cut)
    check(quickly(cache_dir=tmp_path / "-".join(map(str, cuts))), bigvgan)
    assert starts(hub) == [0, *sorted(cuts)]


def test_a_stalled_connection(hub, bigvgan, quickly, monkeypatch):
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "1")
    hub.fault("bigvgan_generator.pt", stall_at=1_000_000, stall_s=5)
    check(quickly(), bigvgan)
    assert starts(hub) == [0, 1_000_000]


def test_a_server_that_ignores_ranges(hub, bigvgan, quickly):
    hub.fault("bigvgan_generator.pt", cut_at=2_000_000)
    hub.fault("bigvgan_generator.pt", whole=True)
    check(quickly(), bigvgan)
    assert starts(hub) == [0, 2_000_000]


@pytest.mark.parametrize("shift", [-1000, 1000])
def test_a_server_that_sends_another_range(hub, bigvgan, quickly, shift):
    hub.fault("bigvgan_generator.pt", cut_at=2_000_000)
    hub.fault("bigvgan_generator.pt", shift=shift)
    check(quickly(), bigvgan)
    assert starts(hub) == [0, 2_000_000, 0]


def test_a_connection_that_always_breaks_ends(hub, bigvgan, quickly, folder):
    # More often than anybody would try, but not for ever: a fault in the counting must end, too.
    hub.fault("bigvgan_generator.pt", cut_at=2_000_000, times=50)
    with pytest.raises(DownloadError, match="6 times in a row") as caught:
        quickly()
    assert "goes on where it stopped" in str(caught.value)
    assert part_of(folder, bigvgan).stat().st_size == 2_000_000
    hub.faults.clear()
    check(quickly(), bigvgan)
    assert starts(hub)[-1] == 2_000_000
    assert not part_of(folder, bigvgan).exists()


def test_a_server_without_ranges_that_always_breaks_ends(hub, bigvgan, quickly):
    hub.fault("bigvgan_generator.pt", cut_at=2_000_000, whole=True, times=50)
    with pytest.raises(DownloadError, match="times in a row"):
        quickly()


def test_kill_9_and_again(hub, bigvgan, folder, start_python):
    # Slow enough that what was served has arrived: 64 KB every 13 ms.
    hub.fault("bigvgan_generator.pt", bytes_per_s=5_000_000, times=None)
    process = start_python("from milonga.weights import ensure_weights; ensure_weights('bigvgan')")
    part = part_of(folder, bigvgan)
    until = time.monotonic() + 60
    while time.monotonic() < until and not (part.exists() and part.stat().st_size >= 1_000_000):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 1_000_000 <= part.stat().st_size < SIZE
    assert locate("bigvgan") is None
    ensure_weights("bigvgan")
    assert starts(hub)[1] >= 1_000_000
    # One block of a MB may be lost; the rest is served once.
    assert hub.bytes_served < SIZE + 1_200_000


def test_ctrl_c_and_again(hub, bigvgan, folder, start_python):
    hub.fault("bigvgan_generator.pt", stall_at=2_000_000, stall_s=20)
    # A test run in the background ignores interrupts, and its children would, too.
    process = start_python(
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from milonga.weights import ensure_weights; ensure_weights('bigvgan')"
    )
    until = time.monotonic() + 60
    while time.monotonic() < until and hub.bytes_served < 2_000_000:
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert error.rstrip().endswith("KeyboardInterrupt")
    # It did not wait until the connection timed out and was made anew.
    assert starts(hub) == [0]
    # Also what had not filled a block is kept.
    assert part_of(folder, bigvgan).stat().st_size == 2_000_000


@pytest.mark.parametrize("left", ["wrong", "too long", "whole", "empty"])
def test_what_an_earlier_run_left(hub, bigvgan, quickly, folder, left):
    good = bigvgan.files("main")["bigvgan_generator.pt"].contents
    part = part_of(folder, bigvgan)
    part.parent.mkdir(parents=True)
    part.write_bytes(
        {"wrong": b"\0" * 1_000_000, "too long": good + b"!", "whole": good, "empty": b""}[left]
    )
    check(quickly(), bigvgan)
    # A part that turns out wrong at the end is thrown away, and the file fetched whole.
    expected = {"wrong": [1_000_000, 0], "too long": [0], "whole": [], "empty": [0]}
    assert starts(hub) == expected[left]


def test_old_parts_are_swept(hub, bigvgan, quickly, folder):
    parts = folder / ".milonga" / "parts"
    parts.mkdir(parents=True)
    for name, days in (("a" * 64, 15), ("b" * 64, 1)):
        part = parts / f"{name}.part"
        part.write_bytes(b"x")
        os.utime(part, (time.time() - days * 86400,) * 2)
    quickly()
    assert [part.name[0] for part in parts.iterdir()] == ["b"]
