"""The entry point: the table of commands, errors and exit status.

``milonga --help`` must stay instant, so the module of a command is imported when the command runs.
"""

from __future__ import annotations

import shlex
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Any

import click

from milonga._version import __version__
from milonga.cli.common import cancel_running, say, say_error
from milonga.errors import Cancelled
from milonga.runtime import logs, terminal

COMMANDS: dict[str, tuple[str, str]] = {
    "song": ("songs.sheet", "Start, check, import and export song sheets."),
    "render": ("songs.render", "Render a song sheet into takes, a mix and a report."),
    "edit": ("songs.edit", "Make a take from another: a range anew, more of it, its stems."),
    "takes": ("songs.takes", "List the takes of a song; remove stale ones."),
    "mix": ("songs.render", "Build song.wav anew from the takes."),
    "export": ("songs.export", "Write a song's stems, notes, lyrics and DAW projects."),
    "replay": ("songs.render", "Render a take again and say whether it is the same."),
    "compare": ("songs.compare", "Compare recordings with a baseline by figures."),
    "score": ("songs.score", "Say what the sheet asked for that is heard: facts, words, style."),
    "study": ("songs.study", "Render many takes by plan, and say what they show."),
    "listen": ("songs.listen", "Make a blind listening test; read its answers."),
    "report": ("songs.render", "Write the report of a rendered song anew."),
    "sound": ("sounds.group", "Train, keep and play models of your own sounds."),
    "vocode": ("sounds.vocode", "Turn a mel into sound, or rebuild a recording."),
    "jobs": ("machine.jobs", "Work on a queue that survives a restart; stop and resume it."),
    "weights": ("machine.weights", "List, download, verify and remove models."),
    "doctor": ("machine.doctor", "Find what would stop the work, and how to fix it."),
    "web": ("machine.web", "Show all of it on a page of this machine."),
}
"""Command name -> its module in ``milonga.cli``, and its line in the overview."""


_SYNONYMS = {
    "download": ("get",), "install": ("get",), "pull": ("get",), "ls": ("list",), "show": ("info",),
    "rm": ("remove", "delete"), "remove": ("delete",), "delete": ("remove",), "start": ("run",),
    "stop": ("cancel",), "generate": ("render", "play"), "create": ("new",), "validate": ("check",),
}  # fmt: skip
"""Words of other programs -> what a command is called here."""


class LazyGroup(click.Group):
    """A group that knows the names and summaries of its commands before it imports them.

    Args:
        lazy: command name -> its module in ``milonga.cli``, with ``:function`` where that has
            another name than the command, and its line in the overview.
    """

    def __init__(
        self, *args: Any, lazy: dict[str, tuple[str, str]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, name = self._lazy[cmd_name][0].partition(":")
        name = name or cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"milonga.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if not self._lazy:
            return super().format_commands(ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self._lazy.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self.list_commands(ctx):
            from difflib import get_close_matches

            known = self.list_commands(ctx)
            same = [word for word in _SYNONYMS.get(name, ()) if word in known]
            near = same or get_close_matches(name, known, n=1) or _elsewhere(ctx, name)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"There is no command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


def _elsewhere(ctx: click.Context, name: str) -> list[str]:
    """Find commands of this name above and in other groups."""
    found = [f"milonga {name}"] if name in COMMANDS else []
    for group in COMMANDS:
        command = cli.get_command(ctx, group)
        if isinstance(command, click.Group) and name in command.list_commands(ctx):
            found.append(f"milonga {group} {name}")
    return found


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="milonga")
@click.option("--debug", is_flag=True, help="Show the traceback of every error.")
@click.option(
    "--log",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Append a log with the traceback of every error to FILE (or to MILONGA_LOG).",
)
def cli(debug: bool, log: str | None) -> None:
    """Make songs and sounds with open models on your own machine, and learn how good they are.

    Every command that prints a result takes --json. Start with: milonga song new song.yaml
    """


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 done, 1 something failed and was explained, 2 wrong usage, 130 interrupted.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    args, debug, log = _global_options(args)
    signal.signal(signal.SIGTERM, _interrupt)
    # Where it is ignored, as in the background of a script, it stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        logs.setup(log, tracebacks=debug)
        logs.LOG.info("milonga %s: %s", __version__, shlex.join(args))
        outcome = cli.main(args, prog_name="milonga", standalone_mode=False)
        status = outcome if isinstance(outcome, int) else 0
        sys.stdout.flush()
        logs.LOG.info("exit status %d", status)
        return status
    except click.ClickException as error:
        # A slip in the command line has no traceback worth showing, unless an error caused it.
        logs.log_failure(error, raised=error.__cause__ is None)
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt, Cancelled):
        logs.LOG.info("interrupted")
        say("\nInterrupted. What was finished is kept.")
        return 130
    except BrokenPipeError:
        return 1
    except Exception as error:
        logs.log_failure(error, raised=debug)
        if debug:
            raise
        say_error(logs.explained(error))
        return 1


def _global_options(args: list[str]) -> tuple[list[str], bool, str | None]:
    """Take ``--debug`` and ``--log FILE`` from anywhere on the line: people add them to a command
    that just failed."""
    rest: list[str] = []
    debug, log = False, None
    words = iter(args)
    for word in words:
        if word == "--":
            return [*rest, word, *words], debug, log
        if word == "--debug":
            debug = True
        elif word.startswith("--log="):
            log = word.removeprefix("--log=")
        elif word == "--log" and (file := next(words, None)) is not None:
            log = file
        else:
            rest.append(word)
    return rest, debug, log


def _interrupt(signum: int, frame: FrameType | None) -> None:
    # Raised within a callback from C, such as libsndfile's, the exception would be dropped there.
    cancel_running()
    raise KeyboardInterrupt


def entry() -> None:
    """The console script."""
    terminal.prepare()
    status = main()
    terminal.drop_unwritten()
    sys.exit(status)
