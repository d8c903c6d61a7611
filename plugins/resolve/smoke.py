"""Ask a real Resolve what the documentation leaves open, and write down every call and answer.

In a project whose name begins with `Second Take smoke`, and which holds nothing of worth, run it from the console of
Resolve (Workspace, Console, Py3):

    exec(open("/path/to/smoke.py").read())

Each question is answered with PASS (as the plugin takes it to be), FAIL (otherwise), or LOOK (a person has to look).
The transcript lies in the folder named at the end; `python tests/resolve/compare.py TRANSCRIPT` holds it against
the stand-in. Never run against a real Resolve so far. Standard library only, CPython 3.9 and newer.
"""

from __future__ import annotations

import json
import os
import platform
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["Recorder", "main"]

PROJECT = "Second Take smoke"
FIRST, COUNT, SIZE_PX = 1001, 12, (64, 36)
RATES = ("23.976", "25", "29.97", "60")
LOOKS = {
    4: "On the Fusion page's console: does comp.Render() with a Saver write files when called from Python?",
    6: "Open a rendered frame: does its alpha hold anything but 1?",
    9: "Deliver preset with DisableCcDuringRecording=1: is the picture ungraded? Do NumFramesOfHandles come?",
    10: "Press Undo once: how much of what this script did goes away?",
    11: "Difference of source, render and re-import: 0 unmanaged, in RCM and in ACEScct?",
    13: "Fill the disk and render: does a dialog open, and does the job tell before it is closed?",
    14: "Free 21.1.2: does the Lua script's dofile work, and what else is there?",
    15: "Switch the take by hand: does the grade stay, does linked audio move?",
    16: "Keyboard customisation: can a script of the menu get a key?",
    17: "Does a folder _hidden below Scripts/Utility show in the menu?",
    21: "Draw a PolylineMask and a BSplineMask with a point in the picture's lower left corner, one in its middle, and "
    "print tool.GetBezierPolyline(0): are they (0, 0) and (0.5, 0.5), handles relative to their points?",
}
Answer = tuple[str, str]


class Recorder:
    """One of Resolve's objects; every call through it is written down."""

    def __init__(self, thing: Any, kind: str, lines: list[dict[str, Any]]) -> None:
        self._thing, self._kind, self._lines = thing, kind, lines

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            answer = getattr(self._thing, name)(*[_plain(each) for each in arguments])
            said = {"call": f"{self._kind}.{name}", "arguments": _shown(arguments), "answer": _shown(answer)}
            self._lines.append(said)
            return self._wrapped(answer, name)

        return call

    def has(self, name: str) -> bool:
        """Whether this Resolve has a call."""
        return name in dir(self._thing)

    def _wrapped(self, answer: Any, name: str) -> Any:
        if isinstance(answer, list):
            return [self._wrapped(each, name) for each in answer]
        is_thing = answer is not None and not isinstance(answer, (str, int, float, bool, dict, tuple))
        return Recorder(answer, _kind_of(name), self._lines) if is_thing else answer


class Bench:
    """A timeline of our own with one clip, made of files that were written for it."""

    def __init__(self, resolve: Recorder, folder: Path) -> None:
        self.resolve, self.folder = resolve, folder
        self.project = resolve.GetProjectManager().GetCurrentProject()
        if self.project is None or not str(self.project.GetName()).startswith(PROJECT):
            raise SystemExit(f"Open an empty project whose name begins with '{PROJECT}', and run this again.")
        self.pool = self.project.GetMediaPool()
        self.timeline = self.pool.CreateEmptyTimeline(f"smoke {time.strftime('%H.%M.%S')}")
        self.resolve.OpenPage("edit")

    def sequence(self, name: str, first: int) -> Any:
        """Numbered frames, imported as one clip."""
        for number in range(first, first + COUNT):
            _write_exr(self.folder / f"{name}.{number:04d}.exr", number)
        pattern = str(self.folder / f"{name}.%04d.exr")
        found = self.pool.ImportMedia([{"FilePath": pattern, "StartIndex": first, "EndIndex": first + COUNT - 1}])
        return found[0] if found and len(found) == 1 else None

    def place(self, clip: Any, at: int, **more: Any) -> Any:
        """Put a clip on track 1 of the timeline, `at` frames from its start."""
        start = int(self.timeline.GetStartFrame())
        info = {"mediaPoolItem": clip, "trackIndex": 1, "recordFrame": start + at, "mediaType": 1, **more}
        placed = self.pool.AppendToTimeline([info])
        return placed[0] if placed else None


def main(scope: dict[str, Any], *, folder: Path | None = None) -> Path:
    """Ask everything; the folder with `answers.txt` and `transcript.jsonl`."""
    folder = folder or Path.home() / f"secondtake-smoke-{time.strftime('%Y%m%d-%H%M%S')}"
    folder.mkdir(parents=True)
    lines: list[dict[str, Any]] = []
    resolve = Recorder(scope.get("resolve") or scope["app"].GetResolve(), "Resolve", lines)
    said = [f"{resolve.GetProductName()} {resolve.GetVersionString()}, {platform.platform()}, Python {sys.version}"]
    try:
        bench = Bench(resolve, folder)
        for number, ask in _questions():
            try:
                verdict, words = ask(bench)
            except Exception as error:  # noqa: BLE001 — one question that fails must not end the others
                verdict, words = "FAIL", f"{type(error).__name__}: {error}"
            said.append(f"{number:2d} {verdict} {ask.__doc__} {words}")
    finally:
        (folder / "answers.txt").write_text("\n".join(said) + "\n", encoding="utf-8")
        with (folder / "transcript.jsonl").open("w", encoding="utf-8") as transcript:
            transcript.writelines(json.dumps(line) + "\n" for line in lines)
    sys.stdout.write("\n".join((*said, f"All of it lies in {folder}")) + "\n")
    return folder


def _questions() -> Iterator[tuple[int, Callable[[Bench], Answer]]]:
    asked = {
        1: takes, 2: start_frame, 3: marker_origin, 5: interpreter, 7: frame_rates, 8: preset, 12: selected, 18: child,
        19: source_frames, 20: mask_units, 22: marks, 23: queue,
    }  # fmt: skip
    for number in sorted({*asked, *LOOKS}):
        yield number, asked[number] if number in asked else _look(LOOKS[number])


def takes(bench: Bench) -> Answer:
    """A take of exactly the item's length, without extents, shows all its frames."""
    item = bench.place(bench.sequence("take_a", FIRST), 0)
    other = bench.sequence("take_b", FIRST)
    is_added = item.AddTake(other)
    item.SelectTakeByIndex(2)
    told = item.GetTakeByIndex(2) or {}
    ends = told.get("startFrame"), told.get("endFrame")
    is_same = item.GetEnd() - item.GetStart() == COUNT and item.GetSelectedTakeIndex() == 2
    return _verdict(
        is_added is True and is_same
    ), f"extents {ends}, offsets {item.GetLeftOffset()} {item.GetRightOffset()}"


def start_frame(bench: Bench) -> Answer:
    """A whole sequence placed without startFrame begins with its first frame, whatever its number."""
    said = []
    for first, at in ((0, 40), (FIRST, 80)):
        item = bench.place(bench.sequence(f"from{first}", first), at)
        said.append((item.GetEnd() - item.GetStart(), item.GetLeftOffset(), item.GetSourceStartFrame()))
    item = bench.place(bench.sequence("cut", FIRST), 120, startFrame=2, endFrame=6)
    cut = None if item is None else (item.GetEnd() - item.GetStart(), item.GetLeftOffset())
    return _verdict(all(each[:2] == (COUNT, 0) for each in said)), f"{said}; startFrame 2, endFrame 6 gave {cut}"


def marker_origin(bench: Bench) -> Answer:
    """A marker at 0 lies at the first frame of a whole clip, and reads back at 0."""
    item = bench.place(bench.sequence("marker", FIRST), 160)
    item.AddMarker(0, "Purple", "smoke", "", 1, "smoke")
    return _verdict([float(at) for at in item.GetMarkers() or {}] == [0.0]), str(list(item.GetMarkers() or {}))


def interpreter(bench: Bench) -> Answer:
    """The Python of scripts is 3.9 or newer."""
    return _verdict(sys.version_info >= (3, 9)), f"{sys.executable} {platform.python_version()}"


def frame_rates(bench: Bench) -> Answer:
    """FPS of an imported sequence can be set, and reads so."""
    said = {}
    for at, rate in enumerate(RATES):
        clip = bench.sequence(f"fps{at}", FIRST)
        clip.SetClipProperty("FPS", rate)
        said[rate] = clip.GetClipProperty("FPS")
    return _verdict(all(abs(float(found) - float(rate)) < 1e-6 for rate, found in said.items())), str(said)


def preset(bench: Bench) -> Answer:
    """Render settings come back from a preset that was saved, as a queued job shows them."""
    project, name = bench.project, f"__secondtake_smoke_{os.getpid()}"
    bench.resolve.OpenPage("deliver")

    def queued() -> dict[str, Any]:
        job_id = project.AddRenderJob()
        found = next((job for job in project.GetRenderJobList() or [] if job.get("JobId") == job_id), {})
        project.DeleteRenderJob(job_id)
        return {key: value for key, value in found.items() if key not in ("JobId", "RenderJobName")}

    project.SetRenderSettings({"TargetDir": str(bench.folder), "CustomName": "before"})
    before, is_saved = queued(), project.SaveAsNewRenderPreset(name)
    start = int(bench.timeline.GetStartFrame())
    changed = {"SelectAllFrames": False, "MarkIn": start, "MarkOut": start + 3, "CustomName": "after"}
    project.SetRenderSettings({**changed, "TargetDir": str(bench.folder / "other")})
    project.LoadRenderPreset(name)
    after = queued()
    project.DeleteRenderPreset(name)
    bench.resolve.OpenPage("edit")
    lost = sorted(key for key in set(before) | set(after) if before.get(key) != after.get(key))
    return _verdict(is_saved is True and not lost), f"differs in {lost}" if lost else "nothing differs"


def selected(bench: Bench) -> Answer:
    """GetSelectedClips is there from 21.0.4 on. Select a clip away from the playhead and run this again."""
    if not bench.timeline.has("GetSelectedClips"):
        return "LOOK", "this version has none"
    return "LOOK", f"{len(bench.timeline.GetSelectedClips() or [])} selected"


def child(bench: Bench) -> Answer:
    """A script may start a child process and hear it."""
    code = "import sys; sys.stdout.write(sys.stdin.read())"
    python = next(
        (each for each in (sys.executable, "python3") if each and "python" in Path(each).name.lower()), "python3"
    )
    done = subprocess.run([python, "-c", code], input="heard", capture_output=True, text=True, check=False, timeout=30)
    return _verdict(done.stdout == "heard"), done.stderr[-200:]


def source_frames(bench: Bench) -> Answer:
    """Source frames of a clip at normal speed span as many frames as it shows."""
    item = bench.place(bench.sequence("source", FIRST), 200)
    ends = item.GetSourceStartFrame(), item.GetSourceEndFrame()
    return _verdict(ends[1] - ends[0] == COUNT), str(ends)


def mask_units(bench: Bench) -> Answer:
    """A new EllipseMask lies in the middle, at 0.5 and 0.5. LOOK at it: equal Width and Height must draw a circle."""
    item = bench.place(bench.sequence("mask", FIRST), 240)
    tool = item.AddFusionComp().AddTool("EllipseMask", 0, 0)
    said = {name: tool.GetInput(name, 0.0) for name in ("Center", "Width", "Height", "SoftEdge", "Angle")}
    centre = said["Center"] or {}
    is_middle = all(abs(centre[axis] - 0.5) < 1e-6 for axis in (1, 2))
    return _verdict(is_middle and tool.GetAttrs()["TOOLS_RegID"] == "EllipseMask"), str(said)


def marks(bench: Bench) -> Answer:
    """Render settings with a range leave its ends as the timeline's in and out marks, from its first frame."""
    timeline = bench.timeline
    if not timeline.has("GetMarkInOut"):
        return "LOOK", "this version does not tell marks"
    bench.place(bench.sequence("marks", FIRST), 280)
    before = timeline.GetMarkInOut()
    _queue_range(bench, 4)
    after = timeline.GetMarkInOut()
    timeline.ClearMarkInOut("all")
    return _verdict((after or {}).get("video") == {"in": 0, "out": 3}), f"{before} became {after}"


def queue(bench: Bench) -> Answer:
    """A queued job tells its folder, and a range as long as was asked."""
    bench.place(bench.sequence("queue", FIRST), 320)
    job = _queue_range(bench, 4)
    ends = job.get("MarkIn"), job.get("MarkOut")
    is_range = None not in ends and ends[1] - ends[0] == 3
    return _verdict(is_range and Path(str(job.get("TargetDir"))) == bench.folder), f"{job.get('TargetDir')} {ends}"


def _queue_range(bench: Bench, count: int) -> dict[str, Any]:
    """What Resolve tells of a queued job of the timeline's first frames; it is removed again."""
    project, start = bench.project, int(bench.timeline.GetStartFrame())
    bench.resolve.OpenPage("deliver")
    project.SetRenderSettings(
        {"SelectAllFrames": False, "MarkIn": start, "MarkOut": start + count - 1, "TargetDir": str(bench.folder)}
    )
    job_id = project.AddRenderJob()
    job = next((job for job in project.GetRenderJobList() or [] if job.get("JobId") == job_id), {})
    project.DeleteRenderJob(job_id)
    bench.resolve.OpenPage("edit")
    return dict(job)


def _look(words: str) -> Callable[[Bench], Answer]:
    def ask(bench: Bench) -> Answer:
        return "LOOK", ""

    ask.__doc__ = words
    return ask


def _verdict(is_so: bool) -> str:
    return "PASS" if is_so else "FAIL"


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value._thing if isinstance(value, Recorder) else value


def _shown(value: Any) -> Any:
    """For the transcript: plain values as they are, anything else by its kind."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_shown(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _shown(each) for key, each in value.items()}
    return "<object>"


def _kind_of(name: str) -> str:
    kinds = {
        "GetProjectManager": "ProjectManager", "GetCurrentProject": "Project", "GetMediaPool": "MediaPool",
        "CreateEmptyTimeline": "Timeline", "ImportMedia": "MediaPoolItem", "AppendToTimeline": "TimelineItem",
        "GetSelectedClips": "TimelineItem", "AddFusionComp": "FusionComp", "AddTool": "Tool",
    }  # fmt: skip
    return kinds.get(name, "Object")


def _write_exr(path: Path, level: int) -> None:
    """A flat picture, uncompressed half RGB (the OpenEXR file layout)."""
    width, height = SIZE_PX

    def attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
        return name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value

    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    channels = b"".join(each + b"\0" + struct.pack("<iB3xii", 1, 0, 1, 1) for each in (b"B", b"G", b"R")) + b"\0"
    header = attribute(b"channels", b"chlist", channels) + attribute(b"compression", b"compression", b"\0")
    header += attribute(b"dataWindow", b"box2i", window) + attribute(b"displayWindow", b"box2i", window)
    header += attribute(b"lineOrder", b"lineOrder", b"\0") + attribute(
        b"pixelAspectRatio", b"float", struct.pack("<f", 1)
    )
    header += attribute(b"screenWindowCenter", b"v2f", struct.pack("<2f", 0, 0))
    header += attribute(b"screenWindowWidth", b"float", struct.pack("<f", 1)) + b"\0"
    row = struct.pack("<e", level % 16 / 16) * (width * 3)
    start = 8 + len(header) + 8 * height
    offsets = struct.pack(f"<{height}Q", *(start + y * (8 + len(row)) for y in range(height)))
    rows = b"".join(struct.pack("<ii", y, len(row)) + row for y in range(height))
    path.write_bytes(struct.pack("<2i", 20000630, 2) + header + offsets + rows)


if "resolve" in globals() or "app" in globals():
    main(globals())
