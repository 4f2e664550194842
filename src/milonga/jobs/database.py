"""The file of the queue: an SQLite database, opened for each use.

It keeps SQLite's rollback journal: a write-ahead log can't even be read on a full disk.

Source: sqlite.org/lockingv3.html, sqlite.org/wal.html, sqlite.org/lang_transaction.html.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from milonga.errors import JobError, OutputError
from milonga.runtime.files import make_folder

VERSION = 1
_WAIT_S = 20.0
"""How long one waits for another writer, who needs milliseconds."""
_SCHEMA = """
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    version INTEGER NOT NULL,
    arguments TEXT NOT NULL,
    priority INTEGER NOT NULL,
    after TEXT NOT NULL,
    state TEXT NOT NULL,
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    tries INTEGER NOT NULL DEFAULT 0,
    lease INTEGER NOT NULL DEFAULT 0,
    worker TEXT,
    heartbeat REAL,
    cancelling INTEGER NOT NULL DEFAULT 0,
    step TEXT NOT NULL DEFAULT '{}',
    cost TEXT NOT NULL,
    error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX jobs_by_state ON jobs (state, priority DESC, id);
"""


@contextlib.contextmanager
def opened(path: Path, *, write: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the database for the block, which is one transaction: all of it happens, or nothing.

    Args:
        path: of the file; made if it isn't there.
        write: keeps other writers out from the beginning.

    Raises:
        OutputError: the disk is full, or the file can't be written.
        JobError: the file is damaged, of a newer version, or no queue.
    """
    make_folder(path.parent)
    try:
        with contextlib.closing(
            sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
        ) as database:
            database.row_factory = sqlite3.Row
            _prepare(database, path)
            database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield database
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")
    except sqlite3.Error as error:
        raise _explained(error, path) from error


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    found = database.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        raise JobError(
            f"The queue is of version {found}; this milonga reads up to {VERSION}.",
            where=path,
            step="Use the milonga that wrote it, or a newer one.",
        )
    # Of each connection; what is committed must outlast a power cut.
    database.execute("PRAGMA synchronous = FULL")
    if found == VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have made it meanwhile.
        if not database.execute("PRAGMA user_version").fetchone()[0]:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _explained(error: sqlite3.Error, path: Path) -> OutputError | JobError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        step = "Free some space; the queue is as it was before."
        return OutputError("The disk is full.", where=path, step=step)
    if code in (
        sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR,
    ):  # fmt: skip
        return OutputError(
            f"The queue can't be written ({error}).",
            where=path,
            step="Check its owner, permissions and disk. MILONGA_HOME names another folder.",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return JobError(
            "The queue is damaged.",
            where=path,
            step="Move this file away; finished takes are where they were made.",
        )
    return JobError(f"The queue can't be used ({error}).", where=path)
