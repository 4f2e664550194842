"""The log: failures with their tracebacks, under the logger name ``milonga``.

In a program of your own, ``logging.getLogger("milonga")`` receives every record. The command line
writes them to a file with ``--log FILE`` or ``MILONGA_LOG``, and shows the tracebacks with
``--debug``. Access tokens and passwords are left out.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from pathlib import Path

from milonga.errors import MilongaError, OutputError
from milonga.runtime.files import output_error
from milonga.runtime.memory import SHORT_OF_MEMORY, is_out_of_memory
from milonga.runtime.places import expanded
from milonga.runtime.words import printable

LOG = logging.getLogger("milonga")
LOG.addHandler(logging.NullHandler())

_LINE = "%(asctime)s %(levelname)s [%(process)d] %(message)s"
_SECRET_NAME = re.compile(
    r"(TOKEN(?!IZER)|SECRET|PASSWORD|API_?KEY)(?!.*(PATH|FILE|DIR))", re.IGNORECASE
)
_SECRETS = (
    (re.compile(r"\bhf_[A-Za-z0-9]{20,}"), "<token>"),
    (
        re.compile(r"(?i)\b(bearer|authorization['\"]?\s*[:=]\s*['\"]?basic)\s+\S{6,}"),
        r"\1 <token>",
    ),
    (re.compile(r"://[^/\s:@]*:[^/\s]+@"), "://<password>@"),
)
_handlers: list[logging.Handler] = []
_hidden: set[str] = set()
_on_command_line = False


def setup(file: str | os.PathLike[str] | None = None, *, tracebacks: bool = False) -> None:
    """Start the log; what an earlier call started ends.

    Args:
        file: records are appended to it; ``None`` uses ``MILONGA_LOG``, or no file without it.
        tracebacks: show the traceback of every failure on standard error.

    Raises:
        OutputError: the file can't be written.
    """
    global _on_command_line
    stop()
    file = file or os.environ.get("MILONGA_LOG")
    if file:
        path = expanded(file).absolute()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _add(_File(path, encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise output_error(error, path) from error
        LOG.setLevel(logging.INFO)
    if tracebacks:
        _add(_Console(logging.ERROR))
    _on_command_line = True


def stop() -> None:
    """End what ``setup`` started."""
    global _on_command_line
    _on_command_line = False
    for handler in _handlers:
        LOG.removeHandler(handler)
        handler.close()
    _handlers.clear()
    LOG.setLevel(logging.NOTSET)


def hide(secret: str) -> None:
    """Keep a token or password out of the log."""
    if len(secret) >= 4:
        _hidden.add(secret)


def without_secrets(text: str) -> str:
    """Return ``text`` without tokens and passwords."""
    named = (value for name, value in os.environ.items() if _SECRET_NAME.search(name))
    values = _hidden | {value.strip() for value in named if len(value.strip()) >= 8}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "<token>")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def log_failure(error: BaseException, what: str = "", *, raised: bool = False) -> None:
    """Record a failure with its traceback.

    Args:
        error: what was raised.
        what: the work that failed, such as ``take 07/guide-s0``.
        raised: it is raised further, so ``--debug`` shows its traceback anyway.
    """
    if not _handlers and os.environ.get("MILONGA_LOG"):
        # The failure itself matters more than a log that can't be written.
        with contextlib.suppress(OutputError):
            setup()
    text = f"{type(error).__name__}: {error}"
    LOG.error(f"{what}: {text}" if what else text, exc_info=error, extra={"milonga_raised": raised})


def log_file() -> Path | None:
    """Return the file that the log is written to; None without one."""
    files = (h for h in _handlers if isinstance(h, logging.FileHandler))
    return next((Path(handler.baseFilename) for handler in files), None)


def details_hint() -> str:
    """Return a sentence: the place of a failure's details, or how to get them."""
    if path := log_file():
        return f"The details are in {path}."
    if any(isinstance(handler, _Console) for handler in _handlers):
        return "The traceback shows the details."
    if not _on_command_line:
        return 'logging.getLogger("milonga") has the details; MILONGA_LOG=FILE keeps them.'
    return "To see the details, run it again with --debug, or with --log FILE to keep them."


def explained(error: BaseException) -> str:
    """Return what a face says of a failure, whatever it is."""
    if isinstance(error, MilongaError):
        return str(error)
    if is_out_of_memory(error):
        return SHORT_OF_MEMORY
    if isinstance(error, OSError) and error.filename is not None:
        step = "Check that it is there, and its owner and permissions."
        return f"{os.fsdecode(error.filename)}: {error.strerror}.\n  {step} {details_hint()}"
    return (
        f"milonga failed in a way it did not expect ({type(error).__name__}: {error}).\n"
        f"  {details_hint()} Please report them."
    )


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(without_secrets(super().format(record)))


class _File(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        LOG.removeHandler(self)
        with contextlib.suppress(OSError):
            sys.stderr.write(f"The log {self.baseFilename} can't be written any more.\n")


class _Console(logging.Handler):
    """Standard error as it is at the moment: a progress bar takes it over while it is drawn."""

    def filter(self, record: logging.LogRecord) -> bool:
        return bool(record.exc_info) and not getattr(record, "milonga_raised", False)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except OSError:
            self.handleError(record)


def _add(handler: logging.Handler) -> None:
    handler.setFormatter(_Formatter("%(message)s" if isinstance(handler, _Console) else _LINE))
    LOG.addHandler(handler)
    _handlers.append(handler)
