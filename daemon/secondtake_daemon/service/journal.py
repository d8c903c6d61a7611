"""The journal: every accepted job, in SQLite (WAL, synchronous=FULL), so that no kill and no power cut loses one.

One process owns the file (locking_mode=EXCLUSIVE, which also does without the -shm file). A row holds the request as
it came; the queue in memory holds only what it must, so ten thousand waiting jobs cost little.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from blake3 import blake3
from msgspec.structs import replace

from secondtake.errors import DiskError, ErrorBody, UsageError
from secondtake.messages import FixRequest, FixResult, JobState, JobView
from secondtake_daemon.service.events import Record, Submitted
from secondtake_daemon.service.migrations import MIGRATIONS, migrate

__all__ = ["Journal", "NewJob", "Order", "request_digest"]

_VIEW = "job, host, request, submitted, state, attempts, begun, cancel_asked, result, error"
_PRUNE_AT_ONCE = 64


class NewJob(NamedTuple):
    """A job on its way into the journal."""

    request: FixRequest
    take: str
    host: str
    submitted: float

    @property
    def view(self) -> JobView:
        """The job as it begins."""
        return _first_view(self.request, self.host, self.submitted)


class Order(NamedTuple):
    """What a worker, or a sweep, must know of a job."""

    request: FixRequest
    take: str


class Journal:
    """Each method is one transaction. Raises DiskError when the disk is full or fails; then nothing was changed."""

    def __init__(self, file: Path, *, finished_jobs: int, migrations: Sequence[str] = MIGRATIONS) -> None:
        """Open it, or make it; one of an older schema is brought up to date, one of a newer one refused."""
        self._file = file
        self._finished_jobs = finished_jobs
        try:
            self._database = sqlite3.connect(file, isolation_level=None, timeout=2.0, cached_statements=64)
        except sqlite3.Error as error:
            raise self._failure(error) from error
        try:
            with self._guard():
                self._open(migrations)
                self.finished = self._count_finished()
                """Ended jobs it remembers."""
                self._last_ended = self._latest_end()
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def live(self) -> list[Submitted]:
        """All jobs that have not ended, oldest first."""
        with self._guard():
            rows = self._database.execute(f"SELECT {_VIEW} FROM jobs WHERE ended IS NULL ORDER BY ordinal")
            return [Submitted(_view(row), begun=bool(row[6]), cancel_asked=bool(row[7])) for row in rows]

    def add(self, jobs: Sequence[NewJob]) -> None:
        """Write new jobs; they are durable when this returns (one commit for all of them)."""
        with self._guard(), self._transaction():
            self._database.executemany(
                "INSERT INTO jobs (job, take, host, digest, request, submitted, state) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [_new_row(job) for job in jobs],
            )

    def update(self, records: Sequence[Record]) -> None:
        """Write new states (one commit for all of them)."""
        ending = sum(record.view.state.is_final for record in records)
        with self._guard(), self._transaction():
            self._database.executemany(
                "UPDATE jobs SET state = ?, attempts = ?, begun = ?, cancel_asked = ?, ended = ?, result = ?, error = ?"
                " WHERE job = ?",
                [_state_row(record, self._moment()) for record in records],
            )
            pruned = self._prune(self.finished + ending - self._finished_jobs)
        self.finished += ending - pruned

    def probe(self) -> None:
        """Find out whether the journal can be written."""
        with self._guard(), self._transaction():
            self._database.execute("INSERT OR REPLACE INTO probe (id, written) VALUES (1, ?)", (time.time(),))

    def known(self, job: str) -> tuple[bytes, JobView] | None:
        """Digest of the request, and the state, of a job; None if it was never accepted, or forgotten."""
        with self._guard():
            row = self._database.execute(f"SELECT {_VIEW}, digest FROM jobs WHERE job = ?", (job,)).fetchone()
        return (row[10], _view(row)) if row else None

    def order(self, job: str) -> Order:
        """Request and take of a job that was accepted."""
        with self._guard():
            row = self._database.execute("SELECT request, take FROM jobs WHERE job = ?", (job,)).fetchone()
        return Order(msgspec.json.decode(row[0], type=FixRequest), row[1])

    def has_take(self, take: str) -> bool:
        """True if a job has this take id."""
        with self._guard():
            return self._database.execute("SELECT 1 FROM jobs WHERE take = ?", (take,)).fetchone() is not None

    def newest(self, limit: int) -> list[JobView]:
        """The last accepted jobs, newest first."""
        with self._guard():
            rows = self._database.execute(f"SELECT {_VIEW} FROM jobs ORDER BY ordinal DESC LIMIT ?", (limit,))
            return [_view(row) for row in rows]

    def beginning_with(self, prefix: str) -> list[JobView]:
        """At most two jobs whose id begins so."""
        with self._guard():
            rows = self._database.execute(
                f"SELECT {_VIEW} FROM jobs WHERE job >= ? AND job < ? ORDER BY job LIMIT 2", (prefix, prefix + "~")
            )
            return [_view(row) for row in rows]

    # --- inside -------------------------------------------------------------------------------------------------

    def _open(self, migrations: Sequence[str]) -> None:
        pragmas = ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "temp_store = MEMORY")
        for pragma in pragmas:
            self._database.execute(f"PRAGMA {pragma}")
        migrate(self._database, self._file, steps=migrations)

    def _moment(self) -> float:
        """The wall clock, but never going back: jobs are forgotten in the order they ended, whatever is done to it."""
        self._last_ended = max(time.time(), self._last_ended + 1e-6)
        return self._last_ended

    def _latest_end(self) -> float:
        found: float = self._database.execute("SELECT coalesce(max(ended), 0.0) FROM jobs").fetchone()[0]
        return found

    def _count_finished(self) -> int:
        found: int = self._database.execute("SELECT count(*) FROM jobs WHERE ended IS NOT NULL").fetchone()[0]
        return found

    def _prune(self, too_many: int) -> int:
        if too_many < min(_PRUNE_AT_ONCE, self._finished_jobs):
            return 0
        oldest = "SELECT ordinal FROM jobs WHERE ended IS NOT NULL ORDER BY ended, ordinal LIMIT ?"
        return self._database.execute(f"DELETE FROM jobs WHERE ordinal IN ({oldest})", (too_many,)).rowcount

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            # A failed COMMIT may have rolled back by itself already.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise UsageError(f"The job is in the journal already ({error})") from error
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error) from error
        except (msgspec.MsgspecError, ValueError) as error:  # a row that we did not write so
            raise self._failure(f"it is damaged: {error}") from error

    def _failure(self, error: Exception | str) -> DiskError:
        return DiskError(
            f"The job journal cannot be used ({error})",
            remedy="Free some disk space; if the file is damaged, move it away (its jobs are lost then)",
            path=self._file,
        )


def request_digest(request: FixRequest) -> bytes:
    """What tells two requests under one job id apart."""
    return blake3(msgspec.json.encode(request, order="deterministic")).digest()


def _new_row(new: NewJob) -> tuple[object, ...]:
    request = new.request
    body = msgspec.json.encode(request)
    return request.job, new.take, new.host, request_digest(request), body, new.submitted, JobState.QUEUED.value


def _state_row(record: Record, now: float) -> tuple[object, ...]:
    view = record.view
    result = msgspec.json.encode(view.result) if view.result else None
    error = msgspec.json.encode(view.error) if view.error else None
    ended = now if view.state.is_final else None
    return view.state.value, view.attempts, record.begun, record.cancel_asked, ended, result, error, view.job


def _view(row: tuple[object, ...]) -> JobView:
    _, host, body, submitted, state, attempts, _, _, result, error = msgspec.convert(row[:10], _Row)
    request = msgspec.json.decode(body, type=FixRequest)
    return replace(
        _first_view(request, host, submitted),
        state=JobState(state),
        attempts=attempts,
        result=msgspec.json.decode(result, type=FixResult) if result else None,
        error=msgspec.json.decode(error, type=ErrorBody) if error else None,
    )


def _first_view(request: FixRequest, host: str, submitted: float) -> JobView:
    return JobView(
        job=request.job,
        shot=request.shot,
        state=JobState.QUEUED,
        operation=request.operation,
        engine=request.engine,
        out=request.out,
        submitted=submitted,
        host=host,
        parent=request.parent,
    )


_Row = tuple[str, str, bytes, float, str, int, int, int, bytes | None, bytes | None]
