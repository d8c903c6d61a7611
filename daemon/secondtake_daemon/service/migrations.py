"""How the journal's tables came to be: one step of SQL for each schema version, in order, never changed once released.

Before the first step an older journal is copied to `jobs.sqlite.v<N>.bak`, whole and durable, so that the version of
Second Take that wrote it can be used again. A newer journal is refused: its tables may mean something else.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from secondtake.errors import Incompatible

__all__ = ["MIGRATIONS", "backup_file", "migrate"]

MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE jobs (
        ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
        job TEXT NOT NULL UNIQUE,
        take TEXT NOT NULL UNIQUE,
        host TEXT NOT NULL,
        digest BLOB NOT NULL,
        request BLOB NOT NULL,
        submitted REAL NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        begun INTEGER NOT NULL DEFAULT 0,
        cancel_asked INTEGER NOT NULL DEFAULT 0,
        ended REAL,
        result BLOB,
        error BLOB
    ) STRICT;
    CREATE INDEX jobs_ended ON jobs (ended) WHERE ended IS NOT NULL;
    CREATE TABLE probe (id INTEGER PRIMARY KEY, written REAL) STRICT;
    """,
)
"""The step at index N leads from schema N to N + 1; 0 is an empty file."""


def backup_file(file: Path, version: int) -> Path:
    """Where the copy of a journal of this schema lies."""
    return file.with_name(f"{file.name}.v{version}.bak")


def migrate(database: sqlite3.Connection, file: Path, *, steps: Sequence[str] = MIGRATIONS) -> None:
    """Bring an open journal to the present schema; each step is one transaction.

    Raises Incompatible for a newer one (nothing is changed), sqlite3.Error or OSError; the steps before are kept then.
    """
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    if version > len(steps):
        raise Incompatible(
            f"The job journal was written by a newer version (schema {version}, known is {len(steps)})",
            remedy=_remedy(file, len(steps)),
            path=file,
        )
    if 0 < version < len(steps):
        _back_up(database, backup_file(file, version))
    for number in range(version, len(steps)):
        try:
            database.executescript(f"BEGIN IMMEDIATE; {steps[number]} PRAGMA user_version = {number + 1}; COMMIT;")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise


def _remedy(file: Path, known: int) -> str:
    kept = backup_file(file, known)
    older = f"; {kept.name} beside it is its state before the update" if kept.exists() else ""
    return f"Update Second Take, or move the file away (its jobs are lost then){older}"


def _back_up(database: sqlite3.Connection, target: Path) -> None:
    """Copy the journal as it stands, what is still in the WAL too."""
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        copy = sqlite3.connect(part)
        try:
            database.backup(copy)
        finally:
            copy.close()
        _sync(part)
        part.replace(target)
        if os.name != "nt":
            _sync(target.parent)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
