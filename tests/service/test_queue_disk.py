"""The queue when disks are full and when jobs kill their workers: who waits where, and who goes on when."""

from __future__ import annotations

from msgspec.structs import replace
from test_queue import RESULT, Play, view

from secondtake.errors import DiskError
from secondtake.messages import JobState
from secondtake_daemon.service.events import (
    CancelAsked,
    Done,
    Failed,
    KillWorker,
    NoRoom,
    Notify,
    Paused,
    Record,
    RoomSeen,
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
from secondtake_daemon.settings import Settings

FULL = DiskError("The disk is full", remedy="Make room", path="/o/x.exr").body()


def waits(play: Play, job: str) -> str:
    found = play.queue.view(job)
    assert found is not None
    return found.waits


def test_a_job_without_room_waits_and_others_go_on() -> None:
    play = Play()
    play(Submitted(view("j")), Submitted(view("k")), WorkerReady(1, 99))
    play(NoRoom(1, "j", "no room"))
    assert play.only(SendJob) == [SendJob(1, "k")]
    assert play.only(Notify)[0].view == replace(view("j"), waits="no room")
    assert play.queue.parked() == [("j", "/o")]
    play(WorkerStarted(1, "k"), Done(1, "k", RESULT))
    assert not play.only(SendJob)
    play(RoomSeen("j", "still none"))
    assert waits(play, "j") == "still none"
    play(RoomSeen("j", ""))
    assert play.only(SendJob) == [SendJob(1, "j")]
    assert play.queue.parked() == []
    play(WorkerStarted(1, "j"))
    assert waits(play, "j") == ""


def test_a_running_job_that_meets_a_full_disk_waits_without_an_attempt() -> None:
    play = Play()
    play.run_to_started("j")
    play(Failed(1, "j", FULL))
    (record,) = play.only(Record)
    assert (record.view.state, record.view.attempts, record.view.error) == (JobState.QUEUED, 0, None)
    assert "The disk is full" in record.view.waits
    assert not play.only(SendJob)
    for _ in range(10):  # as long as the numbers say so too, it costs nothing
        play(RoomSeen("j", "no room"), RoomSeen("j", ""), WorkerStarted(1, "j"), Failed(1, "j", FULL), after_s=100.0)
    play(RoomSeen("j", "no room"), RoomSeen("j", ""))
    assert play.only(SendJob) == [SendJob(1, "j")]


def test_a_full_disk_with_room_on_it_is_met_three_times_at_most() -> None:
    play = Play()
    play.run_to_started("j")
    for pause_s in (1.0, 2.0):
        play(Failed(1, "j", FULL))
        play(RoomSeen("j", ""), after_s=pause_s * 0.9)
        assert not play.orders  # not at once
        play(RoomSeen("j", ""), after_s=pause_s * 0.2)
        assert play.only(SendJob) == [SendJob(1, "j")]
        play(WorkerStarted(1, "j"))
    play(Failed(1, "j", FULL))
    play(RoomSeen("j", ""))
    assert play.only(Sweep) == [Sweep("j")]
    play(Swept("j"))
    (record,) = play.only(Record)
    assert (record.view.state, record.view.error, record.view.attempts) == (JobState.FAILED, FULL, 0)
    play(RoomSeen("j", ""))
    assert not play.orders


def test_a_parked_job_can_be_cancelled() -> None:
    play = Play()
    play(Submitted(view("j")), WorkerReady(1, 99), NoRoom(1, "j", "no room"))
    play(CancelAsked("j"))
    assert play.only(Record)[0].view.state is JobState.CANCELLED
    assert play.queue.parked() == []
    play.run_to_started("k")
    play(Failed(1, "k", FULL), CancelAsked("k"))
    assert play.only(Sweep) == [Sweep("k")]
    play(RoomSeen("k", ""))
    assert not play.orders


def test_a_cancel_while_the_disks_are_looked_at() -> None:
    play = Play()
    play(Submitted(view("j")), Submitted(view("k")), WorkerReady(1, 99), CancelAsked("j"))
    play(NoRoom(1, "j", "no room"))
    assert play.only(Record)[0].view.state is JobState.CANCELLED
    assert play.only(SendJob) == [SendJob(1, "k")]
    play(Tick(), after_s=5.0)
    assert not play.orders  # the worker that never had the job is not killed for it


def test_those_who_wait_are_told_why() -> None:
    play = Play()
    play(Submitted(view("j")), Paused(True, "the cache is full"))
    assert play.only(Notify) == [Notify(replace(view("j"), waits="the cache is full"))]
    play(Submitted(view("k")))
    assert waits(play, "k") == "the cache is full"
    play(Paused(True, "the cache is full"))
    assert not play.orders
    play(Paused(False))
    assert waits(play, "j") == waits(play, "k") == ""
    assert len(play.only(Notify)) == 2


def die(play: Play, worker: int, job: str) -> None:
    play(WorkerReady(worker, 99), WorkerStarted(worker, job), WorkerDied(worker, "it was ended by SIGKILL"))


def test_after_two_deaths_a_job_is_tried_last() -> None:
    play = Play()
    play(Submitted(view("poison")), Submitted(view("k")), Submitted(view("l")))
    die(play, 1, "poison")
    play(WorkerReady(2, 99))
    assert play.only(SendJob) == [SendJob(2, "poison")]  # one death may be bad luck
    play(WorkerStarted(2, "poison"), WorkerDied(2, "it was ended by SIGKILL"))
    assert "alone" in waits(play, "poison")
    play(Tick(), after_s=2.0)
    play(WorkerReady(3, 99))
    order = []
    for _ in range(3):
        (sent,) = play.only(SendJob)
        order.append(sent.job)
        play(WorkerStarted(3, sent.job), Done(3, sent.job, RESULT))
    assert order == ["k", "l", "poison"]


def test_a_quarantined_job_is_alone() -> None:
    play = Play(Settings(workers=2))
    poison = Submitted(replace(view("poison"), attempts=2), begun=True)
    play(Submitted(view("k")), poison)
    play(WorkerReady(1, 99))
    assert play.only(SendJob) == [SendJob(1, "k")]
    assert not play.only(StartWorker)
    play(Tick(), after_s=30.0)
    assert not play.only(StartWorker)  # no second worker for it while the first has a job
    play(WorkerStarted(1, "k"), Done(1, "k", RESULT))
    assert play.only(SendJob) == [SendJob(1, "poison")]
    play(Submitted(view("l")))
    assert not play.orders
    play(WorkerStarted(1, "poison"), WorkerDied(1, "it was ended by SIGSEGV"))
    assert (play.only(Record)[-1].view.attempts, play.only(Sweep)) == (3, [Sweep("poison")])
    assert play.only(StartWorker) == [StartWorker(2)]  # and the others go on
    play(Swept("poison"))
    error = play.only(Record)[0].view.error
    assert error is not None
    assert error.message == "The worker died 3 times on this job, last because it was ended by SIGSEGV"


def test_a_quarantined_job_has_its_turn_in_the_end() -> None:
    play = Play(Settings(workers=1))
    play(Submitted(view("j0")), WorkerReady(1, 99), Submitted(replace(view("poison"), attempts=2), begun=True))
    served = []
    for number in range(1, 100):
        play(Submitted(view(f"j{number}")))
        job = play.queue.workers()[0].job
        served.append(job)
        play(WorkerStarted(1, job), Done(1, job, RESULT), after_s=20.0)
        if job == "poison":
            break
    assert served[-1] == "poison"
    assert 25 < len(served) < 35  # ten minutes


def test_a_quarantined_job_can_be_cancelled() -> None:
    play = Play()
    play(Submitted(replace(view("poison"), attempts=2), begun=True), CancelAsked("poison"))
    assert play.only(Sweep) == [Sweep("poison")]
    play(Swept("poison"), Submitted(view("k")), WorkerReady(1, 99))
    assert play.only(SendJob) == [SendJob(1, "k")]


def test_a_worker_that_is_leaving_is_not_called_back() -> None:
    play = Play()
    play(Submitted(view("j")), WorkerReady(1, 99), CancelAsked("j"))
    play(Tick(), after_s=2.1)
    assert play.orders == [KillWorker(1)]  # the disk's server gave no answer in time
    play(NoRoom(1, "j", "no room"), Submitted(view("k")))
    assert not play.only(SendJob)
    play(WorkerDied(1, "it was ended by SIGKILL"), WorkerReady(2, 99))
    assert play.only(SendJob) == [SendJob(2, "k")]


def test_a_quarantined_job_waits_for_its_neighbours_end() -> None:
    play = Play(Settings(workers=2))
    play(Submitted(view("k")), Submitted(view("l")), WorkerReady(1, 98), WorkerReady(2, 99))
    play(WorkerStarted(1, "k"), WorkerStarted(2, "l"))
    play(Submitted(replace(view("poison"), attempts=2), begun=True), Done(1, "k", RESULT))
    assert not play.only(SendJob)
    play(Done(2, "l", RESULT))
    assert [order.job for order in play.only(SendJob)] == ["poison"]
