"""Random lives of the queue: whatever workers, clients and the clock do, the promises hold."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from secondtake.errors import BadMatte, Cancelled, DiskError
from secondtake.messages import FixResult, JobState, JobView, Operation, Phase, Proof
from secondtake_daemon.service.events import (
    Beaten,
    CancelAsked,
    Done,
    Event,
    Failed,
    KillWorker,
    NoRoom,
    Notify,
    Paused,
    Progress,
    QuitWorker,
    Record,
    RoomSeen,
    SendCancel,
    SendJob,
    StartWorker,
    Submitted,
    Sweep,
    Swept,
    Tick,
    WorkerDied,
    WorkerReady,
    WorkerStarted,
)
from secondtake_daemon.service.queue import Queue
from secondtake_daemon.settings import Settings

RESULT = FixResult(
    take="t1",
    shot="s",
    frames=(),
    files=(),
    manifest="",
    engine="e",
    seconds=1.0,
    proof=Proof(outside_changed=0, outside_samples=1, inside_samples=1),
)
SETTINGS = Settings(workers=3, max_attempts=2, queue_jobs=6, hang_timeout_s=40.0, beat_timeout_s=20.0)


WORDS = st.sampled_from(["start", "start", "move", "done", "fail", "give up", "disk"])


class Life(RuleBasedStateMachine):
    """Plays daemon, workers and journal around one queue. The journal is what the last Record of a job said."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue(SETTINGS)
        self.now_s = 0.0
        self.next_job = 0
        self.alive: dict[int, str] = {}  # worker -> job it was given
        self.ready: set[int] = set()
        self.begun: set[str] = set()
        self.sweeping: set[str] = set()
        self.journal: dict[str, Submitted] = {}
        self.ended: dict[str, JobState] = {}
        self.deaths: dict[str, int] = {}
        self.expect_dead: set[int] = set()

    def feed(self, event: Event) -> None:
        for order in self.queue.handle(event, now_s=self.now_s):
            match order:
                case StartWorker(worker):
                    assert worker not in self.alive
                    self.alive[worker] = ""
                case SendJob(worker, job):
                    assert worker in self.ready
                    assert not self.alive[worker], "the worker has a job"
                    assert job not in self.alive.values(), "two workers on one job"
                    assert job not in self.sweeping
                    assert job not in self.ended
                    lone = [each for each in [job, *self.alive.values()] if each and self.is_poison(each)]
                    assert not lone or not any(self.alive.values()), "poison beside another job"
                    self.alive[worker] = job
                case SendCancel(worker, job):
                    assert self.alive[worker] == job
                case KillWorker(worker) | QuitWorker(worker):
                    assert worker in self.alive
                    self.expect_dead.add(worker)
                case Sweep(job):
                    assert job not in self.sweeping
                    assert job not in self.alive.values(), "swept under a worker's feet"
                    self.sweeping.add(job)
                case Record(view, begun, cancel_asked):
                    assert view.job not in self.ended, "it ended twice"
                    self.journal[view.job] = Submitted(view, begun, cancel_asked)
                    if view.state.is_final:
                        assert view.job not in self.alive.values()
                        self.ended[view.job] = view.state
                case Notify(view):
                    assert not view.state.is_final or self.ended[view.job] is view.state

    @rule(host=st.sampled_from("abc"))
    def submit(self, host: str) -> None:
        if not self.queue.room():
            return
        job = f"j{self.next_job}"
        self.next_job += 1
        view = JobView(
            job=job,
            shot="s",
            state=JobState.QUEUED,
            operation=Operation.REMOVE,
            engine="e",
            out="/o",
            submitted=0.0,
            host=host,
        )
        self.journal[job] = Submitted(view)
        self.feed(Submitted(view))

    @rule(pick=st.randoms(use_true_random=False))
    def cancel(self, pick: object) -> None:
        jobs = [*self.journal, "unknown"]
        self.feed(CancelAsked(pick.choice(jobs)))  # type: ignore[attr-defined]

    @precondition(lambda self: self.alive)
    @rule(pick=st.randoms(use_true_random=False), word=WORDS)
    def worker_speaks(self, pick: object, word: str) -> None:
        worker = pick.choice(sorted(self.alive))  # type: ignore[attr-defined]
        job = self.alive[worker]
        if worker not in self.ready:
            self.ready.add(worker)
            self.feed(WorkerReady(worker, 1))
            return
        if not job:
            self.feed(Beaten(worker))
            return
        if word == "disk" and job not in self.begun:
            self.alive[worker] = ""
            self.feed(NoRoom(worker, job, "no room"))
        elif word == "start" or job not in self.begun:
            self.begun.add(job)
            self.feed(WorkerStarted(worker, job))
        elif word == "move":
            self.feed(Progress(worker, job, Phase.RENDER, 1, 1, 2))
        else:
            self.alive[worker] = ""
            if job not in self.ended:
                errors = {"fail": BadMatte("x"), "disk": DiskError("The disk is full")}
                error = errors.get(word, Cancelled("x"))
                self.begun.discard(job)
                self.feed(Done(worker, job, RESULT) if word == "done" else Failed(worker, job, error.body()))

    @precondition(lambda self: self.alive)
    @rule(pick=st.randoms(use_true_random=False))
    def worker_dies(self, pick: object) -> None:
        worker = pick.choice(sorted(self.alive))  # type: ignore[attr-defined]
        self.bury(worker)

    def bury(self, worker: int) -> None:
        job = self.alive.pop(worker)
        self.ready.discard(worker)
        self.expect_dead.discard(worker)
        if job in self.begun:
            self.begun.discard(job)
            self.deaths[job] = self.deaths.get(job, 0) + 1
        self.feed(WorkerDied(worker, "gone"))

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 30.0, 100.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.now_s += seconds
        self.feed(Tick())

    @precondition(lambda self: self.sweeping)
    @rule()
    def swept(self) -> None:
        self.feed(Swept(self.sweeping.pop()))

    @rule(luck=st.integers(0, 5))
    def disk(self, luck: int) -> None:
        self.feed(Paused(luck == 5, "full" if luck == 5 else ""))

    @rule(has_room=st.booleans())
    def disks_are_looked_at(self, has_room: bool) -> None:
        for job, _ in self.queue.parked():
            self.feed(RoomSeen(job, "" if has_room else "no room"))

    def is_poison(self, job: str) -> bool:
        return self.journal[job].view.attempts >= 1  # of two

    @rule(luck=st.integers(0, 15))
    def daemon_is_killed(self, luck: int) -> None:
        if luck:
            return
        self.alive.clear()
        self.ready.clear()
        self.begun.clear()
        self.sweeping.clear()
        self.expect_dead.clear()
        self.queue = Queue(SETTINGS)
        for job, submitted in self.journal.items():
            if job not in self.ended:
                self.feed(submitted)

    @invariant()
    def bounded_and_complete(self) -> None:
        assert len(self.queue) <= SETTINGS.queue_jobs
        assert len(self.alive) <= SETTINGS.workers
        for job in self.journal:
            assert (self.queue.view(job) is None) == (job in self.ended), "a job is lost, or lives after its end"

    @invariant()
    def no_attempt_without_a_death(self) -> None:
        for job, submitted in self.journal.items():
            assert submitted.view.attempts <= self.deaths.get(job, 0)

    def teardown(self) -> None:
        """Let everything go well from here: every job must end."""
        self.feed(Paused(False))
        for _ in range(2000):
            if len(self.ended) == len(self.journal):
                break
            self.now_s += 5.0
            self.feed(Tick())
            for worker in list(self.alive):
                if worker in self.expect_dead:
                    self.bury(worker)
                elif worker not in self.ready:
                    self.ready.add(worker)
                    self.feed(WorkerReady(worker, 1))
                elif job := self.alive[worker]:
                    self.feed(WorkerStarted(worker, job))
                    self.alive[worker] = ""
                    self.feed(Done(worker, job, RESULT))
                else:
                    self.feed(Beaten(worker))
            for job in list(self.sweeping):
                self.sweeping.discard(job)
                self.feed(Swept(job))
            self.disks_are_looked_at(True)
        assert set(self.ended) == set(self.journal)
        assert len(self.queue) == 0
        for job, state in self.ended.items():
            assert self.journal[job].view == replace(self.journal[job].view, state=state)


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=80, deadline=None, derandomize=True)
TestLife = Life.TestCase
