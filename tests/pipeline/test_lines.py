"""Takes on takes: each is derived from lossless frames, and proved against its parent and the plate below."""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import OpenEXR
import pytest
from blake3 import blake3
from msgspec.structs import replace
from numpy.typing import NDArray

from secondtake.errors import BadInput, MissingFrames, NotFound, ProofFailed, SecondTakeError
from secondtake.figures import Figures
from secondtake.messages import FixRequest, FixResult, Operation, Phase
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.takes.manifest import Manifest, load
from secondtake_daemon.takes.publish import publish
from secondtake_daemon.takes.recipe import on_take, revising
from secondtake_daemon.takes.supports import pack, read_supports, write_supports
from secondtake_daemon.verify import verify

sys.path.insert(0, str(Path(__file__).parent))
from exr_shots import Layout, bits, changed_outside, read, write_plate, write_shot

FRAMES = [1001, 1002]
WIDTH, HEIGHT = 40, 30
TURNS = 20


class Silent:
    def phase(self, phase: Phase, total: int = 0) -> None: ...

    def frame(self, frame: int) -> None: ...

    def figures(self, figures: Figures) -> None: ...

    def stage(self, stage: object) -> None: ...

    def step(self) -> None: ...


class Desk:
    """A shot, and takes of it in folders of its own."""

    def __init__(self, root: Path, layout: Layout | None = None) -> None:
        self.root = root
        self.roots: tuple[Path, ...] = ()
        self.layout = layout or Layout()
        self.plate, self.matte = write_shot(root, self.layout, FRAMES)

    def box(self, name: str, x: int, y: int, width: int, height: int) -> str:
        """A matte that is held over the shot, hard-edged, in display-window coordinates."""
        canvas = np.zeros((HEIGHT, WIDTH), np.float16)
        canvas[y : y + height, x : x + width] = 1
        path = self.root / f"{name}.exr"
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": canvas}).write(str(path))
        return str(path)

    def fix(self, take: str, **values: object) -> FixResult:
        request: dict[str, Any] = {"shot": "sh", "plate": self.plate, "matte": self.matte, "engine": "standin"}
        return self.make(take, FixRequest(job="", out="", operation=Operation.REMOVE, **{**request, **values}))

    def on(self, parent: str, take: str, matte: str, **values: object) -> FixResult:
        folder = self.root / parent
        return self.make(take, replace(on_take(load(folder), folder), matte=matte, engine="standin", **values))

    def make(self, take: str, request: FixRequest) -> FixResult:
        """A take named as its folder."""
        folders = Folders(cache=self.root / "cache", takes=self.root / "takes", cache_bytes=1 << 30, roots=self.roots)
        sent = replace(request, job=uuid.uuid4().hex, out=str(self.root / take))
        return render_fix(sent, take=take, folders=folders, report=Silent())

    def load(self, take: str) -> Manifest:
        return load(self.root / take)

    def mask(self, take: str, frame: int = FRAMES[0]) -> NDArray[np.bool_]:
        """Where a take's matte allows a change, drawn by hand from what `box` was given."""
        ((_, planes),) = read(Path(self.load(take).matte.name.replace("####", str(frame))))
        return np.asarray(planes["Y"] > 0)


def colour(path: str | Path) -> NDArray[np.float32]:
    planes = read(Path(path))[0][1]
    return np.dstack([planes[name] for name in "RGB"]).astype(np.float32)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize(
    "layout",
    [
        Layout(),
        Layout(channels=("R", "G", "B", "A", "Z"), floats=("Z",), extra_part=True),
        Layout(compression=OpenEXR.DWAA_COMPRESSION),
        Layout(compression=OpenEXR.PIZ_COMPRESSION, tiled=True),
    ],
    ids=["plain", "aovs and parts", "lossy", "tiled"],
)
def test_child_over_child_with_overlapping_mattes(tmp_path: Path, layout: Layout) -> None:
    desk = Desk(tmp_path, layout)
    first = desk.box("first", 4, 4, 14, 10)
    second = desk.box("second", 12, 8, 14, 10)
    third = desk.box("third", 14, 2, 4, 24)
    desk.fix("taaaaaa", matte=first)
    desk.on("taaaaaa", "tbbbbbb", second, seed=1)
    made = desk.on("tbbbbbb", "tcccccc", third, seed=2)
    assert made.parent == "tbbbbbb"
    manifest = desk.load("tcccccc")
    assert (manifest.parent, manifest.line) == ("tbbbbbb", ("taaaaaa", "tbbbbbb"))
    assert manifest.root_name == desk.plate
    assert made.line_proof == manifest.line_proof
    assert manifest.line_proof is not None
    assert (manifest.proof.outside_changed, manifest.line_proof.outside_changed) == (0, 0)
    union = desk.mask("taaaaaa") | desk.mask("tbbbbbb") | desk.mask("tcccccc")
    assert manifest.line_proof.inside_samples == len(FRAMES) * 3 * int(union.sum())
    for at, frame in enumerate(FRAMES):
        plate, parent = tmp_path / "plate" / f"sh.{frame}.exr", tmp_path / "tbbbbbb" / f"sh.tbbbbbb.{frame}.exr"
        assert changed_outside(parent, Path(made.files[at]), desk.mask("tcccccc"), ("R", "G", "B")) == []
        if layout.compression is not OpenEXR.DWAA_COMPRESSION:
            assert changed_outside(plate, Path(made.files[at]), union, ("R", "G", "B")) == []
        inside, before = desk.mask("tcccccc"), colour(parent)
        assert (colour(made.files[at])[inside] != before[inside]).any(), "the third edit did nothing"
        kept = read_supports(manifest, tmp_path / "tcccccc")
        window = manifest.crop._replace(x=0, y=0, width=WIDTH, height=HEIGHT)
        assert np.array_equal(kept.line(frame, window), union)
        assert np.array_equal(kept.own(frame, window), desk.mask("tcccccc"))
    found = verify(tmp_path / "tcccccc")
    assert [check.problems for check in found.frames] == [(), ()]
    assert found.line == ("taaaaaa", "tbbbbbb")
    assert found.line_samples == manifest.line_proof.outside_samples > 0
    assert found.outside_samples == manifest.proof.outside_samples
    for name in ("first", "second"):
        (tmp_path / f"{name}.exr").unlink()
    assert verify(tmp_path / "tcccccc").holds, "the mattes of the takes below are not needed"


def test_a_layer_that_the_parent_has_and_the_plate_has_not(desk: Desk) -> None:
    values = {"engine": "temporal", "aovs": ("confidence",)}
    desk.fix("taaaaaa", matte=desk.box("first", 4, 4, 10, 10), **values)
    desk.on("taaaaaa", "tbbbbbb", desk.box("second", 10, 8, 10, 10), aovs=())
    folder = desk.root / "tbbbbbb"
    base = replace(on_take(desk.load("tbbbbbb"), folder), matte=desk.matte, **values)
    made = desk.make("tcccccc", base)
    assert made.line_proof is not None
    assert made.line_proof.outside_changed == 0
    found = verify(desk.root / "tcccccc")
    assert [check.problems for check in found.frames] == [(), ()]


def test_a_line_wears_nothing_out(desk: Desk) -> None:
    """20 turns of an engine that adds noise: said again from the same parent, no turn is farther from the truth.

    The truth is what the same words give from the same parent without noise. What everybody else does, to go on from
    the last result, is written out below: there each turn's noise comes on top of all before it, and the error grows.
    """
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[6:20, 6:26] = True
    desk.fix("tparent", matte=desk.box("before", 20, 12, 12, 12), seed=99, frames="1001")
    desk.on("tparent", "t0", desk.box("edit", 6, 6, 20, 14), engine_options={"mode": "noise"}, instruction="word 0")
    parent, plate = colour(desk.root / "tparent" / "sh.tparent.1001.exr"), colour(desk.root / "plate" / "sh.1001.exr")
    union = inside | desk.mask("tparent")
    errors, naive, worn = [], [], np.zeros_like(parent[inside])
    for turn in range(1, TURNS + 1):
        request = revising(desk.load(f"t{turn - 1}"), instruction=f"word {turn}")
        made = desk.make(f"t{turn}", request)
        truth = colour(desk.make(f"truth{turn}", replace(request, engine_options={"mode": "colour"})).files[0])
        result = colour(made.files[0])
        assert np.array_equal(bits(result[~inside]), bits(parent[~inside]))
        assert np.array_equal(bits(result[~union]), bits(plate[~union]))
        assert made.line_proof is not None
        assert (made.proof.outside_changed, made.line_proof.outside_changed) == (0, 0)
        noise = result[inside] - truth[inside]
        worn += noise
        errors.append(float(np.sqrt(np.mean(noise**2))))
        naive.append(float(np.sqrt(np.mean(worn**2))))
    assert max(errors) < 1.1 * min(errors)
    assert max(errors[TURNS // 2 :]) < 1.05 * max(errors[: TURNS // 2])
    assert naive == sorted(naive), "the test can fail"
    assert naive[-1] > 10 * errors[-1]
    last = desk.load(f"t{TURNS}")
    assert last.instructions == tuple(f"word {turn}" for turn in range(TURNS + 1))
    assert (last.parent, last.revises, last.line) == ("tparent", f"t{TURNS - 1}", ("tparent",))


def test_the_engine_reads_all_instructions(desk: Desk) -> None:
    desk.fix("taaaaaa", instruction="brick")
    one = desk.make("tbbbbbb", revising(desk.load("taaaaaa"), instruction="darker"))
    other = desk.fix("tcccccc", instruction="darker")
    same = desk.fix("tdddddd", instruction="brick\ndarker")
    assert Path(one.files[0]).read_bytes() != Path(other.files[0]).read_bytes()
    assert Path(one.files[0]).read_bytes() == Path(same.files[0]).read_bytes()
    assert desk.load("tbbbbbb").revises == "taaaaaa"
    assert desk.load("tbbbbbb").parent == ""


def test_branch_and_go_back_leaves_older_takes_as_they_were(desk: Desk) -> None:
    def all_bytes(*takes: str) -> dict[Path, bytes]:
        return {path: path.read_bytes() for take in takes for path in (desk.root / take).iterdir()}

    second = desk.box("second", 2, 20, 8, 6)
    desk.fix("taaaaaa", instruction="red")
    desk.on("taaaaaa", "tbbbbbb", second, instruction="green")
    before = all_bytes("taaaaaa", "tbbbbbb")
    desk.on("taaaaaa", "tcccccc", desk.matte, instruction="blue")
    desk.make("tdddddd", revising(desk.load("tbbbbbb"), instruction="greener"))
    back = desk.on("taaaaaa", "teeeeee", second, instruction="green")
    assert all_bytes("taaaaaa", "tbbbbbb") == before
    old = [desk.root / "tbbbbbb" / f"sh.tbbbbbb.{frame}.exr" for frame in FRAMES]
    assert [Path(file).read_bytes() for file in back.files] == [path.read_bytes() for path in old]


def damage(path: Path) -> None:
    write_plate(path, Layout(), np.random.default_rng(5))


@pytest.mark.parametrize(
    ("spoil", "kind", "says"),
    [
        (lambda root: damage(root / "taaaaaa" / "sh.taaaaaa.1002.exr"), BadInput, "Frame 1002 of take taaaaaa is not"),
        (lambda root: (root / "taaaaaa" / "sh.taaaaaa.1001.exr").write_bytes(b"x"), BadInput, "Frame 1001 of take"),
        (lambda root: (root / "taaaaaa" / "sh.taaaaaa.1002.exr").unlink(), MissingFrames, "1002"),
        (
            lambda root: damage(root / "plate" / "sh.1002.exr"),
            BadInput,
            "Frame 1002 of the plate changed on disk since",
        ),
        (lambda root: (root / "plate" / "sh.1002.exr").unlink(), MissingFrames, "Frame 1002 of the plate under take"),
        (lambda root: (root / "taaaaaa" / "take.json").unlink(), NotFound, "There is no take here"),
        (lambda root: (root / "taaaaaa" / "sh.taaaaaa.supports").unlink(), BadInput, "is gone"),
        (lambda root: (root / "taaaaaa" / "sh.taaaaaa.supports").write_bytes(b"x"), BadInput, "not the file that was"),
    ],
)
def test_what_changed_on_disk_is_never_silently_used(
    desk: Desk, spoil: Callable[[Path], object], kind: type[SecondTakeError], says: str
) -> None:
    desk.fix("taaaaaa")
    folder = desk.root / "taaaaaa"
    request = replace(on_take(load(folder), folder), matte=desk.matte, engine="standin")
    spoil(desk.root)
    with pytest.raises(kind, match=says) as raised:
        desk.make("tbbbbbb", request)
    assert raised.value.exit_status == 12
    assert raised.value.remedy
    assert not (desk.root / "tbbbbbb").exists()


def test_the_plate_below_a_grandchild_is_checked(desk: Desk) -> None:
    desk.fix("taaaaaa")
    desk.on("taaaaaa", "tbbbbbb", desk.box("second", 2, 20, 8, 6))
    damage(desk.root / "plate" / "sh.1001.exr")
    with pytest.raises(BadInput, match="Frame 1001 of the plate changed on disk since take tbbbbbb"):
        desk.on("tbbbbbb", "tcccccc", desk.matte)
    found = verify(desk.root / "tbbbbbb")
    assert "Frame 1001 of the plate changed on disk since the take was made" in found.frames[0].problems
    assert found.frames[1].problems == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [({"parent": "tzzzzzz"}, "holds take taaaaaa, not tzzzzzz"), ({"shot": "sh020"}, "a take of another shot, sh")],
)
def test_a_request_that_names_the_wrong_take(desk: Desk, change: dict[str, str], says: str) -> None:
    desk.fix("taaaaaa")
    folder = desk.root / "taaaaaa"
    request = replace(on_take(load(folder), folder), matte=desk.matte, engine="standin", **change)
    with pytest.raises(BadInput, match=says):
        desk.make("tbbbbbb", request)


def test_a_line_that_begins_with_a_movie(desk: Desk) -> None:
    movie = desk.root / "shot.mov"
    with av.open(str(movie), "w") as container:
        stream = container.add_stream("prores_ks", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv422p10le"
        for number in range(3):
            picture = np.full((48, 64, 3), 20 * number + 40, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": np.ones((48, 64), np.float16)}).write(str(desk.root / "m.exr"))
    values = {"matte": str(desk.root / "m.exr"), "grow_px": -4}
    begin = {"plate": str(movie), "colourspace": "Gamma 2.4 Encoded Rec.709", **values}
    desk.fix("taaaaaa", **begin)
    desk.roots = (desk.root / "shot.mov", desk.root / "m.exr", *(desk.root / f"t{name * 6}" for name in "abcd"))
    made = desk.on("taaaaaa", "tbbbbbb", seed=1, **values)
    assert made.line_proof is not None
    assert made.line_proof.outside_changed == 0
    assert desk.load("tbbbbbb").root_name == str(movie)
    shutil.rmtree(desk.root / "cache" / "movies")
    with pytest.raises(MissingFrames, match="Frame 1 of the plate under take taaaaaa") as error:
        desk.on("taaaaaa", "tcccccc", seed=1, **values)
    assert error.value.remedy == "Fix the movie once more: that converts its frames"
    desk.fix("tdddddd", **begin)
    assert desk.on("taaaaaa", "tcccccc", seed=1, **values).frames == (1, 2, 3)


def test_a_frame_below_may_not_lead_outside_the_roots(desk: Desk) -> None:
    desk.fix("taaaaaa")
    desk.roots = (desk.root / "taaaaaa", desk.root / "matte")
    with pytest.raises(BadInput, match="outside the daemon's roots") as error:
        desk.on("taaaaaa", "tbbbbbb", desk.matte)
    assert error.value.path.endswith("plate/sh.1001.exr")


def test_frames_outside_the_parent(desk: Desk) -> None:
    desk.fix("taaaaaa", frames="1001")
    folder = desk.root / "taaaaaa"
    with pytest.raises(MissingFrames, match="Take taaaaaa has frames 1001, not 1002"):
        on_take(load(folder), folder, frames="1001-1002")
    shutil.copy(folder / "sh.taaaaaa.1001.exr", folder / "sh.taaaaaa.1002.exr")  # a frame that nobody recorded
    request = replace(on_take(load(folder), folder), matte=desk.matte, engine="standin", frames="1001-1002")
    with pytest.raises(BadInput, match="Frame 1002 of take taaaaaa is not the file that was recorded"):
        desk.make("tbbbbbb", request)


def test_verify_names_what_was_edited_by_hand(desk: Desk) -> None:
    desk.fix("taaaaaa")
    desk.on("taaaaaa", "tbbbbbb", desk.box("second", 2, 20, 8, 6))
    damage(desk.root / "taaaaaa" / "sh.taaaaaa.1002.exr")
    problems = [check.problems for check in verify(desk.root / "taaaaaa").frames]
    assert problems[0] == ()
    assert "Frame 1002 is not the file that was recorded" in problems[1]
    problems = [check.problems for check in verify(desk.root / "tbbbbbb").frames]
    assert problems == [(), ("Frame 1002 of take taaaaaa changed on disk since the take was made",)]


def test_verify_measures_the_line_against_the_plate(desk: Desk) -> None:
    """Parent and child are forged alike, outside all mattes, and sealed again: only the plate below tells."""
    desk.fix("taaaaaa", matte=desk.box("first", 4, 4, 10, 10))
    desk.on("taaaaaa", "tbbbbbb", desk.box("second", 10, 8, 10, 10))
    for take in ("taaaaaa", "tbbbbbb"):
        flip(desk.root / take / f"sh.{take}.1001.exr")
    reseal(desk.root / "taaaaaa")
    reseal(desk.root / "tbbbbbb", plates=True)
    found = verify(desk.root / "tbbbbbb")
    assert (found.outside_changed, found.line_changed) == (0, 1)
    with pytest.raises(
        ProofFailed, match="G at x 33, y 1 is outside all mattes of the line and differs from the plate"
    ):
        found.require()


@pytest.mark.parametrize(("part", "channel"), [(0, "G"), (0, "A"), (1, "Z")])
def test_no_take_is_published_on_a_forged_parent(tmp_path: Path, part: int, channel: str) -> None:
    """The parent was changed outside its matte and sealed again: the child's proof against it holds, the line's not."""
    desk = Desk(tmp_path, Layout(channels=("R", "G", "B", "A"), extra_part=True))
    desk.fix("taaaaaa", matte=desk.box("first", 4, 4, 10, 10))
    flip(desk.root / "taaaaaa" / "sh.taaaaaa.1001.exr", part=part, channel=channel)
    reseal(desk.root / "taaaaaa")
    says = "1 samples outside all mattes of the line would differ" if part == 0 else "in the parts that are not edited"
    with pytest.raises(ProofFailed, match=says):
        desk.on("taaaaaa", "tbbbbbb", desk.box("second", 10, 8, 10, 10))
    assert not (desk.root / "tbbbbbb").exists()


def flip(path: Path, *, part: int = 0, channel: str = "G") -> None:
    """Change the last bit of one sample, at x 33, y 1."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        parts = [
            OpenEXR.Part(dict(one.header), {name: np.array(each.pixels) for name, each in one.channels.items()})
            for one in file.parts
        ]
    bits(parts[part].channels[channel].pixels)[1, 33] ^= 1
    OpenEXR.File(parts).write(str(path))


def reseal(folder: Path, *, plates: bool = False) -> None:
    manifest = load(folder)
    frames = tuple(
        replace(
            one,
            digest=blake3((folder / one.file).read_bytes()).hexdigest(),
            plate_digest=blake3(Path(one.plate).read_bytes()).hexdigest() if plates else one.plate_digest,
        )
        for one in manifest.frames
    )
    (folder / "take.json").write_bytes(msgspec.json.encode(replace(manifest, frames=frames)))


def test_a_union_that_is_too_large_is_found(desk: Desk) -> None:
    """A take that would claim a larger line, to hide a change in it, is not believed."""
    desk.fix("taaaaaa", matte=desk.box("first", 4, 4, 10, 10))
    desk.on("taaaaaa", "tbbbbbb", desk.box("second", 10, 8, 10, 10))
    folder, manifest = desk.root / "tbbbbbb", desk.load("tbbbbbb")
    kept = read_supports(manifest, folder)
    window = kept.frames[1001].window
    forged = {frame: pack(window, own=kept.own(frame, window), line=np.ones((HEIGHT, WIDTH), bool)) for frame in FRAMES}
    assert manifest.supports is not None
    used = write_supports(folder / manifest.supports.file, forged)
    assert verify(folder).frames[0].problems[0].endswith("is not the file that was recorded")
    (folder / "take.json").write_bytes(msgspec.json.encode(replace(manifest, supports=used)))
    assert verify(folder).frames[0].problems == (
        "Frame 1001: what the take keeps of where its line may change is not true",
    )


def test_a_manifest_that_keeps_silent_about_its_line(desk: Desk) -> None:
    desk.fix("taaaaaa")
    desk.on("taaaaaa", "tbbbbbb", desk.box("second", 10, 8, 10, 10))
    folder, manifest = desk.root / "tbbbbbb", desk.load("tbbbbbb")
    silent = replace(manifest, frames=tuple(replace(one, root="") for one in manifest.frames))
    for forged, says in (
        (replace(manifest, supports=None), "does not say where it may change"),
        (silent, "does not say where its line begins"),
    ):
        (folder / "take.json").write_bytes(msgspec.json.encode(forged))
        assert says in verify(folder).frames[0].problems[0]


def test_a_take_on_the_plate_has_no_line_but_its_own_matte(desk: Desk) -> None:
    desk.fix("taaaaaa", matte=desk.box("first", 4, 4, 10, 10))
    folder, manifest = desk.root / "taaaaaa", desk.load("taaaaaa")
    kept, everything = read_supports(manifest, folder), np.ones((HEIGHT, WIDTH), bool)
    window = kept.frames[1001].window
    forged = {frame: pack(window, own=kept.own(frame, window), line=everything) for frame in FRAMES}
    assert manifest.supports is not None
    used = write_supports(folder / manifest.supports.file, forged)
    (folder / "take.json").write_bytes(msgspec.json.encode(replace(manifest, supports=used)))
    assert verify(folder).frames[0].problems[0].endswith("where its line may change is not true")


def test_publish_refuses_a_line_that_does_not_hold(desk: Desk) -> None:
    desk.fix("taaaaaa")
    manifest = desk.load("taaaaaa")
    broken = replace(manifest, line_proof=replace(manifest.proof, outside_changed=3))
    with pytest.raises(ProofFailed, match="3 samples outside all mattes of the line"):
        publish(broken, ledger=None, registry=desk.root / "takes")  # type: ignore[arg-type]


def test_nothing_was_ever_said(desk: Desk) -> None:
    desk.fix("taaaaaa")
    with pytest.raises(BadInput, match="has no instruction that could be said again"):
        revising(desk.load("taaaaaa"), instruction="")
    assert revising(desk.load("taaaaaa"), instruction="red").instructions == ()
