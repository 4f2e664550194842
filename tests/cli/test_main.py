import inspect
import shlex
import signal
import subprocess
import sys

import click
import pytest

from milonga import __version__
from milonga.cli.main import COMMANDS, cli, main


def test_help_lists_every_command(milonga):
    result = milonga("--help")
    assert result.status == 0
    for name, (_, summary) in COMMANDS.items():
        assert name in result.out
        assert summary in " ".join(result.out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(milonga, name):
    result = milonga(name, "--help")
    assert result.status == 0
    assert result.out.startswith(f"Usage: milonga {name}")


def _leaves(command, path=()):
    context = click.Context(command, info_name=" ".join(("milonga", *path)))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from _leaves(command.get_command(context, name), (*path, name))
    else:
        yield path, command


def test_every_command_has_an_example_that_it_reads():
    for path, command in _leaves(cli):
        begun = " ".join(("milonga", *path[:1]))
        examples = [
            line.split()
            for line in inspect.cleandoc(command.help).splitlines()
            if line.startswith(begun)
        ]
        examples = [words for words in examples if path[-1] in words]
        assert examples, path
        for words in examples:
            rest = shlex.split(" ".join(words[words.index(path[-1], len(path)) + 1 :]))
            parsed, *_ = command.make_parser(click.Context(command)).parse_args(rest)
            for parameter in command.params:
                given = parsed.get(parameter.name)
                there = isinstance(given, str | tuple | list) and bool(given)
                assert there or not parameter.required, (path, parameter)


def test_the_lists_of_commands_cut_no_sentence():
    for group in (*COMMANDS, "sound preset", "sound history"):
        command = cli
        for name in group.split():
            command = command.get_command(click.Context(command), name)
        if isinstance(command, click.Group):
            text = command.get_help(click.Context(command, terminal_width=80))
            assert "..." not in text.partition("Commands:")[2], group


def test_version(milonga):
    assert __version__ in milonga("--version").out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["rendr"], "Did you mean 'render'?"),
        (["weights", "download", "bark"], "Did you mean 'get'?"),
        (["song", "render", "x.yaml"], "Did you mean 'milonga render'?"),
        (["sound", "weights"], "Did you mean 'milonga weights'?"),
        (["sound", "preset", "train"], "Did you mean 'milonga sound train'?"),
        (["weights", "doctor"], "Did you mean 'milonga doctor'?"),
        (["check", "x.yaml"], "Did you mean 'milonga song check'?"),
        (["render"], "Missing argument 'SHEET'"),
        (["render", "x.yaml", "--takes", "0"], "0 is not in the range"),
        (["render", "x.yaml", "--nonsense"], "No such option"),
        (["compare", "x.wav"], "Name a baseline and candidates"),
    ],
)
def test_wrong_usage_is_2_and_says_what(milonga, args, words):
    result = milonga(*args)
    assert result.status == 2
    assert words in result.err
    assert result.out == ""


def test_a_terminal_without_unicode(milonga, tmp_path):
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert milonga("song", "new", "s.yaml", **plain).status == 0
    result = milonga("song", "check", "s.yaml", **plain)
    assert result.status == 0, result.err
    assert "canci\\xf3n" in result.out


def test_an_explained_failure_is_1_without_a_traceback(milonga):
    result = milonga("render", "nothing.yaml")
    assert result.status == 1
    assert result.err.startswith("error: ")
    assert "nothing.yaml" in result.err


def test_debug_shows_the_traceback(milonga, monkeypatch):
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    from milonga.errors import SheetError

    for args in (["--debug", "render", "nothing.yaml"], ["render", "nothing.yaml", "--debug"]):
        with pytest.raises(SheetError):
            main(args)


def broken(*args, **kwargs):
    raise RuntimeError("odd")


def test_the_unexpected_is_explained_too(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(cli, "main", broken)
    assert main([]) == 1
    err = capsys.readouterr().err
    assert "RuntimeError: odd" in err
    assert "--debug" in err
    assert main(["--log", str(tmp_path / "milonga.log")]) == 1
    assert f"The details are in {tmp_path / 'milonga.log'}." in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="odd"):
        main(["--debug"])
    monkeypatch.setattr(cli, "main", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main([]) == 130


@pytest.mark.parametrize("before", [True, False])
def test_the_log_keeps_the_traceback_of_an_explained_failure(milonga, tmp_path, before):
    option = ["--log", "milonga.log"]
    command = ["render", "nothing.yaml"]
    result = milonga(*option, *command) if before else milonga(*command, *option)
    assert result.status == 1
    text = (tmp_path / "milonga.log").read_text()
    assert "milonga 0" in text.splitlines()[0]
    assert "render nothing.yaml" in text.splitlines()[0]
    assert "Traceback" in text
    assert "SheetError: nothing.yaml" in text
    assert milonga("--version", f"--log={tmp_path / 'other.log'}").status == 0
    assert "exit status 0" in (tmp_path / "other.log").read_text()


def test_the_variable_names_a_log(milonga, tmp_path):
    milonga("rendr", MILONGA_LOG=str(tmp_path / "milonga.log"))
    assert "There is no command 'rendr'" in (tmp_path / "milonga.log").read_text()


def test_a_log_that_can_not_be_written(milonga, tmp_path):
    result = milonga("--version", "--log", tmp_path)
    assert result.status == 1
    assert str(tmp_path) in result.err
    assert milonga("--log").status == 2


DROPPED = """
import ctypes, os, signal, sys
from milonga.cli import main as module
from milonga.cli.common import make_progress

def work(*args, **kwargs):
    progress = make_progress()
    # What is raised in a callback from C is printed and forgotten.
    ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), int(sys.argv[1])))()
    progress.check()
    print("went on")

signal.signal(signal.SIGINT, signal.default_int_handler)
module.cli.main = work
sys.exit(module.main([]))
"""


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_within_a_callback_from_c_stops_at_the_next_check(kind):
    command = [sys.executable, "-c", DROPPED, str(int(kind))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 130, done.stderr
    assert done.stdout == ""
    assert "What was finished is kept." in done.stderr


FAILING = """
import sys
from milonga.cli.main import main
from milonga.generators.guide.generator import Guide

def render(*args):
    raise RuntimeError("odd: Bearer abcdefghi")

Guide.render = render
assert main(["song", "new", "song.yaml"]) == 0
sys.exit(main(["render", "song.yaml", "--segment", "1", "--out", "out", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("option", ["--debug", "--log=milonga.log", None])
def test_a_take_that_fails_within_a_render(tmp_path, option):
    done = subprocess.run(
        [sys.executable, "-c", FAILING, *filter(None, [option])],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stderr
    assert ("Traceback" in done.stderr) == (option == "--debug")
    assert "RuntimeError: odd" in done.stderr
    log = tmp_path / "milonga.log"
    if option == "--log=milonga.log":
        assert f"The details are in {log}." in done.stderr
        assert "in render" in log.read_text()
        assert "abcdefghi" not in log.read_text()
    elif option is None:
        assert "--debug" in done.stderr
