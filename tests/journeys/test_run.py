"""A whole edit from the user's side: the command, a real daemon, kills and changes of mind in between.

Where no signal is sent, the command runs inside the test's process, which spares loading the image libraries each time.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import opentimelineio as otio
import pytest

from secondtake import Client
from secondtake.messages import JobState, JobView
from secondtake_daemon.cli import app
from secondtake_daemon.takes.manifest import load

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from exr_shots import Layout, write_matte, write_shot

FRAMES = [1001, 1002, 1003]
STANDIN = 'engine = "standin"\n'


@pytest.fixture(scope="module")
def home(make_home: Callable[[], AbstractContextManager[Path]]) -> Iterator[Path]:
    """One home, and so one daemon, for all tests of this file."""
    with make_home() as root:
        yield root


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A command that ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return answer

    @property
    def error(self) -> str:
        return self.err.splitlines()[-1]


def command(*arguments: object) -> Ran:
    """The `secondtake` command, in this process."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = app.run([str(argument) for argument in arguments])
    return Ran(status=status, out=out.getvalue(), err=err.getvalue())


class Reel:
    """An edit of small shots, and the command that runs it."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.home = home
        self.file = root / "reel.toml"
        self._shots: dict[str, str] = {}

    def shot(self, name: str, more: str, *, frames: list[int] = FRAMES, matte: bool = True) -> None:
        """Add a shot, or say it anew."""
        folder = self.root / name
        if not folder.exists():
            folder.mkdir()
            write_shot(folder, Layout(), frames, seed=len(self._shots))
        paths = f'plate = "{name}/plate/sh.####.exr"\n' + (f'matte = "{name}/matte/m.####.exr"\n' if matte else "")
        self._shots[name] = f'[[shot]]\nname = "{name}"\n{paths}{more}'
        self.file.write_text("\n".join(self._shots.values()))

    def run(self, *more: object) -> Ran:
        return command("run", self.file, "--json", *more)

    def start(self) -> subprocess.Popen[bytes]:
        """The same, without waiting for its end."""
        command = [sys.executable, "-P", "-m", "secondtake_daemon", "run", str(self.file), "--json"]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def jobs(self) -> list[JobView]:
        """Those of this edit, oldest first."""
        with Client.connect(home=self.home, timeout_s=10) as client:
            views = client.jobs(limit=1000)
        return [view for view in reversed(views) if view.out.startswith(f"{self.root}{os.sep}")]

    def wait_until(self, wanted: Callable[[list[JobView]], bool]) -> None:
        deadline_s = time.monotonic() + 20
        while not wanted(self.jobs()):
            assert time.monotonic() < deadline_s
            time.sleep(0.02)


@pytest.fixture
def reel(clean_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path) -> Reel:
    monkeypatch.setenv("SECONDTAKE_HOME", str(home))
    return Reel(tmp_path, home)


def states(ran: Ran) -> dict[str, str]:
    return {shot["name"]: shot["state"] for shot in ran.json["shots"]}


def takes(ran: Ran) -> dict[str, str]:
    return {shot["name"]: shot["take"] for shot in ran.json["shots"]}


def length(movie: str) -> int:
    with av.open(movie) as container:
        return sum(1 for _ in container.decode(video=0))


def test_an_edit_becomes_takes_an_animatic_and_a_timeline(reel: Reel, secondtake: Callable[..., Any]) -> None:
    reel.shot("a", STANDIN + 'instruction = "red"\n')
    reel.shot("b", 'engine = "temporal"\nquality = "draft"\nframes = "1001-1002"\n')
    reel.shot("c", 'frames = "1002-1003"\n', matte=False)
    ran = secondtake("run", reel.file, "--json")
    assert ran.status == 0, ran.err
    assert len(ran.out.splitlines()) == 1
    answer = ran.json
    assert set(answer) == {"schema_version", "name", "shots", "animatic", "timeline", "notes", "error"}
    assert set(answer["shots"][0]) == {"name", "take", "state", "files", "seconds", "notes", "error"}
    assert states(ran) == {"a": "done", "b": "done", "c": "plate"}
    assert [len(shot["files"]) for shot in answer["shots"]] == [3, 2, 0]
    for shot in answer["shots"][:2]:
        folder = Path(shot["files"][0]).parent
        assert folder.parent == reel.root / "takes" / shot["name"]
        assert command("verify", folder).status == 0
    assert answer["animatic"] == str(reel.root / "takes" / "reel.mp4")
    assert length(answer["animatic"]) == 3 + 2 + 2
    timeline = otio.adapters.read_from_file(answer["timeline"])
    clips = list(timeline.video_tracks()[0])
    assert [clip.name for clip in clips] == ["a", "b", "c"]
    assert [clip.duration().to_frames() for clip in clips] == [3, 2, 2]
    assert clips[0].metadata["secondtake"]["take"] == answer["shots"][0]["take"]

    assert command("daemon", "stop").status == 0
    again = reel.run("--no-start")
    assert again.status == 0, "what is there needs no daemon"
    assert takes(again) == takes(ran)

    shutil.copy(answer["timeline"], reel.root / "recut.otio")
    from_timeline = command("run", reel.root / "recut.otio", "--json", "--no-start")
    assert from_timeline.status == 0, from_timeline.err
    assert takes(from_timeline) == takes(ran), "the timeline names the same shots"


def test_shots_that_go_on_or_are_new(reel: Reel) -> None:
    reel.shot("a", STANDIN + "extend = [-1, 2]\n", matte=False)
    reel.shot("b", STANDIN + 'operation = "restyle"\ncontrol_kind = "scribble"\n', matte=False)
    follow = 'control = "b/matte/m.####.exr"\ncontrol_kind = "depth"\nreferences = ["b/plate/sh.1001.exr"]\n'
    new = f'operation = "generate"\nsize = "80x60"\nframes = "1001-1003"\n{follow}'
    reel.file.write_text(f'{reel.file.read_text()}\n[[shot]]\nname = "c"\n{STANDIN}{new}')
    ran = reel.run()
    assert ran.status == 0, ran.err
    assert states(ran) == {"a": "done", "b": "done", "c": "done"}
    files = [[Path(file).name.split(".")[-2] for file in shot["files"]] for shot in ran.json["shots"]]
    assert files == [["1000", "1001", "1002", "1003", "1004", "1005"], *[["1001", "1002", "1003"]] * 2]
    assert length(ran.json["animatic"]) == 6 + 3 + 3
    for shot in ran.json["shots"]:
        assert command("verify", Path(shot["files"][0]).parent).status == 0
    made = load(Path(ran.json["shots"][2]["files"][0]).parent)
    assert (made.request.fps, made.request.width_px, made.request.plate) == (24.0, 80, "")
    assert made.control is not None

    shutil.copy(ran.json["timeline"], reel.root / "recut.otio")
    again = command("run", reel.root / "recut.otio", "--json", "--no-start")
    assert again.status == 0, again.err
    assert takes(again) == takes(ran), "the timeline names the same shots"


def test_new_frames_that_fail(reel: Reel) -> None:
    fails = "engine_options = { nan_at = 1004 }\n"
    reel.shot("a", STANDIN + 'operation = "extend"\nframes = "1001-1005"\n' + fails, matte=False)
    new = 'operation = "generate"\nsize = "40x32"\nframes = "1001-1004"\n'
    reel.file.write_text(f'{reel.file.read_text()}\n[[shot]]\nname = "b"\n{STANDIN}{new}{fails}')
    ran = reel.run()
    assert ran.status == 11
    assert states(ran) == {"a": "failed", "b": "failed"}
    assert length(ran.json["animatic"]) == 3 + 4, "what was filmed, and black"
    assert "Shot b cannot be shown: The shot has no plate." in ran.json["notes"]


def test_one_failure_does_not_stop_the_others(reel: Reel) -> None:
    reel.shot("a", STANDIN + "engine_options = { nan_at = 1002 }\n")
    reel.shot("b", STANDIN)
    reel.shot("c", STANDIN + "engine_options = { speed = 11 }\n")
    ran = reel.run()
    assert ran.status == 11, "the first failure's"
    assert states(ran) == {"a": "failed", "b": "done", "c": "failed"}
    assert [shot["error"] and shot["error"]["code"] for shot in ran.json["shots"]] == ["engine_fault", None, "usage"]
    assert ran.json["error"]["message"].startswith("Shot 'a': ")
    assert length(ran.json["animatic"]) == 9, "the shots that failed play as they were filmed"
    assert len(reel.jobs()) == 2

    again = reel.run()
    assert (states(again), again.status) == (states(ran), 11)
    assert len(reel.jobs()) == 2, "nothing was tried again"
    third = reel.run("--retry")
    assert states(third) == states(ran)
    assert len(reel.jobs()) == 3, "only what had failed was"

    reel.shot("a", STANDIN)
    reel.shot("c", STANDIN + 'engine_options = { mode = "noise" }\n')
    mended = reel.run()
    assert mended.status == 0, mended.err
    assert takes(mended)["b"] == takes(ran)["b"]


def test_a_failure_whose_file_is_mended_is_tried_again_by_itself(reel: Reel) -> None:
    reel.shot("a", STANDIN)
    lost = reel.root / "a" / "plate" / "sh.1002.exr"
    lost.rename(reel.root / "aside.exr")
    ran = reel.run()
    assert (ran.status, ran.json["error"]["code"]) == (12, "missing_frames")
    assert ran.json["animatic"] == ran.json["timeline"] == "", "there is nothing to play"
    (reel.root / "aside.exr").rename(lost)
    assert reel.run().status == 0


def test_another_instruction_is_another_take_and_the_first_stays(reel: Reel) -> None:
    reel.shot("a", STANDIN + 'instruction = "red"\n')
    first = reel.run().json["shots"][0]
    before = [Path(file).read_bytes() for file in first["files"]]
    reel.shot("a", STANDIN + 'instruction = "blue"\n')
    second = reel.run().json["shots"][0]
    assert second["take"] != first["take"]
    assert [Path(file).read_bytes() for file in first["files"]] == before
    assert [Path(file).read_bytes() for file in second["files"]] != before
    reel.shot("a", STANDIN + 'instruction = "red"\n')
    assert reel.run().json["shots"][0]["take"] == first["take"], "back to what was said before"


def test_a_folder_that_was_removed_is_made_again(reel: Reel) -> None:
    reel.shot("a", STANDIN)
    first = reel.run().json["shots"][0]
    Path(first["files"][1]).unlink()
    damaged = reel.run()
    assert damaged.status == 12
    assert "lost 1 of its frames" in damaged.json["error"]["message"]
    shutil.rmtree(Path(first["files"][0]).parent)
    ran = reel.run()
    assert ran.status == 0, ran.err
    assert all(Path(file).is_file() for file in ran.json["shots"][0]["files"])


def test_killed_in_the_middle_the_next_run_joins(reel: Reel) -> None:
    for name in ("a", "b"):
        reel.shot(name, STANDIN + "engine_options = { frame_s = 0.3 }\n")
    process = reel.start()
    reel.wait_until(lambda jobs: len(jobs) == 2 and any(job.state is JobState.RUNNING for job in jobs))
    process.kill()
    process.communicate()
    with Client.connect(home=reel.home, timeout_s=10) as client:
        os.kill(client.status().pid, signal.SIGKILL)
    ran = reel.run()
    assert ran.status == 0, ran.err
    assert states(ran) == {"a": "done", "b": "done"}
    assert [job.state for job in reel.jobs()] == [JobState.DONE] * 2, "no job was sent twice"


def test_an_interrupt_cancels_all_and_the_next_run_goes_on(reel: Reel) -> None:
    reel.shot("a", STANDIN)
    for name in ("b", "c"):
        reel.shot(name, STANDIN + "engine_options = { frame_s = 0.5 }\n")
    process = reel.start()
    reel.wait_until(lambda jobs: [job.state for job in jobs[:2]] == [JobState.DONE, JobState.RUNNING])
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    answer = json.loads(out)
    assert process.returncode == 3
    assert [shot["state"] for shot in answer["shots"]] == ["done", "cancelled", "cancelled"]
    assert answer["error"]["code"] == "cancelled"
    assert answer["animatic"] == ""
    assert {job.state for job in reel.jobs()[1:]} == {JobState.CANCELLED}
    for name in ("b", "c"):
        assert not (reel.root / "takes" / name).exists(), "nothing half-made stays"
    ran = reel.run()
    assert ran.status == 0, ran.err
    assert states(ran) == {"a": "done", "b": "done", "c": "done"}
    assert takes(ran)["a"] == answer["shots"][0]["take"]


def test_more_shots_than_the_queue_holds(
    reel: Reel, monkeypatch: pytest.MonkeyPatch, make_home: Callable[[], AbstractContextManager[Path]]
) -> None:
    with make_home() as root:
        monkeypatch.setenv("SECONDTAKE_HOME", str(root))
        monkeypatch.setenv("SECONDTAKE_QUEUE_JOBS", "1")
        for name in ("a", "b", "c"):
            reel.shot(name, STANDIN)
        ran = reel.run()
    assert ran.status == 0, ran.err
    assert set(states(ran).values()) == {"done"}


def test_it_never_writes_over_what_it_reads(reel: Reel) -> None:
    reel.shot("a", "", matte=False)
    made = reel.run().json
    ran = command("run", made["timeline"], "--json")
    assert (ran.status, ran.json["error"]["code"]) == (12, "bad_output")
    assert "its own input" in ran.json["error"]["message"]
    elsewhere = command("run", made["timeline"], "--json", "--out", reel.root / "else")
    assert elsewhere.status == 0, elsewhere.err


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        ("[[shot]]\n", 12, "Shot 1 (line 1): the key 'name' is missing"),
        ('shot = "a"', 12, "'shot' is text, not a list"),
    ],
)
def test_an_edit_that_is_wrong(reel: Reel, text: str, status: int, says: str) -> None:
    reel.file.write_text(text)
    ran = reel.run()
    assert ran.status == status
    assert says in ran.json["error"]["message"]
    assert ran.error.endswith(str(reel.file))
    assert list(reel.root.iterdir()) == [reel.file]


def test_a_movie_is_a_plate_and_is_heard(reel: Reel) -> None:
    with av.open(str(reel.root / "shot.mkv"), "w") as container:
        video, audio = container.add_stream("ffv1", rate=24), container.add_stream("pcm_s16le", rate=48_000)
        video.width, video.height, video.pix_fmt = 40, 30, "yuv444p"
        audio.layout = "mono"
        for number in range(5):
            picture = np.full((30, 40, 3), 30 * number + 60, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        loud = av.AudioFrame.from_ndarray(np.full((1, 10_000), 8000, np.int16), format="s16", layout="mono")
        loud.sample_rate = 48_000
        container.mux([*video.encode(), *audio.encode(loud), *audio.encode()])
    write_matte(reel.root / "held.exr", Layout(), 0)
    reel.file.write_text(
        '[[shot]]\nname = "m"\nplate = "shot.mkv"\nmatte = "held.exr"\nframes = "2-4"\n'
        f'colorspace = "srgb_tx"\n{STANDIN}'
    )
    ran = reel.run()
    assert ran.status == 0, ran.err
    assert length(ran.json["animatic"]) == 3
    with av.open(ran.json["animatic"]) as movie:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in movie.decode(audio=0)])
    assert np.abs(heard).mean() > 0.1
    timeline = otio.adapters.read_from_file(ran.json["timeline"])
    (picture_clip,), (sound_clip,) = timeline.tracks
    assert picture_clip.media_reference.start_frame == 2
    assert sound_clip.media_reference.target_url == (reel.root / "shot.mkv").as_uri()
    assert [sound_clip.source_range.start_time.value, sound_clip.source_range.duration.value] == [1, 3]


def test_for_people(reel: Reel) -> None:
    reel.shot("a", STANDIN)
    reel.shot("gone", "", matte=False)
    shutil.rmtree(reel.root / "gone" / "plate")
    ran = command("run", reel.file)
    assert ran.status == 12
    header, first, second, *_ = ran.out.splitlines()
    assert header.split() == ["SHOT", "TAKE", "FRAMES", "STATE"]
    assert (first.split()[0], first.split()[2:]) == ("a", ["1001-1003", "done"])
    assert second.split() == ["gone", "failed"]
    assert f"Animatic: {reel.root / 'takes' / 'reel.mp4'}" in ran.out
    assert "a render 3/3" in ran.err
    assert ran.error.startswith("secondtake: Shot 'gone': ")
