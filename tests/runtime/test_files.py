import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from warm_process import run_warm

from milonga.errors import AudioError, OutputError
from milonga.runtime.files import (
    atomic_path,
    atomic_paths,
    check_no_links,
    check_writable,
    dump_json,
    locked_folder,
    output_error,
    part_folder,
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


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EACCES, errno.EEXIST, errno.ENAMETOOLONG, errno.EFBIG, errno.EIO]
)
def test_every_refusal_to_write_says_how_to_fix_it(number):
    error = output_error(OSError(number, os.strerror(number)), "out/song.wav")
    assert error.step
    assert "out/song.wav" in str(error)


def test_kill_9_while_writing_keeps_the_old_file(tmp_path):
    path = tmp_path / "receipt.json"
    path.write_bytes(b"old")
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
    write_bytes(tmp_path / "another.json", b"new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["another.json", "receipt.json"]
    assert path.read_bytes() == b"old"


def test_a_part_that_somebody_writes_is_never_swept(tmp_path):
    code = "import sys; from pathlib import Path; from milonga.runtime.files import sweep_parts; "
    code += f"sweep_parts(Path({str(tmp_path)!r}))"

    def sweep_from_everywhere():
        sweep_parts(tmp_path)
        assert run_warm(["-c", code]).returncode == 0

    with atomic_path(tmp_path / "song.wav") as part:
        sweep_from_everywhere()
        part.write_bytes(b"sound")
        sweep_parts(tmp_path)
    with part_folder(tmp_path) as folder:
        (folder / "entry.json").write_text("{}")
        sweep_from_everywhere()
        (folder / "entry.json").rename(tmp_path / "entry.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["entry.json", "song.wav"]
    assert (tmp_path / "song.wav").read_bytes() == b"sound"


def test_only_parts_of_milonga_are_swept(tmp_path):
    dead = [tmp_path / ".part-00c0ffee-a.wav", tmp_path / ".part-12345678-folder"]
    others = [tmp_path / ".part-of-my-song.wav", tmp_path / "x.part-00c0ffee-a.wav"]
    for path in (dead[0], *others):
        path.write_bytes(b"x")
    dead[1].mkdir()
    (dead[1] / "x").write_bytes(b"x")
    (tmp_path / ".part-abcdef01-link").symlink_to(others[0])
    sweep_parts(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(others)


@pytest.mark.parametrize("where", ["Windows", "a file system without locks"])
def test_without_locks_only_old_parts_are_swept(tmp_path, monkeypatch, where):
    if where == "Windows":
        monkeypatch.setattr("milonga.runtime.files.fcntl", None)
    else:

        def refuse(*arguments):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr("fcntl.flock", refuse)
    with atomic_path(tmp_path / "song.wav") as part:
        sweep_parts(tmp_path)
        assert part.exists()
        part.write_bytes(b"sound")
    old = tmp_path / ".part-00c0ffee-a.wav"
    old.write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    sweep_parts(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["song.wav"]


def test_files_that_belong_together_appear_together(tmp_path):
    first, second = tmp_path / "a" / "x.json", tmp_path / "b" / "x.wav"

    def fail_midway():
        with atomic_paths(first, second) as parts:
            write_text(parts[0], "whole")
            raise AudioError("It is wrong.", where=parts[1])

    with pytest.raises(AudioError) as caught:
        fail_midway()
    assert caught.value.where == str(second)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    with atomic_paths(first, second) as parts:
        for part in parts:
            write_text(part, "whole")
        assert not first.exists()
    assert [first.read_text(), second.read_text()] == ["whole", "whole"]
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 2


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


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(tmp_path, closed):
    check_writable(tmp_path / "new" / "deeper")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="another kind is in the way"):
        check_writable(tmp_path / "file" / "x")
    (tmp_path / "locked").mkdir()
    for mode in (0o555, 0o000):
        closed(tmp_path / "locked", mode)
        for place in (tmp_path / "locked", tmp_path / "locked" / "new"):
            with pytest.raises(OutputError, match="No permission") as caught:
                check_writable(place)
            assert caught.value.where == str(place)
            assert "owner and permissions" in caught.value.step


def test_links_out_of_a_folder_are_refused(tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    (out / "real").mkdir(parents=True)
    (elsewhere / "x").mkdir(parents=True)
    (out / "link").symlink_to(elsewhere)
    (out / "inside").symlink_to(out / "real")
    (out / "nowhere").symlink_to(tmp_path / "gone")
    check_no_links(out, out / "real", out / "inside" / "x", out / "not there" / "x", out)
    for folder in ("link", "link/x", "link/not there", "nowhere"):
        with pytest.raises(OutputError, match="link to another place") as caught:
            check_no_links(out, out / "real", out / folder)
        assert caught.value.where == str(out / folder.split("/")[0])
    # What the user names may be a link itself.
    (tmp_path / "named").symlink_to(elsewhere)
    check_no_links(tmp_path / "named", tmp_path / "named" / "x")


def test_a_sweep_between_a_part_and_its_lock_costs_nothing(tmp_path, monkeypatch):
    """Two processes that begin at once: one sweeps what the other has just made."""
    from milonga.runtime import files

    lock, swept = files._lock, []

    def sweeping(part, *, wait):
        if wait and not swept:
            swept.append(part)
            part.unlink()
        return lock(part, wait=wait)

    monkeypatch.setattr(files, "_lock", sweeping)
    write_text(tmp_path / "x.txt", "whole")
    assert swept
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="folders can't be locked there")
def test_a_locked_folder_is_ones_own_for_a_moment(tmp_path):
    entered = threading.Event()

    def other():
        with locked_folder(tmp_path / "new"):
            entered.set()

    with locked_folder(tmp_path / "new"):
        thread = threading.Thread(target=other)
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    thread.join()
    assert list((tmp_path / "new").iterdir()) == []
