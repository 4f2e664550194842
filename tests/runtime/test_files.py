import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from milonga.errors import OutputError
from milonga.runtime.files import (
    atomic_path,
    dump_json,
    output_error,
    sweep_parts,
    write_bytes,
    write_text,
)


def test_a_file_is_new_or_as_before(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "first\n")

    def fail_midway():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_midway()
    assert path.read_text() == "first\n"
    write_text(path, "second\n")
    assert path.read_text() == "second\n"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_the_contents_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    """A power cut after the rename must not find an empty file under the name."""
    path, flushed, renamed = tmp_path / "song.json", [], []
    sync, replace = os.fsync, os.replace

    def note_sync(number):
        flushed.append(os.fstat(number).st_size)
        sync(number)

    def note_replace(source, target):
        renamed.append((list(flushed), target))
        replace(source, target)

    monkeypatch.setattr("os.fsync", note_sync)
    monkeypatch.setattr("os.replace", note_replace)
    write_bytes(path, b"whole")
    assert renamed == [([5], path)]


def test_the_temporary_file_keeps_the_suffix(tmp_path):
    with atomic_path(tmp_path / "song.wav") as temporary:
        assert temporary.suffix == ".wav"
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"x")


@pytest.mark.parametrize("name", ["file/inside.txt", "folder"])
def test_something_in_the_way_is_explained(tmp_path, name):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError) as caught:
        write_text(tmp_path / name, "x")
    assert "in the way" in str(caught.value)


def test_a_name_too_long_is_explained(tmp_path):
    with pytest.raises(OutputError, match="too long"):
        write_text(tmp_path / ("x" * 300), "x")


def test_a_full_disk_is_explained():
    # /dev/full answers every write with ENOSPC, as a full disk does.
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="space") as caught:
            os.write(full, b"x")
    finally:
        os.close(full)
    error = output_error(caught.value, "out/song.wav")
    assert isinstance(error, OutputError)
    assert "out/song.wav: The disk is full" in str(error)
    assert "Free some space" in str(error)


def test_kill_9_while_writing_keeps_the_old_file(tmp_path):
    path = tmp_path / "receipt.json"
    write_bytes(path, b"old")
    script = textwrap.dedent(f"""
        import time
        from milonga.runtime.files import atomic_path
        with atomic_path({str(path)!r}) as temporary:
            temporary.write_bytes(b"new, half")
            print("writing", flush=True)
            time.sleep(60)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "writing\n"
        os.kill(process.pid, signal.SIGKILL)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.glob(".part-*"))) == 1
    sweep_parts(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["receipt.json"]


def test_json_never_holds_nan():
    with pytest.raises(ValueError):
        dump_json({"loudness": float("nan")})
    assert json.loads(dump_json({"título": None})) == {"título": None}


def test_two_writers_leave_one_whole_file(tmp_path):
    path = tmp_path / "shared.txt"
    script = textwrap.dedent(f"""
        import sys
        from milonga.runtime.files import write_text
        for _ in range(300):
            write_text({str(path)!r}, sys.argv[1] * 50_000)
    """)
    writers = [subprocess.Popen([sys.executable, "-c", script, letter]) for letter in "ab"]
    deadline = time.monotonic() + 60
    while any(w.poll() is None for w in writers) and time.monotonic() < deadline:
        if path.exists():
            assert path.read_text() in ("a" * 50_000, "b" * 50_000)
    assert [w.wait() for w in writers] == [0, 0]
    assert len(list(tmp_path.iterdir())) == 1
