"""The whole line in one process: hostile plates in, takes out, every bit outside the matte compared."""

from __future__ import annotations

import sys
import threading
import uuid
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from msgspec.structs import replace

from secondtake.errors import BadImage, BadInput, BadMatte, BadOutput, Cancelled, EngineFault, SecondTakeError
from secondtake.figures import Figures
from secondtake.messages import FixRequest, FixResult, Operation, Phase
from secondtake_daemon.engines.contract import Job, Patch, Window
from secondtake_daemon.engines.standin import StandInEngine
from secondtake_daemon.engines.standin_card import CARD
from secondtake_daemon.job.render import FrameWriter
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.takes.manifest import TakeFrame, load

sys.path.insert(0, str(Path(__file__).parent))
from exr_shots import Layout, changed_outside, matte_on, read, write_shot

FRAMES = [1001, 1002, 1003, 1005, 1006, 1007]
LAYOUTS = {
    "half rgb": Layout(),
    "float rgb": Layout(floats=("R", "G", "B")),
    "aovs": Layout(channels=("R", "G", "B", "A", "Z", "diffuse.R", "id"), floats=("Z", "id")),
    "overscan": Layout(width=60, height=50, data_min=(-10, -10), display=(40, 30)),
    "cropped": Layout(width=30, height=20, data_min=(5, 4), display=(40, 30)),
    "luminance": Layout(channels=("Y",)),
    "layer": Layout(channels=("beauty.R", "beauty.G", "beauty.B", "matte.A")),
    "odd size": Layout(width=37, height=23),
    "none": Layout(compression=OpenEXR.NO_COMPRESSION),
    "piz": Layout(compression=OpenEXR.PIZ_COMPRESSION, height=100),
    "zips float": Layout(compression=OpenEXR.ZIPS_COMPRESSION, floats=("R", "G", "B")),
    "tiled": Layout(tiled=True),
    "two parts": Layout(extra_part=True),
}


class Recorder:
    """Keeps what was reported; cancels at a phase if told to."""

    def __init__(self, cancel_in: Phase | None = None, crash_after: int | None = None) -> None:
        self.phases: list[Phase] = []
        self.frames: list[int] = []
        self._cancel_in = cancel_in
        self._crash_after = crash_after

    def phase(self, phase: Phase, total: int = 0) -> None:
        self.phases.append(phase)
        self.frames.clear()
        self.step()

    def frame(self, frame: int) -> None:
        self.frames.append(frame)
        self.step()

    def figures(self, figures: Figures) -> None: ...

    def stage(self, stage: object) -> None: ...

    def step(self) -> None:
        if self._cancel_in and self.phases[-1] is self._cancel_in:
            raise Cancelled("The job was cancelled")


def make_request(
    tmp_path: Path, layout: Layout | None = None, frames: list[int] = FRAMES, **options: object
) -> FixRequest:
    plate, matte = write_shot(tmp_path, layout or Layout(), frames)
    values: dict[str, object] = {
        "job": uuid.uuid4().hex,
        "shot": "sh",
        "plate": plate,
        "matte": matte,
        "out": str(tmp_path / "out"),
        "operation": Operation.REMOVE,
        "engine": "standin",
        "engine_options": {"mode": "noise"},
        "frames": "1001-1003,1005-1007",
    }
    return FixRequest(**{**values, **options})  # type: ignore[arg-type]


def run(request: FixRequest, tmp_path: Path, report: Recorder | None = None) -> FixResult:
    folders = Folders(cache=tmp_path / "cache", takes=tmp_path / "takes", cache_bytes=1 << 30)
    return render_fix(request, take="tabc12", folders=folders, report=report or Recorder())


@pytest.mark.parametrize("name", LAYOUTS)
def test_outside_the_matte_every_bit_stays(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[name]
    result = run(make_request(tmp_path, layout), tmp_path)
    assert result.frames == tuple(FRAMES)
    assert result.proof.outside_changed == 0
    edited = tuple(load(Path(result.manifest)).plate.channels)
    for frame, file in zip(result.frames, result.files, strict=True):
        assert Path(file).name == f"sh.tabc12.{frame:04d}.exr"
        inside = matte_on(layout, tmp_path / "matte" / f"m.{frame:04d}.exr")
        assert inside.any()
        plate = tmp_path / "plate" / f"sh.{frame:04d}.exr"
        assert changed_outside(plate, Path(file), inside, edited) == []
        before, after = read(plate)[0][1], read(Path(file))[0][1]
        for channel in edited:
            assert np.isfinite(after[channel][inside]).all()
            assert (after[channel][inside] != before[channel][inside]).any()


def test_the_same_request_gives_the_same_bytes(tmp_path: Path) -> None:
    first = run(make_request(tmp_path), tmp_path)
    request = load(Path(first.manifest)).request
    again = FixRequest(**{**{f: getattr(request, f) for f in request.__struct_fields__}, "out": str(tmp_path / "b")})
    folders = Folders(cache=tmp_path / "other cache", takes=tmp_path / "takes", cache_bytes=1 << 30)
    second = render_fix(again, take="tabc12", folders=folders, report=Recorder())
    for mine, theirs in zip(first.files, second.files, strict=True):
        assert Path(mine).read_bytes() == Path(theirs).read_bytes()


def test_what_is_known_is_not_computed_again(tmp_path: Path) -> None:
    request = make_request(tmp_path)
    run(request, tmp_path)
    report = Recorder()
    second = FixRequest(
        **{**{f: getattr(request, f) for f in request.__struct_fields__}, "job": "f" * 32, "out": str(tmp_path / "b")}
    )
    run(second, tmp_path, report)
    assert Phase.LOAD not in report.phases


def test_goes_on_after_a_crash_from_finished_frames(tmp_path: Path) -> None:
    # The first window's frames are written while the engine waits over 1005; then it dies.
    options = {"mode": "noise", "frame_s": "0.2", "crash_at": "1006", "crash": "raise"}
    request = make_request(tmp_path, engine_options=options)

    def keep_ledger(*_: object) -> None:
        return None

    from secondtake_daemon.takes.ledger import Ledger

    discard = Ledger.discard
    Ledger.discard = keep_ledger  # type: ignore[method-assign] # as a killed process would
    try:
        with pytest.raises(RuntimeError):
            run(request, tmp_path)
    finally:
        Ledger.discard = discard  # type: ignore[method-assign]
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.exr")}
    assert len(finished) == 3
    options |= {"crash_times": "1"}
    fields = {f: getattr(request, f) for f in request.__struct_fields__}
    result = run(FixRequest(**{**fields, "engine_options": options}), tmp_path)
    assert len(result.files) == len(FRAMES)
    assert all(path.stat().st_mtime_ns == finished[path] for path in finished)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        [*(Path(file).name for file in result.files), "sh.tabc12.supports", "take.json"]
    )


@pytest.mark.parametrize("phase", [Phase.PREPARE, Phase.LOAD, Phase.RENDER, Phase.PUBLISH])
def test_cancel_in_every_phase_leaves_nothing(tmp_path: Path, phase: Phase) -> None:
    with pytest.raises(Cancelled):
        run(make_request(tmp_path), tmp_path, Recorder(cancel_in=phase))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"nan_at": "1005"}, EngineFault),
        ({"wrong_size_at": "1005"}, EngineFault),
        ({"load_fails": "true"}, EngineFault),
        ({"crash_at": "1005", "crash": "raise"}, RuntimeError),
    ],
)
def test_a_faulty_engine_leaves_nothing(tmp_path: Path, options: dict[str, str], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        run(make_request(tmp_path, engine_options=options), tmp_path)
    assert not (tmp_path / "out").exists()


def test_frames_without_matte_are_copies(tmp_path: Path) -> None:
    request = make_request(tmp_path)
    blank = tmp_path / "matte" / "m.1002.exr"
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": np.zeros((30, 40), np.float16)}).write(str(blank))
    result = run(request, tmp_path)
    assert Path(result.files[1]).read_bytes() == (tmp_path / "plate" / "sh.1002.exr").read_bytes()


def _break_size(root: Path) -> None:
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": np.ones((9, 9), np.float16)}).write(
        str(root / "matte" / "m.1001.exr")
    )


def _empty_mattes(root: Path) -> None:
    for path in (root / "matte").iterdir():
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": np.zeros((30, 40), np.float16)}).write(str(path))


def _nan_matte(root: Path) -> None:
    matte = np.full((30, 40), np.nan, np.float16)
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": matte}).write(str(root / "matte" / "m.1005.exr"))


def _cut_plate(root: Path) -> None:
    path = root / "plate" / "sh.1006.exr"
    path.write_bytes(path.read_bytes()[:-300])


def _not_an_exr(root: Path) -> None:
    (root / "plate" / "sh.1006.exr").write_bytes(b"GIF89a, honestly")


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (_break_size, BadMatte),
        (_empty_mattes, BadMatte),
        (_nan_matte, BadMatte),
        (_cut_plate, BadImage),
        (_not_an_exr, BadImage),
        (lambda root: (root / "matte" / "m.1003.exr").unlink(), BadMatte),
        (lambda root: (root / "plate" / "sh.1003.exr").unlink(), BadInput),
    ],
)
def test_bad_input_is_typed_and_leaves_nothing(tmp_path: Path, damage: object, kind: type[SecondTakeError]) -> None:
    request = make_request(tmp_path)
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(kind) as raised:
        run(request, tmp_path)
    assert raised.value.remedy
    assert not (tmp_path / "out").exists()


def test_a_frame_that_leads_outside_the_roots_is_refused(tmp_path: Path) -> None:
    (tmp_path / "show").mkdir()
    request = make_request(tmp_path / "show")
    frame = tmp_path / "show" / "plate" / "sh.1003.exr"
    frame.symlink_to(frame.rename(tmp_path / "secret.exr"))
    folders = Folders(
        cache=tmp_path / "cache", takes=tmp_path / "takes", cache_bytes=1 << 30, roots=(tmp_path / "show",)
    )
    with pytest.raises(BadInput, match="roots"):
        render_fix(request, take="tabc12", folders=folders, report=Recorder())
    assert not (tmp_path / "show" / "out").exists()


def test_never_overwrites_a_take_and_never_writes_beside_the_plate(tmp_path: Path) -> None:
    request = make_request(tmp_path)
    result = run(request, tmp_path)
    before = {file: Path(file).read_bytes() for file in result.files}
    fields = {f: getattr(request, f) for f in request.__struct_fields__}
    with pytest.raises(BadOutput, match="already holds a take"):
        run(FixRequest(**{**fields, "job": "e" * 32}), tmp_path)
    with pytest.raises(BadOutput, match="plate's own"):
        run(FixRequest(**{**fields, "job": "d" * 32, "out": str(tmp_path / "plate")}), tmp_path)
    assert {file: Path(file).read_bytes() for file in result.files} == before
    assert run(request, tmp_path) == result


def test_a_window_is_made_while_the_one_before_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, write, generate = threading.Event(), FrameWriter.write, StandInEngine.generate

    def making(self: StandInEngine, window: Window, job: Job) -> Patch:
        if window.index == 2:
            begun.set()
        return generate(self, window, job)

    def writing(self: FrameWriter, frame: int, *rest: object) -> TakeFrame:
        if 0 < frame - 1000 - CARD.window_frames <= CARD.window_frames:  # the second window's
            assert begun.wait(20), "nothing was made meanwhile"
        return write(self, frame, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(StandInEngine, "generate", making)
    monkeypatch.setattr(FrameWriter, "write", writing)
    frames = list(range(1001, 1001 + 3 * CARD.window_frames))
    request = replace(make_request(tmp_path, frames=frames), frames="")
    assert run(request, tmp_path).frames == tuple(frames)
