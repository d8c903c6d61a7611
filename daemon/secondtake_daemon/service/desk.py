"""Answers to the questions of clients. Whatever cannot be done gets a typed refusal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from secondtake import messages
from secondtake._version import __version__
from secondtake.errors import (
    Busy,
    DaemonLost,
    DiskError,
    Incompatible,
    NotFound,
    SecondTakeError,
    UsageError,
)
from secondtake.messages import (
    Accepted,
    Cancel,
    EngineCard,
    Engines,
    Hello,
    Jobs,
    JobView,
    ListEngines,
    ListJobs,
    Ok,
    Pair,
    Refused,
    Status,
    StatusReply,
    Stop,
    Submit,
    Watch,
    Welcome,
)
from secondtake.wire import QUESTION_BYTES, Answer, Question, common_version
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.catalogue import Catalogue
from secondtake_daemon.service.core import Core
from secondtake_daemon.service.events import CancelAsked
from secondtake_daemon.service.intake import check
from secondtake_daemon.service.journal import NewJob, request_digest
from secondtake_daemon.service.listeners import Caller
from secondtake_daemon.service.log import Log
from secondtake_daemon.service.sessions import Peer, Session, Sessions, client_of
from secondtake_daemon.service.take_id import take_id
from secondtake_daemon.settings import Settings

if TYPE_CHECKING:
    from secondtake_daemon.service.access import GuestBook

__all__ = ["About", "Asked", "Desk"]

_RETRY_AFTER_S = 5.0
_MOST_LISTED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the daemon says of itself."""

    instance: str
    home: str
    endpoints: tuple[str, ...]
    started_s: float
    """Monotonic."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and where its answer goes."""

    caller: Caller
    request_id: bytes
    question: Question

    @property
    def peer(self) -> Peer:
        """The connection."""
        return self.caller.peer


class Desk:
    """Knows sessions and policy; `stop` is called with `drain` and `successor` when a client asks for the end."""

    def __init__(
        self,
        core: Core,
        settings: Settings,
        about: About,
        log: Log,
        *,
        catalogue: Catalogue,
        stop: Callable[[bool, bool], None],
        guests: GuestBook | None = None,
    ) -> None:
        self._core = core
        self._settings = settings
        self._about = about
        self._log = log
        self._catalogue = catalogue
        self._stop = stop
        self._guests = guests
        self.sessions = Sessions(now_s=time.monotonic())

    def answer(self, asked: Asked) -> Answer | None:
        """The answer; None if an event is the answer. Not for Submit, see `submit`."""
        try:
            if isinstance(asked.question, Hello):
                return self._greet(asked.caller, asked.question)
            if isinstance(asked.question, Pair):
                return self._pair(asked.caller, asked.question)
            session = self._session(asked)
            _check_rights(session, asked.question, self._core)
            return self._reply(asked)
        except SecondTakeError as error:
            return refusal(error)

    def submit(self, batch: Sequence[Asked]) -> list[Answer]:
        """Answers to a run of Submits, which share one commit."""
        fresh: dict[str, NewJob] = {}
        refused = [self._consider(asked, fresh) for asked in batch]
        lost: SecondTakeError | None = None
        try:
            if fresh:
                self._core.admit(list(fresh.values()))
        except SecondTakeError as error:
            lost = error
        return [answer or self._accepted(asked, fresh, lost) for asked, answer in zip(batch, refused, strict=True)]

    def _consider(self, asked: Asked, fresh: dict[str, NewJob]) -> Refused | None:
        """Put a new job into `fresh`; a refusal if it cannot be taken."""
        assert isinstance(asked.question, Submit)
        request = asked.question.request
        try:
            session = self._session(asked)
            if self._core.queue.is_stopping:
                raise DaemonLost("The daemon is stopping", remedy="Try again in a moment")
            check(request, roots=self._settings.roots, is_remote=session.is_remote, catalogue=self._catalogue)
            digest = self._known_digest(request.job, fresh)
            if digest is None:
                self._check_room(len(fresh))
                self._check_share(session, fresh)
                taken = {new.take for new in fresh.values()}
                take = take_id(request.job, is_taken=lambda name: name in taken or self._core.journal.has_take(name))
                fresh[request.job] = NewJob(request, take, session.host, time.time())
            elif digest != request_digest(request):
                raise UsageError("This job id stands for another request", remedy="Make a new id for each request")
        except SecondTakeError as error:
            return refusal(error)
        return None

    def _known_digest(self, job: str, fresh: dict[str, NewJob]) -> bytes | None:
        if job in fresh:
            return request_digest(fresh[job].request)
        known = self._core.journal.known(job)
        return known[0] if known else None

    def _check_room(self, coming: int) -> None:
        if self._core.queue.room() <= coming:
            raise Busy(
                f"The queue is full ({self._settings.queue_jobs} jobs)", remedy=f"Try again in {_RETRY_AFTER_S:g} s"
            )

    def _check_share(self, session: Session, fresh: dict[str, NewJob]) -> None:
        most = self._settings.client_jobs
        if not session.client or not most:
            return
        coming = sum(client_of(new.host) == session.client for new in fresh.values())
        if self._core.queue.jobs_of(session.client) + coming >= most:
            raise Busy(f"The client '{session.client}' has {most} jobs here, its share", remedy="Wait for some to end")

    def _accepted(self, asked: Asked, fresh: dict[str, NewJob], lost: SecondTakeError | None) -> Answer:
        assert isinstance(asked.question, Submit)
        job = asked.question.request.job
        if lost is not None and job in fresh:
            return refusal(lost)
        try:
            return Accepted(view=self._view(job))
        except SecondTakeError as error:
            return refusal(error)

    def _greet(self, caller: Caller, hello: Hello) -> Welcome:
        mine = (messages.PROTOCOL_MIN, messages.PROTOCOL_MAX)
        theirs = (hello.protocol_min, hello.protocol_max)
        version = common_version(mine, theirs)
        if version is None:
            raise Incompatible(
                f"The client speaks protocol {_span(theirs)}, the daemon (pid {os.getpid()}) {_span(mine)}",
                remedy="Update the older one, or stop the daemon so that the client can start its own",
            )
        if not caller.is_pairing:  # which gets no session, so that all other questions are refused
            now_s, client = time.monotonic(), caller.client
            self.sessions.greet(caller.peer, hello, is_remote=bool(client), now_s=now_s, client=client)
        return Welcome(
            protocol=version,
            version=__version__,
            instance=self._about.instance,
            pid=os.getpid(),
            message_bytes=QUESTION_BYTES,
            queue_jobs=self._settings.queue_jobs,
        )

    def _pair(self, caller: Caller, pair: Pair) -> Ok:
        if not caller.is_pairing or self._guests is None:
            raise UsageError("Only a client with a pairing code may enter a key", remedy="`secondtake clients join`")
        self._log.info("pairing code used", client=caller.client)
        name = self._guests.enter(caller.peer.key, public=pair.public)
        self._log.info("client paired", client=name)
        return Ok()

    def _session(self, asked: Asked) -> Session:
        session = self.sessions.heard(asked.peer, now_s=time.monotonic())
        if session is None:
            raise Incompatible("A client must say HELLO first", remedy="Connect again")
        return session

    def _reply(self, asked: Asked) -> Answer | None:
        match asked.question:
            case Watch(job=job):
                if not self._core.watchers.add(asked.peer, asked.request_id, self._view(job)):
                    raise Busy("One client watches too many jobs", remedy="Wait for some of them to end")
                return None
            case Cancel(job=job):
                return self._cancel(job)
            case ListJobs(limit=limit, job=prefix):
                return Jobs(views=tuple(self._list(limit, prefix)))
            case ListEngines():
                return Engines(cards=tuple(_for_client(card) for card in self._catalogue.cards))
            case Status():
                return self._status()
            case Stop(drain=drain, successor=successor):
                self._stop(drain, successor)
                return Ok()
        raise UsageError("This question has no answer")

    def _view(self, job: str) -> JobView:
        view = self._core.view(job)
        if view is None:
            raise NotFound(f"There is no job '{job[:64]}'", remedy="List them with `secondtake jobs`")
        return view

    def _cancel(self, job: str) -> Accepted:
        self._view(job)
        self._core.feed(CancelAsked(job))
        if not self._core.is_recorded(job):
            raise DiskError("The job is being cancelled, but that cannot be recorded", remedy="Free some disk space")
        return Accepted(view=self._view(job))

    def _list(self, limit: int, prefix: str) -> list[JobView]:
        if not prefix:
            found = self._core.journal.newest(min(max(limit, 1), _MOST_LISTED))
            return [_without_files(self._core.queue.view(view.job) or view) for view in found]
        found = self._core.journal.beginning_with(prefix)
        if not found:
            raise NotFound(f"There is no job '{prefix[:64]}'", remedy="List them with `secondtake jobs`")
        if len(found) > 1:
            raise UsageError(f"Several jobs begin with '{prefix[:64]}'", remedy="Give more of the id")
        return [self._view(found[0].job)]

    def _status(self) -> StatusReply:
        queue = self._core.queue
        now_s = time.monotonic()
        return StatusReply(
            version=__version__,
            instance=self._about.instance,
            pid=os.getpid(),
            home=self._about.home,
            uptime_s=now_s - self._about.started_s,
            queued=len(queue) - queue.running(),
            running=queue.running(),
            finished=self._core.journal.finished,
            clients=self.sessions.present(now_s=now_s),
            rss_bytes=_rss_bytes(),
            workers=queue.workers(),
            endpoints=self._about.endpoints,
            condition=self._core.condition,
        )


def _check_rights(session: Session, question: Question, core: Core) -> None:
    """A client of another user or machine may not end the daemon, nor other clients' jobs. Raises UsageError."""
    if not session.is_remote:
        return
    if isinstance(question, Stop):
        raise UsageError("Only the daemon's own user may stop it", remedy="Stop it on its machine")
    if isinstance(question, Cancel):
        view = core.view(question.job)
        if view is not None and client_of(view.host) != session.client:
            raise UsageError("This job belongs to another client", remedy="Cancel it where it was submitted")


def refusal(error: SecondTakeError) -> Refused:
    """An error as an answer."""
    waits = isinstance(error, Busy | DiskError)
    return Refused(error=error.body(), retry_after_s=_RETRY_AFTER_S if waits else 0.0)


def _without_files(view: JobView) -> JobView:
    return replace(view, result=replace(view.result, frames=(), files=())) if view.result else view


def _for_client(card: Card) -> EngineCard:
    return EngineCard(
        name=card.name,
        version=card.version,
        summary=card.summary,
        operations=tuple(sorted(card.operations)),
        licence=card.licence,
        deterministic=card.deterministic,
        window_frames=card.window_frames,
        available=not card.why_not,
        why_not=card.why_not,
        controls=tuple(sorted(card.controls)),
        whole_frames=card.whole_frames,
        reads_motion=card.reads_motion,
        looks=card.looks,
        needs_words=tuple(sorted(card.needs_words)),
        needs_painted=tuple(sorted(card.needs_painted)),
    )


def _span(versions: tuple[int, int]) -> str:
    first, last = versions
    return str(first) if first == last else f"{first} to {last}"


def _rss_bytes() -> int:
    """Resident memory; the highest so far on macOS, which does not tell the present one cheaply; 0 on Windows."""
    if sys.platform == "win32":
        return 0
    import resource

    if sys.platform == "linux":
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
