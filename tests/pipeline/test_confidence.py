"""How each pixel is known, from the engine to the take: counted, written as a layer, proved, and found when wrong."""

from __future__ import annotations

import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import OpenEXR
import pytest
from blake3 import blake3
from numpy.typing import NDArray

from secondtake.errors import BadImage, EngineFault
from secondtake.figures import Figures
from secondtake.messages import FixRequest, FixResult, Knowledge, Operation, Phase
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.contract import Job, Patch, Window
from secondtake_daemon.engines.standin import StandInEngine
from secondtake_daemon.images.exr_layers import CONFIDENCE
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.takes.ledger import Ledger
from secondtake_daemon.takes.manifest import Manifest, load
from secondtake_daemon.takes.publish import knowledge_of
from secondtake_daemon.verify import verify

sys.path.insert(0, str(Path(__file__).parent))
from exr_shots import Layout, bits, changed_outside, matte_on, read, write_matte, write_shot

FRAMES = [1001, 1002, 1003, 1004, 1005, 1006]
LAYOUTS = {
    "half rgb": Layout(),
    "float rgb": Layout(floats=("R", "G", "B")),
    "aovs": Layout(channels=("R", "G", "B", "A", "Z", "diffuse.R", "id"), floats=("Z", "id")),
    "overscan": Layout(width=60, height=50, data_min=(-10, -10), display=(40, 30)),
    "cropped": Layout(width=30, height=20, data_min=(5, 4), display=(40, 30)),
    "luminance": Layout(channels=("Y",)),
    "layer": Layout(channels=("beauty.R", "beauty.G", "beauty.B", "matte.A")),
    "piz": Layout(compression=OpenEXR.PIZ_COMPRESSION, height=100),
    "lossy": Layout(compression=OpenEXR.DWAA_COMPRESSION),
    "tiled": Layout(tiled=True),
    "two parts": Layout(extra_part=True),
}


def said(frame: int, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.uint8]:
    """What the engine of these tests says of a pixel."""
    return (1 + (x + 2 * y + frame) // 3 % 3).astype(np.uint8)


class Teller(StandInEngine):
    """The stand-in, with an answer to how it knows."""

    harm: ClassVar[str] = ""

    def __init__(self, card: Card) -> None:
        super().__init__(replace(card, says_how=True))

    def generate(self, window: Window, job: Job) -> Patch:
        patch = super().generate(window, job)
        y, x = (
            np.indices((window.crop.height, window.crop.width))
            + np.array([window.crop.y, window.crop.x])[:, None, None]
        )
        known = np.stack([said(frame, x, y) for frame in window.frames])
        if self.harm == "unsaid" and 1005 in window.frames:
            known[0, y[:, 0].size // 2] = 0
        if self.harm == "strange":
            known[:] = 4
        if self.harm == "short":
            known = known[1:]
        return replace(patch, known=None if self.harm == "silent" else known)


class Silent:
    def __init__(self) -> None:
        self.phases: list[Phase] = []

    def phase(self, phase: Phase, total: int = 0) -> None:
        self.phases.append(phase)

    def frame(self, frame: int) -> None: ...

    def figures(self, figures: Figures) -> None: ...

    def stage(self, stage: object) -> None: ...

    def step(self) -> None: ...


@pytest.fixture(autouse=True)
def teller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secondtake_daemon.pipeline.factory", lambda _card: Teller)


def request_for(root: Path, layout: Layout | None = None, **options: object) -> FixRequest:
    plate, matte = write_shot(root, layout or Layout(), FRAMES)
    values: dict[str, object] = {
        "job": uuid.uuid4().hex,
        "shot": "sh",
        "plate": plate,
        "matte": matte,
        "out": str(root / "out"),
        "operation": Operation.REMOVE,
        "engine": "standin",
        "engine_options": {"mode": "noise"},
        "aovs": ("confidence",),
    }
    return FixRequest(**{**values, **options})  # type: ignore[arg-type]


def run(request: FixRequest, root: Path, report: Silent | None = None) -> FixResult:
    folders = Folders(cache=root / "cache", takes=root / "takes", cache_bytes=1 << 30)
    return render_fix(request, take="tabc12", folders=folders, report=report or Silent())


def changed(request: FixRequest, **values: object) -> FixRequest:
    return msgspec.structs.replace(request, job=uuid.uuid4().hex, **values)


def expected(layout: Layout, frame: int, inside: NDArray[np.bool_]) -> dict[str, NDArray[np.float16]]:
    y, x = np.indices(inside.shape)
    known = said(frame, x + layout.data_min[0], y + layout.data_min[1])
    return {name: (inside & (known == way)).astype(np.float16) for way, name in enumerate(CONFIDENCE.channels, 1)}


def total(records: list[Knowledge]) -> Knowledge:
    return Knowledge(
        seen=sum(one.seen for one in records),
        carried=sum(one.carried for one in records),
        invented=sum(one.invented for one in records),
    )


def without_layer(path: Path, folder: Path) -> Path:
    """The same file as the library writes it, without the layer."""
    parts = []
    for header, planes in read(path):
        kept = {name: plane for name, plane in planes.items() if name not in CONFIDENCE.channels}
        parts.append(OpenEXR.Part(dict(header), kept))
    OpenEXR.File(parts).write(str(folder / "bare.exr"))
    return folder / "bare.exr"


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layer_says_what_the_engine_said_and_all_else_stays(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[name]
    result = run(request_for(tmp_path, layout), tmp_path)
    manifest = load(Path(result.manifest))
    records = []
    for record, file in zip(manifest.frames, map(Path, result.files), strict=True):
        inside = matte_on(layout, tmp_path / "matte" / f"m.{record.frame:04d}.exr")
        plate = tmp_path / "plate" / f"sh.{record.frame:04d}.exr"
        wanted = expected(layout, record.frame, inside)
        planes = read(file)[0][1]
        for channel, plane in wanted.items():
            assert planes[channel].dtype == np.float16
            assert np.array_equal(bits(planes[channel]), bits(plane)), channel
        assert set(planes) == {*layout.channels, *CONFIDENCE.channels}
        faults = changed_outside(plate, without_layer(file, tmp_path), inside, manifest.plate.channels)
        assert [fault for fault in faults if name != "lossy" or fault != "attribute compression"] == []
        assert record.way == "layer"
        counts = [int(plane.sum()) for plane in wanted.values()]
        assert record.known == Knowledge(seen=counts[0], carried=counts[1], invented=counts[2])
        records.append(record.known)
    assert result.knowledge == manifest.knowledge == total(records)
    found = verify(tmp_path / "out")
    assert [check.problems for check in found.frames] == [()] * len(FRAMES)
    assert found.outside_samples == result.proof.outside_samples
    assert found.inside_samples == result.proof.inside_samples


@pytest.mark.parametrize("options", [{"feather_px": 2}, {"grow_px": -2}, {"grow_px": 3}])
def test_it_is_counted_where_the_stitch_matte_is(tmp_path: Path, options: dict[str, int]) -> None:
    result = run(request_for(tmp_path, operation=Operation.MODIFY, **options), tmp_path)
    for record in load(Path(result.manifest)).frames:
        planes = read(tmp_path / "out" / record.file)[0][1]
        inside = np.sum([planes[name] for name in CONFIDENCE.channels], axis=0) == 1
        assert all(np.array_equal(planes[k], v) for k, v in expected(Layout(), record.frame, inside).items())
        assert 3 * inside.sum() == record.inside_samples
    assert verify(tmp_path / "out").holds


def test_a_frame_without_matte_has_the_same_channels(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    blank = tmp_path / "matte" / "m.1002.exr"
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": np.zeros((30, 40), np.float16)}).write(str(blank))
    result = run(request, tmp_path)
    planes = [read(Path(file))[0][1] for file in result.files]
    assert len({tuple(sorted(each)) for each in planes}) == 1
    assert not any(planes[1][name].any() for name in CONFIDENCE.channels)
    assert load(Path(result.manifest)).frames[1].known == Knowledge(seen=0, carried=0, invented=0)
    assert verify(tmp_path / "out").holds


def test_without_the_option_files_are_as_ever_and_patches_are_shared(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    first = run(request, tmp_path)
    report = Silent()
    plain = run(changed(request, out=str(tmp_path / "plain"), aovs=()), tmp_path, report)
    assert Phase.LOAD not in report.phases, "a layer is no other patch"
    assert plain.knowledge == first.knowledge
    for file, bare in zip(first.files, plain.files, strict=True):
        layered, others = read(Path(file))[0][1], read(Path(bare))[0][1]
        assert set(layered) - set(others) == set(CONFIDENCE.channels)
        assert all(np.array_equal(bits(layered[name]), bits(plane)) for name, plane in others.items())
    again = run(changed(request, out=str(tmp_path / "again")), tmp_path)
    assert [Path(file).read_bytes() for file in again.files] == [Path(file).read_bytes() for file in first.files]


@pytest.mark.parametrize("harm", ["unsaid", "strange", "short", "silent"])
def test_an_engine_that_breaks_its_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str) -> None:
    monkeypatch.setattr(Teller, "harm", harm)
    with pytest.raises(EngineFault, match="does not say how it knows") as error:
        run(request_for(tmp_path), tmp_path)
    assert error.value.remedy
    assert not (tmp_path / "out").exists()


def test_an_engine_that_does_not_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secondtake_daemon.pipeline.factory", lambda _card: StandInEngine)
    request = request_for(tmp_path)
    with pytest.raises(EngineFault, match="does not say how it knows"):
        run(request, tmp_path)
    result = run(changed(request, aovs=()), tmp_path)
    assert result.knowledge is None
    assert {record.known for record in load(Path(result.manifest)).frames} == {None}


def test_a_resumed_take_knows_all_its_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"mode": "noise", "frame_s": "0.2", "crash_at": "1006", "crash": "raise"}
    request = request_for(tmp_path, engine_options=options)
    with monkeypatch.context() as patched:  # as a killed process would
        patched.setattr(Ledger, "discard", lambda _self: None)
        with pytest.raises(RuntimeError):
            run(request, tmp_path)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.exr")}
    assert len(written) == 3
    result = run(msgspec.structs.replace(request, engine_options={**options, "crash_times": "1"}), tmp_path)
    assert all(path.stat().st_mtime_ns == time for path, time in written.items())
    records = [record.known for record in load(Path(result.manifest)).frames]
    assert result.knowledge == total([record for record in records if record])
    assert len(records) == len([record for record in records if record]) == len(FRAMES)
    assert verify(tmp_path / "out").holds


def test_a_take_fixed_again_keeps_the_old_answer_outside_the_new_matte(tmp_path: Path) -> None:
    first = run(request_for(tmp_path), tmp_path)
    for frame in FRAMES:
        write_matte(tmp_path / "matte" / f"m.{frame:04d}.exr", Layout(), frame - FRAMES[0] + 5)
    plate = str(tmp_path / "out" / "sh.tabc12.####.exr")
    request = changed(load(Path(first.manifest)).request, plate=plate, out=str(tmp_path / "second"), seed=7)
    second = run(request, tmp_path)
    for frame, before, after in zip(FRAMES, first.files, second.files, strict=True):
        old, new = read(Path(before))[0][1], read(Path(after))[0][1]
        inside = matte_on(Layout(), tmp_path / "matte" / f"m.{frame:04d}.exr")
        assert list(old) == list(new)
        for name, plane in expected(Layout(), frame, inside).items():
            assert np.array_equal(new[name], np.where(inside, plane, old[name]))
            assert (old[name].astype(bool) & ~inside).any()
    assert {record.way for record in load(Path(second.manifest)).frames} == {"splice"}
    found = verify(tmp_path / "second")
    assert [check.problems for check in found.frames] == [()] * len(FRAMES)
    assert (found.inside_samples, found.outside_samples) == (second.proof.inside_samples, second.proof.outside_samples)


def test_a_plate_with_a_channel_of_that_name_that_holds_integers(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    for path in (tmp_path / "plate").iterdir():
        header, planes = read(path)[0]
        OpenEXR.File(header, {**planes, CONFIDENCE.channels[1]: np.ones((30, 40), np.uint32)}).write(str(path))
    with pytest.raises(BadImage, match=r"confidence\.B holds integers") as error:
        run(request, tmp_path)
    assert error.value.remedy
    assert not (tmp_path / "out").exists()
    assert run(changed(request, aovs=()), tmp_path).knowledge is not None


def test_a_take_of_before_loads(tmp_path: Path) -> None:
    result = run(request_for(tmp_path, aovs=()), tmp_path)
    path = Path(result.manifest)
    raw = msgspec.json.decode(path.read_bytes())
    del raw["knowledge"]
    for frame in raw["frames"]:
        del frame["known"]
    path.write_bytes(msgspec.json.encode(raw))
    manifest = load(path)
    assert (manifest.schema, manifest.knowledge, manifest.frames[0].known) == (1, None, None)
    assert verify(path.parent).holds


def test_a_sum_needs_all_frames(tmp_path: Path) -> None:
    frames = load(Path(run(request_for(tmp_path), tmp_path).manifest)).frames
    older = msgspec.structs.replace(frames[0], known=None)
    assert knowledge_of(frames) == total([record.known for record in frames if record.known])
    assert knowledge_of((older, *frames[1:])) is None, "a frame that an older version wrote, in a take that went on"


def reseal(folder: Path, **values: object) -> None:
    """Record the files as they are now, as somebody would who wants to hide a change."""
    manifest = load(folder)
    frames = tuple(
        msgspec.structs.replace(frame, digest=blake3((folder / frame.file).read_bytes()).hexdigest())
        for frame in manifest.frames
    )
    sealed: Manifest = msgspec.structs.replace(manifest, frames=frames, **values)
    (folder / "take.json").write_bytes(msgspec.json.encode(sealed))


@pytest.mark.parametrize(
    ("channel", "place", "value", "says"),
    [
        (0, "outside", 1.0, "at x 3, y 2 is outside the matte and not 0"),
        (2, "outside", -0.0, "at x 3, y 2 is outside the matte and not 0"),
        (0, "inside", 0.5, "at x 15, y 12 is not 1 in one channel and 0 in the others"),
        (1, "swap", 1.0, "has other counts than take.json"),
    ],
)
def test_verify_finds_a_false_layer(tmp_path: Path, channel: int, place: str, value: float, says: str) -> None:
    result = run(request_for(tmp_path), tmp_path)
    path = Path(result.files[0])
    header, planes = read(path)[0]
    x, y = (3, 2) if place == "outside" else (15, 12)
    if place == "swap":
        now = next(at for at, name in enumerate(CONFIDENCE.channels) if planes[name][y, x] == 1)
        planes[CONFIDENCE.channels[now]][y, x] = 0
        channel = (now + 1) % 3
    planes[CONFIDENCE.channels[channel]][y, x] = value
    OpenEXR.File(header, planes).write(str(path))
    reseal(tmp_path / "out")
    assert verify(tmp_path / "out").frames[0].problems == (f"Frame 1001: its layer 'confidence' {says}",)
    assert all(not check.problems for check in verify(tmp_path / "out").frames[1:])


def test_verify_takes_new_channels_only_where_the_manifest_says_so(tmp_path: Path) -> None:
    result = run(request_for(tmp_path), tmp_path)
    request = load(Path(result.manifest)).request
    reseal(tmp_path / "out", request=msgspec.structs.replace(request, aovs=()))
    assert verify(tmp_path / "out").frames[0].problems == ("Frame 1001: its channels are not the plate's",)
    plain = run(changed(request, aovs=(), out=str(tmp_path / "plain")), tmp_path)
    reseal(
        tmp_path / "plain", request=msgspec.structs.replace(load(Path(plain.manifest)).request, aovs=("confidence",))
    )
    assert verify(tmp_path / "plain").frames[0].problems == ("Frame 1001: its channels are not the plate's",)
