import contextlib
import errno
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from milonga.errors import ModelFileError, OutputError, SoundError
from milonga.sounds import Library, open_model
from milonga.sounds.library.names import check_name
from milonga.sounds.model.file import load, save, sound_hash

MODEL = "model.safetensors"


@pytest.fixture(scope="session")
def file(tmp_path_factory, sound_models):
    """A model's file from somebody else, who calls it 'tiny'."""
    path = tmp_path_factory.mktemp("shared") / "theirs.safetensors"
    save(path, *sound_models.small_model())
    return path


@pytest.mark.parametrize("name", ["drums", "Tambores ñandú", "雨の音", "a.b", "x" * 80, "rain (2)"])
def test_usable_names(library, file, name):
    entry = library.add(file, name)
    assert entry.name == name
    assert library.model(name).header.name == name
    assert [each.name for each in library.models()] == [name]


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", ".x", "x.", " x", "x ", "a/b", "a\\b", "a:b", "a*", "CON", "com1.x",
     "nul", "a\nb", "a\0b", "x" * 81, "é" * 41, "a.safetensors", "\u202eabc", "../../etc"],
)  # fmt: skip
def test_names_that_no_file_system_would_take(library, file, name):
    with pytest.raises(SoundError, match="can't be the name"):
        check_name(name)
    for change in (
        lambda: library.add(file, name or " "),
        lambda: library.path_of(name),
        lambda: library.model(name),
    ):
        with pytest.raises(SoundError):
            change()
    assert library.models() == []


def test_names_that_differ_in_case_or_composition_are_one(library, file):
    library.add(file, "Ñandú")
    for same in ("ñandú", "ÑANDÚ", "N\u0303andu\u0301"):
        assert library.model(same).name == "Ñandú"
        with pytest.raises(SoundError, match="already"):
            library.add(file, same)
    # Its own name in another case is no clash.
    assert library.rename("Ñandú", "ñandú").name == "ñandú"


def test_an_unknown_name_suggests_those_like_it(library, file):
    library.add(file, "thunder")
    with pytest.raises(SoundError, match="no model 'tunder'") as caught:
        library.model("tunder")
    assert "'thunder'" in caught.value.step


def test_a_model_is_found_by_name_or_path(library, file, tmp_path, monkeypatch):
    library.add(file, "mine")
    assert library.model_path("mine") == library.folder / "mine" / MODEL
    assert library.model_path(str(file)) == file
    monkeypatch.chdir(file.parent)
    assert library.model_path(file.name).samefile(file)
    with pytest.raises(SoundError, match="no such model file"):
        library.model_path("nothing.safetensors")
    assert open_model("mine", library).enabled


def test_searching_by_tags_notes_and_recordings(library, file):
    library.add(file, "rain")
    library.add(file, "thunder")
    library.annotate("rain", tags=["Wasser", "wet", "wet"], notes="Recorded in Córdoba")
    library.annotate("thunder", tags=["wet"])
    names = lambda *words: [entry.name for entry in library.search(words)]  # noqa: E731
    assert names("WET") == ["rain", "thunder"]
    assert names("wet", "córdoba") == ["rain"]
    assert names("drone ñ") == ["rain", "thunder"]
    assert names("nothing") == []
    assert library.model("rain").header.tags == ("Wasser", "wet")


def test_tags_and_notes_leave_the_sound_as_it_is(library, file):
    library.add(file, "rain")
    before = sound_hash(library.model_path("rain"))
    entry = library.annotate("rain", tags=["a"], notes="b", licence="CC0")
    assert (entry.header.tags, entry.header.notes, entry.header.licence) == (("a",), "b", "CC0")
    again = library.annotate("rain", notes="")
    assert (again.header.tags, again.header.notes) == (("a",), "")
    assert sound_hash(library.model_path("rain")) == before


def test_renaming_takes_everything_along(library, file):
    library.add(file, "old")
    (library.folder / "old" / "presets.json").write_text("{}")
    entry = library.rename("old", "new")
    assert (entry.folder / "presets.json").exists()
    # The name goes along when the file is shared.
    assert load(entry.model_path)[0].name == "new"
    assert [each.name for each in library.models()] == ["new"]
    library.add(file, "third")
    with pytest.raises(SoundError, match="already"):
        library.rename("third", "NEW")


def test_deleting_removes_all_of_it(library, file):
    library.add(file, "a")
    library.add(file, "b")
    assert library.delete("a").name == "a"
    assert [each.name for each in library.models()] == ["b"]
    assert {path.name for path in library.folder.iterdir()} == {"b", ".lock", ".locks"}
    with pytest.raises(SoundError, match="no model"):
        library.delete("a")


def test_a_half_copied_library_is_understood(library, file, tmp_path):
    for name in ("good", "cut", "empty", "training"):
        library.add(file, name)
    data = (library.folder / "cut" / MODEL).read_bytes()
    (library.folder / "cut" / MODEL).write_bytes(data[:500])
    (library.folder / "empty" / MODEL).unlink()
    (library.folder / "training" / MODEL).unlink()
    (library.folder / "training" / "training").mkdir()
    (library.folder / "stray.txt").write_text("x")
    (library.folder / ".deleted-1234").mkdir()
    moved = Library(shutil.copytree(library.folder, tmp_path / "moved"))
    problems = {entry.name: entry.problem for entry in moved.models()}
    assert set(problems) == {"good", "cut", "empty", "training"}
    assert problems["good"] == ""
    assert "damaged" in problems["cut"]
    assert "not there" in problems["empty"]
    assert "first training isn't finished" in problems["training"]
    assert moved.model_path("good").exists()
    for name in ("cut", "empty", "training"):
        with pytest.raises(SoundError) as caught:
            moved.model_path(name)
        assert caught.value.step
    with pytest.raises(SoundError):
        moved.annotate("cut", notes="x")
    # What can't be read can still be renamed and deleted.
    moved.delete(moved.rename("cut", "broken").name)
    moved.delete("empty")
    assert not (moved.folder / ".deleted-1234").exists()


def test_a_broken_file_never_gets_in(library, file, tmp_path):
    data = file.read_bytes()
    for index, broken in enumerate((data[:-1], data[:100], b"", data + b"x")):
        path = tmp_path / f"{index}.safetensors"
        path.write_bytes(broken)
        with pytest.raises(ModelFileError):
            library.add(path, "x")
    assert library.models() == []


def test_a_carried_name_that_cannot_be_used_asks_for_another(library, sound_models, tmp_path):
    path = tmp_path / "m.safetensors"
    save(path, *sound_models.small_model("../../evil"))
    with pytest.raises(SoundError) as caught:
        library.add(path)
    assert "--name" in caught.value.step
    assert library.add(path, "fine").header.name == "fine"


def test_an_empty_or_missing_library(library, tmp_path):
    assert library.models() == []
    assert library.search(["x"]) == []
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "sounds").write_text("a file")
    with pytest.raises(SoundError):
        library.models()


def test_the_folder_cannot_be_made(file, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        Library(tmp_path / "file" / "sounds").add(file)


@pytest.mark.slow
def test_two_processes_do_not_damage_the_library(library, file):
    """Three processes add, tag, rename and delete at once; what is left is whole."""
    code = (
        "import sys; from pathlib import Path\n"
        "from milonga.errors import SoundError; from milonga.sounds import Library\n"
        "library, me = Library(), sys.argv[1]\n"
        "for turn in range(3):\n"
        "    for step in (\n"
        f"        lambda: library.add(Path({str(file)!r}), 'shared'),\n"
        "        lambda: library.annotate('shared', tags=[me]),\n"
        f"        lambda: library.add(Path({str(file)!r}), f'own {{me}}'),\n"
        "        lambda: library.rename('shared', f'got {me} {turn}'),\n"
        "        lambda: library.delete(f'own {me}'),\n"
        "    ):\n"
        "        try:\n"
        "            step()\n"
        "        except SoundError:\n"
        "            pass\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(index)], stderr=subprocess.PIPE)
        for index in range(3)
    ]
    while any(worker.poll() is None for worker in workers):
        # Readers need no lock and never see half a model.
        for entry in library.models():
            assert entry.header is not None or "is not there" in entry.problem, entry.problem
        time.sleep(0.05)
    for worker in workers:
        assert worker.returncode == 0, worker.stderr.read().decode()
        worker.stderr.close()
    assert library.models()
    for entry in library.models():
        assert entry.problem == ""
        load(entry.model_path)
    assert not list(library.folder.rglob(".part-*"))


def test_a_model_in_training_is_neither_moved_nor_trained_twice(library, file):
    library.add(file, "busy")
    code = (
        "import sys; from milonga.sounds import Library\n"
        "with Library().training('busy'):\n"
        "    print('in', flush=True); sys.stdin.readline()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "in\n"
    for change in (
        lambda: library.rename("busy", "other"),
        lambda: library.delete("busy"),
        lambda: library.training("busy").__enter__(),
    ):
        with pytest.raises(SoundError, match="Another process trains"):
            change()
    process.communicate("\n")
    assert library.rename("busy", "other").name == "other"


def test_no_training_begins_while_a_model_is_moved_or_removed(library, file, monkeypatch):
    """The lock was looked at, and let go before the change."""
    rename, tried = Path.rename, []

    def watched(path, target):
        for name in ("a", "b"):
            with contextlib.suppress(SoundError), library.training(name):
                tried.append(name)
        return rename(path, target)

    library.add(file, "a")
    monkeypatch.setattr(Path, "rename", watched)
    library.rename("a", "b")
    assert tried == []
    library.delete("b")
    assert tried == ["a"], "nobody moves that one"
    with library.training("c"), pytest.raises(SoundError, match="Another process trains"):
        library.add(file, "c")


def test_a_process_killed_while_it_held_the_lock_locks_nobody_out(library, file):
    code = (
        "import os; from milonga.sounds import Library\n"
        "library = Library()\n"
        "with library.locked():\n"
        "    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code])
    library.add(file, "after")
    assert (library.folder / "after" / MODEL).exists()


def test_a_drive_without_locks_is_explained(library, file, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    library.add(file, "mine")
    monkeypatch.setattr("fcntl.flock", refuse)
    for use in (lambda: library.delete("mine"), lambda: library.training("mine").__enter__()):
        with pytest.raises(SoundError, match="can't be locked") as caught:
            use()
        assert "MILONGA_HOME" in caught.value.step
    assert library.model("mine").header is not None
