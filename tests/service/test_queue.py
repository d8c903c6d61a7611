"""The queue state machine, by hand-made cases. `test_queue_random.py` finds the others."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from secondtake.errors import BadMatte, Cancelled, ErrorBody
from secondtake.messages import FixResult, JobState, JobView, Operation, Phase, Proof
from secondtake_daemon.service.events import (
    Beaten,
    CancelAsked,
    Done,
    Event,
    Failed,
    Instruction,
    KillWorker,
    Notify,
    NotSent,
    Paused,
    Progress,
    QuitWorker,
    Record,
    SendCancel,
    SendJob,
    StartWorker,
    StopAsked,
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

Kind = TypeVar("Kind", bound=Instruction)

RESULT = FixResult(
    take="t1",
    shot="s",
    frames=(1,),
    files=("/o/1.exr",),
    manifest="/o/take.json",
    engine="e",
    seconds=1.0,
    proof=Proof(outside_changed=0, outside_samples=1, inside_samples=1),
)


def view(job: str, host: str = "a") -> JobView:
    return JobView(
        job=job,
        shot="s",
        state=JobState.QUEUED,
        operation=Operation.REMOVE,
        engine="e",
        out="/o",
        submitted=0.0,
        host=host,
    )


class Play:
    """A queue, its clock, and what it ordered."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.queue = Queue(settings or Settings())
        self.now_s = 1000.0
        self.orders: list[Instruction] = []

    def __call__(self, *events: Event, after_s: float = 0.0) -> list[Instruction]:
        self.now_s += after_s
        self.orders = [order for event in events for order in self.queue.handle(event, now_s=self.now_s)]
        return self.orders

    def only(self, kind: type[Kind]) -> list[Kind]:
        return [order for order in self.orders if isinstance(order, kind)]

    def run_to_started(self, job: str, worker: int = 1) -> None:
        self(Submitted(view(job)))
        if not self.queue.workers() or self.queue.workers()[0].state == "starting":
            self(WorkerReady(worker, 99))
        self(WorkerStarted(worker, job))


def test_a_job_goes_its_way() -> None:
    play = Play()
    assert play(Submitted(view("j"))) == [StartWorker(1)]
    assert play(WorkerReady(1, 99)) == [SendJob(1, "j")]
    running = replace(view("j"), state=JobState.RUNNING)
    assert play(WorkerStarted(1, "j")) == [Record(running, True, False), Notify(running)]
    assert play.queue.running() == 1
    at_two = replace(running, phase=Phase.RENDER, frame=1002, done=2, total=5)
    assert play(Progress(1, "j", Phase.RENDER, 1002, 2, 5)) == [Notify(at_two)]
    assert play(Progress(1, "j", Phase.RENDER, 1002, 2, 5)) == []
    done = replace(view("j"), state=JobState.DONE, result=RESULT)
    assert play(Done(1, "j", RESULT)) == [Record(done, True, False), Notify(done)]
    assert len(play.queue) == 0
    assert play.queue.view("j") is None


def test_a_typed_failure_ends_the_job_and_not_the_worker() -> None:
    play = Play()
    play.run_to_started("j")
    error = BadMatte("The matte is empty").body()
    play(Failed(1, "j", error))
    (record,) = play.only(Record)
    assert (record.view.state, record.view.error) == (JobState.FAILED, error)
    assert play(Submitted(view("k"))) == [SendJob(1, "k")]


def test_cancel_while_queued_is_at_once() -> None:
    play = Play()
    play(Submitted(view("j")), Submitted(view("k")))
    play(CancelAsked("j"))
    (record,) = play.only(Record)
    assert record.view.state is JobState.CANCELLED
    assert not play.only(Sweep)
    assert play(WorkerReady(1, 99)) == [SendJob(1, "k")]


def test_cancel_while_running_obeyed() -> None:
    play = Play()
    play.run_to_started("j")
    play(CancelAsked("j"))
    assert play.only(SendCancel) == [SendCancel(1, "j")]
    assert play.only(Record)[0].cancel_asked
    play(CancelAsked("j"))
    assert not play.orders
    play(Failed(1, "j", Cancelled("x").body()), after_s=1.0)
    assert play.only(Record)[0].view.state is JobState.CANCELLED
    play(Tick(), after_s=5.0)
    assert not play.only(KillWorker)


def test_cancel_while_running_ignored() -> None:
    play = Play()
    play.run_to_started("j")
    play(CancelAsked("j"))
    play(Tick(), after_s=1.4)
    assert not play.orders
    play(Tick(), after_s=0.2)
    assert play.orders == [KillWorker(1)]
    play(Tick(), after_s=10.0)
    assert not play.orders
    play(WorkerDied(1, "killed"))
    assert play.only(Sweep) == [Sweep("j")]
    assert not play.only(Notify)
    play(Swept("j"))
    (record,) = play.only(Record)
    assert (record.view.state, record.view.attempts) == (JobState.CANCELLED, 0)


def test_a_cancel_that_comes_too_late_changes_nothing() -> None:
    play = Play()
    play.run_to_started("j")
    play(CancelAsked("j"))
    play(Done(1, "j", RESULT))
    assert play.only(Record)[0].view.state is JobState.DONE


def test_an_attempt_counts_only_after_start() -> None:
    play = Play(Settings(start_timeout_s=10_000.0))
    play(Submitted(view("j")))
    for worker in range(1, 6):
        play(Tick(), after_s=700.0)
        play(WorkerReady(worker, 99))
        play(WorkerDied(worker, "gone"))
        assert play.only(Record)[0].view.attempts == 0
    for attempt, worker in enumerate(range(6, 9), start=1):
        play(Tick(), after_s=700.0)
        play(WorkerReady(worker, 99), WorkerStarted(worker, "j"))
        play(WorkerDied(worker, "it was ended by SIGSEGV"))
        assert play.only(Record)[0].view.attempts == attempt
    assert play.only(Sweep) == [Sweep("j")]
    play(Swept("j"))
    (record,) = play.only(Record)
    assert record.view.state is JobState.FAILED
    assert record.view.error == ErrorBody(
        code="worker_crashed",
        message="The worker died 3 times on this job, last because it was ended by SIGSEGV",
        remedy=record.view.error.remedy if record.view.error else "",
    )


def test_a_job_that_lost_its_worker_is_next() -> None:
    play = Play()
    play(Submitted(view("j")), Submitted(view("k")))
    play(WorkerReady(1, 99), WorkerStarted(1, "j"), WorkerDied(1, "gone"))
    play(WorkerReady(2, 99))
    assert play.only(SendJob) == [SendJob(2, "j")]


def test_crashes_slow_the_next_worker_down() -> None:
    play = Play()
    play(Submitted(view("j")))
    waits = []
    for worker in range(1, 9):
        play(WorkerReady(worker, 99), WorkerDied(worker, "out of luck"))
        waited = 0.0
        while not play.only(StartWorker):
            play(Tick(), after_s=0.5)
            waited += 0.5
        waits.append(waited)
    assert waits == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    assert play.queue.is_degraded(now_s=play.now_s)
    play(Tick(), after_s=700.0)
    assert not play.queue.is_degraded(now_s=play.now_s)


def test_when_no_worker_can_start_those_who_wait_are_told() -> None:
    play = Play()
    play(Submitted(view("j")), Submitted(view("k", host="b")))
    for worker in range(1, 5):
        play(WorkerDied(worker, "it left with status 2"))
        assert not play.only(Notify)
        while not play.only(StartWorker):
            play(Tick(), after_s=0.5)
    play(WorkerDied(5, "it left with status 2"))
    assert {order.view.job: order.view.state for order in play.only(Notify)} == dict.fromkeys("jk", JobState.FAILED)
    error = play.only(Notify)[0].view.error
    assert error is not None
    assert (error.code, error.message) == ("worker_crashed", "No worker process can start here: it left with status 2")
    assert len(play.queue) == 0


def test_silent_workers_are_killed_and_it_counts() -> None:
    play = Play(Settings(beat_timeout_s=30, hang_timeout_s=100))
    play.run_to_started("j")
    for _ in range(9):
        play(Beaten(1), Tick(), after_s=10.0)
        assert not play.orders
    play(Beaten(1), Tick(), after_s=10.1)
    assert play.orders == [KillWorker(1)]
    play(WorkerDied(1, "killed"))
    assert play.only(Record)[0].view.attempts == 1
    play(WorkerReady(2, 99), WorkerStarted(2, "j"))
    play(Tick(), after_s=30.1)
    assert play.orders == [KillWorker(2)]


def test_a_worker_that_never_gets_ready_is_killed_and_it_does_not_count() -> None:
    play = Play(Settings(start_timeout_s=5))
    play(Submitted(view("j")))
    play(Tick(), after_s=5.1)
    assert play.orders == [KillWorker(1)]
    play(WorkerDied(1, "killed"))
    assert play.orders == [StartWorker(2)]
    play(WorkerReady(1, 99))
    assert play.orders == []


def test_idle_workers_leave_in_peace() -> None:
    play = Play()
    play.run_to_started("j")
    play(Done(1, "j", RESULT))
    for _ in range(3):
        play(Beaten(1), Tick(), after_s=19.0)
        assert not play.orders
    play(Tick(), after_s=4.0)
    assert play.orders == [QuitWorker(1)]
    play(Submitted(view("k")))
    assert not play.orders  # the only worker is leaving
    play(Tick(), after_s=2.1)
    assert play.orders == [KillWorker(1)]
    play(WorkerDied(1, "left"))
    assert play.orders == [StartWorker(2)]


def test_two_workers_and_fair_turns() -> None:
    play = Play(Settings(workers=2))
    play(*(Submitted(view(f"a{n}", "a")) for n in range(3)), *(Submitted(view(f"b{n}", "b")) for n in range(2)))
    play(WorkerReady(1, 1), WorkerReady(2, 2))
    assert play.only(SendJob) == [SendJob(1, "a0"), SendJob(2, "b0")]
    play(WorkerStarted(2, "b0"), Done(2, "b0", RESULT))
    assert play.only(SendJob) == [SendJob(2, "a1")]
    play(WorkerStarted(1, "a0"), Done(1, "a0", RESULT))
    assert play.only(SendJob) == [SendJob(1, "b1")]


def test_late_words_about_another_job_mean_nothing() -> None:
    play = Play()
    play.run_to_started("j")
    play(Done(1, "j", RESULT), Submitted(view("k")))
    before = play.queue.view("k")
    play(Done(1, "j", RESULT), Progress(1, "j", Phase.RENDER, 1, 1, 1), Failed(7, "k", Cancelled("x").body()))
    assert not play.orders
    assert play.queue.view("k") == before


def test_stop_gives_jobs_back_without_an_attempt() -> None:
    play = Play()
    play.run_to_started("j")
    play(StopAsked(drain=False))
    assert play.orders == [QuitWorker(1)]
    play(Tick(), after_s=2.1)
    assert play.orders == [KillWorker(1)]
    play(WorkerDied(1, "killed"))
    (record,) = play.only(Record)
    assert (record.view.state, record.view.attempts) == (JobState.QUEUED, 0)
    assert play.queue.is_at_rest
    assert not play.only(StartWorker)


def test_drain_lets_running_jobs_end_and_begins_no_other() -> None:
    play = Play()
    play.run_to_started("j")
    play(Submitted(view("k")), StopAsked(drain=True))
    assert not play.orders
    play(Done(1, "j", RESULT))
    assert play.only(Record)[0].view.state is JobState.DONE
    play(Tick())
    assert play.orders == [QuitWorker(1)]
    play(WorkerDied(1, "left"))
    assert play.queue.is_at_rest
    assert play.queue.view("k") == view("k")


def test_jobs_of_the_journal() -> None:
    play = Play()
    was_running = replace(view("j"), state=JobState.RUNNING, attempts=2, phase=Phase.RENDER, done=3)
    play(Submitted(was_running, begun=True))
    assert play.queue.view("j") == replace(view("j"), attempts=2)
    play(Submitted(replace(view("k"), state=JobState.RUNNING), begun=True, cancel_asked=True))
    assert play.only(Sweep) == [Sweep("k")]
    play(Swept("k"))
    assert play.only(Notify)[0].view.state is JobState.CANCELLED
    play(Submitted(replace(view("l"), attempts=3), begun=True))
    play(Swept("l"))
    assert play.only(Notify)[0].view.state is JobState.FAILED
    play(Submitted(view("m"), cancel_asked=True))
    assert play.only(Notify)[0].view.state is JobState.CANCELLED


def test_a_waiting_job_with_files_is_swept_when_cancelled() -> None:
    play = Play()
    play(Submitted(replace(view("j"), state=JobState.RUNNING), begun=True))
    play(CancelAsked("j"))
    assert play.only(Sweep) == [Sweep("j")]
    play(CancelAsked("j"))
    assert not play.orders


def test_a_job_that_was_not_sent_waits_again() -> None:
    play = Play()
    play(Submitted(view("j")), Submitted(view("k")), WorkerReady(1, 99))
    play(Paused(True), NotSent(1, "j"))
    assert not play.orders
    assert play(Paused(False)) == [SendJob(1, "j")]


def test_nothing_is_begun_while_the_disk_is_full() -> None:
    play = Play()
    play(Paused(True), Submitted(view("j")), Tick())
    assert not play.orders
    play(Paused(False))
    assert play.orders == [StartWorker(1)]
